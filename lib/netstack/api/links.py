# NICs made of others, for network.LAN(nic=...): VLANs of an interface, a bridge of several NICs.

from netstack.api import host


def vlan(lan, vid, priority=0, mtu=None):
    """VLAN `vid` (IEEE 802.1Q) on the interface of a network.LAN: link/vlan.py."""
    from netstack.link.vlan import VLAN

    nif = lan._wire.nif
    return host.call(nif.st, VLAN, nif, vid, priority, mtu)


def bridge(*nics, mac=None, size=64, snoop=False):
    """These NICs become one Ethernet (IEEE 802.1D), of which this host is a part: link/bridge.py.
    They have to let frames to any address in. snoop: what is for a group goes only where it is
    wanted, link/snoop.py."""
    from netstack.link.bridge import Bridge

    if not nics or not all(hasattr(nic, "recv") for nic in nics):
        raise TypeError("bridge: NICs are needed, as network.LAN(nic=...) takes them")
    st = host.stack()
    names = [nif.name for nif in st.nifs]
    number = 0
    while "br%d.0" % number in names:
        number += 1
    made = Bridge(st, "br%d" % number, mac, size)
    if snoop:
        from netstack.link.snoop import Snoop

        made.snoop = Snoop(made)
    for nic in nics:
        host.call(st, made.add, nic)
        host.watch(nic)
    return made
