"""Every actor and service that lives as long as the daemon: started, stopped, cancelled, crashed wherever it waits."""

import ast
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from daemon.actors.supervisor import ActorFailed
from daemon.maintenance.gauges import LONGEST_WAIT_S
from daemon.store.reads import time_blocks
from daemon.store.sqlite.database import Database
from daemon.store.writes import cancelling
from daemon.telemetry.metrics import ActorKind
from tests.actors.services import ELSEWHERE, IN_CLUSTER, SERVICES, Scene, Service, give, tasks
from tests.actors.strikes import Strikes
from tests.faults.sabotage import Bug
from tests.support.daemon import running

DAEMON = Path(__file__).parents[2] / "daemon"
# A mail that was sent is recorded within 5 s, whatever happens.
LONGEST_SHIELD_S = 5
STOP_S, STORE_DRAIN_S = 15, 10
# Clients of the daemon.
CLIENTS = {"cli", "demo", "doctor"}
MOST_STEPS = 8
# Stopped at the first of these steps, killed at the second, and so on.
STEPS = tuple(zip((1, 2, 3, 6), cycle((False, True)), strict=False))

SUPERVISED = [service for service in SERVICES if service.kind is not None and not service.ends]
VITAL = [service for service in SERVICES if service.kind is None]
of_each = pytest.mark.parametrize("service", SERVICES, ids=str)
of_each_supervised = pytest.mark.parametrize("service", SUPERVISED, ids=str)
of_each_in_need = pytest.mark.parametrize("service", [service for service in SUPERVISED if service.needs], ids=str)


@pytest.fixture
def strikes(service: Service, monkeypatch: pytest.MonkeyPatch) -> Strikes:
    strikes = Strikes()
    strikes.enter(monkeypatch, service.run)
    return strikes


