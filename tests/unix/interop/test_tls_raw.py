"""TLS by callbacks (docs/raw.md) with OpenSSL, in both directions."""

import re

from tls_peers import FLAT, Client, s_server

BLOCK = "".join(map(chr, range(33, 96)))
MINE = ("client.pem", "client.key")


def client(lan, pem, *args):
    cert, key = (pem / name for name in MINE)
    new = Client(lan, pem, "-quiet", "-no_ign_eof", "-cert", cert, "-key", key, *args)
    return new


def test_s_client(lan, pem):
    """Echoes, much data, client certificates and ALPN, in either version; who has no certificate
    is told to the listener; and the heap stays as it is."""
    server = lan.ready("tls_raw", pem, "serve", "count=7")
    for n, version in enumerate(("TLSv1.2", "TLSv1.3") * 3):
        flag = version.lower().replace("v", "").replace(".", "_")
        alpn = ("-alpn", "http/1.1") if n < 4 else ()
        peer = client(lan, pem, "-" + flag, *alpn)
        peer.ask("hello")
        peer.said("^HELLO$")
        peer.ask("about")
        words = peer.said(r"^\(\(.*\)$")
        assert re.search(
            r"'%s'\), %s, \d\d\d\)" % (version, "'http/1.1'" if alpn else None), words
        )
        peer.ask("big 128000")
        peer.ask("meanwhile")
        peer.said("^MEANWHILE$")
        assert peer.process.lines.count(BLOCK) == 2000
        peer.ask("bye")
        peer.process.finish()
        server.expect("^closed")
    anonymous = Client(lan, pem, "-tls1_2")
    assert anonymous.process.wait() != 0
    server.expect("^error -")
    grown = int(server.expect(r"^done (-?\d+)").group(1))
    server.finish()
    assert grown < FLAT, grown


def test_s_server(lan, pem):
    asked = ("-Verify", "1", "-CAfile", pem / "ca.pem", "-verify_return_error")
    for version in ("1_2", "1_3"):
        server = s_server(lan, pem, "-www", "-tls" + version, "-alpn", "x,h2", *asked)
        said = lan.program("tls_raw", pem, "fetch").finish()
        assert "'TLSv%s'), 'h2'" % version.replace("_", ".") in said
        assert int(re.search(r"^got (\d+)", said, re.M).group(1)) > 1000
        said = lan.program("tls_raw", pem, "fetch", "host=elsewhere.example").finish()
        assert re.search("^error -9984 .*does not match", said, re.M | re.S), said
        server.stop()
