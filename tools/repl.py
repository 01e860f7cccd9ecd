"""make repl BOARD=... [PORT=...]: the REPL of a board, real or emulated, through mpremote."""

import argparse
import os
import shutil
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def mpremote():
    beside = os.path.join(os.path.dirname(sys.executable), "mpremote")
    return beside if os.path.exists(beside) else shutil.which("mpremote")


# mpremote reads `fd` of its serial port, which pyserial's class for socket:// lacks.
_MPREMOTE_OVER_TCP = """
import sys
from serial.urlhandler import protocol_socket
protocol_socket.Serial.fd = property(lambda self: self.fileno())
from mpremote.main import main
sys.exit(main())
"""


def running(board):
    try:
        with open(os.path.join(ROOT, "build", board, "serial")) as f:
            return f.read().strip()
    except OSError:
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("board")
    parser.add_argument("port", nargs="?", default="", help="default: the running emulated board")
    args = parser.parse_args()
    port = args.port or running(args.board)
    if not port:
        return "repl: %s is not running here: start it with make demo BOARD=%s, or give PORT=" % (
            args.board,
            args.board,
        )
    program = mpremote()
    if not program:
        return "repl: mpremote not found: run make setup"
    arguments = ["connect", port, "repl"]
    if port.startswith("socket:"):
        os.execv(sys.executable, [sys.executable, "-c", _MPREMOTE_OVER_TCP] + arguments)
    os.execv(program, [program] + arguments)


if __name__ == "__main__":
    sys.exit(main())
