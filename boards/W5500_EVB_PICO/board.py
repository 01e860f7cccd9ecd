# WIZnet W5500-EVB-Pico: the W5500 is soldered to these pins.
SPI_HZ = 33_000_000  # at most; what clk_peri makes of it: README.md

_nic = None


def nic():
    """The board's network interface, opened at the first call."""
    global _nic
    if _nic is None:
        from machine import Pin, SPI
        from netstack.nic.w5500 import W5500

        spi = SPI(0, SPI_HZ, sck=Pin(18), mosi=Pin(19), miso=Pin(16))
        _nic = W5500(spi, cs=Pin(17), reset=Pin(20), interrupt=Pin(21))
    return _nic
