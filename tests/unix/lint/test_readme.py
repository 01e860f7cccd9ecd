"""README and the pages beside it: what they name is there, what they measure is so. The session at
the REPL is followed in tests/hw/test_demo.py, the NIC of docs/nic.md in test_nic_page.py."""

import os
import re
import sys

import pytest

sys.path.append(os.path.join(os.path.dirname(__file__), "..", ".."))
import inside  # noqa: E402
import size  # noqa: E402

ROOT = inside.ROOT
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += sorted((ROOT / "docs").glob("*.md"))
TOLERANCE = 0.1  # the table may be so far behind


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page):
    text = page.read_text()
    for path in re.findall(r"`((?:lib|ports|boards|tests|tools|docs)/[\w./]*)`", text):
        assert (ROOT / path).exists() or path == "lib/netstack/nic/", path
    for path in re.findall(r"`((?:core|link|inet|transport|services|api)/[\w./]*)`", text):
        assert (ROOT / "lib" / "netstack" / path).exists(), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_knows_what_is_asked_of_it(page):
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = set(re.findall(r"^    make ([a-z-]+)|`make ([a-z-]+)", page.read_text(), re.MULTILINE))
    asked = {a or b for a, b in asked}
    assert asked <= targets, asked - targets


def test_make_demo_is_what_the_tests_run():
    recipe = re.search(r"^demo:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert "tools/demo.py --board $(BOARD)" in recipe.group(1)


def test_first_steps_are_ten_lines():
    typed = re.findall(r"^>>> .+$", README, re.MULTILINE)
    assert 5 <= len(typed) <= 10


def test_architecture_lists_every_file_of_tcp():
    page = (ROOT / "docs" / "architecture.md").read_text()
    there = {p.name for p in (ROOT / "lib/netstack/transport/tcp").glob("*.py")} - {"__init__.py"}
    listed = set(re.findall(r"^\| `(\w+\.py)` \|", page, re.MULTILINE))
    assert listed == there


def test_readme_and_the_nic_page_agree():
    page = (ROOT / "docs" / "nic.md").read_text()
    methods = re.findall(r"^\| `(\w+\([\w, ]*\)(?: -> [\w ]+)?)` \|", README, re.MULTILINE)
    assert len(methods) == 5
    for method in methods:
        assert "**`%s`**" % method in page, method


def test_the_flash_it_names(request):
    boards = re.search(r"^\| `make firmware` \| (\w+) \| (\w+) \|$", README, re.MULTILINE).groups()
    row = re.search(r"^\| flash, with netstack \| (\d+) \| (\d+) \|$", README, re.MULTILINE)
    for board, told in zip(boards, map(int, row.groups())):
        elf = inside.out(request.config) / board / "firmware.elf"
        assert elf.read_bytes()[:6] == b"\x7fELF\1\1", "%s: not ELF, 32-bit, little-endian" % elf
        is_so = size.flash(elf)
        assert abs(is_so - told) < TOLERANCE * is_so, "%s: README says %d, it is %d" % (
            board,
            told,
            is_so,
        )
