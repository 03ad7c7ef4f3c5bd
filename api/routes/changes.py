"""Changes of a team as they happen: what has changed is in the lists (contract "HTTP API")."""

from typing import Annotated

import trio
from pydantic import Field

from api.http.auth import is_still_valid, one_team, owned
from api.http.errors import ApiError, Code, not_found
from api.http.known import OneTeam
from api.http.route import Call, Route
from api.http.streamed import SendPiece, Streamed
from api.http.wire import Input
from api.limits.streams import HEARTBEAT_S, STREAM_HEADERS, is_full, pause_s
from daemon.store.reads import api_reads
from daemon.telemetry.change_feed import Follower

EVENT_STREAM = "text/event-stream"
_CHANGED = b"event: changed\ndata: {}\n\n"
_RETRY_S = 15

Changes = Annotated[str, Field(description="Server-sent events: `changed`, with no data, for each time to look again.")]


class ChangesQuery(Input):
    """Whose changes to follow."""

    team_id: OneTeam = Field(None, description="Whose; a team's own key needs none.")
    webhook_id: str | None = Field(None, description="Only those of this webhook and its deliveries.")


async def follow_changes(call: Call, query: ChangesQuery) -> Streamed:
    """Stream a message now, and whenever something has changed since the last one."""
    team_id = await one_team(call, query.team_id, "query.teamId")
    if query.webhook_id is not None:
        webhook = owned(call, await call.handles.reader.fetch(api_reads.get_webhook, query.webhook_id), "webhook")
        if webhook.team_id != team_id:  # the operator named both
            raise not_found("webhook")
    changes = call.handles.console.changes
    if is_full(changes, team_id):
        raise _too_many()

    async def run(send: SendPiece) -> None:
        if is_full(changes, team_id):  # again: other streams may have begun since
            return
        with changes.follow(team_id, query.webhook_id) as follower:
            await send(_CHANGED)
            while is_still_valid(call):
                if not await _changed(follower, send):
                    return
                await trio.sleep(pause_s(changes))

    return Streamed(STREAM_HEADERS, run)


async def _changed(follower: Follower, send: SendPiece) -> bool:
    """Pass on a change or, when there is none for a while, a sign of life; return False if the daemon stops."""
    with trio.move_on_after(HEARTBEAT_S):
        if not await follower.wait():
            return False
        await send(_CHANGED)
        return True
    await send(b": still here\n\n")  # detects a client that has gone
    return True


def _too_many() -> ApiError:
    detail = f"Too many streams are open at once: end one, or retry in {_RETRY_S} s."
    return ApiError(Code.OVERLOADED, detail, retry_after_s=_RETRY_S)


ROUTES = (
    Route(
        "GET",
        "/v1/deliveries/changes",
        follow_changes,
        tag="Deliveries",
        summary="Follow changes",
        description=(
            "Server-sent events: one at once, then one whenever a webhook or a delivery of the team has changed, at "
            "most two a second. An event does not say what has changed: list it. A comment comes every 15 seconds. The "
            "stream ends with its key and with the daemon; there may be 20 of one team."
        ),
        query=ChangesQuery,
        answer=Changes,
        media_type=EVENT_STREAM,
        example=_CHANGED.decode(),
        refusals=(Code.NOT_FOUND, Code.OVERLOADED),
    ),
)
