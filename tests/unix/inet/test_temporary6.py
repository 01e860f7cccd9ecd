# inet/temporary6.py: addresses that change every day (RFC 8981); and addresses that are in use
# while they are checked (RFC 4429).

import bench
import peer6
from packets import ip6, solicited

DAY = 86400
FAR = ip6("2001:db9::1")
NEIGHBOUR = ip6("2001:db8::77")


def _ra(p, valid=7 * DAY, preferred=7 * DAY, prefix="2001:db8::", mac=True):
    return p.ra_frame(peer6.opt_prefix(prefix, valid, preferred), lifetime=9000, mac=mac)


def _host(temporary=True, **kw):
    p = peer6.peer(link=False, addr=False, auto=True, **kw)
    p.router = True
    p.advance(5000)
    p.take()
    if temporary:
        from netstack.inet import temporary6

        with bench.inside(p.st):
            temporary6.attach(p.nif)
    return p


def _temporary(p):
    return [entry for entry in p.nif.v6.list if entry.temporary]


def _stable(p):
    return [entry for entry in p.nif.v6.list if entry.origin == 2 and not entry.temporary]


def _left(p, entry):
    return p.ip.life.left(entry.preferred), p.ip.life.left(entry.valid)


def _days(p, seconds, step=1800):
    """Let time pass, with a router that says the same every half an hour."""
    for _ in range(seconds // step):
        p.skip(step * 1000)
        p.send(_ra(p))
        p.take()


def test_beside_the_stable_one():
    # RFC 8981 3.4, 3.8: a day less a random part, two days; RFC 6724 5 rule 7: sent from
    p = _host()
    p.send(_ra(p))
    (stable,), (entry,) = _stable(p), _temporary(p)
    assert entry.addr[:8] == stable.addr[:8] and entry.addr[8:] != stable.addr[8:]
    preferred, valid = _left(p, entry)
    assert DAY * 6 // 10 <= preferred <= DAY and valid == 2 * DAY
    assert p.ip.source(FAR) == entry.addr
    p.send(p.echo_frame(dst=bytes(stable.addr)))  # both are answered for
    p.expect("icmp6", type=129, src=bytes(stable.addr))
    for each in (stable, entry):
        assert b"\x33\x33\xff" + bytes(each.addr[13:]) in p.nic.groups


def test_not_unless_asked_for():
    p = _host(False)
    p.send(_ra(p))
    assert not _temporary(p) and p.ip.source(FAR) == _stable(p)[0].addr


def test_never_the_same():
    # RFC 8981 3.3.1, 3.8: drawn at random, and not all hosts change at once
    addrs = set()
    ends = set()
    for seed in range(4):
        p = _host(seed=seed)
        p.send(_ra(p))
        addrs.add(bytes(_temporary(p)[0].addr))
        ends.add(_left(p, _temporary(p)[0])[0])
    assert len(addrs) == 4 and len(ends) == 4


def test_checked_like_others():
    # RFC 8981 3.4: DAD
    p = _host(dad=True)
    p.send(_ra(p))
    (entry,) = _temporary(p)
    assert not entry.usable()
    p.advance(1000)
    targets = [packet.target for packet in p.take() if packet.kind == "nd"]
    assert bytes(entry.addr) in targets
    p.advance(1000)
    assert entry.usable()


def test_others_have_them():
    # RFC 8981 3.4, 3.8: TEMP_IDGEN_RETRIES, then no more of that prefix on this link
    p = _host(dad=True)
    p.send(_ra(p))
    seen = set()
    for _ in range(4):
        (entry,) = _temporary(p)
        seen.add(bytes(entry.addr))
        p.send(
            p.na_frame(target=entry.addr, src=bytes(entry.addr), dst=peer6.ALL_NODES, flags=0x20)
        )
    assert len(seen) == 4 and not _temporary(p)
    p.send(_ra(p))
    assert not _temporary(p) and len(_stable(p)) == 1
    p.send(_ra(p, prefix="2001:dba::"))
    assert len(_temporary(p)) == 1
    p.advance(3000)
    p.nic.up = 0
    p.advance(1000)
    p.nic.up = 1
    p.advance(3000)
    p.send(_ra(p))
    assert any(entry.addr[:8] == ip6("2001:db8::")[:8] for entry in _temporary(p))
    p.take()


def test_a_new_one_each_day():
    # RFC 8981 3.5: REGEN_ADVANCE before the last one is deprecated, which stays valid for a while
    p = _host()
    p.send(_ra(p))
    (first,) = _temporary(p)
    left = _left(p, first)[0]
    p.skip((left - 6) * 1000)
    assert _temporary(p) == [first]
    p.skip(4000)
    both = _temporary(p)
    assert len(both) == 2 and first.state == 1
    p.skip(3000)
    p.send(_ra(p))
    assert first.state == 2 and p.ip.source(FAR) == both[1].addr
    p.send(p.echo_frame(dst=bytes(first.addr)))  # connections go on
    p.expect("icmp6", type=129, src=bytes(first.addr))
    p.take()
    most = 0
    for _ in range(6):
        _days(p, DAY // 2)
        most = max(most, len(_temporary(p)))
        assert [entry.state for entry in _temporary(p)].count(1) in (1, 2)
    assert first not in _temporary(p) and 2 <= most <= 4


def test_no_longer_than_they_may():
    # RFC 8981 3.4 (1): whatever routers say; 3.4 (4), (5): and no longer than they say
    p = _host()
    p.send(_ra(p))
    (entry,) = _temporary(p)
    preferred, valid = _left(p, entry)
    p.skip(1000 * 1000)
    p.send(_ra(p, valid=100 * DAY, preferred=90 * DAY))
    assert _left(p, entry) == (preferred - 1000, valid - 1000)
    p.send(_ra(p, valid=20000, preferred=10000))
    assert _left(p, entry) == (10000, 20000)
    p = _host()
    p.send(_ra(p, valid=3000, preferred=1000))
    assert _left(p, _temporary(p)[0]) == (1000, 3000)
    for short in (5, 0):  # none for a moment: REGEN_ADVANCE
        p = _host(dad=True)
        p.send(_ra(p, valid=3000, preferred=short))
        assert not _temporary(p) and len(_stable(p)) == 1


def test_given_up_on_another_link():
    # RFC 8981 3.6: nothing new begins from an address of before
    p = _host()
    p.send(_ra(p))
    (old,) = _temporary(p)
    p.nic.up = 0
    p.advance(1000)
    p.nic.up = 1
    p.advance(1000)
    assert old.state == 2
    p.send(_ra(p))
    assert len(_temporary(p)) == 2 and old.state == 2
    assert p.ip.source(FAR) == _temporary(p)[1].addr
    p.take()


def test_switched_off():
    p = _host()
    p.send(_ra(p))
    temporary = p.nif.v6.autoconf.temporary
    with bench.inside(p.st):
        temporary.stop()
    assert not _temporary(p) and p.ip.source(FAR) == _stable(p)[0].addr
    p.send(_ra(p))
    assert not _temporary(p)


def test_bounded():
    # a router that lies: prefixes without end leave room for addresses of the program's own
    p = _host()
    for i in range(bench.scale(100)):
        p.send(_ra(p, prefix="2001:db8:%x::" % i))
    assert len(_stable(p)) == 6 and len(_temporary(p)) == 6
    with bench.inside(p.st):
        for i in range(2):
            p.ip.add(p.nif, ip6("2001:db8::1:%x" % i), 64)


# -- in use while they are checked (RFC 4429) ---------------------------------------------------


def _optimist():
    p = _host(False, dad=True)
    p.nif.v6.optimistic = True
    p.send(p.ns_frame(target=bytes(p.nif.v6.list[0].addr)))
    p.take()
    p.send(_ra(p))
    (entry,) = _stable(p)
    return p, entry


def test_optimistic():
    # RFC 4429 3.1, 3.3: answers at once, and does not override what others know
    p, entry = _optimist()
    assert entry.state == 4 and entry.usable() and p.ip.source(FAR) == entry.addr
    p.send(p.echo_frame(src=FAR, dst=bytes(entry.addr)))
    p.expect("icmp6", type=129, src=bytes(entry.addr), dst=FAR, dst_mac=p.mac)
    p.send(p.ns_frame(target=bytes(entry.addr), src=p.link))
    p.expect("nd", type=136, flags=0x40, target=bytes(entry.addr))
    p.advance(2100)
    assert entry.state == 1
    p.take()
    p.send(p.ns_frame(target=bytes(entry.addr), src=p.link))
    p.expect("nd", type=136, flags=0x60)


def test_optimistic_asks_nobody():
    # RFC 4429 3.2, 3.3: no solicitation from it; by the router to neighbours that are not known
    p, entry = _optimist()
    p.addrs6.append(NEIGHBOUR)
    with bench.inside(p.st):
        p.ip.icmp.echo(NEIGHBOUR, 1, 1, 0)
    packets = p.take()
    assert [(packet.kind, packet.dst_mac) for packet in packets] == [("icmp6", p.mac)]
    p.advance(2100)
    sources = [packet.src for packet in p.take() if packet.kind == "nd" and packet.type == 135]
    assert bytes(entry.addr) not in sources and sources
    with bench.inside(p.st):
        p.ip.icmp.echo(ip6("2001:db8::78"), 1, 1, 0)
    p.expect("nd", type=135, src=bytes(entry.addr), target=ip6("2001:db8::78"))


def test_optimistic_rather_not():
    # RFC 4429 3.1: as one that is deprecated, while there is another
    p, entry = _optimist()
    with bench.inside(p.st):
        p.nif.v6.transmits = 0
        other = p.ip.add(p.nif, ip6("2001:db8::5"), 64)
    assert p.ip.source(FAR) == other.addr


def test_optimistic_in_vain():
    # RFC 4429 3.3, RFC 4862 5.4.5: gone as soon as another one turns out to have it
    for how in (0, 1):
        p, entry = _optimist()
        addr = bytes(entry.addr)
        if how:
            p.send(p.na_frame(target=addr, src=addr, dst=peer6.ALL_NODES, flags=0x20))
        else:
            p.send(p.ns_frame(target=addr, src=peer6.NOBODY, mac=False, dst=solicited(addr)))
        assert not p.ip.local(addr, 0) and _stable(p)[0].addr != addr
        p.take()


def test_not_optimistic_without_a_router():
    # RFC 4429 3.1: only where the router's link address is known, and never what a program sets
    p = _host(False, dad=True)
    p.nif.v6.optimistic = True
    with bench.inside(p.st):
        entry = p.ip.add(p.nif, ip6("2001:db8::5"), 64)
    assert entry.state == 0
    p.send(_ra(p, mac=False))
    assert _stable(p)[0].state == 0


bench.run_tests(globals())
