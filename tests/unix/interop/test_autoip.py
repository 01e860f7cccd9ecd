"""RFC 3927 against Linux, which has an address of that kind by hand."""

from netns import MAC

PEER = "169.254.200.1"


def test_alone_then_taken(lan):
    """Probed, used, and given up to who has it already."""
    lan.run("ip", "addr", "add", PEER + "/16", "dev", "tap0")
    program = lan.ready("auto")
    addr = program.expect(r"^addr (169\.254\.[\d.]+)").group(1)
    lan.ping(addr, "-I", PEER)
    arp = lan.capture.frames(
        "arp && eth.src == %s && arp.opcode == 1" % MAC,
        "arp.src.proto_ipv4",
        "arp.dst.proto_ipv4",
    )
    assert arp[:3] == ["0.0.0.0\t" + addr] * 3 and arp[3] == addr + "\t" + addr
    unicast = "arp && eth.src == %s && eth.dst != ff:ff:ff:ff:ff:ff" % MAC
    assert not lan.capture.frames(unicast)
    program.stop()
    lan.run("ip", "addr", "add", addr + "/16", "dev", "tap0")  # Linux answers the next probes
    program = lan.ready("auto")
    other = program.expect(r"^addr (169\.254\.[\d.]+)").group(1)
    assert other != addr
