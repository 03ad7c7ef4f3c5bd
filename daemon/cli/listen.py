"""`kakiyo-webhooks listen`: a local receiver that prints and verifies deliveries."""

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from daemon.cli.declared import option
from daemon.cli.exits import CommandError, ExitCode

if TYPE_CHECKING:
    from daemon.cli.listener import ListenerOptions


def listen(
    port: Annotated[int, option("--port", min=0, max=65535, help="The port on 127.0.0.1; 0 takes a free one.")] = 9000,
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
    as_json: Annotated[bool, option("--json", help="Print one JSON object for each request.")] = False,
) -> None:
    """Receive deliveries on loopback until Ctrl-C, print each one and say whether its signature is valid.

    A webhook to http://127.0.0.1 needs a daemon that runs with --dev.
    """
    from daemon.cli.inputs import read_secret
    from daemon.cli.listener import ListenerOptions

    if secret and secret_file:
        raise click.UsageError("--secret and --secret-file exclude each other: give one")
    if forward_to and status:
        raise click.UsageError("--forward-to and --status exclude each other: the server there answers")
    options = ListenerOptions(
        secret or read_secret(secret_file),
        status or 200,
        fail_first=fail_first,
        as_json=as_json,
        forward_to=_target(forward_to),
    )
    try:
        _listen_until_stopped(port, options)
    except OSError as error:
        raise CommandError(
            f"Port {port} cannot be used ({error.strerror}): choose another with --port.", ExitCode.USAGE
        ) from None


def _target(url: str | None) -> str | None:
    if url is None:
        return None
    from daemon.cli.forwarding import parse_target

    return parse_target(url)


def _listen_until_stopped(port: int, options: "ListenerOptions") -> None:
    import trio

    from daemon.cli.listener import run_listener

    gc.enable()
    try:
        trio.run(run_listener, port, options)
    except* click.exceptions.Exit:
        pass  # whoever read what is printed has left (`| head`)
