# The stack as every port freezes it. Directories are taken whole, so that the next build freezes a
# new file without its being listed.
#
#   kernels  what the names of the kernels that suit the processor end in: "thumb" (Cortex-M; other
#            processors' compilers do not take it), "64", "32" (any other)
#   nics     which of nic/, the drivers for chips that any board can carry; None: all
#   wlan     network.WLAN(), for a board with a radio
#   opt      3: without line numbers, which is 5 % less flash
#
# Some parts are left out, unless make runs with what stands beside them set to 1; what _USUAL
# names is there unless that is set to 0. NETSTACK_EXTRAS is what a host gets along without.
import os

options.defaults(kernels=("32", "64"), nics=None, wlan=False, opt=None)

_KERNELS = ("thumb", "64", "32")
_OPTIONAL = {
    "takeover.py": "NETSTACK_STOCK",
    "transport/tcp/fastopen.py": "NETSTACK_FASTOPEN",
    "api/ancillary.py": "NETSTACK_EXTRAS",
    "api/callbacks.py": "NETSTACK_EXTRAS",
    "api/callbacks_tls.py": "NETSTACK_EXTRAS NETSTACK_TLS",
    "api/callbacks_udp.py": "NETSTACK_EXTRAS",
    "api/early.py": "NETSTACK_EXTRAS",
    "api/functions.py": "NETSTACK_EXTRAS",
    "api/look.py": "NETSTACK_EXTRAS",
    "api/multicast.py": "NETSTACK_EXTRAS",
    "api/path_mtu.py": "NETSTACK_EXTRAS",
    "api/traceroute.py": "NETSTACK_EXTRAS",
    "api/until.py": "NETSTACK_EXTRAS",
    "inet/igmp.py": "NETSTACK_EXTRAS",
    "inet/members.py": "NETSTACK_GROUPS",
    "services/autoip.py": "NETSTACK_EXTRAS",
    "services/dns_tcp.py": "NETSTACK_EXTRAS",
    "transport/tcp/bbr.py": "NETSTACK_EXTRAS",
    "transport/tcp/info.py": "NETSTACK_EXTRAS",
    "api/links.py": "NETSTACK_ROUTER",
    "api/inet6.py": "NETSTACK_IPV6",
    "inet/address6.py": "NETSTACK_IPV6",
    "inet/echo6_fast.py": "NETSTACK_IPV6",
    "inet/ext6.py": "NETSTACK_IPV6",
    "inet/fragment6.py": "NETSTACK_IPV6",
    "inet/icmpv6.py": "NETSTACK_IPV6",
    "inet/ipv6.py": "NETSTACK_IPV6",
    "inet/lifetime.py": "NETSTACK_IPV6",
    "transport/tcp/confirm.py": "NETSTACK_IPV6",
    "inet/match6.py": "NETSTACK_IPV6",
    "inet/mld.py": "NETSTACK_IPV6",
    "inet/nd.py": "NETSTACK_IPV6",
    "inet/redirect6.py": "NETSTACK_IPV6",
    "inet/route6.py": "NETSTACK_IPV6",
    "inet/router6.py": "NETSTACK_IPV6",
    "inet/slaac.py": "NETSTACK_IPV6",
    "inet/dad.py": "NETSTACK_IPV6",
    "inet/select6.py": "NETSTACK_IPV6",
    "api/lease6.py": "NETSTACK_DHCP6",
    "services/dhcp6.py": "NETSTACK_DHCP6",
    "services/dhcp6_message.py": "NETSTACK_DHCP6",
    "services/dhcp6_exchange.py": "NETSTACK_DHCP6",
    "services/dhcp6_lease.py": "NETSTACK_DHCP6",
    "api/delegate.py": "NETSTACK_ROUTER NETSTACK_DHCP6",
    "inet/temporary6.py": "NETSTACK_IPV6",
    "api/relay6.py": "NETSTACK_ROUTER NETSTACK_DHCP6",
    "services/dhcp6_relay.py": "NETSTACK_ROUTER NETSTACK_DHCP6",
    "api/router.py": "NETSTACK_ROUTER",
    "api/router6.py": "NETSTACK_ROUTER NETSTACK_IPV6",
    "inet/filter.py": "NETSTACK_ROUTER",
    "inet/filter6.py": "NETSTACK_ROUTER NETSTACK_IPV6",
    "inet/forward.py": "NETSTACK_ROUTER",
    "inet/forward_fast.py": "NETSTACK_ROUTER",
    "inet/advertise6.py": "NETSTACK_ROUTER NETSTACK_IPV6",
    "inet/forward6.py": "NETSTACK_ROUTER NETSTACK_IPV6",
    "inet/forward6_fast.py": "NETSTACK_ROUTER NETSTACK_IPV6",
    "inet/forwarding.py": "NETSTACK_ROUTER",
    "inet/nat.py": "NETSTACK_ROUTER",
    "api/rare.py": "NETSTACK_RAW",
    "transport/packet.py": "NETSTACK_RAW",
    "transport/raw.py": "NETSTACK_RAW",
    "transport/udplite.py": "NETSTACK_RAW",
    "link/bridge.py": "NETSTACK_ROUTER",
    "link/snoop.py": "NETSTACK_ROUTER",
    "link/vlan.py": "NETSTACK_ROUTER",
    "services/dhcpd.py": "NETSTACK_ROUTER",
    "services/dhcpd_leases.py": "NETSTACK_ROUTER",
    "services/dns_forward.py": "NETSTACK_ROUTER",
    "services/dns_forward_tcp.py": "NETSTACK_ROUTER",
    "api/serve.py": "NETSTACK_ROUTER",
}
# An access point has hosts to give addresses and names to.
_WLAN = (
    "api/wlan.py",
    "api/serve.py",
    "services/dhcpd.py",
    "services/dhcpd_leases.py",
    "services/dns_forward.py",
    "services/dns_forward_tcp.py",
)
_SPI = ("chip", "spi", "spi_rp2")
_NIC_PARTS = {"w5500": ("wiznet", *_SPI), "w5100s": ("wiznet", *_SPI), "enc28j60": _SPI}
_EXTRAS = os.environ.get("NETSTACK_EXTRAS", "1")
_IPV6 = os.environ.get("NETSTACK_IPV6", "1")
_USUAL = {
    "NETSTACK_EXTRAS": "1",
    "NETSTACK_GROUPS": max(_EXTRAS, _IPV6),  # which IPv6 cannot do without
    "NETSTACK_IPV6": "1",
    "NETSTACK_DHCP6": _IPV6,
    "NETSTACK_TLS": "1",
}


def _carried(module):
    """Is this module of nic/ a driver that is wanted, or part of one?"""
    nics = options.nics
    if nics is None or module in nics:
        return True
    return any(module in _NIC_PARTS.get(nic, ()) for nic in nics)


def _files(top):
    for where, _, names in sorted(os.walk(top)):
        for name in sorted(names):
            path = os.path.relpath(os.path.join(where, name), top)
            switches = "" if options.wlan and path in _WLAN else _OPTIONAL.get(path, "")
            switches = switches.split()
            if any(os.environ.get(each, _USUAL.get(each, "0")) == "0" for each in switches):
                continue
            if path.startswith("nic/") and not _carried(name[:-3]):
                continue
            if path == "api/wlan.py" and not options.wlan:
                continue
            kernel = name[:-3].rpartition("_")[2]
            if name.endswith(".py") and (kernel not in _KERNELS or kernel in options.kernels):
                yield path


package("netstack", files=_files("netstack"), opt=options.opt)
