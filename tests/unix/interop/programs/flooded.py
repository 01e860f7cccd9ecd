# HTTP server on port 80 that floods do not end: whoever asks for nothing within <seconds> is sent
# away. GET /<n> sends n bytes, GET /state what memory, tables and counters are like:
# flooded.py <seconds>

import asyncio
import gc
import json
import lan
import sys
from netstack.api import host

PATIENCE = float(sys.argv[1])
HEAD = "HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n"
PIECE = bytes(2048)


def state():
    st = host.stack()
    tcp = st.tcp
    gc.collect()
    return {
        "spent": st.spent,
        "budget": st.budget,
        "connections": len(list(tcp.connections())),
        "timers": len(st.timers.list),
        "syns": tcp.synqueue.rows.count,
        "most_syns": tcp.synqueue.rows.limit,
        "limit": tcp.limit,
        # frames that are not made yet: memory that is theirs sooner or later
        "heap": gc.mem_alloc() + st.pool.unmade * st.pool.size,
        "stats": st.stats(),
    }


async def send(writer, size):
    writer.write((HEAD % size).encode())
    while size > 0:
        n = min(size, len(PIECE))
        writer.write(PIECE[:n] if n < len(PIECE) else PIECE)
        await writer.drain()
        size -= n


async def serve(reader, writer):
    try:
        line = await asyncio.wait_for(reader.readline(), PATIENCE)
        if line.startswith(b"GET /state"):
            text = json.dumps(state()).encode()
            writer.write((HEAD % len(text)).encode() + text)
            await writer.drain()
        elif line.startswith(b"GET /"):
            await send(writer, int(line.split()[1][1:]))
    except (asyncio.TimeoutError, OSError):
        pass
    writer.close()
    await writer.wait_closed()


async def main():
    lan.up()
    server = await asyncio.start_server(serve, "0.0.0.0", 80, backlog=64)
    print("ready")
    await server.wait_closed()


asyncio.run(main())
