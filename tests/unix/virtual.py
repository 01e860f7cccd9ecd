# Programs of asyncio in virtual time. Imported before anything else, this puts a clock of its own
# in the place of time.ticks_ms() and a select.poll() that moves it on in the place of the one that
# sleeps: an hour takes as long as its work does. The program is on the default stack; on the other
# end of a wire, which may be bad, is a host with what programs need (Far).

import os as _os
import select as _select
import sys
import time as _time

_START = 0x3FFFFFFF - 3000  # as in hosts.py: the stack's time wraps soon


class _Module:
    """Another module's names, some of them replaced."""

    def __init__(self, module, **names):
        for name in dir(module):
            setattr(self, name, getattr(module, name))
        for name, value in names.items():
            setattr(self, name, value)


class _Poll:
    """select.poll() in virtual time."""

    def __init__(self):
        self._real = real = _select.poll()
        self.register = real.register
        self.modify = real.modify
        self.unregister = real.unregister

    def ipoll(self, ms=-1, flags=0):
        return world.wait(self._real, ms)

    poll = ipoll


class World:
    """The clock and what happens by it."""

    ms = 0
    wire = None

    def ticks_ms(self):
        return _time.ticks_add(_START, self.ms)

    def sleep_ms(self, ms):
        self.wait(_nobody, ms)

    def sleep(self, seconds):
        self.sleep_ms(int(seconds * 1000))

    def wait(self, poller, ms):
        """What ipoll() gives, at the moment when there is something, `ms` from now at the latest;
        -1: whenever that is."""
        if self.wire is None:  # not begun
            return poller.ipoll(0)
        end = self.ms + ms
        for _ in range(100000):
            due = self.wire.settle()
            ready = [(row[0], row[1]) for row in poller.ipoll(0)]
            if ready or 0 <= ms and self.ms >= end:
                return ready
            later = self.wire.settle()
            if self.wire.moved:  # by what was asked
                continue
            due = later if due < 0 or 0 <= later < due else due
            if ms >= 0 and (due < 0 or self.ms + due > end):
                due = end - self.ms
            if due < 0:
                raise RuntimeError("nothing will ever happen")
            self.ms += due
        raise RuntimeError("for ever")


world = World()
_nobody = _select.poll()
sys.modules["time"] = _Module(
    _time, ticks_ms=world.ticks_ms, sleep_ms=world.sleep_ms, sleep=world.sleep
)
sys.modules["select"] = _Module(_select, poll=_Poll)


class _Urandom:
    """Random bits that are the same in each run, as all else is: xorshift."""

    x = 2463534242

    def __call__(self, n):
        x = self.x
        data = bytearray(n)
        for i in range(n):
            x ^= x << 13 & 0xFFFFFFFF
            x ^= x >> 17
            x ^= x << 5 & 0xFFFFFFFF
            data[i] = x >> 24
        self.x = x
        return bytes(data)


sys.modules["os"] = _Module(_os, urandom=_Urandom())

# asyncio's queue is C, and notes by the real clock that a task may run now: that has to be in the
# past for those that sleep by ours, however long the machine takes, whatever its clock says.
from asyncio import core  # noqa: E402

_ahead = _time.ticks_add(_time.ticks_ms(), 1 << 27)
core.ticks = lambda: _time.ticks_add(_ahead, world.ms)

import hosts  # noqa: E402
import network  # noqa: E402
import struct  # noqa: E402
from netstack.api import host  # noqa: E402
from netstack.transport.tcp import settings  # noqa: E402
from packets import ip  # noqa: E402

OURS = "10.0.0.1"
FAR = "10.0.0.2"
GONE = "10.0.0.77"  # nobody
ECHO, MUTE, CLOSED, DNS = 7, 9, 13, 53  # ports of the far host
# What a server needs so that it does not wait for ever for clients that are gone.
_KEEP = (("keepidle", 60), ("keepintvl", 10), ("keepcnt", 5), ("keepalive", True))


class _Clock:
    """Of hosts.Host."""

    def __call__(self):
        return world.ticks_ms() & 0x3FFFFFFF

    @property
    def ms(self):
        return world.ms


class Us:
    """The default stack, as hosts.Wire wants a host."""

    def __init__(self, clock):
        self.clock = clock
        self.nic = hosts.NIC(b"\2\0\0\0\0\1")
        self.st = st = host.stack()
        st.idle = lambda ms: world.sleep_ms(ms)
        self.lan = network.LAN(nic=self.nic)
        host.tcp()
        self.lan.active(True)
        self.lan.ipconfig(addr4=OURS + "/24", gw4=FAR)
        network.ipconfig(dns=FAR)

    def poll(self):
        while True:
            due = host.pump()
            if due or not self.nic.rx:
                return due


