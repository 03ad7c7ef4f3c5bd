"""`make bench` is no part of the tests, so here a very small one shows that it works."""

import io
import json
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from tests.bench import revision
from tests.bench.__main__ import Options, Results, Setting, measure, read_options, run_suites
from tests.bench.backlog import cpu_us, drain, make_backlog, rate
from tests.bench.comparison import Pair, compare, measure_in_turns
from tests.bench.figures import Figure, table_of, write_json
from tests.bench.latency import Percentiles, percentiles
from tests.bench.machine import LIBRARIES, PROGRAMS, describe_machine, missing_programs
from tests.bench.nginx import nginx
from tests.bench.revision import THIS_TREE, RevisionError, Tree, check_out, missing_requirements
from tests.bench.stores import PostgresqlStore
from tests.bench.suites import SUITES, Suite
from tests.bench.sustained import measure_flow
from tests.bench.usage import switches_between
from tests.bench.workbench import Bench
from tests.support.programs import program

FIGURE = Figure("drain, 50 webhooks", 2345.6, "deliveries/s", "quick", 0.234, "at least 0.2 of the bare loop", True)

QUICK = Options(quick=True)


@pytest.fixture
def _programs() -> None:
    for name in PROGRAMS:
        program(name)


async def measure_little(bench: Bench) -> list[Figure]:
    async with nginx(bench.fresh("nginx")) as receiver:
        bench.advance("end to end")
        flow = await measure_flow(bench, receiver, connections=2)
        bench.advance("drain")
        backlog = await make_backlog(bench, receiver, webhooks=10, deliveries=100)
        drained = [await drain(bench, backlog)]
    return [
        Figure("end to end", flow.delivered, "events/s"),
        Figure("drain", rate(drained), "deliveries/s"),
        Figure("cost", cpu_us(drained), "µs"),
    ]


@pytest.mark.usefixtures("_programs")
async def test_a_suite_measures_a_real_daemon_between_wrk_and_nginx() -> None:
    told = io.StringIO()
    results = await measure([Suite("little", measure_little, 2)], QUICK, Console(file=told))
    assert not results.interrupted, "it was run to its end"
    assert not results.failed, told.getvalue()
    assert [figure.measure for figure in results.figures] == ["end to end", "drain", "cost"]
    assert all(figure.value > 0 for figure in results.figures)


async def test_a_suite_that_fails_is_told_and_the_others_are_measured_all_the_same() -> None:
    async def fail(_bench: Bench) -> list[Figure]:
        raise RuntimeError("the receiver is gone")

    async def succeed(_bench: Bench) -> list[Figure]:
        return [FIGURE]

    told, suites = io.StringIO(), [Suite("first", fail, 1), Suite("second", succeed, 1)]
    results = await measure(suites, QUICK, Console(file=told, width=200))
    assert (results.failed, results.figures) == (["first"], [FIGURE])
    assert "the receiver is gone" in told.getvalue()


async def test_a_suite_that_needs_a_file_says_why_it_measures_nothing_without() -> None:
    told = io.StringIO()
    suite = Suite("files", measure_little, 2, needs_a_file="there is no file to measure")
    figures = Results()
    await run_suites([suite], Setting(QUICK, None, PostgresqlStore(str)), figures, Console(file=told, width=200))
    assert (figures.figures, figures.failed) == ([], [])
    assert told.getvalue().startswith("files: there is no file to measure\n")


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


