"""Scripts that are wrong, in what they say and in what they expect of the stack: which line it is.
A runner that lets these pass would let anything pass."""

import pathlib
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).parent))
import run  # noqa: E402
import script  # noqa: E402

GOOD = """// a comment
--tolerance_usecs=2000
0  socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
+0 bind(3, {sa_family = AF_INET, sin_port = htons(8080),
            sin_addr = inet_addr("0.0.0.0")}, 16) = 0
+0 listen(3, 1) = 0 /* another
                       comment */
+0 `sysctl -q net.ipv4.tcp_sack=0`
+0 < S 0:0(0) win 32792 <mss 1000, nop,nop>
+0 > S. 0:0(0) ack 1 <...>
+.1 < . 1:1(0) ack 1 win 257
+0 accept(3, ..., ...) = 4
0.2 write(4, ..., 100) = 100
0.2~.25 > P. 1:101(100) ack 1
* %{ assert tcpi_unacked == 1 }%
+.1 < [ect0] . 1:1(0) ack 101 win 257
+0...0.2 read(4, ..., 100) = 50
+.2 < P. 1:51(50) ack 101 win 257
+0~+.5 > . 101:101(0) ack 51
+1 recv(4, ..., 100, MSG_DONTWAIT) = -1 EAGAIN (Resource temporarily unavailable)
"""

UNSUPPORTED = (
    ("+0 listen(3, 1)", "+0 sendfile(3, 1)", "bad:7: sendfile() is not supported here"),
    ("SO_REUSEADDR", "SO_ZEROCOPY", "bad:4: SO_ZEROCOPY is not supported here"),
    ("MSG_DONTWAIT", "MSG_OOB", "bad:21: MSG_OOB is not supported here"),
    ("mss 1000", "FO 1234", "bad:10: the cookie 1234 is not supported here"),
    ("tcpi_unacked", "tcpi_chrono", "bad:16: tcpi_chrono is not supported here"),
    ("--tolerance_usecs", "--colour", "bad:2: --colour is not supported here"),
    ("> P. 1:101", "> PA. 1:101", "bad:15: the flag A is not supported here"),
    ("[ect0]", "[flowlabel 1]", "bad:17: [flowlabel] is not supported here"),
)
WRONG = (
    ("1:101(100)", "1:102(100)", "bad:15: 1:102(100) does not add up"),
    ("ack 1 win 257", "ack 1", "bad:12: a segment that is injected needs a window"),
    ("< S 0:0(0) win 32792 <mss 1000, nop,nop>", "< S 0:0(0) win 1 <...>", "bad:10: a segment"),
    ("0.2~.25", "0.2~.1", "bad:15: this range of times ends before it begins"),
    ("0.2~.25", "0.2~+.25", "bad:15: both ends"),
    ("+0 listen(3, 1) = 0", "listen(3, 1) = 0", "bad:7: a time was expected, not listen"),
    ("+0 listen(3, 1) = 0", "+0 listen(3) = 0", "bad:7: listen() with 1 arguments"),
    ("+0 listen(3, 1) = 0", "+0 listen(3, 1)", "= was expected"),
    ("* %{", "*...0.3 %{", "bad:17: only a call takes time"),
)
FAILING = (
    ("> S. 0:0(0) ack 1 <...>", "> S. 0:0(0) ack 2 <...>", ":11: ", "S. 0:0(0) ack 1 win"),
    ("> S. 0:0(0) ack 1 <...>", "> S. 0:0(0) ack 1", ":11: ", "<mss 1460"),
    ("> S. 0:0(0) ack 1 <...>", "> S. 0:0(0) ack 1 win 7 <...>", ":11: ", "win 65535"),
    ("> P. 1:101(100) ack 1", "> . 1:101(100) ack 1", ":15: ", "got       P. 1:101(100)"),
    ("> P. 1:101(100) ack 1", "> P. 1:102(101) ack 1", ":15: ", "got       P. 1:101(100)"),
    ("0.2~.25 >", "0.3 >", ":15: ", "at 0.200000"),
    ("tcpi_unacked == 1", "tcpi_unacked == 2", ":16: ", "tcpi_unacked = 1"),
    (" = 100", " = 99", ":14: ", "got       100"),
    ("EAGAIN", "EPIPE", ":21: ", "got       -1 EAGAIN"),
    ("+0...0.2 read", "+0...0.4 read", ":18: ", "got       back at 0.500000"),
    ("+0...0.2 read", "+0...0.1 read", ":18: ", "it has not returned by 0.400000"),
    ("+0...0.2 read", "+0 read", ":18: ", "it blocks"),
    ("MSG_DONTWAIT", "0", ":21: ", "it blocks"),
    ("+0~+.5 > . 101:101(0) ack 51\n", "", ":20: ", "expected  nothing behind it"),
    ("+0 accept(3, ..., ...) = 4", "+0 accept(5, ..., ...) = 4", ":13: ", "no socket 5"),
    ("P. 1:51(50) ack 101", "P. 2:52(50) ack 101", ":20: ", "ack 1 "),
    ("+0~+.5 > . 101:101(0) ack 51", "+0 > udp (5)", ":20: ", "nothing was sent by"),
    ("* %{", "0.1 %{", ":16: ", "it is 0.200000 already"),
)


