"""Options all tests share, and the boards that are booted on demand."""

import sys

import pytest

import inside

sys.path.insert(0, str(inside.ROOT / "tools"))  # emulate.py, which boots the boards


def pytest_addoption(parser):
    group = parser.getgroup("netstack")
    group.addoption(
        "--target",
        default=",".join(inside.TARGETS),
        help="where tests inside MicroPython run: a list of " + ", ".join(inside.TARGETS),
    )
    group.addoption(
        "--source",
        action="store_true",
        help="unix: test the stack in lib/, not the one frozen into build/unix/micropython",
    )
    group.addoption(
        "--out", default="build", help="where the products are that are tested (make's OUT)"
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """What runs on emulated boards shares nothing with the host but its processor: with -n 2 it
    runs beside all else, and tests/hw is for whoever is done first. Each keeps its order."""
    from xdist.scheduler import LoadScopeScheduling

    class Sides(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            if nodeid.startswith("tests/hw/"):
                return "hw"
            return "boards" if nodeid.rpartition("::")[2] in inside.TARGETS[1:] else "host"

    return Sides(config, log)


def pytest_configure(config):
    for target in config.getoption("target").split(","):
        if target not in inside.TARGETS:
            raise pytest.UsageError(
                "--target %s: there are %s" % (target, ", ".join(inside.TARGETS))
            )
    config.stash[inside.boards_key] = {}


def pytest_unconfigure(config):
    for board in config.stash.get(inside.boards_key, {}).values():
        board.close()
