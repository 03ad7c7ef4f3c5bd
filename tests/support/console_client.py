"""A browser of the console, without sockets and without a screen: it keeps a cookie, and posts the forms of pages."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from html import unescape
from typing import Any, cast
from urllib.parse import urlencode

import trio
from quart.testing.utils import sentinel
from quart_trio import QuartTrio
from werkzeug.datastructures import Headers

SERVER = {"server": ("127.0.0.1", 80)}
_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')
_COOKIE = re.compile(r"(?:framed_)?console_session=([^;]*)")
_CARRIED = re.compile(r"((?:framed_)?console_(?:secret_\w+|message|look))=([^;]*)")

Fields = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True)
class Page:
    """What a request was answered with."""

    status: int
    headers: Headers
    text: str

    @property
    def location(self) -> str:
        """Where it leads to."""
        return self.headers["Location"]

    @property
    def token(self) -> str:
        """The token that its forms carry."""
        return str(_TOKEN.findall(self.text)[0])

    def mistake(self, field: str) -> str:
        """Return the sentence beside a field that the page calls wrong."""
        assert re.search(rf'aria-invalid="true" aria-describedby="{field}-mistake\b', self.text), f"{field} is right"
        [found] = re.findall(rf'id="{field}-mistake"[^>]*>(?:<span[^>]*>Mistake: </span>)?(.*?)</p>', self.text)
        return unescape(found)

    def value(self, field: str) -> str:
        """Return what stands in a field."""
        [found] = re.findall(rf'<input[^>]*id="{field}"[^>]*? value="([^"]*)"', self.text)
        return unescape(found)


class Stream:
    """A live page: the events that came, each with the part of the page that it carries. It speaks ASGI."""

    def __init__(self) -> None:
        self.status = 0
        self._idle = b""
        self._gone = trio.Event()
        self._sent = False
        self._put, self._pieces = trio.open_memory_channel[bytes](100)

    async def event(self) -> tuple[str, str]:
        """Wait for the next event; return its name and data. Raises trio.EndOfChannel at the stream's end."""
        while True:
            block, found, rest = self._idle.partition(b"\n\n")
            if not found:
                self._idle += await self._pieces.receive()
                continue
            self._idle = rest
            lines = [line.partition(": ")[::2] for line in block.decode().split("\n")]
            if name := next((value for field, value in lines if field == "event"), ""):
                return name, "\n".join(value for field, value in lines if field == "data")

    async def opened(self) -> None:
        """Wait for the head and the first piece."""
        self._idle += await self._pieces.receive()

    async def ended(self) -> None:
        """Read until the stream ends."""
        with suppress(trio.EndOfChannel):
            while True:
                await self.event()

    def leave(self) -> None:
        """Close the connection, as a browser does."""
        self._gone.set()

    async def receive(self) -> dict[str, Any]:
        if not self._sent:
            self._sent = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            await self._put.send(message["body"])
            if not message.get("more_body"):
                self._put.close()


@dataclass(slots=True)
class ConsoleClient:
    """A browser: `cookie` is its session, None when signed out; `secrets` are what other cookies carry.

    With `in_frame` it shows the console in a frame of another page.
    """

    app: QuartTrio
    cookie: str | None = None
    secrets: dict[str, str] = field(default_factory=dict)
    in_frame: bool = False

    async def sign_in(self, key: str) -> Page:
        """Sign in, and keep the cookie."""
        page = await self.send("POST", "/console/sign-in", {"key": key})
        self.keep(page)
        return page

    def keep(self, page: Page) -> None:
        """Set or delete the cookie as a response asks."""
        for given in page.headers.getlist("Set-Cookie"):
            if found := _COOKIE.findall(given):
                self.cookie = found[0] or None

    async def get(self, path: str, **headers: str) -> Page:
        return await self.send("GET", path, None, **headers)

    async def post(self, path: str, **fields: str | Sequence[str]) -> Page:
        """Post a form as one of the console's own pages does, with the session's token."""
        form: Fields = {"form_token": await self.token(), **fields}
        return await self.send("POST", path, form)

    async def token(self) -> str:
        """Return the token of this session."""
        page = await self.get("/console/")
        while page.status == 303:
            page = await self.get(page.location)
        return page.token

    async def send(self, method: str, path: str, fields: Fields | None = None, **headers: str) -> Page:
        """Send a request as it is given."""
        response = await self.app.test_client(use_cookies=False).open(
            path,
            method=method,
            headers=self._headers(fields, headers),
            data=None if fields is None else urlencode(fields, doseq=True).encode(),
            json=sentinel,
            scope_base=SERVER,
        )
        self._keep_secrets(response.headers.getlist("Set-Cookie"))
        return Page(response.status_code, response.headers, await response.get_data(as_text=True))

    @asynccontextmanager
    async def stream(self, path: str) -> AsyncIterator["Stream"]:
        """Follow a live page, from its first piece on; leaving the block closes the connection."""
        scope, stream = self._scope(path), Stream()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cast(Any, self.app), scope, stream.receive, stream.send)
            await stream.opened()
            yield stream
            stream.leave()

    def _scope(self, path: str) -> dict[str, Any]:
        target, _, query = path.partition("?")
        sent = self._headers(None, {"Sec_Fetch_Dest": "empty"})
        headers = [(name.lower().encode(), value.encode()) for name, value in sent.items()]
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": target,
            "raw_path": target.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", b"127.0.0.1"), *headers],
            "client": ("127.0.0.1", 1),
            **SERVER,
            "extensions": {},
        }

    def _keep_secrets(self, given: Sequence[str]) -> None:
        for name, value in (found for each in given for found in _CARRIED.findall(each)):
            self.secrets.pop(name, None)
            if value:
                self.secrets[name] = value

    def _headers(self, fields: Fields | None, headers: Mapping[str, str]) -> dict[str, str]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.in_frame:
            sent.setdefault("Sec-Fetch-Dest", "iframe")
        session = "framed_console_session" if self.in_frame else "console_session"
        cookies = self.secrets if self.cookie is None else {session: self.cookie, **self.secrets}
        if cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        if fields is not None:
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        return sent
