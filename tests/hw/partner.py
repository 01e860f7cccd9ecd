"""The host's end of what programs/lab.py does on a board."""

import contextlib
import hashlib
import itertools
import os
import random
import socket
import struct
import time

import netns
import pytest

GROUP = "239.1.2.3"
NOISE = 4800  # of a heap: see test_network.py
_TCP_RTO_MAX_MS = 44


def checksum(data):
    total = sum(struct.unpack("!%dH" % ((len(data) + 1) // 2), data + b"\0" * (len(data) & 1)))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def pattern(n):
    """What "give" sends."""
    return bytes((i * 7 + (i >> 8)) & 255 for i in range(n))


class Transfer:
    """Bytes to the board, "take", or from it, "give", as far as the test lets them."""

    def __init__(self, verb, size, sock):
        self.size = size
        self._give = verb == "give"
        self._data = pattern(size) if self._give else random.randbytes(size)
        self._at = 0
        self._sock = sock
        self._sock.sendall(b"%s %d\n" % (verb.encode(), size))

    def move(self, n):
        end = min(self._at + n, self.size)
        if not self._give:
            self._sock.sendall(self._data[self._at : end])
        while self._give and self._at < end:
            part = self._sock.recv(min(65536, end - self._at))
            assert part and part == self._data[self._at : self._at + len(part)], self._at
            self._at += len(part)
        self._at = end

    def finish(self):
        """The rest, and what the board says of all of it."""
        self.move(self.size)
        assert answer(self._sock) == hashlib.sha256(self._data).hexdigest()


def answer(sock):
    """A line."""
    said = b""
    while not said.endswith(b"\n"):
        part = sock.recv(100)
        assert part, "the board has closed the connection after %r" % said
        said += part
    return said.decode().strip()


class Lab:
    """interface: where the host's frames to the board go out; None if a router is between."""

    def __init__(self, board, real):
        self.board = board
        self.emulator = board.emulator
        self.slow = board.slow and board.emulator
        self._running = contextlib.ExitStack()
        self.start()
        self.interface = interface_to(board.address) if real else "tap0"

    def start(self):
        """The board begins anew, and so do we."""
        self._udp = self._line = self._bulk = None
        self.process = self._running.enter_context(self.board.running("lab"))

    def stop(self):
        """Let the board's serial line go."""
        self._running.close()

    def inside(self):
        return self.board.ns.entered() if self.board.ns else contextlib.nullcontext()

    def state(self):
        """The emulated chip's counts, and the board's time in ns; real ones have only time."""
        if self.slow:
            return self.emulator.tell()
        return {"ns": time.monotonic_ns()}

    # -- TCP --------------------------------------------------------------------------------------

    def connect(self, window=65536):
        with self.inside():
            sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        sock.settimeout(300)
        sock.connect((self.board.address, 5000))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):  # Linux before 6.15 waits for up to two minutes
            sock.setsockopt(socket.IPPROTO_TCP, _TCP_RTO_MAX_MS, 1000)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 300000)
        return sock

    def ask(self, line):
        self._line = self._line or self.connect()
        self._line.sendall(line.encode() + b"\n")
        return answer(self._line)

    def transfer(self, verb, size):
        """On a connection that stays open."""
        self._bulk = self._bulk or self.connect()
        return Transfer(verb, size, self._bulk)

    def once(self, verb, size):
        """On a connection of its own, from its beginning to its end."""
        with self.connect() as sock:
            Transfer(verb, size, sock).finish()

    def close_bulk(self):
        if self._bulk:
            self._bulk.close()
            self._bulk = None

    def counts(self):
        """What the driver has counted: drops, resets, lost interrupts."""
        return dict(zip(("drops", "resets", "lost_interrupts"), map(int, self.ask("nic").split())))

    def memory(self):
        """(heap, free frames) once no connection but the one that asks is left."""
        self.close_bulk()
        end = time.monotonic() + 480
        while (said := self.ask("mem")) == "busy":
            assert time.monotonic() < end, "connections never end"
            time.sleep(0.5)
        return tuple(map(int, said.split()))

    def leaves_nothing(self, do):
        """After `do`, as often as it takes for tables to grow to their size, heap and frames
        are as before."""
        do()
        heaps = [self.memory()]
        while len(heaps) < 5:
            do()
            heaps.append(self.memory())
            assert heaps[-1][1] == heaps[0][1], "frames: %s" % heaps
            if heaps[-1][0] - heaps[-2][0] < NOISE:
                return
        raise AssertionError("the heap grows with every round: %s" % heaps)

    # -- UDP --------------------------------------------------------------------------------------

    @property
    def udp(self):
        if self._udp is None:
            with self.inside():
                self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                self._udp.connect((self.board.address, 5001))
                self._udp.settimeout(1)
        return self._udp

    def echo(self, data, seconds=120):
        """Have a datagram come back; how many were sent until one did."""
        end = time.monotonic() + seconds
        for count in itertools.count(1):
            assert time.monotonic() < end, "no datagram of %d bytes comes back" % len(data)
            try:
                self.udp.send(data)
                while self.udp.recv(2048) != data:
                    pass
                return count
            except TimeoutError:
                pass
            except OSError:  # refused, or no answer to ARP
                time.sleep(0.2)

    def answers(self, seconds):
        """An echo comes back within so many seconds of the board's time; how many. QEMU's time is
        the machine's, which may have other things to do."""
        if self.emulator and not self.slow:
            seconds = 60
        start = now = self.state()["ns"]
        sent = set()
        while now - start < seconds * 1e9:
            began = time.monotonic()
            data = os.urandom(20)
            sent.add(data)
            self.udp.settimeout(0.3)
            with contextlib.suppress(OSError):
                self.udp.send(data)
                while self.udp.recv(2048) not in sent:
                    pass
                data = None
            self.udp.settimeout(1)
            now = self.state()["ns"]
            if data is None:
                return (now - start) / 1e9
            # An idle board's time has gone on while the machine has halted us.
            seconds += max(time.monotonic() - began - 1, 0)
        raise AssertionError("no answer in %.1f s" % ((now - start) / 1e9))

    def group_socket(self):
        """A socket for datagrams to the group; the board's answers come to it as well."""
        with self.inside():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
                way.connect((self.board.address, 9))
                ours = way.getsockname()[0]
            sock.bind((ours, 0))
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(ours))
            sock.settimeout(1)
            return sock

    def group_heard(self, sock):
        """Does a datagram to the group come back? One to the board tells when it would have; an
        answer may be to what was sent some seconds ago."""
        data, marker = os.urandom(30), os.urandom(31)
        heard = False
        end = time.monotonic() + 120
        while time.monotonic() < end:
            sock.sendto(data, (GROUP, 5001))
            sock.sendto(marker, (self.board.address, 5001))
            with contextlib.suppress(TimeoutError):
                while (got := sock.recv(2048)) != marker:
                    heard = heard or got == data
                return heard
        raise AssertionError("the board does not answer")

    # -- frames -----------------------------------------------------------------------------------

    def raw(self):
        """A socket that puts frames on the wire, and the header of one to the board."""
        if self.interface is None:
            pytest.skip("there is a router between the host and the board")
        with self.inside():
            try:
                sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            except PermissionError:
                pytest.skip("raw frames need root")
            sock.bind((self.interface, 0))
            self.echo(b"so that its link address is known")
            for _ in range(100):
                for line in open("/proc/thread-self/net/arp"):
                    words = line.split()
                    if words[0] == self.board.address and words[3] != "00:00:00:00:00:00":
                        to = bytes.fromhex(words[3].replace(":", ""))
                        return sock, to + sock.getsockname()[4]
                time.sleep(0.1)
        raise AssertionError("Linux does not know where the board is")


