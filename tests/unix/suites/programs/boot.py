# What boot.py is on a board: the network is up before the program begins.

import os
import sys

address = os.getenv("SUITES_ADDRESS")
if address:
    import network

    nic = network.LAN()
    nic.active(True)
    nic.ifconfig((address, "255.255.255.0", "10.99.0.1", "10.99.0.1"))


def program():
    """The program of the command line, to be run as if the interpreter had been given it."""
    del sys.argv[0]
    path = sys.argv[0]
    sys.path[0] = path.rpartition("/")[0]
    with open(path) as f:
        return compile(f.read(), path, "exec")
