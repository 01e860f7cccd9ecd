"""network.WLAN on an emulated Pico W, if there is firmware for one: its driver is in no package.

make firmware BOARD=RPI_PICO_W MICROPY_DIR=<a git clone with lib/cyw43-driver>
"""

import hashlib
import os
import socket
import threading

import netns
import pytest
from attached import Board, start_dnsmasq
from process import Emulator

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


@pytest.fixture
def pico_w(request, tmp_path):
    if request.config.getoption("port", None):
        pytest.skip("only for the emulated Pico W")
    reason = netns.missing("dnsmasq")
    if reason or not os.path.exists(UF2):
        pytest.skip(reason or "no firmware of RPI_PICO_W: its driver is in no package")
    with netns.Namespace() as ns:
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
