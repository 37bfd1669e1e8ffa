"""The README's picture is drawn from a run's files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread

from runs.dev import picture
from runs.files import BLOCKS, SCENARIO, SUMMARY, save_run
from runs.report.report import Pictures
from runs.summary import summarise
from sim import Market, Scenario

DPI = 110


def drawn(folder: Path, monkeypatch: pytest.MonkeyPatch) -> npt.NDArray[np.float64]:
    """The picture of a run's folder as the command leaves it, float64[rows, columns, 3]."""
    file = folder / "p.png"
    monkeypatch.setattr(sys, "argv", ["picture", str(folder), str(file)])
    picture.main()
    return np.asarray(imread(file), np.float64)[:, :, :3]


def figure_of(folder: Path) -> Figure:
    """The same picture with its axes, to ask where a point must be."""
    frame = pd.read_parquet(folder / BLOCKS)
    summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    figure = picture.overview(Pictures(frame, summary, Scenario.load(folder / SCENARIO)))
    figure.set_dpi(DPI)
    figure.canvas.draw()
    return figure


def inked(image: npt.NDArray[np.float64], figure: Figure) -> list[float]:
    """Share of the points of each row's last curve at which the image has its colour."""
    shares = []
    for ax in figure.axes:
        line = ax.get_lines()[len(ax.get_legend_handles_labels()[0]) - 1]
        points = ax.transData.transform(np.asarray(line.get_xydata(), np.float64))
        colour = np.array(to_rgb(line.get_color()))
        found = []
        for x, y in points[np.isfinite(points).all(axis=1)]:
            row, column = round(len(image) - 1 - y), round(x)
            near = image[row - 2 : row + 3, column - 2 : column + 3]
            found.append(bool((np.abs(near - colour).max(axis=2) < 0.25).any()))
        shares.append(float(np.mean(found)))
    return shares


def test_the_overview_shows_five_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    market = Market("black_thursday").run(100)
    save_run(market, tmp_path, summarise(market))
    first, figure = drawn(tmp_path, monkeypatch), figure_of(tmp_path)
    width, height = figure.get_size_inches()
    assert first.shape == (round(height * DPI), round(width * DPI), 3)
    assert len(figure.axes) == 5
    assert inked(first, figure) == pytest.approx([1.0] * 5, abs=0.02)
    # Another run: all curves go back from where they ended, and the ink with them.
    frame = pd.read_parquet(tmp_path / BLOCKS)
    turned = frame.iloc[::-1].reset_index(drop=True).assign(block=frame["block"])
    turned.to_parquet(tmp_path / BLOCKS, index=False)
    second = drawn(tmp_path, monkeypatch)
    assert second.shape == first.shape
    assert inked(second, figure_of(tmp_path)) == pytest.approx([1.0] * 5, abs=0.02)
    assert (np.abs(first - second).max(axis=2) > 0.25).mean() > 1e-3
