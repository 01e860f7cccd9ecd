# MicroPython's `socket`, on netstack.
from netstack.api.socket import *  # noqa: F403
from netstack.api.socket import __getattr__  # noqa: F401
