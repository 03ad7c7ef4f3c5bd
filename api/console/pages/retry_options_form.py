"""The options about retries and pace in the form of a webhook, and in words on its page."""

from collections.abc import Mapping
from typing import Any

from api.console.session.forms import Form
from daemon.domain.durations import duration
from daemon.domain.retries import Jitter, NamedSchedule, WhileRetrying
from daemon.domain.webhook_options import WebhookOptions

RETRY_MISTAKES = {
    "retrySchedule": "Enter standard, short, or up to 20 numbers of seconds from 1 to 86400, with commas between them.",
    "retryJitter": "Choose one of these.",
    "whileRetrying": "Choose one of these.",
    "concurrency": "Enter a whole number from 1 to 32, or leave it empty.",
    "maxPerSecond": "Enter a number from 0.01 to 1000, or leave it empty.",
}
_JITTER_WORDS = {Jitter.FULL: "anything up to each delay", Jitter.PROPORTIONAL: "by a fifth at most"}


def read_retries(form: Form) -> Mapping[str, Any]:
    """Return the options that the form has, by their names in the API."""
    read = {
        "retrySchedule": _schedule,
        "retryJitter": _chosen,
        "retryAfter": _yes,
        "disableOnGone": _yes,
        "whileRetrying": _chosen,
        "concurrency": _whole,
    }
    return {name: value_of(form.text(name)) for name, value_of in read.items() if form.has(name)}


def shown_schedule(value: Any) -> str:
    """Return how the field shows a schedule, or what was typed instead of one."""
    if isinstance(value, list | tuple):
        return ", ".join(f"{one:.15g}" if isinstance(one, float) else str(one) for one in value)
    return "" if value is None else str(value)


def retry_facts(options: WebhookOptions) -> list[tuple[str, str]]:
    """Return what the webhook's page says of those that are not as usual: their names and their values."""
    facts = []
    if options.retry_schedule is not None:
        facts.append(("Retries", _schedule_in_words(options.retry_schedule)))
    if options.retry_jitter is not None:
        facts.append(("Jitter", _JITTER_WORDS[options.retry_jitter]))
    if options.retry_after:
        facts.append(("Retry-After", "followed, for a day at most"))
    if options.disable_on_gone:
        facts.append(("410 Gone", "disables it at once"))
    if options.max_per_second is not None:
        facts.append(("Pace", f"at most {options.max_per_second:.15g} a second"))
    if options.while_retrying is WhileRetrying.STEP_ASIDE:
        facts.append(("While retrying", "the others are delivered meanwhile"))
    if options.concurrency > 1:
        facts.append(("Deliveries at once", f"up to {options.concurrency}"))
    return facts


def _schedule_in_words(schedule: NamedSchedule | tuple[float, ...]) -> str:
    if isinstance(schedule, NamedSchedule):
        return schedule
    after = ", ".join(duration(round(delay * 1000)) for delay in schedule)
    return f"after {after}" if schedule else "none"


def _schedule(typed: str) -> Any:
    if not typed:
        return None
    if typed.lower() in list(NamedSchedule):
        return typed.lower()
    try:
        return [float(one) for one in typed.split(",")]
    except ValueError:
        return typed


def _whole(typed: str) -> int | str | None:
    try:
        return int(typed) if typed else None
    except ValueError:
        return typed


def _chosen(typed: str) -> str | None:
    return typed or None


def _yes(typed: str) -> bool:
    return typed == "true"
