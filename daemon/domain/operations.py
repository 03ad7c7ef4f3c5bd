"""What operational webhooks are told of: webhooks and credits, not what happens in the product."""

from enum import StrEnum

# The operator's own team, made with its first operational webhook: these are told of all teams. No team that the API
# makes may have such an id.
OPERATORS_TEAM = "_operator"
OPERATORS_TEAM_NAME = "Operator"


class About(StrEnum):
    """What a webhook is told of: events of the product, or operations. It is chosen once."""

    EVENTS = "events"
    OPERATIONS = "operations"


class BodyFormat(StrEnum):
    """What the body of a delivery looks like: as the contract has it, or as Slack's incoming webhooks take it."""

    STANDARD = "standard"
    SLACK = "slack"


class OperationalType(StrEnum):
    """The types of operational events."""

    WEBHOOK_FAILING = "webhook.failing"
    WEBHOOK_DISABLED = "webhook.disabled"
    WEBHOOK_RECOVERED = "webhook.recovered"
    CREDITS_LOW = "credits.low"
    CREDITS_EXHAUSTED = "credits.exhausted"


OPERATIONAL_TYPES = frozenset(map(str, OperationalType))
