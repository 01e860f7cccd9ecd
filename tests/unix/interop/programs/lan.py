# What the programs beside this one begin with: the LAN with a fixed address.

import network
from time import sleep_ms

OURS = "10.99.0.2"
LINUX = "10.99.0.1"
OURS6 = "fd99::2"
LINUX6 = "fd99::1"


def up():
    nic = network.LAN()
    nic.active(True)
    nic.ipconfig(addr4=OURS + "/24", gw4=LINUX)
    return nic


def meet():
    """Wait until Linux answers: on a busy machine its end of the TAP takes a while to send, and
    what is lost meanwhile is not sent again for a second."""
    from netstack.api import address, host
    from netstack.api.ping import Echo

    st = host.stack()
    echo = Echo(st.ip4, address.parse(LINUX), None, 77)
    st.icmp4.on_reply = echo.reply
    while not echo.answered():
        echo.seq += 1
        echo.send(st, 8)
        host.wait(echo.answered, 200)
    st.icmp4.on_reply = None


def up6():
    """The same with an address of IPv6 that nobody else has."""
    nic = up()
    nic.ipconfig(addr6=OURS6 + "/64")
    while any(state != 0x30 for _, state, _, _ in nic.ipconfig("addr6")):
        sleep_ms(20)
    return nic
