# transport/demux.py: the hash table of control blocks against a dict.

import gc

import bench
import ref
import micropython
from netstack.transport.demux import Table, clear_local, clear_remote, set_key
from netstack.transport.tcp.rows import Rows


class Block:
    def __init__(self, name):
        self.name = name


def _key(table, lport, rport=0, laddr=b"\x0a\0\0\2", raddr=b"\x0a\0\0\1"):
    set_key(table.key, lport, rport, laddr, 0, raddr, 0, len(laddr))


def test_find_add_remove():
    table = Table()
    _key(table, 80, 1000)
    assert table.find() is None and table.count == 0
    block = Block(1)
    assert table.add(block) and table.find() is block and table.count == 1
    for other in ((80, 1001), (81, 1000), (1000, 80)):
        _key(table, *other)
        assert table.find() is None, other
    _key(table, 80, 1000, raddr=b"\x0a\0\0\3")
    assert table.find() is None
    _key(table, 80, 1000)
    table.remove()
    assert table.find() is None and table.count == 0
    table.remove()  # what is not there stays away
    assert table.count == 0


def test_families_do_not_meet():
    # The mapped form of an IPv4 address is that address (RFC 4291 2.5.5.2); anything else is not.
    table = Table()
    _key(table, 80, 1000)
    table.add(Block(4))
    v6 = bytes(12) + b"\x0a\0\0\2"
    _key(table, 80, 1000, v6, bytes(12) + b"\x0a\0\0\1")
    assert table.find() is None
    mapped = bytes(10) + b"\xff\xff"
    _key(table, 80, 1000, mapped + b"\x0a\0\0\2", mapped + b"\x0a\0\0\1")
    assert table.find().name == 4


def test_wildcards():
    table = Table()
    _key(table, 80, 1000)
    clear_remote(table.key)
    table.add(Block("bound"))
    clear_local(table.key, 4)
    table.add(Block("any"))
    _key(table, 80, 2000, raddr=b"\x0a\0\0\x09")
    assert table.find() is None
    clear_remote(table.key)
    assert table.find().name == "bound"
    clear_local(table.key, 4)
    assert table.find().name == "any"


def test_limit_between_sizes():
    table = Table(8, 12)
    for i in range(12):
        _key(table, 80, i)
        assert table.add(i + 1), i
    _key(table, 80, 12)
    assert table.add(13) is False and sorted(table) == list(range(1, 13))


def test_no_memory_to_grow():
    """MemoryError leaves table and records as they were, and growth works later."""
    f = bench.host()
    lists = ([], [])
    rows = Rows(f.st, 9, 100, None, lists)
    for i in range(8):
        _key(rows, 80, i)
        assert rows.new() == i
    _key(rows, 80, 8)
    gc.collect()
    micropython.heap_lock()
    try:
        rows.new()
        failed = False
    except MemoryError:
        failed = True
    finally:
        micropython.heap_unlock()
    assert failed and rows.count == 8
    for i in range(8):
        _key(rows, 80, i)
        assert rows.find() == i
    for i in range(8, 100):
        _key(rows, 80, i)
        assert rows.new() == i
        assert len(rows.words) > 9 * i + 8 and len(lists[0]) > i and len(lists[1]) > i
    _key(rows, 80, 100)
    assert rows.new() == -1
    f.st.timers.discard(rows._timer)


def test_grows_and_keeps_all():
    table = Table(16, 1024)
    for i in range(1024):
        _key(table, 80, i)
        wanted = list(table.key)
        assert table.add(i + 1), i
        assert list(table.key) == wanted, "add() changed the key"
    assert table.count == 1024
    for i in range(1024):
        _key(table, 80, i)
        assert table.find() == i + 1, i
    _key(table, 80, 2000)
    assert table.add("one too many") is False and table.count == 1024
    assert sorted(table) == list(range(1, 1025))
    for i in range(1024):
        _key(table, 80, i)
        table.remove()
    assert table.count == 0 and list(table) == []


def test_same_bucket():
    # Everything in one bucket: removal from the head, the middle and the tail of a chain.
    table = Table(1, 64)
    for order in ((0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)):
        for i in range(4):
            _key(table, 80, i)
            table.add(i + 1)
        left = {0, 1, 2, 3}
        for gone in order:
            _key(table, 80, gone)
            table.remove()
            left.remove(gone)
            for i in range(4):
                _key(table, 80, i)
                assert table.find() == (i + 1 if i in left else None), (order, gone, i)


def test_random_against_a_dict():
    rnd = bench.Random(41)
    table = Table(4, 256)
    model = {}
    for step in range(bench.scale(4000)):
        lport, rport = rnd.below(8), rnd.below(24)
        _key(table, lport, rport)
        name = lport << 16 | rport
        assert table.find() == model.get(name), step
        if name in model:
            if rnd.below(2):
                table.remove()
                del model[name]
        elif len(model) < 256:
            block = Block(step)
            assert table.add(block)
            model[name] = block
        assert table.count == len(model)
    assert set(id(x) for x in table) == set(id(x) for x in model.values())


def test_chains_stay_short():
    # 1,000 connections of one server: no bucket may hold many (DESIGN section 5).
    table = Table(1024)
    longest = 0
    sizes = {}
    for i in range(1000):
        _key(table, 80, 49152 + i * 7, raddr=bytes((10, 0, i >> 6, i & 63)))
        bucket = ref.hash_key(table.key, 1023)
        sizes[bucket] = sizes.get(bucket, 0) + 1
        longest = max(longest, sizes[bucket])
    assert longest <= 8, longest


bench.run_tests(globals())
