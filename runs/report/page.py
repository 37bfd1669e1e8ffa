"""The house's style: figures alike, and pages that need nothing else."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, FuncFormatter

from sim.shown import money as money
from sim.shown import number as number

INK, MUTED, GRID = "#1d2733", "#64707d", "#e3e8ee"
COLOURS = ("#0b6e8f", "#d1495b", "#edae49", "#66a182", "#5b5f97", "#8d5a97", "#3d405b", "#a44a3f")


def new_figure(rows: int = 1, height: float = 2.6, share: bool = True) -> tuple[Figure, list[Axes]]:
    """An empty figure of axes above each other, in the house's style."""
    figure = Figure(figsize=(9.0, height * rows), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, 1, sharex=share, squeeze=False)[:, 0]
    for ax in axes:
        ax.grid(color=GRID, linewidth=0.8)
        ax.set_axisbelow(True)
        ax.tick_params(which="both", colors=MUTED, labelsize=9)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            ax.spines[side].set_color(GRID)
    return figure, list(axes)


def plain(text: str) -> str:
    """A text as pictures show it to the letter: between two dollars they would set mathematics."""
    return text.replace("$", r"\$")


def label(ax: Axes, text: str) -> None:
    """Title some axes with what they show and its unit."""
    ax.set_title(plain(text), loc="left", fontsize=10, color=INK)


def legend(ax: Axes, entries: int) -> None:
    """Explain the lines of some axes."""
    if entries:
        columns = 1 if entries <= 4 else 2
        ax.legend(frameon=False, fontsize=8, ncols=columns, loc="best", labelcolor=INK)


class _Money(Formatter):
    """Amounts of money, with as many digits as it takes to tell one tick from the next."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return money(x)

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        texts: list[str] = []
        for digits in range(3, 9):
            texts = [money(value, digits) for value in values]
            if len(set(texts)) == len(set(values)):
                break
        return texts


MONEY = _Money()
SHARE = FuncFormatter(lambda value, _: f"{100 * value:.3g} %")


_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2733; background: #f5f7f9; margin: 0; }
main { max-width: 960px; margin: 0 auto; padding: 24px 20px 60px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 32px 0 8px; }
p.sub { color: #64707d; margin: 0 0 20px; white-space: pre-line; }
table { border-collapse: collapse; width: 100%; background: #fff; border-radius: 8px; }
td { padding: 7px 14px; border-bottom: 1px solid #e3e8ee; vertical-align: top;
  white-space: pre-line; }
td:first-child { color: #64707d; min-width: 130px; max-width: 270px; }
.wide { overflow-x: auto; }
.grid th { padding: 7px 10px; font-weight: 500; font-size: 13px; text-align: right;
  color: #64707d; border-bottom: 1px solid #e3e8ee; }
.grid td { padding: 5px 10px; text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.grid th:first-child, .grid td:first-child { text-align: left; }
figure { margin: 0; background: #fff; border-radius: 8px; padding: 12px; }
img { width: 100%; height: auto; display: block; }
footer { color: #64707d; font-size: 13px; margin-top: 32px; }
"""


def image(figure: Figure, alt: str) -> str:
    """A picture inside the page, as HTML."""
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=130, metadata={"Software": None})
    encoded = base64.b64encode(data.getvalue()).decode("ascii")
    return f'<figure><img alt="{html.escape(alt)}" src="data:image/png;base64,{encoded}"></figure>'


def table(pairs: Iterable[tuple[str, str]]) -> str:
    """A table of two columns, as HTML."""
    body = "".join(
        f"<tr><td>{html.escape(what)}</td><td>{html.escape(value)}</td></tr>"
        for what, value in pairs
    )
    return f"<table>{body}</table>"


def grid(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of numbers with a row of headings, as HTML; the first column holds names."""
    top = "".join(f"<th>{html.escape(head)}</th>" for head in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f'<div class="wide"><table class="grid"><tr>{top}</tr>{body}</table></div>'


def document(title: str, text: str, body: str, footer: str) -> str:
    """A page, as HTML; the body is HTML already."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)} – Undertow</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{html.escape(title)}</h1>"
        f'<p class="sub">{html.escape(text.strip())}</p>{body}'
        f"<footer>{html.escape(footer)}</footer></main></body></html>\n"
    )


def sections(pictures: Mapping[str, Figure]) -> str:
    """Pictures under their headings, as HTML."""
    return "".join(
        f"<h2>{html.escape(heading)}</h2>{image(figure, heading)}"
        for heading, figure in pictures.items()
    )
