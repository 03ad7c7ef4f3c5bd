"""Headers that keep a response from being misused by a browser or another site.

Strict-Transport-Security is not among them: the daemon speaks plain HTTP, and only what ends TLS in front of it can
promise that.
"""

from collections.abc import Mapping
from types import MappingProxyType

SAFETY_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",  # no page of another site may load an answer, not even blindly
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
)
