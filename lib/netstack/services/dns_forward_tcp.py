# The DNS forwarder over TCP (RFC 5625 4.4, RFC 7766): for answers that do not fit into a datagram.
#
# On the wire:  | length 2 | message ... |
#
# Listener -> Door.come -> a Talk for each client: a question is answered by the forwarder if it
# knows, or goes over a connection of its own to a server, whose bytes then go to the client as
# they come. A talk has one such question; it ends when either side closes, after 10 s at the
# latest.

from micropython import const
from netstack.core.checksum import copy
from netstack.core.wire import get16, put16

_EAGAIN = const(11)
_PORT = const(53)
_HDR = const(12)
_QUESTION_MAX = const(512)
_TALKS = const(4)
_TALK_MS = const(10000)


class Door:
    """TCP port 53. Raises OSError(EADDRINUSE) when it is taken."""

    def __init__(self, forwarder):
        self.forwarder = forwarder
        self.st = forwarder.st
        self.talks = []
        self.listener = self.st.tcp.listen(None, None, _PORT, _TALKS)
        self.listener.notify = self.come

    def come(self, listener):
        """Clients have connected."""
        while True:
            conn = listener.accept()
            if conn is None:
                return
            if len(self.talks) < _TALKS and self._near(conn.raddr):
                Talk(self, conn)
            else:
                conn.abort()

    def _near(self, addr):
        """Is it a host of the links that we serve?"""
        for nif in self.forwarder.nifs:
            v4 = nif.v4
            if len(addr) == 4 and v4.set:
                for i in range(4):
                    if (addr[i] ^ v4.addr[i]) & v4.mask[i]:
                        break
                else:
                    return True
        return False

    def close(self):
        self.listener.close()
        for talk in list(self.talks):
            talk.end()


class Talk:
    """A client, and the server that its question has gone to."""

    def __init__(self, door, conn):
        self.door = door
        self.near = conn
        self.far = None
        self.buf = bytearray(2 + _QUESTION_MAX)
        self.got = 0  # of a question; of what the server has said
        self.sent = 0  # of the question to the server
        self.size = 0
        self.done = 0  # of what the server has said, to the client
        self.timer = door.st.timers.new(self.end)
        self.timer.start(door.st.now, _TALK_MS)
        door.talks.append(self)
        self._changed = self.changed
        conn.notify = self._changed
        self.changed(conn)

    def end(self):
        """Over, whatever is missing."""
        if self not in self.door.talks:
            return
        self.door.talks.remove(self)
        self.door.st.timers.discard(self.timer)
        for conn in (self.near, self.far):
            if conn:
                conn.notify = None
                if conn.error or conn.eof_seen:
                    conn.close()
                else:
                    conn.abort()

    def finish(self):
        """The server has said everything: so have we."""
        self.near.notify = None
        self.near.close()
        self.near = None
        self.end()

    def changed(self, _):
        """Something has happened to one of the connections."""
        if self.near.error or (self.far and self.far.error) or not self._step():
            self.end()

    def _step(self):
        """Go on; False: it cannot."""
        while self.far is None:
            n = self._read()
            if n <= 0:
                return n == 0
            if not self._serve():
                return False
        return self._ask() and self._pass()

    def _read(self):
        """Read a question: 1 it is there, 0 not yet, -1 it will not come."""
        while True:
            need = 2
            if self.got >= 2:
                need += get16(self.buf, 0)
                if not _HDR < need - 2 <= _QUESTION_MAX:
                    return -1
                if self.got == need:
                    return 1
            n = self.near.recv(self.buf, self.got, need - self.got)
            if n <= 0:
                return 0 if n == -_EAGAIN else -1
            self.got += n

    def _serve(self):
        """Answer the question, or pass it on; False: neither."""
        forwarder = self.door.forwarder
        n = forwarder.answer(self.buf, 2, self.got - 2, bytes(self.near.laddr))
        if n > 0:
            copy(self.buf, 2, forwarder.buf, 0, n)
            put16(self.buf, 0, n)
            self.got = 0
            return self.near.send(self.buf, 0, n + 2) == n + 2
        server = forwarder.server() if n == 0 else None
        if server is None:
            return False
        st = self.door.st
        far = st.tcp.open()
        try:
            far.connect(st.dns.network(server), server, _PORT)
        except OSError:
            return False
        self.far = far
        far.notify = self._changed
        self.size = self.got
        self.got = 0
        return True

    def _ask(self):
        """Send the server what is left of the question."""
        while self.sent < self.size:
            n = self.far.send(self.buf, self.sent, self.size - self.sent)
            if n < 0:
                return n == -_EAGAIN
            self.sent += n
        return True

    def _pass(self):
        """Give the client what the server says; its own end is ours."""
        if self.sent < self.size:
            return True
        if self.near.eof():
            return False
        while True:
            if self.done < self.got:
                n = self.near.send(self.buf, self.done, self.got - self.done)
                if n < 0:
                    return n == -_EAGAIN
                self.done += n
                continue
            n = self.far.recv(self.buf, 0, len(self.buf))
            if n == -_EAGAIN:
                return True
            if n <= 0:
                if n == 0:
                    self.finish()
                return n == 0
            self.done = 0
            self.got = n
