"""A real SMTP server on an ephemeral loopback port, in a thread of its own, whose answers a test chooses."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session


@dataclass
class MailServer:
    """What the server answers, which a test may change at any time, and what it took."""

    users: dict[str, str] = field(default_factory=dict)
    mail_reply: str = "250 OK"
    recipient_replies: dict[str, str] = field(default_factory=dict)
    data_reply: str = "250 OK"
    quit_reply: str = "221 Bye"
    taken: list[Envelope] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)

    @property
    def messages(self) -> list[EmailMessage]:
        """The mails taken, parsed."""
        return [message_from_bytes(cast(bytes, envelope.content), policy=default) for envelope in self.taken]

    def authenticate(self, server: Any, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        """Check a login."""
        if not isinstance(data, LoginPassword) or self.users.get(data.login.decode()) != data.password.decode():
            return AuthResult(success=False, handled=False)
        self.logins.append(data.login.decode())
        return AuthResult(success=True)

    async def handle_MAIL(  # noqa: N802 - the name that aiosmtpd calls
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer MAIL FROM."""
        if self.mail_reply.startswith("250"):
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return self.mail_reply

    async def handle_RCPT(  # noqa: N802 - the name that aiosmtpd calls
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer RCPT TO."""
        reply = self.recipient_replies.get(address, "250 OK")
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802 - likewise
        """Answer the message."""
        if self.data_reply.startswith("250"):
            self.taken.append(envelope)
            self.encrypted.append(session.ssl is not None or server.transport.get_extra_info("sslcontext") is not None)
        return self.data_reply

    async def handle_QUIT(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802 - likewise
        """Answer QUIT, with an empty answer by hanging up."""
        if not self.quit_reply:
            server.transport.abort()
        return self.quit_reply


class _Controller(Controller):
    """Listens on a socket that is bound already: aiosmtpd cannot tell which ephemeral port it got."""

    def __init__(self, handler: MailServer, bound: socket.socket, **options: Any) -> None:
        host, port = bound.getsockname()
        super().__init__(handler, hostname=host, port=port, **options)
        self._bound = bound

    def _create_server(self) -> Awaitable[asyncio.AbstractServer]:
        return self.loop.create_server(self._factory_invoker, sock=self._bound, ssl=self.ssl_context)


def reserve_port() -> socket.socket:
    """Return a bound socket that does not listen: connecting to it is refused until a server runs on it."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    return bound


@contextmanager
def serving(
    handler: MailServer,
    bound: socket.socket | None = None,
    *,
    security: str = "none",
    tls: ssl.SSLContext | None = None,
    smtputf8: bool = False,
) -> Iterator[int]:
    """Run the server with the security that `[smtp]` would ask for, and yield its port."""
    controller = _Controller(
        handler,
        bound or reserve_port(),
        ssl_context=tls if security == "tls" else None,
        tls_context=tls if security == "starttls" else None,
        authenticator=handler.authenticate if handler.users else None,
        auth_require_tls=False,
        auth_exclude_mechanism=["CRAM-MD5"],
        enable_SMTPUTF8=smtputf8,
    )
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()
