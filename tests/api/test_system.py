"""The last hour over the API."""

import pytest
import trio
import trio.testing

from tests.support.api_client import RunningApi

pytestmark = pytest.mark.usefixtures("each_engine")


async def test_the_last_hour_is_told_minute_by_minute_with_the_node_that_tells_it(
    api: RunningApi, autojump_clock: trio.testing.MockClock
) -> None:
    assert (await api.operator.get("/v1/system")).value["minutes"] == []
    await api.webhook()
    await api.submit()
    await trio.sleep(125)
    told = (await api.operator.get("/v1/system")).value
    assert told["node"] == api.handles.settings.store.effective_node_name
    first, second = told["minutes"]
    assert (first["accepted"], first["ended"], first["backlog"], first["backlogIsMore"]) == (1, 1, 0, False)
    assert (first["oldestMs"], second["accepted"], second["attemptP50Ms"]) == (0, 0, None)
    assert 0 < first["attemptP50Ms"] <= first["attemptP95Ms"]
    assert 0 < first["commitP50Ms"] <= first["commitP95Ms"]
    assert first["at"] < second["at"]
