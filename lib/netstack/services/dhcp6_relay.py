# DHCPv6 relay agent (RFC 8415 19): hosts on our links reach servers that are elsewhere.
#
#   | 12 Relay-forward, 13 Relay-reply 1 | hop count 1 | link's address 16 | peer 16 | options |
#
#   a client, or a relay nearer to it -> Relay.take -> Relay-forward -> the servers
#   a server -> Relay-reply -> Relay.take -> what is in it, to the peer
#
# It keeps nothing: what a Relay-reply is about stands in it.

from micropython import const
from netstack.core.wire import get16
from netstack.inet import select6
from netstack.inet.address6 import DEPRECATED
from netstack.services.dhcp6_message import option
from netstack.transport.udp import Endpoint

_PORT = const(547)  # of servers and relays
_CLIENT_PORT = const(546)
_FORWARD = const(12)
_REPLY = const(13)
_FROM_SERVERS = (2, 7, 10)  # Advertise, Reply, Reconfigure: none of these comes from a client
_MESSAGE = const(9)  # options
_INTERFACE = const(18)
_HEAD = const(34)  # of a relay's message
_LINK_AT = const(2)
_PEER_AT = const(18)
_HOPS_MOST = const(8)  # RFC 8415 7.6: HOP_COUNT_LIMIT
_LINKS_MOST = const(16)
_SERVERS_MOST = const(8)
_LINK = const(2)  # a scope of select6.py
_RELAYS = b"\xff\x02\0\0\0\0\0\0\0\0\0\0\0\1\0\2"  # RFC 8415 7.1: all relays of a link
_SERVERS = b"\xff\x05\0\0\0\0\0\0\0\0\0\0\0\1\0\3"  # all servers, of a site
_NOBODY = bytes(16)

NAMES = (
    "in",
    "in_short",
    "in_type",
    "in_hops",
    "in_options",
    "in_link",
    "in_server",
    "forwarded",
    "answered",
    "out_failed",
)
_IN = const(0)
_IN_SHORT = const(1)
_IN_TYPE = const(2)  # what no client sends, or not by one of our links
_IN_HOPS = const(3)  # through too many relays, or in a circle
_IN_OPTIONS = const(4)  # options that run past their end, or no message among them
_IN_LINK = const(5)  # for a link that is none of ours
_IN_SERVER = const(6)  # an answer of somebody who is no server of ours
_FORWARDED = const(7)
_ANSWERED = const(8)
_OUT_FAILED = const(9)


