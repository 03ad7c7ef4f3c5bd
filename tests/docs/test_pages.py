"""What README and the pages under docs/ say of routes, settings, metrics, commands and files is so."""

import ast
import re
import shlex
import tomllib
from itertools import takewhile

import pytest
from prometheus_client import generate_latest

from api.app import ROUTES
from daemon import __version__
from daemon.cli import main
from daemon.cli.exits import ExitCode
from daemon.config.settings import Settings
from tests.docs.monitoring import all_metrics
from tests.docs.pages import commands, only_block, pages, read, section, table
from tests.docs.sources import ROOT, sources

LONGEST_README = 250
# What follows is not for us.
OF_THE_SHELL = ("|", ">", ">>", "2>", "2>>", "&>", "&")
OURS = re.compile(r"(?:\.venv/bin/|/opt/kakiyo-webhooks/bin/)?kakiyo-webhooks ")


def test_the_routes_are_those_of_the_api() -> None:
    shown = [route for route, _ in table(section("docs/http-api.md", "Routes"))]
    assert sorted(shown) == sorted(f"{route.method} {route.path}" for route in ROUTES)


def test_the_settings_exist_and_have_these_defaults() -> None:
    defaults = Settings().model_dump(mode="json", by_alias=True)
    shown = {
        name: tomllib.loads(f"value = {default}")["value"]
        for name, default, _ in table(section("docs/configuration.md", "The settings you are likely to need"))
    }
    assert shown == {name: _look_up(defaults, name) for name in shown}


def test_the_metrics_are_those_that_are_exposed() -> None:
    exposed = re.findall(r"^# TYPE (kakiyo_webhooks_\w+) ", generate_latest(all_metrics()).decode(), re.MULTILINE)
    shown = [name for name, _ in table(read("docs/metrics.md"))]
    assert sorted(shown) == sorted(name for name in exposed if not name.endswith("_created"))


def test_the_exit_codes_are_all_there() -> None:
    assert {int(code) for code, _ in table(section("docs/command-line.md", "Exit codes"))} == {
        code.value for code in ExitCode
    }


@pytest.mark.parametrize(
    "line", sorted({line for path in pages() for line in commands(read(path)) if OURS.match(line)})
)
def test_every_command_line_can_be_typed(line: str) -> None:
    words = takewhile(lambda word: word not in OF_THE_SHELL, shlex.split(OURS.sub("", line, count=1)))
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])  # says what is wrong with the words before it, and does nothing else
    assert ended.value.code == ExitCode.DONE


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", " ".join(map(read, pages())))) <= targets


@pytest.mark.parametrize("page", [path for path in pages() if path != "CHANGELOG.md"])  # it names what there was
def test_every_file_that_a_page_names_exists(page: str) -> None:
    named = re.findall(r"`((?:daemon|api|systemd|docs|tests)/[\w./-]+)`", read(page))
    assert not [path for path in named if not (ROOT / path).exists()]


def test_the_readme_is_short() -> None:
    assert len(read("README.md").splitlines()) <= LONGEST_README


def test_the_promises_of_the_demo_are_those_that_it_checks() -> None:
    shown = re.findall(r"^✓ (.+)$", only_block(section("README.md", "Two commands"), "text"), re.MULTILINE)
    assert len(shown) == 13
    [checks] = [source for source in sources("daemon") if source.path == "daemon/demo/checks.py"]
    promises = [text for text in map(_pattern, ast.walk(checks.tree)) if text]
    assert not [line for line in shown if not any(re.match(promise + " ", line) for promise in promises)]


def test_it_is_about_this_version() -> None:
    shown = re.findall(r"version=(\S+)|kakiyo-webhooks/(\d\S*)", read("docs/getting-started.md"))
    assert set(shown) == {(__version__, ""), ("", __version__)}


def _pattern(node: ast.AST) -> str | None:
    """Return what a sentence of the code looks like when it is printed, whatever stands in its braces."""
    match node:
        case ast.JoinedStr(values):
            parts = [str(one.value) if isinstance(one, ast.Constant) else None for one in values]
        case ast.Constant(str(text)):
            parts = [text]
        case _:
            return None
    fixed = "".join(part or "" for part in parts)
    return "".join(r"\S.*?" if part is None else re.escape(part) for part in parts) if fixed.count(" ") > 1 else None


def _look_up(tree: object, path: str) -> object:
    for name in path.split("."):
        assert isinstance(tree, dict)
        assert name in tree, f"there is no setting {path}"
        tree = tree[name]
    return tree
