"""`kakiyo-webhooks teams emails` and its like: the notification addresses of a team, which confirm themselves."""

from typing import Annotated, Any

from daemon.cli.declared import argument
from daemon.cli.options import ApiOptions, AsJson, IdempotencyKey, idempotency_headers, with_api_options

_COLUMNS = ("address", "state", "may confirm until")
_Team = Annotated[str, argument(metavar="TEAM")]
_Address = Annotated[str, argument(metavar="ADDRESS")]


@with_api_options
def list_emails(team_id: _Team, as_json: AsJson = False, *, api: ApiOptions) -> None:
    """List a team's notification addresses."""
    from daemon.cli.client import connect, path_of
    from daemon.cli.replies import print_list

    with connect(api) as client:
        path = path_of("teams", team_id, "notification-emails")
        print_list(client, path, query={}, columns=_COLUMNS, row=_row, every_page=False, as_json=as_json)


@with_api_options
def add(
    team_id: _Team,
    email: _Address,
    idempotency_key: IdempotencyKey = None,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """Ask an address by a mail; once it has confirmed, the team's mails go there."""
    from daemon.cli.client import connect, path_of
    from daemon.cli.replies import print_reply

    with connect(api) as client:
        path, headers = path_of("teams", team_id, "notification-emails"), idempotency_headers(idempotency_key)
        reply = client.send("POST", path, body={"email": email}, headers=headers)
        print_reply(reply, as_json, lambda address: zip(_COLUMNS, _row(address), strict=True))


@with_api_options
def remove(team_id: _Team, email: _Address, *, api: ApiOptions) -> None:
    """Have nothing more sent to an address."""
    from daemon.cli.client import connect, path_of
    from daemon.cli.output import print_line
    from daemon.domain.printable import printable

    with connect(api) as client:
        client.delete(path_of("teams", team_id, "notification-emails"), {"email": email})
    print_line(f"Removed {printable(email)}.")


def _row(address: dict[str, Any]) -> tuple[Any, ...]:
    return address["email"], "confirmed" if address["confirmed"] else "asked", address["expiresAt"]
