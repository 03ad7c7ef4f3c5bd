"""`kakiyo-webhooks webhooks statistics`: how a webhook has done."""

from enum import StrEnum
from typing import Annotated, Any

from daemon.cli.declared import argument, option
from daemon.cli.options import ApiOptions, AsJson, with_api_options

_STEP_COLUMNS = ("from", "succeeded", "failed", "cancelled", "p50", "p95")


class Range(StrEnum):
    """What `--range` takes."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"


@with_api_options
def webhook_statistics(
    webhook_id: Annotated[str, argument(metavar="WEBHOOK")],
    covered: Annotated[
        Range | None, option("--range", help="Which time it covers; the last 24 hours without it.")
    ] = None,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """Show deliveries by outcome, the latency of attempts, and the most frequent errors.

    Steps in which nothing happened are left out.
    """
    from daemon.cli.client import connect, path_of
    from daemon.cli.output import print_json_text
    from daemon.cli.tables import list_of, record_of, render

    with connect(api) as client:
        reply = client.get(path_of("webhooks", webhook_id, "statistics"), {"range": covered})
    if as_json:
        print_json_text(reply.text)
        return
    render(record_of(_totals(reply.value)))
    if rows := [row for row in map(_step, reply.value["steps"]) if any(row[1:])]:
        render("")
        render(list_of(_STEP_COLUMNS, rows))


def _totals(found: dict[str, Any]) -> list[tuple[str, Any]]:
    counted = [(name, found[name]) for name in ("succeeded", "failed", "cancelled")]
    partly = " of the newest hours" if found["errorsArePartial"] else ""
    errors = [f"{_words(error)} ({error['attempts']:,} attempts{partly})" for error in found["errors"]]
    return [
        ("range", found["range"]),
        *counted,
        ("p50", _latency(found["p50Ms"])),
        ("p95", _latency(found["p95Ms"])),
        ("errors", "\n".join(errors)),
    ]


def _step(step: dict[str, Any]) -> tuple[Any, ...]:
    ends = (step[name] or None for name in ("succeeded", "failed", "cancelled"))
    return (step["start"], *ends, _latency(step["p50Ms"]), _latency(step["p95Ms"]))


def _latency(value: int | None) -> str | None:
    from daemon.domain.durations import duration

    return None if value is None else duration(value)


def _words(error: dict[str, Any]) -> str:
    from daemon.domain.causes import error_in_words

    return error_in_words(error["outcome"], error["status"])
