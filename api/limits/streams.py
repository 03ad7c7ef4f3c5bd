"""How many streams may be open at once: of changes, pages of the console and requests of the API together; and of live
listeners, each of which may hold a whole event in memory."""

from daemon.management.listeners import LiveListeners
from daemon.telemetry.change_feed import ChangeFeed

MOST_STREAMS = 200
MOST_OF_ONE_TEAM = 20
MOST_LISTENERS = 50
MOST_LISTENERS_OF_ONE_TEAM = 5
HEARTBEAT_S = 15
_SHORTEST_PAUSE_S = 0.5
_PAUSE_PER_STREAM_S = 0.05  # 20 looks a second in total
STREAM_HEADERS = (("Content-Type", "text/event-stream; charset=utf-8"), ("X-Accel-Buffering", "no"))


def is_full(changes: ChangeFeed, team_id: str) -> bool:
    """Whether there is no room for one more stream of this team."""
    return changes.followers >= MOST_STREAMS or changes.followers_of(team_id) >= MOST_OF_ONE_TEAM


def pause_s(changes: ChangeFeed) -> float:
    """Return how long a stream rests after each message: the longer, the more streams there are."""
    return max(_SHORTEST_PAUSE_S, changes.followers * _PAUSE_PER_STREAM_S)


def are_full(listeners: LiveListeners, team_id: str) -> bool:
    """Whether there is no room for one more live listener of this team."""
    return listeners.count >= MOST_LISTENERS or listeners.count_of(team_id) >= MOST_LISTENERS_OF_ONE_TEAM
