# A web server of microdot's: web_microdot.py PORT [CERTIFICATE KEY]

import asyncio
import sys

from microdot import Microdot, Request
from microdot.websocket import with_websocket

Request.max_content_length = Request.max_body_length = 200000
app = Microdot()


@app.route("/")
async def index(request):
    return "Hello, World!"


@app.post("/length")
async def length(request):
    return {"length": len(request.body), "sum": sum(request.body)}


@app.get("/lines/<int:n>")
async def lines(request, n):
    class Lines:
        def __init__(self):
            self.i = 0

        def __aiter__(self):
            return self

        async def __anext__(self):
            if self.i >= n:
                raise StopAsyncIteration
            self.i += 1
            return "line %d\n" % self.i

    return Lines()


@app.route("/echo")
@with_websocket
async def echo(request, ws):
    while True:
        await ws.send(await ws.receive())


context = None
if len(sys.argv) > 2:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*sys.argv[2:])


async def main():
    print("ready")
    await app.start_server(port=int(sys.argv[1]), ssl=context)


asyncio.run(main())
