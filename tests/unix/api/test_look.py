# What people see at the REPL: ifconfig, route, neigh, ss, nslookup, traceroute; printed text is
# compared. The network is loopback and a NIC in memory with a router behind it.

import bench
import netstack
import network
import socket
import struct
from bench import arp, eth, icmp, ip, ip4
from netstack.api import host, look, traceroute

MAC = b"\2\0\0\0\0\1"
ROUTERS = (ip("10.78.0.1"), ip("10.79.0.1"))
FAR = ip("192.0.2.9")


class Wire:
    """A NIC with a router behind it, another one behind that, and the host 192.0.2.9: each says
    what it has to about a TTL that has run out. `dead`: hosts that say nothing."""

    mac = b"\2\0\0\0\0\2"
    mtu = 1500
    caps = 0

    def __init__(self):
        self.rx = []
        self.dead = ()
        self.forge = False

    def recv(self, buf, off):
        if not self.rx:
            return 0
        frame = self.rx.pop(0)
        buf[off : off + len(frame)] = frame
        return len(frame)

    def send(self, buf, off, n):
        frame = bytes(memoryview(buf)[off : off + n])
        if frame[12:14] == b"\x08\x06":
            if frame[38:42] == ROUTERS[0]:
                packet = arp(2, MAC, frame[38:42], frame[22:28], frame[28:32])
                self.rx.append(eth(frame[6:12], MAC, 0x0806, packet))
        elif frame[12:14] == b"\x08\0" and frame[23] == 17:
            self.answer(frame[14:])
        return n

    def answer(self, packet):
        ttl = packet[8]
        src, kind, code = (ROUTERS + (FAR, FAR))[min(ttl, 3) - 1], 11, 0
        if ttl >= 3:
            kind, code = 3, 3
        if src in self.dead:
            return
        for quoted in [b"\x45" + bytes(27), packet[:-1][:24]] if self.forge else []:
            self.error(ip("10.78.0.66"), kind, code, quoted)
        self.error(src, kind, code, packet[:28])

    def error(self, src, kind, code, quoted):
        message = icmp(kind, code, bytes(4), quoted)
        self.rx.append(eth(self.mac, MAC, 0x0800, ip4(src, ip("10.78.0.2"), 1, message)))

    def link(self):
        return 1

    def multicast(self, mac, on):
        pass


wire = Wire()
lan = network.LAN(nic=wire)


def setup():
    lan.ipconfig(addr4="10.78.0.2/24", gw4="10.78.0.1")
    lan.active(True)
    wire.dead = ()
    wire.forge = False
    assert host.wait(lambda: lan._wire.nif.arp.on_conflict is None, 30000)


def printed(function, *args, **kw):
    """The lines that it prints, and what it returns."""
    out = []

    def catch(*parts, end="\n"):
        out.append(" ".join(str(part) for part in parts) + end)

    for module in (look, traceroute):
        module.print = catch
    try:
        result = function(*args, **kw)
    finally:
        for module in (look, traceroute):
            del module.print
    return "".join(out).split("\n")[:-1], result


def test_text():
    # RFC 5952 section 4
    for addr, wanted in (
        (ip("10.0.0.2"), "10.0.0.2"),
        (bytes(16), "::"),
        (bytes(15) + b"\1", "::1"),
        (b"\xfe\x80" + bytes(13) + b"\1", "fe80::1"),
        (b"\x20\x01\x0d\xb8" + bytes(4) + b"\0\1" + bytes(5) + b"\1", "2001:db8::1:0:0:1"),
        (b"\x20\x01\x0d\xb8\0\0\0\1\0\1\0\1\0\1\0\1", "2001:db8:0:1:1:1:1:1"),
        (b"\0\1" * 8, "1:1:1:1:1:1:1:1"),
        (b"\0\1" * 6 + bytes(4), "1:1:1:1:1:1::"),
    ):
        assert look.text(addr) == wanted, (look.text(addr), wanted)


