"""A host at the other end of an emulated chip's wire, in emulated time: what the chip and the
stack behind it do is then the same in each run, however slow the machine is.

10.0.0.1 answers ARP and pings; on its TCP port 5001 it takes whatever comes, from 5002 on it sends
without end; UDP datagrams to port 7 it sends, and counts what comes back. Its TCP acknowledges
every second segment, and at once what is out of order; it recovers by going back to what is
missing (three duplicates, or 200 ms), halves its window then, and grows it by a segment a round.
"""

import struct

MAC = b"\x02\x00\x00\x00\x00\x01"
IP = bytes((10, 0, 0, 1))
SINK = 5001
SOURCE = 5002
_BYTE_NS = 80  # of 100 Mbit/s
_GAP = 24  # preamble, FCS, and what stands between two frames
_MSS = 1460
_WINDOW = 65535
_RTO_NS = 200000000
_DELAY_NS = 40000000  # of an acknowledgment


def checksum(data):
    if len(data) & 1:
        data += b"\0"
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


class Peer:
    def __init__(self, chip, clock):
        self.chip = chip
        self.clock = clock
        self.mac = b"\xff" * 6  # of the board, once it has spoken
        self.ip = bytes((10, 0, 0, 2))
        self.tcp = {}
        self.pings = []  # (sequence, ns from the frame at the chip to the answer at the chip)
        self.echoes = 0
        self.on_echo = None
        self._asked = {}
        self._queue = []
        self._alarm = clock.create_alarm(self._arrive)
        self._free = 0  # when the wire is
        self._ident = 0
        self.seen = None  # called with each frame of the board's
        chip.transmit = self.frame

    @property
    def now(self):
        return self.clock.nanos

    # -- to the board ---------------------------------------------------------------------------

    def put(self, frame, delay=0):
        """A frame on the wire, behind those that wait."""
        frame += bytes(max(60 - len(frame), 0))
        start = max(self._free, self.now + delay)
        self._free = start + (len(frame) + _GAP) * _BYTE_NS
        self._queue.append((self._free, frame))
        if len(self._queue) == 1:
            self._alarm.schedule(max(self._free - self.now, 0))

    def _arrive(self):
        _, frame = self._queue.pop(0)
        if self._queue:
            self._alarm.schedule(max(self._queue[0][0] - self.now, 0))
        if frame[12:14] == b"\x08\x00" and frame[23] == 1 and frame[34] == 8:
            self._asked[frame[40:42]] = self.now
        self.chip.receive(frame)

    def packet(self, protocol, data, delay=0):
        self._ident = self._ident + 1 & 0xFFFF
        head = struct.pack(
            ">BBHHHBBH4s4s", 0x45, 0, 20 + len(data), self._ident, 0, 64, protocol, 0, IP, self.ip
        )
        head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
        self.put(self.mac + MAC + b"\x08\x00" + head + data, delay)

    def ping(self, sequence, size=56, delay=0):
        data = struct.pack(">BBHHH", 8, 0, 0, 77, sequence) + bytes(range(size & 0xFF))
        data += bytes(8 + size - len(data))
        data = data[:2] + struct.pack(">H", checksum(data)) + data[4:]
        self.packet(1, data, delay)

    def datagram(self, port, data):
        """To the board, from port 7."""
        self.packet(17, struct.pack(">HHHH", 7, port, 8 + len(data), 0) + data)

    # -- from the board -------------------------------------------------------------------------

    def frame(self, frame):
        if self.seen:
            self.seen(frame)
        kind = frame[12:14]
        if kind == b"\x08\x06":
            self.mac = frame[6:12]
            if frame[20:22] == b"\0\1" and frame[38:42] == IP:
                self.put(
                    frame[6:12] + MAC + frame[12:20] + b"\0\2" + MAC + IP + frame[22:32], 10000
                )
        elif kind == b"\x08\x00" and frame[30:34] == IP:
            self.mac = frame[6:12]
            size = frame[16] << 8 | frame[17]
            body = frame[34 : 14 + size]
            if frame[23] == 1 and body[0] == 0:
                asked = self._asked.pop(body[6:8], None)
                if asked is not None:
                    self.pings.append((body[6] << 8 | body[7], self.now - asked))
            elif frame[23] == 6:
                self._segment(body)
            elif frame[23] == 17:
                self.echoes += 1
                if self.on_echo:
                    self.on_echo(body[0] << 8 | body[1], body[8:])

    def _segment(self, body):
        key = body[:4]
        conn = self.tcp.get(key)
        if conn is None or body[13] & 2:
            if not body[13] & 2:
                return
            conn = self.tcp[key] = Connection(self, body)
        conn.input(body)


