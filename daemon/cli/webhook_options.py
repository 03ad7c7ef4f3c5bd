"""The options of a webhook on the command line: how they are given, and how they are shown."""

from enum import StrEnum
from typing import Annotated, Any

from daemon.cli.declared import option
from daemon.cli.retry_options import retry_lines
from daemon.cli.way_out_options import way_out_lines


class OptionName(StrEnum):
    """What `--reset` takes: the options of a webhook, by their names in the API."""

    TIMEOUT = "timeoutS"
    RETRIES = "retrySchedule"
    JITTER = "retryJitter"
    RETRY_AFTER = "retryAfter"
    GONE = "disableOnGone"
    PACE = "maxPerSecond"
    WHILE_RETRYING = "whileRetrying"
    IP_VERSION = "ipVersion"
    PROXY = "proxy"


Timeout = Annotated[
    float | None,
    option("--timeout", metavar="SECONDS", min=1, max=30, help="How many seconds an attempt may take."),
]
Reset = Annotated[
    list[OptionName] | None,
    option("--reset", help="Set an option back to its default. May be repeated."),
]


def reset_options(names: list[OptionName] | None) -> dict[str, None]:
    """Return what sets these options back, as the API takes it."""
    return {name.value: None for name in names or ()}


def option_lines(webhook: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return a line for each option that is not as usual."""
    timeout_s = webhook.get("timeoutS")
    lines = [] if timeout_s is None else [("timeout in seconds", timeout_s)]
    return lines + retry_lines(webhook) + way_out_lines(webhook)
