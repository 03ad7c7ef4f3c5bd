"""What people change: teams, keys, webhooks, grants, resends, recoveries, sign-outs.

Each of these methods returns after COMMIT, with the daemon's memory in step; StoreUnavailable may come out of any. The
writer brings memory in step, not the caller, who may go away in the middle of it.
"""
