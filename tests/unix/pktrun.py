# Runs a packetdrill-like script against a host in virtual time: the steps come from pkt/script.py.
# The script's calls go through the sockets' API; while one of them blocks, time goes on, and the
# packets that the script has next come and go.

import bench
import binascii
import sys
from netstack.api import host as api
from netstack.api import socket as sockets
from netstack.api import state
from netstack.transport.tcp import info
from packets import Packet, icmp, ip4, tcp, udp

_PORT = 8080  # what bind() and connect() are given
_BUDGET = 2 * 1024 * 1024
_EVER = 7200 * 1000000  # longer than that nobody waits for a packet
_EAGAIN = 11
_POLL = 3  # MP_STREAM_POLL
_NONBLOCK = 0x800
_DONTWAIT = 0x40
_TO_THE_STACK = 0x8000  # MSG_MORE
_FASTOPEN = 0x20000000
_LETTERS = {"A": ".", "C": "W"}  # packets.py's names of flags, where packetdrill has others
_errors = {}  # errno: its name
_BYTES = bytes(range(251))


class Failure(Exception):
    """step and what is wrong."""


def differ(step, wanted, got):
    raise Failure(step, "expected  %s\n     got       %s" % (wanted, got))


def pattern(at, n):
    """Bytes at .. at + n of the text that everybody sends."""
    at %= 251
    return (_BYTES * (n // 251 + 2))[at : at + n]


def seconds(us):
    return "%d.%06d" % (us // 1000000, us % 1000000)


class Flow:
    """One connection as the script counts it: our numbers from our first one, the peer's as they
    are written."""

    def __init__(self, lport, rport):
        self.lport = lport
        self.rport = rport
        self.iss = None
        self.isn = None
        self.new_isn = None  # of a SYN that may open another connection
        self.fresh = True  # a SYN of ours gives the first number
        self.clock = None  # of our timestamps: what is sent less what is written


class Script:
    def __init__(self, steps, options):
        self.steps = steps
        self.tolerance = options["tolerance_usecs"]
        self.loose = options["loose"]
        self.peer = p = bench.peer(tcp=True, budget=_BUDGET, mtu=options["mtu"])
        self.st = p.st
        self.host = p.host
        self.cookie = None  # the last one that the stack has given
        if options["fastopen"]:
            bench.fastopen().attach(p.st)
        self.clock = p.clock
        self.us = 0
        self.i = 0
        self.times = None  # of the next step: (from, to), None for any
        self.out = []  # (microseconds, frame) that nobody has expected yet
        self.socks = {}
        self.read_of = {}  # bytes of the pattern that each socket has read and written
        self.written_of = {}
        self.flow = None
        self.flows = []
        self.listens = False
        self.conn = None  # what tcp_info tells about
        self.call = None  # the call that is being made: (step, time of its return)
        self.names = {}
        p.greet()
        p.nic.tx = self._sent
        api.ticks_ms = sockets._ticks_ms = self.clock
        state.st = self.st
        state.service = None
        state.pump = api._pumper(self.st, None)
        self.st.idle = self.idle

    # -- time

    def _sent(self, frame):
        self.peer._from_stack(frame)
        while self.peer.sent:
            self.out.append((max(self.us, self.clock.ms * 1000), self.peer.sent.pop(0)))

    def advance(self, until, packet=False):
        """Let time pass; ends early when a packet is wanted and there is one."""
        while True:
            wait = self.host.poll()
            if packet and self.out:
                break
            due = (self.clock.ms + wait) * 1000
            if wait < 0 or due > until:
                self.us = max(self.us, until)
                self.clock.ms = self.us // 1000
                self.host.poll()
                break
            self.clock.ms += wait
        self.us = max(self.us, self.clock.ms * 1000)

    def mark(self):
        """When is the next step due?"""
        if self.i < len(self.steps):
            mode, start, end = self.steps[self.i][2]
            base = self.us if mode == 1 else 0
            self.times = None if mode == 2 else (base + start, base + end)

    def until_due(self, step, times):
        if times:
            if self.us > times[1] + self.tolerance:
                raise Failure(step, "it is %s already" % seconds(self.us))
            self.advance(times[0])

    # -- steps

    def run(self):
        self.mark()
        while self.i < len(self.steps):
            self.step()
        if self.out and not self.loose:
            at, frame = self.out[0]
            text = "%s   at %s" % (self.describe(Packet(frame), None), seconds(at))
            differ(self.steps[-1], "nothing behind it", text)

    def step(self):
        step = self.steps[self.i]
        times = self.times
        self.i += 1
        kind = step[1]
        if kind == ">":
            self.expect(step, times)
        else:
            self.until_due(step, times)
            if kind == "<":
                self.inject(step)
            elif kind == "code":
                self.code(step)
            else:
                self.mark()  # what follows may happen while the call blocks
                self.make_call(step, times)
                return
        self.mark()

    def idle(self, ms):
        """The stack has nothing to do: called by a socket that waits."""
        step, end = self.call
        if end is None:
            raise Failure(step, "it blocks; if it is to, say when it returns: 0...0.1")
        last = end + self.tolerance
        until = last + 1000 if ms < 0 else min(self.us + ms * 1000, last + 1000)
        if self.i < len(self.steps) and self.steps[self.i][1] != "call":
            if not self.times or self.times[0] <= until:
                self.step()
                return
        self.advance(until)
        if self.us > last:
            raise Failure(step, "it has not returned by %s" % seconds(end))

    def code(self, step):
        conn = self.conn
        if conn is None:  # not accepted yet
            conn = self.half_open()
        if conn:
            self.names.update(tcp_info(conn))
        try:
            exec(step[4], self.names)
        except AssertionError as error:
            known = "  ".join(
                "%s = %s" % (name, self.names[name])
                for name in sorted(self.names)
                if name.startswith("tcpi_") and name in step[4]
            )
            raise Failure(step, "does not hold: %s  %s" % (error, known))
        except NameError as error:
            raise Failure(step, "%s: there is no connection" % error)

    def half_open(self):
        """The only connection there is, or what is recorded of it in SYN-RECEIVED."""
        for conn in self.st.tcp.connections():
            return conn
        queue = self.st.tcp.synqueue
        for row, listener in enumerate(queue._listeners if queue else ()):
            if listener:
                return queue._shared(row)
        return None

    # -- packets to the stack

    def inject(self, step):
        kind = step[4][0]
        if kind == "tcp":
            self.inject_tcp(*step[4][1:])
            return
        if kind == "udp":
            frame = self.datagram(step)
        else:
            frame = self.message(*step[4][1:])
        self.peer.queue(frame)
        self.host.poll()

    def inject_tcp(self, flags, seq, n, ack, win, urg, options, tos):
        """What is longer than the link allows goes in pieces; PSH and FIN with the last."""
        flow = self.flow
        if flow is None:
            flow = self.new_flow(_PORT, 40000 + len(self.flows))
        if "S" in flags:
            flow.new_isn = seq
            flow.fresh = True
            if flow.isn is None:
                flow.isn = seq
        opts = encode(self.known(options), flow)
        room = self.peer.nic.mtu - 40 - (len(opts) + 3 & ~3)
        while n > room:
            some = flags.replace("P", "").replace("F", "")
            self.peer.queue(self.segment(flow, some, seq, room, ack, win, urg, opts, tos))
            seq += room
            n -= room
        self.peer.queue(self.segment(flow, flags, seq, n, ack, win, urg, opts, tos))
        self.host.poll()

    def known(self, options):
        """With the stack's cookie for TFO_COOKIE, one that is valid."""
        cookie = (
            self.cookie or self.st.tcp.fastopen and self.st.tcp.fastopen.cookie(self.peer.addr)
        )
        return [("FO", cookie.hex()) if o == ("FO", "TFO_COOKIE") else o for o in options]

    def segment(self, flow, flags, seq, n, ack, win, urg, opts, tos):
        text = "".join("A" if c == "." else "C" if c == "W" else c for c in flags)
        first = seq + ("S" in flags)  # RFC 9293 3.4: SYN comes before text
        p = self.peer
        data = tcp(
            p.addr, self.host.addr, flow.rport, flow.lport, seq,
            (ack or 0) + (flow.iss or 0), text, win or 0,
            pattern((first - (flow.isn or 0) - 1) & 0xFFFFFFFF, n), opts, urg,
        )  # fmt: skip
        return p.ip_frame(6, data, tos=tos or 0)

    def new_flow(self, lport, rport):
        self.flow = flow = Flow(lport, rport)
        self.flows.append(flow)
        return flow

    def datagram(self, step):
        port = 0
        for sock in self.socks.values():
            if sock._dgram and sock._io:
                port = sock._io.lport
        if not port:
            port = _PORT
        return self.peer.udp_frame(_PORT, port, pattern(0, step[4][1]))

    def message(self, kind, code, mtu, ident, quoted):
        """An ICMP message; an error quotes a packet of ours."""
        if ident is not None:
            rest = bytes((ident >> 8, ident & 255, 0, 1))
            return self.peer.ip_frame(1, icmp(kind, code, rest))
        me, other = self.host.addr, self.peer.addr
        if quoted[0] == "udp":
            sock = [s for s in self.socks.values() if s._dgram][-1]
            inner = udp(me, other, sock._io.lport, _PORT, pattern(0, quoted[1]))
            inner = ip4(me, other, 17, inner)
        else:
            flow = self.flow or Flow(_PORT, 40000)
            seq = quoted[1] + (flow.iss or 0)
            inner = tcp(me, other, flow.lport, flow.rport, seq, 0, "A")
            inner = ip4(me, other, 6, inner, total=40 + quoted[2])
        return self.peer.ip_frame(1, icmp(kind, code, bytes((0, 0, mtu >> 8, mtu & 255)), inner))

    # -- packets from the stack

    def expect(self, step, times):
        last = times[1] + self.tolerance if times else self.us + _EVER
        if not self.out:
            self.advance(last, True)
        if not self.out:
            raise Failure(step, "nothing was sent by %s" % seconds(self.us))
        at, frame = self.out.pop(0)
        packet = Packet(frame)
        what = step[4]
        got = self.describe(packet, what)
        if self.loose and what[0] == "tcp":
            got = self.join(packet, what, got)
        wanted = describe_step(what)
        if not self.matches(packet.words, what):
            differ(step, wanted, "%s   at %s" % (got, seconds(at)))
        if times and not times[0] - self.tolerance <= at <= last:
            when = seconds(times[0])
            if times[1] != times[0]:
                when += " to " + seconds(times[1])
            differ(step, "it at " + when, "%s   at %s" % (got, seconds(at)))

    def join(self, packet, what, got):
        """Linux hands several segments to its NIC as one: take them together."""
        while packet.words and packet.words[3] < what[3] and self.out:
            more = Packet(self.out[0][1])
            text = self.describe(more, what)
            words = packet.words
            if not more.words or more.words[2] != words[2] + words[3]:
                break
            self.out.pop(0)
            packet.words = more.words[:2] + (words[2], words[3] + more.words[3]) + more.words[4:]
            got += " and " + text
        return got

    def find_flow(self, packet):
        for flow in self.flows:
            if flow.lport == packet.dport and flow.rport == packet.sport:
                return flow
        return None

    def describe(self, packet, what):
        """What was sent, in the script's words; sets packet.words to compare with."""
        if packet.kind == "tcp":
            return self.describe_tcp(packet, what)
        packet.words = ()
        if packet.kind == "udp":
            packet.words = ("udp", len(packet.data))
            good = packet.data == pattern(0, len(packet.data))
            return "udp (%d)%s" % (packet.words[1], "" if good else ", but other bytes")
        if packet.kind == "icmp":
            packet.words = ("icmp", packet.type, packet.code)
            return "icmp type %d code %d" % (packet.type, packet.code)
        return repr(packet)

    def describe_tcp(self, packet, what):
        packet.sport, packet.dport = packet.dport, packet.sport  # as seen from the peer
        flow = self.find_flow(packet)
        flags = "".join(_LETTERS.get(c, c) for c in packet.flags)
        flags = "".join(c for c in "FSRP.UEW" if c in flags)
        if flow is None:
            flow = Flow(packet.dport, packet.sport)
            if flags == "S":
                flow = self.new_flow(packet.dport, packet.sport)
        if "S" in flags and flow.fresh and what and what[0] == "tcp":
            flow.iss = (packet.seq - what[2]) & 0xFFFFFFFF
            flow.isn = flow.new_isn
            flow.fresh = False
        seq = (packet.seq - (flow.iss or 0)) & 0xFFFFFFFF
        n = len(packet.data)
        options = decode(packet.opts, flow, what)
        ack = packet.ack if "." in flags else None
        packet.words = ("tcp", flags, seq, n, ack, packet.wnd, packet.urg, options, packet.tos)
        text = describe_step(packet.words)
        if packet.data != pattern(seq - ("S" not in flags), n):
            packet.words = ()
            text += ", but other bytes than were written"
        return text

    def matches(self, words, what):
        if len(words) == 0 or words[0] != what[0]:
            return False
        if what[0] != "tcp":
            return words == what[: len(words)]
        if words[2] != what[2] or words[3] != what[3]:
            return False
        if words[1] != what[1] and not (
            self.loose and words[1].replace("P", "") == what[1].replace("P", "")
        ):
            return False
        if words[4] != what[4] and (what[4] is not None or "." not in what[1]):
            return False
        if what[5] is not None and words[5] != what[5]:
            return False
        if words[6] != what[6] or what[8] is not None and words[8] & 3 != what[8] & 3:
            return False
        if what[7] is None or self.loose and "S" in what[1]:
            return True
        return self.same_options(words[7], what[7])

    def same_options(self, got, wanted):
        wanted = [each for each in wanted if each[0] not in ("nop", "eol")]
        if len(got) != len(wanted):
            return False
        for each in wanted:
            if each == ("FO", "TFO_COOKIE"):
                cookies = [other[1] for other in got if other[0] == "FO" and other[1]]
                if not cookies:
                    return False
                self.cookie = bytes.fromhex(cookies[0])
            elif each[0] == "TS":
                if not any(self.same_stamp(each, other) for other in got):
                    return False
            elif each not in got:
                return False
        return True

    def same_stamp(self, wanted, got):
        return (
            got[0] == "TS"
            and abs(got[1] - wanted[1]) <= self.tolerance // 1000
            and got[2] == wanted[2]
        )

    # -- calls

    def make_call(self, step, times):
        name, args, end, result, errno = step[4]
        if end is not None and step[2][0] == 1:
            end += times[0] - step[2][1]
        self.call = (step, end)
        try:
            got = getattr(self, "do_" + name)(step, result, *args)
            code = 0
        except OSError as error:
            got = -1
            code = error.errno
        self.call = None
        if result is not None and got != result or errno and code != errno:
            differ(step, describe_result(result, errno), describe_result(got, code))
        if end is not None and abs(self.us - end) > self.tolerance:
            differ(step, "back at " + seconds(end), "back at " + seconds(self.us))

    def sock(self, step, fd):
        if fd not in self.socks:
            raise Failure(step, "there is no socket %s" % fd)
        return self.socks[fd]

    def keep(self, fd, sock):
        if fd is None or fd < 0:
            sock.close()
            return "a socket"
        self.socks[fd] = sock
        self.read_of[fd] = self.written_of[fd] = 0
        return fd

    def do_socket(self, step, result, family, kind, proto):
        sock = sockets.socket(family or 2, kind & 15, proto or 0)
        if kind & _NONBLOCK:
            sock.setblocking(False)
        if not sock._dgram:
            self.flow = self.conn = None
        return self.keep(result, sock)

    def do_bind(self, step, result, fd, address, size):
        self.sock(step, fd).bind(("0.0.0.0", port_of(address)))
        return 0

    def do_listen(self, step, result, fd, backlog):
        self.sock(step, fd).listen(backlog)
        self.listens = True
        return 0

    def do_accept(self, step, result, fd, address, size):
        sock, _ = self.sock(step, fd).accept()
        sock.settimeout(None)  # as on Linux, not inherited
        self.conn = sock._io
        return self.keep(result, sock)

    def do_connect(self, step, result, fd, address, size):
        sock = self.sock(step, fd)
        try:
            sock.connect(("10.0.0.1", port_of(address)))
        finally:
            self.conn = sock._io
        return 0

    def do_read(self, step, result, fd, buffer, n):
        return self.do_recv(step, result, fd, buffer, n, 0)

    def do_recvfrom(self, step, result, fd, buffer, n, flags, address, size):
        return self.do_recv(step, result, fd, buffer, n, flags)

    def do_recv(self, step, result, fd, buffer, n, flags):
        sock = self.sock(step, fd)
        data = self.without_waiting(sock, flags, sock.recv, n)
        at = 0 if sock._dgram else self.read_of[fd]
        if data != pattern(at, len(data)):
            raise Failure(step, "other bytes than were sent from byte %d on" % at)
        self.read_of[fd] += len(data)
        return len(data)

    def do_write(self, step, result, fd, buffer, n):
        return self.do_send(step, result, fd, buffer, n, 0)

    def do_sendto(self, step, result, fd, buffer, n, flags, address, size):
        if self.sock(step, fd)._dgram and self.sock(step, fd)._io.raddr is None:
            return self.socks[fd].sendto(pattern(0, n), ("10.0.0.1", port_of(address)))
        return self.do_send(step, result, fd, buffer, n, flags, address)

    def do_send(self, step, result, fd, buffer, n, flags, address=None):
        sock = self.sock(step, fd)
        data = pattern(0 if sock._dgram else self.written_of[fd], n)
        if flags & _FASTOPEN:
            done = sock.sendto(data, flags, ("10.0.0.1", port_of(address)))
            self.conn = sock._io
        elif flags & _TO_THE_STACK:
            done = sock.send(data, flags)
        else:
            blocks = sock.gettimeout() is None and not flags & _DONTWAIT
            done = self.without_waiting(sock, flags, sock.write if blocks else sock.send, data)
        self.written_of[fd] += done
        return done

    def without_waiting(self, sock, flags, method, arg):
        if not flags & _DONTWAIT:
            return method(arg)
        timeout = sock.gettimeout()
        sock.settimeout(0)
        try:
            return method(arg)
        finally:
            sock.settimeout(timeout)

    def do_shutdown(self, step, result, fd, how):
        self.sock(step, fd).shutdown(how)
        return 0

    def do_close(self, step, result, fd):
        self.sock(step, fd).close()
        del self.socks[fd]
        return 0

    def do_setsockopt(self, step, result, fd, level, option, value, size):
        if isinstance(value, list):
            value = value[0]
        if isinstance(value, dict):
            value = bench.struct.pack("<ii", value["onoff"], value["linger"])
        self.sock(step, fd).setsockopt(level, option, value)
        return 0

    def do_getsockopt(self, step, result, fd, level, option, value, size):
        got = self.sock(step, fd).getsockopt(level, option)
        if value is not None and value != [got]:
            differ(step, value, [got])
        return 0

    def do_fcntl(self, step, result, fd, command, flags=0):
        sock = self.sock(step, fd)
        if command == 4:
            sock.setblocking(not flags & _NONBLOCK)
            return 0
        return 2 | (0 if sock.gettimeout() is None else _NONBLOCK)

    def do_poll(self, step, result, fds, count, timeout):
        end = self.us + timeout * 1000
        while True:
            ready = 0
            for each in fds:
                flags = self.sock(step, each["fd"])._ready(each["events"])
                ready += flags != 0
                each["got"] = flags
            left = (end - self.us) // 1000
            if ready or timeout >= 0 and left <= 0:
                break
            due = api.pump()
            self.idle(left if timeout >= 0 and (due < 0 or due > left) else due)
        for each in fds:
            if each["got"] != each["revents"]:
                differ(step, "revents %#x" % each["revents"], "revents %#x" % each["got"])
        return ready


def port_of(address):
    """of `...` or {sa_family = AF_INET, sin_port = htons(8080), ...}"""
    return address["sin_port"] if address else _PORT


def describe_result(result, errno):
    text = "..." if result is None else str(result)
    return "%s %s" % (text, _errors.get(errno, "errno %d" % errno)) if errno else text


def describe_step(what):
    """A packet in the script's words."""
    if what[0] == "udp":
        return "udp (%d)" % what[1]
    if what[0] == "icmp":
        return "icmp type %d code %d" % (what[1], what[2])
    _, flags, seq, n, ack, win, urg, options, tos = what
    text = "%s %d:%d(%d)" % (flags or "-", seq, seq + n, n)
    for name, value in (("ack", ack), ("win", win), ("urg", urg or None)):
        if value is not None:
            text += " %s %d" % (name, value)
    if options is None:
        return text + " <...>"
    if options:
        text += " <" + ",".join(describe_option(each) for each in options) + ">"
    return text


def describe_option(option):
    name = option[0]
    if name == "TS":
        return "TS val %d ecr %d" % option[1:]
    if name == "sack":
        return "sack " + " ".join("%d:%d" % option[i : i + 2] for i in range(1, len(option), 2))
    return " ".join(str(each) for each in option)


def encode(options, flow):
    """TCP options as bytes; numbers of ours become what the stack knows."""
    data = b""
    for option in options:
        name = option[0]
        if name == "eol":
            data += b"\0"
        elif name == "nop":
            data += b"\1"
        elif name == "mss":
            data += b"\2\4" + option[1].to_bytes(2, "big")
        elif name == "wscale":
            data += b"\3\3" + bytes((option[1],))
        elif name == "sackOK":
            data += b"\4\2"
        elif name == "FO":
            data += bytes((34, 2 + len(option[1]) // 2)) + bytes.fromhex(option[1])
        elif name == "TS":
            echo = (option[2] + (flow.clock or 0)) & 0xFFFFFFFF if option[2] else 0
            data += b"\x08\x0a" + option[1].to_bytes(4, "big") + echo.to_bytes(4, "big")
        else:
            data += bytes((5, 2 + 4 * (len(option) - 1)))
            for edge in option[1:]:
                data += ((edge + (flow.iss or 0)) & 0xFFFFFFFF).to_bytes(4, "big")
    return data


def decode(found, flow, what):
    """The other way round. `what`: the step, whose timestamp gives the first one's meaning."""
    options = []
    for kind in sorted(found):
        data = found[kind]
        words = [int.from_bytes(data[i : i + 4], "big") for i in range(0, len(data), 4)]
        if kind == 2:
            options.append(("mss", data[0] << 8 | data[1]))
        elif kind == 3:
            options.append(("wscale", data[0]))
        elif kind == 4:
            options.append(("sackOK",))
        elif kind == 5:
            options.append(("sack",) + tuple(words))
        elif kind == 34:
            options.append(("FO", binascii.hexlify(data).decode()))
        elif kind == 8:
            if flow.clock is None and what and what[0] == "tcp":
                for each in what[7] or ():
                    if each[0] == "TS":
                        flow.clock = words[0] - each[1]
            options.append(("TS", (words[0] - (flow.clock or 0)) & 0xFFFFFFFF, words[1]))
        else:
            options.append(("kind %d" % kind,))
    return options


def tcp_info(conn):
    """Linux's names, as a script has them."""
    found = {"tcpi_" + name: value for name, value in info.values(conn).items()}
    if conn.state == 10 and not conn.tcp.timewait.holds(conn):
        found["tcpi_state"] = 7  # its record is gone, the object is not
    return found


def run(name, options, steps):
    """Run a script; prints what is wrong, and the closing line."""
    _errors.update(options["errors"])
    bench.forget()
    bench.gc.collect()
    script = Script(steps, options)
    failed = False
    try:
        script.run()
    except Failure as failure:
        failed = True
        step, text = failure.args
        print("%s:%d: %s\n     %s" % (name, step[0], step[3], text))
    if not failed:
        failed = not _tidy(script)
    print("== %d passed, %d failed%s" % (not failed, failed, ": " + name if failed else ""))
    if bench.UNIX and failed:
        sys.exit(1)


def _tidy(script):
    """Close what is open; nothing may be left behind."""
    try:
        for sock in script.socks.values():
            sock.close()
        bench.tidy()
        bench.clean()
    except Exception as error:
        sys.print_exception(error)
        return False
    return True
