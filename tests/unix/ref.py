# Plain-Python twins of the viper kernels in lib/netstack: same arguments, same results, written
# for reading. tests/unix/core/test_kernels.py compares the two.

import struct
import uctypes
from array import array

_M32 = 0xFFFFFFFF


def _fold(acc):
    while acc >> 16:
        acc = (acc & 0xFFFF) + (acc >> 16)
    return acc


def _signed(x):
    x &= _M32
    return x - (1 << 32) if x >> 31 else x


# core/checksum.py


def csum(buf, off, n, acc):
    for i in range(n):
        acc += buf[off + i] << (8 if i & 1 else 0)
    return _fold(acc)


def copy(dst, doff, src, soff, n):
    for i in range(n):
        dst[doff + i] = src[soff + i]


def copy_csum(dst, doff, src, soff, n, acc):
    copy(dst, doff, src, soff, n)
    return csum(src, soff, n, acc)


def put_csum(buf, off, acc):
    buf[off] = ~acc & 0xFF
    buf[off + 1] = ~acc >> 8 & 0xFF


def pseudo(src, soff, dst, doff, alen, proto, n):
    acc = csum(src, soff, alen, 0) + csum(dst, doff, alen, 0)
    return _fold(acc + csum(bytes((0, proto, n >> 8, n & 0xFF)), 0, 4, 0))


# transport/tcp/rto.py, input.py


def sample(cb, rtt):
    cb[81] = min(cb[81] or rtt, rtt) or 1
    if cb[18] == 0:
        cb[18] = rtt << 3 or 1
        cb[19] = rtt << 1
    else:
        error = rtt - (cb[18] >> 3)
        cb[18] = max(cb[18] + error, 1)
        cb[19] += abs(error) - (cb[19] >> 2)
    cb[20] = min((cb[18] >> 3) + max(cb[19], 200), 60000)


def receive_from(cb, seg):
    cb[6] = seg[0]
    cb[7] = cb[8] = cb[42] = seg[0] + 1 & _M32


def take_window(cb, seg, wnd):
    cb[12] = wnd
    cb[13] = max(cb[13], wnd)
    cb[4] = seg[0]
    cb[5] = seg[1]


# core/move.py; the memory behind the addresses stands in the arguments


def move(dst, src):
    """The source's bytes to the destination, if it is not None; their sum."""
    if dst is not None:
        copy(dst, 0, src, 0, len(src))
    return csum(src, 0, len(src), 0)


# core/wire.py


def get16(buf, off):
    return buf[off] * 256 + buf[off + 1]


def put16(buf, off, value):
    buf[off] = value >> 8 & 0xFF
    buf[off + 1] = value & 0xFF


def load32(words, i, buf, off):
    words[i] = int.from_bytes(bytes(buf[off : off + 4]), "big")


def store32(buf, off, words, i):
    for k in range(4):
        buf[off + k] = words[i] >> (24 - 8 * k) & 0xFF


def get32(buf, off):
    return min(int.from_bytes(bytes(buf[off : off + 4]), "big"), 0x3FFFFFFF)


def move32(dst, i, src, j):
    dst[i] = src[j]


def add32(words, i, n):
    words[i] = (words[i] + n) & _M32


def sub32(a, i, b, j):
    return max(-0x40000000, min(0x3FFFFFFF, _signed(a[i] - b[j])))


def where(buf):
    return uctypes.addressof(buf)


def same(a, i, b, j, n):
    return bytes(a[i : i + n]) == bytes(b[j : j + n])


def zero(buf, off, n):
    return not any(buf[off : off + n])


def find(table, count, width, buf, off):
    for i in range(count):
        if same(table, i * width, buf, off, width):
            return i
    return -1


# core/clock.py


def elapsed(now, then):
    d = (now - then) & 0x3FFFFFFF
    return d - 0x40000000 if d >= 0x20000000 else d


def later(now, ms):
    return (now + ms) % 0x40000000


# core/random.py


def xorshift(state):
    x = state[0]
    x ^= x << 13 & _M32
    x ^= x >> 17
    x ^= x << 5 & _M32
    state[0] = x
    return x >> 8 & 0xFFFF


