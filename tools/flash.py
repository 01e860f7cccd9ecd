"""make flash BOARD=... [PORT=...]: a .uf2 file to the drive that a Pico in boot mode shows.

With PORT the board is told to start in that mode first, by mpremote; else hold BOOTSEL while it is
plugged in.
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


def drive():
    """Where the boot drive is mounted: it holds INFO_UF2.TXT. None: nowhere."""
    for pattern in _DRIVES:
        for path in glob.glob(pattern):
            if os.path.exists(os.path.join(path, "INFO_UF2.TXT")):
                return path
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("uf2")
    parser.add_argument("port", nargs="?", help="the board's serial port, as mpremote takes it")
    args = parser.parse_args()
    if not os.path.exists(args.uf2):
        return "flash: no %s: run make firmware first" % args.uf2
    if args.port:
        program = mpremote()
        if not program:
            return "flash: mpremote not found: it comes with make repl"
        subprocess.run([program, "connect", args.port, "bootloader"], check=False)
    if shutil.which("picotool") and not drive():
        return subprocess.run(["picotool", "load", "-x", args.uf2], check=False).returncode
    end = time.monotonic() + _WAIT_S
    while not drive():
        if time.monotonic() > end:
            return "flash: no boot drive: hold BOOTSEL while you plug the board in, and mount it"
        time.sleep(0.5)
    target = drive()
    shutil.copy(args.uf2, target)
    print("%s has %s" % (target, os.path.basename(args.uf2)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
