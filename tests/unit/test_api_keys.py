"""Who is behind a key (contract "HTTP API")."""

import hashlib

from daemon.crypto.api_keys import ApiKeys, Principal, digest_of, generate_key
from daemon.domain.model import ApiKey

OPERATOR, TEAM = "operator-key", "team-key"
KEY = ApiKey("key_1", "team_1", "CI", 1)


def ring() -> ApiKeys:
    api_keys = ApiKeys(OPERATOR)
    api_keys.add(digest_of(TEAM), KEY)
    return api_keys


def test_keys_are_random_and_long_enough_to_be_unguessable() -> None:
    keys = {generate_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(len(key) >= 40 for key in keys)


def test_only_a_digest_is_kept_of_a_key() -> None:
    assert digest_of("abc") == hashlib.sha256(b"abc").digest()


def test_the_operator_and_a_team_are_told_apart() -> None:
    operator, team = ring().find(OPERATOR), ring().find(TEAM)
    assert operator == Principal(None, "operator", name="Operator")
    assert team == Principal("team_1", "key_1", name="CI")
    assert operator.is_operator
    assert not team.is_operator


def test_an_unknown_key_is_nobodys_whatever_its_characters() -> None:
    for key in ("", "nope", OPERATOR + " ", "ключ", "\udcff", "\x00"):
        assert ring().find(key) is None


def test_an_added_key_works_and_a_revoked_one_does_not() -> None:
    keys = ring()
    keys.add(digest_of("new"), ApiKey("key_2", "team_2", "x", 1))
    keys.remove("key_1")
    assert keys.find("new") == Principal("team_2", "key_2", name="x")
    assert keys.find(TEAM) is None
    keys.remove("key_unknown")
    assert keys.find(OPERATOR) is not None
