"""SQLite: creating, opening, upgrading, checking and copying the file, its write-ahead log, and its SQL dialect."""
