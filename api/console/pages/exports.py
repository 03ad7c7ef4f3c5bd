"""Lists of the console as files."""

from api.console.pages.delivery_filter import read_filter
from api.console.session.page_request import PageRequest
from api.console.session.refusals import page_not_found
from api.http.streamed import Streamed
from api.routes.export_streams import ExportFormat
from api.routes.exports import attempts_as_file, deliveries_as_file, ledger_as_file


async def export_deliveries(request: PageRequest) -> Streamed:
    """Return the deliveries that the filter shows, or with `of=attempts` their attempts, as a file."""
    chosen = read_filter(request)
    if chosen.mistakes:
        raise page_not_found()
    write = attempts_as_file if request.query("of") == "attempts" else deliveries_as_file
    return await write(request.call, chosen.wanted, form=_format(request), is_valid=request.is_still_valid)


async def export_ledger(request: PageRequest) -> Streamed:
    """Return the ledger as a file."""
    form, is_valid = _format(request), request.is_still_valid
    return await ledger_as_file(request.call, request.team_id, form=form, is_valid=is_valid)


def _format(request: PageRequest) -> ExportFormat:
    return ExportFormat.NDJSON if request.query("format") == ExportFormat.NDJSON else ExportFormat.CSV
