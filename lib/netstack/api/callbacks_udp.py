# UDP by callbacks: what callbacks.datagrams() gives. A file of its own, as who wants TCP alone
# needs nothing of UDP.

from netstack.api import host
from netstack.api.callbacks import address_of, check, length, network_of
from netstack.transport.udp import Endpoint


class Datagrams(Endpoint):
    """Made by datagrams()."""

    on_error = None  # callable (endpoint, errno): ICMP has told of what was sent, if connected

    def write(self, buf, at=0, n=None, addr=None, port=0):
        """Send a datagram, to `addr`, of 4 or 16 bytes, or where it is connected to (udp_sendto,
        udp_send). Returns n, or -errno; -ENOBUFS passes."""
        st = check(self.st)
        n = length(buf, at, n)
        ip = network_of(st, addr, port) if addr else None
        return self.send(buf, at, n, ip, addr, port)

    def respond(self, buf, at=0, n=None):
        """Send one to where the last one came from; returns as write()."""
        st = check(self.st)
        n = length(buf, at, n)
        ip = st.ip4 if self.from_len == 4 else st.ip6
        return self.send(buf, at, n, ip, self.from_addr, self.from_port)

    def close(self):
        check(self.st)
        Endpoint.close(self)


def _failed(endpoint):
    errno = endpoint.error
    if errno:
        endpoint.error = 0
        if endpoint.on_error:
            endpoint.on_error(endpoint, errno)


def open(port, on_recv, addr, st):
    st = check(st or host.stack())
    ip, addr = address_of(st, addr, port)
    endpoint = Datagrams(st.udp or host.udp())
    endpoint.rcvbuf = 0
    endpoint.answer = on_recv or _ignore
    endpoint.notify = _failed
    endpoint.bind(ip, addr, port)
    return endpoint


def _ignore(endpoint, buf, at, n):
    return 0
