"""SQLite: the file made, opened, upgraded, checked and copied, its write-ahead log, and statements in its dialect."""
