"""`listen --live`: prints and answers a team's deliveries as the daemon streams them, without a public address."""

import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import trio

from daemon.cli.client import answers_of
from daemon.cli.connection import Connection
from daemon.cli.exits import CommandError, ExitCode, TryLater, say
from daemon.cli.following import WAITS_S, may_pass
from daemon.cli.listener import ListenerOptions, printing_answer
from daemon.cli.live_stream import LiveClient, Message, live_client
from daemon.demo.receiver import Answer, ReceivedRequest, Response

_ANSWER_AGAIN_S = 0.5
_FOR_GOOD = frozenset({"key_revoked", "webhook_deleted"})
_LOST = "Connection lost, trying again."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to listen to, as the API takes it: a new stream asks for the same, with the same secret."""

    body: Mapping[str, Any]
    forward_to: str | None


class StreamEnded(TryLater):
    """The daemon ended the stream: another one may be opened."""


async def run_live_listener(connection: Connection, wanted: Wanted, options: ListenerOptions) -> None:
    """Listen, print and answer until SIGINT or SIGTERM. Raises CommandError if the daemon refuses."""
    refused: list[CommandError] = []

    async def listen(client: LiveClient, answer: Answer, nursery: trio.Nursery) -> None:
        refused.append(await _until_refused(client, wanted, answer))
        nursery.cancel_scope.cancel()

    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with (
            printing_answer(options) as answer,
            live_client(connection) as client,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(listen, client, answer, nursery)
            await anext(aiter(signals))
            nursery.cancel_scope.cancel()
    if refused:
        raise refused[0]


async def _until_refused(client: LiveClient, wanted: Wanted, answer: Answer) -> CommandError:
    """Listen, and again after each lost connection, until the daemon refuses; return what it says."""
    lost = _Lost()
    while True:
        try:
            await _listen_once(client, wanted, answer=answer, lost=lost)
            why = _LOST
        except CommandError as error:
            if not (lost.was_connected and may_pass(error)):
                return error
            why = str(error) if isinstance(error, TryLater) else _LOST
        await lost.wait(why)


class _Lost:
    """How often in a row a connection could not be made, after there had been one."""

    def __init__(self) -> None:
        self.was_connected = False
        self._failures = 0

    def connected(self) -> None:
        """Take note of a connection."""
        self.was_connected, self._failures = True, 0

    async def wait(self, why: str) -> None:
        """Say why it was lost, once, and wait: the longer, the more often it failed."""
        if not self._failures:
            say(why)
        await trio.sleep(WAITS_S[min(self._failures, len(WAITS_S) - 1)])
        self._failures += 1


async def _listen_once(client: LiveClient, wanted: Wanted, *, answer: Answer, lost: _Lost) -> None:
    with answers_of(client.connection):
        async with aclosing(client.listen(wanted.body)) as messages:
            await _take(client, messages, wanted, answer=answer, lost=lost)


async def _take(
    client: LiveClient, messages: AsyncIterator[Message], wanted: Wanted, *, answer: Answer, lost: _Lost
) -> None:
    """Take messages until the stream ends. Raises CommandError if the daemon says why it ends."""
    listener_id, ended = "", None
    async for message in messages:
        match message.kind:
            case "listening":
                listener_id = message.data["id"]
                lost.connected()
                _say_listening(message.data, wanted)
            case "request":
                await _answer(client, listener_id, data=message.data, answer=answer)
            case "ended":
                kind = CommandError if message.data["reason"] in _FOR_GOOD else StreamEnded
                ended = kind(message.data["detail"], ExitCode.REFUSED)
    if ended is not None:
        raise ended


def _say_listening(data: Mapping[str, Any], wanted: Wanted) -> None:
    events = "all events" if "*" in data["events"] else ", ".join(data["events"])
    to = f", forwarding to {wanted.forward_to}" if wanted.forward_to else ""
    print(f"Listening live to {events} of {data['teamId']} (end with Ctrl-C){to}", file=sys.stderr)
    print(f"Deliveries are signed with {data['secret']}", file=sys.stderr, flush=True)


async def _answer(client: LiveClient, listener_id: str, data: Mapping[str, Any], answer: Answer) -> None:
    """Have one attempt answered, within the time that there is for it."""
    with trio.move_on_after(max(0, data["answerWithinMs"] / 1000)) as in_time:
        response = await answer(_received(data))
        while not await _is_taken(client, listener_id, data["attemptId"], response=response):
            pass
    if in_time.cancelled_caught:
        say("No answer was given in time: the attempt counts as timed out.")


async def _is_taken(client: LiveClient, listener_id: str, attempt_id: str, response: Response) -> bool:
    """Give the answer; False, after a moment, if the same may work now. What is refused for good is said."""
    try:
        await client.answer(listener_id, attempt_id, response)
    except CommandError as error:
        if may_pass(error):
            await trio.sleep(_ANSWER_AGAIN_S)
            return False
        say(str(error))
    return True


def _received(data: Mapping[str, Any]) -> ReceivedRequest:
    return ReceivedRequest(
        received_at=time.time_ns() // 1_000_000,
        method=data["method"],
        path=data["path"],
        headers=tuple((field["name"].lower(), field["value"]) for field in data["headers"]),
        body=data["body"].encode(),
    )
