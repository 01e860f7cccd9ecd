# inet/select6.py: RFC 6724, with the examples of its section 10 among others; inet/route6.py:
# which route is taken.

import bench
import peer6
from netstack.inet import address6, select6
from packets import ip, ip6


def _entries(*texts):
    result = []
    for text in texts:
        text, *marks = text.split()
        entry = address6.Entry(ip6(text), 64, address6.STATIC)
        entry.temporary = "temporary" in marks
        if "deprecated" in marks:
            entry.state = address6.DEPRECATED
        if "tentative" in marks:
            entry.state = address6.TENTATIVE
        result.append(entry)
    return result


def _source(dst, *texts, public=True):
    for order in (texts, tuple(reversed(texts))):
        entry = select6.source(_entries(*order), ip6(dst), public)
        got = entry and bytes(entry.addr)
        assert got == ip6(texts[0].split()[0]), (dst, texts, got)


def test_scopes():
    # RFC 6724 3.1, 3.4
    for text, scope in (
        ("fe80::1", 2),
        ("febf::1", 2),
        ("fec0::1", 5),
        ("fc00::1", 14),
        ("2001:db8::1", 14),
        ("::1", 2),
        ("::2", 14),
        ("ff02::1", 2),
        ("ff05::1:3", 5),
        ("ff0e::1", 14),
    ):
        assert select6.scope(ip6(text)) == scope, text


def test_source_addresses():
    # RFC 6724 10.1; the first is the one to be chosen
    _source("2001:db8:1::1", "2001:db8:3::1", "fe80::1")
    _source("ff05::1", "2001:db8:3::1", "fe80::1")
    _source("2001:db8:1::1", "2001:db8:1::1 deprecated", "2001:db8:2::1")
    _source("fe80::1", "fe80::2 deprecated", "2001:db8:1::1")
    _source("2001:db8:1::1", "2001:db8:1::2", "2001:db8:3::2")
    _source("2002:c633:6401::1", "2002:c633:6401::d5e3:7953:13eb:22e8 temporary", "2001:db8:1::2")


def test_rules_of_source_selection():
    _source("2001:db8::9", "2001:db8::1", "2001:db8::2 deprecated")  # 3
    _source("fd00::1", "fd01::1", "2001:db8::1")  # 6
    _source("2001:db8::1", "2001:db8:8000::1", "fd00::1")
    _source("2001:db8::1", "2001:db8::2", "2001:db8::3 temporary")  # 7
    _source("2001:db8::1", "2001:db8::3 temporary", "2001:db8::2", public=False)
    _source("2001:db8:1::1", "2001:db8:1::8", "2001:db8:9::1")  # 8
    assert select6.source(_entries("2001:db8::1 tentative"), ip6("2001:db8::2")) is None


def _order(*rows):
    """rows: (destination, our source or None), the first to be tried first."""
    rows = [(_any(dst), src and _any(src)) for dst, src in rows]
    for i in range(len(rows)):
        for j in range(i + 1, len(rows)):
            assert select6.before(*rows[i], *rows[j]), (rows[i], rows[j])
            assert not select6.before(*rows[j], *rows[i]), (rows[j], rows[i])


def _any(text):
    return ip6(text) if ":" in text else bytes(10) + b"\xff\xff" + ip(text)


def test_destination_addresses():
    # RFC 6724 10.2
    _order(("2001:db8:1::1", "2001:db8:1::2"), ("198.51.100.121", "169.254.13.78"))
    _order(("198.51.100.121", "198.51.100.117"), ("2001:db8:1::1", "fe80::1"))
    _order(("2001:db8:1::1", "2001:db8:1::2"), ("10.1.2.3", "10.1.2.4"))
    _order(("fe80::1", "fe80::2"), ("2001:db8:1::1", "2001:db8:1::2"))
    _order(("2001:db8:1::1", "2001:db8:1::2"), ("2002:c633:6401::1", "2002:c633:6401::2"))
    _order(("10.1.2.3", "10.1.2.4"), ("2001:db8:1::1", None))
    _order(("2001:db8:1::1", "2001:db8:1::2"), ("2001:db8:3ffe::1", "2001:db8:1::2"))
    assert not select6.before(
        _any("10.0.0.1"), _any("10.0.0.9"), _any("10.0.0.8"), _any("10.0.0.9")
    )


def _add(p, prefix, plen, gw=None, **kw):
    return p.ip.routes.add(ip6(prefix), plen, p.nif, gw and ip6(gw), **kw)


