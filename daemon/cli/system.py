"""`kakiyo-webhooks system`: how the daemon has done in the last hour."""

from typing import Any

from daemon.cli.options import ApiOptions, AsJson, with_api_options

_COLUMNS = ("minute", "accepted", "ended", "backlog", "oldest", "attempt p50", "p95", "commit p50", "commit p95")


@with_api_options
def system(as_json: AsJson = False, *, api: ApiOptions) -> None:
    """Show the last hour of the node that answers, minute by minute: throughput, backlog, latency, commit time."""
    from daemon.cli.client import connect
    from daemon.cli.output import print_json_text, print_line
    from daemon.cli.tables import list_of, render
    from daemon.domain.printable import printable

    with connect(api) as client:
        reply = client.get("/v1/system", {})
    if as_json:
        print_json_text(reply.text)
    elif minutes := reply.value["minutes"]:
        render(list_of(_COLUMNS, map(_row, minutes)))
    else:
        print_line(f"{printable(reply.value['node'])} started less than a minute ago.")


def _row(minute: dict[str, Any]) -> tuple[Any, ...]:
    backlog = None if minute["backlog"] is None else f"{minute['backlog']:,}{'+' if minute['backlogIsMore'] else ''}"
    durations = ("oldestMs", "attemptP50Ms", "attemptP95Ms", "commitP50Ms", "commitP95Ms")
    return (
        minute["at"],
        minute["accepted"],
        minute["ended"],
        backlog,
        *(_duration(minute[name]) for name in durations),
    )


def _duration(value_ms: float | None) -> str | None:
    from daemon.domain.durations import short_duration

    return None if value_ms is None else short_duration(value_ms)