def read(text):
    return script.Script(text, "bad")


def play(text, tmp_path):
    path = tmp_path / "script.pkt"
    path.write_text(text)
    return run.run(path)


def changed(old, new):
    assert old in GOOD, old
    return GOOD.replace(old, new)


def test_a_good_script(tmp_path):
    passed, text = play(GOOD, tmp_path)
    assert passed, text
    assert "script.pkt:9: a shell command is not run" in text


@pytest.mark.parametrize("old, new, text", UNSUPPORTED + WRONG)
def test_what_a_script_may_not_say(old, new, text):
    with pytest.raises(script.ScriptError) as caught:
        read(changed(old, new))
    assert text in str(caught.value)


@pytest.mark.parametrize("old, new, line, text", FAILING)
def test_what_the_stack_does_not_do(old, new, line, text, tmp_path):
    passed, output = play(changed(old, new), tmp_path)
    assert not passed
    assert "script.pkt" + line in output and text in output, output
    assert "Traceback" not in output


def test_the_page(tmp_path):
    page = (pathlib.Path(__file__).parent / "README.md").read_text()
    passed, text = play(page.split("```")[1], tmp_path)
    assert passed, text
    for name in list(script.CALLS) + script.TCP_INFO + list(script.ACCEPTED):
        assert name in page, name


def test_loosely(tmp_path):
    """What --loose lets pass, and what it does not."""
    text = changed("0.2 write(4, ..., 100) = 100", "0.2 write(4, ..., 2000) = 2000")
    text = text.split("0.2~")[0].replace("win 257", "win 32000").replace("<...>", "<mss 9>")
    path = tmp_path / "script.pkt"
    for end, good in (
        ("+0 > . 1:2001(2000) ack 1\n", True),
        ("+0 > . 1:2002(2001) ack 1\n", False),
        ("+0 > F. 1:2001(2000) ack 1\n", False),
    ):
        path.write_text(text + end)
        assert run.run(path)[0] is False
        passed, output = run.run(path, loose=True)
        assert passed is good, output


def test_steps():
    steps = read(GOOD).steps
    assert steps[4][1:3] == ("<", (1, 0, 0))
    options = [("mss", 1000), ("nop",), ("nop",)]
    assert steps[4][4] == ("tcp", "S", 0, 0, None, 32792, 0, options, None)
    assert steps[9][2] == (0, 200000, 250000)
    assert steps[10][2][0] == 2
    assert steps[-4][4] == ("read", [4, None, 100], 200000, 50, 0)


def test_an_empty_script():
    with pytest.raises(script.ScriptError):
        read("// nothing\n")


def test_every_script_says_what_it_proves():
    scripts = sorted(pathlib.Path(__file__).parent.glob("*.pkt"))
    assert len(scripts) >= 30
    for path in scripts:
        first = path.read_text().split("\n", 1)[0]
        assert first.startswith("// ") and ("RFC" in first or "POSIX" in first), path.name
