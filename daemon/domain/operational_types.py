"""The operational event types: what they mean and what their data looks like (contract "Operational webhooks")."""

from types import MappingProxyType
from typing import Any

from daemon.domain.event_types import Catalogue, EventType
from daemon.domain.operations import OperationalType

_WHEN = "2025-07-15T10:29:58.412Z"
_WEBHOOK = {
    "teamName": "Acme",
    "webhook": {"id": "wh_01jzy8h2k4n6q8s0v2x4z6b8d0", "name": "CRM Sync", "host": "crm.example.com"},
}
_WEBHOOK_PAGE = "https://hooks.example.com/console/webhooks/wh_01jzy8h2k4n6q8s0v2x4z6b8d0"
_CREDITS_PAGE = "https://hooks.example.com/console/teams/team_acme/credits"
_FAILURE = {
    "deliveryId": "dlv_01k0a3bq5u1w3y5a7d9f1h3k5n",
    "outcome": "http_error",
    "status": 503,
    "error": "the receiver answered 503",
    "at": _WHEN,
}


def _operational(name: OperationalType, description: str, **example: Any) -> EventType:
    return EventType(name.value, description, category="operations", example=example)


OPERATIONAL_CATALOGUE: Catalogue = MappingProxyType(
    {
        event_type.name: event_type
        for event_type in (
            _operational(
                OperationalType.WEBHOOK_FAILING,
                "A webhook has failed twice in a row",
                text=(
                    "Webhook “CRM Sync” of Acme is failing: 2 deliveries in a row failed, "
                    "the last one because the receiver answered 503. 2 more, and it is disabled."
                ),
                url=_WEBHOOK_PAGE,
                **_WEBHOOK,
                consecutiveFailures=2,
                lastFailure=_FAILURE,
                disabledAfter=4,
                counted="deliveries",
            ),
            _operational(
                OperationalType.WEBHOOK_DISABLED,
                "A webhook was disabled, because its deliveries kept failing",
                text=(
                    "Webhook “CRM Sync” of Acme was disabled, because its deliveries kept failing, "
                    "the last one because the receiver answered 503."
                ),
                url=_WEBHOOK_PAGE,
                **_WEBHOOK,
                reason="consecutive_failures",
                consecutiveFailures=4,
                lastFailure=_FAILURE,
                disabledAfter=4,
                counted="deliveries",
            ),
            _operational(
                OperationalType.WEBHOOK_RECOVERED,
                "A webhook that had been disabled works again",
                text="Webhook “CRM Sync” of Acme works again: a delivery has succeeded.",
                url=_WEBHOOK_PAGE,
                **_WEBHOOK,
                disabledAt=_WHEN,
            ),
            _operational(
                OperationalType.CREDITS_LOW,
                "A team's balance has fallen below what it calls low",
                text="Acme has 98 credits left.",
                url=_CREDITS_PAGE,
                teamName="Acme",
                balance=98,
                lowCredits=100,
            ),
            _operational(
                OperationalType.CREDITS_EXHAUSTED,
                "A team can pay for no further delivery: they wait until credits are granted",
                text="The credits of Acme are used up: its deliveries wait.",
                url=_CREDITS_PAGE,
                teamName="Acme",
                balance=0,
            ),
        )
    }
)
