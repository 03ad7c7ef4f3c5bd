"""Refusals of pages: the status, and one sentence that says what to do."""

from http import HTTPStatus

from api.http.errors import ApiError


class Refused(Exception):
    """A refusal of the console's own; others are ApiErrors."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class SignInFirst(Exception):
    """The page needs a session, and the request has no valid one."""


def page_not_found() -> Refused:
    """Return the refusal for a page that does not exist, or that this key may not see."""
    return Refused(HTTPStatus.NOT_FOUND, "There is nothing here: check the address, or start from the menu.")


def field_mistakes(error: ApiError) -> dict[str, str]:
    """Return the mistakes in a JSON body, by the field that they are in."""
    return {_field(wrong.path): wrong.message for wrong in error.errors}


def _field(path: str) -> str:
    return path.removeprefix("$.").removeprefix("query.").partition("[")[0].partition(".")[0]
