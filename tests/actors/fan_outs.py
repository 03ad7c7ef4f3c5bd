"""Submissions large enough to be fanned out in pieces, where a few deliveries are many (fixture `small_pieces`)."""

from daemon.domain.model import Team, Webhook
from tests.support.daemon import RunningDaemon

WEBHOOKS, EVENTS = 5, 6
AT_ONCE = 10  # more deliveries than this are created after the commit
PIECE = 7


def url(number: int) -> str:
    return f"https://{number}.example/hook"


async def webhooks_of(daemon: RunningDaemon, team: Team) -> list[Webhook]:
    """Register `WEBHOOKS` webhooks for every event of the team."""
    return [await daemon.webhook(team, url(number)) for number in range(WEBHOOKS)]


def numbers_at(daemon: RunningDaemon, number: int) -> list[int]:
    """Return which events have reached the webhook of this number, in order."""
    return [arrival.number for arrival in daemon.receiver.at(url(number))]


def count(daemon: RunningDaemon, query: str) -> int:
    """Return the number that this query selects."""
    with daemon.database.reading.connect() as connection:
        return int(connection.exec_driver_sql(query).scalar_one())
