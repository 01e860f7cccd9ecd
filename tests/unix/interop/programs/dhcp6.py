# Has the LAN ask DHCPv6 servers, and prints every change of what they have given.
# dhcp6.py auto|on|stateless [<length of prefix>] [any]; a line of input gives all back and ends.

import lan
import network
import select
import sys
from netstack.api import host
from netstack.services import dhcp6

network.hostname("a-board")
nic = lan.up()
client = dhcp6.attach(host.stack().nifs[1])
client.want(b"\x11", lambda answer: print("vendor", answer.options.get(17)))
if "slow" in sys.argv:
    client.rapid = False
mode = {"auto": "auto", "on": True, "stateless": "stateless"}[sys.argv[1]]
prefix = int(sys.argv[2]) if len(sys.argv) > 2 and sys.argv[2].isdigit() else False
nic.ipconfig(dhcp6=mode, prefix6=prefix)
print("ready")
poll = select.poll()
poll.register(sys.stdin, select.POLLIN)
shown = {}
while not poll.poll(20):
    lease = nic.ipconfig("lease6") or {}
    states = {addr: state for addr, state, _, _ in nic.ipconfig("addr6")}
    now = {
        "addresses": [
            row[0] + " %#x" % states.get(row[0], 0) for row in lease.get("addresses", ())
        ],
        "prefixes": [row[0] for row in lease.get("prefixes", ())],
        "state": dhcp6.STATES[client.state],
        "dns": lease.get("dns"),
        "search": lease.get("search"),
        "ntp": lease.get("ntp"),
    }
    for name in now:
        if now[name] != shown.get(name):
            print(name, now[name])
            if now[name] and name in ("addresses", "prefixes"):
                print("seconds", lease[name][0][1:])
    shown = now
nic.active(False)
print("off", dhcp6.STATES[client.state], nic.ipconfig("lease6"))
