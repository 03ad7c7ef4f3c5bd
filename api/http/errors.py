"""What the API refuses, as RFC 9457 problem documents (contract "HTTP API").

Every refusal has a `Code` that never changes, and one sentence that says what to do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from types import MappingProxyType

from daemon.domain.errors import (
    AlreadyConfirmed,
    AlreadyExists,
    AskedTooOften,
    AttemptOver,
    DaemonError,
    EventErased,
    EventTypeExists,
    EventTypeFixed,
    EventTypeInUse,
    IdempotencyConflict,
    KeyRevoked,
    NobodyTakesOver,
    Overloaded,
    Stopping,
    StoreUnavailable,
    SubmissionTooLarge,
    TooManyAddresses,
    TooManyBulkJobs,
    TooManyDeliveries,
    TooManyEventTypes,
    TooManyVersions,
    TooManyWebhooks,
    UnknownTeam,
    UrlNotAllowed,
    VersionConflict,
    WebhookInactive,
)

_STREAM_RETRY_S = 15


class Code(StrEnum):
    """The `code` of a problem document."""

    INVALID_REQUEST = "invalid_request"
    INVALID_JSON = "invalid_json"
    UNAUTHORIZED = "unauthorized"
    OPERATOR_ONLY = "operator_only"
    ROLE_NOT_ENOUGH = "role_not_enough"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    REQUEST_TIMEOUT = "request_timeout"
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    WEBHOOK_INACTIVE = "webhook_inactive"
    EVENT_ERASED = "event_erased"
    TEAM_EXISTS = "team_exists"
    WEBHOOK_QUOTA = "webhook_quota"
    ADDRESS_QUOTA = "address_quota"
    ADDRESS_CONFIRMED = "address_confirmed"
    BULK_JOB_QUOTA = "bulk_job_quota"
    TOO_MANY_DELIVERIES = "too_many_deliveries"
    NO_OTHER_NODE = "no_other_node"
    ATTEMPT_OVER = "attempt_over"
    EVENT_TYPE_EXISTS = "event_type_exists"
    EVENT_TYPE_FIXED = "event_type_fixed"
    EVENT_TYPE_IN_USE = "event_type_in_use"
    EVENT_TYPE_QUOTA = "event_type_quota"
    VERSION_CONFLICT = "version_conflict"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    INVALID_FIELD = "invalid_field"
    URL_NOT_ALLOWED = "url_not_allowed"
    RATE_LIMITED = "rate_limited"
    HEAD_TOO_LARGE = "head_too_large"
    INTERNAL_ERROR = "internal_error"
    OVERLOADED = "overloaded"
    STOPPING = "stopping"
    STORE_UNAVAILABLE = "store_unavailable"
    NOT_READY = "not_ready"


STATUS: Mapping[Code, HTTPStatus] = MappingProxyType(
    {
        Code.INVALID_REQUEST: HTTPStatus.BAD_REQUEST,
        Code.INVALID_JSON: HTTPStatus.BAD_REQUEST,
        Code.UNAUTHORIZED: HTTPStatus.UNAUTHORIZED,
        Code.OPERATOR_ONLY: HTTPStatus.FORBIDDEN,
        Code.ROLE_NOT_ENOUGH: HTTPStatus.FORBIDDEN,
        Code.NOT_FOUND: HTTPStatus.NOT_FOUND,
        Code.METHOD_NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
        Code.REQUEST_TIMEOUT: HTTPStatus.REQUEST_TIMEOUT,
        Code.IDEMPOTENCY_CONFLICT: HTTPStatus.CONFLICT,
        Code.WEBHOOK_INACTIVE: HTTPStatus.CONFLICT,
        Code.EVENT_ERASED: HTTPStatus.CONFLICT,
        Code.TEAM_EXISTS: HTTPStatus.CONFLICT,
        Code.WEBHOOK_QUOTA: HTTPStatus.CONFLICT,
        Code.ADDRESS_QUOTA: HTTPStatus.CONFLICT,
        Code.ADDRESS_CONFIRMED: HTTPStatus.CONFLICT,
        Code.BULK_JOB_QUOTA: HTTPStatus.CONFLICT,
        Code.TOO_MANY_DELIVERIES: HTTPStatus.UNPROCESSABLE_ENTITY,
        Code.NO_OTHER_NODE: HTTPStatus.CONFLICT,
        Code.ATTEMPT_OVER: HTTPStatus.CONFLICT,
        Code.EVENT_TYPE_EXISTS: HTTPStatus.CONFLICT,
        Code.EVENT_TYPE_FIXED: HTTPStatus.CONFLICT,
        Code.EVENT_TYPE_IN_USE: HTTPStatus.CONFLICT,
        Code.EVENT_TYPE_QUOTA: HTTPStatus.CONFLICT,
        Code.VERSION_CONFLICT: HTTPStatus.CONFLICT,
        Code.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        Code.UNSUPPORTED_MEDIA_TYPE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        Code.INVALID_FIELD: HTTPStatus.UNPROCESSABLE_ENTITY,
        Code.URL_NOT_ALLOWED: HTTPStatus.UNPROCESSABLE_ENTITY,
        Code.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
        Code.HEAD_TOO_LARGE: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        Code.INTERNAL_ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
        Code.OVERLOADED: HTTPStatus.SERVICE_UNAVAILABLE,
        Code.STOPPING: HTTPStatus.SERVICE_UNAVAILABLE,
        Code.STORE_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
        Code.NOT_READY: HTTPStatus.SERVICE_UNAVAILABLE,
    }
)


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field; `path` is like `$.events[0]` (in the body), `query.limit` or `header.Idempotency-Key`."""

    path: str
    message: str


