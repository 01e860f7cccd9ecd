"""TLS and DTLS with OpenSSL, in both directions (RFC 5246, RFC 6347), and peers that misbehave."""

import random
import re
import socket
import time

import certs
import pytest
from netns import LINUX, OURS
from tls_peers import NAME, PORT, Client, Lossy, Peer, ask_all, echo_after, s_server

# -- OpenSSL is the client ----------------------------------------------------------------------


def test_s_client(lan, pem):
    """Either kind of key, whatever version is best, and one of each family of suites."""
    server = lan.ready("tls_serve", pem, "echo", "count=1", "cert=rsa")
    assert "TLSv1.3'), None, False, None" in ask_all(Client(lan, pem))
    server.expect("^served")
    server.finish()
    lan.ready("tls_serve", pem, "echo")
    assert "TLSv1.3" in ask_all(Client(lan, pem))
    for suite in ("AES256-GCM-SHA384", "CHACHA20-POLY1305", "AES128-SHA256", "AES256-SHA"):
        words = ask_all(Client(lan, pem, "-tls1_2", "-cipher", "ECDHE-ECDSA-" + suite))
        assert "TLSv1.2'), None, False, None" in words


def test_alpn_and_client_certificate(lan, pem):
    server = lan.ready("tls_serve", pem, "echo", "alpn=h2,http/1.1", "client=1", "count=2")
    mine = ("-cert", pem / "client.pem", "-key", pem / "client.key")
    words = ask_all(Client(lan, pem, "-tls1_2", "-alpn", "http/1.1,spdy/3", *mine))
    assert re.search(r"'http/1.1', False, \d\d\d\)", words)
    anonymous = Client(lan, pem, "-tls1_2")
    assert anonymous.process.wait() != 0  # RFC 5246 7.4.6: it has shown none
    server.expect("^error OSError")
    server.finish()


def test_sni(lan, pem):
    """RFC 6066 3: the name that a client asks for chooses the certificate; a callback that
    raises ends the connection, and tells the program why."""
    server = lan.ready("tls_serve", pem, "echo", "sni=1", "count=3")
    for name, subject in ((certs.OTHER, certs.OTHER), (NAME, NAME)):
        client = Client(lan, pem, "-servername", name, verify=False)
        client.said("^subject=CN = " + subject)
        client.ask("bye")
        client.process.finish()
    wrong = Client(lan, pem, "-servername", "wrong.example", verify=False)
    assert wrong.process.wait() != 0
    server.expect("^error RuntimeError.*nobody of that name")
    server.finish()


def test_tickets(lan, pem, tmp_path):
    """RFC 5077, RFC 8446 4.6.1: the second connection goes on with the session of the first."""
    lan.ready("tls_serve", pem, "echo", "tickets=1")
    for version in ("2", "3"):
        saved = tmp_path / version
        flag = "-tls1_" + version
        assert ", False, " in ask_all(Client(lan, pem, flag, "-sess_out", saved))
        client = Client(lan, pem, flag, "-sess_in", saved)
        client.said("^Reused, TLSv1." + version)
        assert ", True, " in ask_all(client)


def test_refused_by_our_server(lan, pem):
    """RFC 7301 3.2: no protocol in common; a client's certificate by a CA that nobody knows."""
    server = lan.ready("tls_serve", pem, "echo", "alpn=h2", "client=1", "count=4")
    for flag in ("-tls1_2", "-tls1_3"):
        for wrong, name, error in (
            (("-alpn", "spdy/3"), "client", "OSError"),
            (("-alpn", "h2"), "rogue", "ValueError"),
        ):
            mine = ("-cert", pem / (name + ".pem"), "-key", pem / (name + ".key"))
            client = Client(lan, pem, flag, *wrong, *mine)
            server.expect("^error " + error)
            client.process.stop()
    server.finish()


