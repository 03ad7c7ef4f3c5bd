"""Every write, by what it is about; `daemon.store.batch` puts them into transactions."""
