"""Every write, by what it is about; `daemon.store.writes.batch` puts them into transactions."""
