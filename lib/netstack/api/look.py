# What people at the REPL want to see, as plain text: netstack.ifconfig(), route(), neigh(), ss(),
# nslookup(). Loaded when one of them is first called. What is shown is taken in one go, and
# printed when nobody is inside the stack any more, so Ctrl-C does no harm.

from micropython import const
from netstack.api import address, host
from netstack.core.wire import zero

_PTR = const(12)
_FOREVER = const(0x3FFFFFFF)
_V6_STATES = (" tentative", "", " deprecated", " duplicate")  # of inet/address6.py
_TCP_STATES = (
    "CLOSED",
    "LISTEN",
    "SYN-SENT",
    "SYN-RECEIVED",
    "ESTABLISHED",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "CLOSE-WAIT",
    "CLOSING",
    "LAST-ACK",
    "TIME-WAIT",
)


def text(addr):
    """An address of either family as people write it (RFC 5952)."""
    if len(addr) == 4:
        return address.text(addr)
    words = [addr[i] << 8 | addr[i + 1] for i in range(0, 16, 2)]
    best, size, run = -1, 1, 0
    for i in range(8):
        run = run + 1 if words[i] == 0 else 0
        if run > size:
            best, size = i - run + 1, run
    parts = ["%x" % word for word in words]
    if best < 0:
        return ":".join(parts)
    return ":".join(parts[:best]) + "::" + ":".join(parts[best + size :])


def _mac(mac):
    return ":".join("%02x" % c for c in mac) if mac else "-"


def _bits(mask):
    return sum(mask[i] >> k & 1 for i in range(4) for k in range(8))


def _table(head, rows):
    """Print columns, each as wide as it must be."""
    rows = [head] + rows
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    for row in rows:
        line = "  ".join(cell + " " * (width - len(cell)) for cell, width in zip(row, widths))
        print(line.rstrip())


def _taken(function, *args):
    """What function(stack) finds, with nothing moving meanwhile."""
    st = host.stack()
    host.pump()
    return host.call(st, function, st, *args)


# -- interfaces, routes, neighbours -------------------------------------------------------------


def ifconfig():
    """Interfaces: state, addresses, what has gone through them."""
    print("\n".join(_taken(_interfaces)))


def _interfaces(st):
    lines = []
    for nif in st.nifs:
        state = "down" if not nif.up else "up" if nif.link else "up, no link"
        lines.append("%s  %s  mtu %d  %s" % (nif.name, state, nif.mtu, _mac(nif.mac)))
        v4 = nif.v4
        if v4 and v4.set:
            line = "    inet %s/%d" % (text(v4.addr), _bits(v4.mask))
            if not zero(v4.gw, 0, 4):
                line += " gateway " + text(v4.gw)
            lines.append(line + _lease(st.dhcp.get(nif)))
        v6 = getattr(nif, "v6", None)
        for entry in v6.list if v6 else ():
            state = _V6_STATES[entry.state]
            lines.append("    inet6 %s/%d%s" % (text(entry.addr), entry.plen, state))
        names = st.names[nif.name][0]
        counts = ["%s %d" % (names[i], nif.stat[i]) for i in range(len(names)) if nif.stat[i]]
        lines.append("    " + (", ".join(counts) or "nothing in or out"))
    return lines


def _lease(client):
    if client is None or not client.bound:
        return ""
    left = client.left
    return " dhcp" if left == _FOREVER else " dhcp, %d s left" % left


def route():
    """Where packets go: networks on a link, routes, gateways."""
    _table(("to", "via", "interface", "from"), _taken(_routes))