def test_ifconfig():
    setup()
    lines, _ = printed(netstack.ifconfig)
    assert lines[0].startswith("lo  up  mtu ") and lines[1] == "    inet 127.0.0.1/8"
    at = [i for i in range(len(lines)) if lines[i].startswith(lan._wire.nif.name)][0]
    assert lines[at].endswith("  up  mtu 1500  02:00:00:00:00:02"), lines[at]
    assert lines[at + 1] == "    inet 10.78.0.2/24 gateway 10.78.0.1"
    counters = [line for line in lines[at:] if "out_bytes " in line]
    assert counters[0].startswith("    in ") and ", out " in counters[0]
    lan.active(False)
    lines, _ = printed(netstack.ifconfig)
    assert "  down  mtu 1500" in lines[at]


def test_route():
    setup()
    lines, _ = printed(netstack.route)
    assert lines[0].split() == ["to", "via", "interface", "from"]
    name = lan._wire.nif.name
    rows = [line.split() for line in lines[1:]]
    assert ["127.0.0.0/8", "-", "lo", "127.0.0.1"] in rows
    assert ["10.78.0.0/24", "-", name, "10.78.0.2"] in rows
    assert ["0.0.0.0/0", "10.78.0.1", name, "10.78.0.2"] in rows
    assert len(set(line.find(" " + name) for line in lines if name in line)) == 1  # columns


def test_neigh():
    setup()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"x", ("192.0.2.9", 9))
    host.pump()
    host.pump()
    rows = [line.split() for line in printed(netstack.neigh)[0]]
    assert ["10.78.0.1", lan._wire.nif.name, "02:00:00:00:00:01", "fresh"] in rows, rows


def test_ss():
    setup()
    server = socket.socket()
    server.bind(("127.0.0.1", 8311))
    server.listen(5)
    client = socket.socket()
    client.connect(("127.0.0.1", 8311))
    conn, peer = server.accept()
    client.send(b"12345")
    host.pump()
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind(("", 8312))
    talking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    talking.connect(("127.0.0.1", 8312))
    talking.send(b"abc")
    assert host.wait(lambda: not client._io.tx.len, 30000)  # the delayed ACK has come
    rows = [line.split() for line in printed(netstack.ss)[0]]
    assert rows[0] == ["state", "Recv-Q", "Send-Q", "local", "peer"]
    near = "127.0.0.1:%d" % peer[1]
    assert ["tcp", "LISTEN", "0", "-", "127.0.0.1:8311", "*"] in rows, rows
    assert ["tcp", "ESTABLISHED", "5", "0", "127.0.0.1:8311", near] in rows, rows
    assert ["tcp", "ESTABLISHED", "0", "0", near, "127.0.0.1:8311"] in rows, rows
    assert ["udp", "-", "1", "-", "0.0.0.0:8312", "*"] in rows, rows
    if host.stack().ip6:
        both = socket.socket(socket.AF_INET6)
        both.bind(("", 8313))
        both.listen(1)
        either = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        either.bind(("", 8314))
        all = [line.split() for line in printed(netstack.ss)[0]]
        assert all.count(["tcp", "LISTEN", "0", "-", "*:8313", "*"]) == 1, all
        assert all.count(["udp", "-", "0", "-", "*:8314", "*"]) == 1, all
        both.close()
        either.close()
    port = talking.getsockname()[1]
    assert ["udp", "-", "0", "-", "127.0.0.1:%d" % port, "127.0.0.1:8312"] in rows, rows
    client.close()
    assert conn.recv(9) == b"12345"  # else it would be reset
    conn.close()
    assert host.wait(lambda: host.tcp().timewait.rows.count, 30000)
    lines = printed(netstack.ss)[0]
    assert lines[-1] == "and 1 in TIME-WAIT", lines
    for s in (server, listening, talking):
        s.close()


def test_traceroute():
    setup()
    before = host.udp().table.count
    lines, reached = printed(netstack.traceroute, "192.0.2.9")
    assert reached is True
    assert lines[0] == "to 192.0.2.9 (192.0.2.9), 30 hops at most" and len(lines) == 4
    for line, who in zip(lines[1:], ("10.78.0.1", "10.79.0.1", "192.0.2.9")):
        words = line.split()
        assert words[1] == who and words.count("ms") == 3 and line.count(who) == 1, line
    assert host.stack().icmp4.on_error is None and host.udp().table.count == before


