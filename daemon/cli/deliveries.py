"""`kakiyo-webhooks deliveries`: what was delivered, what was not, and why."""

import gc
from itertools import count
from typing import Annotated, Any

import click

from daemon.cli.bulk_jobs import How, Which, run_bulk_job
from daemon.cli.declared import argument, group_of, option
from daemon.cli.exits import ExitCode
from daemon.cli.options import (
    WHEN,
    AllPages,
    ApiOptions,
    AsJson,
    Cursor,
    Limit,
    Outcome,
    Status,
    TeamFilter,
    idempotency_headers,
    with_api_options,
    with_options,
)

_DeliveryId = Annotated[str, argument(metavar="DELIVERY")]
_DeliveryIds = Annotated[list[str] | None, argument(metavar="[DELIVERY]...")]
COLUMNS = ("id", "status", "result", "attempts", "event", "webhook", "created", "ended")
_ORIGINS = {"resend": "resend of", "recover": "recovered from"}
_AGAIN = {"resend": "resent as", "recover": "recovered as"}
_ATTEMPT_COLUMNS = ("attempt", "started", "took", "outcome", "status", "error")


def build_deliveries() -> click.Group:
    """Return the group."""
    commands = {"list": list_deliveries, "tail": tail, "show": show, "resend": resend, "cancel": cancel}
    return group_of("deliveries", commands, help="List, follow, look at, resend and cancel deliveries.")


