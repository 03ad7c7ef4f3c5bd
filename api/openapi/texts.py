"""What the OpenAPI document says beside what the routes and models say themselves."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from api.http.errors import Code

CODE_MEANINGS: Mapping[Code, str] = MappingProxyType(
    {
        Code.INVALID_REQUEST: "The request is malformed.",
        Code.INVALID_JSON: "The body is not valid JSON, or holds what cannot be passed on unchanged.",
        Code.UNAUTHORIZED: "The key is missing, malformed, unknown or revoked.",
        Code.OPERATOR_ONLY: "A team's key cannot do this.",
        Code.ROLE_NOT_ENOUGH: "The key's role does not allow this.",
        Code.NOT_FOUND: "It does not exist for this key.",
        Code.METHOD_NOT_ALLOWED: "The path does not take this method.",
        Code.REQUEST_TIMEOUT: "The body did not arrive in time.",
        Code.IDEMPOTENCY_CONFLICT: "The Idempotency-Key was used with another request within 24 h.",
        Code.EVENT_ERASED: "The event was erased: nothing of it can be sent again.",
        Code.WEBHOOK_INACTIVE: "The webhook is not active: enable it first.",
        Code.TEAM_EXISTS: "A team with this id exists.",
        Code.WEBHOOK_QUOTA: "The team has as many webhooks as it may have: delete one, or ask the operator for more.",
        Code.ADDRESS_QUOTA: "The team has as many notification addresses as it may have.",
        Code.ADDRESS_CONFIRMED: "The team's mails go to this address already.",
        Code.BULK_JOB_QUOTA: "The team has as many running bulk jobs as it may have: wait for one to finish.",
        Code.TOO_MANY_DELIVERIES: "The filter is for more deliveries than one job may resend: narrow it.",
        Code.NO_OTHER_NODE: "No other living node could take over.",
        Code.ATTEMPT_OVER: "No such attempt waits for an answer: it was answered, or its time is over.",
        Code.EVENT_TYPE_EXISTS: "There is an event type with this name.",
        Code.EVENT_TYPE_FIXED: "The event type is built in, or of the settings: it cannot be changed here.",
        Code.EVENT_TYPE_IN_USE: "Webhooks name the event type, or there are events of it: archive it.",
        Code.EVENT_TYPE_QUOTA: "There are as many event types, or versions of this one, as there may be.",
        Code.VERSION_CONFLICT: "The event type was given another version in between: look at it, and try again.",
        Code.TOO_LARGE: "The body, the event or the batch is over its limit.",
        Code.UNSUPPORTED_MEDIA_TYPE: "The body has another Content-Type than this route takes, or a Content-Encoding.",
        Code.INVALID_FIELD: "A field is missing, wrong or unknown: `errors` names it.",
        Code.URL_NOT_ALLOWED: "The URL breaks a rule: `detail` says which.",
        Code.RATE_LIMITED: "The key asks more often than it may: `Retry-After` says when it may again.",
        Code.HEAD_TOO_LARGE: "The request's head is longer than 16 KiB.",
        Code.INTERNAL_ERROR: "The daemon failed at it; its log says why.",
        Code.OVERLOADED: "The server is at capacity: nothing was kept.",
        Code.STOPPING: "The daemon is stopping: nothing was kept.",
        Code.STORE_UNAVAILABLE: "The database failed: what was acknowledged before stays.",
        Code.NOT_READY: "The daemon is starting or stopping.",
    }
)

DESCRIPTION = """\
Submit events: every webhook that subscribes gets them, signed, in order, retried and accounted for.

**Keys.** Send `Authorization: Bearer <key>`. A team's key sees its own team only: what belongs to another team does not
exist for it. The operator's key may do everything, and says which team it is about with `teamId`.

**Lists** answer `items` and `nextCursor`; give that as `cursor` to get the next page.

**Answers** may have more members than today, and new words where words are listed: ignore those that you do not know.

**Times** are RFC 3339. They are answered in UTC with milliseconds, and taken with any offset.

**Refusals** are problem documents (RFC 9457) whose `code` never changes:

""" + "\n".join(f"- `{code}`: {meaning}" for code, meaning in CODE_MEANINGS.items())

TAGS: Mapping[str, str] = MappingProxyType(
    {
        "Events": "Things that happened, submitted to be delivered.",
        "Webhooks": "Receivers and what they subscribe to.",
        "Testing": "Trying webhooks out, and what can be subscribed to.",
        "Live listeners": "Deliveries as a stream, for whoever has no public address.",
        "Event types": "What can happen: the types of events, and their schemas.",
        "Deliveries": "One event to one webhook, with its attempts.",
        "Credits": "What deliveries cost, and the ledger.",
        "Teams and keys": "Teams and their API keys.",
        "Operation": "For those who run the daemon.",
    }
)

PATH_PARAMETERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "event": ("An event type.", "linkedin.message.received"),
        "version": ("The number of a version.", "1"),
        "event_id": ("The id of the event.", "evt_01k0a3bq5t8v2x4z6c8e0g2j4m"),
        "webhook_id": ("The id of the webhook.", "wh_01jzy8h2k4n6q8s0v2x4z6b8d0"),
        "delivery_id": ("The id of the delivery.", "dlv_01k0a3bq5u1w3y5a7d9f1h3k5n"),
        "team_id": ("The id of the team.", "team_acme"),
        "key_id": ("The id of the key.", "key_01k0a3bq5w5y7a9c1e3g5j7m9p"),
        "listener_id": ("The id of the live listener: that of its webhook.", "wh_01jzy8h2k4n6q8s0v2x4z6b8d0"),
        "link_id": ("The id of the portal link.", "plk_01k0a3bq5w5y7a9c1e3g5j7m9p"),
        "job_id": ("The id of the bulk job.", "job_01k0a3bq5y9a1c3e5g7j9m1p3r"),
        "name": ("The name of the node.", "hooks-1"),
    }
)

HEADERS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "Retry-After": {
            "description": "Seconds after which to try again.",
            "schema": {"type": "integer", "minimum": 1},
            "required": True,
        },
        "WWW-Authenticate": {"description": "`Bearer`.", "schema": {"type": "string"}, "required": True},
        "RateLimit": {
            "description": (
                "What is left of the key's rate limit: `r` requests may come at once; in `t` seconds all of the burst "
                "may again, or one if none is left. Only if the key has a limit."
            ),
            "schema": {"type": "string", "examples": ['"default";r=150;t=1']},
        },
        "RateLimit-Policy": {
            "description": (
                "The key's rate limit: a burst of `q` requests, which is whole again after `w` seconds. "
                "Only if the key has a limit."
            ),
            "schema": {"type": "string", "examples": ['"default";q=200;w=4']},
        },
    }
)

LIMIT_HEADERS = ("RateLimit", "RateLimit-Policy")
HEADERS_OF_STATUS: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {401: ("WWW-Authenticate",), 429: ("Retry-After", *LIMIT_HEADERS), 503: ("Retry-After", *LIMIT_HEADERS)}
)
