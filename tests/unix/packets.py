# Packets for the tests: forging them, lies included, and taking apart what a stack has sent, with
# every length and checksum checked. Shares no code with the stack on purpose.

import struct

BROADCAST = b"\xff\xff\xff\xff\xff\xff"
ARP = 0x0806
IPV4 = 0x0800
IPV6 = 0x86DD
FLAGS = "FSRPAUEC"  # bit 0 .. 7 of the TCP flags


def ip(text):
    """ "10.0.0.1" -> b"\\x0a\\0\\0\\1"."""
    return bytes(int(part) for part in text.split("."))


def ip6(text):
    """ "fe80::1" -> its 16 bytes."""
    head, _, tail = text.partition("::")
    parts = [[int(p, 16) for p in half.split(":") if p] for half in (head, tail)]
    if "::" in text:
        words = parts[0] + [0] * (8 - len(parts[0]) - len(parts[1])) + parts[1]
    else:
        words = parts[0]
    return struct.pack("!8H", *words)


def group_mac(group):
    """RFC 2464 7"""
    return b"\x33\x33" + group[12:]


def solicited(addr):
    """RFC 4291 2.7.1"""
    return ip6("ff02::1:ff00:0")[:13] + addr[13:]


def mac(text):
    return bytes(int(part, 16) for part in text.split(":"))


# -- forging packets: independent of the stack on purpose --------------------------------------


def ones_sum(data, acc=0):
    """RFC 1071, big-endian, in the plainest way."""
    n = len(data)
    for i in range(0, n - 1, 2):
        acc += data[i] << 8 | data[i + 1]
    if n & 1:
        acc += data[n - 1] << 8
    while acc >> 16:
        acc = (acc & 0xFFFF) + (acc >> 16)
    return acc


def _put_sum(packet, at, value, acc):
    """The packet with its checksum at `at`: `value`, or the right one when that is None."""
    if value is None:
        value = acc ^ 0xFFFF
    return packet[:at] + struct.pack("!H", value) + packet[at + 2 :]


def eth(dst, src, ethertype, payload):
    return dst + src + struct.pack("!H", ethertype) + payload


def arp(op, sha, spa, tha, tpa, hw=1, proto=IPV4, hlen=6, plen=4):
    return struct.pack("!HHBBH", hw, proto, hlen, plen, op) + sha + spa + tha + tpa


def ip4(
    src,
    dst,
    proto,
    payload,
    ttl=64,
    tos=0,
    ident=1,
    flags=2,
    frag=0,
    options=b"",
    version=4,
    ihl=None,
    total=None,
    csum=None,
):
    """flags: 2 DF, 1 MF; frag in units of 8 bytes. ihl, total and csum may lie."""
    if ihl is None:
        ihl = 5 + len(options) // 4
    if total is None:
        total = 20 + len(options) + len(payload)
    header = (
        struct.pack(
            "!BBHHHBBH", version << 4 | ihl, tos, total, ident, flags << 13 | frag, ttl, proto, 0
        )
        + src
        + dst
        + options
    )
    return _put_sum(header, 10, csum, ones_sum(header)) + payload


def ipv6(src, dst, proto, payload, hops=64, tclass=0, label=0, version=6, length=None):
    """length may lie."""
    first = version << 28 | tclass << 20 | label
    if length is None:
        length = len(payload)
    return struct.pack("!IHBB", first, length, proto, hops) + src + dst + payload


def icmp6(src, dst, type, code=0, rest=b"\0\0\0\0", data=b"", csum=None):
    message = struct.pack("!BBH", type, code, 0) + rest + data
    acc = ones_sum(message, _pseudo(src, dst, 58, len(message)))
    return _put_sum(message, 2, csum, acc)


def icmp(type, code=0, rest=b"\0\0\0\0", data=b"", csum=None):
    message = struct.pack("!BBH", type, code, 0) + rest + data
    return _put_sum(message, 2, csum, ones_sum(message))


def _pseudo(src, dst, proto, n):
    return ones_sum(src + dst + struct.pack("!HH", proto, n))


def udp(src, dst, sport, dport, data, length=None, csum=None):
    n = len(data) + 8
    datagram = struct.pack("!HHHH", sport, dport, n if length is None else length, 0) + data
    acc = ones_sum(datagram, _pseudo(src, dst, 17, n if length is None else length))
    return _put_sum(datagram, 6, 0xFFFF if csum is None and acc == 0xFFFF else csum, acc)


