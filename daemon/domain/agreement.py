"""In what nodes that share a database differ, in words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Declared:
    """What one node says of its settings, by name; nothing is known of what it does not name."""

    node: str
    settings: Mapping[str, str]


def differences(nodes: Sequence[Declared]) -> list[list[str]]:
    """Return for each node in what it differs from most of the others, a sentence each, without a full stop.

    Of as many on both sides, those that come first are right.
    """
    names = list(dict.fromkeys(name for node in nodes for name in node.settings))
    usual = {name: _usual(name, nodes) for name in names}
    return [[_tell(node, name, nodes) for name in names if node.settings.get(name, usual[name]) != usual[name]]
            for node in nodes]  # fmt: skip


def _usual(name: str, nodes: Sequence[Declared]) -> str:
    return Counter(node.settings[name] for node in nodes if name in node.settings).most_common(1)[0][0]


def _tell(node: Declared, name: str, nodes: Sequence[Declared]) -> str:
    usual = _usual(name, nodes)
    others = list(dict.fromkeys(other.node for other in nodes if other.settings.get(name) == usual))
    more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
    named = ", ".join(others[:_MOST_NAMED])
    return f"{name} is {node.settings[name]} on {node.node}, and {usual} on {named}{more}"
