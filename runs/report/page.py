"""The house's style: pages that need nothing else, by day, by night and on paper."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from runs.charts import COLOURS as COLOURS
from runs.charts import DARK, drawing
from runs.charts import GRID as GRID
from runs.charts import INK as INK
from runs.charts import MONEY as MONEY
from runs.charts import MUTED as MUTED
from runs.charts import NUMBER as NUMBER
from runs.charts import SHARE as SHARE
from runs.charts import beside as beside
from runs.charts import label as label
from runs.charts import legend as legend
from runs.charts import new_figure as new_figure
from runs.charts import plain as plain
from sim.shown import money as money
from sim.shown import number as number

FIGURES = "figures"
"""Folder beside a page that holds its pictures as files."""
KINDS = (".svg", ".pdf")
"""Kinds of files that each picture is left as."""


def _name_of(colour: str) -> str:
    """The style sheet's name for a colour of the house."""
    return f"--c{colour.lstrip('#')}"


_LIGHT = "".join(f"{_name_of(colour)}: {colour}; " for colour in DARK)
_NIGHT = "".join(f"{_name_of(colour)}: {dark}; " for colour, dark in DARK.items())
_STYLE = f"""
:root {{ color-scheme: light; {_LIGHT}
  --page: #f5f7f9; --card: #ffffff; --ink: {INK}; --muted: #5b6774; --line: {GRID};
  --link: #0b6e8f; }}
@media screen and (prefers-color-scheme: dark) {{
  :root {{ color-scheme: dark; {_NIGHT}
    --page: #0d1117; --card: #161b22; --ink: #dde3ea; --muted: #98a4b3; --line: #303944;
    --link: #4fb3d9; }} }}
body {{ font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page);
  margin: 0; }}
main {{ max-width: 1040px; margin: 0 auto; padding: 24px 20px 60px; }}
h1 {{ font-size: 26px; line-height: 1.25; margin: 0 0 6px; }}
h2 {{ font-size: 18px; margin: 36px 0 8px; scroll-margin-top: 12px; }}
p {{ max-width: 78ch; margin: 0 0 10px; }}
p.sub {{ color: var(--muted); margin: 0 0 14px; white-space: pre-line; max-width: 100ch; }}
a {{ color: var(--link); }}
nav {{ display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 0 0 20px; font-size: 14px; }}
table {{ border-collapse: collapse; width: 100%; background: var(--card); border-radius: 8px; }}
td {{ padding: 7px 14px; border-bottom: 1px solid var(--line); vertical-align: top;
  white-space: pre-line; }}
tr:last-child td {{ border-bottom: 0; }}
td:first-child {{ color: var(--muted); min-width: 130px; max-width: 270px; }}
.wide {{ overflow-x: auto; border-radius: 8px; }}
.grid th {{ padding: 7px 10px; font-weight: 500; font-size: 13px; text-align: right;
  color: var(--muted); border-bottom: 1px solid var(--line); }}
.grid td {{ padding: 5px 10px; text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }}
.grid th:first-child, .grid td:first-child {{ text-align: left; }}
.grid td:first-child {{ max-width: none; white-space: normal; }}
.wide + p {{ margin-top: 14px; }}
figure {{ margin: 0; background: var(--card); border-radius: 8px; padding: 12px; }}
figure + .wide, .wide + .wide {{ margin-top: 10px; }}
figure:not(.paper) svg {{ fill: var({_name_of("#000000")}); }}
figure.paper {{ background: #ffffff; }}
figure svg {{ width: 100%; height: auto; display: block; }}
figcaption {{ color: var(--muted); font-size: 13px; padding: 8px 4px 0; }}
pre {{ background: var(--card); border-radius: 8px; padding: 12px 14px; font-size: 13px;
  white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 0 10px; }}
footer {{ color: var(--muted); font-size: 13px; margin-top: 32px; }}
@page {{ margin: 14mm 12mm; }}
@media print {{
  :root {{ --page: #ffffff; --muted: #444c55; }}
  body {{ font-size: 10.5pt; }} main {{ max-width: none; padding: 0; }} nav {{ display: none; }}
  h2 {{ break-after: avoid; margin-top: 22px; }} p {{ max-width: none; }}
  figure, tr, pre {{ break-inside: avoid; }} figure, table, pre {{ border-radius: 0; }}
  figure {{ padding: 4px 0; }} figure svg {{ max-height: 245mm; }}
  .wide {{ overflow: visible; }} .grid td {{ white-space: normal; }}
}}
"""


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
        heading: Above it; "": none.
        figure: Its picture, or None.
        text: Before the picture, plain.
        caption: Under it, plain.
        more: After it, HTML.
        name: Of the picture's files; default: of the heading.
        paper: Whether the picture stays on white in the dark, as one whose texts lie on colours.
    """

    heading: str
    figure: Figure | None = None
    text: str = ""
    caption: str = ""
    more: str = ""
    name: str = ""
    paper: bool = False

    @property
    def key(self) -> str:
        """What links and files call it."""
        return self.name or _key(self.heading)


def _key(text: str) -> str:
    """A text as the name of a file and an anchor: lower case, hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:80] or "figure"


