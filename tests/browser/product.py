"""The operator's product: pages of another site, on another port, that show something in a frame."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, quote, urlsplit

_PAGE = """<!doctype html><html lang="en"><head><title>Product</title><link rel="icon" href="data:,"></head>
<body><h1>Product</h1><iframe name="console" title="Webhooks" width="1000" height="700" src="{}"></iframe></body></html>
"""


@dataclass(frozen=True, slots=True)
class Product:
    """A server with two names: browsers take each for another site."""

    port: int

    @property
    def origin(self) -> str:
        """The origin that may show the console."""
        return f"http://localhost:{self.port}"

    @property
    def other_origin(self) -> str:
        """One that may not, though it is of the same site as the console."""
        return f"http://127.0.0.1:{self.port}"

    def page(self, shown: str, origin: str = "") -> str:
        """Return the address of a page that shows this address in a frame."""
        return f"{origin or self.origin}/?shown={quote(shown, safe='')}"


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        shown = parse_qs(urlsplit(self.path).query).get("shown", [""])[0]
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(_PAGE.format(escape(shown)).encode())

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@contextmanager
def running_product() -> Iterator[Product]:
    """Run the product."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield Product(server.server_port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
