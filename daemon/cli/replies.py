"""Answers of the API, printed: one thing, or a list page by page (contract "HTTP API")."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from daemon.cli.client import Client, Query, Reply
from daemon.cli.output import print_json_text, print_line
from daemon.domain.printable import printable

Row = Callable[[dict[str, Any]], Sequence[Any]]
Fields = Callable[[dict[str, Any]], Iterable[tuple[str, Any]]]
Notes = Callable[[dict[str, Any]], Iterable[str]]


def no_notes(_item: dict[str, Any]) -> Iterable[str]:
    """Note nothing."""
    return ()


def print_reply(reply: Reply, as_json: bool, fields: Fields, not_shown: str | None = None) -> None:
    """Print an answer as it came, or as the names and values that `fields` makes of it.

    `not_shown` is what to say if that fails, of something that is shown only once.
    """
    if as_json:
        print_json_text(reply.text, not_shown)
    else:
        from daemon.cli.tables import record_of, render

        render(record_of(fields(reply.value)), not_shown=not_shown)


def print_list(
    client: Client,
    path: str,
    query: Query,
    columns: Sequence[str],
    row: Row,
    *,
    every_page: bool,
    as_json: bool,
    notes: Notes = no_notes,
) -> None:
    """Print one page, or all of them as if they were one, and below it the `notes` about each item.

    As JSON one page is printed as it came, and all pages as `{"items": […], "nextCursor": null}`.
    """
    if every_page:
        items = [item for page in client.pages(path, query) for item in page.value["items"]]
        text = json.dumps({"items": items, "nextCursor": None}, ensure_ascii=False) if as_json else ""
        cursor = None
    else:
        page = client.get(path, query)
        items, cursor, text = page.value["items"], page.value["nextCursor"], page.text
    if as_json:
        print_json_text(text)
    else:
        _print_table(columns, items, row=row, cursor=cursor)
        for note in (note for item in items for note in notes(item)):
            print_line(printable(note))


def _print_table(columns: Sequence[str], items: Sequence[dict[str, Any]], row: Row, cursor: str | None) -> None:
    from daemon.cli.tables import dimmed, list_of, render

    if not items:
        render("[bright_black]none[/]")
        return
    render(list_of(columns, map(row, items)))
    if cursor:
        render(dimmed(f"There are more: add --all, or --cursor {printable(cursor)}"))
