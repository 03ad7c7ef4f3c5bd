from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.api_client import RunningApi, running_api
from tests.support.console_client import ConsoleClient, Page


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[RunningApi]:
    async with running_api(tmp_path) as api:
        yield api


@pytest.fixture
async def acme(api: RunningApi) -> ConsoleClient:
    """The browser of somebody of Acme's."""
    return await signed_in(api, str(api.as_acme.key))


@pytest.fixture
async def operator(api: RunningApi) -> ConsoleClient:
    """The operator's browser."""
    return await signed_in(api, str(api.operator.key))


@pytest.fixture
def root(api: RunningApi) -> str:
    """Where Acme's pages begin."""
    return f"/console/teams/{api.acme.id}"


async def signed_in(api: RunningApi, key: str) -> ConsoleClient:
    """Return a browser with a session of this key."""
    client = ConsoleClient(api.operator.app)
    assert (await client.sign_in(key)).status == 303
    return client


async def make(api: RunningApi, **body: Any) -> dict[str, Any]:
    """Return a new portal link of Acme's."""
    answer = await api.operator.post(f"/v1/teams/{api.acme.id}/portal-links", body)
    assert answer.status == 201, answer.body
    return dict(answer.value)


async def enter(browser: ConsoleClient, link: dict[str, Any], **headers: str) -> Page:
    """Sign in with a portal link, and keep the cookie."""
    page = await browser.send("POST", "/console/portal", {"link": link["url"].partition("#")[2]}, **headers)
    browser.keep(page)
    return page
