"""The payloads of operational events (contract "Operational webhooks"): facts, and one sentence that tells them."""

from collections.abc import Callable
from typing import Any

import orjson

from daemon.domain.clock import rfc_3339
from daemon.domain.model import DisabledReason
from daemon.domain.operational_events import OperationalEvent
from daemon.domain.operations import OperationalType
from daemon.domain.policy import Policy
from daemon.domain.printable import one_line

_NAME_LIMIT = 100
_ERROR_LIMIT = 300

MakePayload = Callable[[OperationalEvent], bytes]


def payload_maker(policy: Policy, public_url: str) -> MakePayload:
    """Return a function that makes the body of an operational event.

    `policy` says when webhooks are disabled. `public_url` is the console's address as people know it, without a
    trailing slash, "" if nobody has said.
    """

    def make(event: OperationalEvent) -> bytes:
        data = {
            "text": _sentence(event, policy),
            "url": _page(event, public_url) if public_url else None,
            "teamName": event.about_team_name,
            **event.facts,
            **(_limits(policy) if "lastFailure" in event.facts else {}),
        }
        body = {
            "event": event.type,
            "teamId": event.about_team_id,
            "timestamp": rfc_3339(event.created_at),
            "data": data,
        }
        return orjson.dumps(body)

    return make


def _limits(policy: Policy) -> dict[str, Any]:
    return {"disabledAfter": policy.disable_after, "counted": policy.count}


def _page(event: OperationalEvent, public_url: str) -> str:
    page = f"teams/{event.about_team_id}/credits" if event.webhook_id is None else f"webhooks/{event.webhook_id}"
    return f"{public_url}/console/{page}"


def _sentence(event: OperationalEvent, policy: Policy) -> str:
    team = one_line(event.about_team_name, _NAME_LIMIT)
    match event.type:
        case OperationalType.CREDITS_LOW:
            return f"{team} has {event.facts['balance']:,} credits left."
        case OperationalType.CREDITS_EXHAUSTED:
            return f"The credits of {team} are used up: its deliveries wait."
    webhook = f"Webhook “{one_line(event.facts['webhook']['name'], _NAME_LIMIT)}” of {team}"
    match event.type:
        case OperationalType.WEBHOOK_RECOVERED:
            return f"{webhook} works again: a delivery has succeeded."
        case OperationalType.WEBHOOK_DISABLED:
            if event.facts.get("reason") == DisabledReason.GONE:
                return f"{webhook} was disabled, because its receiver answered 410 Gone."
            return f"{webhook} was disabled, because its deliveries kept failing, the last one because {_why(event)}."
        case _:
            return _failing(event, webhook, policy)


def _failing(event: OperationalEvent, webhook: str, policy: Policy) -> str:
    failures = event.facts["consecutiveFailures"]
    failed = f"{webhook} is failing: {failures} {policy.count} in a row failed, the last one because {_why(event)}."
    return f"{failed} {policy.disable_after - failures} more, and it is disabled."


def _why(event: OperationalEvent) -> str:
    failure = event.facts["lastFailure"]
    return one_line(failure["error"] or failure["outcome"].replace("_", " "), _ERROR_LIMIT)
