# MicroPython's `network`, on netstack.
from netstack.api.network import *  # noqa: F403

try:  # where a board has a radio
    from netstack.api.wlan import STAT_NO_AP_FOUND, STAT_WRONG_PASSWORD, WLAN  # noqa: F401
except ImportError:
    pass
