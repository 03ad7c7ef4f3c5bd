"""A list in the console costs its key what the same list costs over the API (contract "Budgets of a team")."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from tests.console.conftest import signed_in
from tests.support.api_client import RunningApi, running_api
from tests.support.daemon import make_settings


@pytest.fixture
async def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningApi]:
    """A row costs what a thousand do, and no token comes back."""
    monkeypatch.setattr("api.limits.rate_limit.ROWS_PER_TOKEN", 1)
    slow = make_settings(tmp_path, api={"rate_limit_per_s": 1e-6, "rate_limit_burst": 1_000})
    async with running_api(tmp_path, settings=slow) as api:
        yield api


async def cost(api: RunningApi, ask: Callable[[], Awaitable[object]]) -> int:
    """Return how many tokens of Acme's key this takes."""
    before = await left(api)
    await ask()
    return before - await left(api) - 1  # of looking again


async def left(api: RunningApi) -> int:
    limit = (await api.as_acme.get("/v1/verify")).limit
    assert limit is not None
    return int(limit.partition(";r=")[2].partition(";")[0])


async def test_a_list_costs_tokens_for_the_rows_that_it_looks_at_and_following_it_costs_none(
    api: RunningApi, root: str
) -> None:
    webhook = (await api.webhook())["id"]
    await api.webhook()
    for _ in range(3):
        await api.submit()
    acme = await signed_in(api, str(api.as_acme.key))
    for page, rows in (
        ("deliveries", 6),
        (f"webhooks/{webhook}", 3),
        ("events", 3),
        ("events?key=none", 0),
        ("webhooks", 2),
    ):
        assert await cost(api, partial(acme.get, f"{root}/{page}")) == 1 + rows, page

    async def follow(page: str) -> None:
        async with acme.stream(f"{root}/{page}/live") as stream:
            await stream.event()

    for page in ("deliveries", f"webhooks/{webhook}", "webhooks"):
        assert await cost(api, partial(follow, page)) == 1, page
