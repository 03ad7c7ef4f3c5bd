"""What a filter may cost: each step is about a microsecond, and whatever takes longer is charged as more of them."""

from collections.abc import Iterable
from typing import Any

# Of one filter on one event, and of all filters of a team on one event.
MOST_STEPS, MOST_STEPS_OF_EVENT = 4_000, 20_000
_ELEMENTS_A_STEP = 10
_CHARACTERS_A_STEP = 5_000
# In which texts Python tries each place for what it searches, and so may take as long as both lengths multiplied.
_SHORT_TEXT, _TEXT, _SHORT_NEEDLE, _TINY_NEEDLE = 2_500, 30_000, 100, 6
_PAIRS_A_STEP, _SEARCHED_A_STEP = 1_000, 200


class FilterFailed(Exception):
    """A filter cannot say whether it takes an event; the message is one sentence."""


class Budget:
    """The steps that are left: whoever does something that costs more than one pays for it before."""

    def __init__(self, steps: int) -> None:
        self.steps = self.left = steps

    @property
    def spent(self) -> int:
        """How many were spent."""
        return self.steps - self.left

    def spend(self, steps: int) -> None:
        """Take them. Raises FilterFailed if there are not so many."""
        self.left -= steps
        if self.left < 0:
            raise FilterFailed(f"it takes more than {self.steps:,} steps for this event: make it look at less of it")

    def spend_for(self, values: Iterable[Any]) -> None:
        """Pay for a look at everything in these JSON values. Raises FilterFailed."""
        waiting, seen = list(values), 0
        while waiting:
            value = waiting.pop()
            seen += 1
            if seen % _ELEMENTS_A_STEP == 0:
                self.spend(1)
            if isinstance(value, str):
                self.spend(len(value) // _CHARACTERS_A_STEP)
            elif isinstance(value, (list, dict)):
                self.spend(len(value) // _ELEMENTS_A_STEP)
                seen -= len(value)  # they are paid for
                waiting += value.values() if isinstance(value, dict) else value

    def spend_for_search(self, text: str, needle: str) -> None:
        """Pay for a search for one text in the other. Raises FilterFailed."""
        length, searched = len(text), len(needle)
        is_plain = length < _SHORT_TEXT or searched < _TINY_NEEDLE or (length < _TEXT and searched < _SHORT_NEEDLE)
        self.spend(1 + (length * searched // _PAIRS_A_STEP if is_plain else length // _SEARCHED_A_STEP))