# inet/ipv4.py


def on_link(dst, off, addr, mask):
    return all(dst[off + k] & mask[k] == addr[k] & mask[k] for k in range(4))


def plain(buf, at, n, addr, bcast):
    p = buf[at : at + n]
    if n < 20 or p[0] != 0x45 or csum(p, 0, 20, 0) != 0xFFFF:
        return 0
    total = p[2] << 8 | p[3]
    src = bytes(p[12:16])
    good = 20 <= total <= n and not (p[6] & 0x3F or p[7])
    good = good and p[16:20] == addr and addr[0] != 127
    good = good and src[0] not in (0, 127) and src[0] < 224 and src != addr and src != bcast
    return total if good else 0


def put_header(buf, at, n, ident, src, dst, what):
    df = 0 if what & 0xFF == 1 and not what >> 24 else 0x4000
    head = struct.pack(
        ">BBHHHBBH", 0x45, what >> 16 & 255, n, ident, df, what >> 8 & 255, what & 255, 0
    )
    copy(buf, at, head + src + dst, 0, 20)
    put_csum(buf, at + 10, csum(buf, at, 20, 0))


def again(buf, at, n, header, src, dst, what, w):
    h = header[16:36]
    if (h[1] << 16 | h[8] << 8 | h[9], h[12:16], h[16:20]) != (what, src, dst):
        return 0
    w[3] = (w[3] + 1) & 0xFFFF
    copy(buf, at - 14, header, 2, 34)
    buf[at + 2 : at + 6] = struct.pack(">HH", n, w[3])
    put_csum(buf, at + 10, csum(buf, at, 20, 0))
    return 1


# inet/route6.py


def common(a, i, b, j):
    x = int.from_bytes(bytes(a[i : i + 16]), "big") ^ int.from_bytes(bytes(b[j : j + 16]), "big")
    n = 128
    while x:
        x >>= 1
        n -= 1
    return n


# transport/demux.py: a key is nine words


def _mapped(buf, off, alen):
    address = bytes(buf[off : off + alen])
    return (bytes(10) + b"\xff\xff" if alen == 4 else bytes(16 - alen)) + address


def set_key(key, lport, rport, laddr, lo, raddr, ro, alen):
    key[0] = lport << 16 | rport
    address = _mapped(laddr, lo, alen) + _mapped(raddr, ro, alen)
    for k in range(8):  # words of the machine's order over bytes in network order
        key[1 + k] = int.from_bytes(address[4 * k : 4 * k + 4], "little")


def clear_local(key, alen):
    for k in range(1, 5):
        key[k] = 0
    if alen == 16:
        key[1] = _M32


def clear_remote(key):
    key[0] &= 0xFFFF0000
    for k in range(5, 9):
        key[k] = 0


def hash_key(key, mask):
    h = 0
    for word in key:
        h = (h * 31 + word) & _M32
    h ^= h >> 15
    h ^= h >> 7
    return h & mask


def read_key(key, buf, l4, lo, ro, alen):
    sport, dport = struct.unpack(">HH", buf[l4 : l4 + 4])
    set_key(key, dport, sport, buf, lo, buf, ro, alen)


# A table by its arrays here, where the kernels have their addresses.


def search(heads, links, keys, key, alen):
    for k in range(3 if alen else 1):
        if k == 1:
            clear_remote(key)
        elif k == 2:
            clear_local(key, alen)
        i = heads[hash_key(key, len(heads) - 1)]
        while i != 0xFFFF:
            if list(keys[9 * i : 9 * i + 9]) == list(key):
                return i
            i = links[i]
    return -1


def link(heads, links, keys, key, i):
    keys[9 * i : 9 * i + 9] = key
    bucket = hash_key(key, len(heads) - 1)
    links[i] = heads[bucket]
    heads[bucket] = i


def unlink(heads, links, keys, blocks, i, unused):
    bucket = hash_key(keys[9 * i : 9 * i + 9], len(heads) - 1)
    if heads[bucket] == i:
        heads[bucket] = links[i]
    else:
        before = heads[bucket]
        while links[before] != i:
            before = links[before]
        links[before] = links[i]
    links[i] = unused
    blocks[2 * i] = blocks[2 * i + 1] = 0


