"""The options of a webhook on the command line: how they are given, and how they are shown."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import click

from daemon.cli.declared import option
from daemon.domain.way_out_options import IpVersion


class OptionName(StrEnum):
    """What `--reset` takes: the options of a webhook, by their names in the API."""

    TIMEOUT = "timeoutS"
    IP_VERSION = "ipVersion"
    PROXY = "proxy"


Timeout = Annotated[
    float | None,
    option("--timeout", metavar="SECONDS", min=1, max=30, help="How many seconds an attempt may take."),
]
Ip = Annotated[
    IpVersion | None,
    option("--ip-version", help="Reach the receiver at addresses of this family only."),
]
Proxy = Annotated[
    str | None,
    option("--proxy", metavar="URL", help="A proxy of its own: http://user@host:port or socks5://user@host:port."),
]
ProxyPasswordFile = Annotated[
    Path | None,
    option("--proxy-password-file", metavar="FILE", help="Read the proxy's password from this file ('-': stdin)."),
]
Reset = Annotated[
    list[OptionName] | None,
    option("--reset", help="Set an option back to its default. May be repeated."),
]


def reset_options(names: list[OptionName] | None) -> dict[str, None]:
    """Return what sets these options back, as the API takes it."""
    return {name.value: None for name in names or ()}


def option_lines(webhook: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return a line for each option that is not as usual."""
    proxy = webhook.get("proxy") or {}
    lines = [
        ("timeout in seconds", webhook.get("timeoutS")),
        ("IP version", webhook.get("ipVersion")),
        ("proxy", proxy.get("url")),
    ]
    return [(name, value) for name, value in lines if value is not None]


def way_out(ip_version: IpVersion | None, proxy: str | None, password_file: Path | None) -> dict[str, Any]:
    """Return the options of the way out, as the API takes them. Raises UsageError for a password without its proxy."""
    if proxy is None:
        if password_file is not None:
            raise click.UsageError("--proxy-password-file belongs to --proxy: give both")
        return {"ipVersion": ip_version}
    from daemon.cli.inputs import read_secret

    password = None if password_file is None else read_secret(password_file)
    return {"ipVersion": ip_version, "proxy": {"url": proxy} | ({} if password is None else {"password": password})}
