"""That the judge of the captures sees what is wrong: frames forged with one fault each."""

import struct

import netns
import pytest

MAC = bytes.fromhex(netns.MAC.replace(":", ""))
A, B = b"\x0a\x63\0\2", b"\x0a\x63\0\1"


def csum(data, acc=0):
    data += b"\0" * (len(data) & 1)
    acc += sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while acc >> 16:
        acc = (acc & 0xFFFF) + (acc >> 16)
    return acc ^ 0xFFFF


def ip(proto, body):
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, proto, 0) + A + B
    head = head[:10] + struct.pack("!H", csum(head)) + head[12:]
    return b"\2\0\0\0\0\1" + MAC + b"\x08\0" + head + body


def transport(proto, body, at):
    acc = csum(A + B + struct.pack("!HH", proto, len(body)) + body)
    return ip(proto, body[:at] + struct.pack("!H", acc) + body[at + 2 :])


def good():
    udp = struct.pack("!HHHH", 1000, 2000, 12, 0) + b"data"
    tcp = struct.pack("!HHIIBBHHH", 1000, 80, 1, 2, 0x50, 0x18, 1000, 0, 0) + b"data"
    icmp = struct.pack("!BBHHH", 8, 0, 0, 1, 1) + b"data"
    icmp = icmp[:2] + struct.pack("!H", csum(icmp)) + icmp[4:]
    return {
        "udp": transport(17, udp, 6),
        "tcp": transport(6, tcp, 16),
        "icmp": ip(1, icmp),
        "noise": transport(17, struct.pack("!HHHH", 5001, 5001, 68, 0) + bytes(range(60)), 6),
    }


def write(path, frames):
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for frame in frames:
            f.write(struct.pack("<IIII", 1, 0, len(frame), len(frame)) + frame)


def spoil(frame, at):
    return frame[:at] + bytes((frame[at] ^ 0x55,)) + frame[at + 1 :]


BAD = {
    "ip checksum": ("udp", lambda f: spoil(f, 24)),
    "ip length": ("udp", lambda f: spoil(f, 16)),
    "udp checksum": ("udp", lambda f: spoil(f, 45)),
    "tcp checksum": ("tcp", lambda f: spoil(f, 57)),
    "tcp header length": ("tcp", lambda f: spoil(f, 46)),
    "icmp checksum": ("icmp", lambda f: spoil(f, 45)),
    "cut": ("tcp", lambda f: f[:40]),
    "cut in ip": ("udp", lambda f: f[:20]),
}


@pytest.fixture(autouse=True)
def can():
    if not netns.which("tshark"):
        pytest.skip("tshark is not installed: make test installs what the tests need")


def test_good(tmp_path):
    write(tmp_path / "good.pcap", good().values())
    assert netns.judge(tmp_path / "good.pcap") == len(good())


@pytest.mark.parametrize("fault", BAD)
def test_bad(tmp_path, fault):
    kind, change = BAD[fault]
    frames = good()
    frames["bad"] = change(frames[kind])
    write(tmp_path / "bad.pcap", frames.values())
    with pytest.raises(AssertionError, match="finds fault with 1 of"):
        netns.judge(tmp_path / "bad.pcap")


def test_nothing_sent(tmp_path):
    write(tmp_path / "none.pcap", [spoil(good()["udp"], 11)])
    with pytest.raises(AssertionError, match="no frame of"):
        netns.judge(tmp_path / "none.pcap")
