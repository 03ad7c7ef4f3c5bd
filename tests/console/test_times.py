"""Times and durations as people read them, in the server's words and the script's."""

import json
import subprocess

import pytest

from api.console.rendering.times import exact, relative
from daemon.domain.durations import duration
from tests.docs.sources import ROOT
from tests.support.programs import program

S, MIN, H, DAY = 1_000, 60_000, 3_600_000, 86_400_000
NOW = 1_795_494_580_123

RELATIVE = [
    (0, "just now"),
    (-999, "just now"),
    (999, "just now"),
    (-1 * S, "1 s ago"),
    (-59_999, "59 s ago"),
    (-60 * S, "1 min ago"),
    (-H + 1, "59 min ago"),
    (-H, "1 h ago"),
    (-DAY + 1, "23 h ago"),
    (-DAY, "1 day ago"),
    (-29 * DAY, "29 days ago"),
    (-30 * DAY, "25 Oct 2026"),
    (3 * S, "in 3 s"),
    (2 * H, "in 2 h"),
    (400 * DAY, "29 Dec 2027"),
]


@pytest.mark.parametrize(("offset", "words"), RELATIVE)
def test_a_time_is_told_from_now_and_a_distant_one_by_its_date(offset: int, words: str) -> None:
    assert relative(NOW + offset, NOW) == words


def test_an_exact_time_has_milliseconds_and_its_zone() -> None:
    assert exact(NOW) == "24 Nov 2026, 04:29:40.123 UTC"
    assert exact(10**18).startswith("31 Dec 9999")


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        *((0, "0 ms"), (999, "999 ms"), (1 * S, "1 s"), (1_250, "1.25 s"), (59_990, "59.99 s"), (60 * S, "1 min")),
        *(
            (125 * S, "2 min 5 s"),
            (H, "1 h"),
            (H + 4 * MIN, "1 h 4 min"),
            (DAY, "1 day"),
            (2 * DAY + 5 * H, "2 days 5 h"),
        ),
    ],
)
def test_a_duration_has_its_two_largest_units(ms: int, words: str) -> None:
    assert duration(ms) == words


def test_the_script_tells_times_in_the_same_words() -> None:
    script = (ROOT / "api/console/static/console.js").read_text("utf-8")
    told = script[script.index("const UNITS") : script.index("function refreshTimes")]
    offsets = [offset for offset, _ in RELATIVE if abs(offset) >= S and abs(offset) < 30 * DAY]
    code = (
        f"{told}\nconsole.log(JSON.stringify({json.dumps(offsets)}.map((offset) => relative({NOW} + offset, {NOW}))))"
    )
    ended = subprocess.run([program("node"), "-e", code], capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout) == [relative(NOW + offset, NOW) for offset in offsets]
