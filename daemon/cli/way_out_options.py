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
    client_certificate: Annotated[
        Path | None,
        option(
            "--client-certificate",
            metavar="FILE",
            help="A certificate (PEM) to show to receivers that ask for one, with those that vouch for it behind it.",
        ),
    ] = None
    client_key: Annotated[
        Path | None,
        option("--client-key", metavar="FILE", help="The key of the client certificate (PEM, without a passphrase)."),
    ] = None
    ca_certificates: Annotated[
        Path | None,
        option(
            "--ca-certificates",
            metavar="FILE",
            help="Authorities (PEM) that the receiver's certificate has to come from, instead of the system's.",
        ),
    ] = None

    @property
    def fields(self) -> dict[str, Any]:
        """The same as the API takes it; None for what is left out. Raises UsageError for a password of no proxy."""
        if self.proxy is None and self.proxy_password_file is not None:
            raise click.UsageError("--proxy-password-file belongs to --proxy: give both")
        from daemon.cli.inputs import read_secret

        if (self.client_certificate is None) != (self.client_key is None):
            raise click.UsageError("--client-certificate and --client-key belong together: give both")
        return {
            "ipVersion": self.ip_version,
            "proxy": self._proxy(),
            "clientCertificate": self._client_certificate(),
            "caCertificates": read_secret(self.ca_certificates),
        }

    def _client_certificate(self) -> dict[str, str | None] | None:
        from daemon.cli.inputs import read_secret

        if self.client_certificate is None:
            return None
        return {"certificate": read_secret(self.client_certificate), "privateKey": read_secret(self.client_key)}

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
    if (own := webhook.get("clientCertificate")) is not None:
        lines.append(("client certificate", _certificate_line(own)))
    lines.extend(("trusts", _certificate_line(authority)) for authority in webhook.get("caCertificates") or ())
    return lines


def _certificate_line(certificate: dict[str, Any]) -> str:
    return f"{certificate['subject']}, until {certificate['notAfter']}, SHA-256 {certificate['fingerprint']}"
