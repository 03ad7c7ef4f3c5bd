"""What fields of several sections of the settings have in common."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from daemon.egress.name_server import NameServer, parse_name_server


class Section(BaseModel):
    """A table of the settings: frozen, and with no names but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _network(value: object) -> IPv4Network | IPv6Network:
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    try:
        return ip_network(str(value))
    except ValueError as error:
        raise ValueError(f'expected a network such as "10.0.0.0/8": {error}') from None


def _without_nul(value: Path) -> Path:
    if "\0" in str(value):
        raise ValueError("expected a path: no name of a file holds the character NUL")
    return value


def _none_if_empty(value: object) -> object:
    return None if value == "" else value


def _name_server(value: object) -> NameServer:
    return value if isinstance(value, NameServer) else parse_name_server(str(value))


FilePath = Annotated[Path, AfterValidator(_without_nul)]
OptionalPath = Annotated[FilePath | None, BeforeValidator(_none_if_empty)]
NameServerAddress = Annotated[NameServer, BeforeValidator(_name_server)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