def test_a_suite_that_fills_a_database_itself_is_not_measured_against_another_revision(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        read_options(["--against", "main", "--only", "accept", "memory"])
    assert "cannot measure memory" in capsys.readouterr().err
    assert all(suite.comparable for suite in read_options(["--against", "main"]).suites)


def test_no_rounds_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        read_options(["--rounds", "0"])
    assert "at least 1 round is needed" in capsys.readouterr().err


def _rounds(*values: tuple[float, float]) -> list[Pair]:
    return [Pair([Figure("cost", ours, "µs")], [Figure("cost", other, "µs")]) for ours, other in values]


def test_a_comparison_has_the_median_of_the_ratios_of_each_round_and_their_spread() -> None:
    [figure] = compare("v1", _rounds((100, 200), (300, 400), (90, 100)))
    assert (figure.measure, figure.value, figure.ratio) == ("cost", 100, 0.75)
    assert figure.note == "v1: 200 µs; 0.50 to 0.90 in 3 rounds"


def test_a_measure_that_is_not_above_0_has_no_ratio() -> None:
    [figure] = compare("v1", _rounds((1, -0.5), (1, 2)))
    assert figure.ratio is None


def test_a_measure_that_one_side_lacks_is_left_out() -> None:
    assert compare("v1", [Pair([FIGURE, Figure("cost", 1, "µs")], [Figure("cost", 2, "µs")])])[0].measure == "cost"
    assert compare("v1", [Pair([FIGURE], [])]) == []


async def test_both_trees_are_measured_in_turns_which_change_places(tmp_path: Path) -> None:
    other, order = Tree("v1", tmp_path, "python"), list[str]()

    async def measure_tree(bench: Bench) -> list[Figure]:
        assert (bench.rounds, bench.floors) == (1, False)
        order.append(bench.tree.name)
        return [Figure("cost", 1 if bench.tree is THIS_TREE else 2, "µs")]

    [figure] = await measure_in_turns(measure_tree, Bench(tmp_path, True, lambda what: None, 3), other)
    assert order == ["this tree", "v1", "v1", "this tree", "this tree", "v1"]
    assert figure.ratio == 0.5


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose one commit has a package `daemon`, and locks nothing."""
    directory = tmp_path / "repository"
    (directory / "daemon").mkdir(parents=True)
    (directory / "daemon" / "__init__.py").touch()
    (directory / "requirements.txt").touch()
    git(directory, "init", "--quiet")
    commit(directory)
    monkeypatch.setattr(revision, "REPOSITORY", directory)
    return directory


def commit(repository: Path) -> None:
    git(repository, "add", ".")
    identity = ("-c", "user.name=Bench", "-c", "user.email=bench@example.com", "-c", "commit.gpgsign=false")
    git(repository, *identity, "commit", "--quiet", "--message", "Change it")


def git(repository: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", repository, *arguments], check=True)


@pytest.mark.usefixtures("repository")
async def test_a_revision_is_written_into_the_directory_and_its_own_daemon_is_found(tmp_path: Path) -> None:
    tree = await check_out("HEAD", tmp_path)
    assert (tree.name, tree.python) == ("HEAD", THIS_TREE.python), "what it locks is installed here"
    assert (tree.directory / "daemon" / "__init__.py").is_file()


@pytest.mark.usefixtures("repository")
async def test_a_revision_that_git_does_not_have_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(RevisionError, match="git has no revision 'v9'"):
        await check_out("v9", tmp_path)


async def test_a_revision_that_locks_what_is_not_installed_gets_an_environment_of_its_own(
    repository: Path, tmp_path: Path
) -> None:
    (repository / "requirements.txt").write_text("never-heard-of-it==1.0\n")
    link = "mkdir -p .venv/bin && printf '#!/bin/sh\\nexec $(PYTHON) \"$$@\"' > .venv/bin/python"
    (repository / "Makefile").write_text(f".venv/.installed:\n\t{link} && chmod +x .venv/bin/python\n")
    commit(repository)
    tree = await check_out("HEAD", tmp_path)
    assert tree.python == str(tree.directory / ".venv" / "bin" / "python")


async def test_a_revision_whose_environment_cannot_be_made_is_refused_with_the_reason(
    repository: Path, tmp_path: Path
) -> None:
    (repository / "requirements.txt").write_text("never-heard-of-it==1.0\n")
    (repository / "Makefile").write_text(".venv/.installed:\n\techo no network >&2; exit 1\n")
    commit(repository)
    with pytest.raises(RevisionError, match="no network"):
        await check_out("HEAD", tmp_path)


def test_what_a_revision_locks_is_compared_with_what_is_installed() -> None:
    locked = [
        f"pytest=={pytest.__version__} \\",
        "    --hash=sha256:0123",
        "trio==0.1 ; python_version >= '3'",
        "never-heard-of-it==1.0",
        "pywin32==1 ; sys_platform == 'win32'",
        "# via trio==9",
    ]
    assert missing_requirements(locked) == ["trio==0.1", "never-heard-of-it==1.0"]


def test_a_thread_that_began_counts_from_its_start_and_one_that_ended_no_more() -> None:
    assert switches_between({"1": 10, "2": 5}, {"1": 17, "3": 4}) == 11


def test_percentiles_are_in_milliseconds() -> None:
    taken_ns = [number * 1_000_000 for number in range(100)]
    assert percentiles(taken_ns[::-1]) == Percentiles(50, 95, 99)
