"""docs/raw.md: the server written there is taken out of the page and talked to; every
call of the module is on the page."""

import os
import re
import subprocess

import pytest

import inside

PAGE = inside.ROOT / "docs" / "raw.md"
USE = """
import socket

s = socket.socket()
s.connect(("127.0.0.1", 7))
s.settimeout(0)
data = bytes(i * 7 + (i >> 8) & 255 for i in range(300000))
view = memoryview(data)
at = 0
back = bytearray()
buf = bytearray(3000)


def work():
    # The answers are read slowly, so that they fill every ring there is.
    global at
    for _ in range(4):
        try:
            at += s.send(view[at:]) if at < len(data) else 0
        except OSError:
            pass
    try:
        back.extend(buf[: s.recv_into(buf)])
    except OSError:
        pass
    return len(back) == len(data)


from netstack.api import host

while not work():  # until pytest has had enough
    host.pump()
assert bytes(back) == data
s.shutdown(socket.SHUT_WR)
s.settimeout(10)
assert s.recv(1) == b""
print("echoed", listener.lport)
"""


def example():
    """The first program of the page."""
    lines = PAGE.read_text().split("\n")
    first = next(i for i, line in enumerate(lines) if line.startswith("    from netstack"))
    last = next(i for i, line in enumerate(lines) if "callbacks.listen(" in line)
    return "\n".join(line[4:] for line in lines[first : last + 1]) + "\n"


@pytest.mark.timeout(120)
def test_the_server_of_the_page_echoes(request):
    binary = inside.out(request.config) / "unix" / "micropython"
    done = subprocess.run(
        [binary, "-X", "heapsize=4m", "-c", example() + USE],
        env=dict(os.environ, MICROPYPATH=".frozen"),
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=100,
    )
    assert done.stdout == "echoed 7\n", done.stdout


def test_every_call_is_on_the_page():
    source = (inside.ROOT / "lib/netstack/api/callbacks.py").read_text()
    source = source.partition("\ndef check(")[0]  # what follows is for its own use
    source += (inside.ROOT / "lib/netstack/api/callbacks_udp.py").read_text().partition("def _")[0]
    text = PAGE.read_text()
    names = re.findall(r"^(?:    )?def ([a-z]\w*)", source, re.M)
    names += re.findall(r"^    (on_\w+) = None", source, re.M)
    assert len(names) > 12
    for name in names:
        assert re.search(r"\b%s\b" % name, text), name
