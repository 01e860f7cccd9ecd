# Fences around the stack's memory: machine code checks no bounds, so each array and buffer that
# the modules below make has a known pattern in front of it and behind it. What writes beyond its
# own is found by check(), which bench.clean() calls.
#
#   fence.up()     before the first host is made
#
# The stack gets a memoryview, which for kernels is an address like any other.

import array as _array
import sys

import hosts

_LASTING = (  # modules whose arrays live as long as the stack,
    "core.frame",
    "core.ring",
    "core.stack",
    "inet.echo6_fast",
    "inet.echo_fast",
    "inet.filter",
    "inet.forward",
    "inet.forward6",
    "inet.forwarding",
    "inet.icmpv4",
    "inet.icmpv6",
    "inet.ipv4",
    "inet.match",
    "inet.match6",
    "inet.mld",
    "inet.nat",
    "inet.nd",
    "inet.paths",
    "inet.reassembly",
    "link.arp",
    "link.bridge",
    "link.vlan",
    "transport.demux",
    "transport.tcp.protocol",
    "transport.tcp.segment",
    "transport.tcp.syncookie",
    "transport.tcp.synqueue",
    "transport.tcp.timewait",
)
_PASSING = (  # and as long as a connection or a socket
    "core.ring",
    "inet.address6",
    "inet.route6",
    "inet.router6",
    "inet.slaac",
    "inet.temporary6",
    "transport.udp",
    "transport.udp_fast",
    "transport.tcp.bbr",
    "transport.tcp.connection",
    "transport.tcp.fast",
    "transport.tcp.rack",
)
# So many bytes of each are kept, the latest.
_BYTES = (600000, 100000) if sys.platform == "linux" else (80000, 20000)
_WIDTH = 16  # items on either side
_FILL = 0xA5


class Kept:
    """What was fenced last, as far as there is memory for it. The rest is looked at once more."""

    def __init__(self, most):
        self.most = most
        self.clear()

    def clear(self):
        self.all = []  # (whole, items inside, bytes)
        self.bytes = 0

    def __call__(self, whole, n):
        size = len(whole) if isinstance(whole, bytearray) else 4 * len(whole)
        self.bytes += size
        while self.all and self.bytes > self.most:
            oldest = self.all.pop(0)
            self.bytes -= oldest[2]
            _look(*oldest)
        self.all.append((whole, n, size))
        return memoryview(whole)[_WIDTH : _WIDTH + n]


_lasting = Kept(_BYTES[0])
_passing = Kept(_BYTES[1])


def _make_array(keep, code, values):
    plain = _array.array(code, values)
    n = len(plain)
    whole = _array.array(code, [_FILL] * (n + 2 * _WIDTH))
    for i in range(n):
        whole[_WIDTH + i] = plain[i]
    return keep(whole, n)


def _make_bytearray(keep, value):
    plain = bytearray(value)
    n = len(plain)
    whole = bytearray(b"\xa5" * (n + 2 * _WIDTH))
    whole[_WIDTH : _WIDTH + n] = plain
    return keep(whole, n)


def up():
    """From now on all that the stack makes is fenced."""
    for names, keep in ((_LASTING, _lasting), (_PASSING, _passing)):
        for name in names:
            try:
                module = __import__("netstack." + name, None, None, ("x",))
            except ImportError:  # not frozen
                continue
            if hasattr(module, "array"):
                module.array = lambda code, values=(), keep=keep: _make_array(keep, code, values)
            module.bytearray = lambda value=0, keep=keep: _make_bytearray(keep, value)
    hosts.guards.append(check)


def _look(whole, n, _):
    for i in range(_WIDTH):
        if whole[i] != _FILL or whole[_WIDTH + n + i] != _FILL:
            where = i - _WIDTH if whole[i] != _FILL else n + i
            what = type(whole).__name__
            raise AssertionError("%s of %d: item %d was written" % (what, n, where))


def check():
    """Nothing has been written over a fence. Forgets what was fenced."""
    try:
        for kept in (_lasting, _passing):
            for each in kept.all:
                _look(*each)
    finally:
        _lasting.clear()
        _passing.clear()
