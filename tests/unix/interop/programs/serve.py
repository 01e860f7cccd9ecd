# A router's side of a LAN: addresses and names for Linux. serve.py <file or -> [captive] [static]

import network
import netstack
import optional
import sys
import time

for name in ("dhcpd_leases", "dhcpd", "dns_forward_tcp", "dns_forward"):
    optional.load("services." + name)
serve = optional.load("api.serve").serve

nic = network.LAN()
nic.active(True)
nic.ipconfig(addr4="10.99.0.2/24")
net = serve(
    nic,
    "10.99.0.50",
    "10.99.0.53",
    lease=60,
    options={42: ["10.99.0.9"], 15: "lan.test", 26: b"\x05\x14", 43: b"\1\2ab"},
    static={"02:00:00:00:00:99": "10.99.0.99"} if "static" in sys.argv else None,
    file=None if sys.argv[1] == "-" else sys.argv[1],
    dns="captive" if "captive" in sys.argv else True,
)
for arg in sys.argv[2:]:
    if arg.startswith("dns="):
        network.ipconfig(dns=arg[4:])
netstack.hosts("printer.lan.test", "10.99.0.77")
print("ready")
last = None
while True:
    leases = [lease[:3] + lease[4:] for lease in net.leases()]
    if leases != last:
        print("leases", leases)
        last = leases
    time.sleep_ms(5)
