"""The map of URLs: which view a method and a path lead to.

Requests are matched with it, and no URL is built from it.
"""

import re
from collections.abc import Callable, Iterable

from quart.routing import QuartRule
from werkzeug.routing import BaseConverter, Map


class IdConverter(BaseConverter):
    """An id in a path, which is none of the words beside it: GET /v1/webhooks/test is a 405, not a webhook."""

    part_isolating = True

    def __init__(self, url_map: Map, *words: str) -> None:
        super().__init__(url_map)
        self.regex = rf"(?!(?:{'|'.join(map(re.escape, words))})\Z)[^/]+" if words else "[^/]+"


class MatchingRule(QuartRule):
    """A rule that paths are matched with, and from which no URL is built: preparing for that takes 1 ms per rule."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        return _build_nothing


def _build_nothing(*_arguments: object) -> tuple[str, str]:
    raise NotImplementedError("URLs are not built from routes")


def make_rule(method: str, path: str, name: str) -> MatchingRule:
    """Return what leads requests for `path` (as Werkzeug writes it) to the view of this name."""
    return MatchingRule(path, methods=[method, "OPTIONS"], endpoint=name)


def make_map(rules: Iterable[MatchingRule]) -> Map:
    """Return the map of these rules. `<id(word, …):name>` in a path is an id, and none of the words."""
    # //v1/events is no route, and no redirect either
    urls = Map(rules, converters={"id": IdConverter}, merge_slashes=False)
    urls.update()  # here, and not for the first request
    return urls
