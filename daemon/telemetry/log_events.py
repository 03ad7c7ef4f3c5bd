"""Every log event that the daemon writes: its name, level, fields and meaning.

This table is what the documentation, `kakiyo-webhooks logs` and the strict check of the tests are made from. Nothing
here may hold a secret, a key, a signature or a payload.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Level = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One kind of log line. `fields` are all that it may carry besides `timestamp`, `level` and `event`."""

    name: str
    level: Level
    fields: tuple[str, ...]
    meaning: str


FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "actor": "Which actor: `endpoint`, `router`, `store`, `notifier`, `housekeeper` or `observer`",
        "amount": "Credits",
        "attempt": "Number of the attempt, from 1",
        "balance": "The team's credits afterwards",
        "bind": "Where the HTTP API listens in fact",
        "bytes": "How many bytes",
        "cancelled": "How many deliveries were cancelled at once; `deliveries_cancelled` tells of more",
        "changed": "Names of the settings that are in effect from now on",
        "code": "The stable code of the problem document",
        "consecutiveFailures": "The webhook's failure counter",
        "count": "How many",
        "deliveries": "How many deliveries",
        "deliveryId": "Id of the delivery",
        "deliveryIds": "Ids of the event's deliveries, at most 100",
        "detail": "More about the error, for the operator only: addresses, what the system or a library said",
        "durationMs": "How long it took, in milliseconds",
        "error": "One sentence: what went wrong",
        "eventId": "Id of the event",
        "eventType": "Type of the event",
        "inFlight": "How many attempts are under way",
        "events": "How many events",
        "keyId": "Id of the API key",
        "limit": "How many there may be",
        "mailId": "Id of the mail",
        "method": "HTTP method",
        "name": "Name of a line of the log",
        "needRestart": "Names of the settings that changed, too, but only a restart puts into effect",
        "outcome": "What happened on the wire: `delivered`, `http_error`, `timeout`, …",
        "path": "Path of the route, such as `/v1/webhooks/{webhook_id}`; of a key file, where it is",
        "reason": "Why",
        "recipients": "How many addresses",
        "restarts": "How many restarts within the budget so far",
        "retryInMs": "Milliseconds until the next try; null when there is none",
        "seconds": "How many seconds",
        "signal": "The signal that stops the daemon",
        "stateDir": "The state directory",
        "status": "HTTP status of the answer",
        "teamId": "Id of the team",
        "test": "Whether it is a test delivery",
        "traceId": "Id of the trace that the submission belongs to (W3C Trace Context)",
        "traceback": "Python traceback, without values of variables",
        "text": "What was written, at most 16 KiB",
        "version": "Version of the daemon",
        "webhookId": "Id of the webhook",
    }
)


def _table(level: Level, *rows: tuple[str, str, str]) -> tuple[LogEvent, ...]:
    return tuple(LogEvent(name, level, fields=tuple(fields.split()), meaning=meaning) for name, fields, meaning in rows)


_DELIVERY = "eventId eventType deliveryId webhookId teamId attempt outcome status durationMs error detail test traceId"
_WEBHOOK = "webhookId teamId"
_MAIL = "mailId webhookId teamId recipients"

