"""Packages of PyPI for MicroPython, as they are: their own tests, and work with real peers.

tests/unix/suites/packages.txt pins them.
"""

import json
import os
import shutil
import sys

import pytest

import internet
import netns
import upstream

CURL = ["curl", "--no-progress-meter", "--fail", "--max-time", "120"]
# Of microdot's: not asgi, jinja and wsgi, which are for CPython, nor login and session, which need
# a jwt module that no registry has for MicroPython.
MICRODOT_TESTS = {
    "auth": 5,
    "cors": 5,
    "csrf": 5,
    "end2end": 2,
    "microdot": 41,
    "multidict": 2,
    "multipart": 7,
    "request": 8,
    "response": 22,
    "sse": 2,
    "url_pattern": 8,
    "urlencode": 2,
    "utemplate": 3,
    "websocket": 3,
}


def test_microdot_own_tests(alone, pypi, tmp_path):
    """microdot's tests: most by a client in the same program, test_end2end over sockets."""
    shutil.copytree(pypi("microdot", "tests"), tmp_path / "tests")
    (tmp_path / "tests" / "__init__.py").unlink()  # it imports all, CPython's too
    packages = [
        pypi(*each) for each in (("microdot", "src"), ("pycopy-unittest",), ("utemplate",))
    ]
    env = upstream.environment([str(tmp_path), *packages], None)
    names = ["tests.test_" + name for name in MICRODOT_TESTS]
    argv = [upstream.OURS, os.path.join(upstream.PROGRAMS, "own_tests.py"), *names]
    text = alone.run(*argv, env=env, cwd=tmp_path, timeout=300).stdout
    wanted = dict(MICRODOT_TESTS)
    for part in text.split("== tests.test_")[1:]:
        name = part.split()[0]
        ran = int(part.rpartition("Ran ")[2].split()[0])
        result = part.rstrip().rpartition("\n")[2]
        skipped = int(result.partition("skipped=")[2].rstrip(")") or 0)
        assert result.startswith("OK"), part
        assert ran - skipped >= wanted.pop(name), part
    assert not wanted, text


def curl(ns, *argv):
    return ns.run(*CURL, *argv).stdout


def test_picoweb(lan, program):
    """A framework of the old kind: generators for coroutines, modules by their u names."""
    packages = ["picoweb", "pycopy-pkg_resources", "pycopy-ulogging"]
    program(lan, "web_picoweb", packages)
    url = "http://%s/" % netns.OURS
    assert curl(lan, url) == "Hello, World!"
    assert json.loads(curl(lan, "-d", "a=1&b=two", url + "form")) == {"a": "1", "b": "two"}
    assert "404" in lan.run("curl", "-sS", url + "none").stdout


@pytest.mark.parametrize("port", [1883, 8883], ids=["plain", "tls"])
def test_mqtt(lan, program, tmp_path, port):
    """umqtt.simple with mosquitto and its clients."""
    internet.broker(lan, str(tmp_path))
    peer = lan.start("mosquitto_sub", "-h", netns.LINUX, "-t", "#", "-v", "-q", "1")
    publish = ["mosquitto_pub", "-h", netns.LINUX, "-q", "1", "-t"]
    while not any("ping" in line for line in peer.lines):  # until its subscription is known
        lan.run(*publish, "ping", "-m", "x")
    ours = program(lan, "mqtt_umqtt", ["micropython-umqtt.simple"], netns.LINUX, port)
    assert len(peer.expect("^from/us (x+)$").group(1)) == 20000
    peer.expect("^from/us kept$")
    lan.run(*publish, "to/us", "-m", "hello")
    ours.expect("to/us 5 .*hello")
    lan.run(*publish, "to/us", "-s", input="y" * 30000)
    ours.expect("to/us 30000 .*yyy")
    lan.run(*publish, "to/us", "-m", "bye")
    ours.finish()


def test_urequests(world, program):
    """Pages over HTTP and HTTPS by name."""
    ns, _ = world
    urls = ["http://micropython.org/", "https://www.github.com/ks/test.html"]
    ours = program(ns, "get_urequests", ["micropython-urequests"], *urls, ready=False)
    for _ in urls:
        ours.expect("^200 %d$" % len(internet.PAGE))
        ours.expect("^405 Not Allowed$")
    ours.finish()


def test_websocket_client(lan, program):
    """micropython-async-websocket-client with microdot's server on Linux's sockets."""
    env = dict(os.environ, PYTHONPATH=os.path.join(netns.ROOT, "build/pypi/microdot/src"))
    server = os.path.join(upstream.PROGRAMS, "web_microdot.py")
    lan.start(sys.executable, "-u", server, "8080", env=env).expect("^ready")
    lan.wait_port(8080)
    url = "ws://%s:8080/echo" % netns.LINUX
    packages = ["micropython-async-websocket-client"]
    ours = program(lan, "ws_client", packages, url, ready=False)
    for n in (5, 100, 10000):
        ours.expect("^%d True$" % n)
    ours.finish()
