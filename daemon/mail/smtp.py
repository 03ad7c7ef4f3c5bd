"""The way out over SMTP (RFC 5321): one transaction for all recipients, each with its own answer."""

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
from daemon.domain.model import Mail
from daemon.mail.message import Compose, as_wire
from daemon.mail.result import Send, SendResult
from daemon.mail.session import close_session, connect, explain, open_session, reply_text

# Over everything, connecting included: a server that drips its answers does not hold up the mails behind this one.
DEADLINE_S = 60.0
# What a sending that is cut off may still take, to tell what came of it.
_AFTERMATH_S = 10
_TRY_AGAIN = (421, b"the server closed the transaction")

Replies = Mapping[str, tuple[int, bytes]]


def smtp_sender(settings: SmtpSettings, sender: Address, compose: Compose, deadline_s: float = DEADLINE_S) -> Send:
    """Return a `Send` that hands each mail to the server of `[smtp]`, from a worker thread, in at most `deadline_s`.

    A 5xx for a recipient or for the message refuses for good. Everything else that goes wrong (4xx, no connection, no
    login, refused sender, an untrusted certificate, no end in time) can be mended at the server or in the settings:
    deferred.
    """
    limiter = trio.CapacityLimiter(1)

    async def send(mail: Mail) -> SendResult:
        addresses = {recipient: address for recipient in mail.recipients if (address := parse_address(recipient))}
        if not addresses:
            return _sort_out(mail, {}, {})
        deliver = partial(_deliver, settings=settings, sender=sender, compose=compose, mail=mail, addresses=addresses)
        deadline = trio.current_time() + deadline_s
        try:
            with trio.fail_at(deadline):
                cord = await connect(settings)
            result = await _run_until(deadline, deliver, cord=cord, limiter=limiter)
        except (OSError, ValueError) as error:
            return SendResult(deferred=mail.recipients, error=explain(settings, error))
        except trio.TooSlowError:
            return SendResult(deferred=mail.recipients, error=explain(settings, TimeoutError()))
        was_cut = trio.current_time() >= deadline and result.deferred == mail.recipients
        return replace(result, error=explain(settings, TimeoutError())) if was_cut else result

    return send


async def _run_until(
    deadline: float, deliver: Callable[[socket.socket], SendResult], cord: socket.socket, limiter: trio.CapacityLimiter
) -> SendResult:
    """Run `deliver` in a thread, and cut its connection off at the deadline or when cancelled: then the thread ends.

    It may have been cut off in its farewell only, with the mail taken: so it is asked all the same. Raises
    TooSlowError if it does not answer even then.
    """
    try:
        with trio.fail_at(deadline + _AFTERMATH_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cut_at, deadline, cord)
                thread = partial(deliver, cord)
                result = await trio.to_thread.run_sync(thread, limiter=limiter, abandon_on_cancel=True)
                nursery.cancel_scope.cancel()
        return result
    finally:
        _cut(cord)
        cord.close()


async def _cut_at(deadline: float, cord: socket.socket) -> None:
    await trio.sleep_until(deadline)
    _cut(cord)


def _cut(cord: socket.socket) -> None:
    with suppress(OSError):  # it may be closed already
        cord.shutdown(socket.SHUT_RDWR)


def _deliver(
    cord: socket.socket,
    *,
    settings: SmtpSettings,
    sender: Address,
    compose: Compose,
    mail: Mail,
    addresses: Mapping[str, Address],
) -> SendResult:
    try:
        # One of its own: whatever it closes or puts under TLS, the other end of the cord stays in the loop's hand.
        session = open_session(settings, cord.dup())
        try:
            replies = _transact(session, sender, compose=compose, mail=mail, addresses=addresses)
        finally:
            close_session(session)
    except (OSError, ValueError) as error:
        return SendResult(deferred=mail.recipients, error=explain(settings, error))
    return _sort_out(mail, addresses, replies)


def _transact(
    session: smtplib.SMTP, sender: Address, compose: Compose, mail: Mail, addresses: Mapping[str, Address]
) -> Replies:
    """Send the mail; return the replies for those who were not taken, by address."""
    with_utf8 = session.has_extn("smtputf8")
    if not (with_utf8 or sender.addr_spec.isascii()):
        raise smtplib.SMTPNotSupportedError("SMTPUTF8, for the sender")
    reachable = {a.addr_spec: a for a in addresses.values() if with_utf8 or a.addr_spec.isascii()}
    unreachable = {a.addr_spec for a in addresses.values()} - reachable.keys()
    refused = dict.fromkeys(unreachable, (550, b"the mail server takes no addresses outside ASCII"))
    if not reachable:
        return refused
    message = compose(mail, list(reachable.values()))
    needs_utf8 = not "".join((sender.addr_spec, *reachable)).isascii()
    options = ("SMTPUTF8", "BODY=8BITMIME") if needs_utf8 else ()
    return refused | _hand_over(
        session, sender.addr_spec, recipients=list(reachable), content=as_wire(message), options=options
    )


def _hand_over(
    session: smtplib.SMTP, sender: str, recipients: list[str], content: bytes, options: tuple[str, ...]
) -> dict[str, tuple[int, bytes]]:
    try:
        return session.sendmail(sender, recipients, content, options)
    except smtplib.SMTPRecipientsRefused as error:
        # After a 421 it names only those asked until then.
        return dict.fromkeys(recipients, _TRY_AGAIN) | error.recipients
    except smtplib.SMTPDataError as error:
        text = error.smtp_error if isinstance(error.smtp_error, bytes) else error.smtp_error.encode()
        return dict.fromkeys(recipients, (error.smtp_code, text))


def _sort_out(mail: Mail, addresses: Mapping[str, Address], replies: Replies) -> SendResult:
    taken: list[str] = []
    refused: list[str] = []
    deferred: list[str] = []
    reasons: list[str] = []
    for recipient in mail.recipients:
        address = addresses.get(recipient)
        reply = replies.get(address.addr_spec) if address else (550, b"this is no email address")
        if reply is None:
            taken.append(recipient)
            continue
        (refused if reply[0] >= 500 else deferred).append(recipient)
        reasons.append(f"{recipient}: {reply_text(*reply)}")
    return SendResult(tuple(taken), tuple(refused), deferred=tuple(deferred), error="; ".join(reasons) or None)
