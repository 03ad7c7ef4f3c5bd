"""What became of a webhook's deliveries over a day, a week or a month (contract "Statistics")."""

from pydantic import Field

from api.http.auth import owned
from api.http.errors import Code
from api.http.route import Call, Route
from api.http.wire import Input, Output, OutputTime, format_time
from daemon.domain import statistics as domain
from daemon.domain.model import OutcomeKind
from daemon.domain.statistics import HourTally, StatisticsRange
from daemon.store.reads import api_reads
from daemon.store.reads.statistics_reads import webhook_statistics

_P50 = (
    "The latency that half of the attempts did not exceed (ms); null without attempts that were answered or timed out."
)


class StatisticsQuery(Input):
    """Which time the statistics cover."""

    range: StatisticsRange = Field(
        StatisticsRange.DAY, description="The time that they cover, up to the hour that goes on.", strict=False
    )


class StatisticsStep(Output):
    """What ended in one step of the time."""

    start: OutputTime = Field(description="When the step begins.")
    succeeded: int = Field(description="Deliveries that succeeded.")
    failed: int = Field(description="Deliveries that failed.")
    cancelled: int = Field(description="Deliveries that were cancelled.")
    p50_ms: int | None = Field(description=_P50)
    p95_ms: int | None = Field(description="The same for 95 of 100.")


class StatisticsError(Output):
    """How many attempts failed in one way."""

    outcome: OutcomeKind = Field(description="How they failed.")
    status: int | None = Field(description="The HTTP status that was answered, if one was.")
    attempts: int = Field(description="How many attempts.")


class WebhookStatistics(Output):
    """What became of a webhook's deliveries over a time."""

    range: StatisticsRange = Field(description="The time that is covered.")
    step_hours: int = Field(description="How many hours a step has.")
    succeeded: int = Field(description="Deliveries that succeeded in this time.")
    failed: int = Field(description="Deliveries that failed.")
    cancelled: int = Field(description="Deliveries that were cancelled.")
    p50_ms: int | None = Field(description=_P50)
    p95_ms: int | None = Field(description="The same for 95 of 100.")
    steps: list[StatisticsStep] = Field(description="Every step, the oldest first; the last one goes on.")
    errors: list[StatisticsError] = Field(description="The most frequent errors of attempts, at most 10.")
    errors_are_partial: bool = Field(
        description="Whether there were too many kinds of errors: of the oldest hours none is counted then."
    )


async def get_statistics(call: Call, webhook_id: str, query: StatisticsQuery) -> WebhookStatistics:
    """Answer with a webhook's statistics."""
    reader = call.handles.reader
    owned(call, await reader.fetch(api_reads.get_webhook, webhook_id), "webhook")
    return _shown(await reader.fetch(webhook_statistics, webhook_id, query.range, call.handles.now_ms()))


def _shown(found: domain.Statistics) -> WebhookStatistics:
    total = found.total
    return WebhookStatistics(
        range=found.range,
        step_hours=found.range.step_hours,
        succeeded=total.succeeded,
        failed=total.failed,
        cancelled=total.cancelled,
        p50_ms=total.p50_ms,
        p95_ms=total.p95_ms,
        steps=list(map(_step, found.steps)),
        errors=[
            StatisticsError(outcome=error.outcome, status=error.status, attempts=error.attempts)
            for error in found.errors
        ],
        errors_are_partial=found.errors_are_partial,
    )


def _step(step: HourTally) -> StatisticsStep:
    return StatisticsStep(
        start=format_time(step.start),
        succeeded=step.succeeded,
        failed=step.failed,
        cancelled=step.cancelled,
        p50_ms=step.p50_ms,
        p95_ms=step.p95_ms,
    )


ROUTES = (
    Route(
        "GET",
        "/v1/webhooks/{webhook_id}/statistics",
        get_statistics,
        tag="Webhooks",
        summary="See how a webhook has done",
        description=(
            "Deliveries by outcome and the latency of attempts, for each hour of the last 24 hours or 7 days, or each "
            "6 hours of the last 30 days, and the most frequent errors. Latencies are kept in classes, up to 10, 20, "
            "50, 100, 200, 500, 1,000, 2,000, 5,000 and 10,000 ms and longer: within its class a value is estimated."
        ),
        query=StatisticsQuery,
        answer=WebhookStatistics,
        example={
            "range": "24h",
            "stepHours": 1,
            "succeeded": 1204,
            "failed": 3,
            "cancelled": 0,
            "p50Ms": 74,
            "p95Ms": 310,
            "steps": [
                {
                    "start": "2025-07-15T10:00:00.000Z",
                    "succeeded": 52,
                    "failed": 1,
                    "cancelled": 0,
                    "p50Ms": 71,
                    "p95Ms": 290,
                }
            ],
            "errors": [{"outcome": "http_error", "status": 503, "attempts": 12}],
            "errorsArePartial": False,
        },
        refusals=(Code.NOT_FOUND,),
    ),
)
