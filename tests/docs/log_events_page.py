"""docs/logs.md, made from daemon/telemetry/log_events.py: `python -m tests.docs.log_events_page > docs/logs.md`."""

from collections.abc import Iterator

from daemon.telemetry.log_events import FIELDS, LOG_EVENTS

_HEAD = """\
# Log events

Made from `daemon/telemetry/log_events.py`; to make it again:
`.venv/bin/python -m tests.docs.log_events_page > docs/logs.md`.

The daemon writes one line for each happening, on stderr: JSON, or made for people when stderr is a terminal
(`log.format`). The names and fields below are stable. Under systemd the lines are entries of the journal, with
priorities and fields of their own. `kakiyo-webhooks logs` reads them from the journal, a file or a pipe, and filters by
webhook, team, delivery, event, name, level and time: with `--delivery` from the submission to the end. A warning that
repeats itself is logged five times a minute, then counted.

As JSON a line has `timestamp` (RFC 3339, UTC, milliseconds),
`level`, `event` (the name below), and the event's fields as far as they apply. With PostgreSQL each line
has `node`, the name of the node. No line holds a key, a secret, a signature or a payload."""
_LEVELS = ("error", "warning", "info", "debug")


def page() -> str:
    """Return the whole page."""
    sections = [_HEAD, *map(_section, _LEVELS), "\n".join(_table(("field", "meaning"), _fields()))]
    sections.insert(-1, "## Fields")
    return "\n\n".join(sections) + "\n"


def _section(level: str) -> str:
    rows = (
        (f"`{event.name}`", _cell(event.meaning), " ".join(f"`{field}`" for field in event.fields))
        for event in LOG_EVENTS.values()
        if event.level == level
    )
    return "\n".join([f"## Level {level}", "", *_table(("event", "meaning", "fields"), rows)])


def _fields() -> Iterator[tuple[str, ...]]:
    return ((f"`{name}`", _cell(meaning)) for name, meaning in FIELDS.items())


def _table(columns: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(page(), end="")