class Relay(Endpoint):
    """UDP port 547 of a stack. links: interfaces whose hosts are served; servers: addresses of 16
    bytes; none: all servers of the site, which are asked by the interface `way`."""

    def __init__(self, st, links, servers, way=None):
        if not 0 < len(links) <= _LINKS_MOST or len(servers) > _SERVERS_MOST:
            raise ValueError(
                "relay: 1 to %d links, up to %d servers" % (_LINKS_MOST, _SERVERS_MOST)
            )
        if not servers and (way is None or way in links):
            raise ValueError("relay: servers, or the interface by which to look for them")
        Endpoint.__init__(self, st.udp)
        self.stat = st.counters("relay6", NAMES)
        self.ip = st.ip6
        self.rcvbuf = 0
        self.links = links
        self.servers = servers or [_SERVERS]
        self.found = not servers
        self.upward = way
        self.bind(self.ip, None, _PORT)
        groups = self.groups_of(self.ip)
        groups.ttl = _HOPS_MOST  # RFC 8415 19.1
        groups.via = way
        try:
            for nif in links:
                st.ip6.members.join(groups.members, nif, _RELAYS)
        except OSError:
            self.close()
            raise

    def take(self, fr, data, n):
        """A message has come: `n` bytes at `data`. Borrows `fr`."""
        stat = self.stat
        stat[_IN] += 1
        buf = fr.buf
        if n < 4 or buf[data] in (_FORWARD, _REPLY) and n < _HEAD:
            stat[_IN_SHORT] += 1
            return
        src = fr.l3 + self.ip.src_off
        kind = buf[data]
        if kind == _REPLY:
            stat[self._to_client(fr, bytes(buf[src : src + 16]), data, n)] += 1
        elif kind in _FROM_SERVERS or fr.nif not in self.links:
            stat[_IN_TYPE] += 1
        else:
            stat[self._to_servers(fr.nif, bytes(buf[src : src + 16]), buf, data, n)] += 1

    # -- to the servers ---------------------------------------------------------------------

    def _to_servers(self, nif, peer, buf, data, n):
        """RFC 8415 19.1. Returns what to count."""
        hops = 0
        link = _NOBODY
        if buf[data] == _FORWARD:
            hops = buf[data + 1] + 1
            if hops > _HOPS_MOST:
                return _IN_HOPS
        if hops == 0 or select6.scope(peer) <= _LINK:
            link = _which(nif)
            if link is None:
                return _OUT_FAILED
        message = bytes((_FORWARD, hops)) + link + peer
        message += option(_INTERFACE, nif.name.encode())
        message += option(_MESSAGE, bytes(memoryview(buf)[data : data + n]))
        result = _OUT_FAILED
        for server in self.servers:
            src = self.ip.source(server, self.upward)
            if src is not None and self._send(message, src, server, _PORT):
                result = _FORWARDED
        return result

    # -- to the clients ---------------------------------------------------------------------

    def _to_client(self, fr, server, data, n):
        """RFC 8415 19.2. Returns what to count."""
        if fr.nif in self.links if self.found else server not in self.servers:
            return _IN_SERVER
        buf = fr.buf
        parts = _read(buf, data + _HEAD, data + n)
        if parts is None:
            return _IN_OPTIONS
        nif = self._link(parts[_INTERFACE], bytes(buf[data + _LINK_AT : data + _PEER_AT]))
        if nif is None:
            return _IN_LINK
        peer = bytes(buf[data + _PEER_AT : data + _HEAD])
        message = parts[_MESSAGE]
        port = _PORT if message[0] == _REPLY else _CLIENT_PORT
        if peer[0] == 0xFF:
            return _OUT_FAILED
        near = select6.scope(peer) <= _LINK
        entry = nif.v6.link_local() if near else None
        src = entry.addr if entry else self.ip.source(peer, nif)
        if src is None:
            return _OUT_FAILED
        self.nif = nif if near else None
        sent = self._send(message, src, peer, port)
        self.nif = None
        return _ANSWERED if sent else _OUT_FAILED

    def _link(self, name, addr):
        """Which link an answer is for; None: none of ours."""
        for nif in self.links:
            if name is not None and name == nif.name.encode():
                return nif
            if name is None and nif.v6.find(addr, 0):
                return nif
        return None

    def _send(self, message, src, dst, port):
        n = self.udp.output(self, message, 0, len(message), self.ip, src, dst, port)
        return n > 0


def _which(nif):
    """An address that tells servers which link it is: one of global scope, or else the link-local
    one (RFC 8415 19.1.1), one of a prefix on its way out last; None: there is none. What is still
    being checked, or somebody else's, is of the link's prefix all the same, and nothing is sent
    from it; without any, the server would take its own link for the client's."""
    best = None
    most = -1
    for entry in nif.v6.list:
        rank = 2 * select6.scope(entry.addr) + (entry.state != DEPRECATED)
        if rank > most:
            best = entry.addr
            most = rank
    return best


def _read(buf, at, end):
    """{code: value} of the options that a relay needs; None: they are malformed, or there is no
    message."""
    found = {_MESSAGE: None, _INTERFACE: None}
    while at < end:
        if at + 4 > end or at + 4 + get16(buf, at + 2) > end:
            return None
        code = get16(buf, at)
        n = get16(buf, at + 2)
        if code in found and found[code] is None:
            found[code] = bytes(memoryview(buf)[at + 4 : at + 4 + n])
        at += 4 + n
    return found if found[_MESSAGE] else None
