"""`kakiyo-webhooks secrets`: the key that encrypts the webhooks' secrets."""

from pathlib import Path
from typing import Annotated

import click

from daemon.cli.declared import group_of, option
from daemon.cli.options import ConfigFile, StateDir


def build_secrets() -> click.Group:
    """Return the group."""
    commands = {"rotate-key": rotate_key}
    return group_of("secrets", commands, help="The key that encrypts the webhooks' secrets.")


def rotate_key(
    key_file: Annotated[
        Path | None,
        option("--key-file", metavar="FILE", help="Use the first key in this file; the others open what is there."),
    ] = None,
    as_json: Annotated[bool, option("--json", help="Print what was done as JSON.")] = False,
    config: ConfigFile = None,
    state_dir: StateDir = None,
) -> None:
    """Encrypt all secrets with a new key, and forget the old one. On SQLite the daemon must not run."""
    from daemon.cli.exits import CommandError, ExitCode
    from daemon.cli.output import print_json, print_line
    from daemon.cli.settings import read_settings

    settings = read_settings(config, state_dir)
    from daemon.maintenance import key_rotation

    try:
        done = key_rotation.rotate_key(settings) if key_file is None else key_rotation.reseal_with(settings, key_file)
    except key_rotation.RotationRefused as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    if as_json:
        print_json({"secrets": done.secrets, "keyFile": str(done.key_path)})
        return
    print_line(f"Encrypted with the first key in {done.key_path}: {done.secrets} secrets.")
    if settings.store.url:
        print_line("Now remove the other keys from the file on every node, and restart one node after the other.")
    elif key_file is None:
        print_line("A copy of the database from before needs the key file of its time.")
    else:
        print_line("Now remove the other keys from the file, and start the daemon with it.")
