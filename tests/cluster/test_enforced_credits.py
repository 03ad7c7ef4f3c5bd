"""Whatever nodes do at once, no balance goes below 0, and credits that are there are found (contract "Credits")."""

from collections import deque
from dataclasses import dataclass, field

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from daemon.cluster.holdings import Holdings, Sent
from daemon.store.hold_commands import ChangeHolds
from daemon.store.postgresql.database import PostgresqlDatabase
from tests.cluster.bank import PRICE, balance_of, charge, end, grant, holds_of, new_node, new_team
from tests.store.filling import run

NODES = 2

a_node = st.integers(0, NODES - 1)


@dataclass(eq=False)
class Delivery:
    """One that has reserved credits; its outcome is charged or not, and `forgotten` if its actor crashed."""

    charged: bool
    forgotten: bool = False


@dataclass
class Node:
    """A node's holdings, its writer's queue, and its deliveries: without an outcome, and with a committed one."""

    number: int
    holdings: Holdings = field(default_factory=lambda: Holdings(PRICE))
    queue: deque[Delivery | Sent] = field(default_factory=deque)
    begun: list[Delivery] = field(default_factory=list)
    committed: list[Delivery] = field(default_factory=list)

    @property
    def is_changing(self) -> bool:
        return any(isinstance(one, Sent) and not one.abandoned for one in self.queue)


class Nodes(RuleBasedStateMachine):
    """Several nodes on one database deliver for one team. Every transaction, and what is known of it, is a step."""

    database: PostgresqlDatabase

    def __init__(self) -> None:
        super().__init__()
        self.nodes: list[Node] = []

    @initialize(balance=st.integers(2, 14))
    def begin(self, balance: int) -> None:
        self.team_id = new_team(self.database, balance)
        self.nodes = [Node(new_node(self.database)) for _ in range(NODES)]

    @rule(which=a_node, count=st.integers(1, 3), charged=st.booleans(), at_once=st.booleans())
    def reserve(self, which: int, count: int, charged: bool, at_once: bool) -> None:
        """Deliveries begin; credits that they lack are asked for, and maybe come at once."""
        node = self.nodes[which]
        account = node.holdings.account(self.team_id)
        for _ in range(count):
            if not node.holdings.take(account):
                account.waiting, account.lacks = 1, True
                self._send(node, unsure=False)
                if not at_once:
                    return
                self.commit(which, 99, "done")
                if not node.holdings.take(account):
                    return
            node.begun.append(Delivery(charged))

    @rule(which=a_node, count=st.integers(1, 3), fate=st.sampled_from(["told", "told", "crash", "crash before"]))
    def answer(self, which: int, count: int, fate: str) -> None:
        """Attempts end: their outcomes are given to the writer; after a crash of the actor nobody will tell of it."""
        node = self.nodes[which]
        for delivery in [node.begun.pop(0) for _ in range(min(count, len(node.begun)))]:
            if fate != "crash before":
                node.queue.append(delivery)
            if fate != "told":
                delivery.forgotten = True
                node.holdings.settle(self.team_id, charged=None)

    @rule(which=a_node)
    def turn(self, which: int) -> None:
        if not self.nodes[which].is_changing:
            self.nodes[which].holdings.turn()
            self._send(self.nodes[which], unsure=True)

    @rule(which=a_node, count=st.integers(1, 9), fate=st.sampled_from(["done", "done", "answer lost", "failed"]))
    def commit(self, which: int, count: int, fate: str) -> None:
        node = self.nodes[which]
        for _ in range(min(count, len(node.queue))):
            self._commit(node, fate)

    @rule(which=a_node)
    def crash_the_gates_actor(self, which: int) -> None:
        """What it sent is on its way still."""
        for one in self.nodes[which].queue:
            if isinstance(one, Sent):
                self.nodes[which].holdings.abandon(one)

    @rule(which=a_node)
    def settle(self, which: int) -> None:
        self._settle_all(self.nodes[which])

    @rule(which=a_node)
    def crash_a_node(self, which: int) -> None:
        end(self.database, self.nodes[which].number)
        self.nodes[which] = Node(new_node(self.database))

    @rule(amount=st.integers(1, 5))
    def grant(self, amount: int) -> None:
        grant(self.database, self.team_id, amount)

    @rule(which=a_node)
    def nobody_waits_for_ever(self, which: int) -> None:
        """All comes to rest, and one node wants to deliver: it can, if there is credit."""
        for node in self.nodes:
            self._come_to_rest(node)
        wanting = self.nodes[which]
        account = wanting.holdings.account(self.team_id)
        for _ in range(3):
            account.waiting, account.lacks = 1, True
            for node in self.nodes:
                node.holdings.turn()
                self._send(node, unsure=True)
                self._come_to_rest(node)
        account.waiting = 0
        assert wanting.holdings.take(account) or balance_of(self.database, self.team_id) < PRICE
        wanting.begun += [Delivery(True) for _ in range(account.reserved // PRICE)]

    @invariant()
    def what_is_used_is_held_and_what_is_held_can_be_paid_for(self) -> None:
        if not self.nodes:
            return
        holds, balance = holds_of(self.database, self.team_id), balance_of(self.database, self.team_id)
        assert 0 <= sum(holds.values()) <= balance
        for node in self.nodes:
            account = node.holdings.account(self.team_id)
            charged = PRICE * sum(delivery.charged for delivery in node.committed)
            assert account.available + account.reserved - charged <= holds.get(node.number, 0)

    def _settle_all(self, node: Node) -> None:
        while node.committed:
            node.holdings.settle(self.team_id, charged=node.committed.pop(0).charged)

    def _send(self, node: Node, *, unsure: bool) -> None:
        if not node.is_changing and (due := node.holdings.due(unsure=unsure)):
            node.queue.append(node.holdings.send(due))

    def _commit(self, node: Node, fate: str) -> None:
        match node.queue.popleft():
            case Sent() as sent:
                added = {self.team_id: 0}
                if fate != "failed":
                    added = run(self.database, ChangeHolds(node.number, PRICE, sent.wishes))
                if fate == "done":
                    node.holdings.added(sent, added)
                    node.holdings.account(self.team_id).waiting = 0
                else:
                    node.holdings.abandon(sent)
            case delivery:
                if delivery.charged:
                    charge(self.database, node.number, self.team_id)
                if not delivery.forgotten:
                    node.committed.append(delivery)

    def _come_to_rest(self, node: Node) -> None:
        node.queue.extend(node.begun)
        node.begun.clear()
        while node.queue:
            self._commit(node, "done")
        self._settle_all(node)


def test_no_balance_goes_below_0_and_credits_that_are_there_are_found(database: PostgresqlDatabase) -> None:
    class OnThis(Nodes): ...

    OnThis.database = database

    run_state_machine_as_test(
        OnThis,
        settings=settings(
            max_examples=70, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
