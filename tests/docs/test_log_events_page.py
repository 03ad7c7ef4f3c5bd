import ast

from daemon.telemetry.log_events import FIELDS, LOG_EVENTS
from tests.docs.log_events_page import page
from tests.docs.sources import ROOT, Source, sources

LOG_METHODS = ("debug", "info", "warning", "error")


def test_the_page_is_what_the_table_says() -> None:
    written = (ROOT / "docs/logs.md").read_text("utf-8")
    remake = ".venv/bin/python -m tests.docs.log_events_page > docs/logs.md"
    assert written == page(), f"the table has changed: {remake}"


def test_every_field_of_an_event_is_explained() -> None:
    used = {field for event in LOG_EVENTS.values() for field in event.fields}
    assert used <= set(FIELDS), f"explain these in FIELDS: {sorted(used - set(FIELDS))}"


def test_every_line_that_the_code_logs_is_in_the_table() -> None:
    found = [(name, method) for source in sources("daemon", "api") for name, method in logged(source)]
    assert len(found) > 20
    listed = {(event.name, event.level) for event in LOG_EVENTS.values()}
    assert set(found) <= listed


def test_every_line_of_the_table_is_logged_somewhere() -> None:
    texts = [source.text for source in sources("daemon", "api") if source.path != "daemon/telemetry/log_events.py"]
    assert not [name for name in LOG_EVENTS if not any(f'"{name}"' in text for text in texts)]


def logged(source: Source) -> list[tuple[str, str]]:
    """Return the names that are written out in calls like `log.info("name", …)`, with their levels."""
    calls = [node for node in source.nodes if isinstance(node, ast.Call) and node.args]
    return [
        (name.value, call.func.attr)
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr in LOG_METHODS
        if ast.unparse(call.func.value).removeprefix("self.").endswith("log")
        if isinstance(name := call.args[0], ast.Constant) and isinstance(name.value, str)
    ]
