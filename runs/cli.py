"""The command line: ``undertow``."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from sim.errors import ScenarioError, shown

if TYPE_CHECKING:
    import pandas as pd
    from rich.progress import Progress

    from runs.study.sweeper import Progress as SweepProgress
    from runs.study.sweeper import Sweep
    from sim import Market

app = typer.Typer(
    name="undertow",
    help="An agent-based simulator of interconnected DeFi liquidity.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
BAD_INPUT = 2
_HERE = Path(__file__).parent


def _known(folder: str) -> Callable[[str], list[str]]:
    """Completes names of what comes with the package, and paths of files; imports nothing."""

    def complete(incomplete: str) -> list[str]:
        names = sorted(path.stem for path in (_HERE / folder).glob("*.toml"))
        beside = sorted(str(path) for path in Path().glob(f"{incomplete}*.toml") if incomplete)
        return [name for name in names if name.startswith(incomplete)] + beside

    return complete


_scenarios, _studies = _known("scenarios"), _known("studies")


def _fail(error: ScenarioError) -> NoReturn:
    """Say what is wrong with the input, a line a problem, and leave with code 2."""
    for field, text in error.problems:
        print(f"error: {field}: {text}", file=sys.stderr)
    raise typer.Exit(BAD_INPUT)


@contextmanager
def _input_errors() -> Iterator[None]:
    """Say in a line what is wrong with the input, and leave with code 2."""
    try:
        yield
    except ScenarioError as error:
        _fail(error)
    except MemoryError:
        text = "needs more memory than is available; use fewer agents, fewer pools or a shorter lag"
        _fail(ScenarioError([("scenario", text)]))


def _tell(console: Console, text: str) -> None:
    """Print a text to the letter: a name may look like Rich's markup."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def _compiling(console: Console) -> Iterator[None]:
    """Say so while kernels compile, which happens once."""
    from sim.compiled import FirstStart, on_compilation

    with console.status("Opening the market ...") as status:
        start = FirstStart()

        def report(name: str) -> None:
            if start.count == 0:
                console.print("Compiling kernels (first start only, about a minute) ...")
            start.started()
            status.update(f"Compiling: {start} ...")

        with on_compilation(report):
            yield


def _list(titles: Mapping[str, str]) -> None:
    """Print names with their titles, a line each."""
    width = max(map(len, titles), default=0)
    for name, title in titles.items():
        print(f"{name:<{width}}  {title}")


@app.command()
def scenarios() -> None:
    """List the scenarios that come with Undertow."""
    from sim import Scenario

    _list(Scenario.titles())


@app.command()
def run(
    scenario: Annotated[
        str,
        typer.Argument(help="Name of a scenario, or path to its file.", autocompletion=_scenarios),
    ],
    rng: Annotated[int | None, typer.Option(help="Random seed; default: the scenario's.")] = None,
    blocks: Annotated[
        int | None, typer.Option(help="Number of blocks; default: the scenario's.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="PATH=VALUE", help="Change a field of the scenario; repeatable."
        ),
    ] = None,
    prices: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File of recorded prices (CSV or Parquet).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for results and report.")
    ] = None,
) -> None:
    """Run a scenario once and print a summary."""
    from runs.files import must_be_writable
    from sim import Market, Scenario

    console = Console(stderr=True)
    with _input_errors():
        setup = Scenario.load(scenario)
        if set_:
            setup = setup.with_overrides(set_)
        given = {"blocks": blocks, "rng": rng}
        setup = setup.override({k: v for k, v in given.items() if v is not None})
        if prices is not None:
            setup = setup.with_prices(prices)
        if out is not None:
            must_be_writable(out)
        for field, text in setup.warnings():
            _tell(console, f"warning: {field}: {text}")
        with _compiling(console):
            market = Market(setup)
            market.prepare()  # or the run's time would be that of compiling calls
    started = time.perf_counter()
    if out is None:
        market.run(progress=True)
        noted = []
    else:
        noted = _run_noting(console, market)
    seconds = time.perf_counter() - started

    from runs.summary import summarise, summary_rows

    summary = summarise(market, seconds, noted)
    _print_rows(summary_rows(summary))
    if out is not None:
        _save(console, market, out, summary)


