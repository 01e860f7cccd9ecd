"""MicroPython's own test suites, by its own runners, from the source tree that is built here.

docs/suites.md has the table of them, and the reason for each test that is skipped.
"""

import concurrent.futures
import os
import re
import shutil

import pytest

import netns
import upstream
from conftest import SECOND

# Skipped by the tests themselves, or by the runner, and why.
SKIPPED = {
    "select_poll_fd": "polls bare file descriptors, which our build leaves out",
    "ssl_poll": "for upstream's coverage build only",
    "tls_num_errors": "needs alloc_emergency_exception_buf()",
    # with upstream's build only, whose mbedTLS does not keep the peer's certificate
    "sslcontext_getpeercert": "has no getpeercert()",
    # on boards only
    "select_poll_eintr": "needs threads",
    "websocket_basic": "needs the module websocket",
}
# Not run: it calls the ioctl() of upstream's C object, which raises. Ours is a stream in Python,
# whose ioctl() gives a negative number instead (io.IOBase).
NOT_OURS = "ssl_ioctl"
# These have ten tries, as their output depends on time: how many steps tasks make in so many
# milliseconds, whether an answer is there before the next call.
RACING = (
    "asyncio_basic asyncio_cancel_fair asyncio_cancel_fair2 asyncio_event asyncio_event_fair"
    " asyncio_fair asyncio_gather asyncio_heaplock asyncio_lock asyncio_micropython"
    " asyncio_wait_for asyncio_wait_task select_poll_eintr time_ms_us time_res"
    " time_time_ns connect_nonblock_xfer connect_poll udp_data"
    " asyncio_tls_server_client_cert_required_error asyncio_tls_server_client_verify_error"
).split()
# What these print, when one side refuses the other's certificate, is of TLS 1.2. Both ends ours on
# the unix port speak 1.3, where a client is through before its certificate has been looked at, and
# mbedTLS cannot read what a client without keys says last.
TLS_1_2 = (
    "asyncio_tls_server_client_cert_required_error asyncio_tls_server_client_verify_error"
    " sslcontext_verify_error sslcontext_verify_time_error"
).split()
# CPython's asyncio has no readinto(), and its ssl takes no certificates in DER.
CPYTHON = "asyncio_tcp_[!r]*", "asyncio_tcp_reada*", "asyncio_tcp_readex*", "tcp_*", "udp_*"


def check(found, text, count):
    """All passed but those that skip themselves, and `count` of them at the least."""
    failed = [name for name, verdict in found.items() if verdict == "FAIL"]
    skipped = [name for name, verdict in found.items() if verdict == "skip"]
    assert not failed, "failed: %s\n%s" % (" ".join(failed), text)
    assert set(skipped) <= set(SKIPPED), "skipped: %s\n%s" % (" ".join(skipped), text)
    assert len(found) - len(skipped) >= count, text


def extmod():
    kinds = ("select", "asyncio", "socket", "ssl", "tls", "websocket", "time")
    tests = upstream.files(*("extmod/%s_*.py" % kind for kind in kinds))
    return [p for p in tests if name_of(p) != NOT_OURS]


def test_extmod(alone, environment, tmp_path):
    """select, asyncio, socket, ssl, tls and websocket, without a network."""
    env = environment(None)

    def run(some):
        """In two parts at a time. All that bind a port are in one: CPython has to bind it, too."""
        waiting = [p for p in some if name_of(p).startswith("asyncio")]
        parts = [part for part in (waiting, sorted(set(some) - set(waiting))) if part]

        def one(part):
            results = tmp_path / name_of(part[0])
            results.mkdir(exist_ok=True)
            return upstream.run_tests(alone, part, env, results)

        found, text = {}, ""
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for more, output in pool.map(one, parts):
                found.update(more)
                text += output
        return found, text

    check(*tried(run, extmod()), 50)


# Long enough for calls to return before the connection is there.
FAR = pytest.mark.parametrize("world", [100], indirect=True, ids=["far"])


@FAR
def test_net_hosted(world, environment, tmp_path):
    """Servers over loopback, and connections to "the internet"."""
    tests = upstream.files("net_hosted/*.py")
    check(*run_out(world, tests, environment, tmp_path), 10)


def test_net_inet(world, environment, tmp_path):
    """Names, web servers and TLS of "the internet"."""
    check(*run_out(world, net_inet(world[1]), environment, tmp_path), 12)


def net_inet(directory):
    """Copies of these tests: files of certificates are our CA's."""
    tests = directory / "net_inet"
    shutil.copytree(os.path.join(upstream.TESTS, "net_inet"), tests)
    shutil.copy(directory / "signer.der", tests / "mpycert.der")
    shutil.copy(directory / "root.der", tests / "isrg.der")
    embed(tests / "ssl_cert.py", (directory / "signer.der").read_bytes())
    return sorted(map(str, tests.glob("*.py")))


