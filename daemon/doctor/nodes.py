"""The nodes that share a database: whether they have one key, deliver for every webhook, and end as they should."""

from collections.abc import Collection, Iterator, Mapping

from daemon.doctor.finding import Finding, failed, ok, skipped, warning
from daemon.domain.agreement import Declared, differences
from daemon.store.postgresql.inspect import Cluster


def check_nodes(
    cluster: Cluster, fingerprints: Collection[str] | None, settings: Mapping[str, str]
) -> Iterator[Finding]:
    """Whether all is in order among the nodes.

    `fingerprints` are those of this node's keys, None without a key; `settings` are its own on which all have to agree.
    """
    yield _check_key(cluster, fingerprints)
    yield _check_shards(cluster)
    yield _check_lives(cluster)
    yield _check_settings(cluster, settings)


def _check_key(cluster: Cluster, fingerprints: Collection[str] | None) -> Finding:
    if cluster.key_fingerprint is None or fingerprints is None:
        return skipped("common key", "no key has been used with this database yet, or there is none here")
    if cluster.key_fingerprint in fingerprints:
        return ok("common key", "this node has the encryption key that the others use")
    advice = "Put the same encryption.key on all nodes, or the credential encryption-key."
    finding = f"this node's encryption key is not the one that the others use ({cluster.key_fingerprint})"
    return failed("common key", finding, advice)


def _check_shards(cluster: Cluster) -> Finding:
    if not cluster.living:
        return skipped("shards", "no node is running, so nothing is delivered")
    if cluster.ownerless_shards:
        finding = f"{cluster.ownerless_shards} of 256 shards have no living node: their webhooks get nothing"
        advice = 'Look at "kakiyo-webhooks nodes" and the log of each node; start one again that does not drain.'
        return failed("shards", finding, advice)
    return ok("shards", f"each shard has a living node ({cluster.living} in all)")


def _check_lives(cluster: Cluster) -> Finding:
    if not cluster.lost_lives:
        return ok("nodes", "no node ended without leaving in the last 24 hours")
    told = ", ".join(f"{name} ({why})" for name, why in cluster.lost_lives)
    advice = "Look at their logs and at their connection to the database: each was killed, frozen or cut off."
    return warning("nodes", f"nodes that ended without leaving in the last 24 hours, the last first: {told}", advice)


def _check_settings(cluster: Cluster, settings: Mapping[str, str]) -> Finding:
    if not cluster.living:
        return skipped("common settings", "no node is running whose settings could differ")
    found = differences([*cluster.declared, Declared("this machine, as configured", settings)])
    if told := [difference for each in found for difference in each]:
        advice = "Give all nodes the same settings, and restart those that differ one after the other."
        return warning("common settings", "; ".join(told), advice)
    return ok("common settings", "all nodes have the same settings, as far as what is promised depends on them")
