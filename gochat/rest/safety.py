"""`terms` and `reports`: what both app stores ask of whoever lets users write to each other."""

from contextlib import suppress

from gochat.contract import requests, shapes
from gochat.contract.decode import report_in
from gochat.core.blocks import Block
from gochat.core.errors import LimitExceeded
from gochat.core.rates import REPORT, Key
from gochat.ids import new_id
from gochat.rest.call import OpenCall, UserCall
from gochat.rest.deps import Deps


async def terms(deps: Deps, call: OpenCall[requests.Request]) -> shapes.Terms:
    """`GET terms`."""
    return deps.terms


async def report(deps: Deps, call: UserCall[requests.Report]) -> shapes.Empty:
    """`POST reports`: nobody learns from the answer whether there is what they report."""
    await deps.shared_rates.take(REPORT, {Key.USER: str(call.user_id)})
    about = await deps.reports.file(report_in(call.request, call.user_id), deps.clock())
    if call.request.block and about is not None and about != call.user_id:
        with suppress(LimitExceeded):  # the report is what counts
            await deps.writer.submit(Block(new_id(), call.user_id, about, on=True))
    return {}
