"""Charts of measures over time: by matplotlib for papers, by altair where people look closer."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, FuncFormatter, LogFormatter

from sim.errors import ScenarioError, nearest, shown
from sim.measures import matching
from sim.shown import money

if TYPE_CHECKING:
    import altair

# The house's style

INK, MUTED, GRID = "#1d2733", "#64707d", "#e3e8ee"
COLOURS = ("#0b6e8f", "#d1495b", "#edae49", "#66a182", "#5b5f97", "#8d5a97", "#3d405b", "#a44a3f")

DARK = {
    "#ffffff": "#161b22", INK: "#dde3ea", "#000000": "#dde3ea", MUTED: "#98a4b3", GRID: "#303944",
    "#0b6e8f": "#4fb3d9", "#d1495b": "#f07f8f", "#66a182": "#7fc4a0", "#5b5f97": "#9ea2e6",
    "#8d5a97": "#c493d0", "#3d405b": "#a9aed0", "#a44a3f": "#dd8f84",
}  # fmt: skip
"""What stands for a colour where the background is dark."""


class Picture(Figure):
    """A figure that a notebook shows, without a window or a backend."""

    def _repr_png_(self) -> bytes:
        data = io.BytesIO()
        self.savefig(data, format="png", dpi=110)
        return data.getvalue()


def new_figure(
    rows: int = 1, height: float = 2.6, share: bool = True, width: float = 9.0
) -> tuple[Figure, list[Axes]]:
    """An empty figure of axes above each other, in the house's style; inches."""
    figure = Picture(figsize=(width, height * rows), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, 1, sharex=share, squeeze=False)[:, 0]
    for ax in axes:
        styled(ax)
    return figure, list(axes)