def _bar(console: Console, what: str) -> Progress:
    """A bar that says how many of what there are have been made, and for how long."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(what),
        TimeElapsedColumn(),
        console=console,
    )


def _run_noting(console: Console, market: Market) -> list[dict[str, Any]]:
    """Run a market to its end behind a bar; returns the networks that were noted on the way."""
    from runs.report.moments import run_noting

    with _bar(console, "blocks") as bar:
        task = bar.add_task(market.setup.title, total=market.setup.blocks)
        moments = run_noting(market, advanced=lambda made: bar.advance(task, made))
    return moments.noted


def _print_rows(rows: Iterable[tuple[str, str]]) -> None:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for what, value in rows:
        table.add_row(Text(what), Text(value))
    Console().print(table, highlight=False)


def _save(console: Console, market: Market, out: Path, summary: dict[str, Any]) -> None:
    from runs.files import left_whole, save_run
    from runs.report.report import write_report

    try:
        with console.status("Writing results ..."), left_whole(out) as folder:
            save_run(market, folder, summary)
            page = out / write_report(folder).name
    except OSError as error:
        print(f"error: {out}: cannot be written ({error}); nothing was written", file=sys.stderr)
        raise typer.Exit(1) from None
    _tell(console, f"Results in {out}, report in {page}")


@app.command()
def studies() -> None:
    """List the studies that come with Undertow."""
    from runs.study.study import Study

    _list({name: Study.load(name).title for name in Study.names()})


@app.command()
def sweep(
    study: Annotated[
        str, typer.Argument(help="Name of a study, or path to its file.", autocompletion=_studies)
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for results; an unfinished one is resumed.")
    ],
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=1024,
            help="Local worker processes; default: one per core; 0: none, run in this process.",
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help='Address of a Dask scheduler; "local" starts a cluster here.'
        ),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Memory limit per worker, such as 2GiB."),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Also repeat failed runs.")
    ] = False,
    any_version: Annotated[
        bool, typer.Option("--any-version", help="Resume results of another version.")
    ] = False,
) -> None:
    """Run a study: all its runs, or those still missing."""
    from concurrent.futures import Executor

    from runs.study.executors import Cluster, Processes, Serial
    from runs.study.study import Study
    from runs.study.sweeper import Sweep, SweepError

    console = Console(stderr=True)
    executor: Executor | None = None
    try:
        limit = _bytes(memory) if memory else 0
        if scheduler is not None and scheduler != "local" and workers is not None:
            text = "a cluster has its own workers; leave out --workers"
            raise ScenarioError([("--workers", text)])
        with _compiling(console):
            job = Sweep(Study.load(study), out, None, retry_failed, any_version)
        count = workers if workers is not None else _cores()
        if scheduler is not None:
            with console.status(escape(f"Looking for a cluster at {scheduler} ...")):
                executor = Cluster(scheduler, max(count, 1), limit)
        else:
            executor = Processes(count, limit) if count else Serial()
        job.executor = executor
        with _interruptible(job), _sweeping(console, job):
            frame = job.run()
    except ScenarioError as error:
        _fail(error)
    except MemoryError:
        text = "needs more memory than is available; use fewer points, seeds or agents"
        _fail(ScenarioError([("study", text)]))
    except SweepError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        print("stopped; finished runs are saved: repeat the command to resume", file=sys.stderr)
        sys.stderr.flush()
        if isinstance(executor, Processes):
            # What is done is on disk. An orderly end would wait for threads of the pools,
            # which may wait for a process that was interrupted at a bad moment.
            executor.kill()
            os._exit(130)
        raise typer.Exit(130) from None
    finally:
        if executor is not None:
            executor.shutdown(wait=True, cancel_futures=True)
    _tell_study(console, out, job.study.name, frame)


@contextmanager
def _interruptible(job: Sweep) -> Iterator[None]:
    """Note Ctrl-C as well as raise it, so that it cannot be lost."""

    def interrupted(number: int, frame: object) -> None:
        job.interrupted = True
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _tell_study(console: Console, out: Path, name: str, frame: pd.DataFrame) -> None:
    from runs.study.report import study_rows, write_study_report
    from runs.study.store import read_definition

    _print_rows(study_rows(read_definition(out, name), frame))
    try:
        with console.status("Writing the report ..."):
            page = write_study_report(out, name)
    except ScenarioError as error:
        _fail(error)
    except OSError as error:
        print(f"error: {out}: the report cannot be written ({error})", file=sys.stderr)
        raise typer.Exit(1) from None
    _tell(console, f"Runs in {out}, report in {page}")


def _cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


_UNITS = {"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def _bytes(text: str) -> int:
    """A size in bytes.

    Raises:
        ScenarioError: If it is none, or too small for a worker to start.
    """
    import re

    found = re.fullmatch(r"\s*([\d.]{1,15})\s*([KMG]?i?B|)\s*", text, re.IGNORECASE | re.ASCII)
    try:
        size = int(float(found[1]) * _UNITS[found[2].upper()]) if found else 0
    except ValueError:
        size = 0
    if size < 256 << 20:
        text = f"{shown(text)} is not a size of 256 MiB or more; write it as 2GiB"
        raise ScenarioError([("--memory", text)])
    return size


@contextmanager
def _sweeping(console: Console, job: Sweep) -> Iterator[None]:
    """Show how far a sweep is: a bar, the rate, the time left, and a line per failure."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from runs.study.executors import describe

    where = describe(job.executor)
    memory = where.get("memory")
    limit = f", each at most {memory / 2**30:.1f} GiB of data" if memory else ""
    workers = where.get("workers", "?")
    text = f"{workers} worker{'' if workers == 1 else 's'}, {where['where']}{limit}"
    _tell(console, text)
    if job.resumes:
        console.print("Resuming from existing results.", highlight=False)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("runs{task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, speed_estimate_period=120.0) as bar:
        task = bar.add_task(job.study.title or job.study.name, total=None, note="")

        def on_progress(progress: SweepProgress) -> None:
            fresh = progress.done - progress.before
            note = f", {fresh / progress.seconds:.3g}/s" if fresh and progress.seconds else ""
            note += f", {progress.failed} failed" if progress.failed else ""
            note += f", round {progress.round + 1}" if progress.round else ""
            bar.update(task, total=progress.total, completed=progress.done, note=note)
            if progress.message:
                bar.console.print(progress.message, highlight=False, markup=False, soft_wrap=True)

        job.on_progress = on_progress
        yield
    if job.progress.peak:
        gib = job.progress.peak / 2**30
        console.print(f"Peak memory per worker: {gib:.2f} GiB.", highlight=False)


@app.command()
def scenario(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a sweep.")],
    run: Annotated[int, typer.Argument(min=0, max=2**62, help="Number of the run.")],
    study: Annotated[
        str | None, typer.Option(help="Name of the study, if the folder holds several.")
    ] = None,
) -> None:
    """Print the scenario of one run of a sweep, to repeat that run."""
    from runs.study.store import read_scenario

    with _input_errors():
        print(read_scenario(folder, run, study).to_toml(), end="")


# Wide: what a person may say of an experiment.
@app.command()
def contagion(
    scenario: Annotated[
        str,
        typer.Argument(help="Name of a scenario, or path to its file.", autocompletion=_scenarios),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for results; an unfinished one is resumed.")
    ],
    shock: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE,...", help="Shock to apply; default: the scenario's shocks."
        ),
    ] = None,
    links: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...", help="Links to cut; default: those with the largest effect."
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=100_000, help="Number of seeds, starting at 1.")
    ] = 20,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="PATH=VALUE", help="Change a field of the scenario; repeatable."
        ),
    ] = None,
    by: Annotated[
        str, typer.Option(help="Entities whose losses are reported: group or protocol.")
    ] = "group",
    samples: Annotated[
        int,
        typer.Option(
            min=0, max=100_000, help="Orderings of links to sample; 0: evaluate all subsets."
        ),
    ] = 0,
    reruns: Annotated[
        int,
        typer.Option(min=0, max=100_000, help="Reruns used to identify parents in cascade trees."),
    ] = 200,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=1024,
            help="Local worker processes; default: one per core; 0: none, run in this process.",
        ),
    ] = None,
) -> None:
    """Analyse how a shock spreads: which links carry it, who loses, and the cascade."""
    from runs.contagion.laboratory import investigate
    from runs.contagion.plans import Plan
    from runs.contagion.report import write_contagion_report
    from runs.files import must_be_writable
    from runs.study.sweeper import SweepError
    from sim import Scenario

    console = Console(stderr=True)
    try:
        setup = Scenario.load(scenario)
        if set_:
            setup = setup.with_overrides(set_)
        must_be_writable(out)
        shocks = [_shock(text) for text in shock] if shock else None
        named = [name.strip() for name in links.split(",")] if links else None
        with _stages(console) as (tell, on_progress):
            plan = Plan(
                seeds, workers=_cores() if workers is None else workers, on_progress=on_progress
            )
            found = investigate(setup, out / "runs", shocks, named, plan, by, samples, reruns, tell)
            tell("report")
            page = write_contagion_report(found, out)
    except ScenarioError as error:
        _fail(error)
    except SweepError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    except OSError as error:
        print(f"error: {out}: cannot be written ({error})", file=sys.stderr)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        print("stopped; finished runs are saved: repeat the command to resume", file=sys.stderr)
        raise typer.Exit(130) from None
    _tell(console, f"Runs in {out / 'runs'}, report in {page}")


