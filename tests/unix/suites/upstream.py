"""Runs MicroPython's test suites by its own runners, run-tests.py and run-multitests.py."""

import glob
import os
import re
import subprocess
import sys

import netns

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.environ.get("MICROPY_DIR") or os.path.join(netns.ROOT, "build", "micropython")
TESTS = os.path.join(TREE, "tests")
OURS = os.path.join(HERE, "micropython")
PROGRAMS = os.path.join(HERE, "programs")
RUNNER = os.path.join(HERE, "runner.py")


def files(*patterns):
    """Test files of the tree as the runners know them, whose lists of exceptions go by name."""
    found = (p for each in patterns for p in glob.glob(os.path.join(glob.escape(TESTS), each)))
    return sorted({os.path.relpath(p, TESTS) for p in found})


def environment(path, address=None, **more):
    """For a runner whose interpreter is ours: `path` is where programs find their modules."""
    env = dict(os.environ, MICROPY_MICROPYTHON=OURS, MICROPY_CPYTHON3=sys.executable)
    env["SUITES_MICROPYTHON"] = netns.MICROPYTHON
    env["SUITES_PATH"] = ":".join(list(path) + [PROGRAMS, ".frozen"])
    if address:
        env["SUITES_ADDRESS"] = address
    env.update(more)
    return env


# `ip netns exec` gives each program mounts of its own, so this resolv.conf is the runner's alone.
_RESOLVING = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'


def run_tests(ns, tests, env, results, *options, timeout=900, resolver=None):
    """By run-tests.py in the namespace. {name: "pass", "skip" or "FAIL"}, and its output. Without
    a file of expected output it asks CPython, which finds its name server in `resolver`."""
    runner = os.path.join(TESTS, "run-tests.py")
    argv = [
        sys.executable,
        RUNNER,
        runner,
        "--keep-path",
        "-j",
        1,
        "-r",
        results,
        *options,
        *tests,
    ]
    if resolver:
        argv = ["sh", "-c", _RESOLVING, resolver, *argv]
    text = ns.run(*argv, check=False, timeout=timeout, env=env, cwd=TESTS).stdout
    found = {}
    for verdict, path in re.findall(r"^(pass|FAIL|skip) +(\S+)", text, re.M):
        found[os.path.basename(path)[:-3]] = verdict
    if "FAIL" in found.values():
        argv = [sys.executable, runner, "-r", results, "--print-failures"]
        text += ns.run(*argv, check=False).stdout
    return found, text


def instance(env, tap, address, mac):
    """An instance of run-multitests.py that is ours."""
    more = {"NETSTACK_TAP": tap, "NETSTACK_MAC": mac, "SUITES_ADDRESS": address}
    words = ["%s=%s" % (name, env[name]) for name in ("SUITES_PATH", "SUITES_MICROPYTHON")]
    return ",".join(["exec:" + OURS] + words + ["%s=%s" % each for each in more.items()])


def run_multi(ns, tests, env, *instances, timeout=900):
    """By run-multitests.py, on the instances it names."""
    argv = [sys.executable, RUNNER, os.path.join(TESTS, "run-multitests.py")]
    argv += [word for each in instances for word in ("-i", each)]
    text = ns.run(*argv, *tests, check=False, timeout=timeout, env=env, cwd=TESTS).stdout
    found = re.findall(r"^(\S+) on .*: (pass|FAIL|skip)", text, re.M)
    return {os.path.basename(path)[:-3]: verdict for path, verdict in found}, text


def build(out):
    """Upstream's standard variant: its own sockets, on Linux's. Returns the interpreter."""
    argv = ["make", "-j2", "-C", os.path.join(TREE, "ports", "unix"), "VARIANT=standard"]
    argv += ["MICROPY_PY_BTREE=0", "MICROPY_SSL_AXTLS=0", "MICROPY_SSL_MBEDTLS=1", "BUILD=" + out]
    argv += ["FROZEN_MANIFEST=" + os.path.join(TREE, "extmod", "asyncio", "manifest.py")]
    argv += ["MICROPY_MPYCROSS=" + os.path.join(netns.OUT, "mpy-cross", "mpy-cross")]
    env = dict(os.environ, GIT_CEILING_DIRECTORIES=os.path.join(netns.ROOT, "build"))
    done = subprocess.run(argv, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return os.path.join(out, "micropython")