# transport/tcp/segment.py, options.py, protocol.py, synqueue.py


def numbers(w, buf, at, hlen):
    w[0], w[1] = struct.unpack(">II", buf[at + 4 : at + 12])
    if hlen == 20:
        return 0
    if hlen != 32 or buf[at + 20 : at + 24] != b"\x01\x01\x08\x0a":
        return 2
    w[2], w[3] = struct.unpack(">II", buf[at + 24 : at + 32])
    return 1


def put_segment(buf, at, cb, seq, lport, rport, flags, wnd):
    ack = cb[7] if flags & 16 else 0
    buf[at : at + 20] = struct.pack(
        ">HHIIHHI", lport, rport, cb[seq], ack, flags & 0xFFFF, wnd & 0xFFFF, 0
    )
    if flags & 16:
        cb[42] = ack
        cb[23] = cb[26] = 0
        cb[31] &= ~1


def offer(cb, free, step, most, shift):
    old = _signed(cb[8] - cb[7])
    free = free >> shift << shift if free - old >= step else old
    free = max(min(free, most << shift), 0)
    cb[8] = cb[7] + free & _M32
    return free >> shift


def parse(w, buf, at, end):
    found = 0
    while at < end and buf[at]:
        kind = buf[at]
        n = 1 if kind == 1 else buf[at + 1] if at + 1 < end else 0
        if at + n > end or (n < 2 and kind != 1):
            return -1
        body = buf[at + 2 : at + n]
        if (kind, n) == (8, 10):
            w[2], w[3] = struct.unpack(">II", body)
            found |= 1
        elif (kind, n) == (4, 2):
            found |= 2
        elif (kind, n) == (2, 4):
            w[6] = struct.unpack(">H", body)[0]
            found |= 4
        elif (kind, n) == (3, 3):
            w[7] = body[0]
            found |= 8
        elif kind == 5 and n % 8 == 2:
            w[8] = at + 2
            w[9] = n // 8
            found |= 16
        at += n
    return found


def add_clock(cb, now, carry):
    cb[0] = (cb[0] + 250 * now + (carry << 15)) & _M32


def unfold(cb):
    iss, irs, mss = cb[0], cb[6], cb[14]
    cb[1] = cb[10] = iss
    cb[2] = cb[3] = (iss + 1) & _M32
    cb[7] = cb[42] = (irs + 1) & _M32
    cb[15] = cb[99] = mss
    cb[33] = min(mss, 536)
    cb[37] = 3


# transport/tcp/timers.py: words 24 .. 30 of a control block are deadlines, but for word 29


def arm(conn):
    now = conn.st.now
    deadlines = [conn.cb[i] for i in (24, 25, 26, 27, 28, 30, 80) if conn.cb[i]]
    if not deadlines:
        conn.timer.active = False
        return
    wait = min(max(0, elapsed(due, now)) for due in deadlines)
    if not conn.timer.active or elapsed(conn.timer.due, now) > wait:
        conn.timer.start(now, wait)


def address(words, i, buf):
    at = uctypes.addressof(buf)
    words[i] = at & _M32
    words[i + 1] = at >> 32


def put(words, src, off, n, ahead, job):
    store = uctypes.bytearray_at(words[3] | words[4] << 32, words[2])
    for i in range(n):
        store[(words[0] + words[1] + ahead + i) % words[2]] = src[off + i]


def get(words, dst, off, n, offset, job):
    store = uctypes.bytearray_at(words[3] | words[4] << 32, words[2])
    for i in range(n):
        dst[off + i] = store[(words[0] + offset + i) % words[2]]
    return csum(dst, off, n, 0)


def skip(words, n, rewind):
    words[1] -= n
    words[0] = 0 if rewind and not words[1] else (words[0] + n) % words[2]


def tick(words, now):
    words[1] = words[1] + (now - words[0] & 0x3FFFFFFF) & _M32
    words[0] = now


