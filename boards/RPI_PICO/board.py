# Raspberry Pi Pico or Pico 2 with a module on SPI 0, wired as README.md shows: W5500 or ENC28J60.
W5500_HZ = 33_000_000  # at most; what clk_peri makes of it: README.md
ENC28J60_HZ = 20_000_000

_nic = None


def nic():
    """The module's chip, opened at the first call: whichever of the two answers."""
    global _nic
    if _nic is None:
        try:
            _nic = _w5500()
        except OSError as error:
            try:
                _nic = _enc28j60()
            except (OSError, ImportError):
                raise error
    return _nic


def _pins():
    from machine import Pin

    return {"cs": Pin(17), "reset": Pin(20), "interrupt": Pin(21)}


def _spi(hz):
    from machine import Pin, SPI

    return SPI(0, hz, sck=Pin(18), mosi=Pin(19), miso=Pin(16))


def _w5500():
    from netstack.nic.w5500 import W5500

    return W5500(_spi(W5500_HZ), **_pins())


def _enc28j60():
    from netstack.nic.enc28j60 import ENC28J60

    return ENC28J60(_spi(ENC28J60_HZ), **_pins())
