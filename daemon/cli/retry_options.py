"""The options about retries and pace on the command line: how they are given, and how they are shown."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from daemon.cli.declared import option

SEPARATOR = ","


class JitterName(StrEnum):
    """What `--retry-jitter` takes."""

    FULL = "full"
    PROPORTIONAL = "proportional"


class WhileRetryingName(StrEnum):
    """What `--while-retrying` takes."""

    HOLD = "hold"
    STEP_ASIDE = "step_aside"


@dataclass(frozen=True, slots=True)
class RetryOptions:
    """What a command says about a webhook's retries and its pace."""

    retries: Annotated[
        str | None,
        option(
            "--retries",
            metavar="SCHEDULE",
            help="'standard', 'short', or the seconds before each retry: 5,60,3600. At most 20, each up to a day.",
        ),
    ] = None
    retry_jitter: Annotated[
        JitterName | None, option("--retry-jitter", help="By how much chance changes the delays before retries.")
    ] = None
    retry_after: Annotated[
        bool | None,
        option("--retry-after/--no-retry-after", help="Whether Retry-After of a 429 or 503 holds back the retry."),
    ] = None
    disable_on_gone: Annotated[
        bool | None,
        option("--disable-on-gone/--no-disable-on-gone", help="Whether an answer 410 Gone disables it at once."),
    ] = None

    max_per_second: Annotated[
        float | None,
        option("--max-per-second", metavar="NUMBER", min=0.01, max=1000, help="How many attempts begin in a second."),
    ] = None

    while_retrying: Annotated[
        WhileRetryingName | None,
        option("--while-retrying", help="What becomes of the order while a delivery waits for its retry."),
    ] = None

    concurrency: Annotated[
        int | None,
        option("--concurrency", metavar="NUMBER", min=1, max=32, help="How many deliveries are made at once."),
    ] = None

    @property
    def fields(self) -> dict[str, Any]:
        """The same as the API takes it; None for what is left out."""
        return {
            "retrySchedule": schedule_of(self.retries),
            "retryJitter": self.retry_jitter,
            "retryAfter": self.retry_after,
            "disableOnGone": self.disable_on_gone,
            "maxPerSecond": self.max_per_second,
            "whileRetrying": self.while_retrying,
            "concurrency": self.concurrency,
        }


def schedule_of(given: str | None) -> Any:
    """Return a schedule as the API takes it; what is none it refuses."""
    if given is None:
        return None
    try:
        return [float(one) for one in given.split(SEPARATOR)]
    except ValueError:
        return given


def retry_lines(webhook: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return a line for each of them that is not as usual."""
    schedule, jitter = webhook.get("retrySchedule"), webhook.get("retryJitter")
    lines: list[tuple[str, Any]] = []
    if schedule is not None:
        shown = schedule if isinstance(schedule, str) else ", ".join(f"{delay:.15g}" for delay in schedule) or "none"
        lines.append(("retries after seconds", shown))
    if jitter is not None:
        lines.append(("jitter", jitter))
    if webhook.get("retryAfter"):
        lines.append(("follows Retry-After", True))
    if webhook.get("disableOnGone"):
        lines.append(("disabled by 410", True))
    if (per_second := webhook.get("maxPerSecond")) is not None:
        lines.append(("deliveries a second, at most", per_second))
    if (choice := webhook.get("whileRetrying", "hold")) != "hold":
        lines.append(("while retrying", choice))
    if (at_once := webhook.get("concurrency", 1)) != 1:
        lines.append(("deliveries at once", at_once))
    return lines
