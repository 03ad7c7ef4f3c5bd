"""The trace that a submission belongs to (W3C Trace Context, "traceparent")."""

import re

# Version 00 has nothing after its flags; of later versions only these parts are known. All zeros is not an id.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_LENGTH = 55


def parse_traceparent(header: str | None) -> str | None:
    """Return the header in the form of version 00; None if it is missing or, by the standard, malformed."""
    if header is None or (match := _TRACEPARENT.fullmatch(header)) is None:
        return None
    if header.startswith("00") and len(header) != _LENGTH:
        return None
    return f"00-{match[1]}-{match[2]}-{match[3]}"


def trace_id_of(traceparent: str | None) -> str | None:
    """Return the 32 hex digits of the trace's id, None without a trace."""
    return None if traceparent is None else traceparent[3:35]