def test_dtls_tickets(lan, pem, tmp_path):
    server = lan.ready("tls_serve", pem, "dtls", "tickets=1")
    saved = tmp_path / "session"
    assert ", False, " in ask_all(Client(lan, pem, "-dtls1_2", "-sess_out", saved))
    server.expect("^ready")
    client = Client(lan, pem, "-dtls1_2", "-sess_in", saved)
    client.said("^Reused, TLSv1.2|^Reused, DTLSv1.2")
    assert ", True, " in ask_all(client)


def test_dtls_server(lan, pem):
    """RFC 6347: s_client has to bring a cookie first (4.2.1)."""
    server = lan.program("tls_serve", pem, "dtls", "count=2")
    for _ in range(2):
        server.expect("^ready")
        client = Client(lan, pem, "-dtls1_2")
        assert "DTLSv1.2" in ask_all(client)
        server.expect("^served")
    server.finish()
    sent = lan.capture.frames("udp && ip.src == " + OURS, "udp.dstport", "udp.payload")
    first = {}  # what each client was told first
    for port, payload in map(str.split, sent):
        first.setdefault(port, bytes.fromhex(payload.replace(":", ""))[13])
    assert first and set(first.values()) == {3}, sent  # HelloVerifyRequest


def test_curl(lan, pem, tmp_path):
    """Pages of every size by HTTPS, one after the other and ten at once."""
    lan.ready("tls_serve", pem, "http")
    url = "https://%s/" % NAME
    curl = ["curl", "--no-progress-meter", "--fail", "--max-time", "120", "--cacert"]
    curl += [pem / "ca.pem", "--resolve", "%s:443:%s" % (NAME, OURS), "--output-dir", tmp_path]
    sizes = [0, 1, 4095, 4096, 4097, 16384, 1000000]
    lan.run(*curl, "-o", "got#1", url + "{%s}" % ",".join(map(str, sizes)), timeout=130)
    for size in sizes:
        body = (tmp_path / ("got%d" % size)).read_bytes()
        assert body == (bytes(i & 255 for i in range(10000)) * 100)[:size], size
    crowd = ["--parallel", "--parallel-immediate", "--parallel-max", "10"]
    lan.run(*curl, *crowd, "-o", "all#1", url + "30000?[1-10]", timeout=130)
    assert {f.stat().st_size for f in tmp_path.glob("all*")} == {30000}


# -- OpenSSL is the server ----------------------------------------------------------------------


def test_s_server(lan, pem):
    """Blocking, with a session that goes on, and by asyncio."""
    s_server(lan, pem, "-www")
    for args in (("page", "again=1"), ("async",)):
        said = lan.program("tls_fetch", pem, *args).finish()
        lines = re.findall("^connected TLSv1.3 (.*)", said, re.M)
        assert lines == ["None False", "None True"][: len(args)], said
        assert all(int(n) > 1000 for n in re.findall(r"^got (\d+)", said, re.M))


def test_client_asks_for_much(lan, pem):
    """ALPN, a certificate of its own, records of 512 bytes (RFC 6066 4), and the session again."""
    asked = ("-Verify", "1", "-CAfile", pem / "ca.pem", "-verify_return_error")
    s_server(lan, pem, "-www", "-tls1_2", "-alpn", "x,h2", *asked)
    options = ("alpn=h2,http/1.1", "cert=client", "fragment=512", "again=1")
    said = lan.program("tls_fetch", pem, "page", *options).finish()
    assert re.findall("^connected (.*)", said, re.M) == ["TLSv1.2 h2 False", "TLSv1.2 h2 True"]
    assert re.findall("^longest (.*)", said, re.M) == ["512", "512"]


def test_client_names_whom_it_wants(lan, pem):
    """RFC 6066 3: or it would get a certificate that it does not believe."""
    other = ("-cert2", pem / "other.pem", "-key2", pem / "other.key")
    s_server(lan, pem, "-www", "-servername", certs.OTHER, *other)
    for host in (certs.OTHER, NAME):
        said = lan.program("tls_fetch", pem, "page", "host=" + host).finish()
        assert re.search(r"^got \d{4}", said, re.M), said


