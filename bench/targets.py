"""What the figures shall reach: ratios of runs taken together, or figures by themselves."""

import collections
import statistics

# (stack of ours, what it is held against): like with like
SOCKETS = ("netstack sockets", "lwIP sockets")
RAW = ("netstack callbacks", "lwIP raw")

Target = collections.namedtuple("Target", "what ours theirs at_least limit")


def _ratio(what, key, pair, at_least, limit):
    ours, theirs = pair
    title = "%s: %s / %s" % (what, ours, theirs)
    return Target(title, (key, ours), (key, theirs), at_least, limit)


def _own(what, key, at_least, limit):
    return Target(what, (key, RAW[0]), None, at_least, limit)


_NETCONN = Target(
    "UDP echo: netstack callbacks / lwIP netconn",
    ("udp_echo", RAW[0]), ("udp_echo_netconn", SOCKETS[1]), True, 3,
)  # fmt: skip
TARGETS = (
    _ratio("TCP receive", "receive_1", SOCKETS, True, 1.0),
    _ratio("TCP receive", "receive_1", RAW, True, 0.45),
    _ratio("TCP send", "send_1", SOCKETS, True, 0.7),
    _ratio("TCP send", "send_1", RAW, True, 0.4),
    _ratio("UDP echo", "udp_echo", RAW, True, 0.4),
    _NETCONN,
    _ratio("connections accepted", "connections", RAW, True, 0.4),
    _ratio("receive, 1 % loss, 20 ms", "receive_1_loss_1", SOCKETS, True, 3),
    _ratio("receive, 1 % loss, 20 ms", "receive_1_loss_1", RAW, True, 3),
    _ratio("send, 1 % loss, 20 ms", "send_1_loss_1", SOCKETS, True, 3),
    _ratio("send, 1 % loss, 20 ms", "send_1_loss_1", RAW, True, 3),
    _ratio("send, 1 % loss, 20 ms, BBR", "send_1_loss_1_bbr", SOCKETS, True, 3),
    _ratio("send, 1 % loss, 20 ms, BBR", "send_1_loss_1_bbr", RAW, True, 3),
    _ratio("CPU for a MB received", "cpu_receive", SOCKETS, False, 1.0),
    _ratio("CPU for a MB sent", "cpu_send", SOCKETS, False, 1.0),
    _ratio("instructions to receive", "board_receive", RAW, False, 1.5),
    _ratio("instructions to send", "board_send", RAW, False, 1.5),
    _ratio("instructions for a UDP echo", "board_echo", RAW, False, 4),
    _ratio("instructions for a ping", "board_ping", RAW, False, 4),
    _ratio("UDP forwarded, 64 bytes", "forward_udp_64", RAW, True, 0.7),
    _ratio("UDP forwarded, 1460 bytes", "forward_udp_1460", RAW, True, 0.7),
    _ratio("TCP forwarded", "forward_tcp", RAW, True, 0.7),
    _ratio("UDP forwarded, 64 bytes, IPv6", "forward6_udp_64", RAW, True, 0.7),
    _ratio("UDP forwarded, 1440 bytes, IPv6", "forward6_udp_1440", RAW, True, 0.7),
    _ratio("TCP forwarded, IPv6", "forward6_tcp", RAW, True, 0.7),
    _ratio("instructions to forward 64 bytes", "board_forward_64", RAW, False, 4),
    _ratio("instructions to forward 1460 bytes", "board_forward_1460", RAW, False, 1.5),
    _own("receiving, 200 idle connections open : none", "crowd_receive_ratio", True, 0.95),
    _own("sending, 200 idle connections open : none", "crowd_send_ratio", True, 0.95),
    _own("1,000 open connections, whole process, MB", "whole_1000", False, 16),
    _own("fast path's share of segments, receiving, %", "fast_receive", True, 99),
    _own("fast path's share of segments, sending, %", "fast_send", True, 99),
)


def ratio(ours, theirs):
    """The median of the ratios of runs taken together; None if there is none."""
    found = [a / b for a, b in zip(ours, theirs) if a is not None and b]
    return statistics.median(found) if found else None


def judge(rows):
    """What of TARGETS the report's `rows` reach; met is None where there is no figure."""
    by_key = {row["key"]: row["stacks"] for row in rows}
    return [_verdict(target, by_key) for target in TARGETS]


def _verdict(target, by_key):
    reached = _reached(target, by_key)
    met = None
    if reached is not None:
        met = reached >= target.limit if target.at_least else reached <= target.limit
    return {
        "what": target.what,
        "at_least": target.at_least,
        "limit": target.limit,
        "reached": reached,
        "met": met,
    }


def _reached(target, by_key):
    key, stack = target.ours
    ours = by_key.get(key, {}).get(stack)
    if ours is None:
        return None
    if target.theirs is None:
        return ours["median"]
    key, stack = target.theirs
    theirs = by_key.get(key, {}).get(stack)
    return theirs and ratio(ours["values"], theirs["values"])
