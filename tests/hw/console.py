"""The serial line of a board, bare."""

import itertools
import time

_numbers = itertools.count(1)


class Console:
    """The bare serial line: what a person at a terminal sees and types."""

    def __init__(self, url, patience=1):
        import serial

        self.serial = serial.serial_for_url(url, baudrate=115200, timeout=0.02)
        self.seen = b""
        self.patience = patience

    def write(self, data):
        self.serial.write(data)

    def expect(self, text, timeout=60):
        """Wait for `text`; what came before it."""
        timeout *= self.patience
        end = time.monotonic() + timeout
        while text not in self.seen:
            assert time.monotonic() < end, "no %r in %d s: %r" % (text, timeout, self.seen[-500:])
            self.seen += self.serial.read(4096)
        before, _, self.seen = self.seen.partition(text)
        return before

    def prompt(self):
        """A fresh prompt, whatever ran before: prompts that came before it have passed."""
        n = next(_numbers)
        self.write(b"\r\x03\x02")
        self.expect(b">>> ")
        self.write(b"'prompt %%d' %% %d\r" % n)
        self.expect(b"'prompt %d'\r\n>>> " % n)

    def run(self, code):
        """What a program says that the raw REPL runs, without a reset; or its error."""
        self.write(b"\x01")
        self.expect(b"raw REPL; CTRL-B to exit\r\n>")
        for at in range(0, len(code), 200):  # as mpremote does, for ports without flow control
            self.write(code[at : at + 200].encode())
            time.sleep(0.01)
        self.write(b"\x04")
        self.expect(b"OK")
        said = self.expect(b"\x04") + self.expect(b"\x04")
        self.write(b"\x02")
        self.expect(b">>> ")
        return said.decode().replace("\r", "").strip()
