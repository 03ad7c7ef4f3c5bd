"""The command line, `kakiyo-webhooks` (contract "Command line"): thin, one file for each group of commands."""

import sys
from collections.abc import Sequence
from io import TextIOWrapper


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end in SystemExit with one of `daemon.cli.exits.ExitCode`.

    `arguments` default to the process's. What is wrong is said in sentences on stderr, never as a traceback.
    """
    from typer.main import get_command

    from daemon.cli.app import build_app
    from daemon.cli.exits import CommandError

    _survive_narrow_encodings()
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        get_command(build_app(next(iter(given), None))).main(given, prog_name="kakiyo-webhooks")
    except CommandError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


def _survive_narrow_encodings() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
