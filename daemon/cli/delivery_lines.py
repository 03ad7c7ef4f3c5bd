"""Deliveries as they happen: a line for each, whenever it stands differently than when it was last seen."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any

from daemon.cli.client import Client, Query
from daemon.cli.output import print_json
from daemon.cli.times import to_rfc3339

_MOST_PAGES = 5
_MOST_REMEMBERED = 10_000
_PENDING = "pending"

Delivery = dict[str, Any]


class DeliveryLines:
    """Shows deliveries, those of some statuses only if `statuses` is not empty; as JSON if asked to."""

    def __init__(self, statuses: Collection[str], as_json: bool) -> None:
        self._statuses = statuses
        self._as_json = as_json
        self._seen: dict[str, tuple[str, int]] = {}

    @property
    def pending(self) -> set[str]:
        """Which deliveries were seen and are still to end."""
        return {delivery_id for delivery_id, (status, _) in self._seen.items() if status == _PENDING}

    def note(self, delivery: Delivery) -> bool:
        """Remember how it stands; return whether that is new."""
        stands = (str(delivery["status"]), int(delivery["attemptsMade"]))
        before = self._seen.pop(delivery["id"], None)
        self._seen[delivery["id"]] = stands
        while len(self._seen) > _MOST_REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return before != stands

    def show(self, deliveries: Iterable[Delivery]) -> None:
        """Print those whose status is wanted, once they have had an attempt or have ended."""
        for delivery in deliveries:
            is_news = delivery["status"] != _PENDING or delivery["attemptsMade"]
            if is_news and (not self._statuses or delivery["status"] in self._statuses):
                self._print(delivery)

    def _print(self, delivery: Delivery) -> None:
        if self._as_json:
            print_json(delivery)
            return
        from daemon.cli.deliveries import cause_of
        from daemon.cli.tables import line_of, render

        attempts = f"attempt {delivery['attemptsMade']}"
        at, status = delivery["completedAt"] or to_rfc3339(datetime.now(UTC)), delivery["status"]
        ids = (delivery["id"], delivery["event"], attempts, delivery["webhookId"])
        render(line_of([at, f"{status:9}", f"{cause_of(delivery):12}", *ids], style=status))


def newest(client: Client, query: Query, lines: DeliveryLines, count: int) -> list[Delivery]:
    """Return the last `count` deliveries, oldest first, and remember them and those around them."""
    items = client.get("/v1/deliveries", {**query, "limit": 200}).value["items"]
    for item in reversed(items):
        lines.note(item)
    return list(reversed(items[:count]))


def news(client: Client, query: Query, lines: DeliveryLines) -> list[Delivery]:
    """Return the deliveries that stand differently than before, oldest first, and remember them.

    It looks as far back as one was seen that is still to end, but at no more than five pages.
    """
    changed: list[Delivery] = []
    to_meet = lines.pending
    for number, page in enumerate(client.pages("/v1/deliveries", {**query, "limit": 200}), start=1):
        items = page.value["items"]
        of_page = [item for item in items if lines.note(item)]
        to_meet.difference_update(item["id"] for item in items)
        changed += of_page
        if number == _MOST_PAGES or not (to_meet or (items and len(of_page) == len(items))):
            break
    return changed[::-1]
