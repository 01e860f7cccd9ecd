# What the programs beside this one begin with: the LAN with a fixed address.

import network

OURS = "10.99.0.2"
LINUX = "10.99.0.1"


def up():
    nic = network.LAN()
    nic.active(True)
    nic.ipconfig(addr4=OURS + "/24", gw4=LINUX)
    return nic
