"""A real SMTP server that is slow, forgetful or unfair, and a sending that a test can watch."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

import trio
from aiosmtpd.smtp import Envelope, Session

from daemon.domain.mails import Mail
from daemon.mail.result import Send, SendResult
from tests.support.smtp import MailServer

_PATIENCE_S = 30


@dataclass
class MoodyServer(MailServer):
    """Takes its answers from the lists first, one a command, and then from what MailServer says.

    While `gate` is closed a message is taken and not answered; `arrived` is set by the first message. The first
    `hang_ups` messages are taken, and the connection closed in place of an answer.
    """

    first_recipient_replies: list[str] = field(default_factory=list)
    first_data_replies: list[str] = field(default_factory=list)
    hang_ups: int = 0
    gate: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    @property
    def message_ids(self) -> list[str]:
        return [str(message["Message-ID"]) for message in self.messages]

    async def handle_RCPT(  # noqa: N802 - the name that aiosmtpd calls
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer RCPT TO."""
        if self.first_recipient_replies:
            return self.first_recipient_replies.pop(0)
        return await super().handle_RCPT(server, session, envelope, address, options)

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802 - likewise
        """Answer the message."""
        if self.first_data_replies:
            return self.first_data_replies.pop(0)
        reply = await super().handle_DATA(server, session, envelope)
        self.arrived.set()
        await asyncio.get_running_loop().run_in_executor(None, self.gate.wait, _PATIENCE_S)
        if self.hang_ups:
            self.hang_ups -= 1
            server.transport.close()
        return reply


_REPLIES = {b"DATA": b"354 Go on\r\n", b"QUIT": b"221 Bye\r\n", b"STAR": b"220 Go on\r\n"}
_NEVER_ENDING_RECORD = b"\x16\x03\x03\x40\x00"  # its head promises 16 KiB of a TLS handshake


@dataclass(slots=True)
class DrippingServer:
    """Serves its first client until the command `at`, then drips for ever.

    `at` is the command's first four letters; "." ends the message; with an empty one it drips in place of the greeting.
    `left` is set when the first client has hung up. It serves the next ones as a server should, and counts the messages
    of all.
    """

    at: bytes
    clients: int = 0
    messages: int = 0
    left: trio.Event = field(default_factory=trio.Event)

    async def serve(self, client: trio.SocketStream) -> None:
        """Serve one client."""
        self.clients += 1
        at = self.at if self.clients == 1 else b"none"
        if at:
            await client.send_all(b"220 Ready\r\n")
        if not at or await self._dripping_begins(client, at):
            await self._drip(client)
        self.left.set()

    async def _dripping_begins(self, client: trio.SocketStream, at: bytes) -> bool:
        async with aclosing(self._commands(client)) as commands:
            async for command in commands:
                if command == at != b"STAR":
                    return True
                await client.send_all(_REPLIES.get(command, b"250-Fine\r\n250 STARTTLS\r\n"))
                if command == at:
                    await client.receive_some()  # the client's side of the handshake
                    await client.send_all(_NEVER_ENDING_RECORD)
                    return True
        return False

    async def _commands(self, client: trio.SocketStream) -> AsyncGenerator[bytes, None]:
        rest, in_message = b"", False
        async for data in client:
            *lines, rest = (rest + data).split(b"\r\n")
            for line in lines:
                if not in_message or line == b".":
                    self.messages += in_message
                    in_message = line[:4].upper() == b"DATA"
                    yield line[:4].upper()

    async def _drip(self, client: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            while True:
                await client.send_all(b"2")
                await trio.sleep(0.01)


@dataclass(slots=True)
class WatchedSend:
    """A sending that counts how often it began and how it ended."""

    send: Send
    begun: int = 0
    results: list[SendResult] = field(default_factory=list)
    _changed: trio.Event = field(default_factory=trio.Event)

    async def __call__(self, mail: Mail) -> SendResult:
        self.begun += 1
        self._notify()
        result = await self.send(mail)
        self.results.append(result)
        self._notify()
        return result

    async def has_begun(self, count: int) -> None:
        """Wait until so many sendings have begun."""
        while self.begun < count:
            await self._changed.wait()

    async def has_ended(self, count: int) -> SendResult:
        """Wait until so many sendings have ended; return the last one's result."""
        while len(self.results) < count:
            await self._changed.wait()
        return self.results[count - 1]

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
