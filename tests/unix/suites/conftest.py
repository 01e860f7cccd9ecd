"""Programs nobody here wrote, on netstack: namespaces for them, and what they need of PyPI."""

import os
import pathlib
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path[:0] = [HERE, os.path.dirname(os.path.dirname(HERE)), os.path.join(TOP, "tools")]
import emulate  # noqa: E402
import internet  # noqa: E402
import netns  # noqa: E402
import upstream  # noqa: E402

PYPI = os.path.join(netns.ROOT, "build", "pypi")
WIRE = os.path.join(netns.ROOT, "tests", "unix", "interop", "wire.py")
PATIENT = os.path.join(netns.ROOT, "tests", "patient.py")
BOARD = "MPS2_AN385"
SECOND = "10.99.0.3"  # a second netstack's address


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent == pathlib.Path(HERE) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(1800))


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
def world(tmp_path, request):
    """(Namespace, directory): behind tap0 and a cable that takes 10 ms, or as the test says, the
    internet of internet.py. There is a resolv.conf for programs of Linux."""
    need("nginx", "mosquitto", "dnsmasq", "openssl")
    directory = tmp_path / "internet"
    directory.mkdir()
    with netns.Namespace(tap=None) as ns:
        ns.add_tap("tap0")
        ns.run("ip", "link", "set", "tap0", "arp", "off")  # Linux is at the far end only
        ns.add_tap("tap1", netns.LINUX + "/24")
        # Nobody answers from there; Linux's own programs shall try all the same.
        ns.run("ip", "route", "add", "1.1.1.1", "dev", "tap1")
        ns.start(
            sys.executable, WIRE, "tap0", "tap1", "--delay=%d" % getattr(request, "param", 10)
        ).expect("^ready")
        internet.names(ns, str(directory), "tap1")
        internet.web(ns, str(directory))
        internet.broker(ns, str(directory))
        (directory / "resolv.conf").write_text("nameserver %s\n" % netns.LINUX)
        yield ns, directory


_BOOT = """import network
nic = network.LAN()
nic.active(True)
nic.ifconfig(("%s", "255.255.255.0", "%s", "%s"))
""" % (netns.OURS, netns.LINUX, netns.LINUX)


@pytest.fixture
def board(pypi, tmp_path):
    """Boot an MPS2_AN385 on a TAP of a namespace, with files on its flash. What upstream's runners
    take for its serial line."""
    boards = []

    def boot(ns, *files, tap="tap0"):
        elf = os.path.join(netns.OUT, BOARD, "firmware.elf")
        if not os.path.exists(elf):
            pytest.fail("%s is not built: run make firmware BOARD=%s" % (elf, BOARD))
        with ns.entered():
            log = str(tmp_path / "qemu.log")
            options = dict(net="tap:" + tap, mac=netns.MAC, log=log, boot_timeout=300)
            boards.append(emulate.Emulator(BOARD, elf, **options))
        (tmp_path / "boot.py").write_text(_BOOT)
        files = (tmp_path / "boot.py", pypi("pycopy-unittest", "unittest.py")) + files
        mpremote = [sys.executable, PATIENT, "connect", boards[-1].serial_url]
        ns.run(*mpremote, "fs", "cp", *files, ":", timeout=300)
        return "exec:socat - TCP:" + boards[-1].serial_url.rpartition("/")[2]

    yield boot
    for each in boards:
        each.close()


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
