"""DNS queries for a name's addresses, over UDP and TCP, timed by Trio's clock (RFC 1035, RFC 7766).

dnspython builds and parses the messages. The sockets are ours: dnspython's resolver goes by the wall clock, queries one
family after the other, and leaks a TCP socket when it is cancelled.
"""

import socket
from dataclasses import dataclass, field
from ipaddress import ip_address

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import trio
from dns.message import QueryMessage
from dns.name import Name
from dns.rdatatype import RdataType

from daemon.egress.addresses import Address
from daemon.egress.errors import is_shortage
from daemon.egress.name_server import NameServer

# Parsing takes some 10 µs a byte without a checkpoint: the limit keeps a peer from blocking the event loop.
_MAX_ANSWER = 4096
# How much longer to wait for one family's addresses after the other's have arrived (compare RFC 8305, 3).
_OTHER_FAMILY_S = 0.5
_FAMILIES = (dns.rdatatype.AAAA, dns.rdatatype.A)


class QueryFailed(OSError):
    """The server did not say whether the name has addresses."""


@dataclass(slots=True)
class _Answers:
    """The answers so far: the addresses of each family, empty for a family that has none."""

    scope: trio.CancelScope
    addresses: dict[RdataType, tuple[Address, ...]] = field(default_factory=dict)

    @property
    def found(self) -> tuple[Address, ...]:
        return tuple(address for family in _FAMILIES for address in self.addresses.get(family, ()))

    def take(self, response: QueryMessage) -> None:
        if response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return
        try:
            chain = response.resolve_chaining()  # follows at most 16 CNAME
        except dns.exception.DNSException:
            return
        records = chain.answer or ()
        self.addresses[response.question[0].rdtype] = tuple(ip_address(record.address) for record in records)
        if records:
            self.scope.deadline = min(self.scope.deadline, trio.current_time() + _OTHER_FAMILY_S)


async def ask(name: Name, server: NameServer, timeout_s: float, *, over_tcp: bool = False) -> tuple[Address, ...]:
    """Ask one server for both families at once, for at most `timeout_s`; return the addresses, IPv6 first.

    Returns none if the server says that there are none. Raises QueryFailed, or another OSError when this process is
    out of sockets or memory.
    """
    with trio.CancelScope(deadline=trio.current_time() + timeout_s) as scope:
        answers = _Answers(scope)
        try:
            queries = _make_queries(name)
            await _ask_over_tcp(queries if over_tcp else await _ask_over_udp(queries, server, answers), server, answers)
        except OSError as error:
            if is_shortage(error):
                raise
    if not answers.found and len(answers.addresses) < len(_FAMILIES):
        raise QueryFailed("no name server gave an answer")
    return answers.found


def _make_queries(name: Name) -> list[QueryMessage]:
    queries = [dns.message.make_query(name, family) for family in _FAMILIES]
    if queries[0].id == queries[1].id:
        queries[1].id ^= 1
    return queries


async def _ask_over_udp(queries: list[QueryMessage], server: NameServer, answers: _Answers) -> list[QueryMessage]:
    """Return the queries whose answers were truncated."""
    left, truncated = {query.id: query for query in queries}, list[QueryMessage]()
    # A connected socket: the kernel drops packets from others, and reports a port where nothing listens.
    with trio.socket.socket(_family_of(server), socket.SOCK_DGRAM) as udp:
        await udp.connect((server.address, server.port))
        for query in queries:
            await udp.send(query.to_wire())
        while left:
            response = _read(await udp.recv(_MAX_ANSWER))
            if response is None or not _is_answer(response, left.get(response.id)):
                continue
            query = left.pop(response.id)
            if response.flags & dns.flags.TC:
                truncated.append(query)
            else:
                answers.take(response)
    return truncated


async def _ask_over_tcp(queries: list[QueryMessage], server: NameServer, answers: _Answers) -> None:
    if not queries:
        return
    with trio.socket.socket(_family_of(server), socket.SOCK_STREAM) as tcp:
        await tcp.connect((server.address, server.port))
        stream = trio.SocketStream(tcp)
        await stream.send_all(b"".join(query.to_wire(prepend_length=True) for query in queries))
        left = {query.id: query for query in queries}
        while left:
            response = _read(await _receive_message(stream))
            if response is None or not _is_answer(response, left.pop(response.id, None)):
                raise QueryFailed("the name server's answer cannot be read")
            answers.take(response)


async def _receive_message(stream: trio.SocketStream) -> bytes:
    length = int.from_bytes(await _receive_exactly(stream, 2), "big")
    if length > _MAX_ANSWER:
        raise QueryFailed("the name server's answer is too long")
    return await _receive_exactly(stream, length)


async def _receive_exactly(stream: trio.SocketStream, count: int) -> bytes:
    data = b""
    while len(data) < count:
        if not (more := await _receive_some(stream, count - len(data))):
            raise QueryFailed("the name server closed the connection")
        data += more
    return data


async def _receive_some(stream: trio.SocketStream, count: int) -> bytes:
    try:
        return bytes(await stream.receive_some(count))
    except trio.BrokenResourceError as error:
        raise QueryFailed("the connection to the name server broke") from error


def _read(data: bytes) -> QueryMessage | None:
    try:
        message = dns.message.from_wire(data, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError):
        return None
    return message if isinstance(message, QueryMessage) else None


def _is_answer(response: QueryMessage, query: QueryMessage | None) -> bool:
    return query is not None and query.is_response(response)


def _family_of(server: NameServer) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in server.address else socket.AF_INET
