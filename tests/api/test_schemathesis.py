"""Whatever is sent, the API answers as its own description says (contract "HTTP API")."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import requests
import schemathesis
from schemathesis.checks import CheckFunction
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi import checks

from api.app import ROUTES
from api.openapi.document import describe
from tests.support.api_live import LiveApi, live_api

CONFIG = SchemathesisConfig.from_dict(
    {
        "seed": 8480,
        "generation": {"deterministic": True, "max-examples": 10, "no-shrink": True},
        "phases": {"stateful": {"enabled": False}},
    }
)
schema = schemathesis.openapi.from_dict(describe(ROUTES), config=CONFIG)

Case = schemathesis.Case[Any]

# What is valid by the schema may still be refused, for a rule of the catalogue or for an id that nobody has.
EXCLUDED: list[CheckFunction] = [checks.positive_data_acceptance]


@schemathesis.serializer("application/x-ndjson")
def one_line(_context: schemathesis.SerializationContext, value: Any) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else orjson.dumps(value)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveApi]:
    with live_api(tmp_path_factory.mktemp("state")) as api:
        yield api


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """One connection for all requests, and no look at the environment for each."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


@schema.exclude(path=["/v1/deliveries/changes", "/v1/listeners"]).parametrize()  # which have no end
def test_every_answer_is_one_that_the_description_promises(
    case: Case, live: LiveApi, session: requests.Session
) -> None:
    check(case, live, session)


@schema.include(path_regex=r"\{(webhook|delivery|event|team)_id\}").parametrize()
def test_so_is_every_answer_about_something_that_is_there(case: Case, live: LiveApi, session: requests.Session) -> None:
    """It may be deleted on the way, by one of these requests."""
    case.path_parameters.update({name: live.known_ids[name] for name in case.path_parameters})
    check(case, live, session)


def check(case: Case, live: LiveApi, session: requests.Session) -> None:
    """Send it and judge the answer: status, headers, media type and body are described, and never a 5xx."""
    headers = {"Authorization": f"Bearer {live.operator_key}"}
    # How the body is framed is not the description's: a wrong value makes it another protocol's message, a 400.
    for name in [name for name in case.headers or () if name.lower() == "transfer-encoding"]:
        del case.headers[name]
    case.call_and_validate(base_url=live.url, headers=headers, excluded_checks=EXCLUDED, session=session, timeout=10)
