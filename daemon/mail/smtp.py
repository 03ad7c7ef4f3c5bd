"""The way out over SMTP (RFC 5321): one transaction for all recipients, each with its own answer."""

import smtplib
from collections.abc import Mapping
from email.headerregistry import Address
from email.policy import SMTPUTF8
from functools import partial

import trio

from daemon.config import SmtpSettings
from daemon.mail.addresses import parse_address
from daemon.mail.message import Compose
from daemon.mail.result import Send, SendResult
from daemon.mail.session import close_session, explain, open_session, reply_text
from daemon.model import Mail

# Over everything: a server that drips its answers does not hold the mail actor.
_DEADLINE_S = 120
_TRY_AGAIN = (421, b"the server closed the transaction")

Replies = Mapping[str, tuple[int, bytes]]


def smtp_sender(settings: SmtpSettings, sender: Address, compose: Compose) -> Send:
    """Return a `Send` that hands each mail to the server of `[smtp]`, from a worker thread.

    A 5xx for a recipient or for the message refuses for good. Everything else that goes wrong (4xx, no connection, no
    login, refused sender, an untrusted certificate) can be mended at the server or in the settings: deferred.
    """
    limiter = trio.CapacityLimiter(1)

    async def send(mail: Mail) -> SendResult:
        attempt = partial(_deliver, settings, sender, compose, mail)
        with trio.move_on_after(_DEADLINE_S):
            # An abandoned thread keeps its place at the limiter until its socket times out: at most one ever hangs.
            return await trio.to_thread.run_sync(attempt, limiter=limiter, abandon_on_cancel=True)
        return SendResult(deferred=mail.recipients, error=explain(settings, TimeoutError()))

    return send


def _deliver(settings: SmtpSettings, sender: Address, compose: Compose, mail: Mail) -> SendResult:
    addresses = {recipient: address for recipient in mail.recipients if (address := parse_address(recipient))}
    if not addresses:
        return _sort_out(mail, {}, {})
    try:
        session = open_session(settings)
        try:
            replies = _transact(session, sender, compose, mail, addresses)
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
    reachable = {a.addr_spec: a for a in addresses.values() if with_utf8 or a.addr_spec.isascii()}
    unreachable = {a.addr_spec for a in addresses.values()} - reachable.keys()
    refused = dict.fromkeys(unreachable, (550, b"the mail server takes no addresses outside ASCII"))
    if not reachable:
        return refused
    message = compose(mail, list(reachable.values()))
    needs_utf8 = not "".join(reachable).isascii()
    content = message.as_bytes(policy=SMTPUTF8) if needs_utf8 else message.as_bytes()
    options = ("SMTPUTF8",) if needs_utf8 else ()
    return refused | _hand_over(session, sender.addr_spec, list(reachable), content, options)


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
    return SendResult(tuple(taken), tuple(refused), tuple(deferred), "; ".join(reasons) or None)
