"""Whoever names an event of the log, in code, pages, tests or their helpers, names one that is logged."""

import ast
import io
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from daemon.telemetry.log_events import LOG_EVENTS
from tests.docs.sources import ROOT, Source, sources
from tests.support.daemon import RunningDaemon
from tests.support.process import DaemonProcess

NAME = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")
FIRST_WORDS = frozenset(name.split("_")[0] for name in LOG_EVENTS)
LAST_WORDS = frozenset(name.split("_")[-1] for name in LOG_EVENTS)
# What is called in the same way and is no event of the log: columns, kinds of mails, cookies, parts of metrics' names,
# keys of tests.
OTHER_NAMES = frozenset(
    {
        "address_added",
        "address_removed",
        "attempts_made",
        "commits_failed",
        "console_message",
        "credits_exhausted",
        "events_accepted",
        "log_accepted",
        "team_dead",
        "team_looking_up",
        "webhook_or_deleted",
        "webhook_recovered",
    }
)
PAGES = (".md", ".yml", ".json", ".html", ".js", ".css", ".toml", ".sh")
# Calls of the tests' helpers and options of the command line whose first argument is a name.
NAMED_IN_CALLS = ("logged", "log_lines")
NAMED_IN_TEXT = re.compile(r"logs[^\n`]* --name[ =](\w+)")


def looks_like_an_event(name: str) -> bool:
    words = name.split("_")
    return words[0] in FIRST_WORDS and words[-1] in LAST_WORDS and name not in OTHER_NAMES


def names_in_text(text: str) -> set[str]:
    likely = filter(looks_like_an_event, NAME.findall(text))
    return {*likely, *NAMED_IN_TEXT.findall(text)}


def names_in_code(source: Source) -> Iterator[str]:
    for node in source.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from names_in_text(node.value)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in NAMED_IN_CALLS:
            yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str))


def may_name_another(source: Source) -> bool:
    """Whether its code has to be looked into: for most files, to look through their text is enough."""
    names = names_in_text(source.text) - LOG_EVENTS.keys()
    return bool(names) or any(f".{call}(" in source.text for call in NAMED_IN_CALLS)


def pages() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    # The changelog tells what events were called before.
    names = [name for name in listed.splitlines() if name != "CHANGELOG.md" and "package-lock" not in name]
    return [ROOT / name for name in names if name.endswith(PAGES)]


def test_no_code_and_no_test_names_an_event_that_does_not_exist() -> None:
    own = Path(__file__).relative_to(ROOT).as_posix()
    found = {
        (source.path, name)
        for source in sources("daemon", "api", "tests")
        if source.path != own and may_name_another(source)
        for name in names_in_code(source)
    }
    assert len(found) > 100
    assert not [named for named in sorted(found) if named[1] not in LOG_EVENTS]


def test_no_page_names_an_event_that_does_not_exist() -> None:
    found = {(str(page.relative_to(ROOT)), name) for page in pages() for name in names_in_text(page.read_text("utf-8"))}
    assert len(found) > 50
    assert not [named for named in sorted(found) if named[1] not in LOG_EVENTS]


@pytest.mark.parametrize("text", ["`actor_crashed`", "webhook_dropped", "kakiyo-webhooks logs -f --name nonsense"])
def test_a_wrong_name_is_seen(text: str) -> None:
    [name] = names_in_text(text)
    assert name not in LOG_EVENTS


async def test_the_tests_helpers_refuse_what_is_never_logged() -> None:
    process = DaemonProcess(cast(Any, None), cast(trio.Process, None))
    daemon = RunningDaemon(*cast(Any, [None, None, None, io.BytesIO(), None, None, None, None]))
    with pytest.raises(ValueError, match="actor_crashed"):
        await process.logged("actor_crashed")
    with pytest.raises(ValueError, match="actor_crashed"):
        process.log_lines("actor_crashed")
    with pytest.raises(ValueError, match="has no fields colour"):
        process.log_lines("actor_restarted", colour="red")
    with pytest.raises(ValueError, match="actor_crashed"):
        daemon.log_lines("actor_crashed")
