"""Pictures of the documents: ``python -m runs.picture DIR FILE``, of a run or a sweep."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from runs.page import MONEY, SHARE, label, legend, new_figure
from runs.report import Pictures
from runs.results import BLOCKS, SCENARIO, SUMMARY, write_whole
from runs.store import read_definition, read_study
from runs.study_report import StudyPictures
from sim import Scenario


def overview(pictures: Pictures) -> Figure:
    """Ether, dai, liquidations, utilisation and gas of Black Thursday, one above the other."""
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
                "lending.bank.liquidated": "liquidated since the start",
                "lending.bank.endangered": "endangered by a fall of 10 %",
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


def main() -> None:
    """Draw the picture from a run's files, or a phase map from a sweep's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--map", help="of this measure over a study's two parameters")
    options = parser.parse_args()
    if options.map:
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
