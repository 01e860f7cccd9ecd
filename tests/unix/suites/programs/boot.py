# What boot.py is on a board: the network is up before the program begins.

import os
import sys

address = os.getenv("SUITES_ADDRESS")
if address:
    import network

    nic = network.LAN()
    nic.active(True)
    nic.ifconfig((address, "255.255.255.0", "10.99.0.1", "10.99.0.1"))


def program(path):
    """The code of a program, for the interpreter to run as if it had been given that file."""
    sys.path[0] = path.rsplit("/", 1)[0]
    sys.argv[:] = [path]
    with open(path) as f:
        return compile(f.read(), path, "exec")
