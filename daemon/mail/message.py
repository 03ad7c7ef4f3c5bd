"""Mails as messages (contract "Auto-disable"): one sentence, one button, and details."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from daemon.domain.mails import Mail, MailKind
from daemon.domain.model import FailedDelivery
from daemon.domain.printable import one_line
from daemon.domain.time_zones import find_zone

_TRANSFER_ENCODING = "quoted-printable"  # servers without 8BITMIME accept it, too
_NAME_LIMIT = 100
_URL_LIMIT = 300
_ERROR_LIMIT = 300
_TEMPLATES = {
    MailKind.DISABLED: "disabled",
    MailKind.DISABLED_FOR_OPERATOR: "disabled",
    MailKind.RECOVERED: "recovered",
    MailKind.CREDITS_LOW: "credits",
    MailKind.CREDITS_EXHAUSTED: "credits",
    MailKind.ADDRESS_CONFIRMATION: "confirmation",
}

Compose = Callable[[Mail, Sequence[Address]], EmailMessage]


def message_composer(sender: Address, public_url: str) -> Compose:
    """Return a function that makes a message, text and HTML, from a mail and its recipients.

    A mail has the same Date and Message-ID each time, so that duplicates can be recognised.
    `public_url` is the address of API and console as their users know it, without a trailing slash.
    """
    templates = Environment(
        loader=PackageLoader("daemon.mail"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def compose(mail: Mail, recipients: Sequence[Address]) -> EmailMessage:
        facts, template = _facts(mail, public_url), _TEMPLATES[mail.kind]
        message = _envelope(mail, facts["subject"], sender=sender, recipients=recipients)
        message.set_content(templates.get_template(f"{template}.txt").render(facts), cte=_TRANSFER_ENCODING)
        html = templates.get_template(f"{template}.html").render(facts)
        message.add_alternative(html, subtype="html", cte=_TRANSFER_ENCODING)
        return message

    return compose


def as_wire(message: EmailMessage) -> bytes:
    """Return the message as bytes, with UTF-8 addresses if one is not ASCII (RFC 6532)."""
    addresses = (address.addr_spec for name in ("From", "To") for address in message[name].addresses)
    return message.as_bytes() if "".join(addresses).isascii() else message.as_bytes(policy=SMTPUTF8)


def _envelope(mail: Mail, subject: str, *, sender: Address, recipients: Sequence[Address]) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["Subject"] = subject
    message["From"] = sender
    message["To"] = tuple(recipients)
    message["Date"] = format_datetime(_utc(mail.created_at))
    message["Message-ID"] = f"<{mail.id}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: prevents out-of-office replies
    return message


def _facts(mail: Mail, public_url: str) -> dict[str, Any]:
    team, zone = one_line(mail.team_name or mail.team_id, _NAME_LIMIT), _zone(mail)
    return {
        "team": team,
        "team_id": mail.team_id,
        "created_at": _shown(mail.created_at, zone),
        "for_operator": mail.kind is MailKind.DISABLED_FOR_OPERATOR,
        "balance": f"{mail.balance or 0:,}",
        "button_url": _page(mail, public_url),
        "link_ends_at": "" if mail.link is None else _shown(mail.link.expires_at, zone),
        **_words(mail, one_line(mail.webhook_name, _NAME_LIMIT), team),
        **_webhook_facts(mail, public_url, zone),
    }


def _zone(mail: Mail) -> tzinfo:
    """Return the team's zone; the operator, who has many teams, gets all mails in one."""
    return UTC if mail.kind is MailKind.DISABLED_FOR_OPERATOR else find_zone(mail.time_zone) or UTC


def _page(mail: Mail, public_url: str) -> str:
    if mail.link is not None and mail.kind is MailKind.ADDRESS_CONFIRMATION:
        return f"{public_url}/console/confirm-address#{mail.link.token}"
    if mail.link is not None:
        return f"{public_url}/console/portal?next=/console/webhooks/{mail.webhook_id}#{mail.link.token}"
    about_credits = mail.kind in (MailKind.CREDITS_LOW, MailKind.CREDITS_EXHAUSTED)
    page = f"teams/{mail.team_id}/credits" if about_credits else f"webhooks/{mail.webhook_id}"
    return f"{public_url}/console/{page}"


