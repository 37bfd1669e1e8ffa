"""Results of a run, from an open market or a folder: frame, units, plots, figures, files."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from runs.files import (
    BLOCKS,
    PRICES,
    RECEIPTS,
    SCENARIO,
    SUMMARY,
    UNITS,
    left_whole,
    must_be_writable,
    save_run,
)
from runs.files import write_whole as write_whole
from runs.report.moments import run_noting
from runs.report.report import write_report
from runs.summary import Summary, summarise, with_nan
from sim import Market, Scenario, reading
from sim.errors import ScenarioError, shortened
from sim.named import UnknownNameError, enumerated, html_table, not_there

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Results:
    """Results of one run, from an open market, a folder or a run of a sweep.

    Results of an open market reflect its state when they are requested.

    >>> market.results.plot("pool.*.imbalance")
    >>> market.results.save("out/mine")
    >>> undertow.read_results("out/mine").figure("imbalance.pdf", "pool.*.imbalance")

    Attributes:
        setup: The scenario, resolved.
        rng: Seed of the run.
    """

    def __init__(self, setup: Scenario, rng: int) -> None:
        """Results of a scenario and a seed; subclasses say where they come from."""
        self.setup, self.rng = setup, rng
        self._frame: tuple[object, pd.DataFrame] | None = None

    @staticmethod
    def of(market: Market) -> Results:
        """Results of an open market.

        Of one under a page, which keeps no rows: of the same run, made again up to its block.
        """
        again = getattr(market, "as_scenario", None)
        if again is not None:
            market = Market(again(), rng=market.seed_number).run(market.block)
        return _OfMarket(market)

    @staticmethod
    def read(folder: str | Path) -> Results:
        """Read results that `save` or ``undertow run --out`` wrote to a folder.

        Raises:
            ScenarioError: If a file is missing or cannot be read.
        """
        return _OfFolder(Path(folder))

    # What subclasses say

    def _rows(self) -> pd.DataFrame:
        """A row per collected block: its number, then the measures."""
        raise NotImplementedError

    def _moment(self) -> object:
        """What changes when there are other rows."""
        return None

    def _units(self) -> dict[str, str]:
        raise NotImplementedError

    @property
    def receipts(self) -> pd.DataFrame:
        """One row per call, in order of execution."""
        raise NotImplementedError

    @property
    def summary(self) -> Summary:
        """Key figures of the run; printed, they take one line each."""
        raise NotImplementedError

    def save(self, folder: str | Path, report: bool = False) -> Path:
        """Write the files of a run to a folder, for `read` and ``undertow report``.

        Args:
            folder: Where.
            report: Also write ``report.html`` with its pictures. They take seconds where the rest
                takes tenths, so it is asked for; an open market is made again beside it, for the
                networks on the way.

        Raises:
            ScenarioError: If the folder cannot be written.
        """
        raise NotImplementedError

    # What comes of it

    @property
    def frame(self) -> pd.DataFrame:
        """One row per collected block, by time (UTC): ``block``, then a column per measure."""
        moment = self._moment()
        if self._frame is None or self._frame[0] != moment:
            rows = self._rows()
            start = pd.Timestamp(self.setup.time_of(0))
            passed = pd.to_timedelta(rows["block"] * self.setup.block.seconds, unit="s")
            rows.index = pd.DatetimeIndex(start + passed, name="time")
            rows.attrs = {}
            self._frame = moment, rows
        return self._frame[1]

    @property
    def units(self) -> dict[str, str]:
        """Unit of each measure, by name; "" where none is given."""
        money = self.setup.venue.numeraire
        known = self._units()
        return {name: re.sub(r"\bnumeraire\b", money, known.get(name, "")) for name in self.names()}

    def names(self, *patterns: str) -> list[str]:
        """Names of all measures, or of those that match patterns (`*` and `?`).

        Raises:
            ScenarioError: If a pattern matches none.
        """
        from runs.charts import chosen

        every = [str(name) for name in self.frame.columns if name != "block"]
        return chosen(every, patterns) if patterns else every

    def __getitem__(self, name: str) -> pd.Series:
        """A measure by clock time."""
        if name not in self.frame:
            raise UnknownNameError(not_there("measure", name, self.names()))
        return self.frame[name]

    @property
    def losses(self) -> pd.DataFrame:
        """Result against holding of each group and special account, by cause, numeraire."""
        return pd.DataFrame.from_dict(self.summary["losses"], orient="index").rename_axis("entity")

    @property
    def exposure(self) -> nx.MultiDiGraph:
        """The exposure network at the end (`Market.exposure`)."""
        return nx.node_link_graph(self.summary["exposure"], edges="edges")

    def _window(self, start: Any, end: Any) -> pd.DataFrame:
        """Rows between two clock times, or two numbers of blocks, the last included."""
        frame = self.frame
        for limit, last in ((start, False), (end, True)):
            if isinstance(limit, int):
                kept = frame["block"] <= limit if last else frame["block"] >= limit
                frame = frame[kept]
            elif limit is not None:
                when = pd.Timestamp(limit)
                when = when.tz_localize("UTC") if when.tzinfo is None else when
                frame = frame[frame.index <= when] if last else frame[frame.index >= when]
        if not len(frame):
            there = f"{len(self.frame):,} rows" if len(self.frame) else "none yet; run the market"
            raise ScenarioError([("start, end", f"no row lies between; there are {there}")])
        return frame

    def plot(
        self,
        *asked: str | Sequence[str],
        start: Any = None,
        end: Any = None,
        log: bool = False,
        width: float = 9.0,
    ) -> Figure:
        """Plot measures over time with matplotlib, for a notebook or a paper.

        Args:
            *asked: Patterns of names (`*` and `?`). Each has a panel for each unit; a list of
                patterns has one panel, and those in it that begin with ``!`` take out.
            start: First clock time or block that is drawn.
            end: Last.
            log: Whether values are drawn on a logarithmic axis.
            width: Inches.

        Raises:
            ScenarioError: If a pattern matches nothing, or no row lies in the window.
        """
        from runs.charts import drawn, panels

        wanted = panels(asked, self.names(), self.units)
        marks = {time: kind for kind, time in self.shocks}
        seconds = self.setup.block.seconds
        return drawn(self._window(start, end), wanted, seconds, marks, log, width)

    def chart(self, *asked: str | Sequence[str], start: Any = None, end: Any = None) -> Any:
        """The same as an interactive Altair chart with zoom, tooltips and selectable lines.

        Raises:
            ImportError: If altair is not installed.
            ScenarioError: As `plot`.
        """
        from runs.charts import interactive, panels

        marks = {time: kind for kind, time in self.shocks}
        wanted = panels(asked, self.names(), self.units)
        return interactive(self._window(start, end), wanted, marks)

    def figure(self, file: str | Path, *asked: str | Sequence[str], **how: Any) -> Path:
        """Save the output of `plot` as SVG, PDF or PNG, depending on the file's extension.

        Args:
            file: Where.
            *asked: As `plot` takes it.
            **how: Likewise; the width is 6.5 inches unless it is given.

        Returns:
            The file. The same results give the same bytes.

        Raises:
            ScenarioError: As `plot`, or if the ending is another.
        """
        from runs.charts import check_ending, written

        path = Path(file)
        check_ending(path)
        figure = self.plot(*asked, **({"width": 6.5} | how))
        path.parent.mkdir(parents=True, exist_ok=True)
        written(figure, path)
        return path

    @property
    def shocks(self) -> list[tuple[str, datetime]]:
        """Shocks that occurred during the run: kind, and time (UTC, without a zone)."""
        s = self.setup
        blocks = [(shock.kind, s.block_of(shock)) for shock in s.shocks]
        return [(kind, s.time_of(b).replace(tzinfo=None)) for kind, b in blocks if b <= s.blocks]

    def market(self) -> Market:
        """A new market that repeats the run bit for bit."""
        return Market(self.setup, rng=self.rng)

    def __repr__(self) -> str:
        told = "\n".join(f"  {what:<9} {text}" for what, text in self._outline())
        return f"<Results of {self.setup.title!r}>\n{told}"

    def _repr_html_(self) -> str:
        return html_table(f"Results of {self.setup.title}", self._outline())

    def _outline(self) -> list[tuple[str, str]]:
        frame, names = self.frame, self.names()
        families = dict.fromkeys(f"{name.partition('.')[0]}.*" for name in names)
        told = [("seed", str(self.rng))]
        if len(frame):
            first, last = frame.index[0], frame.index[-1]
            span = f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
            blocks = f"blocks {frame['block'].iloc[0]:,} to {frame['block'].iloc[-1]:,}"
            told.append(("rows", f"{len(frame):,}, {blocks}, {span}"))
        told.append(("measures", f"{len(names):,}: {enumerated(families)}"))
        told.append(("has", "frame, units, summary, receipts, losses, exposure"))
        told.append(("does", "plot, chart, figure, save, names, market"))
        return told


class _OfMarket(Results):
    """Results of an open market, of the moment in which they are asked."""

    def __init__(self, market: Market) -> None:
        super().__init__(market.setup, market.seed_number)
        self._open = market
        self._summary: tuple[object, Summary] | None = None

    def _moment(self) -> object:
        return self._open.block, len(self._open.datacollector.table)

    def _rows(self) -> pd.DataFrame:
        return self._open.datacollector.get_model_vars_dataframe()

    def _units(self) -> dict[str, str]:
        return self._open.datacollector.units

    @property
    def receipts(self) -> pd.DataFrame:
        return self._open.receipts()

    @property
    def summary(self) -> Summary:
        if self._summary is None or self._summary[0] != self._open.block:
            self._summary = self._open.block, summarise(self._open)
        return self._summary[1]

    def save(self, folder: str | Path, report: bool = False) -> Path:
        out = Path(folder)
        must_be_writable(out)
        summary = self.summary
        if report:
            summary = Summary(summary | {"moments": self._moments()})
        with left_whole(out) as beside:
            save_run(self._open, beside, summary)
            if report:
                write_report(beside)
        return out

    def _moments(self) -> list[dict[str, Any]]:
        """Networks on the way here, from the run made again; none where it goes another way."""
        again = self.market()
        moments = run_noting(again, self._open.block)
        ours, theirs = self._open.ledger, again.ledger
        same = ours.accounts == theirs.accounts and np.array_equal(ours.balances, theirs.balances)
        again.close()
        return moments.noted if same else []  # a script gave it agents, or acted in between


class _OfFolder(Results):
    """Results that lie in a folder."""

    def __init__(self, folder: Path) -> None:
        for name in (BLOCKS, SUMMARY, SCENARIO):
            if not reading.is_file(folder / name):
                text = f"there is no {name}; give the folder of a run (undertow run ... --out DIR)"
                raise ScenarioError([(shortened(str(folder), 200), text)])
        setup = Scenario.load(folder / SCENARIO)
        super().__init__(setup, setup.rng)
        self._folder = folder

    def _table(self, name: str) -> pd.DataFrame:
        try:
            return pd.read_parquet(self._folder / name)
        except (OSError, ValueError) as error:
            text = f"cannot be read ({(str(error).splitlines() or [''])[0]}); repeat the run"
            raise ScenarioError([(shortened(str(self._folder / name), 200), text)]) from error

    def _rows(self) -> pd.DataFrame:
        return self._table(BLOCKS)

    def _units(self) -> dict[str, str]:
        # Files of earlier versions do not tell them.
        known = pq.read_schema(self._folder / BLOCKS).metadata or {}
        return dict(json.loads(known.get(UNITS, b"{}")))

    @property
    def receipts(self) -> pd.DataFrame:
        return self._table(RECEIPTS)

    @property
    def summary(self) -> Summary:
        try:
            text = reading.read_text(self._folder / SUMMARY)
            return Summary(with_nan(reading.json_value(text)))
        except reading.UnreadableError as error:
            raise ScenarioError([(str(self._folder / SUMMARY), str(error))]) from None

    def save(self, folder: str | Path, report: bool = False) -> Path:
        out = Path(folder)
        must_be_writable(out)
        with left_whole(out) as beside:
            for name in (BLOCKS, RECEIPTS, SUMMARY, SCENARIO, PRICES):
                if reading.is_file(self._folder / name):
                    shutil.copyfile(self._folder / name, beside / name)
            if report:
                write_report(beside)
        return out
