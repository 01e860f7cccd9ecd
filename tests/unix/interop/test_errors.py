"""What users do wrong is told them in one clear line."""

from netns import LINUX, MAC, OURS


def last_line(program):
    assert program.wait(60) != 0
    return program.lines[-1]


def test_missing_tap(lan):
    lan.judged = False
    line = last_line(lan.program("udp_echo", tap="tap7"))
    assert "there is no TAP tap7" in line and "ip tuntap add" in line, line


def test_tap_in_use(lan):
    lan.ready("udp_echo")
    line = last_line(lan.program("udp_echo"))
    assert "TAP tap0 is in use by another program" in line, line
    lan.ping(OURS, count=1)


def test_no_tap_at_all(lan):
    lan.judged = False
    line = last_line(lan.program("udp_echo", tap="lo"))
    assert "lo is no TAP" in line, line


def test_bad_mac(lan):
    lan.judged = False
    line = last_line(lan.program("udp_echo", mac="02:00:00"))
    assert "NETSTACK_MAC=02:00:00" in line, line


def test_address_taken(lan):
    """The address set by hand is Linux's: the user is told, and the address is not used."""
    program = lan.program("address_taken", LINUX)
    line = program.expect("^network: (.*)").group(1)
    assert LINUX in line and "another station" in line, line
    program.expect("^connected False$")
    lan.run("ping", "-c", "1", LINUX)
    theirs = lan.capture.frames("arp.opcode == 2 && arp.src.proto_ipv4 == %s" % LINUX, "eth.src")
    assert theirs and MAC not in theirs


def test_port_taken(lan):
    lan.judged = False
    line = last_line(lan.program("port_taken"))
    assert "98" in line or "EADDRINUSE" in line, line


def test_unreachable(lan):
    """No such station: the attempt ends when the program's patience does, or before."""
    program = lan.program("connect_to", "10.99.0.99", 80)
    assert program.expect(r"^errno (\d+)").group(1) in ("113", "110")
    program.finish()


def test_no_route(lan):
    program = lan.program("connect_to", "192.0.2.1", 80, "nogateway")
    assert program.expect(r"^errno (\d+)").group(1) == "101"
