"""Live listeners: the deliveries of a team as a stream, whose client answers them (contract "Live listeners")."""

from http import HTTPStatus
from typing import Annotated

import orjson
import trio
from pydantic import AfterValidator, Field

from api.http.auth import is_still_valid, one_team, owned, tell_team
from api.http.errors import Code, from_daemon, not_found, too_many_streams
from api.http.known import OneTeam
from api.http.route import Call, Route, json_body
from api.http.streamed import SendPiece, Streamed
from api.http.wire import EventTypes, Input
from api.limits.streams import HEARTBEAT_S, STREAM_HEADERS, are_full
from api.routes.changes import EVENT_STREAM
from api.routes.webhook_models import Secret
from api.routes.webhooks import chosen_secret
from daemon.domain.errors import DaemonError
from daemon.domain.live_answers import LiveAnswer
from daemon.live.listener import EndReason, Listener, LiveRequest
from daemon.management.listeners import Listening
from daemon.store.reads import api_reads

_LONGEST_BODY = 16 * 1024  # characters; 4 KiB are kept
_MOST_HEADERS = 100
_MOST_OF_HEADERS = 16 * 1024  # characters; 8 KiB are kept
_STILL_HERE = b": still here\n\n"
_ENDED = {
    EndReason.KEY_REVOKED: "The key was revoked: use another one.",
    EndReason.WEBHOOK_DELETED: "The listener's webhook was deleted: listen again if that was not meant.",
    EndReason.MOVED: "Another node delivers for this webhook now: open another stream.",
    EndReason.STOPPING: "The daemon is stopping: open another stream when it is back.",
}

LiveMessages = Annotated[
    str,
    Field(
        description=(
            "Server-sent events, each with a JSON object: `listening` first, `request` for each attempt, `ended` last."
        )
    ),
]


class NewListener(Input):
    """What to listen to."""

    team_id: OneTeam = Field(None, description="Whose deliveries; a team's own key needs none.")
    events: EventTypes = Field(
        default_factory=lambda: ["*"], description="Event types, or `*` for all: all of them if left out."
    )
    secret: Secret = Field("generate", description="Signs the deliveries. Generated if left out.")


class AnsweredHeader(Input):
    """One header field of an answer."""

    name: str = Field(min_length=1, description="Its name.")
    value: str = Field(description="Its value.")


def _not_too_many(headers: list[AnsweredHeader]) -> list[AnsweredHeader]:
    if len(headers) > _MOST_HEADERS or sum(len(field.name) + len(field.value) for field in headers) > _MOST_OF_HEADERS:
        raise ValueError(f"expected at most {_MOST_HEADERS} header fields of {_MOST_OF_HEADERS:,} characters in all")
    return headers


class ListenerAnswer(Input):
    """What became of one attempt."""

    attempt_id: str = Field(description="The `attemptId` of its `request` message.")
    status: int = Field(ge=200, le=599, description="The status of the response: a 2xx is a success.")
    # No limits of the document: what is far beyond them is too large a body, before it is anything else.
    headers: Annotated[list[AnsweredHeader], AfterValidator(_not_too_many)] = Field(
        default_factory=list,
        description="The header fields of the response, in their order: at most 100, 16 KiB in all.",
    )
    body: str = Field(
        "", max_length=_LONGEST_BODY, description="The body of the response, or its beginning: 4 KiB are kept."
    )


async def listen(call: Call, body: NewListener) -> Streamed:
    """Stream the attempts of a webhook that exists for as long as the stream."""
    team_id, secret = await one_team(call, body.team_id, "$.teamId"), chosen_secret(body.secret)
    listeners = call.handles.live_listeners
    if are_full(listeners, team_id):
        raise too_many_streams()

    async def run(send: SendPiece) -> None:
        if are_full(listeners, team_id):  # again: other streams may have begun since
            await send(_message("ended", reason="too_many", detail=too_many_streams().detail))
            return
        try:
            async with listeners.listen(team_id, tuple(body.events), secret, by=call.by) as listening:
                timeout_s = call.handles.settings.delivery.timeout_s
                await send(_first_message(listening, timeout_s))
                await _pass_on(call, listening.listener, send)
        except DaemonError as error:
            await send(_message("ended", reason="unavailable", detail=from_daemon(error).detail))

    return Streamed(STREAM_HEADERS, run)


