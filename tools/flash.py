"""make flash BOARD=... [PORT=...] [DRIVE=...]: a board's firmware.uf2 to the board.

A board in boot mode (BOOTSEL held while it is plugged in) shows a drive: the file is copied there.
DRIVE names it if it is mounted at no usual place. Where none is mounted, picotool is asked,
which needs none. PORT: the board runs MicroPython, and mpremote tells it to go into that mode.
"""

import argparse
import glob
import os
import shutil
import subprocess
import sys
import time

from repl import mpremote

_DRIVES = ("/media/*/RP*", "/run/media/*/RP*", "/media/RP*", "/mnt/RP*", "/Volumes/RP*")
_WAIT_S = 20
_INFO = "INFO_UF2.TXT"
_FAMILY = 28, 4  # where a UF2 file says which chip it is for
_CHIPS = {0xE48BFF56: "RP2040", 0xE48BFF59: "RP2350", 0xE48BFF5A: "RP2350"}


class FlashError(Exception):
    """One line for the user: what is wrong and what to do."""


def info(path):
    """What a boot drive says about itself; None: it is none."""
    try:
        with open(os.path.join(path, _INFO)) as file:
            return file.read()
    except OSError:
        return None


def find_drive():
    for pattern in _DRIVES:
        for path in glob.glob(pattern):
            if info(path) is not None:
                return path
    return None


def chip_of(uf2):
    with open(uf2, "rb") as file:
        head = file.read(512)
    at, size = _FAMILY
    chip = _CHIPS.get(int.from_bytes(head[at : at + size], "little"))
    if head[:4] != b"UF2\n" or chip is None:
        raise FlashError("%s is no UF2 file for these boards" % uf2)
    return chip


def copy(uf2, drive):
    """To a boot drive, which goes away when the last byte is there."""
    text = info(drive) or ""
    if "RP2" not in text:
        raise FlashError("%s is no boot drive of a Pico: no %s there says so" % (drive, _INFO))
    chip, its = chip_of(uf2), "RP2350" if "RP2350" in text else "RP2040"
    if chip != its:
        raise FlashError("%s is for an %s, but the board is an %s" % (uf2, chip, its))
    try:
        shutil.copyfile(uf2, os.path.join(drive, os.path.basename(uf2)))
    except OSError as error:
        raise FlashError("%s takes no file: %s" % (drive, error.strerror))
    print("%s has %s" % (drive, os.path.basename(uf2)))


def to_boot_mode(port):
    program = mpremote()
    if not program:
        raise FlashError("mpremote not found: it comes with make repl")
    done = subprocess.run([program, "connect", port, "bootloader"])
    if done.returncode:
        raise FlashError("no MicroPython answers on %s: hold BOOTSEL while you plug it in" % port)


def by_picotool(uf2):
    """Why picotool has not written it: "" when it has."""
    if not shutil.which("picotool"):
        return "picotool is not installed"
    done = subprocess.run(["picotool", "load", "-x", uf2], capture_output=True, text=True)
    return (done.stdout + done.stderr).strip() or "picotool failed" if done.returncode else ""


def flash(uf2, port=None, drive=None):
    if not os.path.exists(uf2):
        raise FlashError("no %s: run make firmware first" % uf2)
    if port:
        to_boot_mode(port)
    end = time.monotonic() + _WAIT_S
    while True:
        where = drive or find_drive()
        if where and (info(where) is not None or not port):
            return copy(uf2, where)
        reason = "" if drive else by_picotool(uf2)
        if not drive and not reason:
            print("picotool has loaded %s" % uf2)
            return None
        if time.monotonic() > end:
            raise FlashError(
                "no boot drive: hold BOOTSEL while you plug the board in, and mount its drive, or"
                " name it with DRIVE=<directory>. " + reason
            )
        time.sleep(0.5)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("uf2")
    parser.add_argument("--port", help="the board's serial port, as mpremote takes it")
    parser.add_argument("--drive", help="where the boot drive is mounted")
    args = parser.parse_args()
    try:
        flash(args.uf2, args.port, args.drive)
    except FlashError as error:
        return "flash: %s" % error
    return 0


if __name__ == "__main__":
    sys.exit(main())
