"""One request and its response over an open connection (RFC 9112)."""

import ssl

import httpx

from daemon.egress.errors import ConnectionBroken, TlsError, public_reason, refused_certificate
from daemon.egress.response import Response
from daemon.egress.wire import Wire


async def exchange(wire: Wire, request: bytes, response: Response) -> bool:
    """Send the request and receive into `response` until it is `enough`; return whether the whole request was sent.

    A receiver may refuse a request before it has read all of it: its response counts, and the rest is not sent
    (RFC 9112, 9.5). Raises httpx.WriteError, ConnectionBroken, httpx.RemoteProtocolError, TlsError.
    """
    sent_all = await _send(wire, request, response)
    try:
        while not response.enough:
            await _receive_into(response, wire)
    except (ConnectionBroken, httpx.RemoteProtocolError) as error:
        if sent_all or response.status is not None:
            raise
        raise httpx.WriteError("the receiver closed the connection while the request was being sent") from error
    return sent_all


async def _receive_into(response: Response, wire: Wire) -> None:
    try:
        data = await wire.receive()
    except ssl.SSLError as error:
        refused = refused_certificate(error, wire.shows_certificate)
        raise TlsError(refused or f"the TLS connection broke{_because(error)}", str(error)) from error
    except OSError as error:
        sentence = f"the connection broke before the response was complete{_because(error)}"
        raise ConnectionBroken(sentence, str(error)) from error
    if data:
        response.feed(data)
    else:
        response.end(wire.truncated)


def _because(error: OSError) -> str:
    reason = public_reason(error)
    return "" if reason is None else f" ({reason})"


async def _send(wire: Wire, request: bytes, response: Response) -> bool:
    encoded = wire.encode(request)
    try:
        sent = wire.send_now(encoded)
    except BlockingIOError:
        sent = 0
    except OSError:
        return False
    return sent == len(encoded) or await _send_rest(wire, memoryview(encoded)[sent:], response)


async def _send_rest(wire: Wire, rest: memoryview, response: Response) -> bool:
    while rest:
        if response.status is not None:
            await wire.wait_writable()
        elif not await _may_send_on(wire, response):
            return False
        try:
            rest = rest[wire.send_now(rest) :]
        except BlockingIOError:
            continue
        except OSError:
            return False
    return True


async def _may_send_on(wire: Wire, response: Response) -> bool:
    """Wait until more can be sent; return False after an early refusal, or when the receiver has closed."""
    await wire.wait_ready()
    try:
        data = wire.receive_now()
    except BlockingIOError:
        return True
    except OSError:
        return False
    if data:
        response.feed(data)
    return bool(data) and (response.status is None or response.status < 300)
