"""Which lives of nodes go on, and how one is ended, in SQL over `nodes` (contract "Several nodes")."""

IS_OPEN = "ended_at IS NULL"
HAS_LEASE = "node IN (SELECT node FROM leases WHERE until > clock_timestamp())"
# A node whose lease is over may wake up: what it still writes is refused once its life has ended.
END_OPEN = f"UPDATE nodes SET ended_at = clock_timestamp(), why = 'its lease was over' WHERE {IS_OPEN}"
