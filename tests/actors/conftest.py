"""A daemon in virtual time, with a team and its webhook: what most tests of actors begin with.

Each test names `autojump_clock` itself: pytest-trio looks for its clock among the test's own arguments only.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from daemon.config.settings import Settings
from daemon.domain.model import Team, Webhook
from tests.actors.fan_outs import AT_ONCE, PIECE, webhooks_of
from tests.actors.receivers import A
from tests.support.daemon import FakeReceiver, FakeThread, RunningDaemon, make_settings, running


@pytest.fixture
async def receiver() -> FakeReceiver:
    return FakeReceiver()


@pytest.fixture
def run_write() -> FakeThread:
    """The thread that writes to the database: at once, until a test slows it down or lets it fail."""
    return FakeThread()


@pytest.fixture
def run_read() -> FakeThread:
    """The threads that read from the database: at once, until a test slows them down or lets them fail."""
    return FakeThread()


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """The defaults, but for the sections that the test's marker names."""
    marker = request.node.get_closest_marker("settings")
    return make_settings(tmp_path, **(marker.kwargs if marker else {}))


@pytest.fixture
async def daemon(
    tmp_path: Path, receiver: FakeReceiver, settings: Settings, run_write: FakeThread, run_read: FakeThread
) -> AsyncIterator[RunningDaemon]:
    assert isinstance(trio.lowlevel.current_clock(), MockClock), "the test must name autojump_clock"
    async with running(tmp_path, receiver, settings=settings, run_write=run_write, run_read=run_read) as daemon:
        yield daemon


@pytest.fixture
async def team(daemon: RunningDaemon) -> Team:
    return await daemon.team()


@pytest.fixture
async def webhook(daemon: RunningDaemon, team: Team) -> Webhook:
    """It subscribes to every event, which its receiver A answers with 200."""
    return await daemon.webhook(team, A)


@pytest.fixture
async def webhooks(daemon: RunningDaemon, team: Team) -> list[Webhook]:
    """Webhooks enough for a large submission."""
    return await webhooks_of(daemon, team)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few deliveries be many."""
    monkeypatch.setattr("daemon.delivery.matcher._MOST_AT_ONCE", AT_ONCE)
    monkeypatch.setattr("daemon.delivery.fan_out._DELIVERIES_AT_ONCE", PIECE)


@pytest.fixture
def slow_pieces(small_pieces: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a second pass between two pieces."""
    monkeypatch.setattr("daemon.delivery.fan_out._SHORTEST_REST_S", 1.0)
