# Raspberry Pi Pico W or Pico 2 W: a CYW43439 and nothing else.
from cyw43_wifi import radio  # noqa: F401


def nic():
    raise OSError(19, "a Pico W has no Ethernet: network.WLAN() is its network")
