import json

import pytest

from daemon.domain.event_types import BUILT_IN, WILDCARD, EventType, build_catalogue

PROMISED = {
    "linkedin.message.sent",
    "linkedin.message.received",
    "linkedin.invitation.sent",
    "linkedin.invitation.accepted",
    "prospect.qualification.manual",
    "prospect.unqualified",
}


def test_the_promised_event_types_are_built_in() -> None:
    assert build_catalogue().keys() == PROMISED


@pytest.mark.parametrize("event_type", BUILT_IN, ids=lambda event_type: event_type.name)
def test_each_built_in_event_type_has_a_description_a_category_and_an_example(event_type: EventType) -> None:
    assert event_type.description
    assert event_type.category
    assert json.loads(json.dumps(event_type.example)) == event_type.example != {}


def test_an_operator_adds_an_event_type() -> None:
    added = EventType("prospect.archived", "A prospect was archived", "custom", {})
    assert build_catalogue([added])["prospect.archived"] is added


def test_an_operators_event_type_wins_over_a_built_in_of_the_same_name() -> None:
    added = EventType("prospect.unqualified", "Ours", "custom", {})
    catalogue = build_catalogue([added])
    assert catalogue["prospect.unqualified"] is added
    assert len(catalogue) == len(BUILT_IN)


def test_the_wildcard_is_no_event_type() -> None:
    assert WILDCARD not in build_catalogue()
