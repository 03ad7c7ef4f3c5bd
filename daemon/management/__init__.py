"""What people change: teams, keys, webhooks, grants, resends, recoveries, sign-outs."""
