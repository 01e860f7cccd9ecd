# QEMU's virt machine with one virtio-net device.
BUDGET = 240 * 1024  # bytes of frames and rings

_nic = None


def nic():
    """The board's network interface, opened at the first call."""
    global _nic
    if _nic is None:
        from virtio_net import VirtioNet

        _nic = VirtioNet()
    return _nic
