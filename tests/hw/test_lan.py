"""A board on a wire: transfers, link, group addresses, and what a wire or a chip does wrong.

One program (programs/lab.py) runs all the time: what one test leaves behind shows in the next.
"""

import concurrent.futures
import contextlib
import itertools
import os
import random
import socket
import struct
import time

import netns
import partner
import pytest
from attached import Board, boot, namespace, start_dnsmasq

FULL = os.environ.get("NETSTACK_FULL") == "1"
SEED = int(os.environ.get("NETSTACK_SEED", "6"))
RECOVERY = 5  # seconds of the board's time
PATIENCE = 400  # seconds, for what comes sooner or later


@pytest.fixture(scope="module")
def lab(board_name, wiring, request, tmp_path_factory):
    """A board that runs lab.py: on a TAP, or a real one where it is."""
    if not wiring["nic"]:
        pytest.skip("%s has no wire" % board_name)
    port = request.config.getoption("port", None)
    with contextlib.ExitStack() as stack:
        if port:
            board = Board(board_name, port)
        else:
            reason = netns.missing("dnsmasq")
            if reason:
                pytest.skip(reason)
            directory = tmp_path_factory.mktemp("lan")
            ns = stack.enter_context(namespace())
            start_dnsmasq(ns, directory)
            with ns.entered():
                log = str(directory / "qemu.log")
                emulator = boot(board_name, net="tap:tap0", mac=netns.MAC, log=log)
            stack.enter_context(emulator)
            board = Board(board_name, emulator.serial_url, emulator, ns)
        lab = partner.Lab(board, bool(port))
        stack.callback(lab.stop)
        lab.frames = lab.memory()[1]
        yield lab


@pytest.fixture
def chip(lab):
    """For tests of what a chip does wrong."""
    if not lab.slow:
        pytest.skip("%s's chip does nothing wrong on request" % lab.board.name)
    return lab.emulator


@pytest.mark.parametrize("verb", ["take", "give"])
def test_tcp(lab, wiring, verb):
    """Digests are equal, and it is as fast as this board has to be: the best of some, since the
    host may be busy with something else, and its time is the board's while that has to wait."""
    size = 20000 if lab.slow else 1000000
    floor = wiring["kilobytes_per_second"][verb]
    lab.transfer(verb, 1000).finish()
    rates = []
    while len(rates) < 3 * FULL or not rates or len(rates) < 12 and max(rates) < floor:
        start = lab.state()["ns"]
        lab.transfer(verb, size * (10 if FULL else 1)).finish()
        rates.append(size * (10 if FULL else 1) * 1e6 / (lab.state()["ns"] - start))
    print("%s: %s kB/s" % (verb, ", ".join("%.0f" % rate for rate in rates)))
    assert max(rates) >= floor
    assert lab.state().get("complaints", []) == []


def test_udp(lab):
    """Datagrams of all sizes come back as they were."""
    rnd = random.Random(SEED)
    sizes = [0, 1, 17, 18, 19, 1471, 1472] + [
        rnd.randrange(1473) for _ in range(5 if lab.slow else 20)
    ]
    for size in sizes:
        lab.echo(rnd.randbytes(size))


def test_many_connections(lab):
    """One after the other, and all at once; afterwards heap and frames are as before."""
    if lab.slow and not FULL:
        pytest.skip("takes long, and test_fetches_by_tap has some: NETSTACK_FULL=1")
    one_by_one, at_once = (200, 12 if lab.slow else 30) if FULL else (10, 12)

    def both():
        for _ in range(one_by_one):
            lab.once("take", 1000)
        with contextlib.ExitStack() as stack:
            pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(at_once))
            socks = [stack.enter_context(lab.connect()) for _ in range(at_once)]
            verbs = itertools.cycle(("take", "give"))
            transfers = [partner.Transfer(next(verbs), 3000, sock) for sock in socks]
            list(pool.map(partner.Transfer.finish, transfers))

    lab.leaves_nothing(both)


def test_group(lab):
    """A board that has not joined a group, or has left it, does not hear it, and its chip does not
    even let the frame in."""

    def filtered():
        return lab.state().get("filtered", 0)

    with lab.group_socket() as sock:
        before = filtered()
        assert not lab.group_heard(sock)
        assert not lab.slow or filtered() > before
        for _ in range(10 if FULL else 1):
            assert lab.ask("join") == "joined"
            assert lab.group_heard(sock)
            assert lab.ask("leave") == "left"
            before = filtered()
            assert not lab.group_heard(sock)
            assert not lab.slow or filtered() > before


