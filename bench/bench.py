#!/usr/bin/env python3
"""Side by side: netstack, C lwIP and Linux's own stack under the same load; for `make bench`.

Every figure is the median of runs that are taken in turn, each with a fresh server, the order of
the stacks reversed from one to the next: what else the machine does meanwhile falls on all of
them. Absolute figures of a shared machine are noise; ratios within one report are what counts.
"""

import argparse
import collections
import functools
import json
import os
import platform
import re
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path[:0] = [os.path.join(ROOT, "tests"), os.path.join(ROOT, "tools")]

import emulate  # noqa: E402
import instructions  # noqa: E402
import netns  # noqa: E402
import report  # noqa: E402
import rp2040  # noqa: E402
import targets  # noqa: E402

OUT = os.path.join(netns.OUT, "bench")
WIRE = os.path.join(ROOT, "tests/unix/interop/wire.py")
LOSS = (0, 0.1, 1, 3)  # percent
# The router kit is not frozen unless it is asked for: all is taken from where it lies.
FORWARDING = ":".join((ROOT + "/lib", ROOT + "/ports/unix", ".frozen"))
DELAY_MS = 10  # each way

Effort = collections.namedtuple(
    "Effort", "runs tries seconds lossy_seconds pings held loss rp2040"
)
CROWD = 200  # idle connections
MANY = 1000
# by family: the host behind the routers
ROUTED = {4: "10.99.0.1", 6: "fd99::1"}
SEGMENT = 1448  # bytes of TCP, with timestamps, in a packet of 1500
WHOLE = Effort(
    runs=5, tries=1, seconds=1.2, lossy_seconds=2, pings=200, held=(10, 40), loss=LOSS,
    rp2040={"size": 300000, "echoes": 100},
)  # fmt: skip
QUICK = Effort(  # so little time may pass while the machine does something else
    runs=1, tries=3, seconds=0.3, lossy_seconds=0.5, pings=20, held=(10, 40), loss=(1,),
    rp2040={"size": 20000, "echoes": 5, "clocks": (31.25,)},
)  # fmt: skip


# -- the stacks ---------------------------------------------------------------------------------


class Stack:
    """A stack to measure: `argv` is its server, to which the role is added; `board` makes its
    firmware run (see instructions.py)."""

    veth = False
    share = False  # does it tell what its fast path has taken?
    many = True  # does its budget allow a thousand connections?
    router = None  # argv of what forwards between two TAPs

    def __init__(self, name, argv, env=None, lossy=True, board=None):
        self.name = name
        self.argv = argv
        self.env = dict(os.environ, **(env or {}))
        self.lossy = lossy
        self.board = board

    def start(self, ns, row):
        env = dict(self.env, NETSTACK_CONGESTION=row.congestion)  # no other has a choice
        env["NETSTACK_FAMILY"] = str(row.family)
        return ns.start(*self.of(self.argv, row), row.role, *self.extra(row.count), env=env)

    def of(self, argv, row):
        """The program for the row's family."""
        return argv

    def extra(self, count):
        return ()


class LwIP(Stack):
    def __init__(self, name, program, board=None, router=None):
        env = {"PRECONFIGURED_TAPIF": "tap0"}
        super().__init__(name, [os.path.join(OUT, program)], env, board=board)
        self.router = router and [os.path.join(OUT, router)]

    def of(self, argv, row):
        return argv if row.family == 4 else [argv[0] + "6", *argv[1:]]

    def extra(self, count):
        return (str(count),)


class Netstack(Stack):
    def __init__(self, name, program, fastpath=True, lossy=True, board=None):
        env = {"MICROPYPATH": ".frozen", "NETSTACK_TAP": "tap0", "NETSTACK_MAC": netns.MAC}
        env["NETSTACK_FASTPATH"] = str(int(fastpath))
        program = os.path.join(HERE, "netstack", program)
        super().__init__(name, [netns.MICROPYTHON, program], env, lossy, board)

        self.share = fastpath
        self.many = not program.endswith("sockets.py")
        if self.many:
            self.router = [netns.MICROPYTHON, os.path.join(HERE, "netstack/router.py")]

    def extra(self, count):
        return (str(count),)


class Linux(Stack):
    veth = True


