"""The contagion laboratory's report: a page, its figures as files, its numbers as Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from runs.charts import styled
from runs.contagion.laboratory import ACCOUNTS, FALL, SHOCK, Findings
from runs.files import REPORT, left_whole, made_by
from runs.report.methods import citation, methods_section, scenario_hash, with_versions
from runs.report.network import draw_moments
from runs.report.page import (
    COLOURS,
    FIGURES,
    INK,
    MONEY,
    NUMBER,
    Section,
    beside,
    document,
    grid,
    label,
    new_figure,
    plain,
    sections,
    table,
)
from sim.shown import money, number

_MARKS = ("o", "s", "^", "v", "D", "P", "X")
_SOURCES = {
    "direct": "holdings lose value at market prices",
    "eisenberg_noe": "Eisenberg and Noe (2001)",
    "rogers_veraart": "Rogers and Veraart (2013), 90 % recovery",
    "debtrank": "DebtRank, linear: Bardoscia et al. (2015)",
    "furfine": "Furfine (2003)",
    "neva": "NEVA with uncertain assets: Barucca et al. (2020)",
    "fire_sales": "Greenwood, Landier and Thesmar (2015)",
}
BIBLIOGRAPHY = """@article{shapley1953, author = {Shapley, Lloyd S.},
  title = {A value for n-person games}, journal = {Contributions to the Theory of Games},
  volume = {2}, pages = {307--317}, year = {1953}}
@article{eisenbergnoe2001, author = {Eisenberg, Larry and Noe, Thomas H.},
  title = {Systemic risk in financial systems}, journal = {Management Science}, volume = {47},
  number = {2}, pages = {236--249}, year = {2001}}
@article{furfine2003, author = {Furfine, Craig H.},
  title = {Interbank exposures: quantifying the risk of contagion},
  journal = {Journal of Money, Credit and Banking}, volume = {35}, number = {1},
  pages = {111--128}, year = {2003}}
@article{rogersveraart2013, author = {Rogers, L. C. G. and Veraart, Luitgard A. M.},
  title = {Failure and rescue in an interbank network}, journal = {Management Science},
  volume = {59}, number = {4}, pages = {882--898}, year = {2013}}
@article{greenwood2015, author = {Greenwood, Robin and Landier, Augustin and Thesmar, David},
  title = {Vulnerable banks}, journal = {Journal of Financial Economics}, volume = {115},
  number = {3}, pages = {471--485}, year = {2015}}
@article{bardoscia2015, author = {Bardoscia, Marco and Battiston, Stefano and Caccioli, Fabio
  and Caldarelli, Guido}, title = {DebtRank: a microscopic foundation for shock propagation},
  journal = {PLOS ONE}, volume = {10}, number = {6}, pages = {e0130406}, year = {2015}}