_DEBUG = _table(
    "debug",
    ("console_sign_in_refused", "", "Someone tried to sign in to the console with a key that is not valid"),
    ("request_refused", "method path status code", "A request was refused through the caller's fault"),
)
_INFO = _table(
    "info",
    ("daemon_started", "version stateDir", "The state is open and the actors start"),
    ("operator_key_created", "path", "The first start made the operator key and wrote it to this file"),
    ("encryption_key_created", "path", "The first start made the key that encrypts secrets and wrote it to this file"),
    ("daemon_ready", "bind durationMs", "Requests are taken from now on"),
    ("settings_reloaded", "changed needRestart", "The configuration was read again, and these settings had changed"),
    ("events_pruned", "count deliveries", "Events were deleted after their days of retention"),
    ("daemon_stopping", "signal seconds", "The stop began: attempts in flight have this long"),
    ("daemon_stopped", "", "Everything is written and the process ends"),
    (
        "event_accepted",
        "eventId eventType teamId deliveries deliveryIds test traceId",
        "An event is on disk, and this many deliveries of it are pending",
    ),
    ("store_recovered", "durationMs", "The database works again"),
    ("attempt_ended", f"{_DELIVERY} retryInMs", "An attempt ended, and another one will follow"),
    ("delivery_succeeded", _DELIVERY, "The delivery is over: its last attempt, told here, reached the receiver"),
    ("delivery_cancelled", f"{_DELIVERY} reason", "The delivery is over: its webhook was disabled or deleted"),
    (
        "deliveries_cancelled",
        f"{_WEBHOOK} count reason",
        "How many were cancelled in all, when all are; only the first 1,000 have lines of their own. "
        "What was still to be made is told of by a line more",
    ),
    ("deliveries_created", "teamId count durationMs", "The deliveries of large submissions of a team are all on disk"),
    ("deliveries_recovered", f"{_WEBHOOK} count", "Deliveries were queued again by a recovery"),
    ("delivery_resent", f"{_WEBHOOK} deliveryId eventId", "A delivery was queued again by a resend"),
    ("credits_granted", "teamId amount balance", "A team got credits, or a grant was corrected"),
    ("webhook_created", _WEBHOOK, "A webhook was registered"),
    ("webhook_changed", _WEBHOOK, "A webhook was edited"),
    ("webhook_secret_rotated", f"{_WEBHOOK} seconds", "A webhook got a new secret; the old one signs this long, too"),
    ("webhook_enabled", _WEBHOOK, "A webhook is active again and its failure counter is 0"),
    ("webhook_deleted", _WEBHOOK, "A webhook was deleted"),
    ("url_refused", "teamId reason error detail", "A team may not have this URL for a webhook: which rule forbids it"),
    ("team_created", "teamId", "A team was created"),
    ("team_changed", "teamId", "A team was edited"),
    ("key_created", "keyId teamId", "An API key was created"),
    ("key_revoked", "keyId teamId", "An API key was revoked"),
    ("console_signed_in", "keyId teamId", "Someone signed in to the console with this key"),
    ("console_signed_out", "keyId", "Someone signed out of the console"),
    ("mail_queued", "mailId webhookId teamId", "A mail about a disabled webhook waits to be sent"),
    ("mail_sent", f"{_MAIL} durationMs", "The mail server (or the Maildir) took the mail"),
)
_WARNING = _table(
    "warning",
    ("dev_mode", "reason", "`--dev`: http and private receivers are allowed, which is not for production"),
    (
        "clock_implausible",
        "seconds",
        "The clock is so far ahead of the last plausible time: nothing old is deleted until it has gone on for an hour",
    ),
    ("public_without_tls", "bind reason", "The API listens on a public address or on all, and no https is before it"),
    (
        "addresses_not_saved",
        "path error",
        "Where the API listens could not be written down: the commands go by the settings instead",
    ),
    ("commit_check_skipped", "reason", "Whether all that was acknowledged is in the database cannot be told"),
    (
        "write_ahead_log_large",
        "bytes",
        "A long read, a backup say, keeps the write-ahead log from being reused: it grows until that ends",
    ),
    ("checkpoint_failed", "error retryInMs", "The write-ahead log could not be copied into the database: it grows"),
    ("tracing_disabled", "reason", "OpenTelemetry is configured, and cannot be used"),
    ("delivery_failed", f"{_DELIVERY} consecutiveFailures", "The delivery is over: its retries are used up"),
    (
        "delivery_awaiting_credits",
        f"{_WEBHOOK} deliveryId eventId",
        "This delivery and those behind it wait until credits are granted",
    ),
    ("webhook_disabled", f"{_WEBHOOK} reason consecutiveFailures cancelled", "A webhook gets no deliveries any more"),
    (
        "attempts_waiting",
        "limit inFlight count",
        "So many attempts wait for a descriptor, and none of them is counted: raise the limit of open files",
    ),
    (
        "log_lines_suppressed",
        "name count",
        "So many more such lines, all the same, were left out within the last minute",
    ),
    ("python_message", "text", "Python or a library wrote this to stdout or stderr, such as a warning of its own"),
    ("log_lines_dropped", "count", "So many lines before this one are lost: nobody took them in time"),
    ("mail_deferred", f"{_MAIL} attempt retryInMs error", "A mail could not be sent to all and is tried again"),
)
_ERROR = _table(
    "error",
    ("daemon_failed", "error traceback", "The daemon cannot go on: the process ends non-zero"),
    (
        "commits_lost",
        "count events path",
        "Acknowledged data is missing from the database: this many commits, with at most this many events",
    ),
    (
        "settings_reload_failed",
        "error",
        "The configuration was read again and is wrong: the settings stay as they were",
    ),
    ("actor_restarted", "actor webhookId restarts error traceback", "An actor crashed and starts again"),
    (
        "actor_restarts_exhausted",
        "actor webhookId restarts error traceback",
        "An actor crashed and its restarts are used up",
    ),
    ("actor_parked", "webhookId", "A webhook rests since its actor kept crashing: a change or a restart wakes it"),
    ("store_unavailable", "error retryInMs traceback", "The database fails: what was acknowledged stays"),
    ("api_error", "method path status code error traceback", "A request failed through the daemon's fault"),
    ("mail_crashed", "mailId webhookId teamId error traceback", "Making or sending a mail crashed: it is tried again"),
    ("mail_undeliverable", f"{_MAIL} error", "These addresses cannot be reached: nothing more is tried for them"),
)

LOG_EVENTS: Mapping[str, LogEvent] = MappingProxyType(
    {event.name: event for event in (*_DEBUG, *_INFO, *_WARNING, *_ERROR)}
)
