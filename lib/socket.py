# MicroPython's `socket`, on netstack.
from netstack.api.socket import *  # noqa: F403
