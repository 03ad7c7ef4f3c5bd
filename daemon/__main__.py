"""`python -m daemon` is `kakiyo-webhooks`."""

from daemon.cli import main

main()
