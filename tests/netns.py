"""Network namespaces with a TAP, processes in them, and captures that tshark judges.

The tests' Linux is a namespace: Namespace() makes it, everything in it ends with it. Whatever an
earlier run left behind because it was killed is swept away at the next start.
"""

import atexit
import contextlib
import ctypes
import fcntl
import functools
import itertools
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUT = os.environ.get("OUT") or os.path.join(ROOT, "build")  # as the Makefile has it
MICROPYTHON = os.path.join(OUT, "unix/micropython")

LINUX = "10.99.0.1"  # Linux's end of the TAP, in every namespace
OURS = "10.99.0.2"  # netstack's
LINUX6 = "fd99::1"
OURS6 = "fd99::2"
MAC = "02:6e:73:74:00:02"

_PREFIX = "nst-"
_CAP_NET_ADMIN = 12
_CAP_SYS_ADMIN = 21
_PR_SET_PDEATHSIG = 1
_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP_RUNNING = 0x41
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count(1)
_living = set()


class NamespaceError(Exception):
    """One line that names what was wrong and what to do."""


# -- may we, and with what ----------------------------------------------------------------------


def missing(*programs):
    """Why namespaces cannot be used here, in one line; None when they can."""
    with open("/proc/self/status") as f:
        caps = int(re.search(r"CapEff:\s*(\w+)", f.read()).group(1), 16)
    if not caps >> _CAP_NET_ADMIN & caps >> _CAP_SYS_ADMIN & 1:
        return (
            "network namespaces need root (CAP_SYS_ADMIN and CAP_NET_ADMIN): run make test as root"
        )
    if not os.path.exists("/dev/net/tun"):
        return "there is no /dev/net/tun: sudo modprobe tun brings it"
    for program in ("ip", "tcpdump", "tshark") + programs:
        if not which(program):
            return "%s is not installed: make test installs what the tests need" % program
    return None


def which(program):
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def _tie():
    """In a child: die with the tests, however they end; leave Ctrl-C to them."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setpgid(0, 0)


def _setns(file):
    if _libc.setns(file.fileno(), _CLONE_NEWNET):
        raise NamespaceError("setns: %s" % os.strerror(ctypes.get_errno()))


def _sweep():
    """Delete namespaces whose makers are no more."""
    with contextlib.suppress(OSError):
        for name in os.listdir("/run/netns"):
            match = re.fullmatch(_PREFIX + r"(\d+)-\d+", name)
            if match and not os.path.exists("/proc/" + match.group(1)):
                subprocess.run([which("ip"), "netns", "del", name], stderr=subprocess.DEVNULL)


@atexit.register
def _close_all():
    for ns in list(_living):
        ns.close()


def until(what, why="it does not come to be", timeout=60):
    """Wait until what() is true; what it has returned."""
    end = time.monotonic() + timeout
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < end, "%s in %d s" % (why() if callable(why) else why, timeout)
        time.sleep(0.05)


# -- processes ----------------------------------------------------------------------------------


class Process:
    """A running program whose output is read as it comes: expect() waits for a line of it."""

    def __init__(self, argv, env=None, cwd=None, stdin=subprocess.DEVNULL, name=None):
        self.name = name or os.path.basename(argv[0])
        self._popen = subprocess.Popen(
            argv,
            env=env,
            cwd=cwd,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            bufsize=1,
            preexec_fn=_tie,
        )
        self.pid = self._popen.pid
        self.stdin = self._popen.stdin
        self.lines = []
        self._next = 0
        self._changed = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._popen.stdout:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def expect(self, pattern, timeout=60):
        """The match of the next line that has `pattern` in it; those before it are passed over."""
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                while self._next < len(self.lines):
                    match = re.search(pattern, self.lines[self._next])
                    self._next += 1
                    if match:
                        return match
                left = end - time.monotonic()
                assert not self._ended, "%s ended, without %r:\n%s" % (
                    self.name,
                    pattern,
                    self.output,
                )
                assert left > 0, "%s: no %r in %d s:\n%s" % (
                    self.name,
                    pattern,
                    timeout,
                    self.output,
                )
                self._changed.wait(left)

    def said(self, pattern, timeout=60):
        """The match of a line that has `pattern` in it, wherever it stands: for lines whose order
        is nobody's concern. Passes nothing over."""
        end = time.monotonic() + timeout
        seen = 0
        with self._changed:
            while True:
                for line in self.lines[seen:]:
                    seen += 1
                    match = re.search(pattern, line)
                    if match:
                        return match
                left = end - time.monotonic()
                assert left > 0 and not self._ended, "%s: no %r:\n%s" % (
                    self.name,
                    pattern,
                    self.output,
                )
                self._changed.wait(left)

    @property
    def output(self):
        return "\n".join(self.lines[-200:])

    @property
    def running(self):
        return self._popen.poll() is None

    def wait(self, timeout=60):
        """The exit code, once it has ended by itself."""
        try:
            code = self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                "%s did not end in %d s:\n%s" % (self.name, timeout, self.output)
            ) from None
        self._reader.join(20)
        return code

    def finish(self, timeout=60):
        """Wait for its end, which must be a good one; returns the output."""
        code = self.wait(timeout)
        assert code == 0, "%s: exit code %d:\n%s" % (self.name, code, self.output)
        return self.output

    def send(self, sig):
        self._popen.send_signal(sig)

    def stop(self, sig=signal.SIGTERM):
        if self._popen.poll() is None:
            self._popen.send_signal(sig)
            try:
                self._popen.wait(20)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait()
            with contextlib.suppress(ProcessLookupError):  # children that hold its output
                os.killpg(self.pid, signal.SIGKILL)
        self._reader.join(20)
        if self.stdin:
            with contextlib.suppress(OSError):
                self.stdin.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()


