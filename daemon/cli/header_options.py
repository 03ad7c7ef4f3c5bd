"""Headers of a webhook's own on the command line: how they are given, and how they are shown."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import click

from daemon.cli.declared import option
from daemon.domain.custom_headers import HIDDEN


@dataclass(frozen=True, slots=True)
class HeaderOptions:
    """What a command says about a webhook's headers: together they are all that it has."""

    header: Annotated[
        list[str] | None,
        option("--header", metavar="NAME=VALUE", help="A header of each delivery. Those given replace all; repeat it."),
    ] = None
    secret_header: Annotated[
        list[str] | None,
        option(
            "--secret-header",
            metavar="NAME=FILE",
            help="One whose value is secret, in a file ('-': standard input); NAME alone keeps the value there is.",
        ),
    ] = None

    @property
    def fields(self) -> dict[str, Any]:
        """The same as the API takes it; None if none is given. Raises UsageError."""
        if not self.header and not self.secret_header:
            return {"headers": None}
        return {"headers": [*map(_plain, self.header or ()), *map(_secret, self.secret_header or ())]}


def _plain(given: str) -> dict[str, Any]:
    name, separator, value = given.partition("=")
    if not separator:
        raise click.UsageError("--header takes NAME=VALUE: add what the header is to say")
    return {"name": name, "value": value}


def _secret(given: str) -> dict[str, Any]:
    from daemon.cli.inputs import read_secret

    name, _, file = given.partition("=")
    return {"name": name, "secret": True} | ({"value": read_secret(Path(file))} if file else {})


def header_lines(webhook: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return a line for each header."""
    headers = webhook.get("headers") or ()
    return [("header", f"{each['name']}: {HIDDEN if each['secret'] else each['value']}") for each in headers]
