"""Several nodes on one database: who owns what, and how one learns what another one did."""
