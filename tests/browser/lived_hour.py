"""`python -m tests.browser.lived_hour FILE serve …` is `python -m daemon serve …` that remembers another's last hour.

FILE is what `keep_hour` wrote: the pictures of the System page are of an hour that a daemon has really had.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from daemon.cli import main as run_command_line
from daemon.maintenance.last_hour import LastHour, Minute

PROGRAM = "tests.browser.lived_hour"


def keep_hour(path: Path, minutes: Sequence[Minute]) -> None:
    """Write the minutes of a daemon's last hour."""
    path.write_text(json.dumps(list(map(asdict, minutes))), "utf-8")


def main() -> None:
    """Run the command line with the hour that its first argument names."""
    minutes = [Minute(**minute) for minute in json.loads(Path(sys.argv.pop(1)).read_text("utf-8"))]
    begin = LastHour.__init__

    def remember(hour: LastHour, **parts: Any) -> None:
        begin(hour, **parts)
        hour._minutes.extend(minutes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LastHour, "__init__", remember)
        run_command_line()


if __name__ == "__main__":
    main()
