"""virtio-net over virtio-mmio (VIRTIO 1.2, OASIS: 4.2 MMIO transport, 2.7 split virtqueues,
5.1 network device), as QEMU's virt machine has it; version 2 and legacy version 1.

Each virtqueue is one block of memory in the legacy layout (2.7.2), which version 2 accepts too.
Every descriptor owns one buffer for ever: descriptor i of the receive queue is posted again as
soon as its frame is copied out, descriptor i of the transmit queue is free when the used index
has passed it, because QEMU and every in-order device return buffers in the order they were
given. RAM: 2 x 16 buffers of 1536 bytes and 2 x 8.5 kB of rings, 65 kB.
"""

import micropython
from array import array
from micropython import const
from uctypes import addressof

import _qemu

# Where QEMU's virt machine has its slots; slot n interrupts on line n + 1.
_SLOTS = const(0x10001000)
_SLOT_STEP = const(0x1000)
_SLOT_COUNT = const(8)

# Registers (4.2.2, legacy 4.2.4): byte offset / 4.
_MAGIC = const(0x00)
_VERSION = const(0x01)
_DEVICE_ID = const(0x02)
_DEVICE_FEATURES = const(0x04)
_DEVICE_FEATURES_SEL = const(0x05)
_DRIVER_FEATURES = const(0x08)
_DRIVER_FEATURES_SEL = const(0x09)
_GUEST_PAGE_SIZE = const(0x0A)  # legacy
_QUEUE_SEL = const(0x0C)
_QUEUE_NUM_MAX = const(0x0D)
_QUEUE_NUM = const(0x0E)
_QUEUE_ALIGN = const(0x0F)  # legacy
_QUEUE_PFN = const(0x10)  # legacy
_QUEUE_READY = const(0x11)
_QUEUE_NOTIFY = const(0x14)
_INTERRUPT_STATUS = const(0x18)
_INTERRUPT_ACK = const(0x19)
_STATUS = const(0x1C)
_QUEUE_DESC = const(0x20)
_QUEUE_DRIVER = const(0x24)
_QUEUE_DEVICE = const(0x28)
_CONFIG = const(0x40)

_NET = const(1)
_S_ACKNOWLEDGE = const(1)
_S_DRIVER = const(2)
_S_DRIVER_OK = const(4)
_S_FEATURES_OK = const(8)
_F_MAC = const(1 << 5)
_F_STATUS = const(1 << 16)
_F_VERSION_1 = const(1)  # bit 32: bit 0 of the upper word
_D_WRITE = const(2)
_NO_INTERRUPT = const(1)

_N = const(16)  # descriptors in a queue
_SLOT = const(1536)  # bytes of a buffer
_ALIGN = const(4096)
_AVAIL = const(16 * 16)  # byte offset of the available ring: after the descriptors

_ETH_MIN = const(60)
_ETH_MAX = const(1518)
_EIO = const(5)
_EMSGSIZE = const(90)

_MAGIC_VALUE = const(0x74726976)

# What _rx and _tx know.
_BASE = const(0)
_RX_QUEUE = const(1)  # addresses
_RX_BUFS = const(2)
_TX_QUEUE = const(3)
_TX_BUFS = const(4)
_HDR = const(5)  # bytes before a frame
_SEEN = const(6)  # frames taken and given, modulo 2^16
_SENT = const(7)
_DROPS = const(8)
_QUIET = const(9)  # 1: the interrupt has come, and is off until no frame waits
_WORDS = const(10)


@micropython.viper
def _get(base: ptr32, reg: int) -> int:
    return base[reg]


@micropython.viper
def _put(base: ptr32, reg: int, value: int):
    base[reg] = value


@micropython.viper
def _build(queue: ptr8, bufs: ptr8, first: int, size: int, flags: int):
    # Descriptor i: buffer i from its byte `first` on. Addresses never become Python ints.
    desc = ptr32(queue)
    desc16 = ptr16(queue)
    i = 0
    while i < _N:
        desc[i * 4] = int(bufs) + i * _SLOT + first
        desc[i * 4 + 1] = 0
        desc[i * 4 + 2] = size
        desc16[i * 8 + 6] = flags
        desc16[i * 8 + 7] = 0
        i += 1


@micropython.viper
def _fill(queue: ptr8):
    # Makes every descriptor available (2.7.13).
    avail = ptr16(int(queue) + _AVAIL)
    i = 0
    while i < _N:
        avail[2 + i] = i
        i += 1
    avail[1] = i


# Reading a register is the memory barrier that stands between a ring and its index: in QEMU the
# device runs on another processor of the host. The emitter keeps the first two locals in
# registers: hence arguments that become addresses.


