"""The table of measures in docs/measures.md: ``python -m runs.catalogue``."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from sim import Market
from sim.measures import Measure

HEAD = """# Measures

Columns of `blocks.parquet` and of `market.datacollector`, besides `block`. Names in angle brackets
stand for those of the scenario; a class is a group of agents or one of `venue`, `producer` (of
blocks), `holders` (outside holders of shares and deposits) and the treasuries. `loss` is the wealth
at the start less the wealth now; `result` is the wealth now less what the holdings at the start
would be worth now. Keep some with `measures.keep = ["pool.*", "gas.mean"]`.

| name | unit |
|---|---|
"""


def general(name: str, market: Market) -> str:
    """A measure's name with placeholders for the scenario's own names."""
    places: list[tuple[str, Collection[str]]] = [
        ("pool", market.pools),
        ("market", market.lending),
        ("asset", market.venue.names),
    ]
    parts = name.split(".")
    if parts[0] in ("wealth", "loss", "result"):
        return f"{parts[0]}.<class>"
    if parts[0] == "oracle":
        return f"oracle.<oracle>.{parts[2]}"
    for word, names in places:
        if len(parts) > 2 and parts[1] in names:
            parts[1] = f"<{word}>"
    if parts[0] == "lending" and len(parts) == 4:
        parts[2] = "<token>"
    return ".".join(parts)


def table(market: Market) -> str:
    """The document, for the measures of a market."""
    rows: dict[str, Measure] = {}
    for m in market.measures:
        rows.setdefault(general(m.name, market), m)
    lines = [f"| `{name}` | {re.sub('[|]', '/', m.unit)} |" for name, m in rows.items()]
    return HEAD + "\n".join(lines) + "\n"


def main() -> None:
    """Write the document."""
    Path("docs/measures.md").write_text(table(Market("black_thursday")), encoding="utf-8")


if __name__ == "__main__":
    main()
