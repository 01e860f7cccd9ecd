# network.LAN.ipconfig() for DHCPv6, in real time, against a server that answers each message at
# once. What the client does is in services/test_dhcp6.py.

import bench
import network
import struct
import time
from hosts import NIC
from netstack.api import host
from packets import IPV6, eth, ip6, ipv6, udp

SERVER = ip6("fe80::1")
MAC = b"\2\0\0\0\0\1"


def opt(code, value=b""):
    return struct.pack("!HH", code, len(value)) + value


class Server(NIC):
    def __init__(self, mac):
        NIC.__init__(self, mac)
        self.tx = self.answer
        self.kinds = []
        self.hosts = []

    def answer(self, frame):
        if frame[12:14] != b"\x86\xdd" or frame[20] != 17 or frame[56:58] != b"\x02\x23":
            return
        data = frame[62:]
        self.kinds.append(data[0])
        asked = {}
        at = 4
        while at < len(data):
            code, n = struct.unpack("!HH", data[at : at + 4])
            asked[code] = data[at + 4 : at + 4 + n]
            at += 4 + n
        body = b"\7" + data[1:4] + opt(1, asked[1]) + opt(2, b"\0\1srv") + opt(14)
        times = struct.pack("!II", 1000, 2000)
        if 3 in asked:
            addr = opt(5, ip6("2001:db8:6::7") + struct.pack("!II", 3000, 4000))
            body += opt(3, asked[3][:4] + times + addr)
        if 25 in asked:
            prefix = opt(26, struct.pack("!IIB", 3000, 4000, 56) + ip6("2001:db8:600::"))
            body += opt(25, asked[25][:4] + times + prefix)
        body += opt(23, ip6("2001:db8:6::53")) + opt(24, b"\3lan\4test\0")
        body += opt(56, opt(1, ip6("2001:db8:6::7b")) + opt(3, b"\4time\4test\0"))
        self.hosts.append(asked.get(39))
        packet = ipv6(SERVER, frame[22:38], 17, udp(SERVER, frame[22:38], 547, 546, body))
        self.rx.append(eth(self.mac, MAC, IPV6, packet))


def until(what, ms=30000):
    start = time.ticks_ms()
    while not what():
        assert time.ticks_diff(time.ticks_ms(), start) < ms
        time.sleep_ms(5)


def opened(number):
    nic = Server(bytes((2, 0, 0, 0, 6, number)))
    lan = network.LAN(nic=nic)
    lan._wire.nif.v6.transmits = 0
    lan.active(True)
    lan.ipconfig(addr4="10.7.%d.2/24" % number)
    bench.at_end(lambda: lan.active(False))
    return lan, nic


def test_address_and_prefix():
    lan, nic = opened(1)
    assert lan.ipconfig("dhcp6") == "auto" and lan.ipconfig("prefix6") is False
    assert lan.ipconfig("has_dhcp6") is False and lan.ipconfig("lease6") is None
    assert lan.ipconfig("prefixes6") == []
    lan.ipconfig(dhcp6=True, prefix6=56)
    assert lan.ipconfig("dhcp6") is True and lan.ipconfig("prefix6") == 56
    until(lambda: lan.ipconfig("has_dhcp6"))
    lease = lan.ipconfig("lease6")
    assert lease["server"] == "0001737276"
    ((addr, preferred, valid),) = lease["addresses"]
    assert addr == "2001:db8:6::7" and 2990 <= preferred <= 3000 and 3990 <= valid <= 4000
    assert lan.ipconfig("prefixes6")[0][0] == "2001:db8:600::/56"
    assert lease["prefixes"][0][0] == "2001:db8:600::/56"
    assert lease["dns"] == ["2001:db8:6::53"] and lease["search"] == ["lan.test"]
    assert lease["ntp"] == ["2001:db8:6::7b", "time.test"]
    assert addr in [row[0] for row in lan.ipconfig("addr6")]
    assert network.ipconfig("dns") == "2001:db8:6::53"
    assert nic.hosts[0][2:].decode() == network.hostname()
    lan.active(False)
    assert nic.kinds == [1, 8] and lan.ipconfig("lease6") is None  # Solicit, Release
    assert network.ipconfig("dns") == "0.0.0.0"
    lan.active(True)
    until(lambda: lan.ipconfig("has_dhcp6"))  # it is still wanted
    lan.ipconfig(dhcp6=False)
    until(lambda: nic.kinds[-1] == 8)
    assert lan.ipconfig("dhcp6") is False and lan.ipconfig("prefix6") == 56


def test_stateless():
    lan, nic = opened(2)
    lan.ipconfig(dhcp6="stateless", prefix6=True)
    assert lan.ipconfig("prefix6") is True
    until(lambda: lan.ipconfig("has_dhcp6"))
    lease = lan.ipconfig("lease6")
    assert lease["addresses"] == lease["prefixes"] == [] and lease["dns"] == ["2001:db8:6::53"]
    assert nic.kinds == [11]
    lan.ipconfig(dhcp6="auto", prefix6=False)
    assert lan.ipconfig("dhcp6") == "auto"


def test_arguments():
    lan, nic = opened(3)
    for key, value in (
        ("dhcp6", "yes"),
        ("dhcp6", 7),
        ("prefix6", 65),
        ("prefix6", -1),
        ("prefix6", "56"),
    ):
        try:
            lan.ipconfig(**{key: value})
            raise AssertionError("%s=%r" % (key, value))
        except ValueError as error:
            assert key in str(error)
    assert nic.kinds == [] and lan.ipconfig("dhcp6") == "auto"


def test_port_is_taken():
    lan, nic = opened(4)
    with bench.inside(host.stack()):
        endpoint = host.udp().open()
        endpoint.bind(host.stack().ip6, None, 546)
    bench.raises(98, lambda: lan.ipconfig(dhcp6=True))
    with bench.inside(host.stack()):
        endpoint.close()


bench.run_tests(globals())
