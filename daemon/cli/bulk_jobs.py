"""`kakiyo-webhooks deliveries resend` and `cancel`: many at once, after saying how many they are."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import click

from daemon.cli.declared import option
from daemon.cli.exits import CommandError, ExitCode
from daemon.cli.options import WHEN, ApiOptions, Outcome, Status, TeamFilter, idempotency_headers

if TYPE_CHECKING:
    from daemon.cli.client import Client

# Shows how many are done, of how many (None: nobody knows).
Report = Callable[[int, int | None], None]
_NOTHING_NAMED = "Name deliveries, or say which by options such as --status failed --since 2h; --all means all."
_NOBODY_TO_ASK = "Nobody is there to ask: add --yes to do it, or --dry-run to see how many there are."


@dataclass(frozen=True, slots=True)
class Which:
    """Which deliveries are meant, if they are not named."""

    webhook_id: Annotated[str | None, option("--webhook", metavar="ID", help="Only to this webhook.")] = None
    event_id: Annotated[str | None, option("--event-id", metavar="ID", help="Only of this event.")] = None
    status: Annotated[list[Status] | None, option("--status", help="Only those that stand so. May be repeated.")] = None
    event: Annotated[str | None, option("--type", "--event", metavar="TYPE", help="Only of this type.")] = None
    outcome: Annotated[Outcome | None, option("--outcome", help="Only those whose last attempt ended so.")] = None
    http_status: Annotated[
        str | None, option("--http-status", metavar="STATUS", help="Only those last answered so: 503, or 5xx.")
    ] = None
    since: Annotated[str | None, option("--since", help=WHEN)] = None
    until: Annotated[str | None, option("--until", help=WHEN)] = None
    all_of_them: Annotated[bool, option("--all", help="All of the team's, if nothing else says which.")] = False
    team_id: TeamFilter = None

    @property
    def filter(self) -> dict[str, Any]:
        """The filter, as the API takes it."""
        from daemon.cli.times import api_time

        given = {
            "webhookId": self.webhook_id,
            "eventId": self.event_id,
            "status": self.status,
            "event": self.event,
            "outcome": self.outcome,
            "httpStatus": self.http_status,
            "since": api_time(self.since),
            "until": api_time(self.until),
        }
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class How:
    """How a bulk job is asked for."""

    dry_run: Annotated[bool, option("--dry-run", help="Say how many there are, and do nothing.")] = False
    yes: Annotated[bool, option("--yes", "-y", help="Do not ask.")] = False
    no_wait: Annotated[bool, option("--no-wait", help="Do not wait until the job is over.")] = False
    idempotency_key: Annotated[
        str | None, option("--idempotency-key", metavar="KEY", help="The same key within 24 h does nothing again.")
    ] = None
    as_json: Annotated[bool, option("--json", help="Print the API's JSON exactly as it came.")] = False


def run_bulk_job(action: str, ids: list[str] | None, *, which: Which, how: How, api: ApiOptions) -> None:
    """Say how many deliveries there are, ask, have them resent or cancelled, and wait for it."""
    from daemon.cli.client import connect

    body = {"action": action, **_meant(ids, which)}
    with connect(api) as client:
        reply = client.send("POST", "/v1/bulk-jobs/preview", body=body)
        if how.dry_run or not reply.value["count"]:
            _print(reply.text, _in_words(action, reply.value), how)
            return
        if not how.yes:
            _ask(action, reply.value)
        made = client.send("POST", "/v1/bulk-jobs", body=body, headers=idempotency_headers(how.idempotency_key))
        if how.no_wait:
            _print(made.text, f"Job {made.value['id']} has begun.", how)
            return
        job = _wait(client, made.value)
        over = client.get(f"/v1/bulk-jobs/{job['id']}")
    _print(over.text, _result(over.value), how)


def _meant(ids: list[str] | None, which: Which) -> dict[str, Any]:
    wanted, team = which.filter, {} if which.team_id is None else {"teamId": which.team_id}
    if ids and (wanted or which.all_of_them):
        raise CommandError("Name deliveries, or say which by options: not both.", ExitCode.USAGE)
    if ids:
        return {"deliveryIds": ids, **team}
    if not (wanted or which.all_of_them):
        raise CommandError(_NOTHING_NAMED, ExitCode.USAGE)
    return {"filter": wanted, **team}


def _ask(action: str, preview: dict[str, Any]) -> None:
    if not sys.stdin.isatty():
        raise CommandError(f"{_in_words(action, preview)} {_NOBODY_TO_ASK}", ExitCode.USAGE)
    if not click.confirm(f"{_in_words(action, preview)} Go on?", err=True):
        raise CommandError("Nothing was done.", ExitCode.REFUSED)


def _in_words(action: str, preview: dict[str, Any]) -> str:
    count = preview["count"]
    number = f"{'' if preview['isExact'] else 'more than '}{count:,} deliver{'y' if count == 1 else 'ies'}"
    return f"This is to {action} {number}." if count else f"There is nothing to {action}."


def _wait(client: "Client", job: dict[str, Any]) -> dict[str, Any]:
    """Show the job's progress until it is over; return it as it is then."""
    from daemon.cli.following import follow

    path = f"/v1/bulk-jobs/{job['id']}"
    with _reporting() as report:

        def look() -> bool:
            nonlocal job
            job = client.get(path).value
            report(job["done"], job["total"])
            return bool(job["status"] != "running")

        try:
            if not look():
                follow(client, {"teamId": job["teamId"]}, look)
        except CommandError as error:
            raise CommandError(f"Job {job['id']} has begun, and cannot be followed. {error}", error.exit_code) from None
    return job


@contextmanager
def _reporting() -> Iterator[Report]:
    """Give what shows progress: a bar on a terminal, on stderr; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _done, _of: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("")
        yield lambda done, of: progress.update(task, completed=done, total=of)


def _result(job: dict[str, Any]) -> str:
    did = "resent" if job["action"] == "resend" else "cancelled"
    left_out = f", {job['skipped']:,} left out" if job["skipped"] else ""
    stopped = " It was cancelled before it had finished." if job["status"] == "cancelled" else ""
    return f"Job {job['id']}: {job['done']:,} {did}{left_out}.{stopped}"


def _print(text: str, words: str, how: How) -> None:
    from daemon.cli.output import print_json_text, print_line

    if how.as_json:
        print_json_text(text)
    else:
        print_line(words)
