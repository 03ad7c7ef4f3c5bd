"""What the README says of routes, settings, metrics, commands and files is so."""

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator

import pytest

from api.app import ROUTES
from daemon import __version__
from daemon.cli import main
from daemon.cli.exits import ExitCode
from daemon.config import Settings
from daemon.metrics import make_metrics
from tests.docs.readme import commands, only_block, readme, section, table
from tests.docs.sources import ROOT, sources

OURS = re.compile(r"(?:\.venv/bin/|/opt/kakiyo-webhooks/bin/)?kakiyo-webhooks ")


def test_the_routes_are_those_of_the_api() -> None:
    shown = [route for route, _ in table(section("The HTTP API"))]
    assert sorted(shown) == sorted(f"{route.method} {route.path}" for route in ROUTES)


def test_the_settings_exist_and_have_these_defaults() -> None:
    defaults = Settings().model_dump(mode="json", by_alias=True)
    shown = {name: tomllib.loads(f"value = {default}")["value"] for name, default, _ in table(section("Configuration"))}
    assert shown == {name: _look_up(defaults, name) for name in shown}


def test_the_metrics_are_those_that_are_exposed() -> None:
    exposed = re.findall(r"^# TYPE (kakiyo_webhooks_\w+) ", make_metrics().render().decode(), re.MULTILINE)
    shown = [name for name, _ in table(section("Metrics"))]
    assert sorted(shown) == sorted(name for name in exposed if not name.endswith("_created"))


def test_the_exit_codes_are_all_there() -> None:
    assert {int(code) for code, _ in table(section("The command line"))} == {code.value for code in ExitCode}


@pytest.mark.parametrize("line", [line for line in commands(readme()) if OURS.match(line)])
def test_every_command_line_can_be_typed(line: str) -> None:
    words = shlex.split(OURS.sub("", line, count=1))
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])  # says what is wrong with the words before it, and does nothing else
    assert ended.value.code == ExitCode.DONE


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", readme())) <= targets


def test_every_file_that_is_named_exists() -> None:
    linked = re.findall(r"\]\(([^):#]+)\)", readme())
    named = re.findall(r"`((?:daemon|api|systemd|docs|tests)/[\w./-]+)`", readme())
    assert linked
    assert named
    assert not [path for path in [*linked, *named] if not (ROOT / path).exists()]


def test_every_section_that_is_linked_exists() -> None:
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", readme(), re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", readme())) <= headings


def test_the_promises_of_the_demo_are_those_that_it_checks() -> None:
    shown = re.findall(r"^✓ (.+)$", only_block(section("Two commands"), "text"), re.MULTILINE)
    assert len(shown) == 13
    [checks] = [source for source in sources("daemon") if source.path == "daemon/demo/checks.py"]
    promises = [text for text in map(_pattern, ast.walk(checks.tree)) if text]
    assert not [line for line in shown if not any(re.match(promise + " ", line) for promise in promises)]


def test_it_is_about_this_version() -> None:
    assert set(re.findall(r"version=(\S+)|kakiyo-webhooks/(\d\S*)", readme())) == {(__version__, ""), ("", __version__)}


# the map


def test_every_module_is_in_the_map() -> None:
    modules = {source.path for source in sources("daemon", "api") if not source.path.endswith("/__init__.py")}
    assert not modules - set(_mapped()), "give each of these a line in README, 'The map'"


def test_everything_in_the_map_exists() -> None:
    assert not [path for path in _mapped() if not (ROOT / path).exists()]


def test_nothing_is_in_the_map_twice() -> None:
    assert len(list(_mapped())) == len(set(_mapped()))


def _mapped() -> Iterator[str]:
    """Yield the paths of the map, a tree by indentation."""
    tree = re.search(r"^```text\n(.*?)^```", section("The map"), re.MULTILINE | re.DOTALL)
    assert tree
    above: list[str] = []
    for line in tree[1].splitlines():
        entry = re.fullmatch(r"( *)(\S+)  +\S.*", line)
        assert entry, f"not a line of the map: {line!r}"
        depth, name = len(entry[1]) // 2, entry[2]
        above[depth:] = [name]
        yield "".join(above)


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
