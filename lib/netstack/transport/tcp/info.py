# What a connection tells about itself: Linux's struct tcp_info, for programs that take that apart,
# and a dictionary for people. Loaded when it is first asked for; nothing here costs a segment.
#
# Fields we do not measure are 0 in the structure and missing from the dictionary. DEVIATION:
# bytes_acked and bytes_received count modulo 2^32, as the sequence numbers they come from.

import struct
from micropython import const
from netstack.core.clock import elapsed
from netstack.core.wire import sub32

_LEN = const(1)  # a word of Ring.w
_ESTABLISHED = const(4)

_ISS = const(0)
_SND_UNA = const(1)
_SND_NXT = const(2)
_SND_MAX = const(3)
_IRS = const(6)
_RCV_NXT = const(7)
_RCV_ADV = const(8)
_SND_WND = const(12)
_SND_MSS = const(14)
_CWND = const(15)
_SSTHRESH = const(16)
_DUPACKS = const(17)
_SRTT = const(18)
_RTTVAR = const(19)
_RTO = const(20)
_BACKOFF = const(21)
_FLAGS = const(31)
_SENT_AT = const(32)
_RCV_MSS = const(33)
_RCVD_AT = const(34)
_PROBES = const(35)
_SND_SHIFT = const(43)
_RCV_SHIFT = const(44)
_RETRANS = const(98)
_F_RECOVERY = const(8)
_F_TS = const(256)
_F_WSCALE = const(512)
_F_SACK = const(1024)
_F_ECN = const(0x10000)

_TCP_HDR = const(20)
_TS_LEN = const(12)
_ATO_US = const(40000)  # the delay of an ACK, as input.py has it
_UNLIMITED = const(0x3FFFFFFF)  # ssthresh before the first loss

# The structure, in order: a letter of struct's for each, and its name. Linux 6: 240 bytes.
_FIELDS = """B state B ca_state B retransmits B probes B backoff B options B wscale B flags
I rto I ato I snd_mss I rcv_mss I unacked I sacked I lost I retrans I fackets
I last_data_sent I last_ack_sent I last_data_recv I last_ack_recv
I pmtu I rcv_ssthresh I rtt I rttvar I snd_ssthresh I snd_cwnd I advmss I reordering
I rcv_rtt I rcv_space I total_retrans
Q pacing_rate Q max_pacing_rate Q bytes_acked Q bytes_received I segs_out I segs_in
I notsent_bytes I min_rtt I data_segs_in I data_segs_out Q delivery_rate
Q busy_time Q rwnd_limited Q sndbuf_limited I delivered I delivered_ce
Q bytes_sent Q bytes_retrans I dsack_dups I reord_seen I rcv_ooopack
I snd_wnd I rcv_wnd I rehash"""

# TCP_ESTABLISHED and so on of Linux, by the states of RFC 9293 3.3.2 as connection.py counts them
_LINUX_STATE = b"\7\n\2\3\1\4\5\x08\x0b\t\6"
_CA_STATES = ("Open", "Disorder", "CWR", "Recovery", "Loss")