def _routes(st):
    rows = []
    table = st.ip4.routes
    for entry in table.list if table else ():
        via = "-" if zero(entry.gw, 0, 4) else text(entry.gw)
        net = "%s/%d" % (text(entry.net), entry.bits)
        rows.append((net, via, entry.nif.name, text(entry.nif.v4.addr)))
    for nif in st.nifs:
        v4 = nif.v4
        if not (nif.up and v4.set):
            continue
        net = bytes(v4.addr[i] & v4.mask[i] for i in range(4))
        rows.append(("%s/%d" % (text(net), _bits(v4.mask)), "-", nif.name, text(v4.addr)))
        if not zero(v4.gw, 0, 4):
            rows.append(("0.0.0.0/0", text(v4.gw), nif.name, text(v4.addr)))
    ip6 = getattr(st, "ip6", None)
    for entry in ip6.routes.list if ip6 else ():
        via = text(entry.gw) if entry.gw else "-"
        rows.append(("%s/%d" % (text(entry.prefix), entry.plen), via, entry.nif.name, "-"))
    return rows


def neigh():
    """Neighbours on the links, and their link addresses."""
    _table(("address", "interface", "link address", "state"), _taken(_neighbours))


def _neighbours(st):
    rows = []
    for nif in st.nifs:
        v6 = getattr(nif, "v6", None)
        for table in (getattr(nif, "arp", None), v6 and v6.nd):
            for addr, mac, state in table.entries() if table else ():
                rows.append((text(addr), nif.name, _mac(mac), state))
    return rows


# -- sockets ------------------------------------------------------------------------------------


def ss():
    """Sockets: who talks to whom, and what waits to be read (Recv-Q: bytes, datagrams or
    connections) and to be acknowledged (Send-Q: bytes)."""
    rows, records = _taken(_sockets)
    _table(("", "state", "Recv-Q", "Send-Q", "local", "peer"), rows)
    if records:
        print("and %s" % records)


def _sockets(st):
    rows = []
    records = []
    if st.tcp:
        for listener in _once(st.tcp.listeners()):
            rows.append(("tcp", "LISTEN", "%d" % len(listener.ready), "-") + _ends(listener))
        for conn in st.tcp.connections():
            sent = "%d" % (conn.tx.size - conn.tx.free()) if conn.tx else "0"
            state = _TCP_STATES[conn.state]
            rows.append(("tcp", state, "%d" % conn.available(), sent) + _ends(conn))
        for name, table in (("TIME-WAIT", st.tcp.timewait), ("SYN-RECEIVED", st.tcp.synqueue)):
            if table and table.rows.count:
                records.append("%d in %s" % (table.rows.count, name))
    if st.udp:
        for ep in _once(st.udp.table):
            rows.append(("udp", "-", "%d" % ep.waiting, "-") + _ends(ep))
    return rows, ", ".join(records)


def _once(rows):
    """What is for both families has a row of the table for each."""
    found = []
    for io in rows:
        if io not in found:
            found.append(io)
    return found


def _ends(io):
    """*: of either family, as Linux has it."""
    anybody = ("0.0.0.0" if io.ip.alen == 4 else "::") if io.ip else "*"
    local = (text(io.laddr) if io.laddr else anybody) + ":%d" % io.lport
    raddr = getattr(io, "raddr", None)
    return local, (text(raddr) + ":%d" % io.rport if raddr else "*")


# -- names --------------------------------------------------------------------------------------


def nslookup(name):
    """The addresses of a name, or the name of an address (RFC 1035 3.5)."""
    from netstack.api.resolve import Lookup, types

    addr = address.parse(name)
    if addr is None:
        lookup = Lookup(name, types())
    else:
        parts = ["%d" % c for c in addr]
        lookup = Lookup(".".join(reversed(parts)) + ".in-addr.arpa.", (_PTR,))
    servers = host.dns().servers_in_use()
    print("servers  " + (", ".join(text(server) for server in servers) or "none"))
    try:
        host.wait(lookup.done, -1)  # the resolver gives up
    finally:
        lookup.cancel()
    try:
        for found in lookup.result():
            print("%s  %s" % (name, found if isinstance(found, str) else text(found)))
    except OSError as error:
        print(error.args[-1])
