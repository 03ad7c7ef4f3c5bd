"""Every log event that the daemon writes: its name, level, fields and meaning.

The documentation, `kakiyo-webhooks logs` and the tests' strict check are generated from this table. No log line may
contain a secret, a key, a signature or a payload.
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
        "action": "What a bulk job does: `resend` or `cancel`",
        "actor": "Which actor: `endpoint`, `router`, `store`, `canceller`, `checkpointer`, …",
        "amount": "Credits",
        "attempt": "Number of the attempt, from 1",
        "balance": "The team's credits afterwards",
        "bind": "Where the HTTP API actually listens",
        "bytes": "How many bytes",
        "cancelled": "How many deliveries were cancelled immediately; `deliveries_cancelled` counts all of them",
        "changed": "Names of the settings that took effect",
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
        "inFlight": "How many attempts are in flight",
        "events": "How many events",
        "jobId": "Id of the bulk job",
        "keyId": "Id of the API key",
        "linkId": "Id of the portal link",
        "life": "Number of a node's life in its cluster",
        "limit": "How many there may be",
        "mailId": "Id of the mail",
        "method": "HTTP method",
        "name": "Name of the log event",
        "needRestart": "Names of changed settings that take effect only after a restart",
        "owned": "How many shards this node owns afterwards",
        "outcome": "What happened on the wire: `delivered`, `http_error`, `timeout`, …",
        "priority": "`low`; left out if normal",
        "path": "Path of the route, such as `/v1/webhooks/{webhook_id}`; of a key file, where it is",
        "reason": "Why",
        "recipients": "How many addresses",
        "restarts": "How many restarts within the budget so far",
        "expiresAt": "From when on it is not delivered any more (RFC 3339); left out if it does not expire",
        "deliverAt": "Not before when it is delivered (RFC 3339); left out if at once",
        "resumesAt": "When the webhook resumes by itself (RFC 3339); null if it does not",
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
        "schemaVersion": "The number of an event type's newest schema; null without one",
        "version": "Version of the daemon",
        "webhookId": "Id of the webhook",
    }
)


def _table(level: Level, *rows: tuple[str, str, str]) -> tuple[LogEvent, ...]:
    return tuple(LogEvent(name, level, fields=tuple(fields.split()), meaning=meaning) for name, fields, meaning in rows)


_DELIVERY = "eventId eventType deliveryId webhookId teamId attempt outcome status durationMs error detail test traceId"
_WEBHOOK = "webhookId teamId"
_JOB = "jobId teamId action"
_MAIL = "mailId webhookId teamId recipients"

_DEBUG = _table(
    "debug",
    ("console_sign_in_refused", "", "Someone tried to sign in to the console with a key that is not valid"),
    ("portal_link_refused", "", "Someone tried to sign in to the console with a portal link that is not valid"),
    ("request_refused", "method path status code", "A request was refused because of a client error"),
)
_INFO = _table(
    "info",
    ("daemon_started", "version stateDir", "The state directory is open and the actors are starting"),
    ("operator_key_created", "path", "The first start made the operator key and wrote it to this file"),
    ("encryption_key_created", "path", "The first start made the key that encrypts secrets and wrote it to this file"),
    ("daemon_ready", "bind durationMs", "The API accepts requests"),
    ("egress_proxy_up", "", "The proxy of the settings works again: deliveries go on"),
    ("settings_reloaded", "changed needRestart", "The configuration was read again, and these settings had changed"),
    ("events_pruned", "count deliveries", "Events past their retention period were deleted"),
    ("daemon_stopping", "signal seconds", "Shutdown began: attempts in flight have this long to finish"),
    ("daemon_stopped", "", "Everything is on disk and the process exits"),
    (
        "event_accepted",
        "eventId eventType teamId deliveries deliveryIds test traceId deliverAt expiresAt priority",
        "An event is on disk, and this many deliveries of it are pending",
    ),
    ("store_recovered", "durationMs", "The database works again"),
    ("node_joined", "life", "This node is a member of its cluster"),
    ("shards_claimed", "count owned", "This node delivers for more webhooks: nobody did, or their node died or left"),
    ("shards_released", "count owned", "This node left webhooks to others: one joined, or it is drained, or stops"),
    ("attempt_ended", f"{_DELIVERY} retryInMs", "An attempt ended, and another one will follow"),
    ("delivery_succeeded", _DELIVERY, "The delivery succeeded; this line describes its last attempt"),
    (
        "delivery_cancelled",
        f"{_DELIVERY} reason",
        "The delivery was cancelled: its webhook was disabled or deleted, it had expired, or somebody asked for it",
    ),
    (
        "deliveries_cancelled",
        f"{_WEBHOOK} count reason",
        "The total, once all are cancelled; only the first 1,000 have lines of their own. "
        "Deliveries not created yet are counted in another line",
    ),
    ("deliveries_created", "teamId count durationMs", "All deliveries of a team's large submissions are on disk"),
    ("deliveries_recovered", f"{_WEBHOOK} count", "Deliveries were queued again by a recovery"),
    ("delivery_resent", f"{_WEBHOOK} deliveryId eventId", "A delivery was queued again by a resend"),
    ("bulk_job_created", f"{_JOB} count", "Many deliveries are to be resent or cancelled; no count: too many to count"),
    (
        "bulk_job_finished",
        f"{_JOB} count durationMs",
        "A bulk job is over: so many deliveries were resent or cancelled",
    ),
    ("bulk_job_cancelled", _JOB, "A bulk job was ended before it had finished; what it did stays"),
    ("event_erased", "eventId teamId", "An event's payload is gone; what was answered to its deliveries follows"),
    ("event_erasure_finished", "eventId teamId", "Nothing that was answered to an erased event's deliveries is left"),
    ("credits_granted", "teamId amount balance", "A team got credits, or a grant was corrected"),
    ("webhook_created", _WEBHOOK, "A webhook was registered"),
    ("webhook_changed", _WEBHOOK, "A webhook was edited"),
    ("webhook_secret_rotated", f"{_WEBHOOK} seconds", "A webhook got a new secret; the old one signs this long, too"),
    ("webhook_enabled", _WEBHOOK, "A webhook is active again and its failure counter is 0"),
    ("webhook_paused", f"{_WEBHOOK} resumesAt", "A webhook is paused: its deliveries wait until it is resumed"),
    (
        "webhook_resumed",
        f"{_WEBHOOK} reason",
        "A webhook goes on: by hand (`manual`), or because its time had come (`time`)",
    ),
    ("webhook_deleted", _WEBHOOK, "A webhook was deleted"),
    ("listener_began", _WEBHOOK, "A live listener opened its stream: the deliveries of its webhook go there"),
    (
        "listener_ended",
        f"{_WEBHOOK} reason",
        "A live listener's stream ended, and its webhook is deleted: the client left (`client_left`), its key was"
        " revoked (`key_revoked`), the webhook was deleted (`webhook_deleted`), another node delivers for it now"
        " (`moved`), or the daemon stops (`stopping`)",
    ),
    ("url_refused", "teamId reason error detail", "A webhook URL was refused: `reason` names the rule"),
    ("team_created", "teamId", "A team was created"),
    ("team_changed", "teamId", "A team was edited"),
    ("key_created", "keyId teamId", "An API key was created"),
    ("key_revoked", "keyId teamId", "An API key was revoked"),
    ("event_type_added", "eventType schemaVersion keyId", "An operator added an event type"),
    ("event_type_changed", "eventType schemaVersion keyId", "An operator changed an event type"),
    ("event_type_removed", "eventType keyId", "An operator removed an event type that nobody used"),
    ("portal_link_created", "linkId teamId", "A link that signs a customer in to the console was made"),
    ("portal_link_used", "linkId teamId", "Someone signed in to the console with this portal link"),
    ("portal_link_revoked", "linkId teamId", "A portal link was revoked, and its sessions ended"),
    ("console_signed_in", "keyId teamId", "Someone signed in to the console with this key"),
    ("console_signed_out", "keyId", "Someone signed out of the console"),
    (
        "operational_event_submitted",
        "eventType eventId teamId webhookId deliveries",
        "Operational webhooks are told of a webhook, or of the credits, of this team",
    ),
    (
        "mail_queued",
        "mailId webhookId teamId",
        "A mail about a webhook, its team's credits or a new address waits to be sent",
    ),
    ("address_confirmed", "mailId teamId", "A team's mails go to another address from now on: it has confirmed"),
    ("mail_sent", f"{_MAIL} durationMs", "The mail server (or the Maildir) accepted the email"),
)
_WARNING = _table(
    "warning",
    (
        "filter_failed",
        f"{_WEBHOOK} error count",
        "A webhook's filter failed, which counts as no match; told once a minute, with how often it failed meanwhile",
    ),
    (
        "expiry_delayed",
        "webhookId error",
        "What has expired of this webhook could not be cancelled yet: it is not sent",
    ),
    ("dev_mode", "reason", "`--dev`: http and private receivers are allowed; not for production use"),
    (
        "clock_implausible",
        "seconds",
        "The clock is this far ahead of the last plausible time: nothing old is deleted until that lasts an hour",
    ),
    ("public_without_tls", "bind reason", "The API listens on a public or wildcard address, without https before it"),
    (
        "addresses_not_saved",
        "path error",
        "The API's addresses could not be saved: commands use the settings instead",
    ),
    ("commit_check_skipped", "reason", "It could not be checked that the database holds everything acknowledged"),
    (
        "write_ahead_log_large",
        "bytes",
        "A long read, a backup say, keeps the write-ahead log from being reused: it grows until that ends",
    ),
    ("checkpoint_failed", "error retryInMs", "The write-ahead log could not be copied into the database: it grows"),
    ("tracing_disabled", "reason", "OpenTelemetry is configured but cannot be used"),
    ("delivery_failed", f"{_DELIVERY} consecutiveFailures", "The delivery failed: it has no retries left"),
    (
        "delivery_awaiting_credits",
        f"{_WEBHOOK} deliveryId eventId",
        "This delivery and those behind it wait until credits are granted",
    ),
    ("webhook_disabled", f"{_WEBHOOK} reason consecutiveFailures cancelled", "A webhook no longer gets deliveries"),
    ("node_taken_for_dead", "life", "Another node did not renew its lease: its webhooks are taken over"),
    ("database_silent", "count", "The database gave no answer on this many connections: they were ended"),
    ("node_settings_differ", "reason", "This node has another setting than most that live: give all nodes the same"),
    ("node_suspended", "error", "The database is away: this node begins no attempts until it is back"),
    ("node_left_unnoticed", "error", "This node stopped and could not say so: others find out within seconds"),
    ("notices_lost", "count error", "Other nodes could not be told of something: they find it within a second"),
    ("listening_failed", "error", "Other nodes are not heard now: new deliveries are found each second"),
    ("feed_failed", "error", "What other nodes changed could not be read: it is tried again each second"),
    ("sweep_failed", "error", "New deliveries could not be looked for: it is tried again each second"),
    (
        "attempts_waiting",
        "limit inFlight count",
        "This many attempts wait for a file descriptor, which is no failure: raise the open-file limit",
    ),
    (
        "egress_proxy_down",
        "error",
        "The proxy of the settings is at fault: deliveries that need a new connection wait until it works again",
    ),
    (
        "log_lines_suppressed",
        "name count",
        "This many more identical lines were suppressed in the last minute",
    ),
    ("python_message", "text", "Python or a library wrote this to stdout or stderr, such as a warning of its own"),
    ("log_lines_dropped", "count", "This many lines before this one were lost: nothing read them in time"),
    (
        "operational_events_deferred",
        "error retryInMs",
        "What operational webhooks are to be told could not be submitted: it is kept, and submitted later",
    ),
    ("mail_deferred", f"{_MAIL} attempt retryInMs error", "An email did not reach all recipients and will be retried"),
)
_ERROR = _table(
    "error",
    ("daemon_failed", "error traceback", "The daemon cannot continue: the process exits non-zero"),
    (
        "commits_lost",
        "count events path",
        "Acknowledged data is missing from the database: this many commits, with at most this many events",
    ),
    (
        "settings_reload_failed",
        "error",
        "The reloaded configuration is invalid: the previous settings stay in effect",
    ),
    ("actor_restarted", "actor webhookId restarts error traceback", "An actor crashed and was restarted"),
    (
        "actor_restarts_exhausted",
        "actor webhookId restarts error traceback",
        "An actor crashed and its restarts are used up",
    ),
    ("actor_parked", "webhookId", "A webhook is parked since its actor kept crashing: an edit or a restart wakes it"),
    ("node_fenced", "life", "Another node took this one for dead: it drops what it was doing, and joins anew"),
    ("store_unavailable", "error retryInMs traceback", "The database is failing: acknowledged data is safe"),
    ("request_failed", "method path status code error", "A request failed because the database did: 503"),
    ("api_error", "method path status code error traceback", "A request failed because of an error in the daemon"),
    ("mail_crashed", "mailId webhookId teamId error traceback", "Writing or sending a mail crashed: it is retried"),
    ("mail_undeliverable", f"{_MAIL} error", "These addresses cannot be reached: they will not be retried"),
)

LOG_EVENTS: Mapping[str, LogEvent] = MappingProxyType(
    {event.name: event for event in (*_DEBUG, *_INFO, *_WARNING, *_ERROR)}
)
