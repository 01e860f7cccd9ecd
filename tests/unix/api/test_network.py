# network.LAN over a NIC of the test's own: a neighbour that answers ARP, and a small DHCP server.

import bench
import network
import socket
from netstack.api import host

SERVER = b"\x0a\x4d\0\1"
SERVER_MAC = b"\2\0\0\0\0\x99"
OFFERED = b"\x0a\x4d\0\7"


class Neighbour:
    """A NIC and whoever is at the other end of its cable: it holds the addresses in `taken` and
    leases OFFERED while `leases` is set."""

    mac = b"\2\0\0\0\0\1"
    mtu = 1500
    caps = 0
    drops = 0

    def __init__(self):
        self.plugged = 1
        self.taken = {SERVER: SERVER_MAC}
        self.leases = False
        self.waiting = []
        self.cb = None
        self.names = []  # host names DHCP was told
        self.kinds = []  # DHCP messages that have come
        self.claims = []  # sender's and wanted address of ARP packets

    def recv(self, buf, off):
        if not self.waiting:
            return 0
        frame = self.waiting.pop(0)
        buf[off : off + len(frame)] = frame
        return len(frame)

    def send(self, buf, off, n):
        frame = bytes(buf[off : off + n])
        answer = None
        if frame[12:14] == b"\x08\x06":
            answer = self.arp(frame[14:])
            self.claims.append((frame[28:32], frame[38:42]))
        elif frame[23] == 17 and frame[36:38] == b"\0\x43":
            answer = self.dhcp(frame[42:])
        if answer:
            self.waiting.append(answer)
            if self.cb:
                self.cb(self)
        return n

    def link(self):
        return self.plugged

    def irq(self, cb):
        self.cb = cb

    def multicast(self, mac, on):
        pass

    def arp(self, packet):
        mac = self.taken.get(packet[24:28])
        if packet[6:8] != b"\0\1" or mac is None:
            return None
        reply = packet[:6] + b"\0\2" + mac + packet[24:28] + packet[8:14] + packet[14:18]
        return packet[8:14] + mac + b"\x08\x06" + reply

    def dhcp(self, message):
        options = {}
        at = 240
        while message[at] != 255:
            options[message[at]] = message[at + 2 : at + 2 + message[at + 1]]
            at += 2 + message[at + 1]
        kind = options[53][0]
        self.kinds.append(kind)
        if 12 in options:
            self.names.append(options[12])
        if not self.leases or kind not in (1, 3):
            return None
        answer = bytearray(240)
        answer[0:3] = b"\2\1\6"
        answer[4:8] = message[4:8]
        answer[16:20] = OFFERED
        answer[28:34] = self.mac
        answer[236:240] = b"\x63\x82\x53\x63"
        answer += bytes((53, 1, 2 if kind == 1 else 5)) + b"\x36\4" + SERVER
        answer += b"\x33\4\0\0\x0e\x10\1\4\xff\xff\xff\0\3\4" + SERVER + b"\6\4" + SERVER + b"\xff"
        udp = bench.udp(SERVER, OFFERED, 67, 68, bytes(answer))
        packet = bench.ip4(SERVER, OFFERED, 17, udp)
        return bench.eth(self.mac, SERVER_MAC, bench.IPV4, packet)


def lan(leases=False):
    nic = Neighbour()
    nic.leases = leases
    n = network.LAN(nic=nic)

    def down():
        n.active(False)
        n.ipconfig(addr4=None)

    bench.at_end(down)
    return n, nic


def wait_for(condition, ms=30000):
    assert host.wait(condition, ms)