def _words(mail: Mail, name: str, team: str) -> dict[str, str]:
    """Return the subject, the one sentence, and what the one button says."""
    if mail.kind is MailKind.ADDRESS_CONFIRMATION:
        return {
            "subject": f"Do you want mails about the webhooks of {team}?",
            "sentence": f"{team} wants to send mails about its webhooks to this address.",
            "button": "Confirm this address",
        }
    if mail.kind is MailKind.CREDITS_LOW:
        return {
            "subject": f"{team} is low on credits",
            "sentence": f"{team} has {mail.balance or 0:,} credits left.",
            "button": "See the credits",
            "consequence": "Each successful delivery takes some. This is told once, and again only after a grant.",
        }
    if mail.kind is MailKind.CREDITS_EXHAUSTED:
        return {
            "subject": f"{team} has no credits left",
            "sentence": f"The credits of {team} are used up: its deliveries wait.",
            "button": "See the credits",
            "consequence": "None is lost, and all are sent, in order, as soon as credits are granted.",
        }
    if mail.kind is MailKind.RECOVERED:
        return {
            "subject": f"Webhook “{name}” works again",
            "sentence": f"Webhook “{name}” of {team} works again: a delivery has succeeded.",
            "button": "See its deliveries",
        }
    of_team = f"of {team} " if mail.kind is MailKind.DISABLED_FOR_OPERATOR else ""
    return {
        "subject": f"Webhook “{name}” {of_team}was disabled",
        "sentence": f"Webhook “{name}” of {team} was disabled, because {_why_disabled(mail)}.",
        "button": "Re-enable and recover",
    }


def _why_disabled(mail: Mail) -> str:
    is_gone = bool(mail.failures) and mail.failures[-1].status == HTTPStatus.GONE
    return "its receiver answered that it is gone (410)" if is_gone else "its deliveries kept failing"


def _webhook_facts(mail: Mail, public_url: str, zone: tzinfo) -> dict[str, Any]:
    since = min((failure.failed_at for failure in mail.failures), default=mail.disabled_at)
    # `recover` counts from an event's acceptance.
    first_missed = min((failure.accepted_at for failure in mail.failures), default=mail.disabled_at)
    deliveries = f"{public_url}/console/teams/{mail.team_id}/deliveries"
    return {
        "url": one_line(mail.webhook_url, _URL_LIMIT),
        "webhook_id": mail.webhook_id,
        "disabled_at": _shown(mail.disabled_at, zone),
        "failing_since": _shown(since, zone),
        "failures": [_failure_facts(failure, deliveries, zone) for failure in mail.failures],
        "webhook_route": f"{public_url}/v1/webhooks/{mail.webhook_id}",
        "recover_since": f"{_utc(first_missed):%Y-%m-%dT%H:%M:%SZ}",
    }


def _failure_facts(failure: FailedDelivery, deliveries: str, zone: tzinfo) -> dict[str, str]:
    answer = f"HTTP {failure.status}" if failure.status is not None else failure.outcome.replace("_", " ")
    return {
        "at": _shown(failure.failed_at, zone),
        "event_type": one_line(failure.event_type, _NAME_LIMIT),
        "page": f"{deliveries}/{failure.delivery_id}",
        "error": one_line(failure.error, _ERROR_LIMIT) if failure.error else answer,
    }


def _shown(ms: int, zone: tzinfo) -> str:
    at = _utc(ms).astimezone(zone)
    name = at.tzname() or ""  # many zones have none but their offset
    return f"{at:%Y-%m-%d %H:%M:%S} {name if name[:1].isalpha() else f'UTC{name}'}"


def _utc(ms: int) -> datetime:
    return datetime.fromtimestamp(ms // 1000, UTC)
