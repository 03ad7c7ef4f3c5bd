"""The address without a path: it leads browsers to the console."""

from quart import Request, Response

from api.console.session.page_request import address, see_other


def is_browser_at_root(request: Request) -> bool:
    """Whether this is a browser that opened the bare address: it names HTML among what it takes, as no client does."""
    is_at_root = request.path == "/" and request.method in ("GET", "HEAD")
    return is_at_root and any(kind == "text/html" and quality > 0 for kind, quality in request.accept_mimetypes)


def redirect_to_console() -> Response:
    """Return the redirect, which depends on the Accept header."""
    response = see_other(address())
    response.headers["Vary"] = "Accept"
    return response
