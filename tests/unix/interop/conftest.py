"""Interop with Linux: a namespace for each test, whose capture tshark has to approve of."""

import os
import pathlib
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(os.path.dirname(HERE)))
import netns  # noqa: E402

PROGRAMS = os.path.join(HERE, "programs")


def pytest_addoption(parser):
    try:
        parser.addoption("--full", action="store_true", help="interop tests at their full size")
    except ValueError:  # the whole suite's conftest has it already
        pass


def pytest_collection_modifyitems(items):
    # A test that hangs says so long before the suite's own limit.
    for item in items:
        if item.path.parent == pathlib.Path(HERE) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture
def full(request):
    """Run at full size (100 MB, 10,000 pings) instead of one that suits every `make test`?"""
    return bool(request.config.getoption("--full", False) or os.environ.get("NETSTACK_FULL"))


class Lan:
    """A namespace whose TAP netstack is on, and the capture of that TAP."""

    def __init__(self, ns, capture, path):
        self.ns = ns
        self._env = {"MICROPYPATH": path}
        self.capture = capture
        self.wire = None
        self.judged = True  # a test in which netstack sends nothing clears this

    def program(self, name, *args, env={}, **kw):
        """Start programs/<name>.py under the unix port."""
        env = dict(self._env, **env)
        return self.ns.micropython(os.path.join(PROGRAMS, name + ".py"), *args, env=env, **kw)

    def ready(self, name, *args, **kw):
        """The same, and wait until it says "ready" and Linux can reach it; returns the Process."""
        process = self.program(name, *args, **kw)
        process.expect("^ready")
        self.ns.wait_running(kw.get("tap") or self.ns.tap, process)
        return process

    def run(self, *argv, **kw):
        return self.ns.run(*argv, **kw)

    def ping(self, *args, **kw):
        return self.ns.ping(*args, **kw)

    def start(self, *argv, **kw):
        return self.ns.start(*argv, **kw)


@pytest.fixture
def namespace():
    """A namespace without interfaces but `lo`."""
    reason = netns.missing("ping", "nc", "curl", "iperf", "dnsmasq", "ss")
    if reason:
        pytest.skip(reason)
    if not os.path.exists(netns.MICROPYTHON):
        pytest.skip("%s is not built: run make unix" % netns.MICROPYTHON)
    with netns.Namespace(tap=None) as ns:
        yield ns


def sources(config):
    """MICROPYPATH: the frozen stack, or with --source that of lib/."""
    if not config.getoption("--source", False):
        return os.environ.get("MICROPYPATH", ".frozen")
    return ":".join(os.path.join(netns.ROOT, d) for d in ("lib", "ports/unix")) + ":.frozen"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call":
        item.passed = report.passed


def _captured(ns, request, tmp_path):
    pcap = tmp_path / "tap0.pcap"
    with ns.capture(pcap, "tap0") as capture:
        lan = Lan(ns, capture, sources(request.config))
        yield lan
    if not getattr(request.node, "passed", False):
        return  # it has enough to say already; the capture stays for a look
    if lan.judged:
        capture.check()
    os.remove(pcap)  # hundreds of megabytes, some of them


@pytest.fixture
def lan(namespace, request, tmp_path):
    """netstack and Linux, a TAP between them."""
    namespace.add_tap("tap0", netns.LINUX + "/24")
    yield from _captured(namespace, request, tmp_path)


@pytest.fixture
def far(lan):
    """A host behind two routers with a link of 1300 bytes between them, where all others take
    1500: its namespace. Linux of `lan` is the first router."""
    with netns.Namespace(tap=None) as second, netns.Namespace(tap=None) as host:
        for left, right, net, mtu in ((lan.ns, second, 97, 1300), (second, host, 98, 1500)):
            names = "left%d" % net, "right%d" % net
            left.run(
                "ip",
                "link",
                "add",
                names[0],
                "type",
                "veth",
                "peer",
                names[1],
                "netns",
                right.name,
            )
            for end, ns in enumerate((left, right)):
                ns.run("ip", "addr", "add", "10.%d.0.%d/24" % (net, end + 1), "dev", names[end])
                ns.run("ip", "link", "set", names[end], "mtu", mtu, "up")
            left.wait_running(names[0])
            right.wait_running(names[1])
        for router in (lan.ns, second):
            router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        lan.run("ip", "route", "add", "10.98.0.0/24", "via", "10.97.0.2")
        second.run("ip", "route", "add", "default", "via", "10.97.0.1")
        host.run("ip", "route", "add", "default", "via", "10.98.0.1")
        host.address = "10.98.0.2"
        yield host


@pytest.fixture
def bad_lan(namespace, request, tmp_path):
    """The same over a cable that loses 1 % of the frames and takes 10 ms, each way."""
    namespace.add_tap("tap0")
    # Here Linux is at the far end of the cable only.
    namespace.run("ip", "link", "set", "tap0", "arp", "off")
    namespace.add_tap("tap1", netns.LINUX + "/24")
    wire = namespace.start(
        sys.executable, os.path.join(HERE, "wire.py"), "tap0", "tap1", "--loss=0.01", "--delay=10"
    )
    wire.expect("^ready")
    namespace.wait_running("tap1")
    for lan in _captured(namespace, request, tmp_path):
        lan.wire = wire
        yield lan


@pytest.fixture(scope="session")
def pem(tmp_path_factory):
    """A directory of certificates: certs.py."""
    reason = netns.missing("openssl", "curl")
    if reason:
        pytest.skip(reason)
    import certs

    return certs.make(tmp_path_factory.mktemp("pem"))
