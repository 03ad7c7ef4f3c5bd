"""A whole cluster: database, a proxy and a name server for each node, the nodes, receivers, mail server and clients."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import trio

from daemon.crypto.encryption_keys import ENCRYPTION_KEY
from daemon.maintenance.state_dir import OPERATOR_KEY
from tests.cluster.chaos.clients import Clients
from tests.cluster.chaos.editor import Editor
from tests.cluster.chaos.enabler import Enabler
from tests.cluster.chaos.evidence import Disturbance
from tests.cluster.chaos.node import Node, make_node
from tests.cluster.chaos.plan import TEAMS, Plan, PlannedWebhook, planned_webhooks
from tests.cluster.chaos.pooler import open_pooler
from tests.cluster.chaos.proxy import PASSING, Address, Proxy, open_proxy
from tests.cluster.chaos.receiver import NAME, Receivers, address_for, open_receivers
from tests.cluster.chaos.registrar import Registrar
from tests.cluster.chaos.server import Server, open_server
from tests.cluster.chaos.treasurer import Treasurer
from tests.support import smtp
from tests.support.name_server import open_name_server

_OPERATOR_KEY = "kk_the_operators_key_on_every_node_of_the_cluster"
_ENCRYPTION_KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="  # any 32 bytes
_KEYS = {OPERATOR_KEY: f"{_OPERATOR_KEY}\n", ENCRYPTION_KEY: f"{_ENCRYPTION_KEY}\n"}


@dataclass(slots=True)
class Cluster:
    """All parts of a run. `proxies` stand between a node of this number and the database.

    `stack` ends what is added in the middle of a run.
    """

    plan: Plan
    stack: AsyncExitStack = field(repr=False)
    servers: list[Server]
    nodes: list[Node]
    proxies: Mapping[int, Sequence[Proxy]]
    receivers: Receivers
    mail: smtp.MailServer
    clients: Clients
    enabler: Enabler
    registrar: Registrar
    treasurer: Treasurer
    editor: Editor
    planned: dict[str, PlannedWebhook]
    disturbances: list[Disturbance] = field(default_factory=list)

    @property
    def primary(self) -> Server:
        """The server that takes writes."""
        return self.servers[-1]

    @contextmanager
    def disturbing(self, what: str, nodes: Iterable[Node]) -> Iterator[None]:
        """Note that something is done to these nodes during this block."""
        begin, numbers = trio.current_time(), frozenset(node.number for node in nodes)
        try:
            yield
        finally:
            self.disturbances.append(Disturbance(what, numbers, begin, trio.current_time()))

    def running(self) -> list[Node]:
        """Return the nodes that are wanted."""
        return [node for node in self.nodes if node.wanted]

    def all_proxies(self) -> list[Proxy]:
        """Return the proxies of all nodes."""
        return [proxy for proxies in self.proxies.values() for proxy in proxies]

    async def heal(self) -> None:
        """End whatever is being done: every node that is wanted works again."""
        for node in self.nodes:
            node.wake()
        for proxy in self.all_proxies():
            proxy.apply(PASSING)
        for node in self.running():
            await node.ready()

    def mailed(self) -> Counter[str]:
        """Count the arrivals of each mail at the mail server, by its id."""
        return Counter(str(message["Message-ID"]).strip("<>").partition("@")[0] for message in self.mail.messages)


@asynccontextmanager
async def open_cluster(directory: Path, plan: Plan) -> AsyncIterator[Cluster]:
    """Run a cluster whose nodes are ready and whose webhooks are registered; nothing is submitted yet."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(open_server())
        planned = {webhook.name: webhook for webhook in planned_webhooks(plan)}
        receivers = await stack.enter_async_context(
            open_receivers({name: webhook.behaviour for name, webhook in planned.items()}, plan.seed)
        )
        mail = smtp.MailServer()
        mail_port = stack.enter_context(smtp.serving(mail))
        nodes, proxies = [], {}
        for number in range(1, plan.nodes + plan.spares + 1):
            proxies[number] = await _open_proxies(stack, server, plan)
            sections = _sections(plan, server, proxies[number], node=number, mail_port=mail_port)
            sections["egress"] = {"nameservers": [await _open_name_server(stack, number)]}
            nodes.append(stack.enter_context(make_node(directory, number, sections, keys=_KEYS, clock=plan.clocks)))
        clients = Clients(plan, _OPERATOR_KEY, lambda: _known_urls(nodes))
        stack.push_async_callback(clients.close)
        registrar = Registrar(clients, receivers)
        cluster = Cluster(
            plan, stack, [server], nodes, proxies, receivers, mail, clients, Enabler(clients), registrar,
            Treasurer(clients), Editor(clients, receivers, registrar), planned,
        )  # fmt: skip
        async with trio.open_nursery() as nursery:
            for node in nodes:
                nursery.start_soon(node.run)
            for node in nodes[: plan.nodes]:
                node.start()
                await node.ready()
            await _register(cluster)
            yield cluster
            nursery.cancel_scope.cancel()


def _known_urls(nodes: Sequence[Node]) -> list[str]:
    """Return the nodes' addresses as clients know them: those that are taken out of service are not among them."""
    return [node.installation.url for node in nodes if node.wanted] or [nodes[0].installation.url]


async def _open_proxies(stack: AsyncExitStack, server: Server, plan: Plan) -> list[Proxy]:
    """Return the proxy to the database, and with a pooler a direct one for what cannot go through it."""
    direct = await stack.enter_async_context(open_proxy(server.address))
    if not plan.pooler:
        return [direct]
    pooler: Address = await stack.enter_async_context(open_pooler(server.address))
    return [await stack.enter_async_context(open_proxy(pooler)), direct]


async def _open_name_server(stack: AsyncExitStack, number: int) -> str:
    """Return the address of a name server that tells this node its own address of the receivers."""
    server = await stack.enter_async_context(open_name_server({NAME: (address_for(number),)}))
    return f"{server.address.address}:{server.address.port}"


def _sections(
    plan: Plan, server: Server, proxies: Sequence[Proxy], *, node: int, mail_port: int
) -> dict[str, dict[str, Any]]:
    store = {"url": server.url(proxies[0].port), "node_name": f"node{node}"}
    if plan.pooler:
        store["notify_url"] = server.url(proxies[1].port)
    return {
        "store": store,
        "smtp": {"host": "127.0.0.1", "port": mail_port, "security": "none", "from": "hooks@example.com"},
        "delivery": {"retry_delays_s": list(plan.retry_delays_s)},
        "credits": {"enforce": plan.enforced},
        "log": {"level": "info", "format": "json"},
    }


async def _register(cluster: Cluster) -> None:
    """Make the teams, their first credits and the webhooks, each on another node."""
    amount = 100 if cluster.plan.enforced else 1_000_000
    for number, team in enumerate(TEAMS):
        made = {"id": team, "name": team, "notificationEmails": [f"{team}@example.com"]}
        await _call(cluster, number, "/v1/teams", made)
        await _call(cluster, number + 1, "/v1/credits/grants", {"teamId": team, "amount": amount})
    for number, webhook in enumerate(cluster.planned.values()):
        await _call(cluster, number, "/v1/webhooks", cluster.receivers.registration(webhook))


async def _call(cluster: Cluster, number: int, path: str, body: Any) -> None:
    running = cluster.running()
    node = running[number % len(running)]
    answer: httpx.Response = await cluster.clients.http(node.installation.url).post(path, json=body)
    assert answer.is_success, (path, answer.status_code, answer.text)
