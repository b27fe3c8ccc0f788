"""`gochat report`: what users reported, and what was decided."""

import asyncio
from typing import Annotated

import typer

from gochat.cli import support
from gochat.cli.users import database

app = typer.Typer(no_args_is_help=True, help="Read and resolve what users reported.")

Id = Annotated[str, typer.Argument(help="As it is listed.")]


@app.command("list")
def list_reports(
    everything: Annotated[bool, typer.Option("--all", help="Resolved ones too.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="So many.")] = 50,
    before: Annotated[str | None, typer.Option(help="Those that come after this one in the list.")] = None,
    as_json: support.Json = False,
) -> None:
    """List reports, the newest first; the last one's id as `--before` shows the next."""

    async def run() -> None:
        from gochat.contract.ids import id_out
        from gochat.storage.safety import StoredReports

        async with database() as opened:
            reports, last = StoredReports(opened), None
            if before is not None:
                last = await reports.filed(support.number(before, "report"))
                if last is None:
                    support.fail(f"There is no report {before}.")
            found = await reports.open(limit, resolved=everything, before=last)
        rows = (
            {
                "report": id_out(it.id),
                "at": support.when(it.created_at),
                "reason": it.reason,
                "user": id_out(it.user_id),
                "resolution": it.resolution or "-",
            }
            for it in found
        )
        support.show(rows, as_json)

    asyncio.run(run())


@app.command()
def show(report: Id, why: support.Why, who: support.As = None) -> None:
    """Show a report with what is kept of the message, as JSON."""

    async def run() -> None:
        import orjson

        from gochat.contract.ids import id_out
        from gochat.storage.operating import Operator
        from gochat.storage.safety import StoredReports

        async with database() as opened:
            it = await StoredReports(opened).filed(support.number(report, "report"))
            if it is None:
                support.fail(f"There is no report {report}.")
            await Operator(opened).note(support.act("report show", report, why, who))
        shown = {
            "report": report,
            "reporter": id_out(it.reporter_id),
            "user": id_out(it.user_id),
            "conversation": None if it.conversation_id is None else id_out(it.conversation_id),
            "seq": it.seq,
            "reason": it.reason,
            "comment": it.comment,
            "at": support.when(it.created_at),
            "resolved_at": support.when(it.resolved_at),
            "resolution": it.resolution,
            "snapshot": None if it.snapshot is None else orjson.loads(it.snapshot),
        }
        typer.echo(orjson.dumps(shown, option=orjson.OPT_INDENT_2))

    asyncio.run(run())


@app.command()
def resolve(report: Id, why: support.Why, who: support.As = None) -> None:
    """Close a report, saying what was decided; users are acted on by `gochat user`."""

    async def run() -> bool:
        from gochat.storage.safety import StoredReports

        done = support.act("report resolve", report, why, who)
        async with database() as opened:
            return await StoredReports(opened).resolve(support.number(report, "report"), why[:500], done)

    if not asyncio.run(run()):
        support.fail(f"There is no report {report}.")
    typer.echo("Resolved.")
