# getaddrinfo, waiting and with await, against a DNS server in the same stack: an endpoint on
# loopback whose answers are made without the resolver's code.

import asyncio
import bench
import network
import netstack
import socket
import struct
import time
from netstack.api import host

EAI_NONAME, EAI_AGAIN = -2, -3


class Server:
    """Answers on 127.0.0.1:53. `names`: label -> last byte of its address; "slow" is never
    answered, everything else does not exist."""

    def __init__(self, **names):
        self.names = names
        self.asked = []
        self.questions = set()  # each may be asked again, after a second
        st = host.stack()
        host.udp()
        self.buf = bytearray(512)
        with bench.inside(st):
            self.ep = st.udp.open()
            self.ep.bind(None, None, 53)
            self.ep.notify = self.serve
        network.ipconfig(dns="127.0.0.1")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        st = host.stack()
        with bench.inside(st):
            self.ep.close()
            st.dns.flush()
        network.ipconfig(dns="0.0.0.0", search=(), ndots=1)

    def serve(self, ep):
        n = ep.recv(self.buf, 0, len(self.buf))
        data = bytes(self.buf[:n])
        at = 12
        while data[at]:
            at += data[at] + 1
        label = data[13 : 13 + data[12]].decode().lower()
        self.asked.append((label, data[at + 2]))
        self.questions.add(data[12 : at + 5].lower())
        if label == "slow":
            return
        last = self.names.get(label)
        body = data[12 : at + 5]
        if last is None:
            body += soa()
        else:
            body += struct.pack("!HHHIH", 0xC00C, 1, 1, 60, 4) + bytes((192, 0, 2, last))
        flags = 0x8183 if last is None else 0x8180
        counts = (1, 0 if last is None else 1, 1 if last is None else 0, 0)
        answer = data[:2] + struct.pack("!HHHHH", flags, *counts) + body
        ep.send(answer, 0, len(answer), host.stack().ip4, ep.from_addr[:4], ep.from_port)


def soa():
    data = b"\0\0" + struct.pack("!IIIII", 1, 2, 3, 4, 5)
    return b"\0" + struct.pack("!HHIH", 6, 1, 60, len(data)) + data


def fails(errno, function, *args, **kw):
    try:
        function(*args, **kw)
    except OSError as error:
        assert error.errno == errno, error
        return str(error)
    raise AssertionError("no OSError %d" % errno)


def idle():
    """Nothing is left that nobody waits for."""
    st = host.stack()
    return not st.dns._queries and not st.dns.searches and not st.dns._ready


def test_waiting():
    with Server(one=1):
        info = socket.getaddrinfo("one.test", 80)
        assert info == [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("192.0.2.1", 80))], info
        assert socket.getaddrinfo(b"one.test", "53", 0, 2)[0][1:] == (2, 0, "", ("192.0.2.1", 53))
        assert "nobody.test" in fails(EAI_NONAME, socket.getaddrinfo, "nobody.test", 80)
    assert idle()


def test_timeout():
    with Server(one=1):

        def slow():
            fails(EAI_AGAIN, socket.getaddrinfo, "slow.test", 80, timeout=0.3)

        bench.takes(300, 900, slow)
        assert idle()
        assert socket.getaddrinfo("one.test", 80, timeout=5)[0][-1] == ("192.0.2.1", 80)
        assert socket.getaddrinfo("one.test", 80, timeout=0)[0][-1] == ("192.0.2.1", 80)  # cached


def test_no_server():
    def ask():
        network.ipconfig(dns="0.0.0.0")
        said = fails(EAI_AGAIN, socket.getaddrinfo, "one.test", 80)
        assert "network.ipconfig(dns=" in said
        network.ipconfig(dns="127.0.0.1")  # nobody listens there, which ICMP tells
        fails(EAI_AGAIN, socket.getaddrinfo, "one.test", 80)

    bench.takes(0, 500, ask)
    network.ipconfig(dns="0.0.0.0")


