# MicroPython's `network`, on netstack.
from netstack.api.network import *  # noqa: F403
