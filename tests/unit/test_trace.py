"""traceparent, as W3C Trace Context has it."""

import pytest

from daemon.domain.trace_context import parse_traceparent, trace_id_of

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
VALID = f"00-{TRACE}-{PARENT}-01"


def test_a_trace_is_read_and_has_an_id() -> None:
    assert parse_traceparent(VALID) == VALID
    assert trace_id_of(VALID) == TRACE
    assert trace_id_of(None) is None


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert parse_traceparent(f"01-{TRACE}-{PARENT}-01-what-comes") == VALID
    assert parse_traceparent(f"fe-{TRACE}-{PARENT}-01") == VALID


@pytest.mark.parametrize(
    "header",
    [
        None, "", "00", f"ff-{TRACE}-{PARENT}-01", f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01", f"00-{TRACE}-{PARENT}-1", f"{VALID}-more", f"{VALID}\n", f" {VALID}",
        f"00-{TRACE[1:]}-{PARENT}-01", f"00-{TRACE}-{PARENT}-0g",
    ],
)  # fmt: skip
def test_what_is_malformed_is_ignored(header: str | None) -> None:
    assert parse_traceparent(header) is None