# -- namespaces ---------------------------------------------------------------------------------


class Namespace:
    """A network namespace with `tap0`, on which Linux has `address`; close() ends all in it.

    tap=None makes none: for namespaces whose interfaces are something else.
    """

    def __init__(self, address=LINUX + "/24", tap="tap0"):
        self.name = None
        self.address = address
        self.tap = tap
        self._processes = []
        _sweep()
        name = "%s%d-%d" % (_PREFIX, os.getpid(), next(_numbers))
        _check([which("ip"), "netns", "add", name])
        self.name = name
        _living.add(self)
        try:
            # No router solicitations, no duplicate address detection: only what the tests send.
            self.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", check=False)
            self.run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1", check=False)
            self.run("ip", "link", "set", "lo", "up")
            if tap:
                self.add_tap(tap, address)
        except BaseException:
            self.close()
            raise

    def add_tap(self, tap, address=None):
        self.tap = self.tap or tap
        self.run("ip", "tuntap", "add", "dev", tap, "mode", "tap")
        # A burst of small frames must wait for the other end, not be thrown away here.
        self.run("ip", "link", "set", tap, "txqueuelen", "4000", "up")
        if address:
            self.run("ip", "addr", "add", address, "dev", tap)

    def use_ipv6(self, interface, address=LINUX6 + "/64"):
        """Let Linux speak IPv6 there, without a word that the test has not asked for."""
        for name, value in (("accept_dad", 0), ("router_solicitations", 0), ("accept_ra", 0)):
            self.run("sysctl", "-qw", "net.ipv6.conf.%s.%s=%d" % (interface, name, value))
        self.run("sysctl", "-qw", "net.ipv6.conf.%s.disable_ipv6=0" % interface)
        if address:
            self.run("ip", "-6", "addr", "add", address, "dev", interface, "nodad")

    def wait_running(self, interface, process=None):
        """The kernel notices on a thread of its own, and so after a while, that somebody holds a
        TAP, or the other end of a pair: until then it sends nothing there, nor does a bridge of
        it. `process`: who holds it, so that nobody waits for what has ended."""
        request = struct.pack("16sH22x", interface.encode(), 0)

        def running():
            flags = struct.unpack_from("H", fcntl.ioctl(s, _SIOCGIFFLAGS, request), 16)[0]
            if flags & _IFF_UP_RUNNING == _IFF_UP_RUNNING:
                # The flag comes first, its consequences after it but under the same lock, which
                # is also taken to set flags, even to what they are.
                fcntl.ioctl(s, _SIOCSIFFLAGS, struct.pack("16sH22x", interface.encode(), flags))
                return True
            return process and not process.running

        with self.entered():
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with s:
            until(running, "%s does not come up" % interface)

    def wait_for_link_local(self, interface, timeout=60):
        """Linux gives itself one some time after the link has come up, on a thread of its own."""
        words = ["ip", "-6", "addr", "show", "dev", interface, "scope", "link", "-tentative"]
        why = "%s has no link-local address" % interface
        until(lambda: "fe80::" in self.run(*words).stdout, why, timeout)

    def _argv(self, argv):
        argv = [str(a) for a in argv]
        program = which(argv[0])
        if not program:
            raise NamespaceError("%s is not installed: make test installs what it needs" % argv[0])
        return [which("ip"), "netns", "exec", self.name, program] + argv[1:]

    def run(self, *argv, check=True, timeout=60, **kw):
        """Run to its end; the CompletedProcess, output as text. `check`: it must succeed."""
        kw.setdefault("stdin", None if "input" in kw else subprocess.DEVNULL)
        kw.setdefault("stdout", subprocess.PIPE)
        kw.setdefault("stderr", subprocess.STDOUT)
        kw.setdefault("text", True)
        if kw["stdin"] is None:
            del kw["stdin"]
        try:
            done = subprocess.run(self._argv(argv), timeout=timeout, preexec_fn=_tie, **kw)
        except subprocess.TimeoutExpired as e:
            text = "%s: not done in %d s:\n%s" % (_command(argv), timeout, _tail(e.stdout))
            raise AssertionError(text) from None
        text = "%s: exit code %d:\n%s" % (_command(argv), done.returncode, _tail(done.stdout))
        assert not check or done.returncode == 0, text
        return done

    def ping(self, address, *options, count=3, interval=0.1, timeout=60):
        """Have Linux ping; its output. Each of `count` requests has to be answered, in their order
        and unharmed, however late. (Where ping speaks of loss it means what has not come yet: it
        waits for a second, or sends until `count` answers are there, as it does here.)"""
        argv = ("ping", "-c", count, "-i", interval, "-w", timeout, *options, address)
        said = self.run(*argv, timeout=timeout + 30).stdout
        assert pinged(said)[:count] == list(range(1, count + 1)), said
        assert "wrong data" not in said, said
        return said

    def reach(self, address, *options):
        """Ping until there is an answer: interfaces and switches have noticed who is there, and
        everybody on the way knows the next one."""
        argv = ("ping", *options, "-c", "1", "-W", "1", address)
        until(lambda: not self.run(*argv, check=False).returncode, "no answer of " + address)

    def start(self, *argv, **kw):
        """Start a Process, which ends with the namespace at the latest."""
        process = Process(self._argv(argv), name=os.path.basename(str(argv[0])), **kw)
        self._processes.append(process)
        return process

    def micropython(self, program, *args, env=None, tap=None, mac=MAC, **kw):
        """Start a program under the unix port, with this namespace's TAP for its LAN."""
        environ = dict(os.environ)
        environ.setdefault("MICROPYPATH", ".frozen")
        environ["NETSTACK_TAP"] = tap or self.tap
        environ["NETSTACK_MAC"] = mac
        environ.update(env or {})
        process = self.start(MICROPYTHON, program, *args, env=environ, **kw)
        process.name = os.path.basename(program)
        return process

    def capture(self, path, interface=None):
        return Capture(self, path, interface or self.tap)

    def dnsmasq(self, directory, *options, interface=None, name="dnsmasq"):
        """Start a dnsmasq of this namespace alone: nothing configured but by `options`."""
        process = self.start(
            "dnsmasq",
            "--no-daemon",
            "--conf-file=/dev/null",
            "--user=root",
            "--pid-file=",
            "--no-resolv",
            "--no-hosts",
            "--no-ping",
            "--log-dhcp",
            "--log-queries",
            "--log-facility=-",
            "--dhcp-leasefile=%s" % os.path.join(directory, name + ".leases"),
            "--interface=" + (interface or self.tap),
            "--except-interface=lo",
            "--bind-interfaces",
            *options,
        )
        process.expect("started, (version|cache)")
        return process

    @contextlib.contextmanager
    def entered(self):
        """This thread is in the namespace: sockets and programs it makes belong there."""
        with open("/proc/thread-self/ns/net") as home, open("/run/netns/" + self.name) as there:
            _setns(there)
            try:
                yield
            finally:
                _setns(home)

    def wait_port(self, port, kind="tcp", timeout=60):
        """Wait until some program of the namespace listens on the port."""
        flag = {"tcp": "-tlnH", "udp": "-ulnH"}[kind]
        why = "nobody listens on %s port %d" % (kind, port)
        until(lambda: re.search(r":%d\s" % port, self.run("ss", flag).stdout), why, timeout)

    def close(self):
        for process in reversed(self._processes):
            process.stop()
        self._processes = []
        _living.discard(self)
        if self.name:
            subprocess.run([which("ip"), "netns", "del", self.name], stderr=subprocess.DEVNULL)
            self.name = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def pinged(said):
    """The numbers of the requests that are answered, in the order of the answers."""
    return [int(number) for number in re.findall(r"\d bytes from .* icmp_seq=(\d+)", said)]