def styled(ax: Axes) -> None:
    """Give some axes the house's style."""
    ax.grid(color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(which="both", colors=MUTED, labelsize=9)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(GRID)


def plain(text: str) -> str:
    """A text as pictures show it to the letter: between two dollars they would set mathematics."""
    return text.replace("$", r"\$")


def label(ax: Axes, text: str) -> None:
    """Title some axes with what they show and its unit."""
    ax.set_title(plain(text), loc="left", fontsize=10, color=INK)


def legend(ax: Axes, entries: int) -> None:
    """Explain the lines of some axes, within them."""
    if entries:
        columns = 1 if entries <= 4 else 2
        ax.legend(frameon=False, fontsize=8, ncols=columns, loc="best", labelcolor=INK)


class _Distinct(Formatter):
    """Values with as many digits as it takes to tell one tick from the next."""

    def __init__(self, text: Callable[[float, int], str]) -> None:
        """Tell a value in so many digits as `text` does."""
        self._text = text

    def __call__(self, x: float, pos: int | None = None) -> str:
        return self._text(x, 3)

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        texts: list[str] = []
        for digits in range(3, 9):
            texts = [self._text(value, digits) for value in values]
            if len(set(texts)) == len(set(values)):
                break
        return texts


MONEY = _Distinct(money)
SHARE = _Distinct(lambda value, digits: f"{100 * value:.{digits}g} %")
# Ticks may lie close together: 2,390 and 2,395 are not both 2.39k.
NUMBER = FuncFormatter(lambda v, _: f"{v:,.6g}" if abs(v) < 1e5 else money(v))


# Measures by their names


def chosen(names: Sequence[str], patterns: Iterable[str]) -> list[str]:
    """The names that match patterns (`*` and `?` as in file names), in their order.

    A pattern that begins with ``!`` takes out what it matches of those before it.

    Raises:
        ScenarioError: If a pattern matches none; it tells the closest.
    """
    found: list[str] = []
    for pattern in patterns:
        out = pattern.startswith("!")
        fits = matching(names, [pattern.removeprefix("!")])
        if not fits:
            close = " or ".join(map(repr, nearest(pattern, names)))
            hint = f"did you mean {close}?" if close else "results.names() lists them"
            raise ScenarioError([("measures", f"none is called {shown(pattern)}; {hint}")])
        if out:
            found = [name for name in found if name not in fits]
        else:
            found += [name for name in fits if name not in found]
    return found


class Panel(NamedTuple):
    """Lines that share an axis.

    Attributes:
        title: What they have in common.
        unit: Of the axis.
        lines: Labels by name of the measure.
        format: number, share or money; "": as the unit says.
        log: Whether the axis is logarithmic.
        level: A value that is marked, or None.
    """

    title: str
    unit: str
    lines: Mapping[str, str]
    format: str = ""
    log: bool = False
    level: float | None = None


def panels(
    asked: Sequence[str | Sequence[str]], names: Sequence[str], units: Mapping[str, str]
) -> list[Panel]:
    """Panels of what is asked for.

    Args:
        asked: Patterns. Each has a panel for each unit of what it matches; a list of patterns has
            one panel, whatever the units.
        names: Of all measures.
        units: Of them, by name.

    Raises:
        ScenarioError: If nothing is asked for, or a pattern matches nothing.
    """
    if not asked:
        raise ScenarioError([("measures", 'none is named; as plot("pool.*.imbalance")')])
    found = []
    for each in asked:
        if isinstance(each, str):
            by_unit: dict[str, list[str]] = {}
            for name in chosen(names, [each]):
                by_unit.setdefault(units.get(name, ""), []).append(name)
            found += [_panel(group, unit) for unit, group in by_unit.items()]
        else:
            group = chosen(names, each)
            found.append(_panel(group, " or ".join(dict.fromkeys(units.get(n, "") for n in group))))
    return found


def _panel(names: Sequence[str], unit: str) -> Panel:
    """A panel whose title has the parts that names share, and whose labels have the others."""
    split = [name.split(".") for name in names]
    if len(names) == 1 or len({len(parts) for parts in split}) > 1:
        title = names[0] if len(names) == 1 else ", ".join(dict.fromkeys(p[0] for p in split))
        return Panel(title, unit, {name: name for name in names})
    same = [len(set(column)) == 1 for column in zip(*split, strict=True)]
    title = ".".join(part if s else "*" for part, s in zip(split[0], same, strict=True))
    labels = {
        name: ".".join(part for part, s in zip(parts, same, strict=True) if not s)
        for name, parts in zip(names, split, strict=True)
    }
    return Panel(title, unit, labels)


LEAST_SHARE, LEAST_PART = 0.04, 0.2
"""Of an axis, and of what moves most on it: what moves over less is given an axis of its own."""


def apart(frame: pd.DataFrame, panel: Panel) -> tuple[list[Panel], dict[str, float]]:
    """A panel as small multiples in which every line is seen to move.

    Lines stay together while each moves over `LEAST_SHARE` of their axis, and over `LEAST_PART` of
    what the widest moves over, or more. One that never changes is drawn where it lies among
    others (an oracle at par), unless it is nothing.

    Args:
        frame: Measures.
        panel: To split; one whose axis is logarithmic is not.

    Returns:
        Panels, that of the widest movement first, and the value of each line, by label, that
        is not drawn since it never changes. Lines of which nothing was measured are left out.
    """
    known = {name: text for name, text in panel.lines.items() if name in frame}
    known = {name: text for name, text in known.items() if not frame[name].isna().all()}
    ends = {name: (float(frame[name].min()), float(frame[name].max())) for name in known}
    moved = {n: high - low > 1e-9 * max(abs(low), abs(high)) for n, (low, high) in ends.items()}
    groups: list[list[str]] = []
    for name in sorted((n for n in known if moved[n]), key=lambda n: ends[n][0] - ends[n][1]):
        for group in groups:
            low, high = _span(ends[n] for n in (*group, name))
            widths = [ends[n][1] - ends[n][0] for n in (*group, name)]
            enough = max(LEAST_SHARE * (high - low), LEAST_PART * max(widths))
            if panel.log or min(widths) >= enough:
                group.append(name)
                break
        else:
            groups.append([name])
    still = {}
    for name in (n for n in known if not moved[n]):
        value = ends[name][0]
        for group in groups:
            low, high = _span(ends[n] for n in group)
            if value and low - 0.3 * (high - low) <= value <= high + 0.3 * (high - low):
                group.append(name)
                break
        else:
            still[known[name]] = value
    found = []
    for n, group in enumerate(groups):
        lines = {name: text for name, text in known.items() if name in group}
        title = panel.title if n == 0 else f"{panel.title}, on a finer scale"
        found.append(panel._replace(title=title, lines=lines))
    return found, still


def _span(ends: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """From the least to the greatest."""
    lows, highs = zip(*ends, strict=True)
    return min(lows), max(highs)


# On paper


def time_axis(ax: Axes, first: Any = None, last: Any = None) -> None:
    """Dates as short as they can be told apart, and none twice.

    Args:
        ax: Whose axis across is time.
        first: Time at which it begins.
        last: At which it ends. Within a day its date stands at the right end, beside no tick.
    """
    locator = mdates.AutoDateLocator(minticks=4, maxticks=9)
    ax.xaxis.set_major_locator(locator)
    days = first is not None and pd.Timestamp(first).date() != pd.Timestamp(last).date()
    midnight, date = ("%b %d", "%Y") if days else ("%H:%M", "%Y-%m-%d")
    ax.xaxis.set_major_formatter(
        mdates.ConciseDateFormatter(
            locator,
            formats=["%Y", "%b", "%b %d", "%H:%M", "%H:%M", "%S.%f"],
            zero_formats=["", "%Y", "%b %d", midnight, "%H:%M", "%H:%M"],
            offset_formats=["", "", "%Y", date, date, "%Y-%m-%d %H:%M"],
        )
    )
    ax.xaxis.get_offset_text().set(color=MUTED, size=8)


MOST_DRAWN = 1_500
"""Points of a line on paper; extremes of each stretch are among them."""
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)))


