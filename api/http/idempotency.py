"""Idempotency-Key: a request that creates something is carried out once (contract "HTTP API")."""

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import TypeVar

from pydantic import BaseModel, Field

from api.http.errors import wrong_field
from api.http.request import HttpRequest
from api.http.route import Answer, Call, Route
from api.http.wire import to_json
from daemon.crypto.api_keys import Principal
from daemon.crypto.idempotency import Once, scope_of
from daemon.domain.errors import AnsweredBefore
from daemon.domain.submission import Idempotency

_LONGEST_KEY = 255

Made = TypeVar("Made")


class IdempotencyHeaders(BaseModel):
    """Headers that a request that creates something may carry."""

    idempotency_key: str | None = Field(
        None,
        alias="Idempotency-Key",
        min_length=1,
        max_length=_LONGEST_KEY,
        pattern=r"^[!-~]([ -~]*[!-~])?$",
        description="For 24 h the same request with the same key gets the first answer, and nothing is done again.",
    )


def headers_of(route: Route) -> type[BaseModel] | None:
    """Return what requests for a route may carry in their headers."""
    return IdempotencyHeaders if route.once and route.headers is None else route.headers


def read_idempotency(principal: Principal, request: HttpRequest, raw: bytes) -> Idempotency | None:
    """Return the request's key with a digest of method, path and body, None for no key. Raises ApiError (422)."""
    given = request.headers.getlist("Idempotency-Key")
    if not given:
        return None
    if len(given) > 1:  # the sender, or a proxy in front of us, may mean the other one
        raise wrong_field("header.Idempotency-Key", "is given more than once")
    [key] = given
    if not (0 < len(key) <= _LONGEST_KEY and key.isascii() and key.isprintable()):
        raise wrong_field("header.Idempotency-Key", "expected 1 to 255 printable ASCII characters")
    digest = sha256(f"{request.method} {request.path}\n".encode())
    digest.update(raw)
    return Idempotency(scope_of(principal.team_id), key, digest.digest())


def once(call: Call, show: Callable[[Made], BaseModel]) -> Once[Made] | None:
    """Return what keeps the answer to this request, as `show` makes it; None for a request without a key."""
    if call.idempotency is None:
        return None
    return Once(call.idempotency, lambda made: to_json(show(made)).encode())


async def answered_once(call: Call, idempotency: Idempotency, answer: Callable[[], Awaitable[Answer]]) -> Answer:
    """Return the first answer to a repeated request, otherwise the result of `answer`.

    Raises IdempotencyConflict for a key that was used with another request.
    """
    kept = call.handles.kept_answers
    first = await kept.first(idempotency)
    if first is not None:
        return first
    try:
        return await answer()
    except AnsweredBefore:  # by the same request, which came at the same time
        return await kept.first(idempotency)
