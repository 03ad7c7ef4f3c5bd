"""A name server on loopback, over UDP and TCP: it answers from a table, not at all, or as a test says.

    async with open_name_server({"hooks.example.com": ("192.0.2.1", "2001:db8::1")}) as server:
        resolver = Resolver([server.address])

A name below `dead.example` never gets an answer.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import trio
from dns.message import Message, QueryMessage

from daemon.egress.name_server import NameServer

DEAD_ZONE = "dead.example"
TTL_S = 60

# Makes the answer to a query, None for none.
Answering = Callable[[QueryMessage], Message | None]


@dataclass(slots=True)
class TestNameServer:
    """A running server. `asked` counts the queries of each name and type, `over_tcp` those over TCP."""

    address: NameServer
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    over_tcp: int = 0

    __test__ = False  # no test class, in spite of its name

    def names_asked(self) -> set[str]:
        """Return the names that were asked for."""
        return {name for name, _ in self.asked}


def from_table(table: Mapping[str, Sequence[str]]) -> Answering:
    """Answer with the table's addresses (or, for `-> name`, a CNAME); nothing below the dead zone, else NXDOMAIN."""

    def answer(query: QueryMessage) -> Message | None:
        name = name_of(query)
        if name == DEAD_ZONE or name.endswith(f".{DEAD_ZONE}"):
            return None
        response = dns.message.make_response(query)
        if name not in table:
            response.set_rcode(dns.rcode.NXDOMAIN)
            return response
        while table[name] and table[name][0].startswith("-> "):
            target = table[name][0].removeprefix("-> ")
            response.answer.append(dns.rrset.from_text(f"{name}.", TTL_S, "IN", "CNAME", f"{target}."))
            name = target
        wanted = [address for address in table[name] if (":" in address) == (type_of(query) == "AAAA")]
        if wanted:
            response.answer.append(dns.rrset.from_text_list(f"{name}.", TTL_S, "IN", type_of(query), wanted))
        return response

    return answer


def name_of(query: Message) -> str:
    """Return the name that is asked for, in lower case and without its final dot."""
    return query.question[0].name.to_text(omit_final_dot=True).lower()


def type_of(query: Message) -> str:
    """Return `A` or `AAAA`."""
    return dns.rdatatype.to_text(query.question[0].rdtype)


@asynccontextmanager
async def open_name_server(
    table: Mapping[str, Sequence[str]] | None = None,
    *,
    answering: Answering | None = None,
    address: str = "127.0.0.1",
    port: int = 0,
    udp_limit: int = 512,
) -> AsyncIterator[TestNameServer]:
    """Serve for this block. What is longer than `udp_limit` is truncated over UDP (RFC 1035, 4.2.1)."""
    answering = answering or from_table(table or {})
    udp, listener = await _open_sockets(address, port)
    with udp:
        server = TestNameServer(NameServer(address, udp.getsockname()[1]))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_serve_udp, udp, server, answering, udp_limit)
            nursery.start_soon(partial(trio.serve_listeners, partial(_serve_tcp, server, answering), [listener]))
            yield server
            nursery.cancel_scope.cancel()


async def _open_sockets(address: str, port: int) -> tuple[trio.socket.SocketType, trio.SocketListener]:
    """Return a socket for each transport, on one port: with port 0, one that is free for both."""
    while True:
        udp = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
        await udp.bind((address, port))
        try:
            [listener] = await trio.open_tcp_listeners(udp.getsockname()[1], host=address)
        except OSError:
            udp.close()
            if port:
                raise
        else:
            return udp, listener


async def _serve_udp(udp: trio.socket.SocketType, server: TestNameServer, answering: Answering, limit: int) -> None:
    while True:
        data, peer = await udp.recvfrom(4096)
        response = _answer(data, server, answering)
        if response is None:
            continue
        wire = response.to_wire(max_size=65_535)
        if len(wire) > limit:
            short = dns.message.Message(response.id)
            short.flags = response.flags | dns.flags.TC
            short.question = response.question
            wire = short.to_wire()
        await udp.sendto(wire, peer)


async def _serve_tcp(server: TestNameServer, answering: Answering, stream: trio.SocketStream) -> None:
    buffer = b""
    async with stream:
        async for data in stream:
            buffer += data
            while len(buffer) >= 2 and len(buffer) >= 2 + int.from_bytes(buffer[:2], "big"):
                end = 2 + int.from_bytes(buffer[:2], "big")
                query, buffer = buffer[2:end], buffer[end:]
                server.over_tcp += 1
                if (response := _answer(query, server, answering)) is not None:
                    await stream.send_all(response.to_wire(max_size=65_535, prepend_length=True))


def _answer(data: bytes, server: TestNameServer, answering: Answering) -> Message | None:
    query = dns.message.from_wire(data)
    assert isinstance(query, QueryMessage)
    server.asked[name_of(query), type_of(query)] += 1
    return answering(query)