def _hop(p, dst):
    """The next hop towards `dst`, None: there is none."""
    if p.ip.route(ip6(dst), 0) is None:
        return None
    return bytes(p.ip.hop or ip6(dst))


def test_longest_prefix():
    # RFC 4861 5.2, RFC 4191 3.2
    p = peer6.peer()
    _add(p, "::", 0, "fe80::1")
    _add(p, "2001:db9::", 32, "fe80::3")
    _add(p, "2001:db9:1::", 48, "fe80::4")
    _add(p, "2001:db9:1:8000::", 49)
    for dst, hop in (
        ("2001:db8::77", "2001:db8::77"),
        ("2001:db8:0:1::1", "fe80::1"),
        ("2001:db9::1", "fe80::3"),
        ("2001:db9:1::1", "fe80::4"),
        ("2001:db9:1:8000::1", "2001:db9:1:8000::1"),
        ("fe80::99", "fe80::99"),
        ("ff0e::1", "ff0e::1"),
    ):
        assert _hop(p, dst) == ip6(hop), dst
    p.nif.set_up(False)
    assert _hop(p, "2001:db9::1") is None


def test_preference_of_routers():
    # RFC 4191 3.2; a router that does not answer comes last, those that do not take turns
    p = peer6.peer()
    _add(p, "::", 0, "fe80::a", preference=-1)
    _add(p, "::", 0, "fe80::b", preference=1)
    _add(p, "::", 0, "fe80::c")
    routes = p.ip.routes
    seen = []
    for _ in range(4):
        hop = _hop(p, "2001:db9::1")
        seen.append(hop[15])
        routes.failed(p.nif, hop, 0)
    assert seen == [0xB, 0xC, 0xA, 0xB]
    routes.answers(p.nif, ip6("fe80::c"), 0)
    assert _hop(p, "2001:db9::1") == ip6("fe80::c")


def test_through_a_router_that_does_not_answer():
    # RFC 4861 7.3.3, 6.3.6
    p = peer6.peer(auto_nd=False)
    _add(p, "::", 0, "fe80::1", preference=1)
    _add(p, "::", 0, "fe80::3")
    far = ip6("2001:db9::1")
    with bench.inside(p.st):
        p.ip.icmp.echo(far, 1, 1, 0)
    p.expect("nd", type=135, target=ip6("fe80::1"))
    p.advance(3000)
    p.take()
    with bench.inside(p.st):
        p.ip.icmp.echo(far, 1, 2, 0)
    p.expect("nd", type=135, target=ip6("fe80::3"))
    p.send(p.na_frame(target=ip6("fe80::3"), dst=p.host.link, flags=0xE0))
    p.expect("icmp6", type=128, dst=far, seq=2, dst_mac=p.mac)


def test_lifetimes():
    p = peer6.peer()
    _add(p, "2001:db9::", 64, until=p.ip.life.after(100))
    _add(p, "2001:dba::", 64, until=p.ip.life.after(1000000))
    p.advance(99900)
    assert _hop(p, "2001:db9::1")
    p.advance(1200)
    assert _hop(p, "2001:db9::1") is None
    for _ in range(11):
        p.skip(90000 * 1000)
    assert _hop(p, "2001:dba::1")
    p.skip(10000 * 1000)
    assert _hop(p, "2001:dba::1") is None


def test_routes_are_bounded():
    p = peer6.peer()
    for origin, most in ((2, 8), (1, 12)):
        for i in range(100):
            _add(p, "2001:db9:%x%x::" % (origin, i), 64, "fe80::%x" % i, origin=origin)
        assert len([r for r in p.ip.routes.list if r.origin == origin]) == most
    assert _add(p, "2001:dba::", 64, "fe80::1") is not None
    for i in range(100):
        _add(p, "2001:dbb:%x::" % i, 64, "fe80::1")
    assert len(p.ip.routes.list) == 64


def test_source_address_of_another_interface():
    # an interface may have no address of the scope that is needed; RFC 6724 4 allows any then
    p = peer6.peer(addr=False)
    assert p.ip.source(ip6("fe80::9")) == p.host.link
    assert p.ip.source(ip6("2001:db8::1")) is None  # no route
    _add(p, "::", 0, "fe80::1")
    assert p.ip.source(ip6("2001:db8::1")) is None
    p.ip.add(p.nif, ip6("2001:db8::2"), 128)
    assert p.ip.source(ip6("2001:db8::1")) == ip6("2001:db8::2")


bench.run_tests(globals())