def test_link(lab):
    """The cable is pulled in the middle of two transfers and put back: the program is told, and
    both go on to their digests."""
    if not lab.emulator:
        pytest.skip("nobody is there to pull the cable")
    size = 12000 if lab.slow else 500000
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(2))
        transfers = []
        for verb in ("take", "give"):
            sock = stack.enter_context(lab.connect(4096))  # so that "give" cannot be done
            transfers.append(partner.Transfer(verb, size, sock))
        for transfer in transfers:
            transfer.move(size // 4)
        lab.emulator.plug(False)
        ends = [pool.submit(transfer.finish) for transfer in transfers]
        lab.process.expect(r"^link False 1$", PATIENCE)
        assert not any(end.done() for end in ends)
        lab.emulator.plug(True)
        took = lab.answers(RECOVERY)
        lab.process.expect(r"^link True 3$", PATIENCE)
        for end in ends:
            end.result(PATIENCE)
    print("the board answers %.2f s after the cable is back" % took)


def test_bad_frames(lab):
    """Runts, oversize, noise, wrong headers and checksums: what is right between them gets
    through, and nothing stays."""
    raw, head = lab.raw()
    longest = 1514
    if lab.emulator:
        lab.board.ns.run("ip", "link", "set", "tap0", "mtu", "4000")
        longest = 4014
    to = socket.inet_aton(lab.board.address)
    source = socket.inet_aton(lab.udp.getsockname()[0])
    count = 20000 if FULL else 20 if lab.slow else 600

    def all_kinds():
        rnd = random.Random(SEED)
        frames = partner.bad_frames(rnd, head, source, to, longest)
        for i, frame in enumerate(itertools.islice(frames, count)):
            raw.send(frame)
            if i % 12 == 0:
                lab.echo(b"%d" % i)

    try:
        with raw:
            lab.leaves_nothing(all_kinds)
    finally:
        if lab.emulator:
            lab.board.ns.run("ip", "link", "set", "tap0", "mtu", "1500")
    for verb in ("take", "give"):
        lab.transfer(verb, 3000).finish()


# What the chip is told, one after the other, and then, when that has been seen; what counts it.
FAULTS = {
    "interrupts are lost": ("mute_int", [True], False, "lost_interrupts"),
    "the bus is stuck": ("stuck", [0x00, 0xFF], None, "resets"),
    "nothing is sent": ("stall", [True], False, "resets"),
    "it starts anew": ("power_cut", [None], None, "resets"),
    "lengths lie": ("lie", [0, 65535, 300], None, "drops"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_fault(lab, chip, what):
    """Under load: each is counted, within 5 s the board answers again, and no byte is lost."""
    fault, values, well, counter = FAULTS[what]
    transfer = lab.transfer("take", 3000 * (len(values) + 1))
    counts = [lab.counts()[counter]]
    for value in values:
        transfer.move(1000)
        resets = chip.tell(fault, value)["resets"]
        transfer.move(2000)
        if fault == "stuck":
            lab.process.expect("^link False", PATIENCE)
        elif fault == "stall":
            netns.until(lambda: chip.tell()["resets"] > resets, timeout=PATIENCE)
        elif fault == "mute_int":
            netns.until(lambda: lab.counts()[counter] > counts[0], timeout=PATIENCE)
        if fault in ("stuck", "stall", "mute_int"):
            chip.tell(fault, well)
        took = lab.answers(RECOVERY)
        if fault == "stuck":
            lab.process.expect("^link True 3", PATIENCE)
        print("%s: answers after %.2f s" % (what, took))
        counts.append(lab.counts()[counter])
    transfer.finish()
    assert sorted(set(counts)) == counts, counts


def test_more_frames_than_there_is_room_for(lab, chip):
    """The chip loses what its memory does not hold, and what comes afterwards is whole."""
    before = chip.tell()["overruns"]
    transfer = lab.transfer("take", 9000)
    transfer.move(3000)
    assert chip.tell("overrun", 40)["overruns"] > before
    lab.answers(RECOVERY)
    transfer.finish()


@pytest.mark.timeout(10000)
def test_soak(lab):
    """All at once and at random; an hour with NETSTACK_FULL=1. Heap and frames are as before."""
    rnd = random.Random(SEED)
    raw, head = lab.raw()
    to = socket.inet_aton(lab.board.address)
    source = socket.inet_aton(lab.udp.getsockname()[0])
    frames = partner.bad_frames(rnd, head, source, to, 1514)
    size = 6000 if lab.slow else 100000
    done = dict.fromkeys(("take", "give", "drop", "echo", "bad", "group"), 0)

    def some():
        what = min(done, key=done.get) if rnd.random() < 0.5 else rnd.choice(list(done))
        done[what] += 1
        if what in ("take", "give"):
            lab.once(what, rnd.randrange(1, size))
        elif what == "drop":
            with lab.connect() as sock:
                sock.sendall(b"%s %d\n" % (rnd.choice((b"take", b"give")), size))
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif what == "echo":
            lab.echo(rnd.randbytes(rnd.randrange(1400)))
        elif what == "bad":
            for frame in itertools.islice(frames, 10):
                raw.send(frame)
            lab.echo(b"still there?")
        else:
            lab.ask("join")
            lab.ask("leave")

    def many():
        if not FULL:
            for _ in range(4 if lab.slow else 40):
                some()
            return
        end = time.monotonic() + 1800
        while time.monotonic() < end:
            some()

    with raw:
        lab.leaves_nothing(many)
    print(done)


@pytest.mark.parametrize("how", ["reset", "soft_reset"])
def test_reset(lab, how):
    """In the middle of transfers, with the NIC busy. Peers are told when they send again."""
    if lab.slow and how == "soft_reset" and not FULL:
        pytest.skip("takes long: NETSTACK_FULL=1")
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(lab.connect()) for _ in range(2)]
        transfers = [partner.Transfer(v, 500000, s) for v, s in zip(("take", "give"), socks)]
        for transfer in transfers:
            transfer.move(4000)
        boots = lab.state().get("boots", 0)
        with lab.connect() as sock:
            sock.sendall(b"%s\n" % how.encode())
            if how == "soft_reset":
                lab.process.wait(PATIENCE)  # mpremote sees the program's end
            elif lab.slow:
                netns.until(lambda: lab.state()["boots"] > boots, timeout=PATIENCE)
            elif lab.emulator:
                lab.process.expect("^MicroPython", PATIENCE)
        lab.stop()
        if not lab.emulator:  # a real one's port has gone and comes back
            look = "resume", "exec", "print('there')"
            netns.until(
                lambda: lab.board.mpremote(*look, check=False).strip() == "there", timeout=60
            )
        lab.start()
        for sock in socks:
            with pytest.raises(ConnectionError):
                while True:
                    sock.sendall(b"x")
                    sock.recv(100)
    assert lab.memory()[1] == lab.frames
    for verb in ("take", "give"):
        lab.transfer(verb, 3000).finish()
