# Fences around the stack's memory: machine code checks no bounds, so each array and buffer that
# the modules below make has a known pattern in front of it and behind it. What writes beyond its
# own is found by check(), which bench.clean() calls.
#
#   fence.up()     before the first host is made
#
# The stack gets a memoryview, which for kernels is an address like any other.

import array as _array

import hosts

_LASTING = (  # modules whose arrays live as long as the stack,
    "core.frame",
    "core.ring",
    "core.stack",
    "inet.echo_fast",
    "inet.icmpv4",
    "inet.ipv4",
    "inet.match",
    "inet.paths",
    "inet.reassembly",
    "link.arp",
    "transport.demux",
    "transport.tcp.protocol",
    "transport.tcp.segment",
    "transport.tcp.syncookie",
    "transport.tcp.synqueue",
    "transport.tcp.timewait",
)
_PASSING = (  # and as long as a connection or a socket
    "core.ring",
    "transport.udp",
    "transport.udp_fast",
    "transport.tcp.bbr",
    "transport.tcp.connection",
    "transport.tcp.fast",
    "transport.tcp.rack",
)
_KEPT = 200  # of the latter, the latest
_WIDTH = 16  # items on either side
_FILL = 0xA5

_fenced = []  # (whole, items inside)
_latest = []


def _lasting(whole, n):
    _fenced.append((whole, n))
    return memoryview(whole)[_WIDTH : _WIDTH + n]


def _passing(whole, n):
    if len(_latest) == _KEPT:
        _look(*_latest.pop(0))
    _latest.append((whole, n))
    return memoryview(whole)[_WIDTH : _WIDTH + n]


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


def _look(whole, n):
    for i in range(_WIDTH):
        if whole[i] != _FILL or whole[_WIDTH + n + i] != _FILL:
            where = i - _WIDTH if whole[i] != _FILL else n + i
            what = type(whole).__name__
            raise AssertionError("%s of %d: item %d was written" % (what, n, where))


def check():
    """Nothing has been written over a fence. Forgets what was fenced."""
    try:
        for some in (_fenced, _latest):
            for whole, n in some:
                _look(whole, n)
    finally:
        _fenced.clear()
        _latest.clear()
