"""The options of a webhook about retries and pace, as they go over the wire (contract "Options of a webhook")."""

from typing import Annotated, Any

from pydantic import Field, PlainValidator, WithJsonSchema

from api.http.wire import Input, Output
from daemon.domain.retries import LONGEST_DELAY_S, MOST_RETRIES, SHORTEST_DELAY_S, Jitter, NamedSchedule, WhileRetrying
from daemon.domain.webhook_options import LEAST_PER_SECOND, MOST_AT_ONCE, MOST_PER_SECOND

_SCHEDULE = (
    "When a failed attempt is made again: `standard` (after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h), "
    "`short` (as the operator has it, 1, 2 and 4 s unless set otherwise), or up to 20 numbers: the seconds before each "
    "retry, 1 to 86,400. null: `short`."
)
_JITTER = (
    "By how much chance changes each delay of the schedule: `full` (anything up to it), `proportional` (by a fifth at "
    "most), null: not at all."
)
_RETRY_AFTER = (
    "Whether `Retry-After` of a 429 or 503 holds back the retry: for a day at most, never shorter than the schedule."
)
_GONE = "Whether an answer 410 Gone disables the webhook at once."
_PACE = (
    "How many attempts begin in a second at most, retries among them: evenly spaced, without bursts, 0.01 to 1,000. "
    "null: any number."
)
_WHILE_RETRYING = (
    "What becomes of the order while a delivery waits for its retry: `hold` (the others wait with it), or `step_aside` "
    "(the others are delivered meanwhile, and it goes before those that are pending when it is due)."
)
_CONCURRENCY = (
    "How many of its deliveries are made at once, 1 to 32. With more than one they begin in order, and may arrive and "
    "end in any."
)
_EXPECTED = f"expected `short`, `standard`, or up to {MOST_RETRIES} numbers of seconds"


def _schedule(value: Any) -> NamedSchedule | tuple[float, ...] | None:
    if value is None or value in list(NamedSchedule):
        return value and NamedSchedule(value)
    if not isinstance(value, list) or len(value) > MOST_RETRIES:
        raise ValueError(_EXPECTED)
    for place, delay in enumerate(value, 1):
        if isinstance(delay, bool) or not isinstance(delay, int | float):
            raise ValueError(f"{_EXPECTED}: number {place} is none")
        if not SHORTEST_DELAY_S <= delay <= LONGEST_DELAY_S:
            raise ValueError(f"expected {SHORTEST_DELAY_S} to {LONGEST_DELAY_S} seconds for number {place}")
    return tuple(map(float, value))


_SCHEDULE_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "enum": [name.value for name in NamedSchedule]},
        {
            "type": "array",
            "items": {"type": "number", "minimum": SHORTEST_DELAY_S, "maximum": LONGEST_DELAY_S},
            "maxItems": MOST_RETRIES,
        },
        {"type": "null"},
    ]
}
Schedule = Annotated[
    NamedSchedule | tuple[float, ...] | None, PlainValidator(_schedule), WithJsonSchema(_SCHEDULE_SCHEMA)
]


class RetryFields(Input):
    """The options about retries that a client may send."""

    retry_schedule: Schedule = Field(default_factory=lambda: None, description=_SCHEDULE)
    retry_jitter: Jitter | None = Field(default_factory=lambda: None, description=_JITTER, strict=False)
    retry_after: bool | None = Field(default_factory=lambda: None, description=f"{_RETRY_AFTER} null: false.")
    max_per_second: Annotated[float, Field(ge=LEAST_PER_SECOND, le=MOST_PER_SECOND, allow_inf_nan=False)] | None = (
        Field(default_factory=lambda: None, description=_PACE)
    )
    disable_on_gone: bool | None = Field(default_factory=lambda: None, description=f"{_GONE} null: false.")
    while_retrying: WhileRetrying | None = Field(
        default_factory=lambda: None, description=f"{_WHILE_RETRYING} null: `hold`.", strict=False
    )
    concurrency: Annotated[int, Field(ge=1, le=MOST_AT_ONCE)] | None = Field(
        default_factory=lambda: None, description=f"{_CONCURRENCY} null: 1."
    )


class ShownRetries(Output):
    """The options about retries."""

    retry_schedule: Annotated[NamedSchedule | tuple[float, ...] | None, WithJsonSchema(_SCHEDULE_SCHEMA)] = Field(
        description=_SCHEDULE
    )
    retry_jitter: Jitter | None = Field(description=_JITTER)
    retry_after: bool = Field(description=_RETRY_AFTER)
    disable_on_gone: bool = Field(description=_GONE)
    max_per_second: float | None = Field(description=_PACE)
    while_retrying: WhileRetrying = Field(description=_WHILE_RETRYING)
    concurrency: int = Field(description=_CONCURRENCY)


RETRIES_EXAMPLE = {
    "retrySchedule": "standard",
    "retryJitter": None,
    "retryAfter": True,
    "disableOnGone": False,
    "maxPerSecond": 5,
    "whileRetrying": "hold",
    "concurrency": 1,
}


def given_retries(body: RetryFields) -> dict[str, Any]:
    """Return the attributes of `WebhookOptions` that the body means."""
    return {
        "retry_schedule": body.retry_schedule,
        "retry_jitter": body.retry_jitter,
        "retry_after": bool(body.retry_after),
        "disable_on_gone": bool(body.disable_on_gone),
        "max_per_second": body.max_per_second,
        "while_retrying": body.while_retrying or WhileRetrying.HOLD,
        "concurrency": body.concurrency or 1,
    }
