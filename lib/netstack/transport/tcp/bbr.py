# BBR (draft-ietf-ccwg-bbr): congestion control by a model of the path instead of by its losses:
# how much it delivers in a millisecond, and how long it takes when no queue stands in it. For
# paths that lose frames for other reasons than full queues, as radio does. Loaded when it is first
# chosen.
#
# What is sent is paced: CWND is what is in flight and may be added at this moment, and the timer
# T_OUTPUT raises it. So output.py, and the fast path, need not know of all this. A connection's
# Model takes the place of ssthresh (which is 0 all the time) and of prr.py. Who calls it:
#
#   on_ack, lost    congestion.py          sent    rack.py, when something has gone out
#   tick            timers.py, T_OUTPUT    the others: congestion.py, undo.py
#
# DEVIATIONS, sections being the draft's:
# - One sample of the delivery rate for each round trip, not for each segment (4.1): what was
#   delivered from its beginning to its end. No state for each segment.
# - A round in which less than 2 % is lost, or only two segments, does not lower the short-term
#   bounds (5.5.10). In few segments one loss at random is more than 2 %.
# - Probing for more follows a round without too much loss at once, without the precautionary probe
#   of 5.3.3.
# - No extra_acked (5.5.9): one millisecond is added to the round trip, our clock being as coarse.
#
# Rates are in sixteenths of a byte a millisecond.

from array import array
from micropython import const
from netstack.core.clock import elapsed, later
from netstack.core.wire import move32, sub32

NAME = "bbr"

_LEN = const(1)  # a word of Ring.w

_SND_UNA = const(1)
_SND_NXT = const(2)
_SND_MAX = const(3)
_SND_MSS = const(14)
_CWND = const(15)
_SSTHRESH = const(16)
_DUPACKS = const(17)
_SRTT = const(18)
_T_OUTPUT = const(30)
_FLAGS = const(31)
_MIN_RTT = const(81)
_F_RECOVERY = const(8)
_F_SACK = const(1024)

_STARTUP = const(0)
_DRAIN = const(1)
_DOWN = const(2)
_CRUISE = const(3)
_REFILL = const(4)
_UP = const(5)
_PROBE_RTT = const(6)

_PACING = (277, 50, 90, 100, 100, 125, 100)  # per cent of the bandwidth, by state
_ANY = const(0x3FFFFFFF)  # no bound

_SHORTEST = const(5)  # ms that a sample takes at least: our clock has milliseconds
_BURST = const(10)  # ms of pacing that may be made up for at once
_FILTER_MS = const(10000)  # MinRTTFilterLen
_DRAINED_MS = const(200)  # ProbeRTTDuration