def raises(kind, function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except kind as error:
        return error
    raise AssertionError("%s was expected" % kind)


def test_by_hand():
    n, nic = lan()
    assert n.active() is False and n.status() == network.STAT_IDLE and not n.isconnected()
    n.ipconfig(addr4="10.77.0.2/24", gw4="10.77.0.1")
    n.active(True)
    assert n.active() is True and n.isconnected() and n.status() == network.STAT_GOT_IP
    assert n.ipconfig("addr4") == ("10.77.0.2", "255.255.255.0")
    assert n.ipconfig("gw4") == "10.77.0.1"
    assert n.ipconfig("dhcp4") is False and n.ipconfig("has_dhcp4") is False
    assert nic.kinds == []
    n.ipconfig(addr4=("10.77.0.3", "255.255.0.0"))
    assert n.ipconfig("addr4") == ("10.77.0.3", "255.255.0.0")
    assert n.ipconfig("gw4") == "10.77.0.1"
    n.ipconfig(addr4="10.77.0.4")
    assert n.ipconfig("addr4") == ("10.77.0.4", "255.255.0.0")
    n.ifconfig(("10.77.0.5", "255.255.255.0", "10.77.0.254", "10.77.0.53"))
    assert n.ifconfig() == ("10.77.0.5", "255.255.255.0", "10.77.0.254", "10.77.0.53")
    network.ipconfig(dns="0.0.0.0")
    n.active(False)
    assert not n.isconnected() and n.status() == network.STAT_IDLE


def test_dhcp():
    n, nic = lan(leases=True)
    network.hostname("board_7-a")
    n.active(True)
    assert n.ipconfig("dhcp4") is True
    wait_for(n.isconnected)
    assert n.ipconfig("has_dhcp4") is True and n.status() == network.STAT_GOT_IP
    assert n.ifconfig() == ("10.77.0.7", "255.255.255.0", "10.77.0.1", "10.77.0.1")
    assert network.ipconfig("dns") == "10.77.0.1"
    assert nic.names and set(nic.names) == {b"board_7-a"}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"so that its link address is known", ("10.77.0.1", 9))
    host.pump()
    n.ipconfig(dhcp4=False)
    assert 7 in nic.kinds  # DHCPRELEASE
    assert not n.isconnected() and n.status() == network.STAT_NO_IP
    n.ifconfig("dhcp")
    assert n.isconnected()
    n.ipconfig(addr4="10.77.0.2/24")  # by hand: that ends DHCP
    assert n.ipconfig("dhcp4") is False and n.isconnected()
    n.active(False)
    n.active(True)
    assert n.ipconfig("addr4")[0] == "10.77.0.2" and n.ipconfig("dhcp4") is False


def test_no_lease():
    n, nic = lan()
    n.active(True)
    wait_for(lambda: len(nic.kinds) > 1)
    assert not n.isconnected() and n.status() == network.STAT_NO_IP
    client = host.stack().dhcp[n._wire.nif]
    assert "no DHCP lease on eth" in client.failed
    client.discovers = 10  # as after a minute
    assert n.status() == network.STAT_CONNECT_FAIL
    assert "no DHCP lease on eth" in n.status("error")


def test_address_taken_by_dhcp():
    n, nic = lan(leases=True)
    nic.taken[OFFERED] = b"\2\0\0\0\0\x55"
    n.active(True)
    wait_for(lambda: 4 in nic.kinds)  # DHCPDECLINE
    assert not n.isconnected() and n.status() == network.STAT_CONNECT_FAIL
    assert "10.77.0.7 is used by another station" in n.status("error")


def test_address_taken():
    n, nic = lan()
    nic.taken[b"\x0a\x4d\0\2"] = b"\2\0\0\0\0\x55"
    n.ipconfig(addr4="10.77.0.2/24")
    n.active(True)
    wait_for(lambda: n.status("error"))
    assert "10.77.0.2 is used by another station" in n.status("error")
    assert not n.isconnected() and n.status() == network.STAT_CONNECT_FAIL
    # RFC 5227 2.1: nobody hears that it is ours before it is known that it is free
    assert set(nic.claims) == {(bytes(4), b"\x0a\x4d\0\2")}, nic.claims
    nic.claims.clear()
    n.ipconfig(addr4="10.77.0.3/24")  # another one
    assert n.isconnected() and n.status("error") is None
    wait_for(lambda: len(nic.claims) == 3)
    addr = b"\x0a\x4d\0\3"
    assert nic.claims == [(bytes(4), addr), (bytes(4), addr), (addr, addr)], nic.claims


