"""VLANs between netstack and Linux. Where the kernel has no VLANs of its own, a VDE switch is what
stands between: its trunk port leads to netstack, its access ports to a TAP of Linux each."""

import os
import re
import socket
import subprocess

import netns
import pytest
from netns import MAC

PATH = ":".join(os.path.join(netns.ROOT, d) for d in ("lib", "ports/unix")) + ":.frozen"
VIDS = (10, 20)


def by_kernel(lan, tmp_path):
    for vid in VIDS:
        name = "tap0.%d" % vid
        made = lan.ns.run(
            *"ip link add link tap0 type vlan id".split(), vid, "name", name, check=False
        )
        if made.returncode:
            pytest.skip("this kernel has no VLANs: %s" % made.stdout.strip())
        lan.run("ip", "addr", "add", "10.99.%d.1/24" % vid, "dev", name)
        lan.run("ip", "link", "set", name, "up")


def by_vde(lan, tmp_path):
    reason = netns.missing("vde_switch", "vde_plug2tap")
    if reason:
        pytest.skip(reason)
    commands = ["port/create 1"]
    for port, vid in enumerate(VIDS, 2):
        commands += ["vlan/create %d" % vid, "port/create %d" % port]
        commands += ["port/setvlan %d %d" % (port, vid), "vlan/addport %d 1" % vid]
    (tmp_path / "rc").write_text("\n".join(commands) + "\n")
    control = tmp_path / "ctl"
    lan.start("vde_switch", "-s", control, "-f", tmp_path / "rc", stdin=subprocess.PIPE)
    lan.ns.run("sh", "-c", "until [ -e %s/ctl ]; do sleep 0.1; done" % control)
    # netstack holds one end of tap0, a Linux bridge leads from the other to the switch
    lan.ns.add_tap("trunk")
    lan.run(*"ip link add br0 type bridge".split())
    lan.run(*"ip addr flush dev tap0".split())
    for port in ("tap0", "trunk"):
        lan.run("ip", "link", "set", port, "master", "br0")
    lan.run(*"ip link set br0 up".split())
    lan.run("ip", "addr", "add", netns.LINUX + "/24", "dev", "br0")
    lan.start("vde_plug2tap", "-s", control, "-p", "1", "trunk")
    for port, vid in enumerate(VIDS, 2):
        lan.ns.add_tap("access%d" % vid, "10.99.%d.1/24" % vid)
        lan.start("vde_plug2tap", "-s", control, "-p", port, "access%d" % vid)


@pytest.fixture(params=[by_kernel, by_vde])
def vlans(request, lan, tmp_path):
    request.param(lan, tmp_path)
    return lan


def test_two_vlans(vlans):
    """Pings of every kind of length, UDP and TCP in both VLANs, and what is on the wire."""
    program = vlans.ready("vlans", 5, env={"MICROPYPATH": PATH})
    for vid in VIDS:
        ours = "10.99.%d.2" % vid
        vlans.ns.reach(ours)
        for size in (0, 1, 18, 19, 1471, 1472):
            vlans.ns.ping(ours, "-s", size, "-p", "a5c300ff", count=2, interval=0.01)
        with vlans.ns.entered():
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with s:
            s.settimeout(60)
            s.connect((ours, 7))
            for sent in (b"x", bytes(1472)):
                s.send(sent)
                assert s.recv(2000) == sent
        said = vlans.run("iperf", "-c", ours, "-p", 5001, "-n", "5M", timeout=120).stdout
        assert re.search(r"5\.0\d* MBytes", said), said
        assert int(program.expect(r"got (\d+)").group(1)) >= 5 << 20
    vlans.ns.reach(netns.OURS)  # and the interface below goes on
    sent = "eth.src == %s && " % MAC
    frames = vlans.capture.frames
    assert frames(sent + "vlan.id == 10 && vlan.priority == 0 && tcp.port == 5001")
    assert frames(sent + "vlan.id == 20 && vlan.priority == 5 && udp")
    assert frames(sent + "icmp && !vlan")
    assert not frames(sent + "vlan.id == 10 && ip.src == 10.99.20.0/24")
    assert not frames(sent + "vlan.id == 20 && ip.src == 10.99.10.0/24")
    assert not frames(sent + "!vlan && ip.src == 10.99.0.0/16 && ip.src != 10.99.0.2")
    assert not frames(sent + "vlan && frame.len > 1518")


def test_a_vlan_that_is_not_there(vlans):
    """Pings to an address of VLAN 20, sent in VLAN 10, are not answered."""
    vlans.ready("vlans", 0, env={"MICROPYPATH": PATH})
    vlans.ns.reach("10.99.20.2")
    device = (
        vlans.run("ip", "-o", "route", "get", "10.99.10.2").stdout.split(" dev ")[1].split()[0]
    )
    vlans.run("ip", "route", "add", "10.99.20.2/32", "dev", device)
    said = vlans.ns.run("ping", "-c", "2", "-i", "0.2", "-W", "0.5", "10.99.20.2", check=False)
    assert said.returncode == 1, said.stdout
