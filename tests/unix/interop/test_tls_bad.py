"""A TLS peer that goes on and on with what is no data, as it may: tlslite-ng, which does as it is
told. Spoilt records and handshakes: test_tls.py, and api/test_ssl_bad.py for each byte."""

import contextlib
import re
import socket
import threading

import certs
from netns import OURS
from tls_peers import PORT, Client, Peer, ask_all, echo_after
from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tlslite.constants import ContentType
from tlslite.messages import ClientHello, Message

FLOOD = 20000  # messages, far more than we take
EPROTO = 71
V12, V13 = (3, 3), (3, 4)


def settings(version):
    new = HandshakeSettings()
    new.minVersion = new.maxVersion = version
    new.eccCurves = ["secp256r1", "x25519"]
    return new


def put(tls, kind, data):
    """Send a record with this in it."""
    for _ in tls._recordLayer.sendRecord(Message(kind, bytearray(data))):
        pass


def flood(tls, kind, data):
    """Until the other end has had enough of it, if the kernel tells in time."""
    with contextlib.suppress(OSError):
        for _ in range(FLOOD):
            put(tls, kind, data)


def connected(lan, version):
    with lan.ns.entered():
        sock = socket.create_connection((OURS, PORT), 60)
    tls = TLSConnection(sock)
    tls.handshakeClientCert(settings=settings(version), serverName=certs.NAME)
    tls.write(b"hello\n")
    assert bytes(tls.read(min=6, max=6)) == b"HELLO\n"
    return tls


def hello():
    """What asks for a new handshake."""
    return ClientHello().create(V12, bytearray(32), bytearray(), [0xC02B, 0xC02C]).write()


# name: (version, kind of record, what is in it, the error's number)
SERVER = {
    "warnings": (V12, ContentType.alert, b"\x01\x5a", "71"),
    "renegotiation": (V12, ContentType.handshake, hello(), "71"),
    "empty records": (V12, ContentType.application_data, b"", "-"),
    # RFC 8446 4.6.3, which mbedTLS does not know: the first one is too many
    "key updates": (V13, ContentType.handshake, b"\x18\0\0\1\1", "-"),
    "empty records 1.3": (V13, ContentType.application_data, b"", "-"),
    "change of cipher": (V13, ContentType.change_cipher_spec, b"\1", "71"),
    "warnings 1.3": (V13, ContentType.alert, b"\x01\x5a", "71"),
    "overlong record": (V12, ContentType.application_data, bytes(17000), "-"),
    "no such type": (V12, 99, b"what?", "-"),
}


def test_server(lan, pem):
    """Each ends its connection, with an error, and nothing else."""
    warm = 1 + len(SERVER)
    count = "count=%d" % (2 * warm)
    server = lan.ready("tls_serve", pem, "echo", count, "warm=%d" % warm)
    ask_all(Client(lan, pem))
    server.expect("^served")
    for _ in range(2):
        for name, (version, kind, data, error) in SERVER.items():
            tls = connected(lan, version)
            flood(tls, kind, data)
            said = server.expect("^(error|served).*").group(0)
            assert said.startswith("error OSError(" + error), (name, said)
            tls.sock.close()
    echo_after(lan, pem, server)


def test_a_few_do_no_harm(lan, pem):
    """Warnings, demands and empty records that a sound peer may send, with data between them."""
    server = lan.ready("tls_serve", pem, "echo", "count=3")
    for version in (V12, V13):
        tls = connected(lan, version)
        for n in range(1500):
            if version == V12:
                put(tls, ContentType.handshake, hello())
            put(tls, ContentType.alert, b"\x01\x5a")
            put(tls, ContentType.application_data, b"")
            put(tls, ContentType.application_data, b"%d\n" % n)
            if n % 50 == 0:
                tls.write(b"line\n")
        tls.write(b"bye\n")
        tls.sock.shutdown(socket.SHUT_WR)
        while tls.sock.recv(65536):
            pass
        server.expect("^served")
        tls.sock.close()
    echo_after(lan, pem, server)


CLIENT = {
    "HelloRequest": (V12, ContentType.handshake, b"\0\0\0\0", "71"),
    "warnings": (V12, ContentType.alert, b"\x01\x5a", "71"),
    "tickets": (V13, ContentType.handshake, None, "71"),
    "key updates": (V13, ContentType.handshake, b"\x18\0\0\1\1", "-"),
}


def test_client(lan, pem):
    chain = X509CertChain()
    chain.parsePemList((pem / "server.pem").read_text())
    key = parsePEMKey((pem / "server.key").read_text(), private=True)
    with lan.ns.entered():
        listener = socket.create_server(("", PORT))
    socks = []

    def serve(version, kind, data):
        sock = listener.accept()[0]
        socks.append(sock)
        tls = TLSConnection(sock)
        tls.handshakeServer(certChain=chain, privateKey=key, settings=settings(version))
        tls.read(min=18, max=18)
        if data is None:  # RFC 8446 4.6.1: lifetime, age, nonce, ticket, no extensions
            body = bytes.fromhex("00000e10 00000000 01 00 0080") + bytes(128) + b"\0\0"
            data = b"\4" + len(body).to_bytes(3, "big") + body
        flood(tls, kind, data)

    for name, (version, kind, data, error) in CLIENT.items():
        thread = threading.Thread(target=serve, args=(version, kind, data))
        thread.start()
        said = lan.program("tls_fetch", pem, "page").finish()
        with contextlib.suppress(OSError):
            socks.pop().shutdown(socket.SHUT_RDWR)  # the program is gone, and nobody answers
        thread.join(60)
        assert re.search(r"^error OSError\(%s" % error, said, re.M), (name, said)
    listener.close()


def cut(record, size):
    """A ClientHello in records of `size` bytes."""
    parts = [record[at : at + size] for at in range(5, len(record), size)]
    return b"".join(record[:3] + len(part).to_bytes(2, "big") + part for part in parts)


def test_handshake_in_fragments(lan, pem):
    """RFC 5246 6.2.1: a ClientHello in records of 4, 50 and 200 bytes."""
    server = lan.ready("tls_serve", pem, "echo", "count=4")
    for size in (4, 50, 200):
        peer = Peer(lan)
        peer.sock.sendall(cut(peer.flight(), size))
        peer.shake()
        peer.sock.sendall(peer.record(b"hello\n"))
        peer.sock.sendall(peer.record(b"bye\n"))
        assert peer.read(peer.ending()) == b"HELLO\n"
        server.expect("^served")
    echo_after(lan, pem, server)


def test_others_go_on(lan, pem, tmp_path):
    """While some say nothing, or half a ClientHello, a server serves all the others."""
    lan.ready("tls_serve", pem, "http")
    stalled = []
    for n in range(6):
        peer = Peer(lan, 443)
        peer.sock.sendall(peer.flight()[: n * 20])
        stalled.append(peer)
    url = "https://%s/" % certs.NAME
    curl = ["curl", "--no-progress-meter", "--fail", "--max-time", "60", "--cacert"]
    curl += [pem / "ca.pem", "--resolve", "%s:443:%s" % (certs.NAME, OURS)]
    lan.run(*curl, "-o", tmp_path / "page#1", url + "1000?[1-3]", timeout=70)
    assert all((tmp_path / ("page%d" % n)).stat().st_size == 1000 for n in (1, 2, 3))
    for peer in stalled:
        peer.sock.close()
