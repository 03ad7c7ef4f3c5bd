"""Which lines of the log are wanted."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

_URGENCY = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


@dataclass(frozen=True, slots=True)
class LogFilter:
    """All of what is given must hold: fields with these very values, this level or above, this moment or later."""

    fields: Mapping[str, str] = field(default_factory=dict)
    level: str | None = None
    since: datetime | None = None

    def passes(self, record: Mapping[str, Any] | None) -> bool:
        """Whether the line is wanted; None is a line that is no JSON object: wanted only when nothing is filtered."""
        if record is None:
            return not self.fields and self.level is None and self.since is None
        return (
            all(_has(record, name, value) for name, value in self.fields.items())
            and _is_urgent_enough(record.get("level"), self.level)
            and _is_late_enough(record.get("timestamp"), self.since)
        )


def _has(record: Mapping[str, Any], name: str, value: str) -> bool:
    return record.get(name) == value or value in (record.get(f"{name}s") or ())


def parse_record(line: str) -> dict[str, Any] | None:
    """Return the line's JSON object, or None for any other line."""
    if not line.startswith("{"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _is_urgent_enough(level: object, wanted: str | None) -> bool:
    return wanted is None or _URGENCY.get(str(level), 0) >= _URGENCY[wanted]


def _is_late_enough(timestamp: object, since: datetime | None) -> bool:
    if since is None:
        return True
    try:
        moment = datetime.fromisoformat(str(timestamp))
    except ValueError:
        return False
    return moment.tzinfo is not None and moment >= since
