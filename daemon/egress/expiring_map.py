"""A bounded map whose entries expire."""

from collections import OrderedDict
from typing import Generic, TypeVar

import trio

Value = TypeVar("Value")


class ExpiringMap(Generic[Value]):
    """Keeps at most `size` entries, each for `seconds`; the oldest entry makes room for a new one."""

    def __init__(self, size: int, seconds: float) -> None:
        self._size = size
        self._seconds = seconds
        self._entries: OrderedDict[str, tuple[float, Value]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, key: str, value: Value) -> None:
        """Keep the value for `seconds` from now."""
        self._entries.pop(key, None)
        self._entries[key] = (trio.current_time() + self._seconds, value)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def get(self, key: str) -> Value | None:
        """Return the value, None if there is none or it has expired."""
        until, value = self._entries.get(key, (0, None))
        if value is not None and until <= trio.current_time():
            del self._entries[key]
            return None
        return value
