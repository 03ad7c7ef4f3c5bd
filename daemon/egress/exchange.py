"""One request out and its response in, over a wire (RFC 9112)."""

import ssl

import httpx

from daemon.egress.errors import TlsError
from daemon.egress.reply import Reply
from daemon.egress.wire import Wire


async def exchange(wire: Wire, request: bytes, reply: Reply) -> bool:
    """Send the request and receive into `reply` until its final head is there; return whether all was sent.

    A receiver may refuse a request before it has read it all: its answer counts, and the rest is not sent
    (RFC 9112, 9.5). Raises httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError, TlsError.
    """
    sent_all = await _send(wire, request, reply)
    try:
        while reply.status is None:
            await receive_into(reply, wire)
    except (httpx.ReadError, httpx.RemoteProtocolError) as error:
        if sent_all:
            raise
        raise httpx.WriteError("the receiver closed the connection while the request was being sent") from error
    return sent_all


async def receive_into(reply: Reply, wire: Wire) -> None:
    """Wait for the next piece of the response. Raises httpx.ReadError, httpx.RemoteProtocolError, TlsError."""
    try:
        data = await wire.receive()
    except ssl.SSLError as error:
        reason = (error.reason or "unknown reason").lower().replace("_", " ")
        raise TlsError(f"the receiver broke off the TLS connection ({reason})") from error
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise httpx.ReadError(f"the connection broke before the response was complete ({reason})") from error
    if data:
        reply.feed(data)
    else:
        reply.end(wire.truncated)


async def _send(wire: Wire, request: bytes, reply: Reply) -> bool:
    encoded = wire.encode(request)
    try:
        sent = wire.send_now(encoded)
    except BlockingIOError:
        sent = 0
    except OSError:
        return False
    return sent == len(encoded) or await _send_rest(wire, memoryview(encoded)[sent:], reply)


async def _send_rest(wire: Wire, rest: memoryview, reply: Reply) -> bool:
    while rest:
        if reply.status is not None:
            await wire.wait_writable()
        elif not await _may_send_on(wire, reply):
            return False
        try:
            rest = rest[wire.send_now(rest) :]
        except BlockingIOError:
            continue
        except OSError:
            return False
    return True


async def _may_send_on(wire: Wire, reply: Reply) -> bool:
    """Wait for room, watching for an early answer: False after a refusal or when the receiver closed."""
    await wire.wait_ready()
    try:
        data = wire.receive_now()
    except BlockingIOError:
        return True
    except OSError:
        return False
    if data:
        reply.feed(data)
    return bool(data) and (reply.status is None or reply.status < 300)
