"""Sending mail by SMTP (RFC 5321): one transaction for all recipients, each with a reply of its own."""

import smtplib
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from email.headerregistry import Address
from functools import partial

import trio

from daemon.config.settings import SmtpSettings
from daemon.domain.email_addresses import parse_address
from daemon.domain.mails import Mail
from daemon.mail.message import Compose, as_wire
from daemon.mail.result import Send, SendResult
from daemon.mail.session import close_session, connect, explain, open_session, reply_text

# For the whole transaction, including the connect: a server that replies slowly does not delay the mails behind.
DEADLINE_S = 60.0
# How long a transaction that was cut off may take to report its result.
_RESULT_GRACE_S = 10
_TRY_AGAIN = (421, b"the server closed the transaction")

Replies = Mapping[str, tuple[int, bytes]]


def smtp_sender(settings: SmtpSettings, sender: Address, compose: Compose, deadline_s: float = DEADLINE_S) -> Send:
    """Return a `Send` that hands each mail to the server of `[smtp]`, from a worker thread, in at most `deadline_s`.

    A 5xx for a recipient or for the message is a permanent refusal. Any other failure (4xx, no connection, no login,
    a refused sender, an untrusted certificate, a timeout) can be fixed at the server or in the settings: the mail is
    deferred.
    """
    limiter = trio.CapacityLimiter(1)

    async def send(mail: Mail) -> SendResult:
        addresses = {recipient: address for recipient in mail.recipients if (address := parse_address(recipient))}
        if not addresses:
            return _result(mail, {}, {})
        deliver = partial(_deliver, settings=settings, sender=sender, compose=compose, mail=mail, addresses=addresses)
        deadline = trio.current_time() + deadline_s
        try:
            with trio.fail_at(deadline):
                connection = await connect(settings)
            result = await _run_until(deadline, deliver, connection=connection, limiter=limiter)
        except (OSError, ValueError) as error:
            return SendResult(deferred=mail.recipients, error=explain(settings, error))
        except trio.TooSlowError:
            return SendResult(deferred=mail.recipients, error=explain(settings, TimeoutError()))
        timed_out = trio.current_time() >= deadline and result.deferred == mail.recipients
        return replace(result, error=explain(settings, TimeoutError())) if timed_out else result

    return send


async def _run_until(
    deadline: float,
    deliver: Callable[[socket.socket], SendResult],
    connection: socket.socket,
    limiter: trio.CapacityLimiter,
) -> SendResult:
    """Run `deliver` in a thread, and shut its connection down at the deadline or when cancelled, which ends the thread.

    Waits for its result even then: the mail may have been taken, and only QUIT be unanswered. Raises TooSlowError if
    the thread does not end.
    """
    try:
        with trio.fail_at(deadline + _RESULT_GRACE_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_shut_down_at, deadline, connection)
                work = partial(deliver, connection)
                result = await trio.to_thread.run_sync(work, limiter=limiter, abandon_on_cancel=True)
                nursery.cancel_scope.cancel()
        return result
    finally:
        _shut_down(connection)
        connection.close()


async def _shut_down_at(deadline: float, connection: socket.socket) -> None:
    await trio.sleep_until(deadline)
    _shut_down(connection)


def _shut_down(connection: socket.socket) -> None:
    with suppress(OSError):  # it may be closed already
        connection.shutdown(socket.SHUT_RDWR)


def _deliver(
    connection: socket.socket,
    *,
    settings: SmtpSettings,
    sender: Address,
    compose: Compose,
    mail: Mail,
    addresses: Mapping[str, Address],
) -> SendResult:
    try:
        # A duplicate: whatever the session closes or wraps in TLS, the event loop can still shut the connection down.
        session = open_session(settings, connection.dup())
        try:
            replies = _send(session, sender, compose=compose, mail=mail, addresses=addresses)
        finally:
            close_session(session)
    except (OSError, ValueError) as error:
        return SendResult(deferred=mail.recipients, error=explain(settings, error))
    return _result(mail, addresses, replies)


def _send(
    session: smtplib.SMTP, sender: Address, compose: Compose, mail: Mail, addresses: Mapping[str, Address]
) -> Replies:
    """Send the mail; return the replies for the addresses that were not taken."""
    with_utf8 = session.has_extn("smtputf8")
    if not (with_utf8 or sender.addr_spec.isascii()):
        raise smtplib.SMTPNotSupportedError("SMTPUTF8, for the sender")
    reachable = {a.addr_spec: a for a in addresses.values() if with_utf8 or a.addr_spec.isascii()}
    unreachable = {a.addr_spec for a in addresses.values()} - reachable.keys()
    refused = dict.fromkeys(unreachable, (550, b"the mail server accepts only ASCII addresses"))
    if not reachable:
        return refused
    message = compose(mail, list(reachable.values()))
    needs_utf8 = not "".join((sender.addr_spec, *reachable)).isascii()
    options = ("SMTPUTF8", "BODY=8BITMIME") if needs_utf8 else ()
    return refused | _transact(
        session, sender.addr_spec, recipients=list(reachable), content=as_wire(message), options=options
    )


def _transact(
    session: smtplib.SMTP, sender: str, recipients: list[str], content: bytes, options: tuple[str, ...]
) -> dict[str, tuple[int, bytes]]:
    try:
        return session.sendmail(sender, recipients, content, options)
    except smtplib.SMTPRecipientsRefused as error:
        # After a 421 smtplib reports only the recipients up to that one.
        return dict.fromkeys(recipients, _TRY_AGAIN) | error.recipients
    except smtplib.SMTPDataError as error:
        text = error.smtp_error if isinstance(error.smtp_error, bytes) else error.smtp_error.encode()
        return dict.fromkeys(recipients, (error.smtp_code, text))


def _result(mail: Mail, addresses: Mapping[str, Address], replies: Replies) -> SendResult:
    taken: list[str] = []
    refused: list[str] = []
    deferred: list[str] = []
    reasons: list[str] = []
    for recipient in mail.recipients:
        address = addresses.get(recipient)
        reply = replies.get(address.addr_spec) if address else (550, b"this is not an email address")
        if reply is None:
            taken.append(recipient)
            continue
        (refused if reply[0] >= 500 else deferred).append(recipient)
        reasons.append(f"{recipient}: {reply_text(*reply)}")
    return SendResult(tuple(taken), tuple(refused), deferred=tuple(deferred), error="; ".join(reasons) or None)
