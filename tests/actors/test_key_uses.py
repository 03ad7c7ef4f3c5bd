"""When keys were last used is kept, without a write for each use (contract "HTTP API")."""

import trio
from trio.testing import MockClock

from daemon.domain.model import ApiKey, Team
from daemon.management.key_uses import KEEP_EVERY_S
from daemon.store.reads import api_reads
from tests.support.daemon import RunningDaemon


async def a_key(daemon: RunningDaemon, team: Team) -> ApiKey:
    made = await daemon.parts.teams.create_key(team.id, "CI")
    assert made is not None
    return made[0]


async def last_use(daemon: RunningDaemon, key: ApiKey) -> int | None:
    found = await daemon.parts.store.reader.fetch(api_reads.get_key, key.id)
    assert found is not None
    return found.last_used_at


async def test_the_last_use_of_a_key_is_kept_within_a_minute(
    daemon: RunningDaemon, team: Team, autojump_clock: MockClock
) -> None:
    used, unused = await a_key(daemon, team), await a_key(daemon, team)
    for _ in range(3):
        daemon.parts.key_uses.note(used.id)
        await trio.sleep(1)
    last = daemon.parts.clock.now_ms()
    daemon.parts.key_uses.note(used.id)
    await trio.sleep(KEEP_EVERY_S)
    assert await last_use(daemon, used) == last
    assert await last_use(daemon, unused) is None


async def test_uses_cost_one_commit_a_minute_and_none_when_nothing_is_used(
    daemon: RunningDaemon, team: Team, autojump_clock: MockClock
) -> None:
    keys = [await a_key(daemon, team) for _ in range(5)]
    await trio.sleep(5)
    before = daemon.database.transactions
    for key in keys:
        daemon.parts.key_uses.note(key.id)
    daemon.parts.key_uses.note("operator")
    await trio.sleep(2 * KEEP_EVERY_S)
    assert daemon.database.transactions == before + 1
    await trio.sleep(2 * KEEP_EVERY_S)
    assert daemon.database.transactions == before + 1
