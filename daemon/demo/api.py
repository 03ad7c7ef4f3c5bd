"""The demo's calls to its daemon: the public HTTP API and nothing else."""

from collections.abc import Mapping
from typing import Any

import httpx

from daemon.demo.errors import DemoError

Json = dict[str, Any]


class Api:
    """One daemon's API with the operator key. Every call raises DemoError when it is refused or gets no answer."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def get(self, path: str, **query: str | int) -> Json:
        """GET, and return the JSON object."""
        return await self._call("GET", path, params=query)

    async def post(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Json:
        """POST `body` as JSON, and return the JSON object."""
        return await self._call("POST", path, json=body, headers=headers)

    async def items(self, path: str, **query: str | int) -> list[Json]:
        """Return the items of a list's first page, which holds all that the demo makes."""
        page = await self.get(path, **query, limit=200)
        return list(page["items"])

    async def _call(self, method: str, path: str, **arguments: Any) -> Json:
        try:
            response = await self._http.request(method, path, **arguments)
        except httpx.TransportError as error:
            raise DemoError(f"{method} {path} got no answer from the daemon: {error}") from None
        if not response.is_success:
            raise DemoError(f"{method} {path} was answered {response.status_code}: {response.text}")
        answer: Json = response.json()
        return answer


def http_client(base_url: str, key: str) -> httpx.AsyncClient:
    """Return a client for `Api`: nothing of the environment counts, no proxy above all."""
    headers = {"authorization": f"Bearer {key}"}
    return httpx.AsyncClient(base_url=base_url, headers=headers, timeout=10, trust_env=False)