def interface_to(address):
    """The host's own interface that leads to a real board; None if it leads to a router."""
    import subprocess

    route = subprocess.run(
        [netns.which("ip") or "ip", "route", "get", address], capture_output=True, text=True
    ).stdout.split()
    return route[route.index("dev") + 1] if "dev" in route and "via" not in route else None


def ip4(rnd, source, to, protocol, data, **wrong):
    """An IPv4 packet, some of its fields as given."""
    field = dict(version=4, ihl=5, length=20 + len(data), fragment=0, ttl=64, sum=None)
    field.update(wrong)
    head = struct.pack(
        "!BBHHHBBH",
        field["version"] << 4 | field["ihl"],
        0,
        field["length"] & 0xFFFF,
        rnd.getrandbits(16),
        field["fragment"],
        field["ttl"],
        protocol,
        0,
    )
    head += source + to
    total = checksum(head) if field["sum"] is None else field["sum"]
    return head[:10] + struct.pack("!H", total) + head[12:] + data


def bad_frames(rnd, head, source, to, longest):
    """Frames without end that are wrong in one way or another, from the same `rnd` the same ones.

    head: both link addresses; source, to: IPv4 addresses; longest: what the wire takes."""
    ip = head + b"\x08\x00"
    tcp = struct.pack("!HHIIBBHHH", 999, 5000, rnd.getrandbits(32), 0, 0x50, 2, 1000, 0, 0)
    while True:
        n = rnd.randrange(1400)
        noise = rnd.randbytes(n)
        udp = struct.pack("!HHHH", 999, 5001, 8 + n, rnd.randrange(1, 65536)) + noise
        flags = rnd.randrange(256)
        yield head + rnd.choice((b"\x08\x00", b"\x08\x06", b"\x00\x20", b"\x88\xb5"))  # runts
        yield ip + noise[:8]
        yield ip + noise  # random
        yield head + noise[:2] + noise
        yield head + b"\x08\x06" + bytes((0, 1, 8, 0, 6, 4, 0, rnd.randrange(4))) + noise[:20]
        if longest > 1514:  # oversize
            yield ip + ip4(rnd, source, to, 17, rnd.randbytes(rnd.randrange(1481, longest - 34)))
        yield ip + ip4(rnd, source, to, 17, udp)  # wrong checksums
        yield ip + ip4(rnd, source, to, 6, tcp)
        yield ip + ip4(rnd, source, to, 1, b"\x08\x00\x12\x34" + noise)
        yield ip + ip4(rnd, source, to, 17, udp, sum=rnd.getrandbits(16))
        yield ip + ip4(rnd, source, to, 17, udp, length=rnd.getrandbits(16))  # wrong headers
        yield ip + ip4(rnd, source, to, 17, udp, ihl=rnd.randrange(16))
        yield ip + ip4(rnd, source, to, 17, udp, version=rnd.randrange(16), ttl=0)
        yield ip + ip4(rnd, source, to, 17, udp, fragment=rnd.getrandbits(16))
        yield ip + ip4(rnd, source, to, rnd.randrange(256), noise)
        yield ip + ip4(rnd, source, to, 6, tcp[:12] + bytes((rnd.randrange(256), flags)) + noise)
        yield ip + ip4(rnd, b"\xff\xff\xff\xff", to, 1, b"\x08\x00\xf7\xff" + bytes(4))
