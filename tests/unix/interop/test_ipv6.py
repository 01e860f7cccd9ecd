"""IPv6 between Linux and netstack: echo, UDP and TCP, found by neighbor discovery."""

import os
import re
import socket
import sys

import pytest
from netns import LINUX, LINUX6, MAC, OURS, OURS6, which
from test_ping import ECHO6, answers_all


@pytest.fixture
def lan6(lan):
    lan.ns.use_ipv6("tap0")
    return lan


def test_ping_of_every_length(lan6):
    lan6.ready("echo6")
    for size in (0, 1, 2, 3, 17, 18, 19, 255, 1451, 1452, 1453, 8000, 30000):
        lan6.ping(OURS6, "-s", size, "-p", "a5c300ff", count=2, interval=0.01)


def test_flood(lan6):
    lan6.ready("echo6")
    answers_all(lan6, OURS6, 3000, "-f", "-s", "100", echo=ECHO6)


def test_ping_of_all_nodes(lan6):
    """Linux sends from its link-local address, and we answer from ours."""
    lan6.ready("echo6")
    lan6.ns.wait_for_link_local("tap0")
    said = lan6.run("ping", "-6", "-L", "-c", "2", "-w", "60", "ff02::1%tap0").stdout
    assert re.search("from fe80::[0-9a-f:]+%tap0", said), said


RADVD = """
interface tap0 {
    AdvSendAdvert on;
    MinRtrAdvInterval 3;
    MaxRtrAdvInterval 4;
    AdvDefaultLifetime 600;
    AdvDefaultPreference high;
    AdvLinkMTU 1400;
    prefix fd99::/64 { AdvValidLifetime 9000; AdvPreferredLifetime 4000; };
    route fd98::/48 { };
    RDNSS fd99::1 { };
    DNSSL lan.test { };
};
"""


def test_router_of_linux(lan6, tmp_path):
    """radvd gives a prefix, a way out, an MTU and a DNS server; curl finds us there."""
    if not which("radvd"):
        pytest.skip("radvd is not installed: make test installs what the tests need")
    config = tmp_path / "radvd.conf"
    config.write_text(RADVD)
    config.chmod(0o644)
    lan6.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
    program = lan6.program("six")
    program.expect("^started")
    lan6.ns.wait_for_link_local("tap0")
    radvd = lan6.start(
        "radvd", "-n", "-u", "root", "-C", config, "-p", tmp_path / "pid", "-m", "stderr"
    )
    program.expect("^ready")
    said = program.output
    link = lan6.run("ip", "-6", "addr", "show", "tap0", "scope", "link").stdout.split("inet6 ")[1]
    assert "gateway " + link.split("/")[0] in said, said
    assert "dns fd99::1 ['lan.test']" in said, said
    ours = re.search(r"address (fd99::\S+) 0x30 (\d+) (\d+)", said)
    assert ours and 3900 <= int(ours[2]) <= 4000 and 8900 <= int(ours[3]) <= 9000, said
    got = lan6.run("curl", "-sS", "-m", "30", "http://[%s]/" % ours[1]).stdout
    assert got == "you are %s\n" % LINUX6
    got = lan6.run("curl", "-sS", "-m", "30", "http://%s/" % OURS).stdout
    assert got == "you are ::ffff:%s\n" % LINUX
    radvd.stop()
    checked = lan6.capture.frames(
        "icmpv6.type == 135 && eth.src == %s && ipv6.src == ::" % MAC,
        "icmpv6.nd.ns.target_address",
    )
    assert ours[1] in checked, checked


def _addresses(said):
    """{address: states, in the order in which they were told}"""
    states = {}
    for addr, state in re.findall(r"address (fd99::\S+) (0x\w+)", said):
        states.setdefault(addr, []).append(state)
    return states


