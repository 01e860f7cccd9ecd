"""Clients of others against a server of others, microdot, that runs on netstack."""

import json
import os
import re
import ssl

import pytest

import internet
import netns

NAME = "board.test"  # what the certificate says


@pytest.fixture
def server(lan, program, tmp_path):
    """Start the web server; its certificate is signed by signer.pem in tmp_path."""

    def start(port, tls=False):
        arguments = [port]
        if tls:
            internet.authority(str(tmp_path))
            internet.certify(str(tmp_path), "site", NAME, [NAME], ca="signer")
            arguments += ["site.pem", "site.key"]
        return program(lan, "web_microdot", ["microdot/src"], *arguments, cwd=tmp_path)

    return start


def check_pages(ns, curl, url):
    assert ns.run(*curl, url).stdout == "Hello, World!"
    body = bytes(range(256)) * 500
    done = ns.run(*curl, "--data-binary", "@-", url + "length", input=body, text=False)
    assert json.loads(done.stdout) == {"length": len(body), "sum": sum(body)}
    lines = ns.run(*curl, url + "lines/2000").stdout
    assert lines == "".join("line %d\n" % i for i in range(1, 2001))


def test_curl(lan, server):
    """Pages, a body of 128 kB, an answer of unknown length."""
    server(80)
    check_pages(lan, ["curl", "-sS", "--fail", "--max-time", "120"], "http://%s/" % netns.OURS)


def test_curl_https(lan, server, tmp_path):
    """The same by TLS; curl and openssl verify the certificate, and refuse it by another name."""
    server(443, tls=True)
    believed = tmp_path / "believed.pem"
    believed.write_bytes(b"".join((tmp_path / n).read_bytes() for n in ("root.pem", "signer.pem")))
    curl = ["curl", "-sS", "--fail", "--max-time", "120", "--cacert", believed]
    for name in (NAME, "other.test"):
        curl += ["--resolve", "%s:443:%s" % (name, netns.OURS)]
    check_pages(lan, curl, "https://%s/" % NAME)
    assert lan.run(*curl, "https://other.test/", check=False).returncode == 60
    client = ["openssl", "s_client", "-connect", netns.OURS + ":443", "-verify_return_error"]
    client += ["-CAfile", believed, "-verify_hostname", NAME, "-ign_eof"]
    said = lan.run(*client, input="GET / HTTP/1.0\r\n\r\n").stdout
    assert "Verify return code: 0 (ok)" in said and "Hello, World!" in said


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_load(lan, server, tls, full):
    """ab, a connection for each request, and wrk, which keeps eight: none fails."""
    scheme, port = ("https", 443) if tls else ("http", 80)
    server(port, tls)
    url = "%s://%s/" % (scheme, netns.OURS)
    requests = (2000 if full else 200) // (4 if tls else 1)
    said = lan.run("ab", "-q", "-n", requests, "-c", 8, "-s", 90, url, timeout=240).stdout
    assert re.search(r"Complete requests: +%d\n" % requests, said), said
    assert re.search(r"Failed requests: +0\n", said) and "Non-2xx" not in said, said
    for seconds in (10,) if full else (1, 10, 60):  # until there was time for an answer
        said = lan.run(*"wrk -t 1 -c 8 --timeout 90 -d".split(), seconds, url, timeout=120).stdout
        assert "Socket errors" not in said and "Non-2xx" not in said, said
        answers = int(re.search(r"(\d+) requests in", said)[1])
        if answers:
            break
    assert answers, said


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
def test_websocket(lan, server, tmp_path, tls):
    """websocket-client of PyPI: messages of each size of header, a ping, a close."""
    import websocket

    port = 443 if tls else 80
    server(port, tls)
    options = {"cert_reqs": ssl.CERT_NONE} if tls else None
    with lan.entered():
        url = "%s://%s:%d/echo" % ("wss" if tls else "ws", netns.OURS, port)
        ws = websocket.create_connection(url, timeout=60, sslopt=options)
    for n in (1, 125, 126, 65535, 65536):
        message = os.urandom(n)
        ws.send_binary(message)
        assert ws.recv() == message
    ws.ping("are you there")
    assert ws.recv_data(control_frame=True) == (websocket.ABNF.OPCODE_PONG, b"are you there")
    ws.send("text")
    assert ws.recv() == "text"
    ws.close()
