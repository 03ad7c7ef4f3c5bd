"""The event types: what they mean and what their data looks like (contract "Event types")."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

WILDCARD = "*"


NAME_PATTERN = r"^[a-z0-9_-]+(\.[a-z0-9_-]+)+$"
LONGEST_NAME = 200
MOST_TYPES = 500
MOST_VERSIONS = 100


class Source(StrEnum):
    """Where an event type comes from: only those of the API can be changed while the daemon runs."""

    BUILT_IN = "built_in"
    SETTINGS = "settings"
    API = "api"


@dataclass(frozen=True, slots=True)
class EventType:
    """One type of event; `name` is what a webhook subscribes to, `example` a realistic `data` object.

    `schema` is the JSON Schema of its newest version, as JSON; with `validate` what is submitted has to meet it. One
    that is deprecated is still accepted, one that is archived is not. Times are in ms.
    """

    name: str
    description: str
    category: str
    example: Mapping[str, Any]
    source: Source = Source.BUILT_IN
    schema: bytes | None = None
    version: int | None = None
    validate: bool = False
    deprecated_at: int | None = None
    archived_at: int | None = None
    created_at: int | None = None
    updated_at: int | None = None


@dataclass(frozen=True, slots=True)
class EventTypeVersion:
    """A schema that an event type has or had, as JSON; versions count from 1."""

    version: int
    schema: bytes
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTypeEdit:
    """What becomes of an event type; None leaves it as it is."""

    description: str | None = None
    category: str | None = None
    example: Mapping[str, Any] | None = None
    validate: bool | None = None
    deprecated: bool | None = None
    archived: bool | None = None


Catalogue = Mapping[str, EventType]

_CHAT = {
    "agentId": "agent_7hq2m9x4kd",
    "campaignId": "campaign_3w8r5t1zpn",
    "chatId": "chat_9v6b2c8ylf",
    "prospectId": "prospect_4j1s7g3aeu",
}
_WHEN = "2025-07-15T10:29:58.412Z"

BUILT_IN = (
    EventType(
        "linkedin.message.sent",
        "Agent sends a message to a prospect",
        category="message",
        example={
            **_CHAT,
            "message": "Hi Dana, thanks for connecting. Are you still looking into outreach tools?",
            "timestamp": _WHEN,
        },
    ),
    EventType(
        "linkedin.message.received",
        "Prospect responds to an agent",
        category="message",
        example={**_CHAT, "message": "Yes, we are. Could you show me a short demo on Thursday?", "timestamp": _WHEN},
    ),
    EventType(
        "linkedin.invitation.sent",
        "Agent sends a connection invitation",
        category="invitation",
        example={**_CHAT, "note": "Hi Dana, I liked your post about onboarding.", "timestamp": _WHEN},
    ),
    EventType(
        "linkedin.invitation.accepted",
        "Prospect accepts a connection invitation",
        category="invitation",
        example={**_CHAT, "timestamp": _WHEN},
    ),
    EventType(
        "prospect.qualification.manual",
        "A prospect needs a manual qualification review",
        category="qualification",
        example={**_CHAT, "reason": "The prospect asked about pricing for 200 seats", "timestamp": _WHEN},
    ),
    EventType(
        "prospect.unqualified",
        "A prospect was marked unqualified automatically",
        category="qualification",
        example={**_CHAT, "reason": "The prospect's company has fewer than 10 employees", "timestamp": _WHEN},
    ),
)


def build_catalogue(added: Iterable[EventType] = ()) -> Catalogue:
    """Return the built-in event types and those that the operator adds, by name; an added one wins over a built-in."""
    return {event_type.name: event_type for event_type in (*BUILT_IN, *added)}


@dataclass(frozen=True, slots=True)
class KnownTypes:
    """The event types of the product at a moment: those of code and settings, `fixed`, and those of the API, `added`.

    `every` has all of them. `checked` are those whose submissions have to meet a schema, `archived` those that are no
    longer accepted, `deprecated` those that should no longer be used.
    """

    fixed: Catalogue
    added: Catalogue
    every: Catalogue
    checked: Catalogue
    deprecated: Catalogue
    archived: Catalogue


def known_types(fixed: Catalogue, added: Catalogue) -> KnownTypes:
    """Return them, sorted out; a fixed one wins over one of the API with its name."""
    every = {**fixed, **{name: one for name, one in added.items() if name not in fixed}}
    return KnownTypes(
        fixed,
        added,
        every=every,
        checked={name: one for name, one in every.items() if one.validate and one.schema is not None},
        deprecated={name: one for name, one in every.items() if one.deprecated_at is not None},
        archived={name: one for name, one in every.items() if one.archived_at is not None},
    )