def test_session_without_tickets(lan, pem):
    """RFC 5246 7.4.1.3: OpenSSL remembers the session by its number."""
    s_server(lan, pem, "-www", "-tls1_2", "-no_ticket")
    said = lan.program("tls_fetch", pem, "page", "again=1").finish()
    assert re.findall("^connected (.*)", said, re.M) == [
        "TLSv1.2 None False",
        "TLSv1.2 None True",
    ]


def test_refused_by_their_server(lan, pem):
    """No protocol in common, no certificate where one is asked for, one of an unknown CA."""
    asked = ("-Verify", "1", "-CAfile", pem / "ca.pem", "-verify_return_error")
    for version in ("-tls1_2", "-tls1_3"):
        server = s_server(lan, pem, "-www", version, "-alpn", "x", *asked)
        for options in (("alpn=h2", "cert=client"), (), ("cert=rogue",)):
            said = lan.program("tls_fetch", pem, "page", *options).finish()
            assert re.search("^error OSError", said, re.M), (version, options, said)
        server.stop()


def test_dtls_client_goes_on_with_its_session(lan, pem):
    server = s_server(lan, pem, "-dtls1_2")
    client = lan.program("tls_fetch", pem, "dtls", "again=1")
    for _ in range(2):
        server.expect("^hello from netstack", 60)
        server.stdin.write("hello from OpenSSL\n")
        server.stdin.flush()
    said = client.finish()
    assert re.findall("^connected (.*)", said, re.M) == [
        "DTLSv1.2 None False",
        "DTLSv1.2 None True",
    ]


def test_dtls_client(lan, pem):
    server = s_server(lan, pem, "-dtls1_2", "-listen")
    client = lan.program("tls_fetch", pem, "dtls")
    server.expect("^hello from netstack")
    server.stdin.write("hello from OpenSSL\n")
    server.stdin.flush()
    said = client.finish()
    assert "connected DTLSv1.2" in said and "got b'hello from OpenSSL\\n'" in said


# Datagrams of the client and of the server that are lost, and how each waits: the full size of
# the test has all of them.
LOSSES = (
    ((0,), (1,), "wait=poll", "wait=async"),
    ((0, 2, 3), (0, 1), "wait=async", "wait="),
    ((), (1, 2, 3), "wait=", "wait=async"),
)


def test_dtls_flights_are_sent_again(lan, pem, full):
    """RFC 6347 4.2.4: whatever is lost, and however the program waits."""
    for there, back, client_waits, server_waits in LOSSES if full else LOSSES[:1]:
        server = s_server(lan, pem, "-dtls1_2", "-listen")
        with Lossy(lan, (LINUX, PORT), there, back) as lossy:
            client = lan.program("tls_fetch", pem, "dtls", client_waits, "port=%d" % lossy.port)
            server.expect("^hello from netstack", 60)
            server.stdin.write("hello from OpenSSL\n")
            server.stdin.flush()
            assert "got b'hello from OpenSSL\\n'" in client.finish()
        server.stop()
        server = lan.ready("tls_serve", pem, "dtls", "count=1", server_waits)
        with Lossy(lan, (OURS, PORT), there, back) as lossy:
            client = Client(lan, pem, "-dtls1_2", to=(LINUX, lossy.port))
            assert "DTLSv1.2" in ask_all(client)
        server.expect("^served")
        server.finish()


def test_not_believed(lan, pem):
    """A certificate of a CA that nobody knows, of another host, or of a CA we do not know."""
    unsigned = "not correctly signed by the trusted CA"
    for cert, options, error in (
        ("rogue", (), unsigned),
        ("server", ("host=elsewhere.example",), "does not match with the expected CN"),
        ("server", ("ca=nobody",), unsigned),
    ):
        server = s_server(lan, pem, "-www", cert=cert)
        said = lan.program("tls_fetch", pem, "page", *options).finish()
        assert re.search("^error ValueError.*" + error, said, re.M | re.S)
        server.stop()


# -- peers that misbehave -----------------------------------------------------------------------