class Wire(hosts.Wire):
    """What joins us to the far host. plug(False) pulls our end out."""

    moved = False

    def settle(self):
        """Everything that happens now. Returns the milliseconds until something else does."""
        self.moved = False
        for _ in range(1000):
            self._deliver()
            if any(h.nic.rx for h in self.hosts):
                self.moved = True
            sent = self.sent
            waits = [h.poll() for h in self.hosts]
            if self._flying:
                waits.append(max(0, self._flying[0][0] - world.ms))
            waits = [wait for wait in waits if wait >= 0]
            if sent != self.sent:
                self.moved = True
            elif not waits or min(waits):
                return min(waits) if waits else -1
        raise RuntimeError("the stacks do not come to rest")

    def plug(self, on):
        self.hosts[0].nic.up = int(on)

    def _send(self, index, frame):
        if self.hosts[0].nic.up:
            super()._send(index, frame)

    def _deliver(self):
        if not self.hosts[0].nic.up:
            self._flying.clear()
        super()._deliver()


class Far:
    """A host with an echo service for TCP and UDP, a port that only listens, and names."""

    def __init__(self, clock, names):
        self.host = hosts.host(FAR, clock=clock, tcp=True, budget=_BUDGET)
        self.st = self.host.st
        self.names = names  # first label: address; None: no answer ever
        self.asked = 0
        self.accepted = 0
        self._buf = bytearray(1500)
        self._mute = []
        st = self.st
        with hosts.inside(st):
            for port, notify in ((ECHO, self._take_echo), (MUTE, self._take_mute)):
                listener = st.tcp.listen(None, None, port, 16)
                listener.notify = notify
            echo = st.udp.open()
            echo.bind(None, None, ECHO)
            echo.answer = lambda ep, buf, off, n: n
            dns = st.udp.open()
            dns.bind(None, None, DNS)
            dns.notify = self._name

    def _take_echo(self, listener):
        while listener.ready:
            conn = listener.accept()
            self.accepted += 1
            conn.notify = self._echo
            for name, value in _KEEP:
                settings.change(conn, name, value)
            self._echo(conn)

    def _echo(self, conn):
        while True:
            n = min(conn.room(), len(self._buf))
            if not n and not conn.eof() and not conn.error:
                return
            n = conn.recv(self._buf, 0, max(n, 1))
            if n == -11:
                return
            if n <= 0:
                conn.notify = None
                conn.close()
                return
            conn.send(self._buf, 0, n)

    def _take_mute(self, listener):
        while listener.ready:
            conn = listener.accept()
            self.accepted += 1
            conn.notify = self._until_end
            for name, value in _KEEP:
                settings.change(conn, name, value)
            self._mute.append(conn)

    def _until_end(self, conn):
        if conn.state != 4:  # ESTABLISHED
            conn.notify = None
            conn.close()
            self._mute.remove(conn)

    def _name(self, ep):
        while ep.waiting:
            n = ep.recv(self._buf, 0, len(self._buf))
            data = bytes(self._buf[:n])
            self.asked += 1
            at = 12
            while data[at]:
                at += data[at] + 1
            label = data[13 : 13 + data[12]].decode().lower()
            addr = self.names.get(label, b"")
            if addr is None:
                continue
            body = data[12 : at + 5]
            known = label in self.names
            answers = int(known and data[at + 2] == 1)
            if answers:
                body += struct.pack("!HHHIH", 0xC00C, 1, 1, 5, 4) + ip(addr)
            head = struct.pack("!HHHHH", 0x8180 if known else 0x8183, 1, answers, 0, 0)
            answer = data[:2] + head + body
            ep.send(answer, 0, len(answer), ep.st.ip4, bytes(ep.from_addr[:4]), ep.from_port)

    def connect(self, port):
        """A connection to a server of ours, in the making."""
        st = self.st
        with hosts.inside(st):
            conn = st.tcp.open()
            conn.connect(st.ip4, ip(OURS), port)
        return conn


_BUDGET = 192 * 1024


def start(names, **wire):
    """(us, far, wire) with an hour's work ahead; wire: what hosts.Wire takes."""
    clock = _Clock()
    us = Us(clock)
    far = Far(clock, names)
    world.wire = Wire(us, far.host, **wire)
    for st in (us.st, far.st):
        _ripen(st)
    return us, far, world.wire


def _ripen(st):
    """Have all that is made when it is first wanted, and kept: it is no leak when that is late."""
    hosts.make_frames(st)
    with hosts.inside(st):
        st.tcp.listen(None, None, 1).close()


def left(st):
    """What a stack has in its tables: all zero but the timers once nobody uses it."""
    found = {
        "frames": st.pool.count - st.pool.left,
        "spent": st.spent,
        "jobs": st.w[46],
        "timers": len(st.timers.list),
        "connections": len(list(st.tcp.connections())),
        "listeners": len(list(st.tcp.listeners())),
        "bound": len(st.tcp.bound),
        "syns": st.tcp.synqueue.rows.count if st.tcp.synqueue else 0,
        "timewait": st.tcp.timewait.rows.count,
        "table": st.tcp.table.count,
        "endpoints": st.udp.table.count,
        "nomem": st.nomem,
    }
    if st.dns:
        found["queries"] = len(st.dns._queries) + len(st.dns._ready) + len(st.dns.searches)
    return found