def drawn(
    frame: pd.DataFrame,
    shown_panels: Sequence[Panel],
    seconds: float,
    marks: Mapping[Any, str] | None = None,
    log: bool = False,
    width: float = 9.0,
    height: float = 2.6,
) -> Figure:
    """Panels above each other over clock time, with block numbers along the top.

    Args:
        frame: Measures by clock time, with a column ``block``.
        shown_panels: What to draw.
        seconds: Of a block.
        marks: Times that are marked by a dotted line, and what for.
        log: Whether axes of values are logarithmic.
        width: Inches.
        height: Of a panel, inches; more where the names of its lines need it.
    """
    entries = max(len(panel.lines) for panel in shown_panels)
    height = max(height, 0.8 + 0.19 * entries)  # room for the names beside the lines
    figure, axes = new_figure(len(shown_panels), height, width=width)
    time = pd.DatetimeIndex(frame.index).tz_localize(None).to_numpy()
    for ax, panel in zip(axes, shown_panels, strict=True):
        short = len(panel.unit) <= 16  # along the axis there is no room for more
        label(ax, panel.title if short else f"{panel.title} ({panel.unit})")
        ax.set_ylabel(plain(panel.unit if short else ""), fontsize=9, color=MUTED)
        for n, (name, text) in enumerate(panel.lines.items()):
            style = _DASHES[n // len(COLOURS) % len(_DASHES)]
            colour = COLOURS[n % len(COLOURS)]
            line = thinned(frame[[name]], [name], MOST_DRAWN)
            when = pd.DatetimeIndex(line.index).tz_localize(None).to_numpy()
            told = textwrap.fill(plain(text), 26)  # or the names would take the room of the lines
            ax.plot(when, line[name], label=told, color=colour, lw=1.2, ls=style)
        for when in marks or {}:
            ax.axvline(when, color=MUTED, linestyle=":", linewidth=1.0)
        if panel.level is not None:
            ax.axhline(panel.level, color=INK, linewidth=0.8)
        _scale(ax, panel, log)
        if len(frame):
            time_axis(ax, time[0], time[-1])
        beside(ax, len(panel.lines))
    axes[-1].set_xlabel("time, UTC", fontsize=9, color=MUTED)
    if len(frame):
        _blocks_on_top(axes[0], time[0], int(frame["block"].iloc[0]), seconds)
    return figure


def _scale(ax: Axes, panel: Panel, log: bool) -> None:
    """The axis of a panel's values."""
    lines = [np.asarray(line.get_ydata(), np.float64) for line in ax.get_lines()]
    if log or (panel.log and any((values > 0.0).any() for values in lines)):  # gas may be free
        ax.set_yscale("log")
    if panel.log:
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        # Between the powers of ten, as far as there is room.
        ax.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1.2, 0.4)))
    elif panel.format == "share" or (not panel.format and panel.unit.startswith("share")):
        ax.yaxis.set_major_formatter(SHARE)
    elif panel.format == "number":
        ax.yaxis.set_major_formatter(NUMBER)
    elif not log:
        ax.yaxis.set_major_formatter(MONEY)


