"""mpremote for a board that an emulator runs on a busy machine: before mpremote begins, the board
is asked for its raw REPL until it answers, for what is typed while a board boots is lost; and
where mpremote would wait ten seconds, which are a real board's, it waits for minutes."""

import functools
import os
import select
import sys
import time

from mpremote import main
from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport

PATIENCE = 400  # seconds
AGAIN = 2  # seconds until the board is asked again


def hear(serial, text, seconds):
    """Read until `text` has come. False: it has not, in so many seconds."""
    end = time.monotonic() + seconds
    seen = b""
    while not seen.endswith(text):
        left = end - time.monotonic()
        if not select.select([serial.fileno()], [], [], max(left, 0))[0]:
            return False
        seen += serial.read(1)
    return True


def find(serial):
    """Get to the raw REPL's prompt, and hear no answer any more that is late."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        serial.write(b"\r\x03\r\x01")
        if hear(serial, b"raw REPL; CTRL-B to exit\r\n>", AGAIN):
            break
    else:
        raise TransportError("no raw REPL in %d s" % PATIENCE)
    last = os.urandom(8).hex().encode()
    serial.write(b"print('%s')\x04" % last)
    if not hear(serial, last + b"\r\n\x04\x04>", PATIENCE):
        raise TransportError("the board does not run a line")


def enter_raw_repl(self, soft_reset=True, timeout_overall=PATIENCE):
    find(self.serial)
    enter(self, soft_reset, PATIENCE)


def read_until(self, min_num_bytes, ending, timeout=PATIENCE, *args, **kw):
    return read(self, min_num_bytes, ending, timeout and max(timeout, PATIENCE), *args, **kw)


enter = SerialTransport.enter_raw_repl
read = SerialTransport.read_until
SerialTransport.enter_raw_repl = functools.wraps(enter)(enter_raw_repl)
SerialTransport.read_until = functools.wraps(read)(read_until)

if __name__ == "__main__":
    sys.exit(main.main())
