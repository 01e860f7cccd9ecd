"""make demo [BOARD=...]: boots an emulated board, has it get an address and serve the demo's page.

The board is in QEMU with user networking, which needs no root: QEMU itself is its DHCP server and
gateway, and hands connections to localhost:8080 on to the board's port 80. When everything runs,
the board's serial line is let go, so that `make repl` can have it. Ctrl-C ends all of it.
"""

import argparse
import errno
import http.client
import os
import select
import signal
import socket
import sys
import time

from emulate import ROOT, Emulator, EmulatorError

PORT = 8080
PORTS = 20  # how many are tried from there on
SETUP = """
import network, time
lan = network.LAN()
lan.active(True)
_end = time.ticks_add(time.ticks_ms(), %d)
while not lan.isconnected() and time.ticks_diff(_end, time.ticks_ms()) > 0:
    time.sleep_ms(10)
if lan.isconnected():
    import demo
    demo.start()
    print("address", lan.ifconfig()[0])
else:
    print("none", lan.status("error") or "nobody answered")
del _end
"""
LEASE_MS = 15000


class DemoError(Exception):
    """One line that names what was wrong and what to do."""


def taken(port):
    """Does somebody listen on this port of localhost?"""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind((address, port))
                s.listen(1)  # with SO_REUSEADDR it is this call that tells
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return True
    return False


def choose(wanted):
    """The port to serve on; a port that was asked for is not exchanged for another."""
    if wanted:
        if taken(wanted):
            raise DemoError("port %d is taken: give another with --port" % wanted)
        return wanted
    for port in range(PORT, PORT + PORTS):
        if not taken(port):
            return port
    raise DemoError(
        "ports %d to %d are all taken: give another with --port" % (PORT, PORT + PORTS - 1)
    )


def read_until(fd, ending, seconds):
    """What comes from the serial line up to and with `ending`."""
    seen = b""
    end = time.monotonic() + seconds
    while not seen.endswith(ending):
        left = end - time.monotonic()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            raise DemoError("the board's REPL does not answer, last output: %r" % seen[-200:])
        data = os.read(fd, 1)  # byte by byte: what follows belongs to the next call
        if not data:
            raise DemoError("the board has gone")
        seen += data
    return seen[: -len(ending)]


def enter_raw_repl(fd):
    for _ in range(60):  # QEMU may take a second to see that its pseudo terminal was opened
        os.write(fd, b"\r\x03\x03\x01")
        try:
            read_until(fd, b"raw REPL; CTRL-B to exit\r\n>", 1.5)
            break
        except DemoError:
            pass
    else:
        raise DemoError("the board's REPL does not answer")
    while select.select([fd], [], [], 0.1)[0]:  # answers to what was asked too often
        os.read(fd, 4096)


def run(emulator, program, seconds):
    """Run a program through the raw REPL; returns what it printed."""
    with emulator.console() as fd:
        enter_raw_repl(fd)
        os.write(fd, program.encode() + b"\x04")
        read_until(fd, b"OK", 60)
        output = read_until(fd, b"\x04", seconds).decode(errors="replace")
        error = read_until(fd, b"\x04", 60).decode(errors="replace").strip()
        os.write(fd, b"\x02")
        read_until(fd, b">>> ", 60)
    if error:
        raise DemoError("on the board: %s" % error.splitlines()[-1])
    return output.replace("\r", "").strip()


def bring_up(emulator):
    """Have the board get an address and serve; returns the address."""
    answer = run(emulator, SETUP % LEASE_MS, LEASE_MS / 1000 + 60)
    word, _, rest = answer.splitlines()[-1].partition(" ") if answer else ("", "", "")
    if word == "none":
        raise DemoError(
            "%s got no address by DHCP in %d s: %s" % (emulator.board, LEASE_MS // 1000, rest)
        )
    if word != "address":
        raise DemoError("the board answered %r" % answer)
    return rest


def fetch(port, path):
    """One request as a browser makes it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        if response.status != 200:
            raise DemoError("GET %s: the board answers with status %d" % (path, response.status))
        return response.read()
    except (OSError, http.client.HTTPException) as error:
        raise DemoError("GET %s from port %d: %s" % (path, port, error or "no answer")) from None
    finally:
        connection.close()


def demo(args, started):
    os.makedirs(os.path.dirname(os.path.abspath(args.serial)), exist_ok=True)
    port = choose(args.port)
    if port != PORT and not args.port:
        print("port %d is taken, so %d it is" % (PORT, port))
    print("booting %s in QEMU ..." % args.board, flush=True)
    with Emulator(
        args.board, args.elf, serial="pty", hostfwd=[(port, 80, "tcp")], serial_file=args.serial
    ) as emulator:
        address = bring_up(emulator)
        size = len(fetch(port, "/"))
        print(
            "it has the address %s by DHCP and serves; %d bytes of page, %.1f s after the start"
            % (address, size, time.monotonic() - started)
        )
        print()
        board = "" if args.board == "MPS2_AN385" else " BOARD=" + args.board
        print("    %-26s  the board, live" % ("http://localhost:%d/" % port))
        print(
            "    %-26s  its REPL, in another terminal (Ctrl-X leaves it)" % ("make repl" + board)
        )
        print()
        print("Ctrl-C ends it.", flush=True)
        status = emulator.wait()
        raise DemoError(
            "QEMU has ended with status %d: %s"
            % (status, emulator.output().strip() or "no message")
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--board", default="MPS2_AN385")
    parser.add_argument("--elf", help="default: build/<board>/firmware.elf")
    parser.add_argument("--port", type=int, default=0, help="default: 8080, or the next free one")
    parser.add_argument(
        "--serial",
        help="a file to write the serial line's address to; "
        "default: build/<board>/serial, where make repl looks",
    )
    args = parser.parse_args()
    args.serial = args.serial or os.path.join(ROOT, "build", args.board, "serial")
    args.elf = os.path.abspath(args.elf or os.path.join(ROOT, "build", args.board, "firmware.elf"))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # even if our parent ignores it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    try:
        demo(args, time.monotonic())
    except (DemoError, EmulatorError) as error:
        print("demo: %s" % error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
