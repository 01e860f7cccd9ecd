# Sockets of AF_INET6, IPv6 addresses as text, and ipconfig() for IPv6 (RFC 3493, RFC 4291 2.2,
# RFC 5952): over loopback, where both ends are in one program.

import bench
import network
import socket
from hosts import NIC
from netstack.api import host, inet6
from packets import ip6

EINVAL = 22
ENODEV = 19
EADDRINUSE = 98
ENETUNREACH = 101
ECONNREFUSED = 111


def opened(kind=socket.SOCK_STREAM, v6only=None, family=socket.AF_INET6):
    s = socket.socket(family, kind)
    bench.at_end(s.close)
    s.settimeout(60)
    if v6only is not None:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    return s


def listener(address="::", port=0, **kw):
    s = opened(**kw)
    s.bind((address, port))
    s.listen(5)
    return s


def raises(number, function, *args):
    try:
        function(*args)
    except OSError as error:
        assert error.errno == number, "OSError %s, expected %d" % (error, number)
        return
    raise AssertionError("OSError %d was expected" % number)


def test_text():
    for text, shown in (
        ("::", "::"),
        ("::1", "::1"),
        ("1::", "1::"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("2001:db8::1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:db8:1:1:1:1:1::", "2001:db8:1:1:1:1:1:0"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
        ("64:ff9b::10.0.0.1", "64:ff9b::a00:1"),
        ("1:2:3:4:5:6:10.0.0.1", "1:2:3:4:5:6:a00:1"),
    ):
        addr = socket.inet_pton(socket.AF_INET6, text)
        assert socket.inet_ntop(socket.AF_INET6, addr) == shown, (text, addr)


def test_text_that_is_no_address():
    for text in (
        "",
        ":",
        ":::",
        "1",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1::2::3",
        "1:2:3:4:5:6:7:8::",
        "::1:2:3:4:5:6:7:8",
        "12345::",
        "g::",
        ":1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:",
        "::10.0.0",
        "10.0.0.1::",
        "1:10.0.0.1::",
        "::-1",
        "::1 ",
        "10.0.0.1",
    ):
        assert inet6.parse(text) is None, text


def test_getaddrinfo():
    info = socket.getaddrinfo("2001:db8::1", 80)
    assert info == [(socket.AF_INET6, 1, 0, "", ("2001:db8::1", 80, 0, 0))]
    assert socket.getaddrinfo("fe80::1%eth0", 80)[0][-1][0] == "fe80::1%eth0"
    assert socket.getaddrinfo("", 80, socket.AF_INET6)[0][-1] == ("::", 80, 0, 0)
    assert socket.getaddrinfo(None, 80, socket.AF_INET6)[0][-1] == ("::1", 80, 0, 0)
    both = socket.getaddrinfo("localhost", 80)
    assert [each[0] for each in both] == [socket.AF_INET, socket.AF_INET6]
    (six,) = socket.getaddrinfo("localhost", 80, socket.AF_INET6)
    assert six[-1] == ("::1", 80, 0, 0)


def test_order_of_addresses():
    four, six = b"\x7f\0\0\1", inet6.LOOPBACK
    far = ip6("2001:db8::1")  # no way there
    assert inet6.order([far, six, four], 4) == [four, six, far]
    assert inet6.order([far, four, six], 6) == [six, four, far]


def test_tcp():
    server = listener("::1")
    assert server.getsockname()[:1] + server.getsockname()[2:] == ("::1", 0, 0)
    client = opened()
    client.connect(server.getsockname())
    conn, peer = server.accept()
    bench.at_end(conn.close)
    assert peer == client.getsockname() and client.getpeername() == server.getsockname()
    client.sendall(b"over six")
    assert conn.recv(100) == b"over six"
    conn.sendall(b"and back")
    assert client.recv(100) == b"and back"
    raises(ECONNREFUSED, opened().connect, ("::1", 9))


def test_one_listener_for_both_families():
    # RFC 3493 3.7, 5.3
    server = listener()
    port = server.getsockname()[1]
    assert server.getsockname() == ("::", port, 0, 0)
    for family, to, shown in (
        (socket.AF_INET, "127.0.0.1", "::ffff:127.0.0.1"),
        (socket.AF_INET6, "::1", "::1"),
        (socket.AF_INET6, "::ffff:127.0.0.1", "::ffff:127.0.0.1"),
        (socket.AF_INET6, "::", "::1"),
    ):
        client = opened(family=family)
        client.connect((to, port))
        conn, peer = server.accept()
        bench.at_end(conn.close)
        assert peer[0] == shown and conn.getsockname()[0] == shown, (peer, to)
    raises(EADDRINUSE, listener, "0.0.0.0", port)


def listener4(port):
    s = opened(family=socket.AF_INET)
    s.bind(("", port))
    s.listen(1)
    return s


def test_one_port_for_two_listeners():
    server = listener(v6only=1)
    port = server.getsockname()[1]
    assert server.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
    raises(ECONNREFUSED, opened(family=socket.AF_INET).connect, ("127.0.0.1", port))
    four = listener4(port)
    client = opened(family=socket.AF_INET)
    client.connect(("127.0.0.1", port))
    assert four.accept()[1] == client.getsockname()
    client = opened(v6only=1)
    client.connect(("::1", port))
    assert server.accept()[1] == client.getsockname()
    raises(ENETUNREACH, opened(v6only=1).connect, ("::ffff:127.0.0.1", port))
    raises(EINVAL, server.setsockopt, socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)


def test_udp():
    server = opened(socket.SOCK_DGRAM)
    server.bind(("::", 0))
    port = server.getsockname()[1]
    for family, to in ((socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1")):
        client = opened(socket.SOCK_DGRAM, family=family)
        for _ in range(4):
            client.sendto(b"ping", (to, port))
            data, peer = server.recvfrom(100)
            assert data == b"ping" and peer[1] == client.getsockname()[1], peer
            assert peer[0] == (to if ":" in to else "::ffff:" + to)
            server.sendto(b"pong", peer)
            assert client.recv(100) == b"pong"
    connected = opened(socket.SOCK_DGRAM)
    connected.connect(("::1", port))
    connected.send(b"x")
    assert server.recvfrom(10)[1] == connected.getsockname()


def test_udp_of_one_family():
    six = opened(socket.SOCK_DGRAM, v6only=1)
    six.bind(("", 0))
    port = six.getsockname()[1]
    four = opened(socket.SOCK_DGRAM, family=socket.AF_INET)
    four.bind(("", port))
    four.sendto(b"4", ("127.0.0.1", port))
    six.sendto(b"6", ("::1", port))
    assert (four.recv(9), six.recv(9)) == (b"4", b"6")
    both = opened(socket.SOCK_DGRAM)
    raises(EADDRINUSE, both.bind, ("", port))


def test_options():
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        s = opened(kind)
        for option, value in ((socket.IPV6_UNICAST_HOPS, 7), (socket.IPV6_TCLASS, 0xB8)):
            s.setsockopt(socket.IPPROTO_IPV6, option, value)
            assert s.getsockopt(socket.IPPROTO_IPV6, option) == value
        raises(EINVAL, s.setsockopt, socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 256)
    raises(92, opened(family=socket.AF_INET).setsockopt, 41, socket.IPV6_V6ONLY, 1)


def test_one_port_for_both_kinds():
    # RFC 3493 5.3 with UDP: "::" takes both families, IPV6_V6ONLY leaves one to somebody else
    both = opened(socket.SOCK_DGRAM)
    both.bind(("::", 0))
    port = both.getsockname()[1]
    other = opened(socket.SOCK_DGRAM, family=socket.AF_INET)
    raises(EADDRINUSE, other.bind, ("0.0.0.0", port))
    for family, to in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        opened(socket.SOCK_DGRAM, family=family).sendto(b"x", (to, port))
        assert both.recvfrom(10)[1][0] == ("::1" if ":" in to else "::ffff:127.0.0.1")
    raises(EINVAL, both.setsockopt, socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    both.close()
    six = opened(socket.SOCK_DGRAM, v6only=1)
    six.bind(("::", port))
    other.bind(("0.0.0.0", port))
    for family, to, sock in ((socket.AF_INET, "127.0.0.1", other), (socket.AF_INET6, "::1", six)):
        opened(socket.SOCK_DGRAM, family=family).sendto(b"y", (to, port))
        assert sock.recv(10) == b"y" and not other._io.waiting and not six._io.waiting
    raises(ENETUNREACH, six.sendto, b"x", ("::ffff:127.0.0.1", port))
    raises(ENETUNREACH, opened(v6only=1).connect, ("::ffff:127.0.0.1", port))


def test_bound_to_the_other_family():
    # An address of one family is no source for the other
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        s = opened(kind)
        s.bind(("::ffff:127.0.0.1", 0))
        if kind == socket.SOCK_DGRAM:
            raises(ENETUNREACH, s.sendto, b"x", ("::1", 9))
        raises(ENETUNREACH, s.connect, ("::1", 9))


def test_ttl_of_each_family():
    # IP_TTL and IP_TOS are those of IPv4, IPV6_UNICAST_HOPS and IPV6_TCLASS those of IPv6
    server = listener()
    port = server.getsockname()[1]
    for to, ttl, tos in (("::ffff:127.0.0.1", 11, 0x20), ("::1", 22, 0x40)):
        client = opened()
        client.setsockopt(0, socket.IP_TTL, 11)
        client.setsockopt(0, socket.IP_TOS, 0x20)
        client.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 22)
        client.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 0x40)
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 0x40)
            assert s.getsockopt(0, socket.IP_TOS) == 0
        seen = []
        lo = host.stack().nifs[0].loopback
        inside = lo._hand_up

        def look(fr, ethertype):
            at = fr.l3
            if ethertype == 0x86DD:
                seen.append((fr.buf[at + 7], (fr.buf[at] & 15) << 4 | fr.buf[at + 1] >> 4))
            else:
                seen.append((fr.buf[at + 8], fr.buf[at + 1]))
            inside(fr, ethertype)

        lo._hand_up = look
        try:
            client.connect((to, port))
        finally:
            del lo._hand_up
        assert (ttl, tos) in seen, (to, seen)
        server.accept()[0].close()


def test_zones():
    st = host.stack()
    for zone in ("%nowhere", "%99"):
        raises(ENODEV, opened().connect, ("fe80::1" + zone, 80))
    raises(ENODEV, opened().connect, ("fe80::1", 80, 0, 99))
    assert inet6.find(st, ("fe80::1%lo", 80))[2] is st.nifs[0]
    assert inet6.find(st, ("fe80::1", 80, 0, 1))[2] is st.nifs[0]
    assert inet6.find(st, ("fe80::1%1", 80))[2] is st.nifs[0]
    assert inet6.find(st, ("::1%lo", 80))[2] is None


def test_create_connection():
    server = listener("::1")
    client = socket.create_connection(server.getsockname()[:2], 5)
    bench.at_end(client.close)
    assert server.accept()[1] == client.getsockname()


def test_ipconfig():
    n = network.LAN(nic=NIC(b"\2\0\0\0\0\x66"))
    n._wire.nif.v6.transmits = 0
    n.active(True)
    bench.at_end(lambda: n.active(False))
    n.ipconfig(addr4="10.66.0.2/24")
    (link,) = n.ipconfig("addr6")
    assert link[0].startswith("fe80::") and link[1:] == (0x30, 0xFFFFFFFF, 0xFFFFFFFF)
    assert n.ipconfig("autoconf6") is True and n.ipconfig("has_autoconf6") is False
    assert n.ipconfig("gw6") == "::"
    n.ipconfig(addr6="2001:db8:66::2/64", gw6="fe80::1")
    assert [each[0] for each in n.ipconfig("addr6")] == [link[0], "2001:db8:66::2"]
    assert n.ipconfig("gw6") == "fe80::1" and n.isconnected()
    n.ipconfig(addr6=["2001:db8:66::3", "fd66::2/48"], gw6="2001:db8:66::1")
    assert [each[0] for each in n.ipconfig("addr6")][1:] == ["2001:db8:66::3", "fd66::2"]
    assert n.ipconfig("gw6") == "2001:db8:66::1"
    n.ipconfig(addr6=None, gw6=None, autoconf6=False)
    assert len(n.ipconfig("addr6")) == 1 and n.ipconfig("gw6") == "::"
    assert n.ipconfig("autoconf6") is False


def test_parameters():
    n = network.LAN(nic=NIC(b"\2\0\0\0\0\x67"))
    assert (n.config("dad6"), n.config("optimistic6"), n.config("temp6")) == (1, False, False)
    n.config(dad6=0, optimistic6=True, temp6=True, secret6=b"0123456789abcdef")
    assert (n.config("dad6"), n.config("optimistic6")) == (0, True)
    assert n.config("temp6") == (86400, 172800) and n.config("secret6") == b"0123456789abcdef"
    n.config(temp6=(3600, 7200))
    assert n.config("temp6") == (3600, 7200)
    n.config(temp6=False)
    assert n.config("temp6") is False
    for bad in (
        {"dad6": -1},
        {"dad6": "x"},
        {"secret6": b"short"},
        {"temp6": 5},
        {"temp6": (7200, 3600)},
        {"temp6": (1, 2)},
    ):
        try:
            n.config(**bad)
        except ValueError as error:
            assert list(bad)[0] in str(error), error
        else:
            raise AssertionError("%s was taken" % bad)


def test_secret_is_never_empty():
    # RFC 7217 5: drawn when an address is made, unless it has been set before
    n = network.LAN(nic=NIC(b"\2\0\0\0\0\x68"))
    n.config(dad6=0)
    st = n._wire.nif.st
    links = []
    for secret in (b"", b"", bytes(16), bytes(16)):
        st.ip6.secret = secret
        n.active(True)
        links.append(n.ipconfig("addr6")[0][0])
        assert len(n.config("secret6")) == 16
        n.active(False)
        with bench.inside(st):
            st.ip6.remove(n._wire.nif, n._wire.nif.v6.list[0])
    assert len(set(links)) == 3 and links[2] == links[3]


def test_dns_servers():
    network.ipconfig(dns=["2001:db8::53", "10.0.0.1"])
    bench.at_end(lambda: network.ipconfig(dns="0.0.0.0"))
    assert network.ipconfig("dns") == "2001:db8::53"
    network.ipconfig(prefer=6)
    assert network.ipconfig("prefer") == 6
    network.ipconfig(prefer=4)


bench.run_tests(globals())
