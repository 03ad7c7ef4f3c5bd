"""Where the database is, as libpq reads it, and making connections to it: TLS and several hosts are libpq's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from daemon.config.database_url import without_password
from daemon.config.settings import ConfigError
from daemon.domain.printable import in_one_line
from daemon.store.engine import DatabaseRefused
from daemon.store.postgresql.cursors import TolerantCursor

# What the URL does not say. A server that falls silent, even in the middle of an answer, is given up after about 3 s.
_UNLESS_GIVEN: Mapping[str, str] = {
    "fallback_application_name": "kakiyo-webhooks",
    "connect_timeout": "3",
    "keepalives_idle": "1",
    "keepalives_interval": "1",
    "keepalives_count": "2",
    "tcp_user_timeout": "3000",
}
# The server does the same, for what a node that was cut off has left there: by default it would keep that for two
# hours, and each time one of its connections less is free.
_OF_EACH_SESSION: Mapping[str, str] = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


def _options(settings: Mapping[str, str]) -> list[str]:
    return [f"-c {name}={value}" for name, value in settings.items()]


def _no_password() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Address:
    """A database: a URL of libpq. `password()` is read at each connection, and wins over the URL's unless it is None.

    It raises ConfigError when it cannot be read. `is_pooled`: the URL may lead through a pooler that gives
    each transaction another session, so that nothing may be kept in one.
    """

    url: str = field(repr=False)
    password: Callable[[], str | None] = _no_password
    is_pooled: bool = False

    def __str__(self) -> str:
        """The URL without its password."""
        return without_password(self.url)

    def require_valid(self) -> None:
        """Raise DatabaseRefused for what libpq does not understand."""
        try:
            conninfo_to_dict(self.url)
        except psycopg.ProgrammingError as error:
            reason = without_password(in_one_line(error))
            raise DatabaseRefused(f"{self}: is no address of a database ({reason}): correct it") from None

    def connect(self, settings: Mapping[str, str], *, autocommit: bool = False) -> psycopg.Connection[Any]:
        """Return a new connection, whose session has these settings of the server. It blocks. Raises psycopg.Error."""
        given: dict[str, Any] = conninfo_to_dict(self.url)
        usual = {} if self.is_pooled else _OF_EACH_SESSION
        options = " ".join([*_options(usual), given.pop("options", ""), *_options(settings)])
        return psycopg.connect(
            make_conninfo(**{**_UNLESS_GIVEN, **given, **self._password(), "options": options.strip()}),
            autocommit=autocommit,
            cursor_factory=TolerantCursor,
            prepare_threshold=None if self.is_pooled else 5,
        )

    def _password(self) -> Mapping[str, str]:
        try:
            password = self.password()
        except ConfigError as refusal:
            raise psycopg.OperationalError(str(refusal)) from refusal
        return {} if password is None else {"password": password}
