"""The Kakiyo webhook dispatcher: takes events durably and delivers them, signed, in order and retried."""

__version__ = "0.1.0"
