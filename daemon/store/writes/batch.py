"""One batch of commands in one transaction; if one command fails, it alone fails."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import Connection

from daemon.domain.errors import StoreUnavailable
from daemon.store import commands, erasure_commands, job_commands, upkeep_commands
from daemon.store.address_commands import AskForAddress, ConfirmAddress, RemoveAddress
from daemon.store.aside_commands import SetAside, TakeBack
from daemon.store.cancel_commands import CancelNext, CancelPending
from daemon.store.commands import Command
from daemon.store.engine import Apply, Engine
from daemon.store.event_type_commands import AddEventType, AddEventTypeVersion, RemoveEventType, SaveEventType
from daemon.store.expiry_commands import CancelForEvent, ForgetExpiries
from daemon.store.fan_out_commands import MakeDeliveries
from daemon.store.writes import (
    addresses,
    api_keys,
    aside,
    attempts,
    audit,
    bulk_jobs,
    cancelling,
    cancelling_some,
    counters,
    credits,
    erasing,
    event_types,
    events,
    expiries,
    fan_outs,
    idempotency,
    mails,
    operational_events,
    portal_links,
    probe,
    replays,
    retention,
    sign_outs,
    teams,
    time_blocks,
    trusted_time,
    webhooks,
)

# How often a batch is tried that another process' transaction was in the way of.
_TRIES = 5

APPLY: Mapping[type, Apply] = {
    commands.AcceptEvents: events.accept_events,
    MakeDeliveries: fan_outs.make_deliveries,
    upkeep_commands.PruneIdempotencyKeys: idempotency.prune_idempotency_keys,
    upkeep_commands.PruneWebhookHours: counters.prune_webhook_hours,
    upkeep_commands.ReadTrustedTime: trusted_time.read_trusted_time,
    upkeep_commands.SaveTrustedTime: trusted_time.save_trusted_time,
    upkeep_commands.PruneEvents: retention.prune_events,
    upkeep_commands.KeepTimeBlock: time_blocks.keep_time_blocks,
    upkeep_commands.PruneMails: retention.prune_mails,
    commands.RecordAttempt: attempts.record_attempts,
    commands.CreateWebhook: webhooks.create_webhooks,
    commands.SaveWebhook: webhooks.save_webhooks,
    CancelPending: cancelling.cancel_all_pending,
    SetAside: aside.set_all_aside,
    TakeBack: aside.take_all_back,
    CancelForEvent: cancelling_some.cancel_for_events,
    ForgetExpiries: expiries.forget_expiries,
    CancelNext: cancelling.cancel_next,
    commands.Resend: replays.resend,
    commands.Recover: replays.recover,
    job_commands.AddBulkJob: bulk_jobs.add_bulk_jobs,
    job_commands.EndBulkJob: bulk_jobs.end_bulk_jobs,
    job_commands.MoveBulkJob: bulk_jobs.move_bulk_jobs,
    job_commands.CancelForJob: bulk_jobs.cancel_for_jobs,
    erasure_commands.EraseEvent: erasing.erase_events,
    erasure_commands.EraseAnswers: erasing.erase_answers,
    commands.KeepEntry: audit.keep_entries,
    commands.CreateTeam: teams.create_teams,
    commands.SaveTeam: teams.save_teams,
    AskForAddress: addresses.ask_for_addresses,
    ConfirmAddress: addresses.confirm_addresses,
    RemoveAddress: addresses.remove_addresses,
    AddEventType: event_types.add_event_types,
    SaveEventType: event_types.save_event_types,
    AddEventTypeVersion: event_types.add_event_type_versions,
    RemoveEventType: event_types.remove_event_types,
    commands.AddKey: api_keys.add_keys,
    commands.RevokeKey: api_keys.revoke_keys,
    commands.SaveKeyUses: api_keys.save_key_uses,
    commands.EndSession: sign_outs.end_sessions,
    commands.AddPortalLink: portal_links.add_portal_links,
    commands.UsePortalLink: portal_links.use_portal_links,
    commands.RevokePortalLink: portal_links.revoke_portal_links,
    commands.GrantCredits: credits.grant_credits,
    commands.ReadBalance: credits.read_balances,
    commands.ProbeWrite: probe.probe_write,
    commands.OperationalEventSubmitted: operational_events.forget_submitted,
    commands.MailSent: mails.mark_sent,
    commands.MailDeferred: mails.defer,
}


def run_batch(engine: Engine, batch: Sequence[Command[Any]]) -> list[Any]:
    """Run the commands in their order and commit them; return their answers, an Exception where one failed.

    Adjacent commands of one kind become one statement; an engine may bring more of them together. When the database
    itself fails (full, locked, broken), every command gets StoreUnavailable and nothing is kept.
    """
    places = engine.arrange(batch)
    if places is None:
        return _run_in_order(engine, batch)
    answers = _run_in_order(engine, [batch[place] for place in places])
    return [answer for _, answer in sorted(zip(places, answers, strict=True), key=itemgetter(0))]


def _run_in_order(engine: Engine, batch: Sequence[Command[Any]], tries: int = _TRIES) -> list[Any]:
    try:
        with engine.transaction() as connection:
            return [answer for kind, run in _runs(batch) for answer in _apply(engine, connection, kind=kind, run=run)]
    except StoreUnavailable as error:
        return [error for _ in batch]
    except Exception as error:
        if engine.is_conflict(error) and tries > 1:
            return _run_in_order(engine, batch, tries - 1)
        if engine.is_failure(error):
            return [engine.unavailable(error) for _ in batch]
        if len(batch) == 1:
            return [error]
        return [_run_in_order(engine, [command])[0] for command in batch]


def _apply(engine: Engine, connection: Connection, kind: type, run: Sequence[Command[Any]]) -> Sequence[Any]:
    if kind is commands.ExecuteOnce:
        once = cast("Sequence[commands.ExecuteOnce[Any]]", run)
        return idempotency.execute_once(partial(apply_one, engine), connection, once)
    if kind is commands.Audited:
        audited = cast("Sequence[commands.Audited[Any]]", run)
        return audit.execute_audited(partial(apply_one, engine), connection, audited)
    apply = engine.own_commands.get(kind) or APPLY[kind]
    answers = apply(connection, run, engine.sequences)
    engine.publish(run, answers)
    engine.progress.note()
    return answers


def apply_one(engine: Engine, connection: Connection, command: Command[Any]) -> Any:
    """Carry out one command in this transaction; return its answer, or the error that it is refused with."""
    [answer] = _apply(engine, connection, kind=type(command), run=[command])
    return answer


def _runs(batch: Sequence[Command[Any]]) -> Iterator[tuple[type, list[Command[Any]]]]:
    for kind, run in groupby(batch, type):
        yield kind, list(run)