def stacks():
    found = [
        Netstack("netstack sockets", "sockets.py"),
        Netstack("netstack callbacks", "callbacks.py", board=instructions.netstack),
        LwIP("lwIP sockets", "lwip-sockets"),
        LwIP("lwIP raw", "lwip-raw", board=instructions.lwip, router="lwip-router"),
        Linux("Linux", [os.path.join(OUT, "server")]),
    ]
    slow = functools.partial(instructions.netstack, fastpath=False)
    name = "netstack fast path off"
    found.insert(2, Netstack(name, "callbacks.py", False, lossy=False, board=slow))
    return found


# -- where they meet ----------------------------------------------------------------------------


class Bed:
    """Linux at 10.99.0.1, by a TAP or a veth; `lossy`: at the far end of a bad cable; for IPv6 at
    fd99::1 as well."""

    def __init__(self, veth, lossy, family):
        self.lossy = lossy
        self.near = netns.Namespace(tap=None)
        self.far = netns.Namespace(tap=None) if veth else self.near
        self.near.run("sysctl", "-qw", "net.ipv4.tcp_no_metrics_save=1")
        address = netns.LINUX + "/24"
        if veth:
            self._add_veth(None if lossy else address)
        else:
            self.near.add_tap("tap0", None if lossy else address)
        if lossy:
            self.near.run("ip", "link", "set", self.ours, "arp", "off")
            self.near.add_tap("tap1", address)
        self.device = "tap1" if lossy else self.ours
        if family == 6:
            self.near.use_ipv6(self.device)
            if veth:
                self.far.use_ipv6("veth1", netns.OURS6 + "/64")

    def _add_veth(self, address):
        near, far = self.near, self.far
        near.run("ip", "link", "add", "veth0", "type", "veth", "peer", "veth1", "netns", far.name)
        near.run("ip", "link", "set", "veth0", "up")
        far.run("ip", "link", "set", "veth1", "up")
        far.run("ip", "addr", "add", netns.OURS + "/24", "dev", "veth1")
        if address:
            near.run("ip", "addr", "add", address, "dev", "veth0")
        # Frames of 1500 bytes with sums in them, as a TAP has them.
        for ns, device in ((near, "veth0"), (far, "veth1")):
            ns.run("ethtool", "-K", device, "tso", "off", "gso", "off", "gro", "off", "tx", "off")

    @property
    def ours(self):
        return "veth0" if self.far is not self.near else "tap0"

    def wire(self, loss, seed):
        options = ("--loss=%g" % (loss / 100), "--delay=%d" % DELAY_MS, "--seed=%d" % seed)
        wire = self.near.start(sys.executable, WIRE, self.ours, "tap1", *options)
        wire.expect("^ready")
        return wire

    def forget(self):
        """The next server has another MAC."""
        self.near.run("ip", "neigh", "flush", "dev", self.device)

    def close(self):
        self.near.close()
        self.far.close()


class Road:
    """Two hosts, 10.98.0.1 and 10.99.0.1, and the router .254 between them: on a TAP of each host,
    or Linux itself in a namespace between; for IPv6 fd98::1, fd99::1 and fe."""

    def __init__(self, veth, family):
        self.hosts = [netns.Namespace(tap=None) for _ in range(2)]
        self.paths = ["/run/netns/" + host.name for host in self.hosts]
        self.middle = netns.Namespace(tap=None) if veth else None
        if veth:
            self.middle.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
            self.middle.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        for i, host in enumerate(self.hosts):
            net = "10.%d.0." % (98 + i)
            if veth:
                self._add_veth(i, host, net + "254/24")
            else:
                host.add_tap("tap0")
            host.run("ip", "addr", "add", net + "1/24", "dev", self.device)
            host.run("ip", "route", "add", "default", "via", net + "254")
            if family == 6:
                net = "fd%d::" % (98 + i)
                host.use_ipv6(self.device, net + "1/64")
                if veth:
                    self.middle.use_ipv6("veth%d" % i, net + "fe/64")
                host.run("ip", "-6", "route", "add", "default", "via", net + "fe")

    def _add_veth(self, i, host, address):
        name = "veth%d" % i
        how = "ip link add %s type veth peer name veth0 netns %s" % (name, host.name)
        self.middle.run(*how.split())
        self.middle.run("ip", "addr", "add", address, "dev", name)
        for ns, device in ((self.middle, name), (host, "veth0")):
            ns.run("ip", "link", "set", device, "up")
            ns.run("ethtool", "-K", device, "tso", "off", "gso", "off", "gro", "off", "tx", "off")

    @property
    def device(self):
        return "veth0" if self.middle else "tap0"

    def start(self, stack, row):
        """The router; None: it is there."""
        for host in self.hosts:  # each router has MACs of its own
            host.run("ip", "neigh", "flush", "dev", self.device)
        if self.middle:
            return None
        env = dict(stack.env, MICROPYPATH=FORWARDING, NETSTACK_FAMILY=str(row.family))
        router = self.hosts[0].start(*stack.of(stack.router, row), *self.paths, env=env)
        router.expect("^ready")
        return router

    def close(self):
        for ns in (*self.hosts, self.middle):
            if ns:
                ns.close()


