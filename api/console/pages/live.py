"""Live pages, by server-sent events (WHATWG HTML, "Server-sent events").

A stream sends parts of its page again when something has changed, at most twice a second, and less often the more
streams there are: all of them together take a small share of the event loop.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import trio

from api.console.session.page_request import PageRequest
from api.console.session.refusals import Refused
from api.http.streamed import SendPiece, Streamed
from api.limits.streams import HEARTBEAT_S, STREAM_HEADERS, is_full, pause_s
from daemon.domain.errors import DaemonError
from daemon.telemetry.change_feed import Follower

_RETRY_MS = 3000
_OPERATOR = ""  # no team's id: nothing changes there
# The browser updates texts such as "5 s ago" by itself.
_RELATIVE_TIMES = re.compile(r">[^<]*</time>")

Parts = Mapping[str, str]


def live(request: PageRequest, webhook_id: str | None, make_parts: Callable[[], Awaitable[Parts]]) -> Streamed:
    """Return the stream of a team's page: `make_parts` returns the parts by the ids of their elements.

    Raises Refused (503) if there are too many streams. The stream ends with the session, and with the daemon.
    """
    return _stream(request, make_parts, request.team_id, webhook_id=webhook_id, every_s=HEARTBEAT_S)


def live_every(request: PageRequest, seconds: float, make_parts: Callable[[], Awaitable[Parts]]) -> Streamed:
    """Return the same for a page of the operator's, whose parts are made anew every so often."""
    return _stream(request, make_parts, _OPERATOR, webhook_id=None, every_s=seconds)


def _stream(
    request: PageRequest,
    make_parts: Callable[[], Awaitable[Parts]],
    team_id: str,
    *,
    webhook_id: str | None,
    every_s: float,
) -> Streamed:
    changes = request.handles.console.changes
    if is_full(changes, team_id):
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "Too many pages are live at once: reload this one now and then.")

    async def run(send: SendPiece) -> None:
        if is_full(changes, team_id):  # again: other streams may have begun since
            return
        with changes.follow(team_id, webhook_id) as follower:
            await send(b"retry: %d\n\n" % _RETRY_MS)
            shown: dict[str, str] = {}
            while True:
                try:
                    if not await request.is_still_valid():
                        return
                    parts = await make_parts()
                except DaemonError:
                    return  # the browser reconnects
                for name, part in parts.items():
                    if shown.get(name) != (content := _RELATIVE_TIMES.sub("", part)):
                        shown[name] = content
                        await send(_event(name, part))
                if not await _changed(follower, every_s, send):
                    return
                await trio.sleep(pause_s(changes))

    return Streamed(STREAM_HEADERS, run)


async def _changed(follower: Follower, every_s: float, send: SendPiece) -> bool:
    """Wait for a change or the next heartbeat, at which the session is checked; return False if the daemon stops."""
    with trio.move_on_after(every_s):
        return await follower.wait()
    await send(b": still here\n\n")  # detects a browser that has gone
    return True


def _event(name: str, part: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in part.splitlines())
    return f"event: {name}\n{lines}\n".encode()
