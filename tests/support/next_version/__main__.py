"""`python -m tests.support.next_version`."""

from tests.support.next_version import main

main()