@micropython.viper
def _rx(io: ptr32, buf: ptr32, off: int) -> int:
    # The frame's length; 0 when none waits, -1 when moreover the interrupt is off. Frames lie 2
    # bytes before a word boundary in the device's buffer as in the caller's: whole words.
    base = ptr32(io[_BASE])
    used = ptr16(io[_RX_QUEUE] + _ALIGN)
    avail = ptr16(io[_RX_QUEUE] + _AVAIL)
    buf = ptr32(int(buf) + off - 2)
    n = 0
    while n == 0:
        at = io[_SEEN]
        if used[1] == at:
            return 0 - io[_QUIET]
        base[_STATUS]
        entry = ptr32(int(used) + 4 + ((at & (_N - 1)) << 3))
        d = entry[0] & (_N - 1)
        n = entry[1] - io[_HDR]
        io[_SEEN] = (at + 1) & 0xFFFF
        if n < 14 or n > _ETH_MAX:
            io[_DROPS] += 1
            n = 0
        else:
            off = io[_RX_BUFS] + d * _SLOT + 12
            end = off + ((n + 2 + 3) & -4)
            while off <= end - 32:
                buf[0] = ptr32(off)[0]
                buf[1] = ptr32(off)[1]
                buf[2] = ptr32(off)[2]
                buf[3] = ptr32(off)[3]
                buf[4] = ptr32(off)[4]
                buf[5] = ptr32(off)[5]
                buf[6] = ptr32(off)[6]
                buf[7] = ptr32(off)[7]
                buf = ptr32(int(buf) + 32)
                off += 32
            while off != end:
                buf[0] = ptr32(off)[0]
                buf = ptr32(int(buf) + 4)
                off += 4
        at = avail[1]
        ptr16(int(avail) + 4 + ((at & (_N - 1)) << 1))[0] = d
        base[_STATUS]
        avail[1] = at + 1
        base[_QUEUE_NOTIFY] = 0
    return n


@micropython.viper
def _tx(io: ptr32, buf: ptr8, off: int, n: int) -> int:
    # io[_SENT] counts the frames given; the used index says how many of them have come back.
    if n > _ETH_MAX:
        return 0 - _EMSGSIZE
    at = io[_SENT]
    if ((at - ptr16(io[_TX_QUEUE] + _ALIGN)[1]) & 0xFFFF) >= _N:
        return 0
    d = at & (_N - 1)
    to = io[_TX_BUFS] + d * _SLOT + 14
    total = n
    while total < _ETH_MIN:
        ptr8(to + total)[0] = 0
        total += 1
    ptr32(io[_TX_QUEUE] + (d << 4))[2] = io[_HDR] + total
    buf = ptr8(int(buf) + off)
    off = to
    if int(buf) & 3 == 2:
        ptr16(off)[0] = ptr16(buf)[0]
        buf = ptr8(int(buf) + 2)
        off += 2
        end = to + n
        while off <= end - 32:
            ptr32(off)[0] = ptr32(buf)[0]
            ptr32(off)[1] = ptr32(buf)[1]
            ptr32(off)[2] = ptr32(buf)[2]
            ptr32(off)[3] = ptr32(buf)[3]
            ptr32(off)[4] = ptr32(buf)[4]
            ptr32(off)[5] = ptr32(buf)[5]
            ptr32(off)[6] = ptr32(buf)[6]
            ptr32(off)[7] = ptr32(buf)[7]
            buf = ptr8(int(buf) + 32)
            off += 32
        while off <= end - 4:
            ptr32(off)[0] = ptr32(buf)[0]
            buf = ptr8(int(buf) + 4)
            off += 4
    while off < to + n:
        ptr8(off)[0] = buf[0]
        buf = ptr8(int(buf) + 1)
        off += 1
    avail = ptr16(io[_TX_QUEUE] + _AVAIL)
    ptr16(int(avail) + 4 + (d << 1))[0] = d
    base = ptr32(io[_BASE])
    base[_STATUS]
    at = (at + 1) & 0xFFFF
    avail[1] = at
    io[_SENT] = at
    base[_QUEUE_NOTIFY] = 1
    return n


def _bound(io, rearm):
    """recv and send of a NIC: a closure in viper costs half of what a method would."""
    rx = _rx
    tx = _tx

    @micropython.viper
    def recv(buf, off):
        n = rx(io, buf, off)
        if int(n) < 0:
            return rearm(buf, off)
        return n

    @micropython.viper
    def send(buf, off, n):
        return tx(io, buf, off, n)

    return recv, send


def _aligned(size, align):
    # A block of `size` bytes at a multiple of `align`, inside the bytearray that keeps it alive.
    block = bytearray(size + align)
    skip = -addressof(block) % align
    return memoryview(block)[skip : skip + size]


