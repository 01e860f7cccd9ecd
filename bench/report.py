"""What `make bench` measured, as JSON, as a table and as a chart."""

import json
import statistics
from xml.sax.saxutils import escape

import rp2040
import targets

BEGIN = "<!-- made by `make bench README=1` -->"
END = "<!-- end of make bench -->"
# Which pairs the ratios are of: like with like.
PAIRS = (targets.SOCKETS, targets.RAW)
COLOURS = {"netstack": "#1f6fb4", "lwIP": "#d9822b", "Linux": "#8a8a8a"}


def cell():
    """What is known of one stack in one row."""
    return {"values": [], "notes": []}


def rows(table, result):
    """The rows of the report: every figure's values, median and ratios."""
    found = []
    for row in table:
        for key, title, unit, more in row.figures:
            cells = result[key]
            for each in cells.values():
                good = [v for v in each["values"] if v is not None]
                each["median"] = statistics.median(good) if good else None
                each["failed"] = len(each["values"]) - len(good) if good or failed(each) else 0
            ratios = {"%s / %s" % pair: ratio(cells, *pair) for pair in PAIRS}
            found.append(
                {"key": key, "title": title, "unit": unit, "more_is_better": more,
                 "stacks": cells, "ratios": ratios}
            )  # fmt: skip
    return found


def failed(cell):
    return any(note.startswith("failed") for note in cell["notes"])


def ratio(cells, ours, theirs):
    return targets.ratio(cells[ours]["values"], cells[theirs]["values"])


def number(value):
    """Three digits or more: 0.123, 4.56, 78.9, 12345."""
    if value is None:
        return "-"
    magnitude = abs(value)
    places = 0 if magnitude >= 100 else 1 if magnitude >= 10 else 2 if magnitude >= 1 else 3
    return "%.*f" % (places, value)


def shown(cell):
    if cell["median"] is None:
        return cell["notes"][0] if cell["notes"] else "not measured here"
    text = number(cell["median"])
    if cell["failed"]:
        text += " (%d of %d failed)" % (cell["failed"], len(cell["values"]))
    return text