def note(w, cb, now):
    n = w[72]
    record = [list(w[3 * i : 3 * i + 3]) for i in range(n)]
    if cb[3] == (record[-1][0] if n else cb[1]):
        return True
    if n and record[-1][1:] == [now, 0]:
        record[-1][0] = cb[3]
    elif n == 24:
        return False
    else:
        record.append([cb[3], now, 0])
    w[72] = len(record)
    for i in range(len(record)):
        for k in range(3):
            w[3 * i + k] = record[i][k]
    return True


def slide(w, src, dst, n):
    words = [w[src + i] for i in range(n)]
    for i in range(n):
        w[dst + i] = words[i]


def put_stamps(buf, at, ticks, cb):
    buf[at : at + 12] = struct.pack("!BBBBII", 1, 1, 8, 10, ticks[1] + cb[41] & 0xFFFFFFFF, cb[39])


def since_echo(ticks, cb, w):
    d = ticks[1] + cb[41] - w[3] & 0xFFFFFFFF
    return d if d < 1 << 30 else -1


def in_order(order, way=1):
    """The rows of a ring: forwards, or by way 0 backwards."""
    rows = []
    at = order[way]
    while at:
        rows.append(at - 1)
        at = order[2 * at + way]
    return rows


def schedule(words, width, order, row, due):
    rows = [other for other in in_order(order) if other != row]
    words[row * width] = due
    if due:
        i = len(rows)
        while i and elapsed(words[rows[i - 1] * width], due) > 0:
            i -= 1
        rows.insert(i, row)
    ring = [0] + [other + 1 for other in rows]
    for i in range(len(ring)):
        order[2 * ring[i]] = ring[i - 1]
        order[2 * ring[i - 1] + 1] = ring[i]


def low_bits(a, i, b, j):
    return a[i] + b[j] & 63


def gather(row, at, cb, kept, n):
    for i in range(n):
        row[at + i] = cb[kept[i]]


def scatter(cb, words, row, at, kept, n):
    for i in range(words):
        cb[i] = 0
    for i in range(n):
        cb[kept[i]] = row[at + i]


# link/vlan.py


def strip(buf, at, n):
    tci = get16(buf, at + 14)
    buf[at + 12 : at + n - 4] = bytes(buf[at + 16 : at + n])
    return tci


def tag(buf, at, saved, tci):
    saved[:] = buf[at - 4 : at + 12]
    buf[at - 4 : at + 8] = saved[4:]
    buf[at + 8 : at + 12] = struct.pack("!HH", 0x8100, tci)


# link/bridge.py: the table as words, rows of four from word 4 on


def bridge_set(table, buf, at):
    x = (buf[at + 3] * 33 + buf[at + 4]) * 33 + buf[at + 5]
    first = 4 + (((x >> 8) ^ x) & table[0]) * 16
    a, b = struct.unpack("<HI", bytes(buf[at : at + 6]))
    return range(first, first + 16, 4), a, b


def fresh(table, row, now):
    return table[row + 3] or (now - table[row + 2]) % 0x40000000 <= table[1]


def lookup(table, buf, at, now):
    rows, a, b = bridge_set(table, buf, at)
    for row in rows:
        if table[row] >> 16 and table[row] & 0xFFFF == a and table[row + 1] == b:
            return (table[row] >> 16) - 1 if fresh(table, row, now) else -1
    return -1


def learn(table, buf, at, now, port, static):
    rows, a, b = bridge_set(table, buf, at)
    best, most = None, -1
    for row in rows:
        age = (now - table[row + 2]) % 0x40000000 if table[row] else 0x3FFFFFFF
        if table[row] and table[row] & 0xFFFF == a and table[row + 1] == b:
            there = (table[row] >> 16) - 1 == port
            if table[row + 3] and not static:
                return 0 if there else 4
            table[row] = a | (port + 1) << 16
            table[row + 2 : row + 4] = array("I", (now, static))
            return 0 if there else 2
        if age > most and not (table[row] and table[row + 3]):
            best, most = row, age
    if best is None:
        return 4
    how = 3 if table[best] and most <= table[1] else 1
    table[best : best + 4] = array("I", (a | (port + 1) << 16, b, now, static))
    return how


