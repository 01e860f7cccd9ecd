"""network.WLAN on an emulated Pico W, if there is firmware for one: its driver is in no package.

make firmware BOARD=RPI_PICO_W MICROPY_DIR=<a git clone with lib/cyw43-driver>
"""

import hashlib
import os
import re
import socket
import threading

import netns
import pytest
from attached import Board, namespace, start_dnsmasq
from process import Emulator

SCRIPT = """#!/bin/sh
[ "$1" = bound ] && ip addr add "$ip/24" dev "$interface" && echo "leased $ip of $serverid"
exit 0
"""
UF2 = os.path.join(netns.OUT, "RPI_PICO_W", "firmware.uf2")
DATA = bytes(range(250)) * 40
PROGRAM = """
import network, time
nic = network.WLAN()
assert nic.status() == network.STAT_IDLE
nic.active(True)
print("scan", nic.scan())
try:
    nic.connect("RP2040PY-GUEST", "short")
except ValueError as error:
    print("error", error)
nic.connect("RP2040PY-GUEST")
print("status", nic.status(), nic.isconnected())
while not nic.isconnected():
    time.sleep_ms(50)
print("address", nic.ifconfig()[0], nic.status(), nic.config("ssid"))
import hashlib, socket
s = socket.socket()
s.connect(("%s", %d))
data = bytes(range(250)) * 40
s.write(data)
back = bytearray(len(data))
print("got", s.readinto(back), hashlib.sha256(back).digest().hex())
s.close()
nic.disconnect()
print("left", nic.isconnected())
"""

STATES = """
import network, time
nic = network.WLAN()
nic.active(True)
def until(*states):
    while nic.status() not in states:
        time.sleep_ms(20)
    return nic.status()
nic.connect("NOWHERE")
print("nowhere", until(-1, -2, -3, 3))
nic.connect("RP2040PY-GUEST", "a wrong guess")
print("guess", until(-1, -2, -3, 3))
nic.connect("RP2040PY-GUEST", "an open secret")
print("key", until(-1, -2, -3, 3))
print("rssi", nic.status("rssi"))
for mode in nic.PM_NONE, nic.PM_POWERSAVE, nic.PM_PERFORMANCE:
    nic.config(pm=mode)
    assert nic.config("pm") == mode
nic.disconnect()
while nic.isconnected():
    time.sleep_ms(20)
print("idle", until(0, 1))
nic.active(False)
print("off", nic.status())
"""
POINT = """
import network, time
nic = network.WLAN(network.WLAN.IF_AP)
nic.config(ssid="netstack", key="a long secret")
nic.active(True)
nic.active(False)
nic.active(True)
print("point", nic.ifconfig()[0], nic.status(), nic.isconnected())
while not nic.isconnected():
    time.sleep_ms(50)
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 7))
print("station", nic.status("stations"))
data, peer = s.recvfrom(2000)
s.sendto(data, peer)
print("echo", peer)
nic.active(False)
print("off", nic.status())
"""


@pytest.fixture
def pico_w(request, tmp_path):
    if request.config.getoption("port", None):
        pytest.skip("only for the emulated Pico W")
    reason = netns.missing("dnsmasq", "busybox")
    if reason or not os.path.exists(UF2):
        pytest.skip(reason or "no firmware of RPI_PICO_W: its driver is in no package")
    with namespace() as ns:
        start_dnsmasq(ns, tmp_path)
        with ns.entered():
            emulator = Emulator("RPI_PICO_W", UF2, net="tap:tap0")
        with emulator:
            yield Board("RPI_PICO_W", emulator.serial_url, emulator, ns)


def turn_round(server):
    """Send back to one client what it has sent, its end first."""
    with server, server.accept()[0] as s:
        got = b""
        while len(got) < len(DATA):
            got += s.recv(4096)
        s.sendall(got[::-1])


def test_it_joins_and_talks(pico_w):
    with pico_w.ns.entered():
        server = socket.create_server((netns.LINUX, 0))
    threading.Thread(target=turn_round, args=(server,), daemon=True).start()
    said = pico_w.exec(PROGRAM % server.getsockname()).splitlines()
    words = {line.split()[0]: line.partition(" ")[2] for line in said}
    assert "b'RP2040PY-GUEST'" in words["scan"] and "-87" in words["scan"]
    assert words["error"] == "key of 5 bytes: at least 8"
    assert words["status"] == "1 False"
    assert words["address"] == "10.99.0.50 3 RP2040PY-GUEST"
    assert words["got"] == "%d %s" % (len(DATA), hashlib.sha256(DATA[::-1]).hexdigest())
    assert words["left"] == "False"


def test_it_tells_why_it_does_not_join(pico_w):
    said = dict(line.split(None, 1) for line in pico_w.exec(STATES).splitlines())
    assert said == {
        "nowhere": "-2",
        "guess": "-3",
        "key": "3",
        "rssi": "-87",
        "idle": "0",
        "off": "0",
    }


def test_it_is_an_access_point(pico_w, tmp_path):
    """Linux is a station: it gets an address, and talks."""
    script = tmp_path / "lease"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    argv = ("busybox", "udhcpc", "-f", "-q", "-t", "100", "-T", "3", "-i", "tap0", "-s", script)
    with pico_w._mpremote(("exec", POINT)) as process:
        process.expect(r"^point 192\.168\.4\.1 3 False", 300)
        assert re.search(r"leased 192\.168\.4\.1[6-9] of 192\.168\.4\.1\b", pico_w.run(*argv))
        process.expect(r"^station \[\(b'", 100)
        ping = ("ping", "-q", "-c", "3", "-W", "60", "192.168.4.1")
        assert " 0% packet loss" in pico_w.run(*ping)
        with pico_w.ns.entered(), socket.socket(type=socket.SOCK_DGRAM) as s:
            s.settimeout(100)
            s.sendto(DATA[:1400], ("192.168.4.1", 7))
            assert s.recv(2000) == DATA[:1400]
        process.expect(r"^off 0", 100)
