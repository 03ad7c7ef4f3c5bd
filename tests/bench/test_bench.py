"""`make bench` is no part of the tests, so here a very small one shows that it works."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from tests.bench.__main__ import measure, read_options
from tests.bench.backlog import cpu_us, drain, make_backlog, rate
from tests.bench.figures import Figure, table_of, write_json
from tests.bench.machine import LIBRARIES, PROGRAMS, describe_machine, missing_programs
from tests.bench.nginx import nginx
from tests.bench.suites import SUITES, Suite
from tests.bench.sustained import measure_flow
from tests.bench.workbench import Bench
from tests.support.programs import program

FIGURE = Figure("drain, 50 webhooks", 2345.6, "deliveries/s", "quick", 0.234, "at least 0.2 of the bare loop", True)


@pytest.fixture
def _programs() -> None:
    for name in PROGRAMS:
        program(name)


async def measure_little(bench: Bench) -> list[Figure]:
    async with nginx(bench.fresh("nginx")) as receiver:
        bench.advance("end to end")
        flow = await measure_flow(bench, receiver, connections=2)
        bench.advance("drain")
        drained = [await drain(bench, make_backlog(bench, receiver.url, webhooks=10, deliveries=100))]
    return [
        Figure("end to end", flow.delivered, "events/s"),
        Figure("drain", rate(drained), "deliveries/s"),
        Figure("cost", cpu_us(drained), "µs"),
    ]


@pytest.mark.usefixtures("_programs")
async def test_a_suite_measures_a_real_daemon_between_wrk_and_nginx() -> None:
    told = io.StringIO()
    results = await measure([Suite("little", measure_little, 2)], True, Console(file=told))
    assert not results.interrupted, "it was run to its end"
    assert not results.failed, told.getvalue()
    assert [figure.measure for figure in results.figures] == ["end to end", "drain", "cost"]
    assert all(figure.value > 0 for figure in results.figures)


async def test_a_suite_that_fails_is_told_and_the_others_are_measured_all_the_same() -> None:
    async def fail(_bench: Bench) -> list[Figure]:
        raise RuntimeError("the receiver is gone")

    async def succeed(_bench: Bench) -> list[Figure]:
        return [FIGURE]

    told = io.StringIO()
    results = await measure([Suite("first", fail, 1), Suite("second", succeed, 1)], True, Console(file=told, width=200))
    assert (results.failed, results.figures) == (["first"], [FIGURE])
    assert "the receiver is gone" in told.getvalue()


@pytest.mark.usefixtures("_programs")
def test_the_json_has_the_machine_and_the_figures(tmp_path: Path) -> None:
    write_json(tmp_path / "figures.json", describe_machine(), [FIGURE])
    document = json.loads((tmp_path / "figures.json").read_text("utf-8"))
    assert document["figures"] == [
        {
            "measure": "drain, 50 webhooks",
            "value": 2345.6,
            "unit": "deliveries/s",
            "note": "quick",
            "ratio": 0.234,
            "goal": "at least 0.2 of the bare loop",
            "met": True,
        }
    ]
    machine = document["machine"]
    assert machine.keys() == {"cpu", "cores", "kernel", "python", "sqlite", "libraries", "programs", "date"}
    assert machine["libraries"].keys() == set(LIBRARIES)
    assert all(machine["programs"].values())


def test_the_table_shows_the_figure_its_ratio_and_whether_the_goal_is_met() -> None:
    console = Console(file=io.StringIO(), width=200, record=True)
    console.print(table_of([FIGURE]))
    [row] = [line for line in console.export_text().splitlines() if "drain" in line]
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells == ["drain, 50 webhooks", "2,346 deliveries/s", "0.23", FIGURE.goal, "met", "quick"]


def test_a_program_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert missing_programs() == ["wrk", "nginx"]


def test_an_unknown_suite_is_refused_with_the_names_of_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        read_options(["--only", "speed"])
    said = capsys.readouterr().err
    assert all(suite.name in said for suite in SUITES)
