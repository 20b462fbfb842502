"""Answers every request at once with as many bytes as a vector has: what the driver is measured against."""
import asyncio

BODY = b"[[" + b",".join([b"-0.01234567"] * 768) + b"]]"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY


class Trivial(asyncio.Protocol):
    """Takes every read for a whole request, which small ones are."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, _):
        self.transport.write(ANSWER)


async def main():
    server = await asyncio.get_running_loop().create_server(Trivial, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