class ApiError(Exception):
    """A refusal: its code, one sentence, the invalid fields, if any, and when to retry, if known.

    `are_more` says that there may be more invalid fields than are named.
    """

    def __init__(
        self,
        code: Code,
        detail: str,
        errors: Sequence[FieldError] = (),
        retry_after_s: int | None = None,
        *,
        are_more: bool = False,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after_s = retry_after_s
        self.are_more = are_more

    @property
    def status(self) -> HTTPStatus:
        """The HTTP status that goes with the code."""
        return STATUS[self.code]


def unauthorized() -> ApiError:
    """Return the one answer to a missing, malformed, unknown or revoked key: it does not reveal which."""
    return ApiError(Code.UNAUTHORIZED, "Send a valid API key in the header `Authorization: Bearer <key>`.")


def rate_limited(retry_after_s: int) -> ApiError:
    """Return the answer for a key over its rate limit; it may retry in `retry_after_s` seconds."""
    detail = f"This key is over its rate limit: retry in {retry_after_s} s."
    return ApiError(Code.RATE_LIMITED, detail, retry_after_s=retry_after_s)


def too_many_streams() -> ApiError:
    """Return the answer for a stream beyond those that may be open at once."""
    detail = f"Too many streams are open at once: end one, or retry in {_STREAM_RETRY_S} s."
    return ApiError(Code.OVERLOADED, detail, retry_after_s=_STREAM_RETRY_S)


def not_found(what: str) -> ApiError:
    """Return the answer for a thing that does not exist for this key, whether it is another team's or nobody's."""
    return ApiError(Code.NOT_FOUND, f"There is no such {what}: check the id.")


def unknown_team(path: str) -> ApiError:
    """Return the answer for a teamId, found at `path`, that does not exist for this key."""
    return ApiError(Code.NOT_FOUND, "There is no such team: check teamId.", [FieldError(path, "no such team")])


def wrong_fields(errors: Sequence[FieldError], *, are_more: bool = False) -> ApiError:
    """Return the answer for fields that break the contract; `are_more` says that there may be more than these."""
    return several(Code.INVALID_FIELD, errors, are_more=are_more)


def several(code: Code, errors: Sequence[FieldError], *, are_more: bool) -> ApiError:
    """Return the same with the code of what was found first."""
    which = f" (there may be more than these {len(errors)})" if are_more else ""
    detail = f"Correct the fields listed in `errors`{which} and send the request again."
    return ApiError(code, detail, errors, are_more=are_more)


def wrong_field(path: str, message: str) -> ApiError:
    """Return the same for a single field."""
    return wrong_fields([FieldError(path, message)])


def invalid_json(reason: str, path: str = "$") -> ApiError:
    """Return the answer for a body that is not JSON as RFC 8259 and RFC 7493 (I-JSON) want it."""
    detail = f"The body is not valid JSON ({reason}): correct it and send it again."
    return ApiError(Code.INVALID_JSON, detail, [FieldError(path, reason)])


def too_large(limit: str, path: str = "$") -> ApiError:
    """Return the answer for something over its limit; `limit` is a clause that names it."""
    return ApiError(Code.TOO_LARGE, f"{limit[0].upper()}{limit[1:]}: send less at once.", [FieldError(path, limit)])


def from_daemon(error: DaemonError) -> ApiError:
    """Return what the API answers when a handle of the daemon refuses."""
    match error:
        case KeyRevoked():
            return unauthorized()
        case UnknownTeam():
            return unknown_team("$.teamId")
        case UrlNotAllowed(sentence=sentence):
            return ApiError(Code.URL_NOT_ALLOWED, _sentence(sentence), [FieldError("$.url", sentence)])
        case Overloaded(retry_after_s=seconds):
            detail = f"The server is at capacity: retry in {seconds} s."
            return ApiError(Code.OVERLOADED, detail, retry_after_s=seconds)
        case (
            SubmissionTooLarge()
            | TooManyAddresses()
            | AskedTooOften()
            | TooManyWebhooks()
            | TooManyBulkJobs()
            | TooManyDeliveries()
            | TooManyEventTypes()
            | TooManyVersions()
        ):
            return _over_a_limit(error)
        case Stopping():
            return ApiError(Code.STOPPING, "The daemon is stopping: send the request again when it is back.")
        case StoreUnavailable():
            return ApiError(Code.STORE_UNAVAILABLE, "The database is unavailable: send the request again.")
        case DaemonError() if type(error) in _CONFLICTS:
            return ApiError(_CONFLICTS[type(error)], _sentence(str(error)))
        case AlreadyExists():
            return ApiError(Code.TEAM_EXISTS, "A team with this id exists: choose another id, or change it.")
        case _:
            raise error


_CONFLICTS: Mapping[type[DaemonError], Code] = MappingProxyType(
    {
        IdempotencyConflict: Code.IDEMPOTENCY_CONFLICT,
        WebhookInactive: Code.WEBHOOK_INACTIVE,
        EventErased: Code.EVENT_ERASED,
        AlreadyConfirmed: Code.ADDRESS_CONFIRMED,
        NobodyTakesOver: Code.NO_OTHER_NODE,
        AttemptOver: Code.ATTEMPT_OVER,
        EventTypeExists: Code.EVENT_TYPE_EXISTS,
        EventTypeFixed: Code.EVENT_TYPE_FIXED,
        EventTypeInUse: Code.EVENT_TYPE_IN_USE,
        VersionConflict: Code.VERSION_CONFLICT,
    }
)


def _over_a_limit(
    error: SubmissionTooLarge
    | TooManyAddresses
    | AskedTooOften
    | TooManyWebhooks
    | TooManyBulkJobs
    | TooManyDeliveries
    | TooManyEventTypes
    | TooManyVersions,
) -> ApiError:
    match error:
        case AskedTooOften(retry_after_s=seconds):
            detail = "As many mails that ask an address were sent as may be in 24 hours: try again later."
            return ApiError(Code.RATE_LIMITED, detail, retry_after_s=seconds)
        case TooManyAddresses(limit=limit):
            detail = f"The team has its {limit} notification addresses, those that were asked included: remove one."
            return ApiError(Code.ADDRESS_QUOTA, detail)
        case TooManyWebhooks(limit=limit):
            detail = f"The team is at its limit of {limit:,} webhooks: delete one, or ask the operator for more."
            return ApiError(Code.WEBHOOK_QUOTA, detail)
        case TooManyBulkJobs(limit=limit):
            detail = f"The team has {limit:,} bulk jobs that are not over: wait for one to finish, or cancel one."
            return ApiError(Code.BULK_JOB_QUOTA, detail)
        case TooManyEventTypes(limit=limit):
            detail = f"There are {limit:,} event types that were added: remove one that nobody uses."
            return ApiError(Code.EVENT_TYPE_QUOTA, detail)
        case TooManyVersions(limit=limit):
            detail = f"The event type has {limit:,} versions: add a new event type."
            return ApiError(Code.EVENT_TYPE_QUOTA, detail)
        case TooManyDeliveries(limit=limit):
            wide = (
                f"is for more than {limit:,} deliveries, or for too many to count: name a webhook, a status or a time"
            )
            return ApiError(Code.TOO_MANY_DELIVERIES, f"The filter {wide}.", [FieldError("$.filter", wide)])
    too_many = f"{error.amount:,} {error.what} in one submission; the limit is {error.limit:,}"
    return ApiError(Code.TOO_LARGE, f"This makes {too_many}: send smaller batches.", [FieldError("$", too_many)])


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."
