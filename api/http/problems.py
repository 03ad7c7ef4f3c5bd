"""Errors as responses: every exception becomes a problem document (RFC 9457)."""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import orjson
from quart import Request, Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from api.http.errors import ApiError, Code, from_daemon
from api.http.plain import PlainResponse
from daemon.domain.errors import DaemonError, StoreUnavailable
from daemon.handles import Handles

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1
_PARAMETER = re.compile(r"<(?:[^<>:]+:)?(\w+)>")  # as Werkzeug writes one: <id(batch):event_id>
_FRAMEWORK: Mapping[int | None, tuple[Code, str]] = MappingProxyType(
    {
        404: (Code.NOT_FOUND, "There is nothing at this path: GET /openapi.json lists all paths."),
        405: (Code.METHOD_NOT_ALLOWED, "This path does not accept this method: use one of those in the Allow header."),
        408: (Code.REQUEST_TIMEOUT, "The body did not arrive in time: send it again, faster."),
        413: (Code.TOO_LARGE, "The body is larger than this path accepts: send less at once."),
    }
)


async def answer_error(handles: Handles, request: Request, error: Exception) -> Response:
    """Return the problem document for anything that was raised; what is our own fault is logged as an error."""
    refusal = as_refusal(error)
    log_refusal(handles, request, refusal=refusal, error=error)
    response = problem_response(refusal)
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    return response


def log_failure(handles: Handles, request: Request, error: Exception) -> None:
    """Log what was raised when its response had begun."""
    log_refusal(handles, request, refusal=as_refusal(error), error=error)


def log_refusal(handles: Handles, request: Request, refusal: ApiError, error: Exception) -> None:
    """Log what was refused: at debug level, unless it is our own fault or the database's."""
    log_refused(handles, refusal, error, method=request.method, path=_path_of_route(request))


def log_refused(handles: Handles, refusal: ApiError, error: Exception, *, method: str, path: str) -> None:
    """Log the same, for the path of a route."""
    log = handles.log.bind(method=method, path=path, status=refusal.status.value, code=refusal.code.value)
    if refusal.code is Code.INTERNAL_ERROR:
        log.error("api_error", error=repr(error), exc_info=error)
    elif isinstance(error, StoreUnavailable):  # its words, such as which cell is damaged, are for the operator alone
        log.error("request_failed", error=str(error))
    else:
        log.debug("request_refused")


def _path_of_route(request: Request) -> str:
    """Return the path as the route has it: where it has an id, a careless client may have put a key or a secret."""
    rule = request.url_rule
    return "(no route)" if rule is None else _PARAMETER.sub(r"{\1}", rule.rule)


def as_refusal(error: Exception) -> ApiError:
    """Return the refusal that this error stands for."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, DaemonError):
        return from_daemon(error)
    if isinstance(error, HTTPException) and error.code is not None and error.code < HTTPStatus.INTERNAL_SERVER_ERROR:
        code, detail = _FRAMEWORK.get(error.code, (Code.INVALID_REQUEST, "The request is malformed: correct it."))
        return ApiError(code, detail)
    return ApiError(Code.INTERNAL_ERROR, "Internal error: the daemon's log says why; retry later.")


def problem_response(refusal: ApiError) -> Response:
    """Return a refusal as a response."""
    response = Response(orjson.dumps(problem_of(refusal)), refusal.status, content_type=MEDIA_TYPE)
    response.headers.extend(problem_headers(refusal))
    return response


def plain_problem(refusal: ApiError, more: Iterable[tuple[str, str]] = ()) -> PlainResponse:
    """Return the same for the fast lane, with `more` headers."""
    headers = (("Content-Type", MEDIA_TYPE), *problem_headers(refusal), *more)
    return PlainResponse(refusal.status, headers, orjson.dumps(problem_of(refusal)))


def problem_headers(refusal: ApiError) -> list[tuple[str, str]]:
    """Return the headers of a refusal beside its media type."""
    if refusal.status is HTTPStatus.UNAUTHORIZED:
        return [("WWW-Authenticate", "Bearer")]
    if refusal.status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        return [("Retry-After", str(refusal.retry_after_s or RETRY_AFTER_S))]
    return []


def problem_of(refusal: ApiError) -> dict[str, Any]:
    """Return the members of the problem document."""
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": refusal.status.phrase,
        "status": refusal.status.value,
        "code": refusal.code.value,
        "detail": refusal.detail,
    }
    if refusal.errors:
        problem["errors"] = [{"path": wrong.path, "message": wrong.message} for wrong in refusal.errors]
    return problem
