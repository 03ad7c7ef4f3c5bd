from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.api_client import RunningApi, running_api
from tests.support.console_client import ConsoleClient


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
