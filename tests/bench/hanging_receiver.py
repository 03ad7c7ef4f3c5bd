"""A receiver that accepts every connection, reads what comes, and never answers.

`python -m tests.bench.hanging_receiver` prints its port, and serves until its stdin is closed.
"""

import asyncio

from tests.bench.serving import serve_until_told


class Silence(asyncio.Protocol):
    """One connection. What arrives is read and dropped; asyncio closes it when the peer does."""


if __name__ == "__main__":
    asyncio.run(serve_until_told(Silence))
