# What boot.py is on a board: the network is up before the program begins.

import os
import sys
import time

address = os.getenv("SUITES_ADDRESS")
if address:
    import network

    # run-multitests.py does not wait for the end of a program that it has told to end.
    for left in range(100, -1, -1):
        try:
            nic = network.LAN()
            break
        except OSError as error:
            if error.errno != 16 or not left:  # EBUSY
                raise error
            time.sleep_ms(100)
    # Linux sends nothing by a TAP before it has noticed that somebody holds it.
    while not nic._wire.nif.nic.link():
        time.sleep_ms(1)
    nic.active(True)
    nic.ifconfig((address, "255.255.255.0", "10.99.0.1", "10.99.0.1"))


def program():
    """The program of the command line, to be run as if the interpreter had been given it."""
    del sys.argv[0]
    path = sys.argv[0]
    sys.path[0] = path.rpartition("/")[0]
    with open(path) as f:
        return compile(f.read(), path, "exec")