def _shock(text: str) -> dict[str, Any]:
    """A shock of a command line: ``kind=price_jump,asset=eth,size=-0.4,block=200``.

    Raises:
        ScenarioError: If it is none.
    """
    from sim.scenario.override import toml_value

    found: dict[str, Any] = {}
    for item in text.split(","):
        key, equals, value = item.partition("=")
        if not equals or not key.strip():
            told = (
                f"{shown(item)} is not key=value; write "
                "kind=price_jump,asset=eth,size=-0.4,block=200"
            )
            raise ScenarioError([("--shock", told)])
        found[key.strip()] = toml_value(f"--shock {key.strip()}", value.strip())
    return found


@contextmanager
def _stages(
    console: Console,
) -> Iterator[tuple[Callable[[str], None], Callable[[SweepProgress], None]]]:
    """Show which stage of an experiment is under way, and how many of its runs are done."""
    with _bar(console, "runs") as bar:
        task = bar.add_task("opening the market", total=None)

        def tell(stage: str) -> None:
            bar.console.print(f"{stage} ...", highlight=False, markup=False)
            bar.reset(task, description=stage, total=None)

        def on_progress(progress: SweepProgress) -> None:
            bar.update(task, total=progress.total, completed=progress.done)
            if progress.message:
                bar.console.print(progress.message, highlight=False, markup=False, soft_wrap=True)

        yield tell, on_progress


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a run or a sweep.")],
) -> None:
    """Rewrite the report of a run, or of each study of a sweep, from its files."""
    from runs.files import SUMMARY
    from runs.report.report import write_report
    from runs.study.report import write_study_report
    from runs.study.store import studies_in
    from sim.reading import is_file

    with _input_errors():
        names = studies_in(folder)
        try:
            for name in names:
                print(write_study_report(folder, name))
            if not names or is_file(folder / SUMMARY):
                print(write_report(folder))
        except OSError as error:
            raise ScenarioError([(str(folder), f"cannot be written ({error})")]) from None


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Data file (CSV, Parquet or JSON).")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Output file; default: NAME-undertow.parquet."),
    ] = None,
    symbol: Annotated[
        str | None, typer.Option(help="Symbol of the prices, if the file does not name it.")
    ] = None,
    seconds: Annotated[
        float,
        typer.Option(
            min=0.001,
            max=86_400.0,
            help="Interval of prices derived from a pool's events, seconds.",
        ),
    ] = 12.0,
    scale: Annotated[
        float,
        typer.Option(
            min=1e-12, max=1e12, help="Value in the numeraire of one unit of the accounts' values."
        ),
    ] = 1.0,
    dry: Annotated[
        bool, typer.Option("--dry", help="Describe the file and write nothing.")
    ] = False,
) -> None:
    """Describe a file of real data, and convert it for use in a scenario.

    Reads exchange bars, price histories of data services, events of a concentrated-liquidity pool
    and accounts of a lending market.
    """
    from runs.recorded import told_lines, understand

    with _input_errors():
        found = understand(file, symbol, seconds, scale)
        where = out or file.with_name(f"{file.stem}-undertow.parquet")
        written = [] if dry else found.write(where)
    _print_rows(told_lines(found, where, written))


