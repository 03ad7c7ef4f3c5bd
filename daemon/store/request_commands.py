"""Commands by which one node of a cluster has another one change a webhook, and what these are answered.

The same way goes the answer of a live listener, to the node that has its stream.
"""

from msgspec import Struct
from msgspec.json import Decoder, encode

from daemon.domain.audit import AuditEntry
from daemon.domain.changes import WebhookChange
from daemon.domain.live_answers import LiveAnswer
from daemon.domain.model import Webhook
from daemon.domain.submission import Idempotency
from daemon.store.commands import Cancelled, Command, SaveWebhook
from daemon.store.expiry_commands import CancelForEvent
from daemon.store.job_commands import CancelForJob


class Changed(Struct, frozen=True, tag="changed"):
    """The change was carried out: the webhook as it was then."""

    webhook: Webhook


class Passed(Struct, frozen=True, tag="passed"):
    """The answer of a live listener was given to its attempt."""


class Gone(Struct, frozen=True, tag="gone"):
    """There is no such webhook any more."""


class Refused(Struct, frozen=True, tag="refused"):
    """Nothing was changed: the error's class in `daemon.domain.errors`, and its sentence."""

    error: str
    sentence: str


Asked = WebhookChange | LiveAnswer
RequestAnswer = Changed | Passed | Gone | Refused
ANSWERS: Decoder[RequestAnswer] = Decoder(RequestAnswer)
IDEMPOTENCIES = Decoder(Idempotency)
ENTRIES = Decoder(AuditEntry)
_ASKED: Decoder[Asked] = Decoder(Asked)


def asked_to_json(asked: Asked) -> str:
    """Return what is asked as a JSON object."""
    return encode(asked).decode()


def asked_from_json(text: str) -> Asked:
    """Return what `asked_to_json` wrote. Raises ValueError for any other text."""
    return _ASKED.decode(text)


class OpenRequest(Struct, frozen=True):
    """A request that waits for its answer; `change` is JSON, as another version of the daemon may have written it.

    `entry` is for the audit trail; None from a version that keeps none.
    """

    id: str
    webhook_id: str
    change: str
    idempotency: Idempotency | None
    entry: AuditEntry | None = None


class AskRequest(Command[None], frozen=True):
    """Keep a request, to be answered within `within_s` seconds by the database's clock."""

    request_id: str
    webhook_id: str
    change: Asked
    idempotency: Idempotency | None
    asked_by: int
    within_s: int
    entry: AuditEntry | None = None


class AnswerRequest(Command[Cancelled], frozen=True):
    """Carry out what a request asked for, and answer the request with it, and keep its idempotency key, if any.

    Answers what that does. Changes nothing and raises RequestOver if the request was answered, is being answered
    or is too late; raises AnsweredBefore or IdempotencyConflict, and answers the request with that, for a used key.
    `now` is the time of the key's use, in milliseconds.
    """

    command: SaveWebhook | CancelForJob | CancelForEvent
    request_id: str
    idempotency: Idempotency | None
    now: int
    entry: AuditEntry | None = None


class SettleRequest(Command[None], frozen=True):
    """Answer a request that changes nothing, unless it was answered or is being answered."""

    request_id: str
    answer: Passed | Gone | Refused


class WithdrawRequest(Command[RequestAnswer | None], frozen=True):
    """Withdraw a request, unless it was answered or is being answered. Answers what it was answered, if it was."""

    request_id: str


class KeepAnswer(Command[None], frozen=True):
    """Keep the sealed answer of a request whose idempotency key is kept already; `now` in milliseconds."""

    idempotency: Idempotency
    answer: str
    now: int


class PruneRequests(Command[int], frozen=True):
    """Forget requests that were over an hour ago, at most `limit` of them. Answers how many."""

    limit: int
