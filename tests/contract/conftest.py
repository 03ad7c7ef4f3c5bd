from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.api_client import RunningApi, running_api


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[RunningApi]:
    async with running_api(tmp_path) as api:
        yield api
