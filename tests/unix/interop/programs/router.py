# A router between two TAPs: 10.98.0.254/24 and fd98::fe/64 on the first, 10.99.0.254/24 and
# fd99::fe/64 on the second. Does what its input says, in Python, and prints its counters at "end":
# router.py <tap> <tap> [what to do beforehand, in Python]

import netstack  # noqa: F401 (for what is done beforehand)
import network
import select
import sys
import tap
from netstack.api import host, router

lans = []
for i, name in enumerate(sys.argv[1:3]):
    lan = network.LAN(nic=tap.TAP(name, bytes((2, 0x6E, 0x73, 0x74, 2, i))))
    lan.active(True)
    lan.ipconfig(addr4="10.%d.0.254/24" % (98 + i))
    lan.ipconfig(addr6="fd%d::fe/64" % (98 + i))
    lans.append(lan)
router.start(flows=4096)
for line in sys.argv[3:]:
    exec(line)
ended = select.poll()
ended.register(sys.stdin, select.POLLIN)
print("ready")
while True:
    if not ended.poll(0):
        host.wait(lambda: False, 200)
        continue
    line = sys.stdin.readline()
    if line.strip() in ("", "end"):
        break
    exec(line)
for name, values in host.stack().stats().items():
    print(name, values)
