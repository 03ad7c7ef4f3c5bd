"""Turns by cost."""

import pytest

from daemon.actors.fair_queue import FairQueue


def taken(queue: FairQueue[str], count: int) -> str:
    return "".join(queue.take()[0] for _ in range(count))


def test_teams_get_the_same_cost_served_however_much_one_puts_in() -> None:
    queue: FairQueue[str] = FairQueue()
    for _ in range(100):
        queue.put("heavy", 10, "h")
    for _ in range(20):
        queue.put("light", 1, "l")
    first = taken(queue, 22)
    assert first.count("h") <= 3
    assert len(queue) == 98


def test_one_teams_items_come_out_in_order() -> None:
    queue: FairQueue[int] = FairQueue()
    for number, cost in enumerate([5, 1, 3, 9, 1]):
        queue.put("a", cost, number)
    assert queue.first() == 0
    assert [queue.take() for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(IndexError):
        queue.take()


def test_who_comes_late_is_served_next_and_has_saved_nothing_up() -> None:
    queue: FairQueue[str] = FairQueue()
    for _ in range(10):
        queue.put("a", 1, "a")
    assert taken(queue, 5) == "aaaaa"
    for _ in range(3):
        queue.put("b", 1, "b")
    assert sorted(taken(queue, 4)) == ["a", "a", "b", "b"]