def tcp(
    src,
    dst,
    sport,
    dport,
    seq,
    ack,
    flags,
    wnd=65535,
    data=b"",
    opts=b"",
    urg=0,
    off=None,
    csum=None,
):
    """flags: letters of FLAGS; opts: padded here to whole words."""
    opts = opts + bytes(-len(opts) % 4)
    bits = 0
    for letter in flags:
        bits |= 1 << FLAGS.index(letter)
    if off is None:
        off = 5 + len(opts) // 4
    segment = (
        struct.pack(
            "!HHIIBBHHH",
            sport,
            dport,
            seq & 0xFFFFFFFF,
            ack & 0xFFFFFFFF,
            off << 4,
            bits,
            wnd,
            0,
            urg,
        )
        + opts
        + data
    )
    return _put_sum(segment, 16, csum, ones_sum(segment, _pseudo(src, dst, 6, len(segment))))


def _mend6(frame):
    """The same of IPv6, behind extension headers as well."""
    end = 54 + (frame[18] << 8 | frame[19])
    if end > len(frame):
        return frame
    proto = frame[20]
    start = 54
    while proto in (0, 43, 44, 60) and start + 8 <= end:
        size = 8 if proto == 44 else 8 + 8 * frame[start + 1]
        proto = frame[start]
        start += size
    at = start + {6: 16, 17: 6, 58: 2}.get(proto, 0xFFFF)
    if at + 2 > end:
        return frame
    frame[at : at + 2] = b"\0\0"
    acc = ones_sum(frame[22:54] + struct.pack("!II", end - start, proto))
    frame[at : at + 2] = struct.pack("!H", ones_sum(frame[start:end], acc) ^ 0xFFFF)
    return frame


def mend(frame):
    """A bytearray that holds a frame of IP: its checksums are put right again, so that what lies
    in it gets past them."""
    if len(frame) >= 54 and frame[12] == 0x86 and frame[13] == 0xDD:
        return _mend6(frame)
    if len(frame) < 34 or frame[12] != 8 or frame[13] != 0:
        return frame
    hlen = (frame[14] & 15) * 4
    total = frame[16] << 8 | frame[17]
    if hlen < 20 or total < hlen or 14 + total > len(frame):
        return frame
    frame[24:26] = b"\0\0"
    frame[24:26] = struct.pack("!H", ones_sum(frame[14 : 14 + hlen]) ^ 0xFFFF)
    body = frame[14 + hlen : 14 + total]
    proto = frame[23]
    at = {1: 2, 6: 16, 17: 6}.get(proto)
    if at is None or len(body) < at + 2:
        return frame
    body[at : at + 2] = b"\0\0"
    acc = 0
    if proto != 1:
        acc = ones_sum(frame[26:34] + struct.pack("!HH", proto, len(body)))
    at += 14 + hlen
    frame[at : at + 2] = struct.pack("!H", ones_sum(body, acc) ^ 0xFFFF)
    return frame


def _mend6(frame):
    body = frame[54 : 54 + (frame[18] << 8 | frame[19])]
    proto = frame[20]
    at = {58: 2, 6: 16, 17: 6}.get(proto)
    if at is None or len(body) < at + 2:
        return frame
    body[at : at + 2] = b"\0\0"
    acc = ones_sum(body, ones_sum(frame[22:54] + struct.pack("!HH", proto, len(body))))
    at += 54
    frame[at : at + 2] = struct.pack("!H", acc ^ 0xFFFF)
    return frame


def opt_wscale(shift):
    return b"\1\3\3" + bytes((shift,))


SACK_OK = b"\1\1\4\2"


def opt_sack(*blocks):
    """Blocks are (left, right), absolute."""
    data = b"".join(struct.pack("!II", a & 0xFFFFFFFF, b & 0xFFFFFFFF) for a, b in blocks)
    return b"\1\1\5" + bytes((2 + len(data),)) + data


def opt_ts(value, echo=0):
    return struct.pack("!BBBBII", 1, 1, 8, 10, value & 0xFFFFFFFF, echo & 0xFFFFFFFF)


def opt_mss(n):
    return struct.pack("!BBH", 2, 4, n)


