# TCP's progress tells that a neighbour still answers (RFC 4861 7.3.1): what ours has sent is
# acknowledged, or new text comes in, so there is no need to ask it. Nothing is done for a segment:
# neighbor discovery looks at the connections when a neighbour comes to be in doubt, and again when
# it is about to be asked. For stacks with IPv6.
#
# Words of the control block: 71 SND.UNA and 72 RCV.NXT when a neighbour was last in doubt.

from micropython import const
from netstack.core.wire import move32, same, sub32

_ESTABLISHED = const(4)
_SND_UNA = const(1)
_RCV_NXT = const(7)
_UNA_THEN = const(71)
_NXT_THEN = const(72)


class Progress:
    """IPv6.progress"""

    def __init__(self, tcp, ip):
        self.table = tcp.table
        self.ip = ip
        ip.progress = self

    def watch(self):
        """A neighbour is in doubt: note how far each connection is."""
        for conn in self.table.objs:
            if conn is not None and conn.state >= _ESTABLISHED:
                move32(conn.cb, _UNA_THEN, conn.cb, _SND_UNA)
                move32(conn.cb, _NXT_THEN, conn.cb, _RCV_NXT)

    def by(self, nif, hops, off):
        """Has a connection gone on since, by the neighbour hops[off]?"""
        ip = self.ip
        for conn in self.table.objs:
            if (
                conn is not None
                and conn.state >= _ESTABLISHED
                and conn.ip is ip
                and (
                    sub32(conn.cb, _SND_UNA, conn.cb, _UNA_THEN) > 0
                    or sub32(conn.cb, _RCV_NXT, conn.cb, _NXT_THEN) > 0
                )
                and ip.way(conn.raddr, conn.laddr, conn.device) is nif
                and same(ip.hop or conn.raddr, 0, hops, off, 16)
            ):
                return True
        return False


def attach(st):
    """For a stack that has TCP and IPv6."""
    return Progress(st.tcp, st.ip6)