def run_out(world, tests, environment, results, *options):
    ns, directory = world
    env = environment(SSL_CERT_FILE=str(directory / "root.pem"))
    resolver = directory / "resolv.conf"

    def run(some):
        return upstream.run_tests(ns, some, env, results, *options, resolver=resolver)

    return tried(run, tests)


def embed(test, certificate):
    """This one has Let's Encrypt's certificate in its text: put ours there."""
    text = test.read_text()
    constant = re.compile(r'unhexlify\(\s*(b"[0-9a-f]+"\s*)+\)')
    assert len(constant.findall(text)) == 1
    test.write_text(constant.sub('unhexlify(b"%s")' % certificate.hex(), text))


def tried(run, tests):
    """run(tests), and those that race again if they have failed."""
    found, text = run(tests)
    assert len(found) == len(tests), text
    for _ in range(9):
        again = [p for p in tests if name_of(p) in RACING and found[name_of(p)] == "FAIL"]
        if not again:
            break
        found.update(run(again)[0])
    return found, text


def both(pair, env, *instances, tests=("*",), but=()):
    """Each test of multi_net on these two instances."""
    chosen = upstream.files(*("multi_net/%s.py" % each for each in tests))
    chosen = [p for p in chosen if has_instances(p) and name_of(p) not in but]
    return tried(lambda some: upstream.run_multi(pair, some, env, *instances), chosen)


def name_of(path):
    return os.path.basename(path)[:-3]


def has_instances(path):
    with open(os.path.join(upstream.TESTS, path)) as f:
        return "def instance0" in f.read()


def ours(env):
    first = upstream.instance(env, "tap0", netns.OURS, netns.MAC)
    return first, upstream.instance(env, "tap1", SECOND, netns.MAC[:-1] + "3")


def test_multi_net(pair, environment, full):
    """netstack is both the server and the client."""
    env = environment()
    tests, count = (["*"], 21) if full else (["[tu]*", "ssl_*", "asyncio_tls*"], 8)
    check(*both(pair, env, *ours(env), tests=tests, but=TLS_1_2), count)


@pytest.mark.parametrize("server", [True, False], ids=["server", "client"])
def test_multi_net_cpython(pair, environment, server, full):
    """netstack with CPython on Linux's sockets."""
    env = environment()
    instances = [ours(env)[0], "cpython"] if server else ["cpython", ours(env)[0]]
    tests, count = (CPYTHON, 9) if full else (CPYTHON[-2:], 4)
    check(*both(pair, env, *instances, tests=tests), count)


@pytest.fixture(scope="session")
def linux_micropython():
    """An instance that is upstream's own build of the unix port, on Linux's sockets."""
    program = upstream.build(os.path.join(netns.OUT, "upstream"))
    return "exec:%s,MICROPYPATH=%s:.frozen" % (program, os.path.join(upstream.HERE, "theirs"))


@pytest.mark.parametrize("server", [True, False], ids=["server", "client"])
def test_multi_net_upstream(pair, environment, server, full, request):
    """netstack with upstream's unix port."""
    if not full:
        pytest.skip("only with NETSTACK_FULL=1: builds upstream's unix port")
    env = environment()
    theirs = request.getfixturevalue("linux_micropython")
    instances = [ours(env)[0], theirs] if server else [theirs, ours(env)[0]]
    check(*both(pair, env, *instances), 24)


@FAR
def test_board_net_hosted(world, environment, board, tmp_path):
    """On a board, whose first programs these are: it is reset for each."""
    device = board(world[0])
    tests = upstream.files("net_hosted/*.py")
    check(*run_out(world, tests, environment, tmp_path, "-t", device), 10)


def test_board_others(world, environment, board, tmp_path, full):
    if not full:
        pytest.skip("only with NETSTACK_FULL=1")
    tests = net_inet(world[1])
    where = world[1] / "net_inet"
    device = board(world[0], where / "mpycert.der", where / "isrg.der")
    check(*run_out(world, tests, environment, tmp_path, "-t", device), 12)
    check(*run_out(world, extmod(), environment, tmp_path, "-t", device), 49)


def test_board_multi_net(pair, environment, board, full):
    """A board with the unix port, each as server and as client."""
    if not full:
        pytest.skip("only with NETSTACK_FULL=1")
    keys = upstream.files("multi_net/*.der")
    device = "pyb:" + board(pair, *(os.path.join(upstream.TESTS, p) for p in keys))
    env = environment()
    for instances in ((device, ours(env)[1]), (ours(env)[1], device)):
        check(*both(pair, env, *instances), 25)
