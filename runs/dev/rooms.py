"""The picture of the architecture in docs/design.md: ``python -m runs.dev.rooms FILE``.

Rooms are packages, arrows what imports what, read off the sources: more lines, more weight.
The numbers are one swap, walking through the files that `WALK` names.
"""

from __future__ import annotations

import argparse
import ast
from collections import Counter
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("runs", "agents", "protocols", "sim")
WALK = (
    ("agents/noise_trader.py", "decide", "a trader draws an amount and a pool"),
    ("agents/intents.py", "swap", "says what it wants: a swap with a limit"),
    ("sim/mempool.py", "send", "checks every number, and lets it wait"),
    ("sim/block.py", "open_block", "orders what waits by bid and draw"),
    ("sim/block.py", "execute", "takes gas, jumps to the call by its kind"),
    ("protocols/pools.py", "swap", "resolves the amount, finds the pool"),
    ("protocols/amm.py", "swap", "refuses what cannot be, jumps to the curve"),
    ("protocols/weighted.py", "priced_by_pool", "says what comes out, and the fee"),
    ("protocols/pool.py", "settle_swap", "moves both legs, counts the fee"),
    ("sim/ledger.py", "exchange", "writes balances, and a journal to undo them"),
    ("sim/kernel.py", "close", "lets pools, loans and fees move on"),
    ("sim/measures.py", "measure", "asks each measure by its address"),
)
"""One swap: the file, the function in it, and what happens there."""


def imported(package: str) -> Counter[str]:
    """How many modules of a package import each of the rooms, annotations aside."""
    found: Counter[str] = Counter()
    for path in (ROOT / package).rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        skipped = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        rooms = {
            node.module.split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module and id(node) not in skipped
        }
        found.update(rooms & set(ROOMS) - {package})
    return found


def drawn() -> Figure:
    """The rooms, one above the other, and the walk beside them."""
    figure, ax = plt.subplots(figsize=(9.6, 6.6), layout="constrained")
    ax.set_axis_off()
    ax.set_xlim(0.0, 9.6)
    ax.set_ylim(0.0, 6.6)
    doors = {
        "runs": "command line, studies, reports, the page",
        "agents": "who decides: columns, and a kernel that sends intents",
        "protocols": "what they act on: curves, loans, oracles, insurance, yours",
        "sim": "the market: ledger, block, venue, draws, measures, scenario",
    }
    height, gap, left, width = 1.1, 0.5, 0.2, 4.4
    low = {room: 0.2 + (len(ROOMS) - 1 - n) * (height + gap) for n, room in enumerate(ROOMS)}
    for room in ROOMS:
        box = plt.Rectangle((left, low[room]), width, height, fc="#eef3f8", ec="#30506d", lw=1.2)
        ax.add_patch(box)
        files = len(list((ROOT / room).rglob("*.py")))
        ax.text(left + 0.15, low[room] + 0.72, room, fontsize=13, weight="bold", color="#1d3448")
        ax.text(left + width - 0.15, low[room] + 0.74, f"{files} files", ha="right", fontsize=9)
        ax.text(left + 0.15, low[room] + 0.3, doors[room], fontsize=8.2)
    rail = 0
    for n, room in enumerate(ROOMS):
        for target, count in sorted(imported(room).items()):
            step = ROOMS.index(target) - n
            x = left + 0.7 + 1.15 * (step - 1)
            start, end = low[room], low[target] + height
            if step > 1:  # around the rooms between
                rail += 1
                x = left + width + 0.2 * rail
                start, end = low[room] + 0.2 + 0.15 * rail, low[target] + 0.5 + 0.15 * rail
                ax.plot([left + width, x], [start, start], color="#30506d", lw=1.0)
                ax.plot([x, x], [start, end], color="#30506d", lw=1.0)
                head, tail = (left + width, end), (x, end)
            else:
                head, tail = (x, end), (x, start)
            ax.annotate("", head, tail, arrowprops={"arrowstyle": "-|>", "color": "#30506d"})
            if step == 1:
                ax.text(x + 0.08, (start + end) / 2, f"{count} files", fontsize=8, va="center")
    ax.text(5.5, 6.25, "One swap, walking through", fontsize=13, weight="bold", color="#1d3448")
    for n, (file, function, what) in enumerate(WALK):
        y = 5.75 - 0.47 * n
        ax.text(5.5, y, f"{n + 1:2d}", fontsize=9, color="#b0541e", weight="bold", va="center")
        ax.text(5.85, y, f"{file}: {function}", fontsize=8.6, va="center", family="monospace")
        ax.text(5.85, y - 0.19, what, fontsize=7.8, va="center", color="#445566")
    return figure


def main() -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    file: Path = parser.parse_args().file
    figure = drawn()
    figure.savefig(file, dpi=110, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
