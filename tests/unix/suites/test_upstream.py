"""MicroPython's own test suites, by its own runners, from the source tree that is built here.

docs/suites.md has the table of them, and the reason for each test that is skipped.
"""

import os
import re
import shutil
import time

import pytest

import netns
import upstream
from conftest import SECOND

# Skipped by the tests themselves, and why.
SKIPPED = {
    "select_poll_fd": "polls bare file descriptors, which our build leaves out",
    "ssl_poll": "for upstream's coverage build only",
    "ssl_getpeercert": "upstream's mbedTLS does not keep the peer's certificate",
    "sslcontext_getpeercert": "upstream's mbedTLS does not keep the peer's certificate",
    "tls_num_errors": "needs alloc_emergency_exception_buf(), which the unix port has not",
}
# Not run: it calls the ioctl() of upstream's C object, which raises. Ours is a stream in Python,
# whose ioctl() gives a negative number instead (io.IOBase).
NOT_OURS = "ssl_ioctl"
# What the client of these prints depends on whether the server's answer is there before its first
# call returns.
RACING = "asyncio_tls_server_client_cert_required_error", "asyncio_tls_server_client_verify_error"
# CPython is not MicroPython: it has no readinto() in asyncio, and takes certificates as PEM only.
NOT_CPYTHON = (
    "asyncio_tcp_readinto asyncio_tls_server_client asyncio_tls_server_client_cert_required_error"
    " asyncio_tls_server_client_readline asyncio_tls_server_client_verify_error ssl_cert_ec"
    " ssl_cert_rsa sslcontext_check_hostname_error sslcontext_getpeercert"
).split()


def check(found, text, count):
    """All passed but those that skip themselves, and `count` of them at the least."""
    failed = [name for name, verdict in found.items() if verdict == "FAIL"]
    skipped = [name for name, verdict in found.items() if verdict == "skip"]
    assert not failed, "failed: %s\n%s" % (" ".join(failed), text)
    assert set(skipped) <= set(SKIPPED), "skipped: %s\n%s" % (" ".join(skipped), text)
    assert len(found) - len(skipped) >= count, text


def test_extmod(alone, environment, tmp_path):
    """select, asyncio, socket, ssl, tls and websocket, without a network."""
    kinds = ("select", "asyncio", "socket", "ssl", "tls", "websocket", "time")
    tests = upstream.files(*("extmod/%s_*.py" % kind for kind in kinds))
    tests = [p for p in tests if name_of(p) != NOT_OURS]
    check(*upstream.run_tests(alone, tests, environment(None), tmp_path, jobs=2), 50)


def test_net_hosted(world, environment, tmp_path):
    """Servers over loopback, and connections to "the internet"."""
    ns, directory = world
    tests = upstream.files("net_hosted/*.py")
    check(*run_out(ns, directory, tests, environment, tmp_path), 9)


def test_net_inet(world, environment, tmp_path):
    """Names, web servers and TLS of "the internet". Files of certificates are our CA's."""
    ns, directory = world
    tests = tmp_path / "net_inet"
    shutil.copytree(os.path.join(upstream.TESTS, "net_inet"), tests)
    shutil.copy(directory / "signer.der", tests / "mpycert.der")
    shutil.copy(directory / "root.der", tests / "isrg.der")
    embed(tests / "ssl_cert.py", (directory / "signer.der").read_bytes())
    files = sorted(map(str, tests.glob("*.py")))
    check(*run_out(ns, directory, files, environment, tmp_path), 12)


def run_out(ns, directory, tests, environment, results):
    resolver = directory / "resolv.conf"
    resolver.write_text("nameserver %s\n" % netns.LINUX)
    env = environment(SSL_CERT_FILE=str(directory / "root.pem"))
    return upstream.run_tests(ns, tests, env, results, resolver=resolver)


def embed(test, certificate):
    """This one has Let's Encrypt's certificate in its text: put ours there."""
    text = test.read_text()
    constant = re.compile(r'unhexlify\(\s*(b"[0-9a-f]+"\s*)+\)')
    assert len(constant.findall(text)) == 1
    test.write_text(constant.sub('unhexlify(b"%s")' % certificate.hex(), text))


def both(pair, env, *instances, tests="*", leave_out=()):
    """Each test of multi_net on these two instances; those that race have three tries."""
    chosen = upstream.files("multi_net/%s.py" % tests)
    chosen = [p for p in chosen if name_of(p) not in leave_out and has_instances(p)]
    found, text = upstream.run_multi(pair, chosen, env, *instances)
    assert len(found) == len(chosen), text
    for _ in range(2):
        again = [p for p in chosen if name_of(p) in RACING and found[name_of(p)] == "FAIL"]
        if again:
            time.sleep(1)
            found.update(upstream.run_multi(pair, again, env, *instances)[0])
    return found, text


def name_of(path):
    return os.path.basename(path)[:-3]


def has_instances(path):
    with open(os.path.join(upstream.TESTS, path)) as f:
        return "def instance0" in f.read()


def ours(env):
    first = upstream.instance(env, "tap0", netns.OURS, netns.MAC)
    return first, upstream.instance(env, "tap1", SECOND, netns.MAC[:-1] + "3")


def test_multi_net(pair, environment):
    """netstack is both the server and the client."""
    env = environment()
    check(*both(pair, env, *ours(env)), 24)


@pytest.mark.parametrize("server", [True, False], ids=["server", "client"])
def test_multi_net_cpython(pair, environment, server, full):
    """netstack with CPython on Linux's sockets; at full size over TLS as well."""
    env = environment()
    instances = [ours(env)[0], "cpython"] if server else ["cpython", ours(env)[0]]
    tests = "*" if full else "[tu][cd]p_*"
    check(*both(pair, env, *instances, tests=tests, leave_out=NOT_CPYTHON), 16 if full else 4)


@pytest.fixture(scope="session")
def linux_micropython(tmp_path_factory):
    """Upstream's own build of the unix port, on Linux's sockets; it has no `ssl` of its own."""
    lib = tmp_path_factory.mktemp("lib")
    shutil.copy(os.path.join(netns.ROOT, "lib", "ssl.py"), lib)
    return "exec:%s,MICROPYPATH=%s:.frozen" % (
        upstream.build(os.path.join(netns.OUT, "upstream")),
        lib,
    )


@pytest.mark.parametrize("server", [True, False], ids=["server", "client"])
def test_multi_net_upstream(pair, environment, server, full, request):
    """netstack with upstream's unix port."""
    if not full:
        pytest.skip("only with NETSTACK_FULL=1: builds upstream's unix port")
    env = environment()
    theirs = request.getfixturevalue("linux_micropython")
    instances = [ours(env)[0], theirs] if server else [theirs, ours(env)[0]]
    check(*both(pair, env, *instances), 24)
