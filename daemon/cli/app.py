"""The whole command line. The modules it imports are light: each command imports what it needs when it runs."""

from collections.abc import Callable, Mapping

import typer

from daemon.cli.backup import backup, restore
from daemon.cli.credits import build_credits
from daemon.cli.deliveries import build_deliveries
from daemon.cli.demo import demo
from daemon.cli.doctor import doctor
from daemon.cli.events import build_events
from daemon.cli.keys import build_keys
from daemon.cli.listen import listen
from daemon.cli.logs import logs
from daemon.cli.migrate_store import migrate_store
from daemon.cli.nodes import build_nodes
from daemon.cli.secrets import build_secrets
from daemon.cli.serve import check_config, serve
from daemon.cli.teams import build_teams
from daemon.cli.webhooks import build_webhooks

_COMMANDS: Mapping[str, Callable[..., None]] = {
    "serve": serve,
    "demo": demo,
    "check-config": check_config,
    "doctor": doctor,
    "backup": backup,
    "restore": restore,
    "migrate-store": migrate_store,
    "logs": logs,
    "listen": listen,
}
_GROUPS: Mapping[str, Callable[[], typer.Typer]] = {
    "teams": build_teams,
    "keys": build_keys,
    "webhooks": build_webhooks,
    "events": build_events,
    "deliveries": build_deliveries,
    "credits": build_credits,
    "secrets": build_secrets,
    "nodes": build_nodes,
}
_EXIT_CODES = (
    "Exit codes: 0 done, 1 refused by the daemon, 2 wrong usage or settings, 3 the daemon cannot be reached, "
    "4 not found, 5 standard output could not be written, 6 stopped with acknowledged commits missing, 70 a bug, "
    "130 ended by Ctrl-C."
)


def build_app(only: str | None = None) -> typer.Typer:
    """Return the application with all its commands, or, if `only` is the name of one, with that command or group.

    Building all takes a tenth of a second, which a start of the daemon should not wait for.
    """
    # Tracebacks with local variables could show a key or a secret.
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, epilog=_EXIT_CODES)
    app.callback()(version)
    known = only in _COMMANDS or only in _GROUPS
    for name, command in _COMMANDS.items():
        if not known or name == only:
            app.command(name)(command)
    for name, build in _GROUPS.items():
        if not known or name == only:
            app.add_typer(build())
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        from daemon import __version__

        typer.echo(f"kakiyo-webhooks {__version__}")
        raise typer.Exit


def version(
    shown: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    """Deliver webhooks: durable, ordered, signed, retried and accounted for."""
