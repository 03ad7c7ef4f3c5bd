"""Requests that are carried out once, however often they are sent (contract "HTTP API", Idempotency-Key)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from daemon.domain.submission import Idempotency

Made = TypeVar("Made", contravariant=True)

_OPERATOR = "operator"
_TEAM = "team:"  # no id has a colon: the operator's scope cannot be spelled as a team's


@dataclass(frozen=True, slots=True)
class Once(Generic[Made]):
    """What makes retries of a request harmless: `answer(created)` is the body that each of them is answered with."""

    idempotency: Idempotency
    answer: Callable[[Made], bytes]


def scope_of(team_id: str | None) -> str:
    """Return the scope of a team's keys, or of the operator's (None)."""
    return _OPERATOR if team_id is None else _TEAM + team_id


def former_scope(scope: str) -> str | None:
    """Return what a scope was called before revision 0007, None for the same: such keys still count for their 24 h.

    A team called `operator` shared the operator's scope: what was kept in it counts as the operator's.
    """
    team_id = scope.removeprefix(_TEAM)
    return None if team_id in (scope, _OPERATOR) else team_id


def answer_id(idempotency: Idempotency) -> str:
    """Return what the kept answer of a request is sealed for."""
    return f"answer {idempotency.scope} {idempotency.key}"
