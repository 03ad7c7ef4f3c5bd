"""What `listen` does with each request: verify, print, answer."""

import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import trio
from rich.text import Text

from daemon.cli.output import print_json
from daemon.cli.tables import render
from daemon.cli.times import to_rfc3339
from daemon.demo.receiver import Answer, ReceivedRequest, listen_on_loopback, serve_receiver, url_of
from daemon.demo.verification import SignatureState, Verification, verify
from daemon.domain.printable import printable
from daemon.domain.readable_json import readable_json

_SHOWN_PREFIXES = ("webhook-", "x-kakiyo-")
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
    """How `listen` answers and prints: with 503 for the first `fail_first` requests, then with `status`."""

    secret: str | None
    status: int
    fail_first: int
    as_json: bool


async def run_listener(port: int, options: ListenerOptions) -> None:
    """Receive and print until SIGINT or SIGTERM. Raises OSError when the port is taken."""
    listener = await listen_on_loopback(port)
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        print(f"Listening on {url_of(listener)} (end with Ctrl-C)", file=sys.stderr, flush=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_receiver, listener, _answer(options))
            await anext(aiter(signals))
            nursery.cancel_scope.cancel()


def _answer(options: ListenerOptions) -> Answer:
    statuses = _statuses(options)

    def answer(request: ReceivedRequest) -> int:
        verification, status = verify(request, options.secret), next(statuses)
        if options.as_json:
            print_json(_as_json(request, verification, status))
        else:
            _print(request, verification, status)
        return status

    return answer


def _statuses(options: ListenerOptions) -> Iterator[int]:
    for _ in range(options.fail_first):
        yield 503
    while True:
        yield options.status


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


def _print(request: ReceivedRequest, verification: Verification, status: int) -> None:
    event = request.header("x-kakiyo-event") or ""
    title = Text(f"{_time(request)} ", style="bright_black")
    title.append(printable(f"{request.method} {request.path} {event} "), style="bold")
    title.append(f"answered {status}", style="green" if status < 300 else "red")
    verdict = (
        Text("  ").append(*_SIGNATURE[verification.signature]).append(", ").append(*_FRESHNESS[verification.fresh])
    )
    headers = [printable(f"  {name}: {value}") + "\n" for name, value in request.headers if _is_shown(name)]
    render(Text("\n").join([title, verdict, Text("".join(headers), style="cyan").append(_body(request.body))]))


def _is_shown(name: str) -> bool:
    return name in _SHOWN or name.startswith(_SHOWN_PREFIXES)


def _body(body: bytes) -> Text:
    return Text(printable(readable_json(body), keep="\n\t") + "\n", style="default")


def _time(request: ReceivedRequest) -> str:
    return to_rfc3339(datetime.fromtimestamp(request.received_at / 1000, UTC))
