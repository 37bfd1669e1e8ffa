"""The command line: ``undertow``."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from sim.errors import ScenarioError

app = typer.Typer(
    name="undertow",
    help="An agent-based simulator of interconnected liquidity.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
BAD_INPUT = 2


def _fail(error: ScenarioError) -> NoReturn:
    """Say what is wrong with the input, a line a problem, and leave with code 2."""
    for field, text in error.problems:
        print(f"error: {field}: {text}", file=sys.stderr)
    raise typer.Exit(BAD_INPUT)


@contextmanager
def _compiling(console: Console) -> Iterator[None]:
    """Say so while kernels compile, which happens once."""
    from sim.compiled import compilation_told_to

    with console.status("Opening the market ...") as status:
        count = 0

        def told(name: str) -> None:
            nonlocal count
            if count == 0:
                console.print("Compiling kernels, once: about half a minute ...")
            count += 1
            status.update(f"Compiling kernels, once ({count}: {name}) ...")

        with compilation_told_to(told):
            yield


@app.command()
def scenarios() -> None:
    """List the scenarios, a line each."""
    from sim import Scenario

    titles = Scenario.titles()
    width = max(map(len, titles), default=0)
    for name, title in titles.items():
        print(f"{name:<{width}}  {title}")


@app.command()
def run(
    scenario: Annotated[str, typer.Argument(help="Name of a scenario, or path of its file.")],
    rng: Annotated[int | None, typer.Option(help="Seed; default: the scenario's.")] = None,
    blocks: Annotated[int | None, typer.Option(help="Blocks to make.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Another value for a field."),
    ] = None,
    prices: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Recorded prices: CSV or Parquet.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the results and the report.")
    ] = None,
) -> None:
    """Run a scenario once."""
    from sim import Market, Scenario

    console = Console(stderr=True)
    try:
        setup = Scenario.load(scenario)
        if set_:
            setup = setup.with_overrides(set_)
        if blocks is not None:
            setup = setup.override({"blocks": blocks})
        if prices is not None:
            setup = setup.with_prices(prices)
        if out is not None:
            _must_be_writable(out)
        for field, text in setup.warnings():
            console.print(f"[yellow]warning:[/yellow] {field}: {text}", highlight=False)
        with _compiling(console):
            market = Market(setup, rng=rng)
    except ScenarioError as error:
        _fail(error)
    started = time.perf_counter()
    market.run(progress=True)
    seconds = time.perf_counter() - started

    from runs.report import summary_rows
    from runs.results import save_run, summarise

    summary = summarise(market, seconds)
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for what, value in summary_rows(summary):
        table.add_row(what, value)
    Console().print(table, highlight=False)
    if out is not None:
        _save(console, market, out, summary, save_run)


def _save(console: Console, market: object, out: Path, summary: dict, save_run: object) -> None:
    from runs.report import write_report

    try:
        with console.status("Writing results ..."):
            save_run(market, out, summary)  # type: ignore[operator]
            page = write_report(out)
    except OSError as error:
        print(
            f"error: {out}: cannot be written ({error}); nothing is half written", file=sys.stderr
        )
        raise typer.Exit(1) from None
    console.print(f"Results in {out}, report in {page}", highlight=False)


def _must_be_writable(out: Path) -> None:
    """Find out before a run whether its results can be left where they are wanted."""
    import os

    if out.exists() and not out.is_dir():
        raise ScenarioError([("--out", f"{out} is a file; give a folder")])
    there = next((p for p in (out, *out.absolute().parents) if p.exists()), None)
    if there is None or not there.is_dir() or not os.access(there, os.W_OK):
        raise ScenarioError([("--out", f"{out} cannot be written; give another folder")])


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a run.")],
) -> None:
    """Write the report of a run anew from its files."""
    from runs.report import write_report

    try:
        print(write_report(folder))
    except ScenarioError as error:
        _fail(error)


def main() -> None:
    """Start the command line."""
    app()


if __name__ == "__main__":
    main()