class Model:
    """About 350 bytes on a 32-bit port."""

    def __init__(self, conn):
        cb = conn.cb
        self.w = array("I", bytes(4))  # SND.UNA when the round began
        self.state = _STARTUP
        self.filled = False  # full_bw_reached
        self.before = self.best = 0  # the highest rates of the last two cycles: max_bw
        self.short = _ANY  # bw_shortterm
        self.short_flight = _ANY  # inflight_shortterm
        self.ceiling = _ANY  # inflight_longterm
        self.cwnd = cb[_CWND]
        self.full = self.flat = 0  # full_bw, full_bw_count
        self.grow = 0  # by how much the ceiling goes up after this round
        self.rounds = 0  # in this state
        self.since = conn.st.now  # when it began, or a cycle
        self.wait = 0  # ms until the next probe
        self.rtt_at = conn.st.now  # when the path was last seen without a queue
        self.limited = 0  # rounds that the program was, or is, too slow in
        self.bounded = False  # this round has seen the window used up
        self.congested = False  # a router has marked a packet
        self.credit = cb[_SND_MSS] << 5  # what may go out now, in sixteenths of a byte
        self.at = conn.st.now  # when that was last reckoned
        self.pipe = 0  # what was in flight then
        cb[_SSTHRESH] = 0
        self._begin(conn, conn.board.sacked if conn.board else 0)
        self._pace(conn)

    # -- the model ----------------------------------------------------------------------------

    def rate(self, cb):
        """The bandwidth, or what the first window makes of it (section 5.6.2)."""
        best = self.best if self.best > self.before else self.before
        if not best:
            return (self.cwnd << 4) // (cb[_SRTT] >> 3 or 1)
        return best if best < self.short else self.short

    def product(self, cb, gain):
        """Bandwidth times the least round trip, times `gain` per cent."""
        rtt = (cb[_MIN_RTT] or cb[_SRTT] >> 3) + 1
        return (self.rate(cb) * rtt >> 4) * gain // 100

    def target(self, cb):
        """What shall be in flight at most by the model (section 5.6.4)."""
        floor = 4 * cb[_SND_MSS]
        if self.state == _PROBE_RTT:
            most = self.product(cb, 50)
        else:
            most = self.product(cb, 225 if self.state == _UP else 200) + floor
            top = self.ceiling
            if top < _ANY and _DOWN <= self.state <= _CRUISE:
                top -= top // 100 * 15  # headroom for others
            if most > top:
                most = top
            if most > self.short_flight:
                most = self.short_flight
        return most if most > floor else floor

    def in_flight(self, conn):
        """Bytes in the network. After a timeout what was sent before it is not."""
        cb = conn.cb
        off = sub32(cb, _SND_NXT, cb, _SND_UNA)
        board = conn.board
        if sub32(cb, _SND_NXT, cb, _SND_MAX) < 0:
            return off - board.below(off) if board else off
        if board:
            return board.pipe(off)
        off -= self._gone(cb)
        return off if off > 0 else 0

    def _gone(self, cb):
        """Without SACK: what duplicate ACKs tell of."""
        return 0 if cb[_FLAGS] & _F_SACK else cb[_DUPACKS] * cb[_SND_MSS]

    # -- rounds -------------------------------------------------------------------------------

    def _begin(self, conn, sacked):
        """A round trip begins: it ends when as much is delivered or lost as is in flight now."""
        move32(self.w, 0, conn.cb, _SND_UNA)
        self.sacked = sacked
        self.seen = 0
        self.begun = conn.st.now
        self.end = self.in_flight(conn) or 1
        self.dropped = 0

    def lost(self, n):
        """`n` bytes were found to be lost."""
        self.dropped += n

    def marked(self):
        """A router tells of congestion (RFC 3168)."""
        self.congested = True

    def on_ack(self, conn):
        """Something may have been delivered."""
        cb = conn.cb
        sacked = conn.board.sacked if conn.board else 0
        delivered = sub32(cb, _SND_UNA, self.w, 0) + sacked - self.sacked
        n = delivered - self.seen
        if n > 0:
            self.seen = delivered
            most = self.target(cb)
            if self.cwnd < most or not self.best:
                self.cwnd += n
            if self.filled and self.cwnd > most:
                self.cwnd = most
        passed = elapsed(conn.st.now, self.begun)
        if delivered + self.dropped >= self.end and passed >= _SHORTEST:
            self._end(conn, delivered, passed)
            self._begin(conn, sacked)
        self._drained(conn)
        self._pace(conn)

    def _end(self, conn, delivered, passed):
        """A round trip has ended (sections 5.5.5 and 5.5.10)."""
        cb = conn.cb
        sample = (delivered << 4) // passed
        limited = self.limited > 0
        if limited:
            self.limited -= 1
        if sample > self.best and (not limited or sample > self.before):
            self.best = sample
        much = self.congested or (
            self.dropped > 2 * cb[_SND_MSS] and self.dropped * 50 > delivered + self.dropped
        )
        self.rounds += 1
        state = self.state
        if state == _STARTUP:
            self._accelerating(sample, limited)
            if much and (self.congested or self.dropped > 5 * cb[_SND_MSS]):
                self._too_much(cb, delivered)
                self.flat = 3
            if self.flat >= 3:
                self.filled = True
                self._enter(conn, _DRAIN)
        elif state == _UP:
            self._probing(conn, sample, limited, much, delivered)
        elif state == _REFILL:
            self.full = sample
            self.flat = 0
            self.grow = cb[_SND_MSS]
            self._enter(conn, _UP)
        elif much and state != _PROBE_RTT:
            self._back_off(cb, sample, delivered)
        self.bounded = self.congested = False
        self._queue_seen(conn)
        if self.state == _CRUISE:
            self._maybe_probe(conn)

    def _accelerating(self, sample, limited):
        """Does the path still deliver more when more is sent (5.3.1.2)? FLAT counts the rounds in
        which it does not."""
        if sample >= self.full + (self.full >> 2):
            self.full = sample
            self.flat = 0
        elif not limited:
            self.flat += 1

    def _probing(self, conn, sample, limited, much, delivered):
        """A round of ProbeBW_UP (5.3.3.5)."""
        if much:
            self._too_much(conn.cb, delivered)
            self.flat = 3
        elif self.bounded and self.cwnd >= self.ceiling:
            self.ceiling += self.grow  # 1, 2, 4, ... segments
            self.grow <<= 1
            self.full = sample
            self.flat = 0
        else:
            self._accelerating(sample, limited)
        if self.flat >= 3 or limited:
            if not limited:
                self.before = self.best
                self.best = 0
            self._cycle(conn)

    def _too_much(self, cb, delivered):
        """More was in flight than the path has room for (5.3.3.6)."""
        most = self.product(cb, 70)
        self.ceiling = delivered if delivered > most else most

    def _back_off(self, cb, sample, delivered):
        """Others have come, or the path has become slower: not more than it delivers now, and
        three tenths less in a round trip at most, until the next probe (5.5.10.3)."""
        rate = self.rate(cb)
        flight = self.short_flight if self.short_flight < self.cwnd else self.cwnd
        rate = rate // 10 * 7
        flight = flight // 10 * 7
        self.short = sample if sample > rate else rate
        self.short_flight = delivered if delivered > flight else flight

    def _forget_short(self):
        self.short = self.short_flight = _ANY

    # -- states -------------------------------------------------------------------------------

    def _enter(self, conn, state):
        self.state = state
        self.rounds = 0
        self.since = conn.st.now

    def _cycle(self, conn):
        """A cycle of ProbeBW begins; the next probe in two to three seconds (5.3.3.7)."""
        self.wait = 2000 + conn.st.random.below(1000)
        self._enter(conn, _DOWN)

    def _drained(self, conn):
        """What ends as soon as the queue is gone."""
        cb = conn.cb
        state = self.state
        if state == _DRAIN:
            if self.rounds > 3 or self.in_flight(conn) <= self.product(cb, 100):
                self.before = self.best
                self.best = 0
                self._cycle(conn)
        elif state == _DOWN:
            most = self.product(cb, 100)
            flight = self.in_flight(conn)
            if flight <= most and flight <= self.target(cb):
                self.state = _CRUISE
        elif state == _PROBE_RTT:
            self._probe_rtt(conn)

    def _maybe_probe(self, conn):
        """Every two to three seconds, and as often as Reno would come to this window (5.3.3.7)."""
        cb = conn.cb
        rounds = self.product(cb, 100) // cb[_SND_MSS]
        if rounds > 63:
            rounds = 63
        if self.rounds >= rounds or elapsed(conn.st.now, self.since) >= self.wait:
            self._forget_short()
            self._enter(conn, _REFILL)

    def _queue_seen(self, conn):
        """Ten seconds in which round trips were longer than the least: has the path become longer,
        or does a queue stand in it (5.3.4)?"""
        cb = conn.cb
        now = conn.st.now
        if cb[_SRTT] >> 3 <= cb[_MIN_RTT] + (cb[_MIN_RTT] >> 4):
            self.rtt_at = now
        elif self.state != _PROBE_RTT and elapsed(now, self.rtt_at) > _FILTER_MS:
            self.old_rtt = cb[_MIN_RTT]
            self.drained_at = -1
            self._enter(conn, _PROBE_RTT)

    def _probe_rtt(self, conn):
        cb = conn.cb
        now = conn.st.now
        if self.drained_at < 0:
            if self.in_flight(conn) <= self.target(cb):
                self.drained_at = now
                self.rounds = 0
                cb[_MIN_RTT] = 0  # rto.py measures it anew
        elif self.rounds and elapsed(now, self.drained_at) >= _DRAINED_MS:
            self.rtt_at = now
            if not cb[_MIN_RTT]:
                cb[_MIN_RTT] = self.old_rtt
            self._forget_short()
            if self.filled:
                self._cycle(conn)
            else:
                self._enter(conn, _STARTUP)

    # -- pacing -------------------------------------------------------------------------------

    def _pace(self, conn):
        """Set CWND to what may be in flight now, and the timer if that is less than it should."""
        cb = conn.cb
        mss = cb[_SND_MSS]
        now = conn.st.now
        pipe = self.in_flight(conn)
        rate = self.rate(cb) * _PACING[self.state] // 100 + 1
        passed = elapsed(now, self.at)
        self.at = now
        if not 0 <= passed < _BURST:
            passed = _BURST
        credit = self.credit + rate * passed
        most = rate * _BURST if rate * _BURST > mss << 5 else mss << 5  # two segments
        if credit > most:
            credit = most
        self.credit = credit
        self.pipe = pipe
        most = self.target(cb)
        if most > self.cwnd:
            most = self.cwnd
        room = credit >> 4 if credit > 0 else 0
        if not pipe and room < 2 * mss:
            room = 2 * mss
        cwnd = pipe + room
        if cwnd > most:
            cwnd = most
        cb[_CWND] = cwnd + self._gone(cb) if cb[_FLAGS] & _F_RECOVERY else cwnd
        self._next(conn, cwnd - pipe, most - pipe, rate)

    def _next(self, conn, room, most, rate):
        """Of what waits a segment has to wait until pacing has `room` for it."""
        cb = conn.cb
        mss = cb[_SND_MSS]
        queued = conn.tx.w[_LEN] if conn.tx else 0
        if queued <= sub32(cb, _SND_NXT, cb, _SND_UNA) and not (conn.board and conn.board.lost):
            if most >= mss:
                self.limited = 2
        elif most < mss:
            self.bounded = True
        elif room < mss:
            wait = (mss - room << 4) // rate + 1
            if not cb[_T_OUTPUT] or elapsed(cb[_T_OUTPUT], conn.st.now) > wait:
                cb[_T_OUTPUT] = later(conn.st.now, wait) or 1

    def sent(self, conn):
        """Something has gone out."""
        pipe = self.in_flight(conn)
        if pipe > self.pipe:
            credit = self.credit - (pipe - self.pipe << 4)
            least = -(conn.cb[_SND_MSS] << 6)  # what was in flight may have been reckoned anew
            self.credit = credit if credit > least else least
        self._pace(conn)

    def tick(self, conn):
        self._pace(conn)

    # -- what else happens --------------------------------------------------------------------

    def timed_out(self, conn):
        """Section 5.6.4.4: one segment, and more for what is acknowledged."""
        self.dropped += self.pipe
        self.cwnd = conn.cb[_CWND]
        self._pace(conn)

    def take_back(self, conn):
        """It was no loss (5.5.11)."""
        self._forget_short()
        if self.state == _UP:
            self.ceiling = _ANY
        self.dropped = 0
        self.cwnd = self.target(conn.cb)
        self._pace(conn)


MODEL = Model


def loss(conn, flight):
    """Of a SYN: there is no model yet."""
    return flight


def restart(conn):
    """The model holds."""


def avoid(conn, acked):
    """What the fast path calls for an ACK, as ssthresh is 0."""
    conn.model.on_ack(conn)
