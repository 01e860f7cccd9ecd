"""The demo's page: below 12 kB, well formed, and nothing in it comes from elsewhere."""

import html.parser
import json
import os
import re
import subprocess
import sys

import pytest

sys.path.append(os.path.join(os.path.dirname(__file__), "..", ".."))
import inside  # noqa: E402

MODULES = inside.ROOT / "ports" / "qemu" / "modules"
sys.path.append(str(MODULES))
import demo_page  # noqa: E402

TEXT = demo_page.HTML.decode()
VOID = {"meta", "link", "br", "img", "input", "hr"}
CONTEXT = {"html", "head", "body", "main", "header", "section", "div", "table", "title", "style"}


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = []
        self.ids = []
        self.links = []
        self.tags = []
        self.scripts = ""

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in attrs:
            self.ids.append(attrs["id"])
        self.links += [attrs[name] for name in ("href", "src", "action", "data") if name in attrs]

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, "</%s> closes %s at line %d" % (
            tag,
            self.open[-1:],
            self.getpos()[0],
        )
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts += data


@pytest.fixture(scope="module")
def page():
    page = Page()
    page.feed(TEXT)
    page.close()
    return page


def test_it_is_small():
    assert len(demo_page.HTML) < 12000


def test_it_is_well_formed(page):
    assert TEXT.startswith("<!doctype html>")
    assert page.open == []
    assert len(set(page.ids)) == len(page.ids)
    assert CONTEXT <= set(page.tags)


def test_nothing_comes_from_elsewhere(page):
    assert all(link.startswith("data:") for link in page.links), page.links
    for sign in ("http:", "https:", "//", "@import"):
        assert sign not in TEXT, sign
    assert not re.search(r"url\((?!#)", TEXT)
    fetched = re.findall(r'fetch\("([^"]+)"', page.scripts)
    assert fetched and all(path.startswith("/") for path in fetched), fetched


def test_the_script_knows_its_elements(page):
    wanted = set(re.findall(r'(?:\$|text|big|table|load)\("(\w+)"', page.scripts))
    assert len(wanted) > 10
    assert wanted <= set(page.ids), wanted - set(page.ids)


def test_both_colour_schemes_define_the_same_colours():
    light, dark = re.findall(r":root\{([^}]*)\}", TEXT)
    names = [set(re.findall(r"--(\w+):", part)) for part in (light, dark)]
    assert names[0] == names[1] and len(names[0]) > 5
    assert set(re.findall(r"var\(--(\w+)\)", TEXT)) - {"c"} <= names[0]


def test_the_script_reads_what_the_server_sends(request):
    program = (
        "import demo, json; from netstack.api import host; host.tcp(); demo.start(8080);"
        "st = host.stack(); st.enter(); print(json.dumps(demo.status(demo._server)))"
    )
    places = [str(MODULES), ".frozen"]
    if request.config.getoption("source"):
        places[:0] = [str(inside.ROOT / "lib"), str(inside.ROOT / "ports" / "unix")]
    done = subprocess.run(
        [str(inside.out(request.config) / "unix" / "micropython"), "-c", program],
        env=dict(os.environ, MICROPYPATH=":".join(places)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    status = json.loads(done.stdout)
    show = TEXT[TEXT.index("function show(") : TEXT.index("function draw(")]
    for variable, values in (("s", status), ("p", status["pool"]), ("t", status["tcp"])):
        read = set(re.findall(r"\b%s\.([a-z]\w*)" % variable, show)) - {"t", "o", "i"}
        assert read and read <= set(values), (variable, read - set(values))
    rows = show[show.index('table("nif"') : show.index('table("tcp"')]
    read = set(re.findall(r"\bnif\.(\w+)", rows)) - {"addr", "gw"}  # there with an address
    assert len(read) > 5 and read <= set(status["nifs"][0])
