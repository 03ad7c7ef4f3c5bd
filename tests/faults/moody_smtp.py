"""A real SMTP server that is slow, forgetful or unfair, and a sending that a test can watch."""

import asyncio
import threading
from dataclasses import dataclass, field
from typing import Any

import trio
from aiosmtpd.smtp import Envelope, Session

from daemon.mail.result import Send, SendResult
from daemon.model import Mail
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
