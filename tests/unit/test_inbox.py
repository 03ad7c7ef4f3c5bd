"""What waits for its commit: what can never be held is told from what cannot be held just now."""

from collections.abc import Mapping

import pytest

from daemon.actors.shares import Share
from daemon.delivery.inbox import Inbox, InboxLimits, Load
from daemon.domain.errors import Overloaded, SubmissionTooLarge

LIMIT = 100


@pytest.fixture
def inbox() -> Inbox[str]:
    return Inbox(InboxLimits(events=LIMIT, size_bytes=LIMIT), Share(LIMIT))


def loads(kind: str, **amounts: int) -> Mapping[str, Load]:
    return {team_id: Load(**{kind: amount}) for team_id, amount in amounts.items()}


@pytest.mark.parametrize("kind", ["events", "size_bytes", "deliveries"])
@pytest.mark.parametrize("amounts", [{"a": 51}, {"a": 1, "b": 51}, {"a": 34, "b": 34, "c": 34}])
def test_what_can_never_be_held_is_too_large(inbox: Inbox[str], kind: str, amounts: dict[str, int]) -> None:
    with pytest.raises(SubmissionTooLarge):
        inbox.require_room(loads(kind, **amounts))


@pytest.mark.parametrize("kind", ["events", "size_bytes", "deliveries"])
def test_what_does_not_fit_beside_others_may_be_sent_again(inbox: Inbox[str], kind: str) -> None:
    held = loads(kind, a=50, b=25)
    inbox.require_room(loads(kind, a=50))
    inbox.hold(held)
    for amounts in ({"a": 1}, {"b": 1}, {"c": 14}):
        with pytest.raises(Overloaded):
            inbox.require_room(loads(kind, **amounts))
    inbox.require_room(loads(kind, c=13))
    inbox.release(held)
    inbox.require_room(loads(kind, a=50))
