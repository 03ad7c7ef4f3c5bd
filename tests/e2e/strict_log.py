"""A strict reading of a daemon's log against the table of what may be logged."""

import json
import re
from collections.abc import Collection, Sequence

from daemon.telemetry.log_events import LOG_EVENTS

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def check_log(lines: Sequence[bytes], confidential: Collection[str], *, cut: bool = False) -> None:
    """Assert that each line is documented, and that none holds anything confidential; a kill may `cut` the last one."""
    for line in lines[:-1] if cut else lines:
        check_line(line)
    log = b"\n".join(lines)
    leaked = [text for text in confidential if text.encode() in log]
    assert not leaked, f"the log holds {leaked}"


def check_line(line: bytes) -> None:
    """Assert that a line is JSON, of a documented event, at its level, with documented fields only."""
    record = json.loads(line)
    assert list(record)[:3] == ["timestamp", "level", "event"], line
    assert _TIMESTAMP.fullmatch(record["timestamp"]), line
    documented = LOG_EVENTS.get(record["event"])
    assert documented is not None, f"not in daemon/telemetry/log_events.py: {line!r}"
    assert record["level"] == documented.level, line
    assert documented.name != "python_message", f"Python has something to say: {line!r}"
    unknown = record.keys() - {"timestamp", "level", "event", "node", *documented.fields}
    assert not unknown, f"{record['event']} has undocumented fields: {unknown}"
