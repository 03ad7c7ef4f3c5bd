"""The stream of a live listener: its messages, and the answers to its requests (contract "Live listeners").

Unlike the other commands, which wait for one thing at a time, `listen --live` reads, forwards and answers at once:
so it has a client that works with Trio.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx

from daemon import __version__
from daemon.cli.client import checked, path_of, stranger, unreachable
from daemon.cli.connection import Connection
from daemon.cli.exchange import TIMEOUT_S, Answer
from daemon.demo.receiver import Response

_SILENCE_S = 45  # a sign of life comes every 15 s
_LONGEST_MESSAGE = 4 * 1024 * 1024
_KEPT_BODY = 4 * 1024
_MOST_HEADERS = 50
_LONGEST_HEADER = 1024


@dataclass(frozen=True, slots=True)
class Message:
    """One message: `listening`, `request` or `ended`, with its data."""

    kind: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LiveClient:
    """Every method raises CommandError when the daemon refuses or cannot be reached."""

    http: httpx.AsyncClient
    connection: Connection

    async def listen(self, body: Mapping[str, Any]) -> AsyncGenerator[Message, None]:
        """Open the stream and yield its messages until it ends."""
        with _told(self.connection):
            async with self.http.stream("POST", path_of("listeners"), json=body) as response:
                if response.status_code != HTTPStatus.OK:
                    checked(_answer(response, await response.aread()), self.connection)
                async with aclosing(self._events(response)) as events:
                    async for event in events:
                        if (message := _parsed(event)) is not None:
                            yield message

    async def answer(self, listener_id: str, attempt_id: str, response: Response) -> None:
        """Answer an attempt."""
        headers = [
            {"name": name, "value": value}
            for name, value in response.headers[:_MOST_HEADERS]
            if len(name) + len(value) <= _LONGEST_HEADER
        ]
        body = {
            "attemptId": attempt_id,
            "status": response.status,
            "headers": headers,
            "body": response.body[:_KEPT_BODY].decode("utf-8", "replace"),
        }
        with _told(self.connection):
            answered = await self.http.post(path_of("listeners", listener_id, "answers"), json=body)
            checked(_answer(answered, answered.content), self.connection)

    async def _events(self, response: httpx.Response) -> AsyncGenerator[bytes, None]:
        buffer = b""
        async for part in response.aiter_raw():
            *events, buffer = (buffer + part).split(b"\n\n")
            if len(buffer) > _LONGEST_MESSAGE:
                raise stranger(self.connection.address, "answers without end")
            for event in events:
                yield event


@asynccontextmanager
async def live_client(connection: Connection) -> AsyncIterator[LiveClient]:
    """Give the client for one daemon."""
    headers = {
        "authorization": f"Bearer {connection.key}",
        "user-agent": f"kakiyo-webhooks/{__version__}",
        "accept-encoding": "identity",
    }
    transport = httpx.AsyncHTTPTransport(uds=connection.socket_path) if connection.socket_path else None
    timeout = httpx.Timeout(TIMEOUT_S, read=_SILENCE_S)
    with _told(connection):
        http = httpx.AsyncClient(
            base_url=connection.base_url, headers=headers, timeout=timeout, trust_env=False, transport=transport
        )
    async with http:
        yield LiveClient(http, connection)


@contextmanager
def _told(connection: Connection) -> Iterator[None]:
    """Have whatever goes wrong with the connection told in a sentence."""
    address = connection.address
    try:
        yield
    except httpx.TimeoutException:
        raise unreachable(address, f"it did not answer within {TIMEOUT_S} s") from None
    except httpx.RemoteProtocolError:
        raise unreachable(address, "it broke off") from None
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise unreachable(address, str(error) or type(error).__name__) from None
    except ValueError:
        raise stranger(address, "does not answer in JSON") from None


def _parsed(event: bytes) -> Message | None:
    """Return a message, None for a comment."""
    fields = dict(line.partition(b": ")[::2] for line in event.split(b"\n"))
    if b"event" not in fields:
        return None
    return Message(fields[b"event"].decode("ascii", "replace"), json.loads(fields.get(b"data", b"{}")))


def _answer(response: httpx.Response, body: bytes) -> Answer:
    media_type = response.headers.get("content-type", "").partition(";")[0]
    return Answer(response.status_code, response.reason_phrase, media_type=media_type, body=body)