class VirtioNet:
    mtu = 1500
    caps = 0

    # The device writes into these objects' memory: they stay until the slot is opened again.
    _open = {}

    def __init__(self, slot=None, mac=None):
        slot, self._version = self._find(slot)
        self._base = base = _SLOTS + slot * _SLOT_STEP
        self._line = slot + 1
        self._cb = None
        self._io = array("I", bytes(4 * _WORDS))
        self._io[_BASE] = base
        _put(base, _STATUS, 0)
        VirtioNet._open[slot] = self
        self._on_irq_bound = self._on_irq
        self._rxb = _aligned(_N * _SLOT, 4)
        self._txb = _aligned(_N * _SLOT, 4)
        self._negotiate()
        # Legacy devices have no num_buffers field in the header (5.1.6).
        self._hdr = 12 if self._version == 2 else 10
        self._rxq = self._queue(0, self._rxb, self._hdr + _ETH_MAX, _D_WRITE)
        self._txq = self._queue(1, self._txb, 0, 0)
        self._txq[_AVAIL] = _NO_INTERRUPT
        self._io[_HDR] = self._hdr
        parts = (self._rxq, self._rxb, self._txq, self._txb)
        for k, part in zip((_RX_QUEUE, _RX_BUFS, _TX_QUEUE, _TX_BUFS), parts):
            self._io[k] = addressof(part)
        self.recv, self.send = _bound(self._io, self._rearm)
        self.mac = self._address(mac)
        _fill(self._rxq)
        _put(base, _STATUS, _get(base, _STATUS) | _S_DRIVER_OK)
        _put(base, _QUEUE_NOTIFY, 0)

    def _find(self, wanted):
        for slot in range(_SLOT_COUNT):
            base = _SLOTS + slot * _SLOT_STEP
            if wanted is None or slot == wanted:
                if _get(base, _MAGIC) == _MAGIC_VALUE and _get(base, _DEVICE_ID) == _NET:
                    return slot, _get(base, _VERSION)
        raise OSError(_EIO, "no virtio-net device: run QEMU with -device virtio-net-device")

    def _negotiate(self):
        # 3.1.1 device initialization.
        base = self._base
        _put(base, _STATUS, _S_ACKNOWLEDGE)
        _put(base, _STATUS, _S_ACKNOWLEDGE | _S_DRIVER)
        _put(base, _DEVICE_FEATURES_SEL, 0)
        self._features = _get(base, _DEVICE_FEATURES) & (_F_MAC | _F_STATUS)
        _put(base, _DRIVER_FEATURES_SEL, 0)
        _put(base, _DRIVER_FEATURES, self._features)
        if self._version == 2:
            _put(base, _DRIVER_FEATURES_SEL, 1)
            _put(base, _DRIVER_FEATURES, _F_VERSION_1)
            _put(base, _STATUS, _S_ACKNOWLEDGE | _S_DRIVER | _S_FEATURES_OK)
            if not _get(base, _STATUS) & _S_FEATURES_OK:
                raise OSError(_EIO, "virtio-net refused its features")
        else:
            _put(base, _GUEST_PAGE_SIZE, _ALIGN)

    def _queue(self, index, bufs, size, flags):
        base = self._base
        queue = _aligned(2 * _ALIGN, _ALIGN)
        # The header so that the frame behind it starts 2 bytes before a word boundary.
        _build(queue, bufs, 14 - self._hdr, size, flags)
        _put(base, _QUEUE_SEL, index)
        if _get(base, _QUEUE_NUM_MAX) < _N:
            raise OSError(_EIO, "virtio-net queue %d is too short" % index)
        _put(base, _QUEUE_NUM, _N)
        at = addressof(queue)
        if self._version == 2:
            for reg, part in ((_QUEUE_DESC, 0), (_QUEUE_DRIVER, _AVAIL), (_QUEUE_DEVICE, _ALIGN)):
                _put(base, reg, at + part)
                _put(base, reg + 1, 0)
            _put(base, _QUEUE_READY, 1)
        else:
            _put(base, _QUEUE_ALIGN, _ALIGN)
            _put(base, _QUEUE_PFN, at // _ALIGN)
        return queue

    def _address(self, mac):
        base = self._base
        if mac is None and self._features & _F_MAC:
            low = _get(base, _CONFIG) & 0xFFFFFFFF
            high = _get(base, _CONFIG + 1) & 0xFFFF
            mac = low.to_bytes(4, "little") + high.to_bytes(2, "little")
        elif mac is None:
            import os

            mac = bytearray(os.urandom(6))
            mac[0] = mac[0] & 0xFC | 2
        return bytes(mac)

    def _rearm(self, buf, off):
        """No frame waits, and the interrupt is off."""
        # Acknowledged first, looked again after: a frame in between is either seen here or raises
        # the line as soon as it is armed.
        self._io[_QUIET] = 0
        _put(self._base, _INTERRUPT_ACK, 3)
        _qemu.irq_enable(self._line)
        return self.recv(buf, off)

    @property
    def drops(self):
        return self._io[_DROPS]

    def link(self):
        if not self._features & _F_STATUS:
            return 1
        return _get(self._base, _CONFIG + 1) >> 16 & 1

    def irq(self, cb):
        self._cb = cb
        self._rxq[_AVAIL] = 0 if cb else _NO_INTERRUPT
        self._io[_QUIET] = 0
        _put(self._base, _INTERRUPT_ACK, 3)
        _qemu.irq(self._line, self._on_irq_bound if cb else None)

    def _on_irq(self, line):
        self._io[_QUIET] = 1
        cb = self._cb
        if cb:
            cb(self)

    def multicast(self, mac, on):
        # Without the control queue the device passes every multicast frame.
        pass
