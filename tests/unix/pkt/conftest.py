"""Gives pytest the .pkt scripts here: each on each target is one item."""

import sys

import inside
import pytest

sys.path.append(str(inside.HERE / "pkt"))
import script  # noqa: E402


def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".pkt":
        return ScriptFile.from_parent(parent, path=file_path)


class ScriptFile(pytest.File):
    def collect(self):
        targets = self.config.getoption("target").split(",")
        if self.path.name.startswith("fastopen"):  # not frozen: it is read from lib/
            targets = [target for target in targets if target == "unix"]
        for target in targets:
            yield ScriptItem.from_parent(self, name=target)


class ScriptItem(inside.InsideItem):
    kept = "pktrun"  # each script makes a stack of its own; loading the runner takes longer

    def runtest(self):
        try:
            parsed = script.Script(self.path.read_text(), self.path.name)
        except script.ScriptError as error:
            raise inside.TargetError(str(error)) from None
        for note in parsed.notes:
            self.add_report_section("call", "note", note)
        # The boards' runner names files relative to the project, so the program lies within it.
        made = inside.ROOT / "build" / "pkt" / (self.path.stem + ".py")
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(script.program(parsed))
        self.path, written = made, self.path
        try:
            super().runtest()
        finally:
            self.path = written