@app.command()
def new(
    kind: Annotated[
        str,
        typer.Argument(
            help="One of scenario, agent, cohort (compiled agents), protocol or study.",
            autocompletion=lambda: ["scenario", "agent", "cohort", "protocol", "study"],
        ),
    ],
    name: Annotated[str, typer.Argument(help="Name of the new files and of what they define.")],
    folder: Annotated[
        Path | None,
        typer.Option("--in", metavar="DIR", help="Target folder; default: the current one."),
    ] = None,
) -> None:
    """Create a commented template that runs as it is."""
    from runs.new import begin

    with _input_errors():
        begun = begin(kind, name, folder)
    for file in begun.files:
        print(file)
    print(f"To run it: {begun.command}" + (f"   (in {folder})" if folder else ""))


@app.command()
def warm(
    scenarios: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SCENARIO]...",
            help="Scenarios to compile for; default: calm, black_thursday, interconnected.",
            autocompletion=_scenarios,
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Compile for every scenario.")] = False,
) -> None:
    """Compile kernels ahead of time, so that the first run starts at once."""
    from sim import Market, Scenario
    from sim.compiled import FirstStart, cache_folder, on_compilation

    console = Console(stderr=True)
    names = Scenario.names() if all_ else scenarios or _WARM
    total, started = FirstStart(), time.perf_counter()
    with _input_errors(), console.status("Checking kernels ...") as status:
        for number, name in enumerate(names, start=1):
            start = FirstStart()
            where = f"{name} ({number} of {len(names)})"
            status.update(f"{where} ...")

            def report(kernel: str, start: FirstStart = start, where: str = where) -> None:
                start.started()
                total.started()
                status.update(f"{where}: {start} ...")

            with on_compilation(report):
                market = Market(name)
                market.prepare()
                market.run(3)
                _act_once(market)
                market.close()
            told = f"{start.count} kernels compiled" if start.count else "already compiled"
            _tell(console, f"{where}: {told}")
    seconds = time.perf_counter() - started
    _tell(console, f"{total.count} kernels compiled in {seconds:.0f} s, cached in {cache_folder()}")