def test_own_address_stays():
    """Once checked, an address is not given up because somebody else asks for it."""
    n, nic = lan()
    n.ipconfig(addr4="10.77.0.2/24")
    n.active(True)
    arp = n._wire.nif.arp
    wait_for(lambda: arp.probing is None)
    probe = b"\0\1\x08\0\6\4\0\1\2\0\0\0\0\x55\0\0\0\0\0\0\0\0\0\0\x0a\x4d\0\2"
    nic.waiting.append(b"\xff" * 6 + b"\2\0\0\0\0\x55\x08\x06" + probe)
    host.pump()
    assert n.isconnected() and n.status("error") is None


def test_cable():
    n, nic = lan()
    nic.plugged = 0
    n.ipconfig(addr4="10.77.0.2/24")
    n.active(True)
    assert not n.isconnected() and n.status() == network.STAT_CONNECTING
    nic.plugged = 1
    wait_for(n.isconnected)
    nic.plugged = 0
    wait_for(lambda: not n.isconnected())


def test_same_interface():
    n, nic = lan()
    again = network.LAN(nic=nic)
    n.active(True)
    assert again.active()
    name = n._wire.nif.name
    assert name in repr(again)
    assert network.LAN(int(name[3:])).config("mac") == nic.mac
    raises(ValueError, network.LAN, 99)
    raises(TypeError, network.LAN, 0, antenna=1)


def test_config():
    n, nic = lan()
    assert n.config("mac") == nic.mac
    assert n.config("mtu") == 1500
    n.config(mtu=1400)
    assert n.config("mtu") == 1400
    n.config(hostname="here")
    assert n.config("hostname") == network.hostname() == "here"
    raises(ValueError, n.config, "ssid")
    raises(ValueError, n.config, mtu=9000)
    raises(ValueError, n.config, mac=b"\2\0\0\0\0\2")
    raises(TypeError, n.config)
    raises(TypeError, n.config, "mac", mtu=1400)


def test_bad_values():
    n, nic = lan()
    for bad in (
        "10.0.0",
        "10.0.0.2/33",
        "10.0.0.2/x",
        "fe80::1/64",
        "10.0.0.2",
        ("10.0.0.2", "x"),
        ("10.0.0.2", "255.0.255.0"),
    ):
        raises(ValueError, n.ipconfig, addr4=bad)
    raises(ValueError, n.ipconfig, gw4="here")
    raises(ValueError, n.ipconfig, dhcp4="infrom")
    for bad in ("fe80::1/0", "fe80::1/129", "fe80::1/x", "fe80:::1", "10.0.0.1", 5):
        raises(ValueError, n.ipconfig, addr6=bad)
    raises(ValueError, n.ipconfig, gw6="10.0.0.1")
    raises(TypeError, n.ipconfig)
    raises(TypeError, n.ipconfig, "addr4", gw4="10.0.0.1")
    raises(ValueError, n.status, "rssi")
    raises(ValueError, network.ipconfig, dns="x")
    raises(ValueError, network.ipconfig, prefer=5)
    raises(ValueError, network.ipconfig, mtu=1)
    assert network.ipconfig("prefer") == 4
    for bad in ("", "x" * 33, "my board", "board.lan", "-x", "x-", "b\xfc"):
        raises(ValueError, network.hostname, bad)
    raises(ValueError, network.country, "EUR")
    network.country("de")
    assert network.country() == "DE"


def test_unreachable():
    """No route: ENETUNREACH at once; a neighbour that does not answer: EHOSTUNREACH."""
    n, nic = lan()
    n.active(True)
    with socket.socket() as s:
        error = raises(OSError, s.connect, ("192.0.2.1", 80))
        assert error.errno == 101, error
    n.ipconfig(addr4="10.77.0.2/24")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(60)
        s.connect(("10.77.0.9", 80))
        s.send(b"anybody?")
        error = raises(OSError, s.recv, 10)
        assert error.errno == 113, error


bench.run_tests(globals())
