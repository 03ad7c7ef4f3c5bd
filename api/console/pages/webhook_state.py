"""A webhook's state, as lists and its own page show it."""

from dataclasses import dataclass
from enum import StrEnum

from daemon.domain.model import DisabledReason, Webhook
from daemon.handles import Handles

_WHILE_IT_LISTENS = (
    "Somebody listens live: its deliveries go to that stream, cost nothing, and it is deleted at the end."
)


class State(StrEnum):
    """A webhook's state, as users see it."""

    ACTIVE = "active"
    FAILING = "failing"
    DISABLED = "disabled"
    PARKED = "parked"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class WebhookState:
    """The state, the failure counter and its limit (`2 of 4`), and the reason."""

    state: State
    failures: str
    why: str


def state_of(handles: Handles, webhook: Webhook) -> WebhookState:
    """Return a webhook's state."""
    policy = handles.settings.delivery
    failures = str(webhook.consecutive_failures)
    if not webhook.live:
        failures = f"{failures} of {policy.disable_after}"
    if not webhook.active:
        return WebhookState(State.DISABLED, failures, _why_disabled(webhook))
    if handles.is_parked(webhook.id):
        why = (
            "Its deliveries wait, because the daemon crashed on them repeatedly: the daemon's log says why. "
            "Saving the webhook, rotating its secret or re-enabling it makes it try again."
        )
        return WebhookState(State.PARKED, failures, why)
    if webhook.paused_at is not None:
        return WebhookState(State.PAUSED, failures, "Its deliveries wait, in order, until it is resumed.")
    if webhook.consecutive_failures:
        unit = "deliveries" if policy.count == "deliveries" else "attempts"
        limit = "" if webhook.live else f" At {policy.disable_after} it is disabled."
        why = f"{failures} {unit} in a row have failed.{limit}"
        return WebhookState(State.FAILING, failures, why)
    why = _WHILE_IT_LISTENS if webhook.live else "It gets each event that it subscribes to."
    return WebhookState(State.ACTIVE, failures, why)


def _why_disabled(webhook: Webhook) -> str:
    if webhook.disabled_reason is DisabledReason.CONSECUTIVE_FAILURES:
        return "Its deliveries kept failing. It gets none until it is enabled again."
    if webhook.disabled_reason is DisabledReason.GONE:
        return "Its receiver answered 410 Gone. It gets no deliveries until it is enabled again."
    return "It was disabled by hand. It gets no deliveries until it is enabled again."