def sweep(table, now, port):
    left = 0
    for row in range(4, len(table), 4):
        if table[row] and not table[row + 3]:
            if (table[row] >> 16) - 1 == port or not fresh(table, row, now):
                table[row] = 0
            else:
                left += 1
    return left


def pick(w, n):
    buf, nif = w["buf"], w["nif"]  # themselves, not their addresses; so with the table
    port, table = nif[13], nif[14]
    if n < 14 or n > nif[16] or (buf[2] | buf[8]) & 1:
        return 0
    if lookup(table, buf, 8, w[0]) != port:
        return 0
    learn(table, buf, 8, w[0], port, 0)
    to = lookup(table, buf, 2, w[0])
    if to in (-1, 30, port):
        return 0
    w[12], w[16], w[36] = port, to, n
    return nif[17]


# inet/nat.py: rows of five words


def find_inside(rows, count, buf, at, port, proto):
    address = int.from_bytes(bytes(buf[at : at + 4]), "little")
    for i in range(count):
        a, ports, what = rows[5 * i : 5 * i + 3]
        if a == address and ports & 0xFFFF == port and what & 255 == proto:
            return i
    return -1


def find_outside(rows, count, port, proto):
    for i in range(count):
        if rows[5 * i + 1] >> 16 == port and rows[5 * i + 2] & 255 == proto:
            return i
    return -1


def vacant(rows, count, now):
    free = [i for i in range(count) if rows[5 * i + 2] == 0]
    new = [i for i in range(count) if rows[5 * i + 2] >> 8 == 1 and not rows[5 * i + 4]]
    return (
        free[0]
        if free
        else max(new, key=lambda i: ((now - rows[5 * i + 3]) % 0x40000000, -i))
        if new
        else -1
    )


# inet/filter.py: rules of eleven words


def judge(rules, count, buf, at, l4, what):
    src, dst = struct.unpack("<II", bytes(buf[at + 12 : at + 20]))
    sport, dport = struct.unpack("!HH", bytes(buf[l4 : l4 + 4]))
    for i in range(count):
        r = rules[11 * i : 11 * i + 11]
        kind = r[6] >> 8
        if kind & 8:
            continue
        if (src ^ r[0]) & r[1] or (dst ^ r[2]) & r[3] or r[6] & 255 not in (0, buf[at + 9]):
            continue
        if r[7] not in (0, what & 255) or r[8] not in (0, what >> 8 & 255):
            continue
        if kind & 1 and not what & 0x10000:
            continue
        if kind & 2:
            inside = r[4] & 0xFFFF <= sport <= r[4] >> 16 and r[5] & 0xFFFF <= dport <= r[5] >> 16
            if not what & 0x20000 or not inside:
                continue
        return i
    return count


def judge6(rules, nets, count, key, buf, l4, what):
    sport, dport = struct.unpack("!HH", bytes(buf[l4 : l4 + 4]))
    for i in range(count):
        r = rules[11 * i : 11 * i + 11]
        net = nets[16 * i : 16 * i + 16]
        kind = r[6] >> 8
        if kind & 4 or r[6] & 255 not in (0, what >> 18):
            continue
        if r[7] not in (0, what & 255) or r[8] not in (0, what >> 8 & 255):
            continue
        if kind & 1 and not what & 0x10000:
            continue
        if kind & 2:
            inside = r[4] & 0xFFFF <= sport <= r[4] >> 16 and r[5] & 0xFFFF <= dport <= r[5] >> 16
            if not what & 0x20000 or not inside:
                continue
        if kind & 8:
            if any((key[k] ^ net[k]) & net[4 + k] for k in range(4)):
                continue
            if any((key[4 + k] ^ net[8 + k]) & net[12 + k] for k in range(4)):
                continue
        return i
    return count


# -- inet/forward6_fast.py ----------------------------------------------------------------------


def place6(key, mask):
    x = 0
    for word in key:
        x = (x * 31 + word) & 0xFFFFFFFF
    x ^= x >> 15 & 0x1FFFF
    return (x ^ (x >> 7 & 0x1FFFFFF)) & mask
