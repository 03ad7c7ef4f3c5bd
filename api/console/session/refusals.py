"""What a page is refused with: the status, and one sentence that says what to do."""

from http import HTTPStatus

from api.http.errors import ApiError


class Refused(Exception):
    """A refusal that only the console has; others are the API's."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class SignInFirst(Exception):
    """The page needs a session, and the request has none that counts."""


def page_not_found() -> Refused:
    """Return the answer for a page that does not exist, or not for this key."""
    return Refused(HTTPStatus.NOT_FOUND, "There is nothing here: check the address, or start from the menu.")


def field_mistakes(error: ApiError) -> dict[str, str]:
    """Return what is wrong with each field of a JSON body, by the field's name."""
    return {_field(wrong.path): wrong.message for wrong in error.errors}


def _field(path: str) -> str:
    return path.removeprefix("$.").removeprefix("query.").partition("[")[0]
