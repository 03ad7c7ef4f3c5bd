"""The body of an operational event as Slack's incoming webhooks take it, and what else takes their form."""

import orjson

# What has a meaning in Slack's texts (mentions, links): names that people chose must not reach it.
_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def slack_body(body: bytes) -> bytes:
    """Return the sentence and the link of an operational event, whose standard body this is: the same each time."""
    data = orjson.loads(body)["data"]
    parts = [data["text"].translate(_ESCAPED), data["url"]]
    return orjson.dumps({"text": " ".join(filter(None, parts))})