@article{barucca2020, author = {Barucca, Paolo and Bardoscia, Marco and Caccioli, Fabio and
  D'Errico, Marco and Visentin, Gabriele and Caldarelli, Guido and Battiston, Stefano},
  title = {Network valuation in financial systems}, journal = {Mathematical Finance},
  volume = {30}, number = {4}, pages = {1181--1204}, year = {2020}}
"""


def write_contagion_report(findings: Findings, out: str | Path) -> Path:
    """Leave a page, figures and numbers in a folder, all or none.

    Args:
        findings: Of `runs.contagion.laboratory.investigate`.
        out: The folder.

    Returns:
        The page.

    Raises:
        OSError: If the folder cannot be written.
    """
    out = Path(out)
    with left_whole(out) as folder:
        pictures = _pictures(findings)
        drawn = sections(pictures, folder)
        for part in pictures:
            plt.close(part.figure)
        for name, numbers in _numbers(findings).items():
            numbers.to_parquet(folder / f"{name}.parquet")
        findings.trees.write(folder)
        findings.networks.write(folder)
        words = methods(findings)
        (folder / "methods.txt").write_text(words + "\n", encoding="utf-8")
        (folder / "references.bib").write_text(_bibliography(findings), encoding="utf-8")
        (folder / "scenario.toml").write_text(findings.setup.to_toml(), encoding="utf-8")
        page = document(
            f"Contagion: {findings.setup.title}",
            _lead(findings),
            table(_rows(findings)) + drawn + methods_section(words, _bibliography(findings)),
            f"Figures as SVG and PDF in {FIGURES}, numbers as Parquet, next to this page.",
        )
        (folder / REPORT).write_text(page, encoding="utf-8")
    return out / REPORT


def _lead(f: Findings) -> str:
    struck = "; ".join(
        ", ".join(f"{k} {v}" for k, v in shock.items() if v is not None) for shock in f.struck
    )
    return f"Shock: {struck}. {len(f.seeds)} seeds, each run with and without the shock."


def _rows(f: Findings) -> list[tuple[str, str]]:
    """The main numbers, as (what, value)."""
    rows = []
    for loss in f.headline():
        shares = f.attribution.shares(loss).sort_values("mean", ascending=False)
        parts = [
            f"{link} {_three(*row)}"
            for link, *row in shares[["mean", "low", "high"]].itertuples(name=None)
        ]
        total = float(f.attribution.total(loss).mean())
        rows.append((f"Loss of {loss}, by link", f"{number(total)} = " + "\n+ ".join(parts)))
    told = f.trees.summary()
    rows.append(("Branching ratio, first seed", f"{told['branching_ratio']:.3f}"))
    rows.append(("Liquidations, first seed", f"{told['liquidations']:,.0f}"))
    text = f"{100 * told['named_by_counterfactual']:.0f} % of events with possible parents"
    rows.append(("Parents identified by reruns", text))
    return rows


def _three(mean: float, low: float, high: float) -> str:
    """A mean with its interval."""
    return f"{number(mean)} ({number(low)} to {number(high)})"


def methods(f: Findings) -> str:
    """How the numbers were made, fit for a paper."""
    versioned = made_by()
    digest = scenario_hash(f.setup)[:16]
    exact = (
        f"over {len(f.attribution.drawn)} sampled orderings of the links (antithetic pairs)"
        if f.attribution.drawn
        else f"exact over all {2 ** len(f.links)} subsets of links"
    )
    screened = (
        ""
        if f.screened is None
        else "Links are the mechanisms whose removal alone changes any loss on the first two "
        "seeds; "
        "at most the eight with the largest effect. "
    )
    seeds = f"{f.seeds[0]} to {f.seeds[-1]}" if len(f.seeds) > 1 else str(f.seeds[0])
    return (
        f"Each of {len(f.seeds)} seeds ({seeds}) was run with and without the shock on common "
        "random draws; the induced loss is the difference. For a group of agents it is the "
        "difference in its result against holding its initial balance, for a protocol the "
        f"difference in debt written off or not covered. {screened}A link is cut from the block "
        f"of the shock on, in both runs. Shares are Shapley values {exact}; intervals are 95 % "
        "bootstrap intervals of the "
        "mean over seeds. The loss matrix applies the same shock and a fall of "
        f"{-100 * FALL:.0f} % in the outside price of each asset. Cascade trees are read off the "
        "receipts of the first seed; where timing leaves several possible parents, "
        f"{f.trees.reruns} reruns, each without one group's choices in one block, identify the "
        "one without which the event comes latest or never. Networks are read off the ledger. "
        "Models from the literature use the balance sheets one block before the shock, looking "
        "through pass-through entities, and each asset's return in the block of the shock in "
        "excess of the run without it; their predictions are compared with the wealth that each "
        "group has lost by the end, including revaluation. The scenario (SHA-256 of its file "
        f"{digest}…) has "
        f"{f.setup.blocks:,} blocks. Made with {with_versions(versioned)} (sources "
        f"{versioned['sources'][:12]})."
    )


def _bibliography(f: Findings) -> str:
    """What to cite, as BibTeX: this program, and what it computes."""
    made = made_by()
    return citation(made["undertow"], made["sources"]) + BIBLIOGRAPHY


# Numbers


def _numbers(f: Findings) -> dict[str, pd.DataFrame]:
    low, high = f.matrix.interval()
    ends = {"mean": f.matrix.mean(), "low": low, "high": high}
    matrix = (
        pd.concat(ends, axis=1).stack(level=1, future_stack=True).rename_axis(["shock", "loser"])
    )
    found = {
        "shares": f.attribution.table().reset_index(),
        "shares-by-seed": _by_seed(f),
        "loss-matrix": matrix.reset_index(),
        "network-measures": f.networks.measures().reset_index(),
        "centralities": f.networks.centralities().reset_index(),
        "trees": f.trees.sizes().reset_index(),
        "generations": f.trees.by_generation().reset_index(),
        "foretold": f.told.rename_axis("entity").reset_index(),
        "scores": f.scores.rename_axis("model").reset_index(),
        "scores-among-accounts": f.among_accounts.rename_axis("model").reset_index(),
    }
    if f.screened is not None:
        found["screening"] = f.screened.rename("change").rename_axis("link").reset_index()
    return found


def _by_seed(f: Findings) -> pd.DataFrame:
    """Every share of every seed."""
    parts = [
        pd.DataFrame({"seed": f.seeds, "loss": loss, "link": link, "share": share})
        for loss in f.losses
        for link, share in f.attribution.by_seed(loss).items()
    ]
    return pd.concat(parts, ignore_index=True)


# Pictures


def _pictures(f: Findings) -> list[Section]:
    """What is to be seen, with its numbers below it."""
    found = [
        Section(
            f"Channels: {loss}", _channels(f, loss),
            "Contribution of each link to the loss induced by the shock.",
            more=_shares_grid(f, loss), name=f"channels-{n}",
        )
        for n, loss in enumerate(f.headline(), 1)
    ]  # fmt: skip
    text = "Loss of each entity under each shock, in excess of the run without it."
    found.append(Section("Loss matrix", f.matrix.plot(), text, paper=True))
    text = f"Seed {f.seeds[0]}: which sale moved which price, and what that triggered."
    found.append(
        Section("Cascade trees", f.trees.plot(), text, more=_trees_grid(f), name="cascades")
    )
    generations = _generations(f)
    if generations is not None:
        text = (
            f"Seed {f.seeds[0]}. An event is first-generation if no other led to it; otherwise it "
            "is one generation after its parent. Sales in between are not counted."
        )
        found.append(Section("Generations of the cascade", generations, text, name="generations"))
    found.append(_network(f))
    text = f"Seed {f.seeds[0]}. Dotted line: {SHOCK}."
    over = Section("Network over time", _over_time(f), text, name="network-over-time")
    found.append(over)
    if len(f.told):
        text = (
            "Loss of wealth predicted by each model from the network one block before the shock, "
            f"against the simulated loss; seed {f.seeds[0]}, scores over all seeds."
        )
        grids = _scores_grid(f)
        heading = "Comparison with models from the literature"
        found.append(Section(heading, _beside(f), text, more=grids, name="foretold"))
    return found


def _channels(f: Findings, loss: str) -> Figure:
    """What each link carries, the largest first, with intervals."""
    shares = f.attribution.shares(loss).sort_values("mean")
    figure, (ax,) = new_figure(1, 0.9 + 0.34 * len(shares))
    names = [plain(str(link).replace("_", " ")) for link in shares.index]
    spread = [shares["mean"] - shares["low"], shares["high"] - shares["mean"]]
    colours = [COLOURS[0] if share >= 0.0 else COLOURS[3] for share in shares["mean"]]
    error = {"ecolor": INK, "elinewidth": 1.1, "capsize": 2.5}
    bars = ax.barh(names, shares["mean"], 0.6, xerr=spread, color=colours, error_kw=error)
    texts = [money(share) for share in shares["mean"]]
    ax.bar_label(bars, texts, padding=5, fontsize=8, color=INK)
    ax.axvline(0.0, color=INK, lw=0.8)
    ax.xaxis.set_major_formatter(MONEY)
    ax.margins(x=0.1)
    label(
        ax, f"Contribution to the loss of {loss} ({f.networks.numeraire}), mean and 95 % interval"
    )
    return figure


def _network(f: Findings) -> Section:
    """The network before, at the worst block, and after."""
    blocks = f.networks.telling()
    words = ["At the start", "At the worst block", "At the end"] if len(blocks) == 3 else []
    titles = [
        f"{word} ({block:,})"
        for word, block in zip(words or ["After block"] * len(blocks), blocks, strict=True)
    ]
    graphs = [f.networks.at(block) for block in blocks]
    figure = draw_moments(list(zip(titles, graphs, strict=True)), f.setup)
    text = (
        f"Seed {f.seeds[0]}. The worst block is the recorded block with the lowest total equity, "
        f"excluding the venue. Values in {f.networks.numeraire}; positions, sizes and widths are "
        "comparable between panels."
    )
    return Section("Exposure network", figure, text, name="network")


def _generations(f: Findings) -> Figure | None:
    """Events and what they are worth by generation; None where there were none."""
    told = f.trees.by_generation()
    if not len(told):
        return None
    figure = new_figure(1, 2.6)[0]
    figure.clear()
    unit = f.trees.numeraire
    for ax, what, text in zip(
        figure.subplots(1, 2), ("effects", "worth"), ("Events", f"Worth ({unit})"), strict=True
    ):
        styled(ax)
        bars = ax.bar([str(int(n) + 1) for n in told.index], told[what], 0.6, color=COLOURS[0])
        ax.bar_label(bars, [money(v) for v in told[what]], padding=2, fontsize=8, color=INK)
        ax.yaxis.set_major_formatter(MONEY)
        ax.margins(y=0.15)
        ax.set_xlim(-0.7, max(len(told), 4) - 0.3)  # one bar alone would fill all
        label(ax, f"{text} by generation")
    return figure


def _shares_grid(f: Findings, loss: str) -> str:
    shares = f.attribution.shares(loss).sort_values("mean", ascending=False)
    rows = [
        [str(link), number(row["mean"]), number(row["low"]), number(row["high"]),
         f"{100 * row['part']:.1f} %" if np.isfinite(row["part"]) else "–"]
        for link, row in shares.iterrows()
    ]  # fmt: skip
    return grid(["link", "contribution, mean", "95 % from", "to", "share of total"], rows)


def _trees_grid(f: Findings) -> str:
    rows = [
        [str(what).replace("_", " "), f"{value:,.4g}" if value == value else "–"]
        for what, value in f.trees.summary().items()
    ]
    return grid(["Trees of the first seed", ""], rows)


def _scores_grid(f: Findings) -> str:
    said = f"The same with one node per agent, over {min(len(f.seeds), ACCOUNTS)} seeds."
    found = _grid_of(f.scores)
    if len(f.among_accounts):
        found += f"<p>{said}</p>" + _grid_of(f.among_accounts)
    return found


def _grid_of(scores: pd.DataFrame) -> str:
    """How well each model foretells."""

    def cell(row: pd.Series, what: str) -> str:
        if not np.isfinite(row[what]):
            return "–"
        return f"{row[what]:.2f} ({row[f'{what}_low']:.2f} to {row[f'{what}_high']:.2f})"

    rows = [
        [_SOURCES.get(str(model), str(model)), *(cell(row, w) for w in ("rank", "size")),
         *(cell(row, w) for w in ("missed", "spared"))]
        for model, row in scores.iterrows()
    ]  # fmt: skip
    heads = [
        "model",
        "rank correlation",
        "predicted / simulated loss",
        "missed losers",
        "false alarms",
    ]
    return grid(heads, rows)


def _beside(f: Findings) -> Figure:
    """Foretold against simulated losses, a point for each entity and model."""
    figure, axes = new_figure(1, 4.2)
    ax = axes[0]
    models: Mapping[str, pd.Series] = {str(m): f.told[m] for m in f.told if m != "simulated"}
    for n, (model, column) in enumerate(models.items()):
        # Many say the same: marks are hollow, of different sizes, so that all can be seen.
        ax.plot(
            f.told["simulated"], column, _MARKS[n % len(_MARKS)], color=COLOURS[n % len(COLOURS)],
            fillstyle="none", markersize=4 + 1.5 * n, label=_SOURCES.get(model, model),
        )  # fmt: skip
    ends = np.array([f.told.to_numpy().min(), f.told.to_numpy().max()])
    ax.plot(ends, ends, color="black", lw=0.8, label="as simulated")
    for scale in (ax.set_xscale, ax.set_yscale):
        scale("symlog", linthresh=1e5, linscale=0.5)
    label(ax, f"Predicted against simulated loss of wealth ({f.networks.numeraire})")
    ax.set_xlabel("simulated")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(MONEY)
    beside(ax, len(models) + 1)
    return figure


def _over_time(f: Findings) -> Figure:
    """Measures of the network, the block of the shock marked."""
    measures = f.networks.measures()
    words = {
        "weight": f"total exposures, {f.networks.numeraire}",
        "concentration": "concentration: Herfindahl index of exposures by node",
        "core_weight": "share of exposures within the core",
        "overlap": "portfolio overlap: mean cosine similarity",
        "leverage": "leverage: assets over equity of entities with equity",
    }
    figure, axes = new_figure(len(words), 1.7)
    for n, (ax, (name, text)) in enumerate(zip(axes, words.items(), strict=True)):
        ax.plot(measures.index, measures[name], color=COLOURS[n], lw=1.4)
        ax.yaxis.set_major_formatter(NUMBER)
        for shock in f.setup.shocks:
            ax.axvline(f.setup.block_of(shock), color="black", lw=0.8, ls=":")
        label(ax, text)
    axes[-1].set_xlabel(f"block (dotted: {SHOCK})")
    return figure
