"""A soft reset of a board with sockets open: peers are told when they send again, all of it can be
had anew, and the heap is as it was."""

import socket
import ssl
import threading

import certs
import emulate
import netns
import pytest

BOARDS = sorted(emulate.BOARDS)
NOBODY = "10.99.0.77"
ROUNDS = 2
NOISE = 512  # bytes that the collector may take for pointers
UP = (
    """
import network, socket, ssl
nic = network.LAN()
nic.active(True)
nic.ipconfig(addr4="%s/24")
s = socket.socket()
s.bind(("", 7))
s.listen(5)
print("is", "up")
"""
    % netns.OURS
)
# What is left open: connections with data on its way, with a callback, that nobody took and that
# are being opened; TLS before and after its handshake; datagrams.
OPEN = """
plain = s.accept()[0]
plain.setblocking(False)
plain.send(bytes(20000))
half = s.accept()[0]
half.setsockopt(socket.SOL_SOCKET, 20, lambda _: None)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
half = context.wrap_socket(half, server_side=True, do_handshake_on_connect=False)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.verify_mode = ssl.CERT_NONE
secret = socket.socket()
secret.connect(("%s", 443))
secret = context.wrap_socket(secret)
secret.write(b"secret")
opening = socket.socket()
opening.setblocking(False)
try:
    opening.connect(("%s", 9))
except OSError:
    pass
d = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
d.bind(("", 7))
d.sendto(b"x", ("%s", 7))
print("is", "open")
""" % (netns.LINUX, NOBODY, NOBODY)


class Prompt:
    """What is typed at the board's prompt."""

    def __init__(self, console):
        self.console = console
        console.prompt()

    def paste(self, text, said):
        """In paste mode, until the program has said this."""
        self.console.write(b"\x05" + text.strip().encode().replace(b"\n", b"\r\n") + b"\r\n\x04")
        self.console.expect(said, 60)
        self.console.expect(b">>> ")

    def reset(self):
        self.console.write(b"\x04")
        self.console.expect(b"soft reboot")
        self.console.expect(b">>> ")

    def free(self):
        self.console.write(b"import gc; gc.collect(); print('free', gc.mem_free(), 'bytes')\r")
        self.console.expect(b"\nfree ")
        return int(self.console.expect(b" bytes"))


class Https:
    """Somebody who takes one connection of TLS at a time, and keeps it."""

    def __init__(self, ns, directory):
        pem = certs.make(directory)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pem / "server.pem", pem / "server.key")
        with ns.entered():
            self.server = socket.create_server((netns.LINUX, 443))
        self.server.settimeout(60)

    def take(self):
        self.taken = None
        self.thread = threading.Thread(target=self._take, daemon=True)
        self.thread.start()

    def _take(self):
        conn, _ = self.server.accept()
        conn.settimeout(60)
        conn = self.context.wrap_socket(conn, server_side=True)
        if conn.recv(10) == b"secret":
            self.taken = conn

    def get(self):
        """What the session stands on: TLS would tell of its end in other words."""
        self.thread.join(60)
        assert self.taken, "no session of TLS"
        return socket.socket(fileno=self.taken.detach())


def connected(ns):
    with ns.entered():
        peer = socket.create_connection((netns.OURS, 7), 60)
    return peer


def check_reset(peer):
    """It sends, and hears that nobody is there."""
    with peer, pytest.raises(ConnectionResetError):
        peer.settimeout(60)
        peer.sendall(b"is anybody there?")
        while peer.recv(4096):
            pass
        raise AssertionError("the connection has ended as if all were well")


def test_sockets_across_a_soft_reset(tap_board, tmp_path):
    board, ns = tap_board
    https = Https(ns, tmp_path)
    heaps = []
    with board.console() as console:
        prompt = Prompt(console)
        prompt.reset()
        heaps.append(prompt.free())
        for _ in range(ROUNDS):
            prompt.paste(UP, b"is up")
            peers = [connected(ns) for _ in range(3)]  # the last one is not taken
            https.take()
            prompt.paste(OPEN, b"is open")
            peers.append(https.get())
            prompt.reset()
            heaps.append(prompt.free())
            prompt.paste(UP, b"is up")
            for peer in peers:
                check_reset(peer)
            with connected(ns) as peer:
                prompt.paste("c = s.accept()[0]\nprint(c.send(b'anew'), 'sent')\n", b"4 sent")
                assert peer.recv(10) == b"anew"
            prompt.reset()
            heaps.append(prompt.free())
    assert max(heaps) - min(heaps) <= NOISE, heaps
    print(heaps)
