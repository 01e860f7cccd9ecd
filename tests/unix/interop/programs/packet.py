# Packet sockets.  packet.py echo: what comes of ethertype 0x88b5 goes back, without headers and
# with them; packet.py watch: prints the kinds and types of all frames, whichever they are.

import lan
import socket
import sys

lan.up()
TEST = 0x88B5
kind = socket.SOCK_DGRAM if sys.argv[1] == "echo" else socket.SOCK_RAW
proto = TEST if sys.argv[1] == "echo" else socket.ETH_P_ALL
s = socket.socket(socket.AF_PACKET, kind, socket.htons(proto))
s.bind(("eth0", proto))
assert s.getsockname()[:2] == ("eth0", proto), s.getsockname()


def echo():
    whole = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    while True:
        data, peer = s.recvfrom(1600)
        s.sendto(data, peer)
        mac = s.getsockname()[4]
        whole.sendto(peer[4] + mac + b"\x88\xb5" + bytes(reversed(data)), peer[:2])


def watch():
    while True:
        frame, (name, proto, kind, link, mac) = s.recvfrom(1600)
        assert frame[12] << 8 | frame[13] == proto and frame[6:12] == mac and link == 1
        print("%s %d %04x %s %d" % (name, kind, proto, mac.hex(":"), len(frame)))


print("ready")
if sys.argv[1] == "echo":
    echo()
else:
    watch()
