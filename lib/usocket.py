# The older name of `socket`, which MicroPython itself knows only for modules in C.
from socket import *  # noqa: F403
from socket import __getattr__  # noqa: F401