class Beds:
    """Made when they are first asked for, closed together."""

    def __init__(self):
        self._beds = {}

    def get(self, kind, *args):
        if (kind, args) not in self._beds:
            self._beds[kind, args] = kind(*args)
        return self._beds[kind, args]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for bed in self._beds.values():
            bed.close()


# -- the rows -----------------------------------------------------------------------------------


class Row:
    """A load. measure() returns {key: value}, without those that a stack cannot have; `figures`
    says what is shown of that, as (key, title, unit, is more better?)."""

    lossy = False
    family = 4
    role = "echo"
    count = 1
    congestion = "cubic"

    def __init__(self, effort, figures):
        self.effort = effort
        self.figures = figures

    def why_not(self, stack):
        """Why a stack has no figure in this row; None if it has."""
        if self.lossy and not stack.lossy:
            return "left out"
        return None


def peer(bed, server, what, seconds, *args, family=4):
    """Run the peer, bench/linux/peer.c; the dict it prints."""
    env = dict(os.environ, BENCH_ADDRESS=netns.OURS if family == 4 else netns.OURS6)
    return printed(bed.near, seconds, "peer", what, server.pid, seconds, *args, env=env)


def printed(ns, seconds, program, *args, env=None):
    """What a program of bench/linux prints in the end."""
    argv = (os.path.join(OUT, program), *args)
    done = ns.run(*argv, check=False, timeout=seconds + 40, env=env)
    if done.returncode:
        raise instructions.Failed((done.stdout.strip().splitlines() or ["no answer"])[-1])
    return json.loads(done.stdout.splitlines()[-1])


class Bulk(Row):
    def __init__(self, effort, receive, count, loss=None, congestion="cubic", family=4):
        verb = "receive" if receive else "send"
        self.receive = receive
        self.role = "sink" if receive else "source"
        self.count = count
        self.loss = loss
        self.congestion = congestion
        self.family = family
        self.lossy = loss is not None
        key = "%s_%d" % (verb, count)
        title = "TCP %s, %d connection%s" % (verb, count, "s" * (count > 1))
        if family == 6:
            verb += "6"
            key = "%s_%d" % (verb, count)
            title += ", IPv6"
        if self.lossy:
            key += "_loss_%g" % loss
            title += ", %g %% loss, %d ms" % (loss, 2 * DELAY_MS)
        if congestion != "cubic":
            key += "_" + congestion
            title += ", netstack's by " + congestion.upper()
        figures = [(key, title, "Mbit/s", True)]
        if count == 1 and not self.lossy:
            what = verb.replace("6", ", IPv6")
            figures.append(("cpu_" + verb, "CPU to %s" % what, "ms/MB", False))
            title = "CPU to %s, the peer's added" % what
            figures.append(("cpu_both_" + verb, title, "ms/MB", False))
            title = "segments by the fast path, %s" % what
            figures.append(("fast_" + verb, title, "%", True))
        super().__init__(effort, figures)

    def why_not(self, stack):
        if stack.veth and self.congestion != "cubic":
            return "left out: it is the roof by CUBIC"
        return super().why_not(stack)

    def measure(self, bed, server, stack):
        seconds = self.effort.lossy_seconds if self.lossy else self.effort.seconds
        what = "send" if self.receive else "recv"
        got = peer(bed, server, what, seconds, self.count, family=self.family)
        megabytes = got["bytes"] / 1e6
        if megabytes <= 0:
            raise instructions.Failed("no byte came through")
        cpu = 1e3 * got["cpu"] / megabytes
        both = cpu + 1e3 * got["peer_cpu"] / megabytes
        values = [8 * megabytes / got["seconds"], cpu, both]
        if stack.share and len(self.figures) > len(values):
            values.append(share(server))
        return {figure[0]: value for figure, value in zip(self.figures, values)}