def test_traceroute_of_ipv6():
    if not host.stack().ip6:
        return
    before = host.udp().table.count
    lines, reached = printed(netstack.traceroute, "::1", probes=2)
    assert reached is True and lines[0] == "to ::1 (::1), 30 hops at most" and len(lines) == 2
    assert lines[1].split()[:2] == ["1", "::1"] and lines[1].count(" ms") == 2, lines
    assert host.stack().ip6.icmp.on_error is None and host.udp().table.count == before


def test_traceroute_past_silence():
    setup()
    wire.dead = (ROUTERS[1],)
    lines, reached = printed(netstack.traceroute, "192.0.2.9", probes=2, timeout=0.05)
    assert reached is True and lines[2] == " 2  *  *", lines
    wire.dead = ROUTERS + (FAR,)
    lines, reached = printed(netstack.traceroute, "192.0.2.9", hops=2, probes=1, timeout=0.05)
    assert reached is False and lines[1:] == [" 1  *", " 2  *"], lines


def test_traceroute_is_not_fooled():
    # errors about other packets, cut ones
    setup()
    wire.forge = True
    lines, reached = printed(netstack.traceroute, "192.0.2.9", probes=1)
    assert reached is True and "10.78.0.66" not in "".join(lines)


def test_traceroute_arguments():
    setup()
    for kw in ({"hops": 0}, {"hops": 256}, {"probes": 0}):
        try:
            netstack.traceroute("192.0.2.9", **kw)
        except ValueError:
            pass
        else:
            raise AssertionError(kw)
    lan.ipconfig(gw4="0.0.0.0")
    try:
        printed(netstack.traceroute, "192.0.2.9")
    except OSError as error:
        assert error.errno == 101
    else:
        raise AssertionError("there is no way")
    assert host.stack().icmp4.on_error is None


def test_ctrl_c():
    # in the middle of a wait: nothing is left behind
    setup()
    wire.dead = ROUTERS
    before = host.udp().table.count
    wait = host.wait

    def interrupted(done, ms):
        raise KeyboardInterrupt

    host.wait = interrupted
    try:
        for function in (netstack.traceroute, netstack.nslookup):
            try:
                printed(function, "www.test" if function is netstack.nslookup else "192.0.2.9")
            except KeyboardInterrupt:
                pass
            else:
                raise AssertionError(function)
    finally:
        host.wait = wait
    assert host.stack().icmp4.on_error is None and host.udp().table.count == before
    assert not host.dns()._queries
    host.enter(host.stack())  # refused if somebody were inside still
    host.leave(host.stack())


class Server:
    """Answers A and PTR on 127.0.0.1."""

    def __init__(self):
        st = host.stack()
        host.udp()
        self.buf = bytearray(512)
        with bench.inside(st):
            self.ep = st.udp.open()
            self.ep.bind(None, None, 53)
            self.ep.notify = self.serve
        network.ipconfig(dns="127.0.0.1")

    def serve(self, ep):
        n = ep.recv(self.buf, 0, len(self.buf))
        data = bytes(self.buf[:n])
        at = data.find(b"\0", 12)
        kind = data[at + 2]
        known = data[12:16].lower() in (b"\3one", b"\0019\0012")
        value = b"\3one\4test\0" if kind == 12 else ip("192.0.2.9")
        body = data[12 : at + 5]
        if known:
            body += b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(value)) + value
        flags = 0x8180 if known else 0x8183
        answer = data[:2] + struct.pack("!HHHHH", flags, 1, 1 if known else 0, 0, 0) + body
        ep.send(answer, 0, len(answer), host.stack().ip4, ep.from_addr[:4], ep.from_port)

    def close(self):
        st = host.stack()
        with bench.inside(st):
            self.ep.close()
            st.dns.flush()
        network.ipconfig(dns="0.0.0.0")


def test_nslookup():
    server = Server()
    lines, _ = printed(netstack.nslookup, "one.test")
    assert lines == ["servers  127.0.0.1", "one.test  192.0.2.9"], lines
    lines, _ = printed(netstack.nslookup, "192.0.2.9")
    assert lines == ["servers  127.0.0.1", "192.0.2.9  one.test"], lines
    lines, _ = printed(netstack.nslookup, "two.test")
    assert lines[1] == "host two.test is not known", lines
    server.close()
    lines, _ = printed(netstack.nslookup, "one.test")
    assert lines[0] == "servers  none" and "no DNS server" in lines[1]


if __name__ == "__main__":
    bench.run_tests(globals())
