# What the programs beside this one begin with: the LAN with a fixed address.

import network
import socket
import struct
from time import sleep_ms

OURS = "10.99.0.2"
LINUX = "10.99.0.1"
OURS6 = "fd99::2"
LINUX6 = "fd99::1"


def up():
    nic = network.LAN()
    # The kernel does not send by a TAP before it has noticed that somebody holds it, which takes a
    # while on a busy machine; what is lost meanwhile is not sent again for a second.
    for _ in range(60000):
        if nic._wire.nif.nic.link():
            break
        sleep_ms(1)
    nic.active(True)
    nic.ipconfig(addr4=OURS + "/24", gw4=LINUX)
    return nic


def up6():
    """The same with an address of IPv6 that nobody else has."""
    nic = up()
    nic.ipconfig(addr6=OURS6 + "/64")
    while any(state != 0x30 for _, state, _, _ in nic.ipconfig("addr6")):
        sleep_ms(20)
    return nic


def close(conn):
    """Close a TCP socket, and wait until all that was sent, and our FIN, is acknowledged: sockets
    belong to the program, and leaving at once would take the last segments along."""
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 60))
    conn.close()