def share(server):
    """Percent of the segments, in and out, that the server's fast path took and sent."""
    found = server.expect(r"^fast (\d+) (\d+) of (\d+) (\d+)").groups()
    fast_in, fast_out, all_in, all_out = map(int, found)
    return 100 * (fast_in + fast_out) / (all_in + all_out)


class Crowd(Row):
    """One connection's transfer, alone and among idle connections, in turns."""

    def __init__(self, effort, receive):
        verb = "receive" if receive else "send"
        self.role = "sink" if receive else "source"
        self.what = "send-crowd" if receive else "recv-crowd"
        self.key = "crowd_" + verb
        title = "TCP %s, 1 connection among %d idle ones" % (verb, CROWD)
        super().__init__(
            effort,
            [(self.key, title, "Mbit/s", True), (self.key + "_ratio", title, "of it alone", True)],
        )

    def why_not(self, stack):
        return "left out" if stack.veth else None

    def measure(self, bed, server, stack):
        got = peer(bed, server, self.what, self.effort.seconds, CROWD)
        if not got["alone"] or not got["crowded"]:
            raise instructions.Failed("no byte came through")
        rate = 8e-6 * got["crowded"]
        return {self.key: rate, self.key + "_ratio": got["crowded"] / got["alone"]}


class Echo(Row):
    def __init__(self, effort, family=4):
        self.family = family
        suffix, over = ("6", ", IPv6") if family == 6 else ("", "")
        title = "UDP echo, 64 bytes, 16 in flight" + over
        figures = [("udp_echo" + suffix, title, "/s", True)]
        figures.append(("cpu_echo" + suffix, "CPU for a UDP echo" + over, "us", False))
        super().__init__(effort, figures)

    def measure(self, bed, server, stack):
        got = peer(bed, server, "echo", self.effort.seconds, 64, 16, family=self.family)
        if not got["echoes"]:
            raise instructions.Failed("no echo came back")
        cpu = 1e6 * got["cpu"] / got["echoes"]
        values = (got["echoes"] / got["seconds"], cpu)
        return {figure[0]: value for figure, value in zip(self.figures, values)}


class NetconnEcho(Echo):
    role = "netconn"

    def __init__(self, effort):
        figures = [("udp_echo_netconn", "the same by lwIP's netconn", "/s", True)]
        Row.__init__(self, effort, figures)

    def why_not(self, stack):
        return None if stack.name == targets.SOCKETS[1] else "has none"

    def measure(self, bed, server, stack):
        return super().measure(bed, server, stack)


class Connections(Row):
    role = "accept"

    def __init__(self, effort):
        title = "connections accepted and closed"
        super().__init__(effort, [("connections", title, "/s", True)])

    def measure(self, bed, server, stack):
        got = peer(bed, server, "conn", self.effort.seconds)
        return {"connections": got["connections"] / got["seconds"]}


class Ping(Row):
    def __init__(self, effort):
        super().__init__(effort, [("ping", "ping, 56 bytes, mean round trip", "us", False)])

    def measure(self, bed, server, stack):
        how = ("-q", "-n", "-i", "0.005", "-W", "1", "-c", self.effort.pings)
        text = bed.near.run("ping", *how, netns.OURS, check=False).stdout
        match = re.search(r"= [\d.]+/([\d.]+)/", text)
        if not match:
            raise instructions.Failed("no reply to ping")
        return {"ping": 1000 * float(match.group(1))}


class Idle(Row):
    role = "hold"

    def __init__(self, effort):
        title = "memory for an idle connection"
        super().__init__(effort, [("idle", title, "bytes", False)])

    def why_not(self, stack):
        return "not measured here: kernel memory" if stack.veth else None

    def measure(self, bed, server, stack):
        first, last = self.effort.held
        peer(bed, server, "hold", 0.2, last)
        used = [int(server.expect(r"^held %d (\d+)" % n).group(1)) for n in (first, last)]
        return {"idle": (used[1] - used[0]) / (last - first)}


