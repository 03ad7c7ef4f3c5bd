"""The whole command line. The modules it imports are light: each command imports what it needs when it runs."""

import os
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from typing import Annotated

import click

from daemon.cli.backup import backup, restore
from daemon.cli.completion import COMPLETION_VARIABLE, NAME, complete, completion
from daemon.cli.credits import build_credits
from daemon.cli.declared import command_of, group_calling, option
from daemon.cli.deliveries import build_deliveries
from daemon.cli.demo import demo
from daemon.cli.doctor import doctor
from daemon.cli.event_types import build_event_types
from daemon.cli.events import build_events
from daemon.cli.exits import ExitCode, say
from daemon.cli.find import find
from daemon.cli.keys import build_keys
from daemon.cli.listen import listen
from daemon.cli.logs import logs
from daemon.cli.migrate_store import migrate_store
from daemon.cli.nodes import build_nodes
from daemon.cli.secrets import build_secrets
from daemon.cli.serve import check_config, serve
from daemon.cli.system import system
from daemon.cli.teams import build_teams
from daemon.cli.trigger import trigger
from daemon.cli.webhooks import build_webhooks

_COMMANDS: Mapping[str, Callable[..., None]] = {
    "serve": serve,
    "demo": demo,
    "check-config": check_config,
    "doctor": doctor,
    "backup": backup,
    "restore": restore,
    "migrate-store": migrate_store,
    "find": find,
    "logs": logs,
    "system": system,
    "trigger": trigger,
    "listen": listen,
    "completion": completion,
}
_GROUPS: Mapping[str, Callable[[], click.Group]] = {
    "teams": build_teams,
    "keys": build_keys,
    "webhooks": build_webhooks,
    "events": build_events,
    "event-types": build_event_types,
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


def run_command(given: Sequence[str]) -> int:
    """Run the command that these arguments name, and return its exit code; wrong usage is explained on stderr."""
    if asked := os.environ.get(COMPLETION_VARIABLE):
        return complete(build_app(), asked)
    app = build_app(next(iter(given), None))
    try:
        with app.make_context(NAME, list(given)) as context:
            app.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.exceptions.NoArgsIsHelpError as wrong:
        click.echo(wrong.format_message())
        return wrong.exit_code
    except click.ClickException as wrong:
        explanation = StringIO()
        wrong.show(explanation)
        say(explanation.getvalue().rstrip())
        return wrong.exit_code
    return ExitCode.DONE


def build_app(only: str | None = None) -> click.Group:
    """Return the application with all its commands, or, if `only` is the name of one, with that command or group."""
    known = only in _COMMANDS or only in _GROUPS
    alone = [command_of(name, run) for name, run in _COMMANDS.items() if not known or name == only]
    groups = [build() for name, build in _GROUPS.items() if not known or name == only]
    commands = {str(command.name): command for command in (*alone, *groups)}
    return group_calling(NAME, version, commands, no_args_is_help=True, epilog=_EXIT_CODES)


def _print_version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        from daemon import __version__

        click.echo(f"{NAME} {__version__}")
        context.exit()


def version(
    shown: Annotated[
        bool, option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Deliver webhooks: durable, ordered, signed, retried and accounted for."""