def test_await():
    async def main(server):
        ticks = [0]

        async def tick():
            while True:
                ticks[0] += 1
                await asyncio.sleep_ms(1)

        ticker = asyncio.create_task(tick())
        names = ["n%d.test" % i for i in range(6)]
        found = await asyncio.gather(*[netstack.getaddrinfo(name, 80) for name in names])
        assert [info[0][-1][0] for info in found] == ["192.0.2.%d" % i for i in range(6)]
        for _ in range(20):  # once the machine does not halt
            ticks[0] = 0
            start = time.ticks_ms()
            try:
                await asyncio.wait_for_ms(netstack.getaddrinfo("slow.test", 80), 200)
            except asyncio.TimeoutError:
                pass
            else:
                raise AssertionError("no timeout")
            took = time.ticks_diff(time.ticks_ms(), start)
            assert idle() and took >= 200, took
            if took < 800 and ticks[0] > 3:
                break
        else:
            raise AssertionError("%d ms, %d ticks" % (took, ticks[0]))
        for name in ("nobody.test", "a b"):
            try:
                await netstack.getaddrinfo(name, 80)
            except OSError as error:
                assert error.errno == EAI_NONAME
            else:
                raise AssertionError(name)
        assert (await netstack.getaddrinfo("192.0.2.9", 1))[0][-1] == ("192.0.2.9", 1)
        assert (await netstack.getaddrinfo(None, 1))[0][-1] == ("127.0.0.1", 1)
        ticker.cancel()

    with Server(**{"n%d" % i: i for i in range(6)}) as server:
        asyncio.run(main(server))
    assert idle()


def test_bad_arguments():
    # found before anybody is asked
    with Server() as server:
        fails(-8, socket.getaddrinfo, "one.test", "http")
        fails(97, socket.getaddrinfo, "one.test", 80, 99)
        fails(EAI_NONAME, socket.getaddrinfo, "one.test", 80, 0, 0, 0, socket.AI_NUMERICHOST)
        for name in ("a..b", "a b", "x" * 64, "1.2.3"):
            fails(EAI_NONAME, socket.getaddrinfo, name, 80)
        assert not server.asked


def test_search():
    with Server(printer=7) as server:
        network.ipconfig(search="lan.test")
        assert network.ipconfig("search") == ["lan.test"]
        assert socket.getaddrinfo("printer", 80)[0][-1] == ("192.0.2.7", 80)
        network.ipconfig(search=["a.test", "b.test"], ndots=2)
        assert network.ipconfig("ndots") == 2
        fails(EAI_NONAME, socket.getaddrinfo, "x.y", 80)
        assert len(server.questions) == 4, server.questions
        for bad in ({"search": ["a b"]}, {"search": 5}, {"ndots": -1}, {"ndots": "x"}):
            try:
                network.ipconfig(**bad)
            except (ValueError, TypeError):
                pass
            else:
                raise AssertionError(bad)


def test_several_servers_by_hand():
    network.ipconfig(dns=("10.0.0.1", "10.0.0.2"))
    assert host.dns().servers_in_use() == [b"\x0a\0\0\1", b"\x0a\0\0\2"]
    assert network.ipconfig("dns") == "10.0.0.1"
    network.ipconfig(dns="0.0.0.0")
    assert network.ipconfig("dns") == "0.0.0.0"


def test_hosts():
    netstack.hosts("Printer", "192.0.2.5", "192.0.2.6")
    assert netstack.hosts() == {"printer": ["192.0.2.5", "192.0.2.6"]}
    assert [info[-1][0] for info in socket.getaddrinfo("PRINTER", 9)] == ["192.0.2.5", "192.0.2.6"]
    for bad in ("1.2.3", 7):
        try:
            netstack.hosts("printer", bad)
        except ValueError as error:
            assert "printer" in str(error)
        else:
            raise AssertionError(bad)
    netstack.hosts("printer")
    assert netstack.hosts() == {}
    fails(EAI_AGAIN, socket.getaddrinfo, "printer", 9)


if __name__ == "__main__":
    bench.run_tests(globals())