class Many(Row):
    """The whole process at its largest, the program and its libraries included."""

    role = "hold"
    count = MANY

    def __init__(self, effort):
        title = "whole process, %d connections open" % MANY
        super().__init__(effort, [("whole_1000", title, "MB", False)])

    def why_not(self, stack):
        if stack.veth:
            return "not measured here: kernel memory"
        return None if stack.many else "left out: the budget of 2 MB is for 512"

    def measure(self, bed, server, stack):
        peer(bed, server, "hold", 0.2, MANY)
        server.expect(r"^held %d " % MANY)
        with open("/proc/%d/status" % server.pid) as file:
            most = re.search(r"VmHWM:\s*(\d+) kB", file.read())
        return {"whole_1000": int(most.group(1)) * 1024 / 1e6}


class Forward(Row):
    """What a router takes from one host to another."""

    def __init__(self, effort, family=4):
        self.family = family
        prefix, over, most = (
            ("forward_", "", 1460) if family == 4 else ("forward6_", ", IPv6", 1440)
        )
        self.loads = (
            (prefix + "udp_64", "UDP forwarded, 64 bytes", ("udp", 64, 128)),
            (prefix + "udp_%d" % most, "UDP forwarded, %d bytes" % most, ("udp", most, 128)),
            (prefix + "tcp", "TCP forwarded, %d bytes, without ACKs" % most, ("tcp",)),
        )
        figures = []
        for name, title, _ in self.loads:
            figures.append((name, title + over, "packets/s", True))
            figures.append(("cpu_" + name, "CPU for that", "us/packet", False))
        super().__init__(effort, figures)

    def why_not(self, stack):
        return None if stack.router or stack.veth else "not measured: a router has no sockets"

    def measure(self, road, stack):
        values = {}
        router = road.start(stack, self)
        try:
            for name, _, load in self.loads:
                packets, seconds, cpu = self.run(road, router, *load)
                values[name] = packets / seconds
                if router:
                    values["cpu_" + name] = 1e6 * cpu / packets
        finally:
            if router:
                router.stop()
        return values

    def run(self, road, router, kind, *args):
        pid = router.pid if router else 0
        seconds = self.effort.seconds
        args = (kind, pid, seconds, *road.paths, ROUTED[self.family], *args)
        got = printed(road.hosts[0], seconds, "through", *args)
        segment = SEGMENT - 20 * (self.family == 6)
        packets = got["packets"] if kind == "udp" else got["bytes"] / segment
        if not packets:
            raise instructions.Failed("no packet came through")
        return packets, got["seconds"], got["cpu"]


class Instructions(Row):
    """On an emulated board, where time is instructions: one run is like the other."""

    def __init__(self, effort, load, role):
        self.load = load
        self.role = role
        title = instructions.TITLES[load]
        super().__init__(effort, [("board_" + load, title, instructions.BOARD, False)])

    def why_not(self, stack):
        return None if stack.board else "not measured here"

    def measure(self, bed, stack):
        with stack.board(bed.near, self.role) as (console, pid):
            args = (bed.near, console, pid, self.load, self.effort.seconds)
            return {self.figures[0][0]: instructions.load(*args)}


class ForwardInstructions(Row):
    def __init__(self, effort, size):
        self.size = size
        title = instructions.FORWARD_TITLE % size
        super().__init__(effort, [("board_forward_%d" % size, title, instructions.BOARD, False)])

    def why_not(self, stack):
        return None if stack.board else "not measured here"

    def measure(self, hosts, stack):
        hosts.forget()
        with stack.board(hosts.near, "forward") as (console, _):
            return {self.figures[0][0]: hosts.load(console, self.size)}


def rows(effort):
    found = [Bulk(effort, receive, n) for receive in (True, False) for n in (1, 8)]
    found += [Crowd(effort, receive) for receive in (True, False)]
    found += [Echo(effort), NetconnEcho(effort), Connections(effort), Ping(effort)]
    found += [Idle(effort), Many(effort)]
    for receive in (True, False):
        found += [Bulk(effort, receive, 1, loss) for loss in effort.loss]
    found += [Bulk(effort, False, 1, 1, "bbr"), Forward(effort)]
    found += [Bulk(effort, receive, 1, family=6) for receive in (True, False)]
    found += [Echo(effort, family=6), Forward(effort, family=6)]
    found += [Instructions(effort, load, role) for load, role in instructions.LOADS]
    return found + [ForwardInstructions(effort, size) for size in instructions.FORWARDED]


