"""How the daemon has done in the last hour (contract "Statistics")."""

from pydantic import Field

from api.http.route import Access, Call, Route
from api.http.wire import Output, OutputTime, format_time
from daemon.maintenance import last_hour

_P50 = "What half of the {} did not exceed (ms); null without any."
_P95 = "The same for 95 of 100."


class Minute(Output):
    """One minute of the node that answers."""

    at: OutputTime = Field(description="When it ended.")
    accepted: int = Field(description="Events accepted in it.")
    ended: int = Field(description="Deliveries that ended in it.")
    backlog: int | None = Field(
        description="Deliveries pending at its end, of all nodes; null if the database was away."
    )
    backlog_is_more: bool = Field(description="Whether there were more: they are counted up to 100,000.")
    oldest_ms: int | None = Field(description="For how long the oldest of them was pending (ms); null as above.")
    attempt_p50_ms: float | None = Field(description=_P50.format("attempts"))
    attempt_p95_ms: float | None = Field(description=_P95)
    commit_p50_ms: float | None = Field(description=_P50.format("commits"))
    commit_p95_ms: float | None = Field(description=_P95)


class System(Output):
    """The last hour of the node that answers."""

    node: str = Field(description="Its name.")
    minutes: list[Minute] = Field(description="At most 60 minutes, the oldest first: fewer after a start.")


async def get_system(call: Call) -> System:
    """Answer with the last hour."""
    handles = call.handles
    return System(node=handles.settings.store.effective_node_name, minutes=list(map(_shown, handles.system.minutes())))


def _shown(minute: last_hour.Minute) -> Minute:
    return Minute(
        at=format_time(minute.at),
        accepted=minute.accepted,
        ended=minute.ended,
        backlog=minute.backlog,
        backlog_is_more=minute.backlog_is_more,
        oldest_ms=minute.oldest_ms,
        attempt_p50_ms=_rounded(minute.attempt_p50_ms),
        attempt_p95_ms=_rounded(minute.attempt_p95_ms),
        commit_p50_ms=_rounded(minute.commit_p50_ms),
        commit_p95_ms=_rounded(minute.commit_p95_ms),
    )


def _rounded(value_ms: float | None) -> float | None:
    return None if value_ms is None else round(value_ms, 2)


ROUTES = (
    Route(
        "GET",
        "/v1/system",
        get_system,
        tag="Operation",
        summary="See how the daemon has done",
        description=(
            "The last hour, minute by minute: throughput, backlog, the oldest pending delivery, and what attempts and "
            "commits took. Each node keeps it in memory: of several, the one that answers tells its own. Durations "
            "are those of the metrics' histograms, estimated within a bucket."
        ),
        access=Access.OPERATOR,
        answer=System,
        example={
            "node": "hooks-1",
            "minutes": [
                {
                    "at": "2025-07-15T10:30:00.000Z",
                    "accepted": 2460,
                    "ended": 7310,
                    "backlog": 12,
                    "backlogIsMore": False,
                    "oldestMs": 830,
                    "attemptP50Ms": 71.5,
                    "attemptP95Ms": 240,
                    "commitP50Ms": 1.8,
                    "commitP95Ms": 4.6,
                }
            ],
        },
    ),
)
