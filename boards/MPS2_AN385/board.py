# Arm MPS2 AN385: one LAN9118 Ethernet chip (a LAN9220 on the real board).
BUDGET = 240 * 1024  # bytes of frames and rings

_nic = None


def nic():
    """The board's network interface, opened at the first call."""
    global _nic
    if _nic is None:
        from lan9118 import LAN9118

        _nic = LAN9118()
    return _nic
