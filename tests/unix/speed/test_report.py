"""What bench/report.py makes of figures, of runs that failed and of rows that a stack has not."""

import os
import sys

import pytest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
sys.path.insert(0, os.path.join(ROOT, "bench"))
import report  # noqa: E402
import rp2040  # noqa: E402
import targets  # noqa: E402

STACKS = ["netstack sockets", "netstack callbacks", "lwIP sockets", "lwIP raw"]


class Row:
    figures = [("rate", "TCP <receive>", "Mbit/s", True)]


def cell(*values, note=None):
    return {"values": list(values), "notes": [note] if note else []}


def data(*cells):
    rows = report.rows([Row], {"rate": dict(zip(STACKS, cells))})
    machine = {"cpu": "a CPU", "cores": 2, "load": [0.5]}
    return {
        "runs": 3,
        "lwip": "2.2.1",
        "machine": machine,
        "stacks": STACKS,
        "rows": rows,
        "targets": targets.judge(rows),
    }


@pytest.fixture
def some():
    return data(
        cell(10, 30, 20),
        cell(None, None, None, note="not measured here"),
        cell(20, 20, None, note="failed: no answer"),
        cell(None, None, None, note="failed: no answer"),
    )


def test_median_and_failures(some):
    cells = some["rows"][0]["stacks"]
    assert [cells[name]["median"] for name in STACKS] == [20, None, 20, None]
    assert [cells[name]["failed"] for name in STACKS] == [0, 0, 1, 3]


def test_ratio_is_of_runs_taken_together(some):
    ratios = some["rows"][0]["ratios"]
    assert ratios["netstack sockets / lwIP sockets"] == 1.0  # of 10:20 and 30:20, not of 20:20
    assert ratios["netstack callbacks / lwIP raw"] is None


def test_table_says_what_is_missing(some):
    line = report.markdown(some).splitlines()[4]
    assert line == (
        "| TCP <receive>, Mbit/s | 20.0 | not measured here | 20.0 (1 of 3 failed)"
        " | failed: no answer | 1.00 | - |"
    )


def verdict(ours, theirs, key="receive_1"):
    class One:
        figures = [(key, "x", "y", True)]

    names = ("netstack sockets", "lwIP sockets")
    cells = {name: cell(None) for name in STACKS}
    cells.update(zip(names, (ours, theirs)))
    found = targets.judge(report.rows([One], {key: cells}))
    return [each for each in found if "%s / %s" % names in each["what"] and each["reached"]]


def test_targets_are_ratios_of_runs_taken_together():
    # TCP receive is to be at least lwIP's, CPU for it at most.
    assert [(v["reached"], v["met"]) for v in verdict(cell(10, 30), cell(20, 20))] == [(1, True)]
    assert [v["met"] for v in verdict(cell(19), cell(20))] == [False]
    assert [v["met"] for v in verdict(cell(19), cell(20), "cpu_receive")] == [True]
    assert [v["met"] for v in verdict(cell(21), cell(20), "cpu_receive")] == [False]


def test_targets_without_figures_are_not_measured(some):
    assert {each["met"] for each in some["targets"]} == {None}
    assert report.markdown(some).count("| not measured |") == len(targets.TARGETS)


@pytest.fixture
def board():
    figures = {"tcp_receive": 1500, "echo_64": 1007, "ping_us": 900, "heap_nic_up": 200000}
    note = {"note": "failed: no chip"}
    return {"clocks": [12, 31.25], "figures": [figures, note], "flash": 700000}


def test_rp2040_stands_beside_upstream(some, board):
    some["rp2040"] = board
    lines = report.markdown(some).splitlines()
    assert "| TCP receive, kB/s | 1500 | 751 | 2.00 | failed: no chip | 1307 | - |" in lines
    assert "| the SPI's limit, kB/s | 1500 | 1500 | - | 3906 | 3906 | - |" in lines
    assert "| cycles to send 1460 bytes | - | - | - | failed: no chip | - | - |" in lines
    assert "| heap free with the NIC up, bytes | 200000 | 208880 |" in lines


def test_rp2040_is_judged_at_the_clocks_it_is_asked_at(board):
    met = {each["what"]: each["met"] for each in rp2040.judge(board)}
    assert met["RP2040, 12 MHz: TCP receive, kB/s"] is True
    assert met["RP2040, 12 MHz: UDP echo of 64 bytes : upstream"] is True
    assert met["RP2040, 12 MHz: ping, us"] is False
    assert met["RP2040, 12 MHz: TCP send, kB/s"] is None
    assert met["RP2040, 31.25 MHz: ping, us"] is None
    assert "RP2040, 31.25 MHz: TCP receive, kB/s" not in met


def test_numbers_keep_three_digits():
    assert [report.number(x) for x in (0.12345, 1.2345, 12.345, 123.45, 12345.6, None)] == [
        "0.123", "1.23", "12.3", "123", "12346", "-",
    ]  # fmt: skip


def test_chart_escapes_titles(some):
    from xml.dom import minidom

    chart = minidom.parseString(report.svg(some))
    assert any("TCP <receive>" in t.firstChild.data for t in chart.getElementsByTagName("text"))


def test_readme_keeps_the_rest(tmp_path, some):
    path = tmp_path / "README.md"
    path.write_text("before\n%s\nold\n%s\nafter\n" % (report.BEGIN, report.END))
    for _ in range(2):
        report.into_readme(path, some)
    text = path.read_text()
    assert text.startswith("before\n" + report.BEGIN) and text.endswith(report.END + "\nafter\n")
    assert "old" not in text and text.count("| TCP <receive>") == 1


def test_readme_without_marks_is_left_alone(tmp_path, some):
    path = tmp_path / "README.md"
    path.write_text("nothing\n")
    with pytest.raises(SystemExit, match="lacks the lines"):
        report.into_readme(path, some)
    assert path.read_text() == "nothing\n"
