"""What the nodes' logs say that no run may make them say, whatever is done to them."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

# A crash in our own code, as opposed to a database that is away.
_FAULTS = frozenset(
    {
        "actor_parked", "actor_restarted", "actor_restarts_exhausted", "api_error", "daemon_failed", "mail_crashed",
        "python_message",
    }
)  # fmt: skip


def faults_in(log: Path) -> Iterator[str]:
    """Give a sentence for each line that tells of a crash, with the end of its traceback."""
    for line in _lines(log):
        if line["event"] in _FAULTS:
            trace = str(line.get("traceback", line.get("text", ""))).strip().splitlines()[-6:]
            told = " | ".join(map(str.strip, trace))
            yield f"{log.parent.name} logged {line['event']}: {line.get('error', '')} {told}"


def count_events(log: Path) -> Counter[str]:
    """Count the lines of a log that are warnings or errors, by event."""
    return Counter(line["event"] for line in _lines(log) if line["level"] in ("warning", "error"))


def _lines(log: Path) -> Iterator[dict[str, str]]:
    if not log.exists():
        return
    for raw in log.read_bytes().splitlines():
        try:
            line = json.loads(raw)
        except ValueError:
            continue  # a kill can cut a line; what a start refuses is no JSON
        if isinstance(line, dict) and {"event", "level"} <= line.keys():
            yield line
