"""What tests of TLS talk to: OpenSSL's s_client and s_server, and a client whose bytes pass
through our hands."""

import contextlib
import select
import socket
import ssl
import subprocess
import threading

import certs
from netns import OURS

NAME = certs.NAME
PORT = 4433
FLAT = 4800  # bytes by which a heap may differ: what the collector takes for pointers


class Client:
    """An s_client, as a conversation of lines."""

    def __init__(self, lan, pem, *args, verify=True, to=(OURS, PORT)):
        argv = ["openssl", "s_client", "-connect", "%s:%d" % to]
        if verify:
            argv += ["-CAfile", pem / "ca.pem", "-verify_return_error", "-verify_hostname", NAME]
        self.process = lan.start(*argv, *args, stdin=subprocess.PIPE)

    def said(self, pattern, timeout=60):
        return self.process.expect(pattern, timeout).group(0)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()


def ask_all(client):
    """Talk to tls_serve's echo; what it knows of the connection."""
    client.said("Verify return code: 0")
    client.ask("hello")
    client.said("^HELLO$")
    client.ask("about")
    words = client.said(r"^\(\(.*\)$")
    client.ask("bye")
    client.process.finish()
    return words


def s_server(lan, pem, *args, cert="server"):
    argv = ["openssl", "s_server", "-accept", PORT, "-cert", pem / (cert + ".pem")]
    argv += ["-key", pem / (cert + ".key"), *args]
    process = lan.start(*argv, stdin=subprocess.PIPE)
    process.expect("^ACCEPT")
    return process


class Lossy:
    """What passes datagrams on, between whoever comes to it and `to`, but for the ones whose
    numbers are in `there` and `back`. As a context."""

    def __init__(self, lan, to, there, back):
        with lan.ns.entered():
            self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.front.bind(("10.99.0.1", 0))
        self.back.bind(("10.99.0.1", 0))
        self.back.connect(to)
        self.port = self.front.getsockname()[1]
        self.lose = {self.front: set(there), self.back: set(back)}
        self.count = {self.front: 0, self.back: 0}
        self.peer = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while True:
            for sock in select.select([self.front, self.back], [], [])[0]:
                with contextlib.suppress(ConnectionRefusedError):
                    self._pass(sock)
                if self.peer == self.front.getsockname():
                    return

    def _pass(self, sock):
        data, peer = sock.recvfrom(65536)
        if sock is self.front:
            self.peer = peer
        n = self.count[sock]
        self.count[sock] += 1
        if n not in self.lose[sock]:
            if sock is self.front:
                self.back.send(data)
            else:
                self.front.sendto(data, self.peer)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.front.sendto(b"", self.front.getsockname())  # from itself: the end
        self.thread.join(30)
        self.front.close()
        self.back.close()
        assert all(self.count[sock] > max(lost, default=-1) for sock, lost in self.lose.items())


class Peer:
    """A TLS 1.2 client whose bytes pass through our hands."""

    def __init__(self, lan, port=PORT):
        with lan.ns.entered():
            self.sock = socket.create_connection((OURS, port), 60)
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing)

    def flight(self):
        """What it wants to send."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()

    def shake(self):
        while True:
            self.sock.sendall(self.flight())
            if self.tls.version() and self.tls.cipher():
                try:
                    self.tls.do_handshake()
                    return
                except ssl.SSLWantReadError:
                    pass
            data = self.sock.recv(65536)
            assert data, "closed during the handshake"
            self.incoming.write(data)

    def record(self, text):
        self.tls.write(text)
        return self.outgoing.read()

    def read(self, data):
        """The text that is in what has come."""
        self.incoming.write(data)
        text = b""
        try:
            while part := self.tls.read(1000):
                text += part
        except ssl.SSLError:  # an alert, or no more
            pass
        return text

    def finish(self, data):
        """Send the last, if the other end still listens, and see how it ends."""
        try:
            self.sock.sendall(data)
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        return self.ending()

    def ending(self):
        """All that still comes; a reset is an end as well."""
        data = b""
        try:
            while part := self.sock.recv(65536):
                data += part
        except ConnectionResetError:
            pass
        self.sock.close()
        return data


def echo_after(lan, pem, server):
    """The server is still itself, and its heap as before."""
    ask_all(Client(lan, pem))
    server.expect("^served")
    grown = int(server.expect(r"^done (-?\d+)").group(1))
    server.finish()
    assert grown < FLAT, "%d bytes of heap are gone" % grown
