"""docs/faults.md says what the tests try, and nothing else."""

import re
import subprocess
import sys

import pytest

from tests.support.attack_table import COMMAND, PAGE, ROOT, Row, render, rows_of
from tests.support.process import clean_environment

ROW = Row("It rains | it pours", "It stays dry", "tests/faults/test_rain.py", "test_it_stays_dry", 1234)


def test_the_table_is_what_the_tests_say() -> None:
    command = [sys.executable, "-m", "tests.support.attack_table", "--print"]
    made = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=clean_environment({}), check=False)
    assert made.returncode == 0, made.stderr
    assert PAGE.read_text("utf-8") == made.stdout, f"the tests have changed: {COMMAND}"


def test_a_row_is_a_line_that_links_to_its_test() -> None:
    page = render([ROW])
    assert "1 faults and attacks, 1,234 cases" in page
    assert (
        "| It rains &#124; it pours | It stays dry | [it stays dry](../tests/faults/test_rain.py) | 1,234 |\n" in page
    )


def test_every_test_that_the_table_links_to_exists() -> None:
    linked = re.findall(r"\]\((\S+)\)", PAGE.read_text("utf-8"))
    assert linked
    assert not [path for path in linked if not (PAGE.parent / path).exists()]


@pytest.mark.parametrize(
    "marker",
    [
        pytest.mark.fault("only what happens"),
        pytest.mark.fault("what happens", ""),
        pytest.mark.fault("a", "b", "c"),
        pytest.mark.fault("a", "b", case=3),
    ],
)
def test_a_marker_that_is_no_row_is_refused(request: pytest.FixtureRequest, marker: pytest.MarkDecorator) -> None:
    request.node.add_marker(marker)
    with pytest.raises(ValueError, match=r"test_faults_table\.py: .*: expected fault\(what_happens"):
        list(rows_of([request.node]))
