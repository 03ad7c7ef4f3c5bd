"""The command line, taken apart."""

from collections.abc import Iterator
from typing import Any

from daemon.cli.app import build_app


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command with its full name, groups included."""
    yield from _within(build_app(), "")


def help_of_every_command() -> str:
    """Return all that `--help` says, without its layout."""
    said = []
    for name, command in commands():
        parameters = (getattr(parameter, "help", None) or "" for parameter in command.params)
        said.append("\n".join([name, command.help or "", *parameters]))
    return "\n".join(said)


def _within(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield name, command
    for part, inner in getattr(command, "commands", {}).items():
        yield from _within(inner, f"{name} {part}".strip())
