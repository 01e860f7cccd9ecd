"""make flash: what is copied where, and what it says when it cannot."""

import os
import subprocess
import sys

import netns
import pytest
from attached import ROOT

UF2 = os.path.join(netns.OUT, "W5500_EVB_PICO", "firmware.uf2")
INFO = "UF2 Bootloader v3.0\nModel: Raspberry Pi RP2\nBoard-ID: RPI-RP2\n"
INFO_RP2350 = "UF2 Bootloader v1.0\nModel: Raspberry Pi RP2350\nBoard-ID: RP2350\n"


def flash(*args):
    """(exit code, what it says)"""
    argv = [sys.executable, ROOT / "tools" / "flash.py", *args]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


@pytest.fixture
def drive(tmp_path):
    if not os.path.exists(UF2):
        pytest.fail("no %s: make firmware BOARD=W5500_EVB_PICO" % UF2)
    (tmp_path / "INFO_UF2.TXT").write_text(INFO)
    return tmp_path


def test_to_a_drive(drive):
    code, said = flash(UF2, "--drive", drive)
    assert code == 0, said
    assert (drive / "firmware.uf2").read_bytes() == open(UF2, "rb").read()


def test_not_to_another_chip(drive):
    (drive / "INFO_UF2.TXT").write_text(INFO_RP2350)
    code, said = flash(UF2, "--drive", drive)
    assert code == 1 and "is for an RP2040" in said and "is an RP2350" in said
    assert os.listdir(drive) == ["INFO_UF2.TXT"]


def test_not_to_just_any_directory(drive):
    (drive / "INFO_UF2.TXT").unlink()
    code, said = flash(UF2, "--drive", drive)
    assert code == 1 and said.count("\n") == 1 and "is no boot drive" in said


def test_files_that_are_none(drive):
    for content in (b"", b"UF2\n" + bytes(600), open(UF2, "rb").read()[512:].replace(b"UF2", b"")):
        (drive / "x.uf2").write_bytes(content)
        code, said = flash(drive / "x.uf2", "--drive", drive)
        assert code == 1 and "is no UF2 file for these boards" in said
    code, said = flash(drive / "missing", "--drive", drive)
    assert code == 1 and "run make firmware first" in said


def test_a_port_where_nobody_is(drive):
    code, said = flash(UF2, "--port", "/dev/null", "--drive", drive)
    assert code == 1 and "no MicroPython answers on /dev/null" in said
    assert os.listdir(drive) == ["INFO_UF2.TXT"]