def parts(src, dst, proto, payload, size=1480, ident=7, **over):
    """Fragments of `size` bytes that make up an IPv4 datagram, in order."""
    result = []
    for at in range(0, len(payload), size):
        more = at + size < len(payload)
        part = payload[at : at + size]
        result.append(
            ip4(src, dst, proto, part, ident=ident, flags=int(more), frag=at >> 3, **over)
        )
    return result


# -- taking packets apart ----------------------------------------------------------------------


class Packet:
    """A frame the stack has sent, checked and taken apart; fields are attributes."""

    def __init__(self, frame):
        self.frame = frame
        self.dst_mac = frame[0:6]
        self.src_mac = frame[6:12]
        self.ethertype = frame[12] << 8 | frame[13]
        self.kind = "eth"
        if self.ethertype == ARP:
            self._arp(frame[14:])
        elif self.ethertype == IPV4:
            self._ip4(frame[14:])
        elif self.ethertype == IPV6:
            self._ip6(frame[14:])

    def _arp(self, p):
        hw, proto, hlen, plen, self.op = struct.unpack("!HHBBH", p[:8])
        assert (hw, proto, hlen, plen) == (1, IPV4, 6, 4), "ARP header: %r" % p
        assert len(p) == 28, "ARP of %d bytes" % len(p)
        self.kind = "arp"
        self.sha, self.spa, self.tha, self.tpa = p[8:14], p[14:18], p[18:24], p[24:28]

    def _ip4(self, p):
        assert p[0] >> 4 == 4, "IP version %d" % (p[0] >> 4)
        n = (p[0] & 15) * 4
        total, self.ident, frag, self.ttl, self.proto = struct.unpack("!HHHBB", p[2:10])
        assert 20 <= n <= total, "IP header length %d, total %d" % (n, total)
        assert total == len(p), "IP total length %d in a frame with %d" % (total, len(p))
        assert ones_sum(p[:n]) == 0xFFFF, "IP header checksum"
        self.tos = p[1]
        self.df = frag >> 14 & 1
        self.mf = frag >> 13 & 1
        self.frag = frag & 0x1FFF
        self.src = p[12:16]
        self.dst = p[16:20]
        self.options = p[20:n]
        self.kind = "ip4"
        self.payload = p = p[n:]
        if self.mf or self.frag:
            self.kind = "part"
        elif self.proto == 1:
            self._icmp(p)
        elif self.proto == 17:
            self._udp(p)
        elif self.proto == 6:
            self._tcp(p)

    def _ip6(self, p):
        first, n, self.proto, self.hops = struct.unpack("!IHBB", p[:8])
        assert first >> 28 == 6, "IP version %d" % (first >> 28)
        assert n == len(p) - 40, "IPv6 payload length %d in a frame with %d" % (n, len(p) - 40)
        self.tclass = first >> 20 & 255
        self.src = p[8:24]
        self.dst = p[24:40]
        assert self.src[0] != 255, "a source that is a group"
        if self.dst[0] == 255:
            assert self.dst_mac == group_mac(self.dst), "a group at %r" % self.dst_mac
        self.kind = "ip6"
        self.headers = []  # (kind, bytes) of those between
        p = p[40:]
        while self.proto in (0, 43, 44, 60):
            size = 8 if self.proto == 44 else (p[1] + 1) * 8
            self.headers.append((self.proto, p[:size]))
            self.proto = p[0]
            p = p[size:]
        self.payload = p
        if any(kind == 44 and data[2:4] != b"\0\0" for kind, data in self.headers):
            self.kind = "frag6"
        elif self.proto == 58:
            self._icmp6(p)
        elif self.proto == 17:
            self._udp(p)
        elif self.proto == 6:
            self._tcp(p)

    def _icmp6(self, p):
        assert ones_sum(p, _pseudo(self.src, self.dst, 58, len(p))) == 0xFFFF, "ICMPv6 checksum"
        self.kind = "icmp6"
        self.type = p[0]
        self.code = p[1]
        self.id, self.seq = struct.unpack("!HH", p[4:8])
        self.value = self.id << 16 | self.seq
        self.data = p[8:]
        if 133 <= self.type <= 137:
            assert self.hops == 255, "ND with a hop limit of %d" % self.hops
            self.kind = "nd"
            self.flags = p[4]
            size = {133: 8, 134: 16, 135: 24, 136: 24, 137: 40}[self.type]
            self.target = p[8:24] if size >= 24 else None
            self.opts = _nd_options(p[size:])

    def _icmp(self, p):
        assert ones_sum(p) == 0xFFFF, "ICMP checksum"
        self.kind = "icmp"
        self.type = p[0]
        self.code = p[1]
        self.id, self.seq = struct.unpack("!HH", p[4:8])
        self.data = p[8:]

    def _udp(self, p):
        self.kind = "udp"
        self.sport, self.dport, n, csum = struct.unpack("!HHHH", p[:8])
        assert n == len(p), "UDP length %d of %d bytes" % (n, len(p))
        assert csum, "UDP without a checksum"
        assert ones_sum(p, _pseudo(self.src, self.dst, 17, n)) == 0xFFFF, "UDP checksum"
        self.data = p[8:]

    def _tcp(self, p):
        self.kind = "tcp"
        (self.sport, self.dport, self.seq, self.ack, off, bits, self.wnd, _, self.urg) = (
            struct.unpack("!HHIIBBHHH", p[:20])
        )
        n = off >> 4 << 2
        assert 20 <= n <= len(p), "TCP data offset %d of %d bytes" % (n, len(p))
        assert off & 15 == 0, "TCP reserved bits"
        pseudo = _pseudo(self.src, self.dst, 6, len(p))
        assert ones_sum(p, pseudo) == 0xFFFF, "TCP checksum"
        self.flags = "".join(FLAGS[i] for i in range(8) if bits >> i & 1)
        self.opts = _tcp_options(p[20:n])
        self.mss = self.opts.get(2)
        self.mss = self.mss and self.mss[0] << 8 | self.mss[1]
        self.ts = self.opts.get(8)
        self.ts = self.ts and struct.unpack("!II", self.ts)
        blocks = self.opts.get(5, b"")
        assert len(blocks) % 8 == 0, "SACK option of %d bytes" % len(blocks)
        self.sack = [struct.unpack("!II", blocks[i : i + 8]) for i in range(0, len(blocks), 8)]
        self.data = p[n:]

    def joined(self, others):
        """The whole datagram, of which this and `others` are the parts in order."""
        at = len(self.payload)
        assert self.frag == 0
        for other in others:
            assert other.kind == "part" and other.ident == self.ident and not other.df
            assert (other.src, other.dst, other.proto) == (self.src, self.dst, self.proto)
            assert other.frag * 8 == at, "at %d: %d" % (at, other.frag * 8)
            at += len(other.payload)
        payload = self.payload + b"".join(other.payload for other in others)
        assert others and not others[-1].mf and all(each.mf for each in others[:-1])
        packet = ip4(self.src, self.dst, self.proto, payload, self.ttl, self.tos, self.ident, 0)
        return Packet(self.frame[:14] + packet)

    def __repr__(self):
        if self.kind == "arp":
            return "<arp op=%d %s -> %s>" % (self.op, _dotted(self.spa), _dotted(self.tpa))
        if self.kind == "eth":
            return "<eth %04x, %d bytes>" % (self.ethertype, len(self.frame))
        text = "<%s %s -> %s" % (self.kind, _dotted(self.src), _dotted(self.dst))
        for name in ("type", "code", "sport", "dport", "flags", "seq", "ack", "wnd"):
            if hasattr(self, name):
                text += " %s=%s" % (name, getattr(self, name))
        if hasattr(self, "data"):
            text += " %d bytes %r" % (len(self.data), self.data[:16])
        return text + ">"


def _dotted(addr):
    if len(addr) == 16:
        return ":".join("%x" % (addr[i] << 8 | addr[i + 1]) for i in range(0, 16, 2))
    return ".".join(str(b) for b in addr)


def _nd_options(data):
    """{kind: bytes behind the length}; the list must be well formed."""
    found = {}
    while data:
        n = data[1] * 8
        assert 0 < n <= len(data), "ND options: %r" % data
        found[data[0]] = data[2:n]
        data = data[n:]
    return found


def _tcp_options(data):
    """{kind: bytes}; the list must be well formed."""
    found = {}
    i = 0
    while i < len(data):
        kind = data[i]
        if kind == 0:
            assert not any(data[i:]), "TCP options: padding is not zero"
            break
        if kind == 1:
            i += 1
            continue
        n = data[i + 1]
        assert n >= 2 and i + n <= len(data), "TCP options: length %d" % n
        found[kind] = data[i + 2 : i + n]
        i += n
    return found
