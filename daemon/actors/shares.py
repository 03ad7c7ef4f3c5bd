"""What all teams share, and how much of it one team may take."""


class Share:
    """A limit for all teams together. A team takes at most half of what the others leave.

    So there is room for one more team, however many have filled their part (dynamic thresholds; Choudhury and Hahne,
    "Dynamic Queue Length Thresholds", 1998).
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0
        self._by_team: dict[str, int] = {}

    @property
    def most(self) -> int:
        """How much a team may take when no other team has taken anything."""
        return _half(self.limit)

    def of(self, team: str) -> int:
        """Return how much this team has taken."""
        return self._by_team.get(team, 0)

    def fits(self, team: str, amount: int) -> bool:
        """Whether the team may take this much more now; to take nothing always fits."""
        own = self.of(team)
        return amount == 0 or own + amount <= _half(self.limit - (self.taken - own))

    def take(self, team: str, amount: int) -> None:
        """Take this much, whether it fits or not."""
        self.taken += amount
        if amount:
            self._by_team[team] = self.of(team) + amount

    def give_back(self, team: str, amount: int) -> None:
        """Give back this much of what was taken."""
        self.taken -= amount
        left = self._by_team.pop(team, 0) - amount
        if left:
            self._by_team[team] = left


def _half(amount: int) -> int:
    return (amount + 1) // 2
