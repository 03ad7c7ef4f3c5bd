"""What is wrong with a request, collected so that all of it is told at once (contract "HTTP API")."""

from contextlib import AbstractContextManager
from types import TracebackType

from api.http.errors import ApiError, FieldError, several

MOST_TOLD = 20


class Mistakes(AbstractContextManager["Mistakes"]):
    """Within `with mistakes:` a refusal that names fields is kept, and what follows is looked at, too.

    Only the first mistake of each field is kept, and `MOST_TOLD` in all: then there are `enough`.
    """

    def __init__(self) -> None:
        self._first: ApiError | None = None
        self._errors: dict[str, FieldError] = {}
        self._are_more = False

    def copy(self) -> "Mistakes":
        """Return others that begin with these."""
        copy = Mistakes()
        copy._first, copy._errors, copy._are_more = self._first, dict(self._errors), self._are_more
        return copy

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        """Keep the refusal that ends the block; nothing else is kept from going on its way."""
        if not isinstance(error, ApiError) or not error.errors:
            return False
        self.note(error)
        return True

    @property
    def enough(self) -> bool:
        """Whether no more would be told."""
        return len(self._errors) >= MOST_TOLD

    def stop(self) -> None:
        """Say that not everything has been looked at."""
        self._are_more = True

    def names(self, path: str) -> bool:
        """Whether there is a mistake at this path, or within it."""
        return any(wrong == path or wrong.startswith((f"{path}.", f"{path}[")) for wrong in self._errors)

    def note(self, error: ApiError) -> None:
        """Keep a refusal that names fields."""
        self._first = self._first or error
        self._are_more |= error.are_more
        for wrong in error.errors:
            if wrong.path in self._errors:
                continue
            if self.enough:
                self._are_more = True
                return
            self._errors[wrong.path] = wrong

    def raise_if_any(self) -> None:
        """Raise ApiError for all of them: with the code of the first, and its words if it is the only one."""
        if self._first is None:
            return
        if len(self._errors) == len(self._first.errors) and not self._are_more:
            raise self._first
        raise several(self._first.code, tuple(self._errors.values()), are_more=self._are_more)
