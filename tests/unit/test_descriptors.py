"""How descriptors are shared out (contract "An attempt")."""

import pytest

from daemon.files.descriptors import share_descriptors


@pytest.mark.parametrize("limit", [20, 64, 150, 256, 1024, 4096, 65_536, 1_000_000])
@pytest.mark.parametrize("max_connections", [1, 100, 1_000, 100_000])
def test_all_parts_together_stay_below_the_limit_and_each_has_some(limit: int, max_connections: int) -> None:
    budget = share_descriptors(limit, max_connections)
    assert min(budget.api_connections, budget.api_refusals, budget.attempts) >= 1
    assert budget.api_connections <= max_connections
    if limit >= 64:
        assert budget.api_connections + budget.api_refusals + budget.attempts < limit


def test_the_api_gets_what_it_is_set_to_where_there_is_enough() -> None:
    assert share_descriptors(65_536, 1_000).api_connections == 1_000
    assert share_descriptors(65_536, 1_000).attempts > 60_000


def test_a_small_limit_is_halved_between_the_api_and_attempts() -> None:
    budget = share_descriptors(150, 1_000)
    assert budget.api_connections > 30
    assert budget.attempts > 30
