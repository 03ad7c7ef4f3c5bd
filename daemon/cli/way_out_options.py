"""The options about the way out on the command line: how they are given, and how they are shown."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import click

from daemon.cli.declared import option
from daemon.domain.way_out_options import IpVersion


@dataclass(frozen=True, slots=True)
class WayOutOptions:
    """What a command says about a webhook's way out."""

    ip_version: Annotated[
        IpVersion | None, option("--ip-version", help="Reach the receiver at addresses of this family only.")
    ] = None
    proxy: Annotated[
        str | None,
        option("--proxy", metavar="URL", help="A proxy of its own: http://user@host:port or socks5://user@host:port."),
    ] = None
    proxy_password_file: Annotated[
        Path | None,
        option(
            "--proxy-password-file",
            metavar="FILE",
            help="A file that holds the password of the proxy's user ('-': standard input).",
        ),
    ] = None

    @property
    def fields(self) -> dict[str, Any]:
        """The same as the API takes it; None for what is left out. Raises UsageError for a password of no proxy."""
        if self.proxy is None and self.proxy_password_file is not None:
            raise click.UsageError("--proxy-password-file belongs to --proxy: give both")
        return {"ipVersion": self.ip_version, "proxy": self._proxy()}

    def _proxy(self) -> dict[str, str] | None:
        from daemon.cli.inputs import read_secret

        if self.proxy is None:
            return None
        password = read_secret(self.proxy_password_file)
        return {"url": self.proxy} if password is None else {"url": self.proxy, "password": password}


def way_out_lines(webhook: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return a line for each of them that is not as usual."""
    lines: list[tuple[str, Any]] = []
    if (version := webhook.get("ipVersion")) is not None:
        lines.append(("addresses", f"IPv{version} only"))
    if (proxy := webhook.get("proxy")) is not None:
        lines.append(("proxy", f"{proxy['url']}{' (with a password)' if proxy['hasPassword'] else ''}"))
    return lines