def markdown(data):
    names = data["stacks"]
    heads = ["", *names, "sockets : lwIP sockets", "callbacks : lwIP raw"]
    lines = [caption(data), "", "| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in data["rows"]:
        cells = ["%s, %s" % (row["title"], row["unit"])]
        cells += [shown(row["stacks"][name]) for name in names]
        cells += [number(r) for r in row["ratios"].values()]
        lines.append("| " + " | ".join(cells) + " |")
    if data.get("rp2040"):
        lines += ["", *rp2040.markdown(data["rp2040"], number)]
    return "\n".join(lines + ["", *verdicts(data), "", *remarks(data)])


_MET = {True: "met", False: "not met", None: "not measured"}


def verdicts(data):
    """A table of what was to be reached."""
    yield "| to be reached | | reached | |"
    yield "|---" * 4 + "|"
    for each in data["targets"]:
        bound = "%s %s" % (">=" if each["at_least"] else "<=", "%g" % each["limit"])
        met = _MET[each["met"]]
        yield "| %s | %s | %s | %s |" % (each["what"], bound, number(each["reached"]), met)


def caption(data):
    what = "One short run" if data["runs"] == 1 else "Medians of %d runs" % data["runs"]
    where = data["machine"]
    return "%s, lwIP %s; %s, %d cores, load %.1f when it began." % (
        what, data["lwip"], where["cpu"], where["cores"], where["load"][0]
    )  # fmt: skip


_REMARKS = """\
Absolute figures are noisy on a machine that does other work: compare within a row. Ratios are
medians of the ratios of runs taken together. Receive and send are what the stack does, with
Linux at the other end of a TAP, its sender with CUBIC; Linux itself is measured over a veth
without offloads, and the kernel's work in interrupts, most of what its stack does, is in no CPU
figure. Loss and delay come from a cable in user space, `tests/unix/interop/wire.py`, with a
ceiling of its own. lwIP: `-O3`, MSS 1460, windows of 60 kB, 1024 pool buffers, 2048 input
messages; of the memory for a connection of its sockets 16 kB are the mailbox, which its port
makes as large as that for input. netstack's callbacks are those of docs/raw.md, and do as lwIP's
raw API does: what has come is consumed where it lies, a datagram answered in the frame it came
in; the sockets' echo copies it to a buffer and back. On the board, MPS2_AN385 in QEMU, both are
polled and driven by callbacks, lwIP is built by its default, `-Os`, and driver, service and ACKs
are included; one run. The UDP echo of lwIP's sockets is by `recvfrom` and `sendto`; the row
below it is by netconn, as lwIP's `contrib/apps/udpecho` has it. Idle connections come and go
while one transfer goes on, which is timed with and without them. Memory of the whole process is
its largest resident set, program and libraries included. A router forwards between TAPs of two
hosts, each in a namespace of its own, with 128 datagrams under way or a TCP connection, one
thread, lwIP's built like `lwIP raw` with IP_FORWARD (and CHECKSUM_GEN_IP, _UDP, _TCP and _ICMP
off, or `ip4_forward()` of 2.2.1 clears the sums of what it forwards); Linux forwards between
veths. The board has one NIC: what it forwards leaves by the one it came by, with 4 datagrams
under way."""


def remarks(data):
    lines = _REMARKS.splitlines()
    if data.get("rp2040"):
        lines += ["", *rp2040.REMARKS.splitlines()]
    return lines


# -- files --------------------------------------------------------------------------------------


def write(path, data):
    """path.json and path.svg; returns their names."""
    with open(path + ".json", "w") as file:
        json.dump(data, file, indent=1)
        file.write("\n")
    with open(path + ".svg", "w") as file:
        file.write(svg(data))
    return path + ".json", path + ".svg"


def into_readme(path, data):
    """Replace what stands between the two marks."""
    text = open(path).read()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit("bench: %s lacks the lines %s and %s" % (path, BEGIN, END))
    with open(path, "w") as file:
        file.write(before + BEGIN + "\n\n" + markdown(data) + "\n\n" + END + after)


# -- the chart ----------------------------------------------------------------------------------

_WIDTH, _COLUMNS, _BAR, _LABEL = 1080, 2, 15, 150


def svg(data):
    """A panel for each row, a bar for each stack, as long as its share of the panel's largest."""
    panel_width = _WIDTH // _COLUMNS
    panel_height = 34 + _BAR * len(data["stacks"])
    panels = 46 + panel_height * -(-len(data["rows"]) // _COLUMNS)
    height = panels + 16 * len(data["targets"])
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" '
        'font-family="sans-serif" font-size="11">' % (_WIDTH, height),
        '<rect width="100%" height="100%" fill="white"/>',
        '<text x="10" y="18" font-size="13">%s</text>' % escape(caption(data)),
    ]
    for i, row in enumerate(data["rows"]):
        x = 10 + panel_width * (i % _COLUMNS)
        parts += panel(row, data["stacks"], x, 46 + panel_height * (i // _COLUMNS), panel_width)
    for i, each in enumerate(data["targets"]):
        parts.append(verdict(each, 10, panels + 16 * i))
    return "\n".join(parts + ["</svg>", ""])


def verdict(each, x, y):
    bound = "%s %g" % ("at least" if each["at_least"] else "at most", each["limit"])
    values = (each["what"], bound, number(each["reached"]), _MET[each["met"]])
    return '<text x="%d" y="%d">%s</text>' % (x, y, escape("%s, %s: %s, %s" % values))


def panel(row, names, x, y, width):
    better = "more" if row["more_is_better"] else "less"
    title = "%s, %s (%s is better)" % (row["title"], row["unit"], better)
    yield '<text x="%d" y="%d" font-weight="bold">%s</text>' % (x, y, escape(title))
    largest = max([row["stacks"][name]["median"] or 0 for name in names]) or 1
    room = width - _LABEL - 90
    for i, name in enumerate(names):
        cell = row["stacks"][name]
        top = y + 6 + _BAR * i
        length = room * (cell["median"] or 0) / largest
        faint = ' opacity="0.55"' if name not in PAIRS[0] + ("Linux",) else ""
        yield '<text x="%d" y="%d">%s</text>' % (x, top + 10, escape(name[:26]))
        yield '<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"%s/>' % (
            x + _LABEL, top, length, _BAR - 4, COLOURS[name.split()[0]], faint
        )  # fmt: skip
        yield '<text x="%.1f" y="%d">%s</text>' % (
            x + _LABEL + length + 4, top + 10, escape(shown(cell))
        )  # fmt: skip
