"""Boots a board in QEMU: as a module (Emulator) for the tests, as a command for people.

    python tools/emulate.py MPS2_AN385 [--tcp-port 2323] [--hostfwd 8080:80] [--net tap:NAME]

QEMU dies with the process that started it, however that ends.
"""

import argparse
import contextlib
import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PR_SET_PDEATHSIG = 1

BOARDS = {
    "MPS2_AN385": {
        "qemu": "qemu-system-arm",
        "package": "qemu-system-arm",
        "machine": ["-M", "mps2-an385"],
        "nic": "-nic",
    },
    "VIRT_RV32": {
        "qemu": "qemu-system-riscv32",
        "package": "qemu-system-misc",
        "machine": ["-M", "virt", "-m", "32M", "-bios", "none"],
        "nic": "virtio",
    },
}


class EmulatorError(Exception):
    """One line that names what was wrong and what to do."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def random_mac():
    return "02:" + ":".join("%02x" % random.SystemRandom().randrange(256) for _ in range(5))


def _die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    # A terminal's Ctrl-C is for the parent, which then stops QEMU in its own time.
    os.setpgid(0, 0)


class Emulator:
    """A running board.

    net: "user" (QEMU's own gateway 10.0.2.2, no root), "tap:NAME" (an existing TAP) or None.
    hostfwd: [(host port, guest port, "tcp" or "udp")], host port 0 picks a free one; the ports
    used are in self.hostfwd. serial: "tcp" (tcp_port 0: a free one) or "pty"; the address that
    mpremote takes is self.serial_url. pcap: a file that gets every frame.
    """

    def __init__(
        self,
        board,
        elf=None,
        serial="tcp",
        net="user",
        hostfwd=(),
        pcap=None,
        extra=(),
        tcp_port=0,
        mac=None,
        icount=None,
        boot_timeout=120,
        serial_file=None,
        log=None,
    ):
        if board not in BOARDS:
            raise EmulatorError("no emulated board %s: there are %s" % (board, ", ".join(BOARDS)))
        self.board = board
        self.elf = elf or os.path.join(ROOT, "build", board, "firmware.elf")
        self.mac = mac or random_mac()
        self.hostfwd = [(h or free_port(), g, p) for h, g, p in hostfwd]
        self.log = log or os.path.join(os.path.dirname(os.path.abspath(self.elf)), "qemu.log")
        self._proc = None
        self._serial_file = serial_file
        self._check()
        self._monitor, theirs = socket.socketpair()
        given = [theirs]
        if serial == "tcp":
            given.append(self._listen(tcp_port))
        command = self._command(given, net, pcap, icount) + list(extra)
        self._log = open(self.log, "wb")
        try:
            self._proc = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,
                pass_fds=[each.fileno() for each in given],
            )
            for each in given:
                each.close()
            self.pid = self._proc.pid
            self._find_serial(serial)
            self._wait_prompt(boot_timeout)
            if serial_file:
                with open(serial_file, "w") as f:
                    f.write(self.serial_url + "\n")
        except BaseException:
            self.close()
            raise

    def _check(self):
        info = BOARDS[self.board]
        if not shutil.which(info["qemu"]):
            raise EmulatorError(
                "%s not found: install the package %s" % (info["qemu"], info["package"])
            )
        if not os.path.exists(self.elf):
            raise EmulatorError(
                "no firmware %s: run make firmware BOARD=%s" % (self.elf, self.board)
            )

    def _listen(self, tcp_port):
        """A listening socket for QEMU: a port that is only looked for may be somebody else's by
        the time that QEMU wants it."""
        try:
            listener = socket.create_server(("127.0.0.1", tcp_port))
        except OSError as error:
            raise EmulatorError("serial line on port %d: %s" % (tcp_port, error)) from None
        self._port = listener.getsockname()[1]
        return listener

    def _command(self, given, net, pcap, icount):
        info = BOARDS[self.board]
        command = [
            info["qemu"],
            *info["machine"],
            "-kernel",
            self.elf,
            "-display",
            "none",
            "-semihosting-config",
            "enable=on,target=native",
        ]
        if given[1:]:
            line = "socket,id=con,fd=%d,server=on,wait=off,nodelay=on" % given[1].fileno()
        else:
            line = "pty,id=con"
        command += ["-chardev", line, "-serial", "chardev:con"]
        command += ["-chardev", "socket,id=mon,fd=%d" % given[0].fileno(), "-mon", "chardev=mon"]
        if icount is not None:
            command += ["-icount", str(icount)]
        return command + self._net(info, net) + self._pcap(net, pcap)

    def _net(self, info, net):
        if net is None:
            return ["-nic", "none"]
        kind, _, name = net.partition(":")
        if kind == "user":
            backend = "user" + "".join(
                ",hostfwd=%s:127.0.0.1:%d-:%d" % (p, h, g) for h, g, p in self.hostfwd
            )
        elif kind == "tap" and name:
            if name not in (interface for _, interface in socket.if_nameindex()):
                raise EmulatorError(
                    "no network interface %s: make it with "
                    "ip tuntap add %s mode tap" % (name, name)
                )
            backend = "tap,ifname=%s,script=no,downscript=no" % name
        else:
            raise EmulatorError("net=%r: give user, tap:NAME or None" % net)
        if info["nic"] == "virtio":
            return [
                "-global",
                "virtio-mmio.force-legacy=false",
                "-netdev",
                backend + ",id=net0",
                "-device",
                "virtio-net-device,netdev=net0,mac=" + self.mac,
            ]
        return ["-nic", "%s,id=net0,mac=%s" % (backend, self.mac)]

    def _pcap(self, net, pcap):
        if not pcap or net is None:
            return []
        return ["-object", "filter-dump,id=dump0,netdev=net0,file=%s" % pcap]

    def _died(self):
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._proc.wait(5)
        return EmulatorError(
            "QEMU did not start: %s"
            % (self.output().strip() or "exit code %s" % self._proc.poll())
        )

    def _find_serial(self, serial):
        if serial == "tcp":
            self.serial_url = "socket://127.0.0.1:%d" % self._port
            return
        end = time.monotonic() + 10
        while time.monotonic() < end:
            for word in self.output().split():
                if word.startswith("/dev/pts/"):
                    self.serial_url = word
                    return
            if self._proc.poll() is not None:
                break
            time.sleep(0.01)
        raise self._died()

    @contextlib.contextmanager
    def console(self):
        """The serial line as a file descriptor; only one user at a time."""
        if self.serial_url.startswith("socket:"):
            with socket.create_connection(("127.0.0.1", self._port), timeout=10) as s:
                s.settimeout(None)
                yield s.fileno()
        else:
            import tty

            fd = os.open(self.serial_url, os.O_RDWR | os.O_NOCTTY)
            try:
                tty.setraw(fd)
                yield fd
            finally:
                os.close(fd)

    def _connect(self, end):
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self._port), timeout=10)
            except OSError as error:
                if self._proc.poll() is not None:
                    raise self._died() from None
                if time.monotonic() > end:
                    raise EmulatorError(
                        "no way to the serial line %s (%s): is the loopback "
                        "interface up?" % (self.serial_url, error)
                    ) from None
                time.sleep(0.01)

    def _wait_prompt(self, timeout):
        # An empty line, asked for again and again: the board may have printed its first prompt
        # before anyone listened.
        import select

        end = time.monotonic() + timeout
        if self.serial_url.startswith("socket:"):
            self._connect(end).close()
        seen = b""
        with self.console() as fd:
            while not seen.rstrip().endswith(b">>>"):
                if self._proc.poll() is not None:
                    raise self._died()
                if time.monotonic() > end:
                    raise EmulatorError(
                        "%s: no REPL prompt after %d s, last output: %r"
                        % (self.board, timeout, seen[-200:])
                    )
                try:
                    os.write(fd, b"\r")
                    while select.select([fd], [], [], 0.1)[0]:
                        data = os.read(fd, 4096)
                        if not data:
                            raise self._died()
                        seen += data
                except OSError:  # the line is cut, for QEMU has ended
                    raise self._died() from None

    def plug(self, on):
        """The cable at the board, in or out."""
        self._monitor.sendall(b"set_link net0 %s\n" % (b"on" if on else b"off"))

    def output(self):
        """What QEMU itself has printed."""
        with open(self.log, "rb") as f:
            return f.read().decode(errors="replace")

    def close(self):
        if self._serial_file and os.path.exists(self._serial_file):
            os.remove(self._serial_file)
        proc, self._proc = self._proc, None
        if proc:
            proc.terminate()
            try:
                proc.wait(5)
            except subprocess.TimeoutExpired:
                proc.kill()
                proc.wait()
            self._log.close()
        self._monitor.close()

    def wait(self):
        return self._proc.wait()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def _forward(text):
    host, guest, *proto = text.split(":")
    return int(host), int(guest), proto[0] if proto else "tcp"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("board", choices=sorted(BOARDS))
    parser.add_argument("--elf", help="default: build/<board>/firmware.elf")
    parser.add_argument("--tcp-port", type=int, default=0, help="serial line on this port")
    parser.add_argument("--pty", action="store_true", help="serial line as a pseudo terminal")
    parser.add_argument("--net", default="user", help="user (default), tap:NAME or none")
    parser.add_argument(
        "--hostfwd",
        type=_forward,
        action="append",
        default=[],
        metavar="HOST:GUEST[:udp]",
        help="forward a port of this machine",
    )
    parser.add_argument("--pcap", help="write every frame to this file")
    parser.add_argument("--mac", help="default: a random one")
    parser.add_argument("--icount", help="QEMU's -icount: count instructions as time")
    parser.add_argument("extra", nargs="*", help="after --: more arguments for QEMU")
    args = parser.parse_args()
    serial_file = os.path.join(ROOT, "build", args.board, "serial")
    os.makedirs(os.path.dirname(serial_file), exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with Emulator(
            args.board,
            args.elf,
            "pty" if args.pty else "tcp",
            None if args.net == "none" else args.net,
            args.hostfwd,
            args.pcap,
            args.extra,
            args.tcp_port,
            args.mac,
            args.icount,
            serial_file=serial_file,
        ) as emulator:
            print(
                "%s runs; mpremote connect %s repl; Ctrl-C stops it"
                % (args.board, emulator.serial_url),
                flush=True,
            )
            return emulator.wait()
    except EmulatorError as error:
        print("emulate: %s" % error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