def test_temporary_addresses(lan6, tmp_path):
    """radvd's prefix gives two addresses, in use at once; Linux hears from the temporary one, and
    reaches both. The stable one follows from the secret."""
    if not which("radvd"):
        pytest.skip("radvd is not installed: make test installs what the tests need")
    config = tmp_path / "radvd.conf"
    # the check takes so long that the program sees its state before it has ended
    config.write_text(RADVD.replace("AdvLinkMTU", "AdvRetransTimer 2500;\n    AdvLinkMTU"))
    config.chmod(0o644)
    lan6.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
    command = "TCP6-LISTEN:8100,fork,reuseaddr"
    lan6.start("socat", command, "SYSTEM:echo you are $SOCAT_PEERADDR")
    lan6.ns.wait_port(8100)
    lan6.start("radvd", "-n", "-u", "root", "-C", config, "-p", tmp_path / "pid", "-m", "stderr")
    seen = []
    for _ in range(2):
        program = lan6.program("temporary", LINUX6, "8100")
        program.expect("^ready")
        said = program.output
        program.stop()
        states = _addresses(said)
        (stable, first), (temporary, other) = states.items()
        assert first == other == ["0x18", "0x30"], said  # being checked and in use
        ours = re.search(r"from (fd99::\S+) you are \[(\S+)\]", said)
        assert ours and ours[1] == temporary, said
        seen.append((stable, temporary))
    assert seen[0][0] == seen[1][0] and seen[0][1] != seen[1][1], seen
    asked = lan6.capture.frames(
        "icmpv6.type == 135 && eth.src == %s && ipv6.src == ::" % MAC,
        "icmpv6.nd.ns.target_address",
    )
    for addr in seen[0]:
        assert addr in asked, asked


def test_to_linux_by_name_and_by_zone(lan6, tmp_path):
    (tmp_path / "index.html").write_text("six\n")
    lan6.run("ip", "-6", "addr", "add", "fe80::99/64", "dev", "tap0", "nodad")
    server = lan6.start(
        sys.executable, "-u", "-m", "http.server", "--bind", "::", "-d", tmp_path, "8099"
    )
    server.expect("Serving")
    for host, peer in ((LINUX6, LINUX6), ("fe80::99%eth0", "fe80::99"), ("fe80::99", "fe80::99")):
        program = lan6.program("get6", host, "8099")
        program.finish()
        said = program.output
        assert "peer ('%s', 8099, 0, " % peer in said and "six" in said, said


def test_linux_knows_us(lan6):
    """Its neighbour cache has our address, and has found it reachable."""
    lan6.ready("echo6")
    lan6.ping(OURS6, count=1)
    said = lan6.run("ip", "-6", "neigh", "show", OURS6).stdout
    assert MAC in said and "REACHABLE" in said, said
    lan6.run("ping", "-6", "-c", "1", "-W", "0.5", "fd99::77", check=False)


def udp(lan, port):
    """A socket of Linux that is connected to ours."""
    with lan.ns.entered():
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.settimeout(60)
    s.connect((OURS6, port))
    return s


def test_udp_echo(lan6):
    lan6.ready("echo6")
    for sent in (b"x", b"datagram " * 100, bytes(1452)):
        with udp(lan6, 7) as s:
            s.send(sent)
            assert s.recv(2000) == sent


def test_tcp_echo(lan6):
    lan6.ready("echo6")
    sent = os.urandom(300000)
    got = lan6.run("socat", "-t60", "-", "TCP6:[%s]:7" % OURS6, input=sent, text=False).stdout
    assert got == sent


def test_refused(lan6):
    """By TCP with a reset, by UDP with ICMP."""
    lan6.ready("echo6")
    said = lan6.run("nc", "-6", "-v", "-w", "30", OURS6, "8", check=False).stdout
    assert "refused" in said, said
    with udp(lan6, 8) as s:
        s.send(b"x")
        with pytest.raises(ConnectionRefusedError):
            s.recv(100)
    assert lan6.capture.frames("icmpv6.type == 1 && icmpv6.code == 4", "ipv6.src")