async def _pass_on(call: Call, listener: Listener, send: SendPiece) -> None:
    """Write one request after the other, and why it ends if the client is still there then."""
    while listener.end_reason is None:
        message = _STILL_HERE  # detects a client that has gone
        with trio.move_on_after(HEARTBEAT_S):
            request = await listener.next()
            message = b"" if request is None else _request_message(request)
        if not is_still_valid(call):
            listener.end(EndReason.KEY_REVOKED)
        elif message:
            await send(message)
    reason = listener.end_reason
    await send(_message("ended", reason=reason, detail=_ENDED.get(reason, "")))


def _first_message(listening: Listening, timeout_s: float) -> bytes:
    webhook = listening.webhook
    return _message(
        "listening",
        id=webhook.id,
        teamId=webhook.team_id,
        events=webhook.events,
        secret=listening.secret,
        timeoutSeconds=timeout_s,
    )


def _request_message(request: LiveRequest) -> bytes:
    return _message(
        "request",
        attemptId=request.attempt_id,
        answerWithinMs=max(0, round((request.deadline - trio.current_time()) * 1000)),
        method="POST",
        path="/",
        headers=[{"name": name, "value": value} for name, value in request.headers],
        body=request.body.decode(),
    )


def _message(kind: str, **data: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps(data))


async def answer_attempt(call: Call, listener_id: str, body: ListenerAnswer) -> None:
    """Make the client's answer the outcome of its attempt."""
    webhook = owned(call, await call.handles.reader.fetch(api_reads.get_webhook, listener_id), "listener")
    if not webhook.live:
        raise not_found("listener")
    headers = tuple((field.name.encode(), field.value.encode()) for field in body.headers)
    answer = LiveAnswer(body.attempt_id, body.status, headers=headers, body=body.body.encode())
    await call.handles.live_listeners.answer(webhook.id, answer)


_TAG = "Live listeners"
_LISTENER = "wh_01jzy8h2k4n6q8s0v2x4z6b8d0"
_ATTEMPT = "att_01jzy8h2k4n6q8s0v2x4z6b8d0"
_EXAMPLE_STREAM = (
    _message(
        "listening",
        id=_LISTENER,
        teamId="team_acme",
        events=["*"],
        secret="whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",  # noqa: S106  # an example
        timeoutSeconds=10,
    )
    + _message(
        "request",
        attemptId=_ATTEMPT,
        answerWithinMs=10_000,
        method="POST",
        path="/",
        headers=[{"name": "Content-Type", "value": "application/json"}],
        body='{"event":"linkedin.message.sent","teamId":"team_acme","timestamp":"2025-07-15T10:00:00.000Z","data":{}}',
    )
).decode()

ROUTES = (
    Route(
        "POST",
        "/v1/listeners",
        listen,
        tag=_TAG,
        summary="Listen live",
        description=(
            "Streams a team's deliveries as server-sent events, and needs no public address. `listening` tells the id "
            "of the listener, which is also that of its webhook, and the secret that signs. `request` has one attempt: "
            "its answer is due within `answerWithinMs`, by `POST /v1/listeners/{id}/answers`. A comment comes every 15 "
            "seconds. `ended` tells why the daemon ended the stream. The webhook is deleted with the stream. There may "
            "be 5 of one team."
        ),
        body=json_body(NewListener, {"events": ["linkedin.message.received"]}, tell=tell_team),
        answer=LiveMessages,
        media_type=EVENT_STREAM,
        example=_EXAMPLE_STREAM,
        refusals=(Code.NOT_FOUND, Code.OVERLOADED),
    ),
    Route(
        "POST",
        "/v1/listeners/{listener_id}/answers",
        answer_attempt,
        tag=_TAG,
        summary="Answer an attempt",
        description=(
            "Makes what the receiver behind a live listener answered the outcome of the attempt. An attempt that was "
            "answered already, or whose time is over, is refused."
        ),
        body=json_body(
            ListenerAnswer,
            {
                "attemptId": _ATTEMPT,
                "status": 200,
                "headers": [{"name": "Content-Type", "value": "text/plain"}],
                "body": "ok",
            },
        ),
        status=HTTPStatus.NO_CONTENT,
        answer=None,
        refusals=(Code.NOT_FOUND, Code.ATTEMPT_OVER),
    ),
)
