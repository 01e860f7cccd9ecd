"""create_connection (RFC 8305) to a host of both families, of which IPv6 fails in several ways."""

import subprocess

import netns
import pytest
from netns import LINUX

FAR6 = "fd98::2"
FAR4 = "10.98.0.2"
DROP = "add rule ip6 t f meta l4proto tcp counter drop"
REJECT = "add rule ip6 t f meta l4proto tcp counter reject with icmpv6 type no-route"
RESET = "add rule ip6 t f meta l4proto tcp counter reject with tcp reset"


@pytest.fixture(params=["wait", "await"])
def path(request, lan, tmp_path):
    """A host behind Linux, the router, with one name for both of its addresses."""
    if not netns.which("nft"):
        pytest.skip("nft is not installed: make test installs what the tests need")
    lan.ns.use_ipv6("tap0")
    lan.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1", "net.ipv4.ip_forward=1")
    with netns.Namespace(tap=None) as far:
        lan.run("ip", "link", "add", "left", "type", "veth", "peer", "eth0", "netns", far.name)
        lan.run("ip", "addr", "add", "10.98.0.1/24", "dev", "left")
        lan.run("ip", "link", "set", "left", "up")
        far.run("ip", "addr", "add", FAR4 + "/24", "dev", "eth0")
        far.run("ip", "link", "set", "eth0", "up")
        far.wait_running("eth0")
        lan.ns.use_ipv6("left", "fd98::1/64")
        far.use_ipv6("eth0", FAR6 + "/64")
        far.run("ip", "route", "add", "default", "via", "10.98.0.1")
        far.run("ip", "-6", "route", "add", "default", "via", "fd98::1")
        far.start("socat", "TCP6-LISTEN:8000,ipv6only=0,fork,reuseaddr", "EXEC:cat")
        far.wait_port(8000)
        host = "--host-record=both.test,%s,%s" % (FAR4, FAR6)
        lan.ns.dnsmasq(tmp_path, host, "--local=/test/")
        args = ("both.test", "8000", request.param)
        program = lan.ready("race", LINUX, *args, stdin=subprocess.PIPE)
        yield Path(lan, far, program)


class Path:
    def __init__(self, lan, far, program):
        self.lan = lan
        self.far = far
        self.program = program

    def rule(self, rule):
        self.far_nft("flush ruleset")
        if rule:
            self.far_nft(
                "add table ip6 t; add chain ip6 t f { type filter hook forward priority 0; };"
                + rule
            )

    def far_nft(self, text):
        self.lan.run("nft", text)

    def connect(self, want, least=0):
        """Connect, to `want`, after `least` ms and soon then, with nothing left of other attempts;
        late or to the other address only on a machine that has been too busy meanwhile."""
        seen = []
        for _ in range(10):
            addr, ms = self._connect()
            assert ms >= (least if addr == want else 240), (addr, ms)
            if addr == want and ms < least + 1500:
                return
            seen.append((addr, ms))
        raise AssertionError("%s never in time: %s" % (want, seen))

    def _connect(self):
        self.program.stdin.write("\n")
        self.program.stdin.flush()
        match = self.program.expect(r"^(connected|failed) (.*) after (\d+)")
        self.program.expect("^left 0")
        assert match.group(1) == "connected", match.group()
        addr, said = match.group(2).split(" ", 1)
        assert said == r"b'hello\n'"
        return addr, int(match.group(3))


def test_ipv6_works(path):
    path.connect(FAR6)


def test_ipv6_is_swallowed(path):
    """Its packets go nowhere: 250 ms later IPv4 is there; afterwards all is as before."""
    path.rule(DROP)
    path.connect(FAR4, 240)
    path.rule(None)
    path.connect(FAR6)


def test_ipv6_is_refused(path):
    """A router says that there is no way, or somebody resets: IPv4 at once."""
    for rule in (RESET, REJECT):
        path.rule(rule)
        path.connect(FAR4)
    path.rule(None)
    path.connect(FAR6)


def test_ipv6_has_no_route(path):
    """A hole in Linux's table."""
    path.lan.run("ip", "-6", "route", "add", "blackhole", FAR6 + "/128")
    path.connect(FAR4, 240)
    path.lan.run("ip", "-6", "route", "del", "blackhole", FAR6 + "/128")
    path.connect(FAR6)


def test_ipv4_is_swallowed(path):
    """The other way round nobody notices."""
    path.far_nft(
        "add table ip t; add chain ip t f { type filter hook forward priority 0; };"
        "add rule ip t f meta l4proto tcp drop"
    )
    path.connect(FAR6)
