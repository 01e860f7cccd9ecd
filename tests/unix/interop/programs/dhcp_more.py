# Takes a lease with everything that a server tells, prints it, and gives the lease back when a
# line is read: dhcp_more.py [inform]

import lan
import network
import sys
import time
from netstack.api import host

inform = "inform" in sys.argv
nic = lan.up() if inform else network.LAN()
if inform:
    nic.ipconfig(addr4=lan.OURS + "/24", dhcp4="inform")
else:
    host.udp()
    from netstack.services import dhcp

    client = dhcp.attach(nic._wire.nif)
    client.want(b"\x2b\x42", lambda lease: print("told", sorted(lease.options)), b"netstack")
    nic.active(True)
print("ready")
while not (nic.ipconfig("lease4") if inform else nic.isconnected()):
    time.sleep_ms(5)
lease = nic.ipconfig("lease4")
for name in sorted(lease):
    print(name, lease[name])
if not inform:
    print("vendor", client.lease.options.get(43), client.lease.options.get(66))
    routes = host.stack().ip4.routes
    print("gw", nic.ipconfig("gw4"), len(routes.list) if routes else 0)
print("all", nic.ipconfig("addr4")[0])
sys.stdin.readline()
host.stack().nifs[1].arp.flush()  # so that the server has to be asked for
nic.active(False)
print("off", nic.ipconfig("addr4")[0])
