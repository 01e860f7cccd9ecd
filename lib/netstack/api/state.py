# What api/host.py has for this process or board, and what of it changes. It is a module of its own
# so that no name of host.py changes: where frozen modules lie in flash, those lie there as well.

import sys

UNIX = sys.platform in ("linux", "darwin")
hostname = "mpy-" + sys.platform  # of interfaces to come: network.hostname()

st = None  # the stack, once there is one
pump = None  # polls it: host.pump()
service = None  # host.Service, on a board
prefer = 4  # the family whose addresses are tried first: network.ipconfig(prefer=...)
hurried = False  # whoever asks must not be kept: until.py
round = 0  # host.pump_once_a_round()
lans = {}  # what network.LAN and network.WLAN share, by number or name
nics = []
owed = []  # sockets whose callback is to be called
loaded = {}  # modules by host.load()
first = None  # host.First: held by who does what is done once


def rouse():
    """What a thread may be waiting for has happened, and some are asleep."""