class Connection:
    def __init__(self, peer, syn):
        self.peer = peer
        self.theirs, self.ours = struct.unpack(">HH", syn[:4])
        self.received = 0  # bytes of text
        self.sent = 0  # acknowledged ones
        self.first = self.last = 0  # times of text, either way
        self.resent = 0
        self.rcv = 0
        self.una = self.nxt = self.top = 1000
        self.window = 0
        self.scale = 0
        self.cwnd = 10 * _MSS
        self.duplicates = 0
        self.owed = 0
        self.open = False
        self.limit = None  # bytes to send
        self._rto = peer.clock.create_alarm(self._timeout)
        self._ack = peer.clock.create_alarm(self._late)

    def input(self, body):
        seq, ack = struct.unpack(">II", body[4:12])
        flags = body[13]
        window = body[14] << 8 | body[15]
        text = body[(body[12] >> 4) * 4 :]
        if flags & 4:
            self.open = False
            return
        if flags & 2:
            self.rcv = seq + 1 & 0xFFFFFFFF
            self._options(body)
            self.window = window
            self._emit(self.nxt, 0x12, b"", b"\x02\x04\x05\xb4\x01\x03\x03\x07")
            self.nxt = self.top = self.una = 1001
            self.open = True
            return
        if flags & 16:
            self._acked(ack, window << self.scale, len(text))
        if text:
            self._text(seq, text)
        if flags & 1 and seq + len(text) & 0xFFFFFFFF == self.rcv:
            self.rcv = self.rcv + 1 & 0xFFFFFFFF
            self._emit(self.nxt, 0x11)
            self.open = False
        if self.ours == SOURCE and self.open:
            self._send()

    def _options(self, body):
        at = 20
        while at < (body[12] >> 4) * 4 and body[at]:
            if body[at] == 1:
                at += 1
                continue
            if body[at] == 3:
                self.scale = body[at + 2]
            at += body[at + 1]

    def _text(self, seq, text):
        now = self.peer.now
        if seq == self.rcv:
            self.rcv = self.rcv + len(text) & 0xFFFFFFFF
            self.first = self.first or now
            self.last = now
            self.received += len(text)
            self.owed += 1
            if self.owed >= 2:
                self._emit(self.nxt, 0x10)
            else:
                self._ack.schedule(_DELAY_NS)
        else:
            self._emit(self.nxt, 0x10)

    def _late(self):
        if self.owed:
            self._emit(self.nxt, 0x10)

    def _acked(self, ack, window, size):
        new = ack - self.una
        if 0 < new <= self.top - self.una:
            self.sent += new
            self.una = ack
            self.nxt = max(self.nxt, ack)
            self.last = self.peer.now
            self.duplicates = 0
            self.cwnd += max(_MSS * _MSS // self.cwnd, 1) if self.resent else new
            if self.una < self.top:
                self._rto.schedule(_RTO_NS)
            else:
                self._rto.cancel()
        elif new == 0 and not size and window == self.window and self.una < self.top:
            self.duplicates += 1
            if self.duplicates == 3:
                self._lost()
        self.window = window

    def _lost(self):
        self.resent += 1
        self.cwnd = max(self.cwnd // 2, 2 * _MSS)
        self.nxt = self.una
        self._rto.schedule(_RTO_NS)

    def _timeout(self):
        if self.open and self.una < self.top:
            self._lost()
            self._send()

    def _send(self):
        end = self.una + min(self.window, self.cwnd)
        if self.limit is not None:
            end = min(end, 1001 + self.limit)
        while self.nxt < end:
            n = min(_MSS, end - self.nxt)
            if n < _MSS and self.nxt > self.una and self.nxt + n != 1001 + (self.limit or -1):
                return  # RFC 9293 3.8.6.2.1
            if not self.first:
                self.first = self.peer.now
            if self.una == self.top:
                self._rto.schedule(_RTO_NS)
            self._emit(self.nxt, 0x18, bytes(n))
            self.nxt += n
            self.top = max(self.top, self.nxt)

    def _emit(self, seq, flags, text=b"", options=b""):
        self.owed = 0
        self._ack.cancel()
        head = struct.pack(
            ">HHIIBBHHH",
            self.ours,
            self.theirs,
            seq & 0xFFFFFFFF,
            self.rcv,
            (20 + len(options)) << 2,
            flags,
            _WINDOW if flags & 2 else _WINDOW >> 7 << 4 | 15,
            0,
            0,
        )
        data = head + options + text
        pseudo = IP + self.peer.ip + struct.pack(">HH", 6, len(data))
        data = data[:16] + struct.pack(">H", checksum(pseudo + data)) + data[18:]
        self.peer.packet(6, data)