def values(conn):
    """{name: number} in Linux's units: times in microseconds (last_...: milliseconds), windows in
    segments."""
    cb = conn.cb
    now = conn.st.now
    mss = cb[_SND_MSS] or 1
    flight = _distance(cb, _SND_MAX, _SND_UNA)
    queued = conn.tx.w[_LEN] if conn.tx else 0
    probing = queued > 0 and cb[_SND_WND] == 0  # BACKOFF counts probes of the closed window
    v = {
        "state": _LINUX_STATE[conn.state],
        "ca_state": _ca_state(cb),
        "retransmits": 0 if probing else cb[_BACKOFF],
        "probes": cb[_BACKOFF] if probing else cb[_PROBES],
        "backoff": cb[_BACKOFF],
        "options": _options(cb[_FLAGS]),
        "wscale": cb[_SND_SHIFT] | cb[_RCV_SHIFT] << 4,
        "rto": cb[_RTO] * 1000,
        "ato": _ATO_US,
        "snd_mss": cb[_SND_MSS],
        "rcv_mss": cb[_RCV_MSS],
        "unacked": _segments(flight, mss),
        "last_data_sent": elapsed(now, cb[_SENT_AT]),
        "last_data_recv": elapsed(now, cb[_RCVD_AT]),
        "last_ack_recv": elapsed(now, cb[_RCVD_AT]),
        "pmtu": _path_mtu(conn, cb),
        "rtt": cb[_SRTT] * 125,  # SRTT is kept times 8, RTTVAR times 4
        "rttvar": cb[_RTTVAR] * 250,
        "snd_ssthresh": 0x7FFFFFFF if cb[_SSTHRESH] >= _UNLIMITED else cb[_SSTHRESH] // mss,
        "snd_cwnd": cb[_CWND] // mss,
        "advmss": conn.mss,
        "reordering": 3,
        "rcv_space": conn.rx_size,
        "total_retrans": cb[_RETRANS],
        "bytes_acked": max(_distance(cb, _SND_UNA, _ISS) - 1, 0),
        "bytes_received": max(_distance(cb, _RCV_NXT, _IRS) - 1, 0),
        "notsent_bytes": max(queued - flight, 0),
        "snd_wnd": cb[_SND_WND],
        "rcv_wnd": _distance(cb, _RCV_ADV, _RCV_NXT),
    }
    _losses(conn, cb, mss, flight, v)
    return v


def _distance(cb, a, b):
    return (cb[a] - cb[b]) & 0xFFFFFFFF


def _segments(n, mss):
    return (n + mss - 1) // mss


def _ca_state(cb):
    if cb[_FLAGS] & _F_RECOVERY:
        return 3
    if cb[_BACKOFF]:
        return 4
    return 1 if cb[_DUPACKS] else 0


def _options(flags):
    using = (1 if flags & _F_TS else 0) | (2 if flags & _F_SACK else 0) | (flags & _F_WSCALE) >> 7
    return using | (8 if flags & _F_ECN else 0)


def _path_mtu(conn, cb):
    """What the path takes as far as we know: less than the link's after set_mss()."""
    ip_hdr = 20 if conn.ip is None or conn.ip.alen == 4 else 40
    room = cb[_SND_MSS] + (_TS_LEN if cb[_FLAGS] & _F_TS else 0)
    if conn.state < _ESTABLISHED or not conn.lowered:
        room = conn.mss
    return room + _TCP_HDR + ip_hdr


def _losses(conn, cb, mss, flight, v):
    """What of the flight has arrived, is lost, was sent again."""
    board = conn.board
    again = sub32(cb, _SND_NXT, cb, _SND_UNA)
    sacked = lost = 0
    if board:
        sacked = board.sacked
        lost = board.lost
    if again < flight:  # after a timeout all of it counts as lost
        lost = flight - sacked
        again -= board.below(again) if board else 0
    else:
        again = conn.rack.resent(conn) if board and conn.rack else 0
        lost += again  # it stays lost until it is there
    v["sacked"] = _segments(sacked, mss)
    v["lost"] = _segments(lost, mss)
    v["retrans"] = _segments(again, mss)


def pack(conn):
    """struct tcp_info, little endian."""
    return _pack(values(conn))


def pack_listener(listener):
    """The same of a listener: as in Linux, `unacked` are those that wait to be accepted, `sacked`
    is how many may."""
    return _pack({"state": 10, "unacked": len(listener.ready), "sacked": listener.backlog})


def _pack(known):
    parts = _FIELDS.split()
    numbers = [known.get(name, 0) for name in parts[1::2]]
    for i in range(8):  # bytes: what is more does not fit
        numbers[i] = min(numbers[i], 255)
    return struct.pack("<" + "".join(parts[::2]), *numbers)


def describe(conn):
    """values() with words for states."""
    from netstack.transport.tcp.connection import STATES

    v = values(conn)
    v["state"] = STATES[conn.state]
    v["ca_state"] = _CA_STATES[v["ca_state"]]
    names = ("timestamps", "sack", "wscale", "ecn")
    v["options"] = [names[i] for i in range(4) if v["options"] >> i & 1]
    v["snd_wscale"] = v["wscale"] & 15
    v["rcv_wscale"] = v.pop("wscale") >> 4
    v["congestion"] = conn.congestion()
    return v