def image(
    figure: Figure, alt: str, svg: bytes | None = None, caption: str = "", paper: bool = False
) -> str:
    """A picture inside the page, as HTML whose colours follow the page's.

    Args:
        figure: To draw.
        alt: What is told to who cannot see it.
        svg: It, drawn already.
        caption: Under it.
        paper: Whether it stays on white in the dark.
    """
    text = (svg or drawing(figure, ".svg")).decode("utf-8")
    text = text[text.index("<svg") :]
    key = _key(alt)
    # Names within a picture are its own, of which a page may hold one alone.
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{key}-", text)
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1, flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text).replace("xlink:href", "href")
    text = text.replace("<svg ", f'<svg role="img" aria-label="{html.escape(alt)}" ', 1)
    if not paper:
        colours = "|".join(DARK)
        text = re.sub(rf"({colours})\b", lambda found: f"var({_name_of(found[1])})", text)
    told = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    kind = ' class="paper"' if paper else ""
    return f"<figure{kind}>{text.strip()}{told}</figure>"


def table(pairs: Iterable[tuple[str, str]]) -> str:
    """A table of two columns, as HTML."""
    body = "".join(
        f"<tr><td>{html.escape(what)}</td><td>{html.escape(value)}</td></tr>"
        for what, value in pairs
    )
    return f"<table>{body}</table>"


def grid(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of numbers with a row of headings, as HTML; the first column holds names."""
    top = "".join(f"<th>{html.escape(head)}</th>" if head else "<td></td>" for head in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f'<div class="wide"><table class="grid"><tr>{top}</tr>{body}</table></div>'


def paragraph(text: str) -> str:
    """Plain text, as HTML."""
    return f"<p>{html.escape(text)}</p>"


def document(title: str, text: str, body: str, footer: str) -> str:
    """A page, as HTML; the body is HTML already. What has a heading is linked at the top."""
    heads = re.findall(r'<h2 id="([^"]+)">(.*?)</h2>', body)
    links = "".join(f'<a href="#{key}">{heading}</a>' for key, heading in heads)
    nav = f'<nav aria-label="Contents">{links}</nav>' if len(heads) > 1 else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)} – Undertow</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{html.escape(title)}</h1>"
        f'<p class="sub">{html.escape(_reflowed(text))}</p>{nav}{body}'
        f"<footer>{html.escape(footer)}</footer></main></body></html>\n"
    )


def _reflowed(text: str) -> str:
    """A text without the line breaks of the file that it stood in; paragraphs and lists stay."""
    return re.sub(r"(?<!\n)\n(?![\n\s*-])", " ", text.strip())


def heading(text: str, key: str = "") -> str:
    """A heading that can be linked, as HTML."""
    return f'<h2 id="{key or _key(text)}">{html.escape(text)}</h2>'


def sections(parts: Iterable[Section] | Mapping[str, Figure], files: Path | None = None) -> str:
    """Parts of a page, as HTML.

    Args:
        parts: In their order; or pictures by heading.
        files: Folder of the page, in whose `FIGURES` each picture is left as a file too; None:
            pictures are in the page alone.
    """
    if isinstance(parts, Mapping):
        parts = [Section(above, figure) for above, figure in parts.items()]
    found = []
    for part in parts:
        text = heading(part.heading, part.key) if part.heading else ""
        text += paragraph(part.text) if part.text else ""
        if part.figure is not None:
            laid_out(part.figure)
            svg = drawing(part.figure, ".svg")
            if files is not None:
                (files / FIGURES).mkdir(exist_ok=True)
                (files / FIGURES / f"{part.key}.svg").write_bytes(svg)
                pdf = drawing(part.figure, ".pdf")
                (files / FIGURES / f"{part.key}.pdf").write_bytes(pdf)
            text += image(part.figure, part.heading, svg, part.caption, part.paper)
        found.append(text + part.more)
    return "".join(found)


def laid_out(figure: Figure) -> None:
    """Find the places of a figure's parts once, not again for each file."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")
