# Raspberry Pi Pico W: a CYW43439 and nothing else.
from cyw43_wifi import radio  # noqa: F401


def nic():
    raise OSError(19, "RPI_PICO_W has no Ethernet: network.WLAN() is its network")
