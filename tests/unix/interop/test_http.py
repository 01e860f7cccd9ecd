"""HTTP as users do it: our servers fetched by curl, our client fetching from Linux."""

import sys

import pytest
from netns import LINUX, OURS
from test_tcp import digest, make_file

URL = "http://%s/" % OURS
CURL = ("curl", "--no-progress-meter", "--fail", "--max-time", "240")


@pytest.mark.parametrize("server", ["http_async", "http_plain"])
def test_download(lan, tmp_path, full, server):
    size = (100 if full else 20) << 20
    path, want = make_file(tmp_path, size)
    lan.ready(server, tmp_path)
    lan.run(*CURL, "-o", tmp_path / "got", URL + path.name, timeout=250)
    assert digest(tmp_path / "got") == want


def test_upload(lan, tmp_path, full):
    size = (100 if full else 20) << 20
    path, want = make_file(tmp_path, size)
    lan.ready("http_async", tmp_path)
    assert lan.run(*CURL, "-T", path, URL, timeout=250).stdout == want


@pytest.mark.parametrize("server", ["http_async", "http_plain"])
def test_small_pages(lan, tmp_path, server):
    """Every size around a segment's, and none at all; one curl, many connections."""
    lan.ready(server, tmp_path)
    sizes = [0, 1, 536, 1459, 1460, 1461, 2920, 4096, 65535, 65536]
    wants = [make_file(tmp_path, size, "f%d" % size)[1] for size in sizes]
    lan.run(
        *(*CURL, "--output-dir", tmp_path, "-o", "got#1"),
        URL + "f{%s}" % ",".join(map(str, sizes)),
        timeout=250,
    )
    assert [digest(tmp_path / ("got%d" % size)) for size in sizes] == wants


def test_parallel(lan, tmp_path):
    """30 fetches of 64 kB at once."""
    path, want = make_file(tmp_path, 65536)
    lan.ready("http_async", tmp_path)
    lan.run(
        *CURL,
        "--parallel",
        "--parallel-immediate",
        "--parallel-max",
        "30",
        "--output-dir",
        tmp_path,
        "-o",
        "got#1",
        URL + path.name + "?[1-30]",
        timeout=250,
    )
    assert {digest(tmp_path / ("got%d" % i)) for i in range(1, 31)} == {want}


def test_download_while_uploading(lan, tmp_path):
    path, want = make_file(tmp_path, 4 << 20)
    lan.ready("http_async", tmp_path)
    up = lan.start(*CURL, "-T", path, URL)
    down = lan.start(*CURL, "-o", tmp_path / "got", URL + path.name)
    assert up.finish(250) == want
    down.finish(250)
    assert digest(tmp_path / "got") == want


def test_bad_wire(bad_lan, tmp_path):
    path, want = make_file(tmp_path, 1 << 20)
    bad_lan.ready("http_async", tmp_path)
    bad_lan.run(*CURL, "-o", tmp_path / "got", URL + path.name, timeout=250)
    assert digest(tmp_path / "got") == want
    assert bad_lan.run(*CURL, "-T", path, URL, timeout=250).stdout == want


def test_our_client(lan, tmp_path):
    path, want = make_file(tmp_path, 5 << 20)
    lan.start(sys.executable, "-m", "http.server", "8000", "--bind", LINUX, cwd=tmp_path)
    lan.ns.wait_port(8000)
    client = lan.program("http_get", LINUX, 8000, "/" + path.name)
    client.expect(r"^HTTP/1.\d 200 ")
    assert client.expect(r"^got (\d+) (\w+)", 120).groups() == (str(5 << 20), want)
    client.finish()


def test_our_asyncio_clients(lan, tmp_path):
    """Ten at once, by asyncio.open_connection."""
    files = [make_file(tmp_path, 100000 + i, "f%d" % i) for i in range(10)]
    lan.start(sys.executable, "-m", "http.server", "8000", "--bind", LINUX, cwd=tmp_path)
    lan.ns.wait_port(8000)
    client = lan.program("http_get_async", LINUX, 8000, *["/" + path.name for path, _ in files])
    got = [client.expect(r"^got (\S+) (\d+) (\w+)").groups() for _ in files]
    assert sorted(got) == sorted(
        ("/" + path.name, str(path.stat().st_size), want) for path, want in files
    )
