"""What a route is: one row of a table that both the application and its OpenAPI document are made from."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from api.http.errors import Code
from api.http.json_body import JSON
from api.http.known import Known
from api.http.mistakes import Mistakes
from api.http.peers import peer_address
from api.http.request import HttpRequest
from api.http.streamed import Streamed
from api.http.wire import Input
from api.limits.exports import Exports
from daemon.actors.threads import RunInThread
from daemon.crypto.api_keys import Principal
from daemon.domain.audit import Actor
from daemon.domain.model import KeyRole
from daemon.domain.submission import Idempotency
from daemon.handles import Handles

ADMINS = (KeyRole.ADMIN,)
READERS = (KeyRole.ADMIN, KeyRole.READ)
SUBMITTERS = (KeyRole.ADMIN, KeyRole.SUBMIT)
ALL_ROLES = tuple(KeyRole)
Tell = Callable[..., Awaitable[None]]


class Access(StrEnum):
    """Who may use a route."""

    TEAM = "team"  # any key; a team's key only for its own data
    OPERATOR = "operator"
    LOCAL = "local"  # anyone on this machine, else any key
    LOCAL_OPERATOR = "local_operator"  # anyone verified to be on this machine, otherwise the operator


@dataclass(frozen=True, slots=True)
class Noted:
    """An answer, as JSON, with headers that tell something about it."""

    content: bytes
    headers: Sequence[tuple[str, str]]


Answer = BaseModel | bytes | Streamed | Noted | None


@dataclass(frozen=True, slots=True)
class Call:
    """A request from an authenticated caller; `run_in_thread` runs what would block the event loop.

    `charge` takes tokens of the key's rate limit for what the request turns out to cost
    (`api.limits.rate_limit.tokens_for`). `exports` is what all exports share. `known` is what its fields are checked
    against. A handler that reads the body itself tells the `mistakes` in it with those that were found before.
    """

    handles: Handles
    principal: Principal
    request: HttpRequest
    run_in_thread: RunInThread
    charge: Callable[[int], None]
    exports: Exports
    known: Known
    mistakes: Mistakes = field(default_factory=Mistakes)
    idempotency: Idempotency | None = None

    @property
    def by(self) -> Actor:
        """Who asks, for the audit trail."""
        return Actor(self.principal.key_id, self.principal.name, peer_address(self.request))


@dataclass(frozen=True, slots=True)
class Body:
    """A request body: its media types, each with the type that pydantic makes a schema of.

    With `parsed` the handler gets it as a value of `model`, else it reads the body itself. If fields of it are wrong,
    `tell(call, **path, body)` raises for the others, which are all that is set, what only the handler would find.
    """

    content: Mapping[str, Any]
    parsed: bool = True
    example: Any = None
    tell: Tell | None = None


def json_body(model: type[BaseModel], example: Any, tell: Tell | None = None) -> Body:
    """Return the usual body: JSON that is parsed before the handler runs."""
    return Body({JSON: model}, example=example, tell=tell)


@dataclass(frozen=True, slots=True)
class Route:
    """One route: `handler(call, **path, query=?, body=?)` answers an `Answer`, None for no content.

    `refusals` are the codes it may answer beside those that every route may. With `once` an Idempotency-Key makes its
    retries harmless: its handler hands on what `api.http.idempotency.once` returns. Without `only_for`,
    a team's key needs the role admin or, to read, read. `other_examples` has the media types that it answers if asked.
    """

    method: str
    path: str
    handler: Callable[..., Awaitable[Answer]]
    tag: str
    summary: str
    description: str
    answer: Any
    access: Access = Access.TEAM
    status: HTTPStatus = HTTPStatus.OK
    query: type[Input] | None = None
    body: Body | None = None
    headers: type[BaseModel] | None = None
    refusals: tuple[Code, ...] = ()
    once: bool = False
    media_type: str = JSON
    example: Any = None
    other_examples: Mapping[str, str] = field(default_factory=dict)
    only_for: tuple[KeyRole, ...] | None = None

    @property
    def roles(self) -> frozenset[KeyRole]:
        """Which keys of a team may use it."""
        usual = READERS if self.method == "GET" else ADMINS
        return frozenset(usual if self.only_for is None else self.only_for)

    @property
    def name(self) -> str:
        """Its handler's name, which no other route has."""
        return self.handler.__name__
