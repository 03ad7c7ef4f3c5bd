"""Keys at rest, and at the door (contract "HTTP API")."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from daemon.crypto.api_keys import ApiKeys
from tests.support.api_client import RunningApi, running_api
from tests.support.daemon import OPERATOR_KEY


@dataclass
class WatchedKeyRing(ApiKeys):
    """Knows nobody; notes what it is asked for."""

    asked: list[str] = field(default_factory=list)

    def find(self, key: str) -> None:
        self.asked.append(key)


async def test_no_key_stands_in_the_database(api: RunningApi, tmp_path: Path) -> None:
    assert api.as_acme.key
    key = (await api.operator.post(f"/v1/teams/{api.acme.id}/keys", {"name": "kept with its name"})).value["key"]
    kept = contents_below(tmp_path)
    assert b"kept with its name" in kept
    assert [secret for secret in (key, api.as_acme.key, OPERATOR_KEY) if secret.encode() in kept] == []


def contents_below(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Basic abc", "Bearer kwh_unknown", "Bearer \xff", "kwh_unknown"]
)
async def test_every_wrong_key_takes_the_same_way_of_one_lookup(tmp_path: Path, header: str | None) -> None:
    watched = WatchedKeyRing()
    async with running_api(tmp_path, api_keys=watched) as api:
        headers = {} if header is None else {"Authorization": header}
        answer = await api.operator.with_key(None).call("GET", "/v1/verify", headers=headers)
    assert (answer.status, len(watched.asked)) == (401, 1)
