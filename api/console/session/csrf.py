"""Protection against CSRF: only our own pages can request a change (OWASP "Cross-Site Request Forgery Prevention")."""

import hmac
from http import HTTPStatus
from urllib.parse import urlsplit

from quart import Request

from api.console.session.refusals import Refused
from api.http.local import is_loopback

_OWN_SITE = ("same-origin", "none")  # none: typed, or from a bookmark
_LONGEST_SHOWN = 200


def require_own_origin(request: Request, public_url: str) -> None:
    """Raise Refused (403) if another site's page made the browser send this request.

    Browsers tell by Sec-Fetch-Site, or, if they are old or the page came over plain http, by Origin. A client that
    sends neither is not a browser, so no other site can control it.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        if site not in _OWN_SITE:
            raise _from_another_site()
    elif origin is not None and _netloc(origin) not in (request.host, urlsplit(public_url).netloc):
        raise _from_another_host(origin, request.host, public_url)


def require_form_token(given: str, expected: str) -> None:
    """Raise Refused (403) unless the form carries its session's token."""
    if not hmac.compare_digest(given.encode(), expected.encode()):
        sentence = "This form is not from your current session: go back, reload the page and send it again."
        raise Refused(HTTPStatus.FORBIDDEN, sentence)


def is_plain_http(request: Request) -> bool:
    """Whether the form came over plain http from another machine: the browser then stores no Secure cookie."""
    origin = request.headers.get("Origin", "")
    return origin.startswith("http://") and not _is_this_machine(_netloc(origin))


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _is_this_machine(netloc: str) -> bool:
    host = netloc.removeprefix("[").partition("]")[0] if netloc.startswith("[") else netloc.partition(":")[0]
    return host == "localhost" or is_loopback(host)


def _from_another_site() -> Refused:
    sentence = "Another site's page sent this form: open the console, and send the form from there."
    return Refused(HTTPStatus.FORBIDDEN, sentence)


def _from_another_host(origin: str, host: str, public_url: str) -> Refused:
    return Refused(
        HTTPStatus.FORBIDDEN,
        f"The browser sent this form from {origin[:_LONGEST_SHOWN]}, but the request's Host is "
        f"{host[:_LONGEST_SHOWN]} and public_url is {public_url}. If the browser's address is right, have the proxy "
        "pass the Host header on, or set public_url to that address.",
    )