# -- a run --------------------------------------------------------------------------------------


def measure(row, stack, beds, run):
    if isinstance(row, Forward):
        return row.measure(beds.get(Road, stack.veth, row.family), stack)
    if isinstance(row, ForwardInstructions):
        return row.measure(beds.get(instructions.Hosts), stack)
    bed = beds.get(Bed, stack.veth, row.lossy, row.family)
    bed.forget()
    if isinstance(row, Instructions):
        return row.measure(bed, stack)
    wire = bed.wire(row.loss, run + 1) if row.lossy else None
    server = stack.start(bed.far, row)
    try:
        server.expect("^ready")
        return row.measure(bed, server, stack)
    finally:
        server.stop()
        if wire:
            wire.stop()


def collect(effort, beds, subjects):
    """{figure's key: {stack's name: Figures}} of all runs."""
    table = rows(effort)
    result = {figure[0]: {} for row in table for figure in row.figures}
    for run in range(effort.runs):
        for number, row in enumerate(table):
            if run and isinstance(row, (Instructions, ForwardInstructions)):
                continue
            print(
                "\rbench: run %d of %d, %-50s" % (run + 1, effort.runs, row.figures[0][1]),
                end="", file=sys.stderr, flush=True,
            )  # fmt: skip
            for stack in subjects if (run + number) % 2 == 0 else subjects[::-1]:
                enter(result, row, stack, beds, run)
    print(file=sys.stderr)
    return table, result


def enter(result, row, stack, beds, run):
    """Put what a measurement brings into `result`, or why there is none."""
    cells = [result[figure[0]].setdefault(stack.name, report.cell()) for figure in row.figures]
    note = row.why_not(stack)
    values = None
    for _ in range(0 if note else row.effort.tries):
        try:
            values = measure(row, stack, beds, run)
            note = None
            break
        except (instructions.Failed, emulate.EmulatorError, AssertionError) as error:
            note = "failed: %s" % str(error).splitlines()[0]
    for cell, figure in zip(cells, row.figures):
        value = values.get(figure[0]) if values else None
        cell["values"].append(value)
        why = note or ("has none" if value is None else None)
        if why and why not in cell["notes"]:
            cell["notes"].append(why)


def machine():
    """What it ran on, so that nobody compares reports of two machines."""
    with open("/proc/cpuinfo") as file:
        model = re.search(r"model name\s*: (.*)", file.read())
    return {
        "cpu": model.group(1) if model else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "load": [round(x, 2) for x in os.getloadavg()],
    }


def lwip_version():
    path = os.path.join(ROOT, "build/lwip/src/include/lwip/init.h")
    text = open(path).read()
    found = re.findall(r"define LWIP_VERSION_(?:MAJOR|MINOR|REVISION)\s+(\d+)", text)
    return ".".join(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one short run: does it work?")
    parser.add_argument("--readme", action="store_true", help="put the table into README.md")
    args = parser.parse_args()
    reason = netns.missing("ping", "ethtool")
    if reason:
        sys.exit("bench: " + reason.replace("make test", "make bench"))
    effort = QUICK if args.quick else WHOLE
    began = time.time()
    before = machine()
    with Beds() as beds:
        subjects = stacks()
        table, result = collect(effort, beds, subjects)
    found = report.rows(table, result)
    print("bench: RP2040", file=sys.stderr)
    board = rp2040.measure(netns.OUT, **effort.rp2040)
    data = {
        "date": time.strftime("%Y-%m-%d", time.gmtime(began)),
        "seconds": round(time.time() - began),
        "runs": effort.runs,
        "quick": args.quick,
        "machine": before,
        "lwip": lwip_version(),
        "stacks": [stack.name for stack in subjects],
        "rows": found,
        "rp2040": board,
        "targets": targets.judge(found) + rp2040.judge(board),
    }
    paths = report.write(os.path.join(OUT, "quick" if args.quick else "report"), data)
    print(report.markdown(data))
    print("\nbench: %d s; %s" % (data["seconds"], " and ".join(paths)))
    if args.readme:
        report.into_readme(os.path.join(ROOT, "README.md"), data)


if __name__ == "__main__":
    main()
