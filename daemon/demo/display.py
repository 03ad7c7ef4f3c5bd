"""What the demo looks like: a live board on a terminal, progress lines elsewhere, a summary at the end."""

from collections.abc import Iterable, Sequence
from email.message import EmailMessage
from itertools import groupby

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from daemon.demo.checks import Check
from daemon.demo.observation import Observation, SeenAttempt, SeenDelivery
from daemon.demo.scenario import RegisteredWebhook, SubmittedEvent

_MARKS = {"succeeded": ("✓", "green"), "failed": ("✗", "red"), "cancelled": ("■", "bright_black")}
_EMAIL_LINES = 16
_TO_TRY = """\
[bold]Next: a daemon of your own[/]
  {program} serve --dev --state-dir ./kakiyo-state
[bold]and in another terminal[/]
  export KAKIYO_WEBHOOKS_STATE_DIR=./kakiyo-state
  {program} listen --port 9000 &
  {program} teams create --id team_me --name Me --email me@example.com
  {program} webhooks create --team team_me --name Mine --url http://127.0.0.1:9000/ --event '*'
  {program} events send --team team_me --type linkedin.message.received --data '{{"message": "Hello"}}'
  {program} deliveries list"""


def introduction() -> RenderableType:
    """Return what is said at the start."""
    text = Text("A real daemon, three local receivers, one event of each type: ", style="default")
    text.append("what succeeds, what is retried, what is given up, and who is told. About half a minute.")
    return Panel(
        text, title="[bold]Kakiyo Webhooks[/]", title_align="left", border_style="cyan", padding=(0, 1), expand=False
    )


def board(
    webhooks: Sequence[RegisteredWebhook],
    events: Sequence[SubmittedEvent],
    deliveries: Iterable[SeenDelivery],
    elapsed_s: float,
) -> RenderableType:
    """Return the live table: a row for each event, a column for each webhook."""
    found = {(each.event_id, each.webhook_id): each for each in deliveries}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("event", no_wrap=True)
    for webhook in webhooks:
        table.add_column(
            Text(webhook.name, style="bold").append(f"\n{webhook.receiver.role}", style="not bold bright_black")
        )
    for event in events:
        table.add_row(event.type, *(_short(found.get((event.id, webhook.id))) for webhook in webhooks))
    over = sum(each.is_over for each in found.values())
    return Group(
        table, Text(f"{elapsed_s:5.1f} s   {over} of {len(found)} deliveries have ended", style="bright_black")
    )


def _short(delivery: SeenDelivery | None) -> Text:
    """Say it so briefly that the board fits 80 columns."""
    if delivery is None:
        return Text()
    if not delivery.is_over:
        return (
            Text(f"↻ {delivery.attempts_made} failed", style="yellow")
            if delivery.attempts_made
            else Text("· waits", style="bright_black")
        )
    mark, style = _MARKS[delivery.status]
    return Text(
        f"{mark} {_count(delivery.attempts_made, 'attempt') if delivery.attempts_made else delivery.status}",
        style=style,
    )


def _standing(delivery: SeenDelivery) -> Text:
    if not delivery.is_over:
        failed = delivery.attempts_made
        return (
            Text(f"↻ {_count(failed, 'attempt')} failed", style="yellow")
            if failed
            else Text("· waits", style="bright_black")
        )
    mark, style = _MARKS[delivery.status]
    attempts = f", {_count(delivery.attempts_made, 'attempt')}" if delivery.attempts_made else ""
    return Text(f"{mark} {delivery.status}{attempts}", style=style)


def progress_line(delivery: SeenDelivery, webhook: RegisteredWebhook, elapsed_s: float) -> Text:
    """Return one line of progress, where there is no terminal for a live table."""
    return Text(f"{elapsed_s:5.1f} s  {webhook.name:<15} {delivery.event:<30} ").append_text(_standing(delivery))


def summary(seen: Observation) -> RenderableType:
    """Return every delivery with its attempts, the state of each webhook, the email and the credits."""
    begun = min((attempt.started_at for each in seen.deliveries for attempt in each.attempts), default=0)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="What happened", title_style="bold", title_justify="left")
    for column in ("event", "result", "attempts"):
        table.add_column(column)
    for webhook in seen.webhooks:
        table.add_row(Text(webhook.name, style="bold"), *_state(seen, webhook))
        for each in seen.deliveries_to(webhook):
            mark, style = _MARKS.get(each.status, ("·", "yellow"))
            table.add_row(
                f"  {each.event}", Text(f"{mark} {each.status}", style=style), _attempts(each.attempts, begun)
            )
        table.add_section()
    return Group(table, _credits(seen), *map(_email, seen.emails))


def _state(seen: Observation, webhook: RegisteredWebhook) -> tuple[Text, Text]:
    shown = seen.shown(webhook)
    if shown["active"]:
        return Text("active", style="green"), Text()
    failures = f"after {shown['consecutiveFailures']} consecutive failures"
    return Text("disabled", style="red"), Text(failures, style="red")


def _attempts(attempts: Iterable[SeenAttempt], begun: float) -> Text:
    """Say when, and what came back: `0, 1 s 503   3 s 200`, the same result in a row only once."""
    parts = []
    for result, same in groupby(attempts, key=_result):
        times = ", ".join(f"{each.started_at - begun:.0f}" for each in same)
        parts.append(Text(f"{times} s ").append(result, style="green" if result.startswith("2") else "red"))
    return Text("   ").join(parts) if parts else Text("never sent", style="bright_black")


def _result(attempt: SeenAttempt) -> str:
    return attempt.outcome.replace("_", " ") if attempt.status is None else str(attempt.status)


def _credits(seen: Observation) -> Text:
    spent = sum(-entry["amount"] for entry in seen.ledger if entry["amount"] < 0)
    line = Text("Credits         ", style="bold")
    return line.append(f"{spent} spent, balance {seen.balance}", style="not bold")


def _email(email: EmailMessage) -> RenderableType:
    part = email.get_body(("plain",))
    lines = part.get_content().strip().splitlines() if part else []
    shown = [*lines[:_EMAIL_LINES], "…"] if len(lines) > _EMAIL_LINES else lines
    head = Text(f"To: {email['To']}\nSubject: {email['Subject']}\n\n", style="bold").append(
        "\n".join(shown), style="not bold"
    )
    return Panel(head, title="The email", title_align="left", border_style="yellow", padding=(0, 1), expand=False)


def verdict(checks: Sequence[Check]) -> RenderableType:
    """Return each check with ✓ or ✗, and how many there were."""
    table = Table.grid(padding=(0, 1))
    for each in checks:
        mark = Text("✓", style="bold green") if each.kept else Text("✗", style="bold red")
        table.add_row(mark, Text(each.promise), Text(each.seen, style="bright_black" if each.kept else "red"))
    kept = sum(each.kept for each in checks)
    result = Text(f"\n{kept} of {len(checks)} promises kept", style="bold green" if kept == len(checks) else "bold red")
    return Group(Text("\nIs it as promised?", style="bold"), table, result)


def commands_to_try(program: str) -> str:
    """Return what to type next, to be printed without folding; `program` is how this command is called here."""
    return "\n" + _TO_TRY.format(program=escape(program))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
