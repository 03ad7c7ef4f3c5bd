"""Submissions, as the API hands them to the router."""

from daemon.domain.model import Team
from daemon.domain.submission import Idempotency, NewEvent, Submission
from tests.support.daemon import EPOCH_MS


def submission(
    team: Team, *numbers: int, key: str | None = None, scope: str = "operator", body: str = ""
) -> Submission:
    """Return a submission of one event for each number; with a `key`, a caller may repeat it."""
    events = tuple(
        NewEvent(team.id, "linkedin.message.sent", EPOCH_MS, b'{"data":{"n":%d}}' % number) for number in numbers
    )
    return Submission(events, None if key is None else Idempotency(scope, key, body.encode()))