def beside(ax: Axes, entries: int) -> None:
    """Explain the lines of some axes at their right, where nothing is hidden by it."""
    if entries > 1:
        ax.legend(
            frameon=False,
            fontsize=8,
            loc="upper left",
            bbox_to_anchor=(1.0, 1.02),
            labelcolor=INK,
            borderaxespad=0.0,
        )


def _blocks_on_top(ax: Axes, first: np.datetime64, block: int, seconds: float) -> None:
    """Number the blocks along the top of some axes."""
    zero, each = float(mdates.date2num(first)), seconds / 86_400.0

    def to_blocks(days: Any) -> Any:
        return (np.asarray(days) - zero) / each + block

    def to_days(blocks: Any) -> Any:
        return (np.asarray(blocks) - block) * each + zero

    top = ax.secondary_xaxis("top", functions=(to_blocks, to_days))
    top.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    top.tick_params(colors=MUTED, labelsize=8, length=2)
    top.spines["top"].set_visible(False)
    top.set_xlabel("block", fontsize=8, color=MUTED)


WRITTEN = (".svg", ".pdf", ".png")
"""Kinds of file that a figure is written as."""
_METADATA: dict[str, dict[str, Any]] = {
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    ".png": {"Software": None},
}
_TYPE: Any = {"svg.hashsalt": "undertow", "svg.fonttype": "none", "pdf.fonttype": 42}


def written(figure: Figure, file: Path) -> None:
    """Write a figure as its file's ending says; the same figure gives the same bytes.

    Text stays text, so that a journal's tools can search and set it.

    Raises:
        ScenarioError: If the ending is none of `WRITTEN`.
    """
    kind = check_ending(file)
    file.write_bytes(drawing(figure, kind))


def drawing(figure: Figure, kind: str) -> bytes:
    """What a file of one of the kinds in `WRITTEN` holds; the same figure gives the same bytes."""
    data = io.BytesIO()
    with rc_context(_TYPE):
        figure.savefig(data, format=kind[1:], dpi=300, metadata=_METADATA[kind])
    return data.getvalue()


def check_ending(file: Path) -> str:
    """The ending of a figure's file.

    Raises:
        ScenarioError: If it is none of `WRITTEN`.
    """
    kind = file.suffix.lower()
    if kind not in WRITTEN:
        text = f"{shown(kind)} is no kind of picture that is written; give .svg, .pdf or .png"
        raise ScenarioError([(shown(str(file)), text)])
    return kind


# On screen

MOST_POINTS = 1_500
"""Rows of a line that an interactive chart is sent."""


