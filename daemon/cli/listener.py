"""What `listen` does with each request: verify, print, answer."""

import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

import trio
from rich.text import Text

from daemon.cli.output import print_json
from daemon.cli.tables import render
from daemon.cli.times import to_rfc3339
from daemon.demo.receiver import (
    Answer,
    ReceivedRequest,
    Response,
    listen_on_loopback,
    plain_response,
    serve_receiver,
    url_of,
    with_status,
)
from daemon.demo.verification import SignatureState, Verification, verify
from daemon.domain.printable import printable
from daemon.domain.readable_json import readable_json

_SHOWN_PREFIXES = ("webhook-", "x-kakiyo-")
_SHOWN_OF_AN_ANSWER = 500
_SHOWN = ("content-type", "user-agent")
_SIGNATURE = {
    SignatureState.VALID: ("VALID signature", "bold green"),
    SignatureState.INVALID: ("INVALID signature", "bold red"),
    SignatureState.UNSIGNED: ("unsigned", "yellow"),
    SignatureState.UNCHECKED: ("signed, not checked: give --secret or --secret-file", "yellow"),
}
_FRESHNESS = {
    True: ("timestamp within 5 minutes", "green"),
    False: ("timestamp more than 5 minutes off", "bold red"),
    None: ("no timestamp", "yellow"),
}


@dataclass(frozen=True, slots=True)
class ListenerOptions:
    """How `listen` answers and prints: with 503 for the first `fail_first` requests, then with `status`.

    With `forward_to`, a URL, the rest are answered by the server there.
    """

    secret: str | None
    status: int
    fail_first: int
    as_json: bool
    forward_to: str | None = None


async def run_listener(port: int, options: ListenerOptions) -> None:
    """Receive and print until SIGINT or SIGTERM. Raises OSError when the port is taken."""
    listener = await listen_on_loopback(port)
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        to = f", forwarding to {options.forward_to}" if options.forward_to else ""
        print(f"Listening on {url_of(listener)} (end with Ctrl-C){to}", file=sys.stderr, flush=True)
        async with printing_answer(options) as answer, trio.open_nursery() as nursery:
            nursery.start_soon(serve_receiver, listener, answer)
            await anext(aiter(signals))
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def printing_answer(options: ListenerOptions) -> AsyncIterator[Answer]:
    """Give what answers requests as the options say, and prints each one with what was answered."""
    async with _answering(options) as answer:

        async def print_and_answer(request: ReceivedRequest) -> Response:
            verification, began = verify(request, options.secret), trio.current_time()
            response = await answer(request)
            took_ms = round((trio.current_time() - began) * 1000) if options.forward_to else None
            if options.as_json:
                print_json(_as_json(request, verification, response.status))
            else:
                _print(request, verification, response, took_ms=took_ms)
            return response

        yield print_and_answer


@asynccontextmanager
async def _answering(options: ListenerOptions) -> AsyncIterator[Answer]:
    to_fail = count(1)
    if options.forward_to is None:
        yield with_status(lambda _: 503 if next(to_fail) <= options.fail_first else options.status)
        return
    from daemon.cli.forwarding import Forwarder, forwarding_client

    async with forwarding_client() as http:
        forwarder = Forwarder(options.forward_to, http)

        async def answer(request: ReceivedRequest) -> Response:
            return plain_response(503) if next(to_fail) <= options.fail_first else await forwarder.forward(request)

        yield answer


def _as_json(request: ReceivedRequest, verification: Verification, status: int) -> dict[str, Any]:
    return {
        "receivedAt": _time(request),
        "method": request.method,
        "path": request.path,
        "headers": dict(request.headers),
        "body": request.body.decode("utf-8", "replace"),
        "signature": verification.signature,
        "timestampFresh": verification.fresh,
        "answered": status,
    }


def _print(request: ReceivedRequest, verification: Verification, response: Response, took_ms: int | None) -> None:
    event = request.header("x-kakiyo-event") or ""
    title = Text(f"{_time(request)} ", style="bright_black")
    title.append(printable(f"{request.method} {request.path} {event} "), style="bold")
    took = "" if took_ms is None else f" in {took_ms} ms"
    title.append(f"answered {response.status}{took}", style="green" if response.status < 300 else "red")
    verdict = (
        Text("  ").append(*_SIGNATURE[verification.signature]).append(", ").append(*_FRESHNESS[verification.fresh])
    )
    headers = [printable(f"  {name}: {value}") + "\n" for name, value in request.headers if _is_shown(name)]
    lines = [title, verdict, Text("".join(headers), style="cyan").append(_body(request.body))]
    if response.status >= 300 and took_ms is not None:
        lines.insert(2, Text(printable("  " + response.body[:_SHOWN_OF_AN_ANSWER].decode("utf-8", "replace").strip())))
    render(Text("\n").join(lines))


def _is_shown(name: str) -> bool:
    return name in _SHOWN or name.startswith(_SHOWN_PREFIXES)


def _body(body: bytes) -> Text:
    return Text(printable(readable_json(body), keep="\n\t") + "\n", style="default")


def _time(request: ReceivedRequest) -> str:
    return to_rfc3339(datetime.fromtimestamp(request.received_at / 1000, UTC))
