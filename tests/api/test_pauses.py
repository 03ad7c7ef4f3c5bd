"""Pausing and resuming over the API (contract "Pause"); how deliveries wait is in `tests/actors/test_pauses.py`."""

from typing import Any

import pytest

from daemon.domain.clock import HOUR_MS, rfc_3339
from tests.support.api_client import RunningApi

pytestmark = pytest.mark.usefixtures("each_engine")

WRONG: tuple[dict[str, Any], ...] = (
    {"paused": True, "resumesAt": "2020-01-01T00:00:00Z"},
    {"paused": True, "resumesAt": "367d"},
    {"paused": True, "resumesAt": "0s"},
    {"paused": True, "resumesAt": "tomorrow"},
    {"paused": True, "resumesAt": 5},
    {"paused": False, "resumesAt": "2h"},
    {"resumesAt": "2h"},
    {"resumesAt": None},
)


async def path_of_one(api: RunningApi) -> str:
    return f"/v1/webhooks/{(await api.webhook())['id']}"


async def test_a_webhook_is_paused_until_a_time_and_resumed(api: RunningApi) -> None:
    path, text = await path_of_one(api), rfc_3339(api.daemon.clock() + 2 * HOUR_MS)
    paused = (await api.as_acme.patch(path, {"paused": True, "resumesAt": text})).value
    assert (paused["active"], paused["resumesAt"]) == (True, text)
    assert paused["pausedAt"] is not None
    assert (await api.as_acme.get(path)).value == paused
    resumed = (await api.as_acme.patch(path, {"paused": False})).value
    assert (resumed["pausedAt"], resumed["resumesAt"]) == (None, None)


async def test_the_time_stays_unless_it_is_moved_or_removed(api: RunningApi) -> None:
    path = await path_of_one(api)
    first = (await api.as_acme.patch(path, {"paused": True, "resumesAt": "2h"})).value
    again = (await api.as_acme.patch(path, {"paused": True, "name": "other"})).value
    assert (again["pausedAt"], again["resumesAt"]) == (first["pausedAt"], first["resumesAt"])
    moved = (await api.as_acme.patch(path, {"paused": True, "resumesAt": "7d"})).value
    assert moved["pausedAt"] == first["pausedAt"]
    assert moved["resumesAt"] > first["resumesAt"]
    removed = (await api.as_acme.patch(path, {"paused": True, "resumesAt": None})).value
    assert (removed["pausedAt"], removed["resumesAt"]) == (first["pausedAt"], None)


async def test_a_wrong_time_to_resume_is_refused_and_changes_nothing(api: RunningApi) -> None:
    path = await path_of_one(api)
    before = (await api.as_acme.get(path)).value
    for change in WRONG:
        answer = await api.as_acme.patch(path, {"name": "new", **change})
        assert (answer.status, [error["path"] for error in answer.value["errors"]]) == (422, ["$.resumesAt"]), change
        assert (await api.as_acme.get(path)).value == before


async def test_a_disabled_webhook_is_not_paused_but_is_enabled_paused(api: RunningApi) -> None:
    path = await path_of_one(api)
    await api.as_acme.patch(path, {"active": False})
    refused = await api.as_acme.patch(path, {"paused": True})
    assert (refused.status, refused.code) == (409, "webhook_inactive")
    enabled = (await api.as_acme.patch(path, {"active": True, "paused": True})).value
    assert (enabled["active"], enabled["disabledAt"]) == (True, None)
    assert enabled["pausedAt"] is not None


async def test_deliveries_say_that_they_wait_for_the_webhook_to_be_resumed(api: RunningApi) -> None:
    path = await path_of_one(api)
    await api.as_acme.patch(path, {"paused": True})
    event = await api.submit()
    [delivery] = (await api.as_acme.get(f"/v1/events/{event}")).value["deliveries"]
    one = f"/v1/deliveries/{delivery['id']}"
    assert (delivery["status"], delivery["waitingForResume"]) == ("pending", True)
    assert (await api.as_acme.get(one)).value["waitingForResume"] is True
    [listed] = (await api.as_acme.get("/v1/deliveries")).value["items"]
    assert listed["waitingForResume"] is True
    resent = await api.as_acme.call("POST", f"{one}/resend")
    assert (resent.status, resent.value["waitingForResume"]) == (202, True)
    await api.as_acme.patch(path, {"paused": False})
    assert (await api.as_acme.get(one)).value["waitingForResume"] is False
