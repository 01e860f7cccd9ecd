# What changes the shared stack without having entered it is found out: on a board the scheduler
# polls that stack between any two bytecodes of the program, so such a call breaks once in a
# thousand runs. Here it fails each time, on every target.
#
#   outside.up()     bench.run_tests() does, where a test uses netstack.api.host
#
# What is guarded is what every change comes down to: timers, jobs, frames, memory, ports, routes,
# addresses, states of connections. Stacks of bench.host() are polled by nobody but the test.

import sys

_LOCK = 44  # a word of Stack.w

_GUARDED = (  # class, its methods, how the stack is come by
    ("core.clock", "Timer", ("start",), "timers"),
    ("core.stack", "Stack", ("add", "charge", "credit", "notify", "rerouted"), ""),
    ("core.frame", "Pool", ("alloc",), None),
    ("core.interface", "Interface", ("set_up", "tap", "use"), "st"),
    ("inet.filter", "Filter", ("add", "policy", "remove"), "st"),
    ("inet.ipv4", "IPv4", ("configure",), "st"),
    ("inet.ipv6", "IPv6", ("add", "remove", "set_auto"), "st"),
    ("inet.nd", "ND", ("add_static", "flush"), "st"),
    ("inet.nat", "NAT", ("forward", "unforward"), "st"),
    ("inet.routes", "Routes", ("add", "remove"), "st"),
    ("inet.route6", "Routes", ("add", "add_static", "remove"), "st"),
    ("link.arp", "ARP", ("add_static", "flush"), "st"),
    ("link.bridge", "Bridge", ("add", "static"), "st"),
    ("services.autoip", "AutoIP", ("start", "stop"), "st"),
    ("services.dhcp", "Client", ("inform", "release", "start", "stop"), "st"),
    ("services.dhcp6", "Client", ("release", "start", "stop"), "st"),
    ("services.dhcpd", "Server", ("reserve", "start", "stop"), "st"),
    ("services.dns", "Resolver", ("cancel", "flush", "query"), "st"),
    ("transport.tcp.connection", "Connection",
     ("abort", "bind", "close", "connect", "drop", "recv", "send", "set_state"), "st"),
    ("transport.tcp.listen", "Listener", ("accept", "close"), "st"),
    ("transport.tcp.protocol", "TCP", ("file", "listen", "unfile"), "st"),
    ("transport.udp", "Endpoint", ("bind", "close", "connect"), "udp.st"),
    ("transport.udp", "UDP", ("file", "unfile"), "st"),
)  # fmt: skip


_plain = []  # (class, method, what it was)


def up():
    """From now on every call of those above has to come from inside, if it means the shared
    stack."""
    from netstack.api import state

    for name, kind, methods, path in _GUARDED:
        module = sys.modules.get("netstack." + name)
        if module:
            for method in methods:
                _guard(state, getattr(module, kind), method, path)


def down():
    """No longer: where it is counted what a call allocates, which the guards do."""
    for kind, method, plain in _plain:
        setattr(kind, method, plain)
    _plain.clear()


def _guard(state, kind, method, path):
    plain = kind.__dict__[method]
    parts = path.split(".") if path else ()

    def called(self, *args, **kw):
        st = self
        for part in parts:
            st = getattr(st, part)
        mine = state.st
        if mine and (st is mine or st is mine.timers or st is mine.pool) and not mine.w[_LOCK]:
            raise AssertionError("%s.%s: outside of the shared stack" % (kind.__name__, method))
        return plain(self, *args, **kw)

    _plain.append((kind, method, plain))
    setattr(kind, method, called)
