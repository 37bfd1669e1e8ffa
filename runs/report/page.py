"""The house's style: figures alike, and pages that need nothing else."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Mapping, Sequence

from matplotlib.figure import Figure

from runs.charts import COLOURS as COLOURS
from runs.charts import GRID as GRID
from runs.charts import INK as INK
from runs.charts import MONEY as MONEY
from runs.charts import MUTED as MUTED
from runs.charts import SHARE as SHARE
from runs.charts import label as label
from runs.charts import legend as legend
from runs.charts import new_figure as new_figure
from runs.charts import plain as plain
from sim.shown import money as money
from sim.shown import number as number

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
