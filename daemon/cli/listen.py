"""`kakiyo-webhooks listen`: a local receiver that prints and verifies deliveries."""

import gc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from daemon.cli.declared import option
from daemon.cli.exits import CommandError, ExitCode
from daemon.cli.options import ApiOptions, with_api_options

if TYPE_CHECKING:
    from daemon.cli.listener import ListenerOptions


@with_api_options
def listen(
    port: Annotated[
        int | None, option("--port", min=0, max=65535, help="The port on 127.0.0.1, 9000 without it; 0: a free one.")
    ] = None,
    secret: Annotated[
        str | None, option("--secret", help="The webhook's secret. Others on this machine may see it.")
    ] = None,
    secret_file: Annotated[
        Path | None, option("--secret-file", metavar="FILE", help="A file that holds the secret.")
    ] = None,
    status: Annotated[
        int | None, option("--status", min=200, max=599, help="The status to answer; 200 without it.")
    ] = None,
    fail_first: Annotated[
        int, option("--fail-first", min=0, metavar="N", help="Answer 503 to the first N requests.")
    ] = 0,
    forward_to: Annotated[
        str | None,
        option(
            "--forward-to",
            metavar="URL",
            help="Pass each request on, such as to http://localhost:3000, and answer what the server there does.",
        ),
    ] = None,
    live: Annotated[
        bool, option("--live", help="Have the daemon stream a team's deliveries here: no webhook, no public address.")
    ] = False,
    events: Annotated[
        list[str] | None,
        option("--event", metavar="TYPE", help="With --live: an event type; all of them without it. May be repeated."),
    ] = None,
    team_id: Annotated[
        str | None, option("--team", metavar="ID", help="With --live: the team; a team's own key needs none.")
    ] = None,
    as_json: Annotated[bool, option("--json", help="Print one JSON object for each request.")] = False,
    *,
    api: ApiOptions,
) -> None:
    """Receive deliveries until Ctrl-C, print each one and say whether its signature is valid.

    Without --live it receives on loopback: a webhook to http://127.0.0.1 needs a daemon that runs with --dev.
    """
    from daemon.cli.inputs import read_secret
    from daemon.cli.listener import ListenerOptions

    if secret and secret_file:
        raise click.UsageError("--secret and --secret-file exclude each other: give one")
    if forward_to and status:
        raise click.UsageError("--forward-to and --status exclude each other: the server there answers")
    if live and port is not None:
        raise click.UsageError("--live and --port exclude each other: nothing listens on a port then")
    if not live and (events or team_id):
        raise click.UsageError("--event and --team are for --live: without it, the webhook says what comes")
    options = ListenerOptions(
        secret or read_secret(secret_file),
        status or 200,
        fail_first=fail_first,
        as_json=as_json,
        forward_to=_target(forward_to),
    )
    if live:
        _listen_live(options, events, team_id, api=api)
    else:
        _listen_on(9000 if port is None else port, options)


def _listen_live(options: "ListenerOptions", events: list[str] | None, team_id: str | None, *, api: ApiOptions) -> None:
    from dataclasses import replace

    from daemon.cli.client import present
    from daemon.cli.connection import find_connection
    from daemon.cli.live_listener import Wanted, run_live_listener
    from daemon.crypto.signing import generate_secret

    options = replace(options, secret=options.secret or generate_secret())
    body = present({"teamId": team_id, "events": list(events) if events else None, "secret": options.secret})
    connection = find_connection(api.api_url, api.config, api.state_dir)
    _until_stopped(run_live_listener, connection, Wanted(body, options.forward_to), options)


def _listen_on(port: int, options: "ListenerOptions") -> None:
    from daemon.cli.listener import run_listener

    try:
        _until_stopped(run_listener, port, options)
    except OSError as error:
        raise CommandError(
            f"Port {port} cannot be used ({error.strerror}): choose another with --port.", ExitCode.USAGE
        ) from None


def _target(url: str | None) -> str | None:
    if url is None:
        return None
    from daemon.cli.forwarding import parse_target

    return parse_target(url)


def _until_stopped(run: Callable[..., Awaitable[None]], *arguments: object) -> None:
    import trio

    gc.enable()
    try:
        trio.run(run, *arguments)
    except* click.exceptions.Exit:
        pass  # whoever read what is printed has left (`| head`)
