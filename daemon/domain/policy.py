"""What holds for the retries of one webhook, as pure functions: the settings, and what it has of its own.

(contract "A delivery", "Auto-disable")
"""

from dataclasses import dataclass, replace
from typing import Literal

from daemon.domain.model import Attempt, Outcome
from daemon.domain.retries import Jitter, WhileRetrying, delays_of, longest_s, retry_after_s
from daemon.domain.webhook_options import DEFAULT_OPTIONS, WebhookOptions

Unit = Literal["deliveries", "attempts"]

_TELL_WHEN_TO_RETRY = (429, 503)
_WAITS = ("retry_schedule", "retry_jitter", "retry_after", "max_per_second", "while_retrying", "concurrency")


@dataclass(frozen=True, slots=True)
class Policy:
    """The promised schedule: seconds before each retry, and how many consecutive failures (of `count`) disable.

    `follows_retry_after` and `disables_on_gone` say what else a receiver's answer decides. With `steps_aside` a
    delivery that waits for its retry holds no other one.
    """

    retry_delays_s: tuple[float, ...] = (1, 2, 4)
    disable_after: int = 4
    count: Unit = "deliveries"
    jitter: Jitter | None = None
    follows_retry_after: bool = False
    disables_on_gone: bool = False
    steps_aside: bool = False


def policy_of(settings: Policy, options: WebhookOptions) -> Policy:
    """Return the policy of a webhook with these options, where `settings` is that of all webhooks."""
    if options is DEFAULT_OPTIONS:
        return settings
    delays = delays_of(options.retry_schedule)
    return replace(
        settings,
        retry_delays_s=settings.retry_delays_s if delays is None else delays,
        jitter=options.retry_jitter,
        follows_retry_after=options.retry_after,
        disables_on_gone=options.disable_on_gone,
        steps_aside=options.while_retrying is WhileRetrying.STEP_ASIDE,
    )


def reschedules(before: WebhookOptions, after: WebhookOptions) -> bool:
    """Whether what waits has to wait differently after this change of a webhook's options."""
    return before is not after and any(getattr(before, name) != getattr(after, name) for name in _WAITS)


def asked_delay_s(policy: Policy, outcome: Outcome, ended_at: int) -> float | None:
    """Return the seconds for which the receiver's answer of `ended_at` holds back a retry, None for none."""
    if not policy.follows_retry_after or outcome.status not in _TELL_WHEN_TO_RETRY:
        return None
    return retry_after_s(outcome.headers, ended_at)


def is_held_back(policy: Policy, last: Attempt) -> bool:
    """Whether the retry after this attempt waits for longer than the schedule has it, since the receiver asked."""
    asked_s = asked_delay_s(policy, last.outcome, last.started_at + last.outcome.duration_ms)
    has_delay = last.number <= len(policy.retry_delays_s)
    return asked_s is not None and has_delay and asked_s > policy.retry_delays_s[last.number - 1]


def remaining_backoff_s(
    policy: Policy, attempts_made: int, next_attempt_at: int | None, now: int, asked_s: float | None = None
) -> float:
    """Seconds that a pending delivery still has to wait before its next attempt, at `now` (milliseconds).

    Never more than the whole delay, or than the `asked_s` of the last answer (`asked_delay_s`): a wall clock set back
    by a day cannot make a delivery hang, and a shorter schedule counts for what waits already.
    """
    if next_attempt_at is None:
        return 0.0
    has_delay = 0 < attempts_made <= len(policy.retry_delays_s)
    delay_s = longest_s(policy.retry_delays_s[attempts_made - 1], policy.jitter) if has_delay else 0.0
    return min(max(next_attempt_at - now, 0) / 1000, max(delay_s, asked_s or 0.0))
