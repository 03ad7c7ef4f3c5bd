"""`kakiyo-webhooks completion`: the shell completes commands and options."""

from enum import StrEnum
from typing import Annotated

import click

from daemon.cli.declared import argument

NAME = "kakiyo-webhooks"
COMPLETION_VARIABLE = "_KAKIYO_WEBHOOKS_COMPLETE"  # as click calls it: the shell's script sets it


class Shell(StrEnum):
    """What `completion` takes."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, argument(metavar="bash|zsh|fish")]) -> None:
    """Print the code that has a shell complete commands and options.

    For bash: eval "$(kakiyo-webhooks completion bash)" in ~/.bashrc.
    """
    from click.shell_completion import get_completion_class

    from daemon.cli.output import print_line

    if found := get_completion_class(shell):
        print_line(found(click.Group(NAME), {}, NAME, COMPLETION_VARIABLE).source())


def complete(app: click.Command, asked: str) -> int:
    """Answer a shell that asks how a line may go on, or for its code; return the exit code."""
    from click.shell_completion import shell_complete

    return shell_complete(app, {}, NAME, COMPLETION_VARIABLE, asked)
