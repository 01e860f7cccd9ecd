"""One script under CPython with Linux's sockets, and under MicroPython with ours, over loopback:
what they say and do has to be the same, but for the differences that are listed here."""

import os
import subprocess
import sys

import conftest
import netns

SCRIPT = os.path.join(conftest.PROGRAMS, "parity.py")
NOT_CONNECTED = "ENOTCONN, as MicroPython's C sockets say of what never was connected"
NO_OPTION = "an option without a meaning for a socket is not taken (docs/sockets.md)"

# line: Linux says, we say, why
DIFFERENT = {
    "fresh 2": ("EPIPE", "ENOTCONN", NOT_CONNECTED),
    "fresh 3": ("EPIPE", "ENOTCONN", NOT_CONNECTED),
    "connecting 10": ("EPIPE", "ENOTCONN", NOT_CONNECTED),
    "bad_sockets 2": ("EINVAL", "ESOCKTNOSUPPORT", "Linux says so of numbers up to 10"),
    "nothing_at_all 9": ("b'abc'", "EAGAIN", "CPython's recv(0) does not ask Linux"),
    "options 7": (
        "('SO_KEEPALIVE', '0', 'None', '1')",
        "('SO_KEEPALIVE', 'ENOPROTOOPT', 'ENOPROTOOPT', 'ENOPROTOOPT')",
        NO_OPTION,
    ),
    "options 21": (
        "('SO_BROADCAST', 'None', '1')",
        "('SO_BROADCAST', 'ENOPROTOOPT', 'ENOPROTOOPT')",
        NO_OPTION,
    ),
    "options 24": (
        "('SO_RCVLOWAT', 'None', '5')",
        "('SO_RCVLOWAT', 'ENOPROTOOPT', 'ENOPROTOOPT')",
        NO_OPTION,
    ),
    "options 27": (
        "('SO_NO_CHECK', 'None', '1')",
        "('SO_NO_CHECK', 'ENOPROTOOPT', 'ENOPROTOOPT')",
        NO_OPTION,
    ),
    "options 40": ("EOPNOTSUPP", "ENOPROTOOPT", "a level that is not known has no options"),
    "names 21": ("ValueError", "EAFNOSUPPORT", "as inet_pton() says"),
    "looking_up 5": ("-9", "-2", "EAI_NONAME for all that is no address of the family"),
    "looking_up 7": ("-6", "EAFNOSUPPORT", "the same as socket.socket() says"),
    "looking_up 16": ("('127.0.0.1', '4464')", "OverflowError", "CPython takes 16 bits of it"),
}
for n, name in (
    (46, "TCP_NODELAY"),
    (50, "TCP_KEEPIDLE"),
    (53, "TCP_KEEPINTVL"),
    (57, "TCP_KEEPCNT"),
    (60, "TCP_CORK"),
    (63, "TCP_USER_TIMEOUT"),
    (66, "TCP_DEFER_ACCEPT"),
):
    DIFFERENT["options %d" % n] = (
        "('%s', 'EOPNOTSUPP')" % name,
        "('%s', 'ENOPROTOOPT')" % name,
        "ENOPROTOOPT for whatever a socket does not have",
    )


def said(interpreter, path=None):
    env = dict(os.environ, MICROPYPATH=path) if path else None
    done = subprocess.run(
        [interpreter, SCRIPT], env=env, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    lines = {}
    for line in done.stdout.splitlines():
        name, _, text = line.partition(": ")
        assert name not in lines and " " in name, line
        lines[name] = text
    return lines


def test_the_same_as_cpython(request):
    linux = said(sys.executable)
    ours = said(netns.MICROPYTHON, conftest.sources(request.config))
    assert len(linux) > 350
    wrong = []
    for name in linux | ours:
        both = linux.get(name), ours.get(name)
        expected = DIFFERENT.get(name, both[:1] * 2)[:2]
        if both != expected:
            wrong.append("%s: Linux %s, ours %s, expected %s" % (name, *both, expected))
    assert not wrong, "\n".join(wrong)
