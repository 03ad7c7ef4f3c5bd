"""That a change was asked for by our own page (OWASP "Cross-Site Request Forgery Prevention")."""

import hmac
from http import HTTPStatus
from urllib.parse import urlsplit

from quart import Request

from api.console.refusals import Refused

_OURS = ("same-origin", "none")  # none: typed, or from a bookmark


def require_own_origin(request: Request, public_url: str) -> None:
    """Raise Refused (403) if the browser says that another site's page sent this request.

    Browsers say it in Sec-Fetch-Site, older ones in Origin; a client that says neither is no browser, and cannot be
    led here by another site.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        is_ours = site in _OURS
    else:
        is_ours = origin is None or urlsplit(origin).netloc in (request.host, urlsplit(public_url).netloc)
    if not is_ours:
        raise _foreign()


def require_form_token(given: str, expected: str) -> None:
    """Raise Refused (403) unless the form carries its session's token."""
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise _foreign()


def _foreign() -> Refused:
    sentence = "This form is not of your present session: go back, reload the page and send it again."
    return Refused(HTTPStatus.FORBIDDEN, sentence)
