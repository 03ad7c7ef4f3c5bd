"""`kakiyo-webhooks webhooks`: the registered receivers."""

from pathlib import Path
from typing import Annotated

import click

from daemon.cli.declared import group_of, option
from daemon.cli.filters import Filter, filter_test
from daemon.cli.header_options import HeaderOptions
from daemon.cli.options import (
    AllPages,
    ApiOptions,
    AsJson,
    Cursor,
    EventsOption,
    IdempotencyKey,
    Limit,
    TeamFilter,
    idempotency_headers,
    with_api_options,
    with_options,
)
from daemon.cli.retry_options import RetryOptions
from daemon.cli.statistics import webhook_statistics
from daemon.cli.way_out_options import WayOutOptions
from daemon.cli.webhook_options import Reset, Scheme, Timeout, reset_options
from daemon.cli.webhook_secrets import GenerateSecret, SecretFile, WebhookId, public_key, rotate_secret
from daemon.domain.operations import About, BodyFormat


def build_webhooks() -> click.Group:
    """Return the group."""
    commands = {
        "create": create,
        "list": list_webhooks,
        "show": show,
        "statistics": webhook_statistics,
        "update": update,
        "enable": enable,
        "disable": disable,
        "pause": pause,
        "resume": resume,
        "rotate-secret": rotate_secret,
        "public-key": public_key,
        "delete": delete,
        "test": send_test,
        "filter-test": filter_test,
        "recover": recover,
    }
    return group_of("webhooks", commands, help="Register, change, pause, test and recover webhooks.")


@with_options(api=ApiOptions, retries=RetryOptions, way_out=WayOutOptions, headers=HeaderOptions)
def create(
    name: Annotated[str, option("--name", help='A label, such as "CRM Sync".')],
    url: Annotated[str, option("--url", help="The https endpoint that will get the POST requests.")],
    events: Annotated[
        list[str], option("--event", metavar="TYPE", help="An event type, or '*' for all. May be repeated.")
    ],
    team_id: TeamFilter = None,
    secret_file: SecretFile = None,
    generate_secret: GenerateSecret = False,
    about: Annotated[
        About | None,
        option("--about", help="'operations': it is told of webhooks and credits, not of the product's events."),
    ] = None,
    body_format: Annotated[
        BodyFormat | None,
        option("--body-format", help="'slack': one sentence, as Slack takes it; for operations alone."),
    ] = None,
    timeout: Timeout = None,
    signature_scheme: Scheme = None,
    condition: Filter = None,
    idempotency_key: IdempotencyKey = None,
    as_json: AsJson = False,
    *,
    retries: RetryOptions,
    way_out: WayOutOptions,
    headers: HeaderOptions,
    api: ApiOptions,
) -> None:
    """Register a webhook.

    The operator's operational webhooks without --team are told of all teams.
    """
    from daemon.cli.client import connect, present
    from daemon.cli.webhook_lines import print_webhook

    secret = _chosen_secret(secret_file, generate_secret)
    with connect(api) as client:
        own = {
            "timeoutS": timeout,
            "signatureScheme": signature_scheme,
            "filter": condition,
            **retries.fields,
            **way_out.fields,
            **headers.fields,
        }
        kind = {"about": about, "bodyFormat": body_format, **own}
        body = present({"teamId": team_id, "name": name, "url": url, "events": events, "secret": secret, **kind})
        print_webhook(
            client.send("POST", "/v1/webhooks", body=body, headers=idempotency_headers(idempotency_key)), as_json
        )


