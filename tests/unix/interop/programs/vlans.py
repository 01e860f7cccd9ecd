# The LAN with two VLANs on it, 10.99.10.2 and 10.99.20.2: UDP echo on port 7, and a sink for TCP
# on port 5001, which says how much has come. vlans.py <priority of VLAN 20> [<router in VLAN 10>]

import asyncio
import lan
import network
import socket
import sys
from netstack.api import links

eth0 = lan.up()
for vid, priority in ((10, 0), (20, int(sys.argv[1]))):
    nic = network.LAN(nic=links.vlan(eth0, vid, priority))
    nic.active(True)
    nic.ipconfig(addr4="10.99.%d.2/24" % vid)
    if vid == 10 and len(sys.argv) > 2:
        eth0.ipconfig(gw4="0.0.0.0")
        nic.ipconfig(gw4=sys.argv[2])


async def echo():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("0.0.0.0", 7))
    s.setblocking(False)
    while True:
        yield asyncio.core._io_queue.queue_read(s)
        data, peer = s.recvfrom(1500)
        s.sendto(data, peer)


async def sink(reader, writer):
    buf = bytearray(16384)
    n = 0
    while got := await reader.readinto(buf):
        n += got
    print("got", n)
    writer.close()
    await writer.wait_closed()


async def main():
    await asyncio.start_server(sink, "0.0.0.0", 5001)
    print("ready")
    await echo()


asyncio.run(main())
