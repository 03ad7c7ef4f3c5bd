"""What a request may name, for the fields whose values only the daemon can judge (contract "HTTP API", bad input)."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from daemon.crypto.api_keys import Principal
from daemon.domain.event_types import WILDCARD, KnownTypes
from daemon.domain.operations import OPERATIONAL_TYPES

UNKNOWN_EVENT, ARCHIVED_EVENT, NO_SUCH_TEAM = (
    "unknown_event",
    "archived_event",
    "no_such_team",
)  # types of pydantic's errors
_LONGEST_GUESS = 100
_ALIKE = 0.6


@dataclass(frozen=True, slots=True)
class Known:
    """The event types that there are, those of them that are no longer accepted, who asks, and the ids that nothing may
    be given.
    """

    events: Collection[str]
    principal: Principal
    reserved_ids: Collection[str] = ()
    archived: Collection[str] = ()


def known_to(principal: Principal, types: KnownTypes, reserved_ids: Collection[str]) -> Known:
    """Return what a request may name whose caller this is, with the event types that there are now."""
    return Known(types.every, principal, reserved_ids, archived=types.archived)


def nearest(given: str, names: Iterable[str]) -> str | None:
    """Return the name that was probably meant: the one with the longest beginning and end in common.

    It takes about a millisecond for a thousand names, however alike they are: difflib would take a second.
    """
    if len(given) > _LONGEST_GUESS:
        return None
    alike = {name: _likeness(given.lower(), name.lower()) for name in names}
    best = max(alike, key=alike.__getitem__, default=None)
    return best if best is not None and alike[best] >= _ALIKE else None


def _likeness(one: str, other: str) -> float:
    shorter, longer = min(len(one), len(other)), max(len(one), len(other))
    return min(_in_common(one, other) + _in_common(one[::-1], other[::-1]), shorter) / max(longer, 1)


def _in_common(one: str, other: str) -> int:
    """How many characters both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (mine, yours) in pairs if mine != yours), min(len(one), len(other)))


def _must_be_event(value: str, info: ValidationInfo) -> str:
    if info.context is not None and value not in info.context.events:
        raise PydanticCustomError(UNKNOWN_EVENT, "unknown event type")
    return value


def _must_be_accepted(value: str, info: ValidationInfo) -> str:
    if info.context is not None and value in info.context.archived:
        raise PydanticCustomError(ARCHIVED_EVENT, "archived event type")
    return _must_be_event(value, info)


def _must_be_any_event(value: str, info: ValidationInfo) -> str:
    return value if value in OPERATIONAL_TYPES else _must_be_event(value, info)


def _must_be_any_event_or_all(value: str, info: ValidationInfo) -> str:
    return value if value == WILDCARD else _must_be_any_event(value, info)


def _must_be_ones_own(value: str | None, info: ValidationInfo) -> str | None:
    own = None if info.context is None else info.context.principal.team_id
    if own is not None and value not in (None, own):
        raise PydanticCustomError(NO_SUCH_TEAM, "no such team")
    return value


def _must_be_said_by_the_operator(value: str | None, info: ValidationInfo) -> str | None:
    if value is None and info.context is not None and info.context.principal.is_operator:
        raise ValueError("is missing: the operator must say which team")
    return value


def _must_be_free(value: str | None, info: ValidationInfo) -> str | None:
    if info.context is not None and value in info.context.reserved_ids:
        raise ValueError("is reserved by the API's paths: choose another id, or leave it out")
    return value


# An event of the product; that, or an operational one; what a webhook of either kind may subscribe to.
EventName = Annotated[str, AfterValidator(_must_be_accepted)]
AnyEventName = Annotated[str, AfterValidator(_must_be_any_event)]
SubscribedEvent = Annotated[str, AfterValidator(_must_be_any_event_or_all)]
# The team that a request is about, and the same where there has to be one: a team's key may leave both out.
SomeTeam = Annotated[str | None, AfterValidator(_must_be_ones_own)]
OneTeam = Annotated[SomeTeam, AfterValidator(_must_be_said_by_the_operator), Field(validate_default=True)]
FreeId = Annotated[str | None, AfterValidator(_must_be_free)]