@with_api_options
def list_webhooks(
    team_id: TeamFilter = None,
    limit: Limit = None,
    cursor: Cursor = None,
    every_page: AllPages = False,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """List the webhooks."""
    from daemon.cli.client import connect
    from daemon.cli.replies import print_list
    from daemon.cli.webhook_lines import COLUMNS, row

    with connect(api) as client:
        query = {"teamId": team_id, "limit": limit, "cursor": cursor}
        print_list(
            client, "/v1/webhooks", query=query, columns=COLUMNS, row=row, every_page=every_page, as_json=as_json
        )


@with_api_options
def show(webhook_id: WebhookId, as_json: AsJson = False, *, api: ApiOptions) -> None:
    """Show one webhook."""
    from daemon.cli.client import connect, path_of
    from daemon.cli.webhook_lines import print_webhook

    with connect(api) as client:
        print_webhook(client.get(path_of("webhooks", webhook_id)), as_json)


@with_options(api=ApiOptions, retries=RetryOptions, way_out=WayOutOptions, headers=HeaderOptions)
def update(
    webhook_id: WebhookId,
    name: Annotated[str | None, option("--name", help="A new label.")] = None,
    url: Annotated[str | None, option("--url", help="A new endpoint.")] = None,
    events: EventsOption = None,
    secret_file: SecretFile = None,
    generate_secret: GenerateSecret = False,
    no_secret: Annotated[bool, option("--no-secret", help="Remove the secret: deliveries go unsigned.")] = False,
    timeout: Timeout = None,
    signature_scheme: Scheme = None,
    condition: Filter = None,
    reset: Reset = None,
    as_json: AsJson = False,
    *,
    retries: RetryOptions,
    way_out: WayOutOptions,
    headers: HeaderOptions,
    api: ApiOptions,
) -> None:
    """Change a webhook (the event types given replace all that were there)."""
    from daemon.cli.client import connect, path_of, present
    from daemon.cli.webhook_lines import print_webhook

    secret = _chosen_secret(secret_file, generate_secret)
    options = {
        "timeoutS": timeout,
        "signatureScheme": signature_scheme,
        "filter": condition,
        **retries.fields,
        **way_out.fields,
        **headers.fields,
    }
    changes = present({"name": name, "url": url, "events": events, "secret": secret, **options})
    changes |= reset_options(reset)
    if no_secret and secret:
        raise click.UsageError("--no-secret and a secret exclude each other: give one")
    if no_secret:
        changes["secret"] = None
    with connect(api) as client:
        print_webhook(client.send("PATCH", path_of("webhooks", webhook_id), changes), as_json)


@with_api_options
def enable(webhook_id: WebhookId, as_json: AsJson = False, *, api: ApiOptions) -> None:
    """Enable a webhook again, and set its failure counter to 0."""
    from daemon.cli.client import connect, path_of
    from daemon.cli.webhook_lines import print_webhook

    with connect(api) as client:
        print_webhook(client.send("PATCH", path_of("webhooks", webhook_id), {"active": True}), as_json)


@with_api_options
def disable(webhook_id: WebhookId, as_json: AsJson = False, *, api: ApiOptions) -> None:
    """Disable a webhook: its pending deliveries are cancelled, and it gets no more."""
    from daemon.cli.client import connect, path_of
    from daemon.cli.webhook_lines import print_webhook

    with connect(api) as client:
        print_webhook(client.send("PATCH", path_of("webhooks", webhook_id), {"active": False}), as_json)


@with_api_options
def pause(
    webhook_id: WebhookId,
    for_time: Annotated[
        str | None, option("--for", metavar="AGE", help="Resume by itself after so long (15m, 2h, 7d).")
    ] = None,
    until: Annotated[
        str | None, option("--until", metavar="TIME", help="Resume by itself at this time (2025-07-15T10:30:00Z).")
    ] = None,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """Pause a webhook: its deliveries wait, in order, and none is cancelled.

    A pause that there is keeps its time, unless another one is given.
    """
    from daemon.cli.client import connect, path_of, present
    from daemon.cli.times import resume_time
    from daemon.cli.webhook_lines import print_webhook

    changes = present({"paused": True, "resumesAt": resume_time(for_time, until)})
    with connect(api) as client:
        print_webhook(client.send("PATCH", path_of("webhooks", webhook_id), changes), as_json)


@with_api_options
def resume(webhook_id: WebhookId, as_json: AsJson = False, *, api: ApiOptions) -> None:
    """Resume a paused webhook: what waits for it goes on at once, in order."""
    from daemon.cli.client import connect, path_of
    from daemon.cli.webhook_lines import print_webhook

    with connect(api) as client:
        print_webhook(client.send("PATCH", path_of("webhooks", webhook_id), {"paused": False}), as_json)


@with_api_options
def delete(webhook_id: WebhookId, *, api: ApiOptions) -> None:
    """Delete a webhook: its pending deliveries are cancelled."""
    from daemon.cli.client import connect, path_of
    from daemon.cli.output import print_line

    with connect(api) as client:
        client.delete(path_of("webhooks", webhook_id))
    print_line(f"Deleted {webhook_id}.")


@with_api_options
def send_test(
    event: Annotated[str, option("--type", "--event", metavar="TYPE", help="The event type to try.")],
    team_id: TeamFilter = None,
    idempotency_key: IdempotencyKey = None,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """Send a test event to all active webhooks of the team that subscribe to it."""
    from daemon.cli.client import connect, present
    from daemon.cli.output import print_json_text, print_line
    from daemon.cli.tables import render, table_of

    with connect(api) as client:
        reply = client.send(
            "POST",
            "/v1/webhooks/test",
            body=present({"teamId": team_id, "event": event}),
            headers=idempotency_headers(idempotency_key),
        )
        if as_json:
            print_json_text(reply.text)
        elif rows := [(delivery["id"], delivery["webhookId"]) for delivery in reply.value["deliveries"]]:
            render(table_of(("delivery", "webhook"), rows))
        else:
            print_line(f"No active webhook subscribes to {event}: nothing was sent.")


@with_api_options
def recover(
    webhook_id: WebhookId,
    since: Annotated[str, option("--since", help="A time (2025-07-15T10:30:00Z) or an age (15m, 2h, 7d).")],
    idempotency_key: IdempotencyKey = None,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """Queue again, in order, every event since then that the webhook subscribes to and never got."""
    from daemon.cli.client import connect, path_of
    from daemon.cli.replies import print_reply
    from daemon.cli.times import api_time

    body = {"since": api_time(since)}
    with connect(api) as client:
        print_reply(
            client.send(
                "POST",
                path_of("webhooks", webhook_id, "recover"),
                body=body,
                headers=idempotency_headers(idempotency_key),
            ),
            as_json,
            dict.items,
        )


def _chosen_secret(file: Path | None, generate: bool) -> str | None:
    from daemon.cli.inputs import read_secret

    if generate and file:
        raise click.UsageError("--generate-secret and --secret-file exclude each other: give one")
    return "generate" if generate else read_secret(file)