def join(middle, host, tap, address):
    """Lead the TAP `tap` of the namespace `middle` to the namespace `host`, where it is eth0."""
    middle.add_tap(tap)
    for argv in (
        "ip link add %s-v type veth peer name eth0 netns %s" % (tap, host.name),
        "ip link add %s-b type bridge" % tap,
        "ip link set %s master %s-b" % (tap, tap),
        "ip link set %s-v master %s-b up" % (tap, tap),
        "ip link set %s-b up" % tap,
    ):
        middle.run(*argv.split())
    host.run("ip", "addr", "add", address, "dev", "eth0")
    host.run("ip", "link", "set", "eth0", "up")
    host.wait_running("eth0")
    middle.wait_running(tap + "-v")


def _command(argv):
    return " ".join(map(str, argv))


def _tail(output):
    """The end of a long output, as text."""
    if isinstance(output, bytes):
        output = output.decode(errors="replace")
    return (output or "")[-4000:]


def _check(argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise NamespaceError("%s: %s" % (" ".join(argv), done.stdout.strip()))


# -- captures -----------------------------------------------------------------------------------

# Only what the stack itself speaks: what programs send is theirs to judge, and tshark would take
# random bytes on a well-known port for a broken message.
_PROTOCOLS = (
    "frame eth ethertype vlan arp ip icmp igmp ipv6 ipv6.hopopts ipv6.dstopts ipv6.routing"
    " ipv6.fraghdr icmpv6 udp tcp dns dhcp dhcpv6 data _ws.malformed"
).split()
_CHECKS = "ip tcp udp".split()
BAD = (
    "_ws.malformed || _ws.expert.severity == 8388608"
    " || ip.checksum.status == 0 || tcp.checksum.status == 0"
    " || udp.checksum.status == 0 || icmp.checksum.status == 0 || icmpv6.checksum.status == 0"
)


class Capture:
    """Every frame of an interface, to a file, from `with` on. check() has tshark judge it."""

    def __init__(self, ns, path, interface="tap0"):
        self.ns = ns
        self.path = str(path)
        # Frame by frame, so that stopping loses none: libpcap would fill a block first.
        how = ("--immediate-mode", "-U", "-s", "2000", "-B", "32768", "-Z", "root")
        self._tcpdump = ns.start("tcpdump", "-i", interface, *how, "-w", self.path)
        self._tcpdump.expect("listening on")

    def stop(self):
        if self._tcpdump.running:
            self._catch_up()
        self._tcpdump.stop(signal.SIGINT)

    def _catch_up(self):
        """Let it read what has just passed: it tells how much it has, and how much there is."""
        counts = None
        idle = 0
        while idle < 50:  # for a second: what came before it was ready is counted, and never read
            self._tcpdump.send(signal.SIGUSR1)
            match = self._tcpdump.expect(r"(\d+) packets? captured, (\d+) .* filter, (\d+) packet")
            captured, received, dropped = last = [int(n) for n in match.groups()]
            if captured + dropped >= received:
                break
            idle = idle + 1 if last == counts else 0
            counts = last
            time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()

    def frames(self, where, *fields):
        self.stop()
        return tshark(self.path, where, *fields)

    def check(self, mac=MAC):
        """No frame that `mac` sent may be malformed, wrongly summed or an error to tshark."""
        self.stop()
        judge(self.path, mac)


@functools.lru_cache(maxsize=None)
def _profile():
    """A configuration of tshark that knows _PROTOCOLS alone; its directory."""
    directory = tempfile.mkdtemp(prefix="netstack-tshark-")
    atexit.register(shutil.rmtree, directory, True)
    os.mkdir(os.path.join(directory, "wireshark"))
    listed = subprocess.run(
        [which("tshark"), "-G", "protocols"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    names = {line.split(b"\t")[2].decode() for line in listed.stdout.splitlines()}
    with open(os.path.join(directory, "wireshark/disabled_protos"), "w") as f:
        f.write("\n".join(sorted(names - set(_PROTOCOLS))) + "\n")
    return directory


def tshark(path, where="", *fields):
    """tshark's lines for the frames of `path` that `where` selects; `fields` names columns."""
    argv = [which("tshark"), "-n", "-r", str(path)]
    for protocol in _CHECKS:
        argv += ["-o", protocol + ".check_checksum:TRUE"]
    if where:
        argv += ["-Y", where]
    if fields:
        argv += ["-T", "fields"] + [a for field in fields for a in ("-e", field)]
    env = dict(os.environ, XDG_CONFIG_HOME=_profile())
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    # A capture that was stopped while a frame was being written ends short: no concern of ours.
    if done.returncode and "cut short" not in done.stderr:
        lines = [x for x in done.stderr.splitlines() if not x.startswith("Running as user")]
        raise NamespaceError("tshark on %s: %s" % (path, "; ".join(lines)))
    return done.stdout.splitlines()


def judge(path, mac=MAC):
    """Assert that tshark finds nothing wrong with what `mac` sent, and that it sent something."""
    sent = "eth.src == %s" % mac
    ours = tshark(path, sent, "frame.number")
    assert ours, "no frame of %s in %s" % (mac, path)
    bad = tshark(path, "%s && (%s)" % (sent, BAD))
    assert not bad, "tshark finds fault with %d of %d frames of %s:\n%s" % (
        len(bad),
        len(ours),
        mac,
        "\n".join(bad[:20]),
    )
    return len(ours)
