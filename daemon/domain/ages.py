"""Ages, such as `90s`, `15m`, `2h` and `7d`: times given as how long ago they were."""

import re
from datetime import timedelta

_AGE = re.compile(r"(\d{1,5})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_age(text: str) -> timedelta | None:
    """Return how long ago `text` means, None if it is no age."""
    age = _AGE.fullmatch(text)
    return timedelta(**{_UNITS[age[2]]: int(age[1])}) if age else None