@pytest.fixture
async def scene(strikes: Strikes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Pages and pieces are so small that a few of everything are many."""
    monkeypatch.setattr("daemon.delivery.matcher._MOST_AT_ONCE", 4)
    monkeypatch.setattr("daemon.delivery.fan_out._DELIVERIES_AT_ONCE", 2)
    monkeypatch.setattr(cancelling, "MAX_CANCELLED_PER_COMMIT", 2)
    monkeypatch.setattr(time_blocks, "ROWS_PER_BLOCK", 5)
    monkeypatch.setattr(Database, "is_checkpoint_due", lambda self: True)
    return Scene(tmp_path, strikes)


def restarts(scene: Scene) -> list[tuple[str, str]]:
    lines = scene.daemon.log_lines("actor_restarted", "actor_restarts_exhausted")
    return [(line["event"], line["actor"]) for line in lines]


async def does_its_work(service: Service, scene: Scene) -> bool:
    taken = await give(service, scene)
    await trio.sleep(service.within_s)
    return taken and await service.done(scene)


@of_each
async def test_an_idle_service_starts_once_and_stops_at_once(
    service: Service, scene: Scene, strikes: Strikes, autojump_clock: MockClock
) -> None:
    async with scene.life() as daemon:
        daemon.parts.fleet.wake(webhook.id for webhook in scene.webhooks.values())
        await trio.sleep(10)
        assert (strikes.alive == 0) == service.ends
        assert strikes.lives == (len(scene.webhooks) if service.kind is ActorKind.ENDPOINT else 1)
        daemon.stop.set()
        with trio.fail_after(0.1):
            await daemon.stopped.wait()
        assert strikes.alive == 0
        assert restarts(scene) == []


async def goes_on_after_each(service: Service, scene: Scene, arm: Callable[[int], None]) -> None:
    """Arm at the first place, the second, and so on, until the work ends before the place is reached."""
    strikes, struck = scene.strikes, 0
    async with scene.life():
        assert await does_its_work(service, scene), "it works undisturbed"
        before = tasks()
        for place in range(1, MOST_STEPS + 1):
            arm(place)
            await give(service, scene)
            await trio.sleep(service.within_s)
            if strikes.count == 0:
                break
            struck += strikes.count
            strikes.disarm()
            assert restarts(scene) == [("actor_restarted", service.kind)] * struck, place
            assert await does_its_work(service, scene), place
            assert tasks() == before, place
    assert struck > 0


@of_each_supervised
async def test_a_service_cancelled_at_any_step_ends_in_time_and_continues_when_restarted(
    service: Service, scene: Scene, strikes: Strikes, autojump_clock: MockClock
) -> None:
    await goes_on_after_each(service, scene, lambda place: strikes.arm(step=place, lives=2))
    assert strikes.longest_end_s <= LONGEST_SHIELD_S


@of_each_in_need
async def test_a_service_that_crashes_at_any_call_continues_when_restarted(
    service: Service, scene: Scene, strikes: Strikes, autojump_clock: MockClock
) -> None:
    await goes_on_after_each(service, scene, lambda place: strikes.arm(call=place, lives=2))


async def struck_while_it_works(service: Service, scene: Scene) -> None:
    """Run the daemon until the strike has ended it, or stop it cleanly after the work is done."""
    async with scene.life() as daemon:
        with trio.move_on_after(service.within_s + STOP_S + STORE_DRAIN_S + LONGEST_WAIT_S) as limit:
            async with trio.open_nursery() as callers:
                callers.start_soon(give, service, scene)
                with trio.move_on_after(service.within_s):
                    await daemon.stop.wait()
                daemon.stop.set()
                await daemon.stopped.wait()
        assert daemon.stopped.is_set()
        assert not limit.cancelled_caught, "everybody who asked for something has an answer"


@of_each
async def test_a_stop_or_a_kill_at_any_step_loses_nothing_and_the_next_start_continues(
    service: Service, scene: Scene, strikes: Strikes, autojump_clock: MockClock
) -> None:
    async with scene.life():
        assert await does_its_work(service, scene)
    struck = 0
    for step, is_kill in STEPS:
        with trio.CancelScope() as life:
            strikes.on_strike = life.cancel if is_kill else scene.stop
            strikes.arm(step=step)
            await struck_while_it_works(service, scene)
        assert strikes.alive == 0
        struck += strikes.count
    assert struck > 0
    strikes.disarm()
    async with scene.life():
        assert await does_its_work(service, scene)


@pytest.mark.parametrize("service", VITAL, ids=str)
async def test_a_crash_of_a_vital_service_ends_the_daemon_and_the_next_start_continues(
    service: Service, scene: Scene, strikes: Strikes, autojump_clock: MockClock
) -> None:
    async with scene.life():
        assert await does_its_work(service, scene)
    for step, _ in STEPS:
        ended, before = False, strikes.crashes
        strikes.arm(step=step)
        try:
            await struck_while_it_works(service, scene)
        except* (ActorFailed, Bug):
            ended = True
        assert ended == (strikes.crashes > before)
    assert strikes.crashes > 0
    strikes.disarm()
    async with scene.life():
        assert await does_its_work(service, scene)


STARTING = ("start_soon", "spawn_system_task")


def started_in(path: Path) -> Iterator[str]:
    """Yield what the file starts in nurseries, and as system tasks."""
    for call in ast.walk(ast.parse(path.read_text())):
        if not isinstance(call, ast.Call):
            continue
        handed = [call.func, *call.args]
        starts = [place for place, value in enumerate(handed) if getattr(value, "attr", "") in STARTING]
        for place in starts:
            what = handed[place + 1]
            yield ast.unparse(what.args[0] if isinstance(what, ast.Call) else what)


def test_every_task_that_the_daemon_starts_is_in_the_table_or_tested_elsewhere() -> None:
    files = [path for path in DAEMON.rglob("*.py") if path.relative_to(DAEMON).parts[0] not in CLIENTS]
    found = {f"daemon/{path.relative_to(DAEMON)}: {name}" for path in files for name in started_in(path)}
    assert found == {service.started for service in SERVICES} | ELSEWHERE.keys()
    assert all((DAEMON.parent / test).is_file() for test in ELSEWHERE.values())


def _name_of(run: Any) -> str:
    function = run.func if isinstance(run, partial) else run
    return str(getattr(function, "__func__", function).__qualname__)


async def test_every_kind_of_actor_is_in_the_table(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running(tmp_path) as daemon:
        upkeep = {_name_of(run) for run in daemon.parts.upkeep.values()}
    in_table = {service.run: service for service in SERVICES if service.started == "daemon/run.py: task.run"}
    assert upkeep == {".".join(run.rsplit(".", 2)[1:]) for run in in_table}
    in_cluster = {kind for kind in ActorKind if kind in IN_CLUSTER}
    assert {ActorKind.STORE} | in_cluster | {service.kind for service in SERVICES} - {None} == set(ActorKind)