def thinned(frame: pd.DataFrame, names: Sequence[str], most: int = MOST_POINTS) -> pd.DataFrame:
    """Rows of a long frame that keep the look of its lines: extremes of each stretch stay.

    Args:
        frame: Measures.
        names: Whose extremes are kept.
        most: Rows, about.
    """
    if len(frame) <= most:
        return frame
    stretches = max(most // (2 * len(names) + 1), 1)
    kept = {0, len(frame) - 1}
    for rows in np.array_split(np.arange(len(frame)), stretches):
        kept.add(int(rows[0]))
        for name in names:
            values = frame[name].to_numpy(np.float64)[rows]
            if not np.isnan(values).all():
                kept |= {int(rows[np.nanargmin(values)]), int(rows[np.nanargmax(values)])}
    return frame.iloc[sorted(kept)]


def interactive(
    frame: pd.DataFrame,
    shown_panels: Sequence[Panel],
    marks: Mapping[Any, str] | None = None,
    width: int = 640,
) -> altair.VConcatChart:
    """Panels that can be zoomed together, whose lines tell values and can be picked out.

    Args:
        frame: As `drawn` takes it.
        shown_panels: What to draw.
        marks: Times that are marked by a dotted line, and what for.
        width: Pixels.

    Raises:
        ImportError: If altair is not installed.
    """
    try:
        import altair as alt
    except ImportError as error:
        text = "interactive charts need altair: pip install 'undertow[app]'; plot() does without"
        raise ImportError(text, name="altair") from error
    zoom = alt.selection_interval("zoom", bind="scales", encodings=["x"])
    form, date, struck = "utcFormat(datum.value, '%b %d %H:%M')", "", []
    if len(frame):
        first, last = frame.index[0], frame.index[-1]
        if first.date() == last.date():
            form, date = "utcFormat(datum.value, '%H:%M')", f", {first:%Y-%m-%d}"
        # Marks have no zone: they are UTC, as all is. One beyond the rows would stretch the axis.
        known = {pd.Timestamp(when, tz="UTC"): text for when, text in (marks or {}).items()}
        struck = [
            {"time": when.isoformat(), "shock": text}
            for when, text in known.items()
            if first <= when <= last
        ]
    x = alt.X("time:T", title=f"time, UTC{date}", scale=alt.Scale(type="utc"))
    x = x.axis(labelExpr=form, labelOverlap=True, tickCount=8)
    charts = [
        _layers(frame, panel, f"line{n}", x, struck)
        .add_params(zoom)
        .properties(title=panel.title, width=width, height=180)
        for n, panel in enumerate(shown_panels)
    ]
    with warnings.catch_warnings():  # that all panels share one zoom is meant
        warnings.filterwarnings("ignore", "Automatically deduplicated", UserWarning)
        whole = alt.vconcat(*charts).resolve_scale(color="independent")
    return whole.configure_title(anchor="start", fontSize=12).configure_legend(labelLimit=260)


def _layers(
    frame: pd.DataFrame, panel: Panel, name: str, x: Any, struck: list[dict[str, str]]
) -> Any:
    """Lines of a panel, points that tell their values, and marks."""
    import altair as alt

    rows = thinned(frame, list(panel.lines))
    data = [
        {"time": when.isoformat(), "block": int(block), "value": float(value), "line": text}
        for column, text in panel.lines.items()
        for when, block, value in zip(rows.index, rows["block"], rows[column], strict=True)
        if value == value
    ]
    pick = alt.selection_point(name, fields=["line"], bind="legend")
    form = ".3~%" if panel.unit.startswith("share") else ".4~s"
    axis = alt.Axis(labelExpr=f"datum.value == 0 ? '0' : format(datum.value, '{form}')")
    # Values within the chart are not counted: altair refuses tables of 5,000 rows.
    base = alt.Chart().encode(
        x=x,
        y=alt.Y("value:Q", title=panel.unit, axis=axis).scale(zero=False),
        color=alt.Color(
            "line:N",
            title=None,
            scale=alt.Scale(range=list(COLOURS)),
            sort=list(panel.lines.values()),
        ),
        tooltip=[
            "line:N",
            "block:Q",
            alt.Tooltip("utcyearmonthdatehoursminutesseconds(time):T", title="time, UTC"),
            alt.Tooltip("value:Q", format=",.6~g"),
        ],
    )
    faint = alt.condition(pick, alt.value(1.0), alt.value(0.15))
    lines = base.mark_line(clip=True, strokeWidth=1.5).encode(opacity=faint).add_params(pick)
    # A line is thin: unseen points take the pointer from some way off.
    layers = [lines, base.mark_point(clip=True, size=80, opacity=0.0, filled=True)]
    if struck:
        rule = alt.Chart(alt.InlineData(values=struck)).mark_rule(
            strokeDash=[2, 3], color=MUTED, clip=True
        )
        layers.append(rule.encode(x=x, tooltip="shock:N"))
    return alt.layer(*layers, data=alt.InlineData(values=data))