def test_stalled_handshake(lan, pem):
    """Nothing, half a ClientHello, or a byte now and then: the timeout ends it, for all it
    may take in all."""
    server = lan.ready("tls_serve", pem, "echo", "timeout=1", "count=4")
    for send in (0, 50):
        peer = Peer(lan)
        peer.sock.sendall(peer.flight()[:send])
        server.expect(r"^error (OSError|timeout)\(110")
        peer.ending()
    peer = Peer(lan)
    with pytest.raises(OSError):  # it does not take all of it
        for byte in peer.flight():
            peer.sock.sendall(bytes([byte]))
            time.sleep(0.1)
    server.expect(r"^error (OSError|timeout)\(110")
    peer.ending()
    echo_after(lan, pem, server)


def test_bad_handshakes(lan, pem):
    """ClientHellos cut short and with bytes changed, each at another place, and what is no TLS
    at all: each ends by itself, and none leaves anything behind."""
    rng = random.Random(5246)
    count = 60
    server = lan.ready("tls_serve", pem, "echo", "count=%d" % (count + 2))
    for n in range(count):
        peer = Peer(lan)
        hello = bytearray(peer.flight())
        if n % 3 == 0:
            hello = hello[: rng.randrange(len(hello))]
        elif n % 3 == 1:
            hello[rng.randrange(len(hello))] ^= 1 << rng.randrange(8)
        else:
            hello = rng.randbytes(rng.randrange(1, 300))
        peer.finish(hello)
        server.expect("^error")
    peer = Peer(lan)
    peer.sock.sendall(b"\x16\x03\x03\xff\xff" + bytes(2000))  # RFC 5246 6.2.1: record_overflow
    peer.ending()
    assert "(110" not in server.expect("^error .*").group(0)
    echo_after(lan, pem, server)


def test_bad_records(lan, pem):
    """A record that is not what was sent, or comes twice, ends the connection (RFC 5246 7.2.2),
    and no byte of it reaches the program."""
    rng = random.Random(7)
    server = lan.ready("tls_serve", pem, "echo", "count=22")
    for n in range(21):
        peer = Peer(lan)
        peer.shake()
        peer.sock.sendall(peer.record(b"first\n"))
        record = peer.record(b"second\n" * 20)
        bad = bytearray(record)
        if n % 3 == 0:
            bad[rng.randrange(5, len(bad))] ^= 1 << rng.randrange(8)
        elif n % 3 == 1:
            bad = bad[: rng.randrange(1, len(bad))]
        else:
            bad += record
        said = peer.finish(bad)
        server.expect("^served" if n % 3 == 1 else "^error OSError")
        answers = peer.read(said)
        assert answers == b"FIRST\n" + b"SECOND\n" * 20 * (n % 3 == 2), answers
    echo_after(lan, pem, server)


def test_renegotiation(lan, pem):
    """Asking for a new handshake inside a connection is refused by either end (RFC 5246 7.2.2,
    no_renegotiation), however often."""
    count = 5
    server = lan.ready("tls_serve", pem, "echo", "count=%d" % (count + 1))
    for _ in range(count):
        client = Client(lan, pem, "-tls1_2", "-legacy_renegotiation")
        client.said("Verify return code: 0")
        client.ask("R")
        client.said("RENEGOTIATING")
        client.process.wait()
        assert "(110" not in server.expect("^(served|error.*)").group(0)
    echo_after(lan, pem, server)


def test_abrupt_ends(lan, pem):
    """A connection that ends without close_notify, at either end, is an end all the same."""
    server = lan.ready("tls_serve", pem, "echo", "count=4")
    for text in (b"dead\n", b"", b"bye\n"):
        peer = Peer(lan)
        peer.shake()
        if text:
            peer.sock.sendall(peer.record(text))
        else:
            peer.sock.shutdown(socket.SHUT_WR)
        data = peer.ending()
        server.expect("^served")
        assert (b"\x15\x03\x03" in data) == (text != b"dead\n")
    echo_after(lan, pem, server)
