"""Programs nobody here wrote, on netstack: namespaces for them, and what they need of PyPI."""

import os
import pathlib
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(os.path.dirname(HERE))]
import internet  # noqa: E402
import netns  # noqa: E402
import upstream  # noqa: E402

PYPI = os.path.join(netns.ROOT, "build", "pypi")
WIRE = os.path.join(netns.ROOT, "tests", "unix", "interop", "wire.py")
SECOND = "10.99.0.3"  # a second netstack's address


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent == pathlib.Path(HERE) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture
def full():
    return bool(os.environ.get("NETSTACK_FULL"))


@pytest.fixture(scope="session")
def pypi():
    """Where the modules of a package are: pypi("picoweb")."""
    setup = os.path.join(netns.ROOT, "tools", "setup.py")
    subprocess.run([sys.executable, setup, "pypi"], check=True)

    def place(name, *below):
        return os.path.join(PYPI, name, *below)

    return place


def need(*programs):
    reason = netns.missing(*programs)
    if reason:
        pytest.skip(reason)
    if not os.path.exists(netns.MICROPYTHON):
        pytest.skip("%s is not built: run make unix" % netns.MICROPYTHON)


@pytest.fixture
def alone():
    """A namespace with nothing but `lo`."""
    need()
    with netns.Namespace(tap=None) as ns:
        yield ns


@pytest.fixture
def lan():
    """netstack on tap0, Linux at the other end."""
    need("curl", "nginx", "mosquitto", "ab", "wrk", "openssl")
    with netns.Namespace() as ns:
        yield ns


@pytest.fixture
def pair():
    """Two TAPs, tap0 and tap1, and Linux itself on one bridge."""
    need()
    with netns.Namespace(tap=None) as ns:
        for command in (
            "ip link add br0 type bridge",
            "ip link set br0 up",
            "ip addr add %s/24 dev br0" % netns.LINUX,
            # run-multitests.py finds Linux's address by connecting to one far away.
            "ip route add default dev br0",
        ):
            ns.run(*command.split())
        for tap in ("tap0", "tap1"):
            ns.add_tap(tap)
            ns.run("ip", "link", "set", tap, "master", "br0")
        yield ns


@pytest.fixture
def world(tmp_path):
    """(Namespace, directory): behind tap0 and 10 ms of cable the internet of internet.py."""
    need("nginx", "mosquitto", "dnsmasq", "openssl")
    directory = tmp_path / "internet"
    directory.mkdir()
    with netns.Namespace(tap=None) as ns:
        ns.add_tap("tap0")
        ns.run("ip", "link", "set", "tap0", "arp", "off")  # Linux is at the far end only
        ns.add_tap("tap1", netns.LINUX + "/24")
        # Nobody answers from there; Linux's own programs shall try all the same.
        ns.run("ip", "route", "add", "1.1.1.1", "dev", "tap1")
        ns.start(sys.executable, WIRE, "tap0", "tap1", "--delay=10").expect("^ready")
        internet.names(ns, str(directory), "tap1")
        internet.web(ns, str(directory))
        internet.broker(ns, str(directory))
        yield ns, directory


@pytest.fixture
def path(pypi):
    """MICROPYPATH of upstream's tests."""
    return [pypi("pycopy-unittest")]


@pytest.fixture
def environment(path):
    def make(address=netns.OURS, **more):
        return upstream.environment(path, address, NETSTACK_TAP="tap0", **more)

    return make


@pytest.fixture
def program(pypi):
    """Start programs/<name>.py in a namespace, with some packages at hand; wait for "ready"."""

    def start(ns, name, packages, *args, ready=True, cwd=None):
        path = [pypi(*each.split("/")) for each in packages]
        env = upstream.environment(path, netns.OURS, NETSTACK_TAP="tap0", NETSTACK_MAC=netns.MAC)
        argv = [upstream.OURS, os.path.join(upstream.PROGRAMS, name + ".py"), *args]
        process = ns.start(*argv, env=env, cwd=cwd)
        if ready:
            process.expect("^ready")
        return process

    return start
