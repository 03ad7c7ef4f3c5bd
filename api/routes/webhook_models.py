"""Webhooks as they go over the wire: what is asked for, and what is answered (contract "HTTP API")."""

from typing import Annotated

from pydantic import AfterValidator, Field

from api.http.known import SomeTeam
from api.http.wire import EventTypes, Input, InputTime, LaterMoment, Name, Output, OutputTime, PageQuery
from api.limits.sizes import MAX_OVERLAP_HOURS
from api.routes.filter_options import ShownFilterFailures
from api.routes.webhook_options import OptionFields, ShownOptions
from daemon.crypto import signing
from daemon.domain.model import DisabledReason
from daemon.domain.operations import About, BodyFormat
from daemon.domain.signature_schemes import SignatureScheme

GENERATE = "generate"
_SIGNING = "Signs the deliveries. `generate` makes a Standard Webhooks one (`whsec_…`)."
_URL = "Where deliveries are posted to: https, a public host, at most 2,048 characters."
_EVENTS = "Event types, as listed by GET /v1/webhooks/test/events; `*` means all, including future ones."
_ABOUT = (
    "`events`: it gets the product's events. `operations`: it is told of its team's webhooks and credits "
    "(`webhook.failing`, `webhook.disabled`, `webhook.recovered`, `credits.low`, `credits.exhausted`), free of charge."
)
_FORMAT = 'The body of its deliveries: `standard`, or `slack` (`{"text": …}`), for operational webhooks alone.'


def _must_sign(value: str) -> str:
    if value != GENERATE:
        signing.check_secret(value)
    return value


Secret = Annotated[str, AfterValidator(_must_sign)]


class NewWebhook(OptionFields):
    """A webhook to register."""

    team_id: SomeTeam = Field(
        None,
        description=(
            "Whose webhook it is. A team's key may leave it out. "
            "If the operator leaves it out, an operational webhook is the operator's own, and told of all teams."
        ),
    )
    name: Name = Field(description="A label for people.")
    url: str = Field(description=_URL)
    secret: Secret | None = Field(None, description=f"{_SIGNING} Without it deliveries go unsigned.")
    events: EventTypes = Field(description=_EVENTS)
    about: About = Field(About.EVENTS, description=f"{_ABOUT} `events` if left out; it stays.", strict=False)
    body_format: BodyFormat = Field(
        BodyFormat.STANDARD, description=f"{_FORMAT} `standard` if left out; it stays.", strict=False
    )


# Fields that are left out get a default that no client can send: null is refused, the document shows no default.
class WebhookChange(OptionFields):
    """Changes to a webhook; fields that are left out stay as they are."""

    name: Name = Field(default_factory=str, description="A label for people.")
    url: str = Field(default_factory=str, description=_URL)
    secret: Secret | None = Field(
        default_factory=lambda: None, description=f"{_SIGNING} null removes it: deliveries then go unsigned."
    )
    events: EventTypes = Field(default_factory=list, description=_EVENTS)
    active: bool = Field(default_factory=bool, description="true re-enables it and resets its failure counter.")
    paused: bool = Field(default_factory=bool, description="true lets its deliveries wait; false resumes it.")
    resumes_at: LaterMoment | None = Field(
        default_factory=lambda: None,
        description=(
            "With `paused: true`: when it resumes by itself, a time or how long from now (`2h`); null: it does not."
        ),
    )


class SecretRotation(Input):
    """A new secret or key pair, and how long those before sign, too; with `switchNow` alone, the last one's switch."""

    secret: Secret = Field(GENERATE, description=f"{_SIGNING} Generated if left out.")
    overlap_hours: int = Field(
        24,
        ge=0,
        le=MAX_OVERLAP_HOURS,
        description="Hours in which `webhook-signature` is made with both secrets; 0 for none, 24 if left out.",
    )
    switch_now: bool = Field(
        default_factory=bool,
        description=(
            "true makes `X-Kakiyo-Signature` use the new secret at once, not after half of the overlap. "
            "On its own it creates no new secret and applies to the last rotation."
        ),
    )

    signature_scheme: SignatureScheme = Field(
        default_factory=lambda: SignatureScheme.HMAC,
        description=(
            "What is replaced: `hmac` the secret, `ed25519` the key pair, `both`. If it is left out, that which signs "
            "the webhook's deliveries."
        ),
        strict=False,
    )

    @property
    def only_switches(self) -> bool:
        """Whether it makes no new secret."""
        return self.switch_now and self.model_fields_set == {"switch_now"}


class Recovery(Input):
    """Where to start recovering."""

    since: InputTime = Field(description="Events accepted at this time or later are looked at.")


class Recovered(Output):
    """What was queued."""

    deliveries: int = Field(description="How many deliveries were made.")


class WebhookQuery(PageQuery):
    """Which webhooks to list."""

    team_id: SomeTeam = Field(None, description="Only this team's; the operator lists all teams' without it.")


class _Registered(Output):
    id: str = Field(description="The webhook's id.")
    team_id: str = Field(description="Whose webhook it is.")
    name: str = Field(description="A label for people.")
    url: str = Field(description="Where deliveries are posted to.")
    events: list[str] = Field(description=_EVENTS)
    active: bool = Field(description="Whether it gets deliveries, though they may wait: see `pausedAt`.")
    consecutive_failures: int = Field(description="Failed deliveries since the last success.")
    disabled_reason: DisabledReason | None = Field(description="Why it was disabled.")
    disabled_at: OutputTime | None = Field(description="When it was disabled.")
    paused_at: OutputTime | None = Field(description="Since when it is paused: its deliveries wait. null: it is not.")
    resumes_at: OutputTime | None = Field(description="When a paused one resumes by itself; null if it does not.")
    parked: bool = Field(
        description="Whether its deliveries are on hold because its actor kept crashing: see the daemon's log."
    )
    has_secret: bool = Field(description="Whether it has a secret, which signs its deliveries.")
    public_key: str | None = Field(description="The public half of its key pair (`whpk_…`); null if it has none.")
    live: bool = Field(description="Whether it is a live listener: its deliveries go to a stream, not to its URL.")
    about: About = Field(description=_ABOUT)
    body_format: BodyFormat = Field(description=_FORMAT)
    created_at: OutputTime = Field(description="When it was registered.")
    updated_at: OutputTime = Field(description="When it was last changed.")
    secret: str | None = Field(None, description="Only in the answer to the request that set or generated it.")


class Webhook(ShownFilterFailures, ShownOptions, _Registered):
    """A registered receiver, and after its own fields its options."""


class RotatedWebhook(Webhook):
    """A webhook with its new secret."""

    secret: str | None = Field(None, description="The new secret, if one was made. Only this answer has it.")
    previous_secret_expires_at: OutputTime | None = Field(
        description="Until when the previous secret also signs; null if there was none, or without an overlap."
    )
    signature_switches_at: OutputTime | None = Field(
        description="From when `X-Kakiyo-Signature` uses the new secret; null without an overlap."
    )
    previous_public_key_expires_at: OutputTime | None = Field(
        description="Until when the previous key pair also signs; null if there was none, or without an overlap."
    )