@with_api_options
def list_deliveries(
    webhook_id: Annotated[str | None, option("--webhook", metavar="ID", help="Only to this webhook.")] = None,
    event_id: Annotated[str | None, option("--event-id", metavar="ID", help="Only of this event.")] = None,
    status: Annotated[
        list[Status] | None, option("--status", help="Only those that stand so. May be repeated.")
    ] = None,
    event: Annotated[str | None, option("--type", "--event", metavar="TYPE", help="Only of this type.")] = None,
    outcome: Annotated[Outcome | None, option("--outcome", help="Only those whose last attempt ended so.")] = None,
    http_status: Annotated[
        str | None, option("--http-status", metavar="STATUS", help="Only those last answered so: 503, or 5xx.")
    ] = None,
    since: Annotated[str | None, option("--since", help=WHEN)] = None,
    until: Annotated[str | None, option("--until", help=WHEN)] = None,
    team_id: TeamFilter = None,
    limit: Limit = None,
    cursor: Cursor = None,
    every_page: AllPages = False,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """List deliveries, the newest first."""
    from daemon.cli.client import connect
    from daemon.cli.replies import print_list
    from daemon.cli.times import api_time

    filters = {"teamId": team_id, "webhookId": webhook_id, "eventId": event_id, "status": status, "event": event}
    last = {"outcome": outcome, "httpStatus": http_status}
    query = {**filters, **last, "since": api_time(since), "until": api_time(until), "limit": limit, "cursor": cursor}
    with connect(api) as client:
        print_list(
            client, "/v1/deliveries", query=query, columns=COLUMNS, row=row, every_page=every_page, as_json=as_json
        )


@with_api_options
def tail(
    webhook_id: Annotated[str | None, option("--webhook", metavar="ID", help="Only to this webhook.")] = None,
    status: Annotated[
        list[Status] | None, option("--status", help="Only those that stand so. May be repeated.")
    ] = None,
    event: Annotated[str | None, option("--type", "--event", metavar="TYPE", help="Only of this type.")] = None,
    lines: Annotated[int, option("--lines", "-n", min=0, max=200, help="How many of the last to begin with.")] = 10,
    team_id: TeamFilter = None,
    as_json: Annotated[bool, option("--json", help="Print one JSON object for each line.")] = False,
    *,
    api: ApiOptions,
) -> None:
    """Follow a team's deliveries as they happen, until Ctrl-C: a line for each attempt and each end."""
    from daemon.cli.client import connect
    from daemon.cli.delivery_lines import DeliveryLines, newest, news
    from daemon.cli.following import follow

    gc.enable()
    shown = DeliveryLines(status or (), as_json)
    query = {"teamId": team_id, "webhookId": webhook_id, "event": event}
    looks = count()
    with connect(api) as client:

        def look() -> bool:
            is_first = next(looks) == 0
            shown.show(newest(client, query, shown, count=lines) if is_first else news(client, query, shown))
            return False

        try:
            follow(client, {"teamId": team_id, "webhookId": webhook_id}, look)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(ExitCode.DONE) from None


@with_api_options
def show(delivery_id: _DeliveryId, as_json: AsJson = False, *, api: ApiOptions) -> None:
    """Show a delivery with every attempt, and what the receiver answered last."""
    from daemon.cli.client import connect, path_of
    from daemon.cli.output import print_json_text

    with connect(api) as client:
        reply = client.get(path_of("deliveries", delivery_id))
        if as_json:
            print_json_text(reply.text)
        else:
            _print_delivery(reply.value)


@with_options(api=ApiOptions, how=How, which=Which)
def resend(delivery_ids: _DeliveryIds = None, *, which: Which, how: How, api: ApiOptions) -> None:
    """Make new deliveries of the same events to the same webhooks, each once: of one, or of many after asking."""
    only = delivery_ids[0] if delivery_ids and len(delivery_ids) == 1 else None
    if only is None or how.dry_run or which.filter or which.all_of_them:
        run_bulk_job("resend", delivery_ids, which=which, how=how, api=api)
    else:
        _resend_one(only, how, api)


@with_options(api=ApiOptions, how=How, which=Which)
def cancel(delivery_ids: _DeliveryIds = None, *, which: Which, how: How, api: ApiOptions) -> None:
    """Cancel deliveries that are pending, but those whose attempt is in flight, after asking."""
    run_bulk_job("cancel", delivery_ids, which=which, how=how, api=api)


def _resend_one(delivery_id: str, how: How, api: ApiOptions) -> None:
    from daemon.cli.client import connect, path_of
    from daemon.cli.replies import print_reply

    headers = idempotency_headers(how.idempotency_key)
    with connect(api) as client:
        reply = client.send("POST", path_of("deliveries", delivery_id, "resend"), body={}, headers=headers)
        print_reply(reply, how.as_json, lambda delivery: zip(COLUMNS, row(delivery), strict=True))


def row(delivery: dict[str, Any]) -> tuple[Any, ...]:
    """Return the delivery's cells, as COLUMNS names them."""
    return (
        delivery["id"],
        _standing(delivery),
        cause_of(delivery),
        delivery["attemptsMade"],
        delivery["event"],
        delivery["webhookId"],
        delivery["createdAt"],
        delivery["completedAt"],
    )


def cause_of(delivery: dict[str, Any]) -> str:
    """Return why it stands so: why it was cancelled, else how its last attempt ended; "" if there was none."""
    from daemon.domain.causes import LATER, PACED, PAUSED, attempt_in_words, cancelled_in_words

    if delivery["cancelReason"] is not None:
        return cancelled_in_words(delivery["cancelReason"])
    if delivery.get("waitingForResume"):
        return PAUSED
    if delivery.get("waitingForPace"):
        return PACED
    if delivery.get("waitsAside") and not delivery["attemptsMade"]:
        return LATER
    last = delivery.get("lastAttempt")
    return attempt_in_words(last["outcome"], last["status"], last["durationMs"]) if last else ""


def _standing(delivery: dict[str, Any]) -> str:
    if delivery.get("waitingForCredits"):
        return "pending, waits for credits"
    return str(delivery["status"])


def _print_delivery(delivery: dict[str, Any]) -> None:
    from daemon.cli.tables import record_of, render, table_of

    next_attempt, reason = delivery["nextAttemptAt"], delivery["cancelReason"]
    fields = [*zip(COLUMNS, row(delivery), strict=True), ("event id", delivery["eventId"]), ("test", delivery["test"])]
    if delivery.get("nextAttemptBecause") == "retry_after":
        next_attempt = f"{next_attempt}, as its receiver asked by Retry-After"
    if delivery.get("nextAttemptBecause") == "deliver_at":
        next_attempt = f"{next_attempt}, as was asked for with its event"
    if delivery.get("waitsAside"):
        next_attempt = f"{next_attempt}; others are delivered meanwhile"
    fields += [("next attempt", next_attempt), ("cancelled because", reason)]
    fields += [(_ORIGINS[one["kind"]], one["deliveryId"]) for one in [delivery["origin"]] if one]
    fields += [(_AGAIN[one["kind"]], one["deliveryId"]) for one in delivery["queuedAgainAs"]]
    render(record_of(fields))
    if attempts := delivery["attempts"]:
        render("")
        render(table_of(_ATTEMPT_COLUMNS, map(_attempt_row, attempts)))
        _print_request(attempts[-1])
        _print_answer(attempts[-1])


def _attempt_row(attempt: dict[str, Any]) -> tuple[Any, ...]:
    took = f"{attempt['durationMs']} ms"
    return attempt["number"], attempt["startedAt"], took, attempt["outcome"], attempt["status"], attempt["error"]


def _print_request(attempt: dict[str, Any]) -> None:
    from daemon.cli.tables import cell, render

    if request := attempt.get("request"):
        render(f"\n[bold]request of the last attempt[/]{'' if request['isCertain'] else ', as it would be now'}")
        render(cell("\n".join([request["line"], *(": ".join(pair) for pair in request["headers"])])))


def _print_answer(attempt: dict[str, Any]) -> None:
    from daemon.cli.tables import cell, render

    if attempt["responseBody"]:
        render("\n[bold]answer to the last attempt[/]")
        render(cell(attempt["responseBody"]))
