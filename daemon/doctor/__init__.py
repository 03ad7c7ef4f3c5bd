"""Looks at an installation from outside the daemon, whether it runs or not, and says what to do."""
