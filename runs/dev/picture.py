"""Pictures of the documents: ``python -m runs.dev.picture DIR FILE``, of a run or a sweep."""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from runs.files import BLOCKS, SCENARIO, SUMMARY, write_whole
from runs.report.page import MONEY, SHARE, label, legend, new_figure, plain
from runs.report.report import Pictures
from runs.study.report import StudyPictures
from runs.study.statistics import paired
from runs.study.store import read_definition, read_study
from runs.study.study import Study
from sim import Scenario


def overview(pictures: Pictures) -> Figure:
    """Ether, dai, auctions, utilisation and gas of Black Thursday, one above the other."""
    figure, axes = new_figure(5, 1.55)
    rows = (
        (
            "Ether (dollars)",
            {"venue.eth.price": "outside venue", "oracle.eth.price": "oracle"},
            None,
        ),
        (
            "Dai (dollars)",
            {"pool.dai-usdc.price": "pool dai-usdc", "venue.dai.price": "outside venue"},
            None,
        ),
        (
            "Debt (dollars)",
            {
                "protocol.maker.liquidated": "auctioned by Maker since the start",
                "lending.bank.liquidated": "liquidated by the bank",
                "protocol.maker.bad_debt": "not brought by auctions",
            },
            MONEY,
        ),
        (
            "Share of deposits lent",
            {
                "lending.bank.dai.utilisation": "dai",
                "lending.bank.usdc.utilisation": "usdc",
            },
            SHARE,
        ),
        ("Mean gas price (gwei)", {"gas.mean": "paid by the rest of the world"}, None),
    )
    for ax, (title, names, formatter) in zip(axes, rows, strict=True):
        label(ax, title)
        legend(ax, pictures.lines(ax, names))
        if formatter is not None:
            ax.yaxis.set_major_formatter(formatter)
    axes[-1].set_yscale("log")
    axes[-1].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    return figure


def effects(
    study: Study, runs: pd.DataFrame, measures: Sequence[str], pairs: Mapping[str, tuple[str, str]]
) -> tuple[Figure, pd.DataFrame]:
    """Mean differences between variants on common seeds, with their intervals.

    Args:
        study: Whose labels are used.
        runs: A row per run.
        measures: Kept or derived columns, of one unit.
        pairs: (variant, the one it is compared with) by the name of the contrast.

    Returns:
        The picture, and a row per contrast and measure.
    """
    found = []
    for name, (variant, baseline) in pairs.items():
        two = runs[runs["variant"].isin([variant, baseline])]
        rows = paired(two, "variant", baseline, [], measures)
        found.append(rows.assign(contrast=name))
    table = pd.concat(found, ignore_index=True)
    figure, axes = new_figure(1, 0.6 + 0.42 * len(measures) * max(len(pairs) / 2.0, 1.0))
    ax = axes[0]
    step = 0.8 / len(pairs)
    for k, name in enumerate(pairs):
        rows = table[table["contrast"] == name].set_index("measure").loc[list(measures)]
        y = [i + step * (k - (len(pairs) - 1) / 2.0) for i in range(len(measures))]
        reach = [rows["difference"] - rows["low"], rows["high"] - rows["difference"]]
        ax.errorbar(rows["difference"], y, xerr=reach, fmt="o", ms=5, capsize=3, label=name)
    ax.axvline(0.0, color="0.6", lw=1)
    ax.set_yticks(range(len(measures)), [plain(study.report.labels.get(m, m)) for m in measures])
    ax.invert_yaxis()
    ax.legend(frameon=False, fontsize=9, loc="best")
    return figure, table


def main() -> None:
    """Draw the picture from a run's files, or a phase map or contrasts from a sweep's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--map", help="of this measure over a study's two parameters")
    parser.add_argument("--effects", help="of these measures, between variants: a,b,c")
    parser.add_argument("--between", action="append", default=[], help="name=variant:baseline")
    parser.add_argument("--title", default="", help="of the picture's axis")
    options = parser.parse_args()
    if options.effects:
        study, runs = read_definition(options.folder), read_study(options.folder)
        pairs = {}
        for item in options.between:
            name, _, both = item.partition("=")
            variant, _, baseline = both.partition(":")
            pairs[name] = (variant, baseline)
        figure, table = effects(study, runs, options.effects.split(","), pairs)
        label(figure.axes[0], options.title)
        print(table.to_string())
    elif options.map:
        study, runs = read_definition(options.folder), read_study(options.folder)
        figure = StudyPictures(study, runs).phase_map(options.map, *study.parameters)
    else:
        frame = pd.read_parquet(options.folder / BLOCKS)
        summary = json.loads((options.folder / SUMMARY).read_text(encoding="utf-8"))
        figure = overview(Pictures(frame, summary, Scenario.load(options.folder / SCENARIO)))
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110)
    write_whole(options.file, lambda path: path.write_bytes(data.getvalue()))


if __name__ == "__main__":
    main()
