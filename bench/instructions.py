"""Instructions a Cortex-M3 needs for a segment, an echo, a ping and to forward: netstack's and
lwIP's firmware in QEMU, whose `-icount shift=0` lets a nanosecond pass for each of them.

The board sums what its polls take that have a frame to handle: driver, stack, service and whatever
is sent in answer. Its timer is read in steps of 40 instructions, which cancel out over thousands.
"""

import contextlib
import os
import re
import select
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path[:0] = [os.path.join(ROOT, "tests"), os.path.join(ROOT, "tools")]

import emulate  # noqa: E402
import netns  # noqa: E402

BOARD = "MPS2_AN385"
TICK = 40  # instructions: a 25 MHz timer, a nanosecond each
SEGMENT = 1460
ROUTED = "10.98.0.1"  # a host behind the board
ECHOES = 200  # after which the boards' programs print
PROGRAM = os.path.join(HERE, "netstack/on_board.py")
LWIP = ("-M", "mps2-an385", "-display", "none", "-monitor", "none", "-icount", "shift=0")


class Failed(Exception):
    """One line: why there is no figure."""


class Console:
    """What a board prints, line by line."""

    def __init__(self, fd):
        self.fd = fd
        self.text = ""

    def expect(self, pattern, timeout):
        end = time.monotonic() + timeout
        while True:
            match = re.search(pattern, self.text)
            if match:
                self.text = self.text[match.end() :]
                return match
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise Failed("the board said %r, not %s" % (self.text[-200:], pattern))
            data = os.read(self.fd, 4096)
            if not data:
                raise Failed("the board ended: %r" % self.text[-200:])
            self.text += data.decode(errors="replace").replace("\r", "")


@contextlib.contextmanager
def netstack(ns, role, fastpath=True):
    """netstack's firmware with the program in its raw REPL; (console, pid)."""
    elf = os.path.join(netns.OUT, "bench/board/firmware.elf")
    log = os.path.join(netns.OUT, "bench/qemu.log")
    options = {"elf": elf, "net": "tap:tap0", "mac": netns.MAC, "icount": "shift=0", "log": log}
    with ns.entered(), emulate.Emulator(BOARD, boot_timeout=60, **options) as emulator:
        with emulator.console() as fd:
            console = Console(fd)
            os.write(fd, b"\r\x03\x01")
            console.expect("raw REPL; CTRL-B to exit\n>", 60)
            text = "role = %r\nFASTPATH = %r\n" % (role, fastpath) + open(PROGRAM).read()
            for at in range(0, len(text), 128):
                os.write(fd, text[at : at + 128].encode())
                time.sleep(0.002)  # a UART without flow control
            os.write(fd, b"\x04")
            console.expect("ready", 60)
            yield console, emulator.pid


@contextlib.contextmanager
def lwip(ns, role):
    """lwIP's firmware for the role; (console, pid)."""
    elf = os.path.join(netns.OUT, "bench/lwip-%s.elf" % role)
    nic = "tap,ifname=tap0,script=no,downscript=no,mac=" + netns.MAC
    command = ("qemu-system-arm", *LWIP, "-kernel", elf, "-nic", nic, "-serial", "stdio")
    process = ns.start(*command)
    try:
        process.expect("^ready")
        yield process, process.pid
    finally:
        process.stop()


def instructions(console, unit):
    """Per segment of 1460 bytes, or per frame."""
    busy, frames, moved = map(int, console.expect(r"busy (\d+) (\d+) (\d+) end", 60).groups())
    n = moved / SEGMENT if unit == "segment" else frames
    if not n:
        raise Failed("nothing was carried")
    return TICK * busy / n


class Hosts:
    """Two hosts on the board's network; what they send each other goes by way of the board."""

    def __init__(self):
        self.near = netns.Namespace(tap=None)
        self.hosts = [netns.Namespace(tap=None) for _ in range(2)]
        a, b = self.hosts
        netns.join(self.near, a, "tap0", netns.LINUX + "/24")
        self.near.run(*"ip link add far type veth peer name eth0 netns".split(), b.name)
        self.near.run(*"ip link set far master tap0-b up".split())
        b.run("ip", "link", "set", "eth0", "up")
        for address in ("10.99.0.3/24", ROUTED + "/32"):
            b.run("ip", "addr", "add", address, "dev", "eth0")
        # It leaves by where it came: netstack says so, lwIP does not.
        a.run("sysctl", "-qw", "net.ipv4.conf.all.accept_redirects=0")
        a.run("sysctl", "-qw", "net.ipv4.conf.eth0.accept_redirects=0")
        a.run("ip", "route", "add", ROUTED, "via", netns.OURS)

    def forget(self):
        for ns in self.hosts:
            ns.run("ip", "neigh", "flush", "dev", "eth0")

    def load(self, console, size):
        """Have the board forward datagrams of `size` bytes; the figure."""
        through = os.path.join(netns.OUT, "bench/through")
        paths = ["/run/netns/" + ns.name for ns in self.hosts]
        argv = (through, "udp", 0, UNTIL_STOPPED, *paths, ROUTED, size, IN_FLIGHT)
        with self.near.start(*argv):
            instructions(console, "frame")  # what comes once, ARP say, is in the first figure
            return instructions(console, "frame")

    def close(self):
        for ns in (self.near, *self.hosts):
            ns.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def load(ns, console, pid, what, seconds):
    """Have Linux work on the board; the figure."""
    peer = os.path.join(netns.OUT, "bench/peer")
    if what in ("ping", "echo"):  # until the board has counted enough of them
        ping = ("ping", "-q", "-n", "-i", "0.002", netns.OURS)
        with ns.start(*(ping if what == "ping" else (peer, "echo", pid, UNTIL_STOPPED, 64, 1))):
            return instructions(console, "frame")
    verb = {"receive": "send", "send": "recv"}[what]
    done = ns.run(peer, verb, pid, seconds, 1, check=False)
    if done.returncode:
        raise Failed((done.stdout.strip().splitlines() or ["no answer"])[-1])
    return instructions(console, "segment")


LOADS = (("receive", "sink"), ("send", "source"), ("echo", "echo"), ("ping", "echo"))
FORWARDED = (64, 1460)  # bytes of the datagrams
UNTIL_STOPPED = 600  # seconds
IN_FLIGHT = 4  # of them: the LAN9118 has room for them
TITLES = {
    "receive": "instructions to receive 1460 bytes",
    "send": "instructions to send 1460 bytes",
    "echo": "instructions for a UDP echo, 64 bytes",
    "ping": "instructions for a ping, 56 bytes",
}
FORWARD_TITLE = "instructions to forward UDP, %d bytes"


def main():
    """By itself: the figures of netstack and lwIP."""
    boards = (("netstack", netstack), ("lwIP", lwip))
    with netns.Namespace() as ns, Hosts() as hosts:
        for what, role in LOADS:
            for name, firmware in boards:
                ns.run("ip", "neigh", "flush", "dev", "tap0")
                with told(name, TITLES[what]), firmware(ns, role) as (console, pid):
                    print(name, TITLES[what], round(load(ns, console, pid, what, 2)))
        for size in FORWARDED:
            for name, firmware in boards:
                hosts.forget()
                title = FORWARD_TITLE % size
                with told(name, title), firmware(hosts.near, "forward") as (console, _):
                    print(name, title, round(hosts.load(console, size)))


@contextlib.contextmanager
def told(name, title):
    try:
        yield
    except (Failed, AssertionError) as error:
        print(name, title, "failed:", error)


if __name__ == "__main__":
    main()
