"""What answers to submissions say of deprecated event types (contract "Event types")."""

from api.http.route import Call, Noted
from daemon.domain.submission import Submission


def noted(call: Call, submission: Submission, content: bytes) -> bytes | Noted:
    """Return the answer, with `Deprecation` (RFC 9745) if a type of its events is deprecated, since when."""
    deprecated = call.handles.event_types.known.deprecated
    if not deprecated:
        return content
    times = [found.deprecated_at for event in submission.events if (found := deprecated.get(event.type)) is not None]
    since = min((at for at in times if at is not None), default=None)
    return content if since is None else Noted(content, (("Deprecation", f"@{since // 1000}"),))
