"""The database as a file: made, upgraded, checked, copied, sealed again, its write-ahead log."""
