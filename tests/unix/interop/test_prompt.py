"""The unix port's REPL: the stack runs while it waits for a key and while a program sleeps."""

import fcntl
import os
import pty
import re
import select
import signal
import socket
import subprocess
import termios
import time

import netns
import pytest
from netns import OURS


class Repl:
    """A person at the prompt."""

    def __init__(self, lan):
        self.end, terminal = pty.openpty()
        env = dict(os.environ, NETSTACK_TAP="tap0", NETSTACK_MAC=netns.MAC, **lan._env)

        def own_terminal():  # so that Ctrl-C means something
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            lan.ns._argv([netns.MICROPYTHON]),
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=env,
            preexec_fn=own_terminal,
        )
        os.close(terminal)
        self.prompt()

    def type(self, text):
        os.write(self.end, text.encode())

    def prompt(self, timeout=60):
        """What is shown up to the next prompt."""
        shown = b""
        end = time.monotonic() + timeout
        while not shown.endswith(b">>> "):
            assert time.monotonic() < end, shown
            if select.select([self.end], [], [], 0.1)[0]:
                shown += os.read(self.end, 4096)
        return shown.decode()

    def run(self, line):
        self.type(line + "\r")
        return self.prompt()

    def cpu(self):
        with open("/proc/%d/stat" % self.process.pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self.end)


@pytest.fixture
def repl(lan):
    repl = Repl(lan)
    repl.run("import network, time; nic = network.LAN(); nic.active(True)")
    repl.run("nic.ipconfig(addr4='%s/24')" % OURS)
    lan.ns.wait_running("tap0")
    yield repl
    repl.close()


def ping(lan, count=50):
    """All are answered, once both ends know each other."""
    lan.ping(OURS, count=1)
    lan.ping(OURS, count=count, interval=0.02)


def test_pings_at_the_prompt(lan, repl):
    ping(lan)
    assert "2" in repl.run("1+1")


def test_pings_while_a_program_sleeps(lan, repl):
    repl.type("time.sleep(60)\r")
    ping(lan)
    repl.type("\x03")
    assert "KeyboardInterrupt" in repl.prompt()


def test_pings_while_a_program_reads(lan):
    """stdin is a pipe, then at its end: input(), readline(), read(), an iteration."""
    process = lan.ready("stdin", stdin=subprocess.PIPE)
    for line, said in ("one\n", "one"), ("two\n", "two"), ("3rd", "3rd"), ("\nfour\n", "four"):
        ping(lan, 20)
        process.stdin.write(line)
        process.stdin.flush()
        process.expect("^got %s" % said)
    ping(lan, 20)
    process.stdin.close()
    process.expect("^end")


def test_pings_while_a_program_reads_a_terminal(lan, repl):
    repl.type("import sys; len(sys.stdin.readline())\r")
    ping(lan, 20)
    repl.type("12345\r")
    assert "\n6" in repl.prompt().replace("\r", "")
    repl.type("sys.stdin.readline()\r")
    ping(lan, 20)
    repl.type("\x03")
    assert "KeyboardInterrupt" in repl.prompt()


def test_sleep_lasts_as_long_as_it_should(lan, repl):
    lan.judged = False  # it may end before the address has been asked for
    slept = []
    for _ in range(10):  # on a machine that is busy it may take longer, but not always
        shown = repl.run(
            "t = time.ticks_us(); time.sleep(0.25); time.ticks_diff(time.ticks_us(), t)"
        )
        slept.append(int(re.findall(r"\d+", shown)[-1]))
        if slept[-1] < 400000:
            break
    assert min(slept) >= 250000 and slept[-1] < 400000, slept


def test_idle_prompt_costs_little(lan, repl):
    lan.judged = False  # nothing but what brought the interface up
    before = repl.cpu()
    time.sleep(2)
    assert repl.cpu() - before < 0.2


def test_end_of_input(lan, repl):
    lan.judged = False
    repl.type("\x04")
    repl.process.wait(60)
    assert repl.process.returncode == 0


LISTEN = "import socket; s = socket.socket(); s.bind(('', 7)); s.listen(5)"
OPEN = (
    "a = s.accept()[0]; b = s.accept()[0]",
    "import ssl, _thread; c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)",
    "t = c.wrap_socket(b, server_side=True, do_handshake_on_connect=False)",
    "u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('', 7))",
    "_thread.start_new_thread(lambda: s.accept(), ())",
    "_thread.start_new_thread(lambda: u.recv(1), ())",
    "a.send(b'open')",
)


def test_end_of_input_with_sockets_open(lan, repl):
    """Ctrl-D ends it whatever threads wait for. Peers hear of it from the next one, which has the
    port at once."""
    with lan.ns.entered():
        peers = [socket.socket() for _ in range(2)]
    for peer in peers:
        peer.settimeout(60)
    repl.run(LISTEN)
    for peer in peers:
        peer.connect((OURS, 7))
    for line in OPEN:
        assert "Error" not in repl.run(line)
    assert peers[0].recv(10) == b"open"
    repl.type("\x04")
    repl.process.wait(60)
    assert repl.process.returncode == 0
    again = Repl(lan)
    try:
        again.run("import network; nic = network.LAN(); nic.active(True)")
        again.run("nic.ipconfig(addr4='%s/24')" % OURS)
        lan.ns.wait_running("tap0")
        again.run(LISTEN)
        for peer in peers:
            with peer, pytest.raises(ConnectionResetError):
                peer.sendall(b"is anybody there?")
                peer.recv(10)
        with lan.ns.entered():
            peer = socket.create_connection((OURS, 7), 60)
        with peer:
            again.run("c = s.accept()[0]; c.send(b'anew')")
            assert peer.recv(10) == b"anew"
    finally:
        again.close()
