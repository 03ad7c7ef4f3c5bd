"""The quick starts of README and of docs/getting-started.md, played word for word."""

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.docs.pages import blocks, section
from tests.docs.playing import DONE, PROGRAM, Place, Terminal, assert_shown, free_port, pair_up, terminal
from tests.support.programs import program


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(
        {
            PROGRAM: f"{sys.executable} -m daemon",
            "/tmp/kakiyo": str(tmp_path / "state"),
            "127.0.0.1:8480": f"127.0.0.1:{free_port()}",
            "9000": str(free_port()),
        }
    )


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("README.md", "Five minutes to a delivery"),
        ("docs/getting-started.md", "Five minutes from nothing to a delivery"),
    ],
)
def test_five_minutes_lead_from_nothing_to_a_delivery(place: Place, page: str, title: str) -> None:
    program("curl")
    steps = pair_up(blocks(section(page, title)))
    with ExitStack() as open_terminals:
        shell = open_terminals.enter_context(terminal("bash", "-eo", "pipefail"))
        terminals: dict[str, Terminal] = {}
        for command, shown in steps:
            if " serve " in command:
                terminals["serve"] = open_terminals.enter_context(terminal(*started(place, command)))
                assert_shown(place, shown[:1], terminals["serve"].read_until("daemon_ready"))
            elif " listen " in command:
                terminals["listen"] = open_terminals.enter_context(terminal(*place.here(command).split()))
                terminals["listen"].read_until("Listening on")
            else:
                shell.type(f"{place.here(command)}\necho '{DONE}'\n")
                assert_shown(place, shown[:1], shell.read_until(DONE).removesuffix(f"{DONE}\n"))
            if len(shown) == 2:
                assert_shown(place, shown[1:], terminals["listen"].read_lines(shown[1].count("\n")))
                terminals["serve"].read_until("delivery_succeeded")
    assert set(terminals) == {"serve", "listen"}
    assert terminals["serve"].process.returncode == 0


def started(place: Place, command: str) -> list[str]:
    """The daemon's command, listening where this test may; the page relies on the default."""
    return [*place.here(command).split(), "--bind", place.replacements["127.0.0.1:8480"]]