_WARM = ["calm", "black_thursday", "interconnected"]


def _act_once(market: Market) -> None:
    """Have a plain agent of a script act: it asks from outside the compiled block."""
    from agents import MarketAgent

    agent = MarketAgent(market, wallet={market.numeraire: 1.0})
    agent.trade_outside(market.numeraire, next(iter(market.setup.venue.assets)), 1.0)
    market.step()
    _ = agent.wealth, market.receipts()


@app.command("app")
def page(
    scenario: Annotated[
        str | None,
        typer.Argument(help="Name of a scenario, or path to its file.", autocompletion=_scenarios),
    ] = None,
    rng: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="Random seed; default: the scenario's.")
    ] = None,
    host: Annotated[
        str,
        typer.Option(help="Address to listen on; any other than 127.0.0.1 is open to the network."),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free port.")
    ] = 8765,
    show: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in a browser.")
    ] = True,
) -> None:
    """Run a market live in the browser."""
    try:
        from runs.app.server import listen, serve
    except ImportError as error:
        print(
            f"error: app: {error.name} is not installed; pip install 'undertow[app]'",
            file=sys.stderr,
        )
        raise typer.Exit(1) from None
    console = Console(stderr=True)
    with _input_errors(), listen(host, port) as socket:
        serve(socket, host, scenario, rng, show, console)


def main() -> None:
    """Start the command line."""
    app()


if __name__ == "__main__":
    main()
