"""A bad cable between two TAPs of a namespace: loses frames and delays them, from a seed.

    python wire.py tap0 tap1 --loss 0.01 --delay 10 --seed 1

`tap0` is the one that netstack has opened, `tap1` the one on which Linux has its address. (Linux's
own `tc netem` is not in every kernel, and no seed makes it repeat itself.)
"""

import argparse
import collections
import contextlib
import fcntl
import os
import random
import select
import socket
import struct
import time

TUNSETIFF = 0x400454CA
IFF_TAP_NO_PI = 0x1002
ETH_P_ALL = 3
SO_RCVBUFFORCE = 33
FRAME = 65536


def open_tap(name):
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP_NO_PI))
    return fd


class Way:
    """One direction: frames come in by recv(), which gives None for one that is not to be carried,
    and go out by send() in their order."""

    def __init__(self, recv, send, args, seed):
        self.recv = recv
        self.send = send
        self.loss = args.loss
        self.delay = args.delay / 1000
        self.random = random.Random(seed)
        self.queue = collections.deque()
        self.carried = self.lost = 0

    def take(self):
        frame = self.recv()
        if frame is None:
            return
        if self.random.random() < self.loss:
            self.lost += 1
        else:
            self.queue.append((time.monotonic() + self.delay, frame))

    def give(self, now):
        while self.queue and self.queue[0][0] <= now:
            with contextlib.suppress(OSError):  # nobody holds the TAP at the other end
                self.send(self.queue.popleft()[1])
                self.carried += 1
        return self.queue[0][0] - now if self.queue else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ours")
    parser.add_argument("theirs")
    parser.add_argument("--loss", type=float, default=0)
    parser.add_argument("--delay", type=float, default=0, help="ms, each way")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    packet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    packet.bind((args.ours, ETH_P_ALL))
    packet.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    tap = open_tap(args.theirs)

    def from_ours():
        frame, address = packet.recvfrom(FRAME)
        return frame if address[2] != socket.PACKET_OUTGOING else None

    ways = {
        packet: Way(from_ours, lambda frame: os.write(tap, frame), args, 2 * args.seed),
        tap: Way(lambda: os.read(tap, FRAME), packet.send, args, 2 * args.seed + 1),
    }
    print("ready", flush=True)
    reported = 0
    while True:
        now = time.monotonic()
        wait = min(way.give(now) for way in ways.values())
        for source in select.select(list(ways), [], [], wait)[0]:
            ways[source].take()
        if now > reported + 1:
            reported = now
            counts = [(way.carried, way.lost) for way in ways.values()]
            print(
                "from us %d carried %d lost, to us %d carried %d lost" % (*counts[0], *counts[1]),
                flush=True,
            )


if __name__ == "__main__":
    main()
