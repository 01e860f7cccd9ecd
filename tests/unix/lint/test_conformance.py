"""docs/conformance*.md, layer3.md: each test that they name is there."""

import re
import sys

import pytest

sys.path.append(__file__.rpartition("/tests/")[0] + "/tests")
import inside  # noqa: E402

UNIT = inside.ROOT / "tests" / "unix"
PAGES = sorted((inside.ROOT / "docs").glob("conformance*.md"))
FEATURES = inside.ROOT / "docs" / "layer3.md"
NAME = re.compile(r"`([\w/]+?)(?:\.py)?::(\w+)`")


def _rows(page):
    for number, line in enumerate(page.read_text().split("\n"), 1):
        if line.startswith("| ") and not line.startswith("| section"):
            yield number, line


def test_there_are_some():
    assert PAGES


@pytest.mark.parametrize("page", [*PAGES, FEATURES], ids=lambda page: page.name)
def test_named_tests_exist(page):
    for number, line in _rows(page):
        for where, test in NAME.findall(line):
            where = where.replace("tests/unix/", "")
            paths = [UNIT / (where + ".py"), UNIT / "inet" / (where + ".py")]
            paths += UNIT.glob("*/" + where + ".py")
            paths = [path for path in paths if path.exists()]
            assert paths, "%s:%d: there is no %s" % (page.name, number, where)
            found = any(re.search(r"^def %s\(" % test, path.read_text(), re.M) for path in paths)
            assert found, "%s:%d: %s has no %s" % (page.name, number, where, test)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_rule_has_one(page):
    for number, line in _rows(page):
        proof = line.rstrip(" |").rpartition("|")[2]
        assert NAME.search(proof) or "not implemented: " in proof, "%s:%d: %s" % (
            page.name,
            number,
            line,
        )
