"""Stylised facts, tables and pictures: ``python -m runs.dev.stylised_facts [--workers N]``.

The facts are those of Cont (2001), of two markets. Where traders outside make the price nothing has
fat tails or clusters by itself: all draws are normal, of one size, independent between blocks. In
`calm` the outside price is drawn, with a volatility that comes and goes, and what is looked at is
the price in a pool, which traders with reasons and arbitrageurs move.
"""

from __future__ import annotations

import argparse
import io
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from runs.files import write_whole
from runs.report.page import COLOURS, label, legend, new_figure
from sim import Market, Scenario

Floats = npt.NDArray[np.float64]

FILE = Path("docs", "stylised_facts.png")
CALM_FILE = Path("docs", "stylised_facts_calm.png")
SEEDS = range(1, 21)
WARM_UP = 1000
"""Days before those that count, where traders outside make the price."""
LEVERAGES = (1.0, 4.0, 6.0, 8.0, 12.0)
STEPS = (1, 5, 20, 50)
"""Returns added up, for the kurtosis of sums."""

POOL = "eth-usdc"
FIRST_DAY = 7200
"""Blocks of `calm` before those that count: its volatility starts at its mean."""
EVERY = (1, 5, 25)
"""Blocks between the prices of `calm` that are looked at."""
WINDOWS = (25, 75, 300, 1200)
"""Blocks of `calm` over which volume and volatility are summed: 5 and 15 minutes, 1 and 4 hours."""
OUTSIDE_WINDOWS = (5, 20, 60)
"""Days, in `outside`."""

MARKET: dict[str, Any] = {
    "title": "A price that traders make",
    "blocks": 20_000,
    "block": {"fee_market": "off", "gas_token": "token", "seconds": 86_400.0},
    "venue": {
        "inventory": 1e10,
        "assets": {
            "token": {
                "price": 100.0,
                "process": "endogenous",
                "value_volatility": 0.02,
                "depth": 1000.0,  # a two-thousandth of what the traders own
                "depth_exponent": 0.0,  # and the same in all weathers
                "spread": 0.0,
                "inventory": 1e7,
            }
        },
    },
    "agents": {
        "outside": {
            "kind": "outside_trader",
            "count": 200,
            "assets": {"token": 1.0},
            "wallet": {"usdc": 5000.0, "token": 50.0},
        }
    },
    "measures": {"keep": ["venue.*"], "receipts": "none"},
}
"""A block is a day. Two hundred traders, with the columns' defaults."""

NOISE: dict[str, Any] = {
    "review": 0.0,
    "value_response": 0.0025,
    "value_noise": 0.03,
    "rebalance": 0.002,
}
"""Traders beside the funds: noise that returns to the value within a hundred days, as in Thurner,
Farmer, Geanakoplos (2012). None of them is a chartist."""
FUNDS: dict[str, Any] = {
    "kind": "value_fund",
    "count": 10,
    "assets": {"token": 1.0},
    "wallet": {"usdc": 1000.0},
    "aggressiveness": {"distribution": "uniform", "low": 5.0, "high": 50.0},  # theirs
    "flow": 0.05,
    "memory": 10.0,  # theirs
    "largest": 2.0,
}


ALIKE = "autocorrelation of absolute returns, lag 50"
MOVES = "steps in which it moves"
MOVES_ALIKE = "autocorrelation of whether it moves, lag 50"
SQUARED_MEAN = "squared mean over variance of absolute returns"


def with_traders() -> Scenario:
    """The market of fundamentalists and chartists."""
    return Scenario.from_dict(MARKET)


def with_funds(most_leverage: float) -> Scenario:
    """The market of noise traders and leveraged funds, the value standing still."""
    agents = MARKET["agents"]["outside"] | NOISE
    changed = MARKET | {"agents": {"outside": agents, "funds": FUNDS | {"most_leverage": 1.0}}}
    changes = {
        "venue.assets.token.value_volatility": 0.0,
        "agents.funds.most_leverage": most_leverage,
    }
    return Scenario.from_dict(changed).override(changes)


def outside(changes: Mapping[str, Any] | None = None) -> Scenario:
    """The scenario `outside`, for as long as the other markets."""
    wanted = {
        "blocks": MARKET["blocks"],
        "measures.keep": ["venue.*", "pool.*.price", "pool.*.volume"],
        "measures.receipts": "none",
    }
    return Scenario.load("outside").override(wanted | dict(changes or {}))


NO_REASONS: Mapping[str, Any] = {
    "agents.traders.volume_elasticity": 0.0,
    "agents.traders.news": 0.0,
}
STEADY: Mapping[str, Any] = {"venue.assets.eth.process": "gbm"}
LOW_FEE: Mapping[str, Any] = {f"pools.{pool}.fee": 0.0005 for pool in (POOL, "eth-usdc-b")}

_TIMES = (
    "block.expiry",
    "block.outside.memory",
    "venue.assets.eth.volatility_memory",
    "venue.assets.eth.half_life",
    "oracles.eth.heartbeat",
    "agents.traders.memory",
    "agents.traders.mood",
    "agents.traders.news_memory",
    "agents.providers.review",
)
"""What `calm` states in blocks."""
_RATES = (
    "agents.traders.rate",
    "agents.providers.attention",
    "agents.lenders.attention",
    "agents.borrowers.attention",
    "agents.borrowers.alarm",
)
"""What it states per block."""
_SCALES = ("value", "median", "scale", "low", "high", "at_least", "at_most")
"""Parts of a distribution that have its unit."""


def calm(changes: Mapping[str, Any] | None = None) -> Scenario:
    """The scenario `calm`, of which each block is kept."""
    keep = ["venue.eth.price", "pool.*.price", "pool.*.volume"]
    wanted = {"measures.every": 1, "measures.keep": keep, "measures.receipts": "none"}
    return Scenario.load("calm").override(wanted | dict(changes or {}))


def at_block_time(seconds: float) -> dict[str, Any]:
    """Changes to `calm` that leave all as it is on the clock, with blocks of another length.

    Args:
        seconds: Of a block, instead of 12.

    Returns:
        Values by path, as `Scenario.override` takes them.
    """
    setup = Scenario.load("calm")
    content = setup.to_dict()
    factor = seconds / setup.block.seconds
    changes: dict[str, Any] = {
        "block.seconds": seconds,
        "block.gas_limit": setup.block.gas_limit * factor,
        "blocks": round(setup.blocks / factor),
    }
    for paths, by in ((_TIMES, 1.0 / factor), (_RATES, factor)):
        for path in paths:
            value: Any = content
            for word in path.split("."):
                value = value[word]
            if isinstance(value, dict):
                value = {k: v * by if k in _SCALES else v for k, v in value.items()}
            elif isinstance(value, int):
                value = max(round(value * by), 1)
            else:
                value = value * by
            changes[path] = value
    return changes


def measured(market: Market, column: str = "venue.token.price") -> Floats:
    """A measure in each block that a market has run and kept."""
    frame = market.datacollector.get_model_vars_dataframe()
    return frame[column].to_numpy(dtype=np.float64)


def returns_of(market: Market, column: str = "venue.token.price") -> Floats:
    """Daily log returns of a market that has run, after the warm-up."""
    return np.diff(np.log(measured(market, column)))[WARM_UP:]


def hill(returns: Floats, share: float = 0.025) -> float:
    """Exponent of the tail of absolute returns (Hill 1975), from a share of the largest."""
    largest = np.sort(np.abs(returns - returns.mean()))[::-1]
    k = int(share * largest.size)
    return float(1.0 / np.log(largest[:k] / largest[k]).mean())


def autocorrelation(x: Floats, lag: int) -> float:
    """Sample autocorrelation."""
    y = x - x.mean()
    return float((y[:-lag] * y[lag:]).mean() / y.var())


def excess_kurtosis(x: Floats) -> float:
    """Kurtosis less that of a normal."""
    y = x - x.mean()
    return float((y**4).mean() / y.var() ** 2 - 3.0)


def aggregated(returns: Floats, steps: int) -> Floats:
    """Returns over so many steps; of what is left over at the end, none."""
    whole = returns[: returns.size // steps * steps]
    return whole.reshape(-1, steps).sum(axis=1)


def volume_follows_volatility(prices: Floats, volume: Floats, window: int) -> float:
    """Correlation over windows of volume with an outside price's realised volatility.

    Args:
        prices: float64[n], outside.
        volume: float64[n], swapped since the start, numeraire.
        window: Steps that are summed.
    """
    squares = aggregated(np.diff(np.log(prices)) ** 2, window)
    swapped = aggregated(np.diff(volume), window)
    return float(np.corrcoef(np.sqrt(squares), swapped)[0, 1])


def facts(returns: Floats) -> dict[str, float]:
    """The facts of a series of returns, by the name that the table gives them."""
    size = np.abs(returns)
    found = {
        "Hill exponent, top 2.5 %": hill(returns),
        "autocorrelation of returns, lag 1": autocorrelation(returns, 1),
        "largest autocorrelation of returns, lags 5 to 20": max(
            abs(autocorrelation(returns, lag)) for lag in range(5, 21)
        ),
        "autocorrelation of absolute returns, lag 1": autocorrelation(size, 1),
        ALIKE: autocorrelation(size, 50),
        "2 / sqrt(n)": 2.0 / math.sqrt(returns.size),
    }
    for steps in STEPS:
        found[kurtosis_over(steps)] = excess_kurtosis(aggregated(returns, steps))
    return found


def kurtosis_over(steps: int) -> str:
    """Name of a fact."""
    return f"excess kurtosis of returns over {steps} step{'s' if steps > 1 else ''}"


def squared_mean(x: Floats) -> float:
    """Squared mean over variance: what makes a covariance in shares of the mean a correlation."""
    return float(x.mean() ** 2 / x.var())


def calm_facts(changes: Mapping[str, Any], seed: int, clock: float = 1.0) -> dict[str, float]:
    """What a run of `calm` shows, by sampling interval or window and name.

    Args:
        changes: To the scenario.
        seed: Of the run.
        clock: Blocks in twelve seconds, where a change has them shorter or longer.

    Returns:
        ``"5: Hill exponent, top 2.5 %"`` and its like, intervals and windows in blocks of twelve
        seconds; what traces them beside: whether the pool's price moves at all, and what the
        outside price does.
    """
    market = Market(calm(changes), rng=seed).run()
    frame = market.datacollector.get_model_vars_dataframe().iloc[round(FIRST_DAY * clock) :]
    market.close()
    price, outside_price = (
        frame[name].to_numpy(dtype=np.float64) for name in (f"pool.{POOL}.price", "venue.eth.price")
    )
    volume = frame[f"pool.{POOL}.volume"].to_numpy(dtype=np.float64)
    found: dict[str, float] = {}
    for every in EVERY:
        if (step := every * clock) % 1.0:  # no whole blocks
            continue
        sampled, around = (np.diff(np.log(x[:: round(step)])) for x in (price, outside_price))
        moves = (sampled != 0.0).astype(np.float64)
        mine = facts(sampled) | {
            MOVES: float(moves.mean()),
            MOVES_ALIKE: autocorrelation(moves, 50) if moves.var() > 0.0 else math.nan,
            SQUARED_MEAN: squared_mean(np.abs(sampled)),
            f"{SQUARED_MEAN}, outside": squared_mean(np.abs(around)),
            f"{ALIKE}, outside": autocorrelation(np.abs(around), 50),
        }
        found |= {f"{every}: {name}": value for name, value in mine.items()}
    for window in WINDOWS:
        name = f"volume and volatility, {window} blocks"
        blocks = round(window * clock)
        found[name] = volume_follows_volatility(outside_price, volume, blocks)
    return found


def outside_facts(
    changes: Mapping[str, Any], seed: int, column: str = "pool.token-usdc.price"
) -> dict[str, float]:
    """What a run of `outside` shows of a price, and of volume in its pool."""
    market = Market(outside(changes), rng=seed).run()
    found = facts(returns_of(market, column))
    price, volume = (measured(market, n) for n in ("venue.token.price", "pool.token-usdc.volume"))
    market.close()
    for window in OUTSIDE_WINDOWS:
        name = f"volume and volatility, {window} days"
        found[name] = volume_follows_volatility(price[WARM_UP:], volume[WARM_UP:], window)
    return found


def traders_facts(seed: int) -> dict[str, float]:
    """What a run shows in which traders alone make the price."""
    return facts(returns_of(Market(with_traders(), rng=seed).run()))


def kurtosis_with_funds(most_leverage: float, seed: int) -> float:
    """Excess kurtosis of daily returns of noise traders and funds."""
    return excess_kurtosis(returns_of(Market(with_funds(most_leverage), rng=seed).run()))


def kurtosis_of_outside(most_leverage: float, seed: int) -> float:
    """The same of the scenario `outside`."""
    changes = {"agents.funds.most_leverage": most_leverage}
    return excess_kurtosis(returns_of(Market(outside(changes), rng=seed).run()))


def kurtosis_by_leverage(
    leverages: Sequence[float] = LEVERAGES, seeds: Sequence[int] = SEEDS
) -> Floats:
    """Excess kurtosis of daily returns with funds, float64[leverages, seeds]."""
    return np.array([[kurtosis_with_funds(most, seed) for seed in seeds] for most in leverages])


def draw(market: Market, kurtosis: Floats, file: Path = FILE) -> None:
    """Draw a run's price and returns, their autocorrelations, and kurtosis over leverage."""
    frame = market.datacollector.get_model_vars_dataframe()
    returns = returns_of(market)
    figure, axes = new_figure(4, 2.0, share=False)
    days = frame["block"].to_numpy()[WARM_UP + 1 :]
    label(axes[0], "Price (log scale)")
    axes[0].plot(days, frame["venue.token.price"].to_numpy()[WARM_UP + 1 :], lw=0.6, c=COLOURS[0])
    axes[0].set_yscale("log")
    axes[0].set_yticks([50, 70, 100, 140, 200], ["50", "70", "100", "140", "200"], minor=False)
    axes[0].minorticks_off()
    label(axes[1], "Daily returns, over days")
    axes[1].plot(days, returns, lw=0.4, c=COLOURS[0])
    label(axes[2], "Autocorrelation, over lags in days")
    lags = np.arange(1, 101)
    for n, (name, series) in enumerate({"returns": returns, "absolute": np.abs(returns)}.items()):
        values = [autocorrelation(series, int(lag)) for lag in lags]
        axes[2].plot(lags, values, c=COLOURS[n], label=name)
    axes[2].axhline(2.0 / math.sqrt(returns.size), c="0.6", lw=1)
    legend(axes[2], 2)
    label(axes[3], "Excess kurtosis of daily returns, over the leverage that funds may have")
    for seed in range(kurtosis.shape[1]):
        axes[3].plot(LEVERAGES, kurtosis[:, seed], ".", c=COLOURS[1], ms=3)
    axes[3].plot(LEVERAGES, np.median(kurtosis, axis=1), c=COLOURS[1])
    axes[3].set_yscale("log")
    _save(figure, file)


def draw_calm(market: Market, file: Path = CALM_FILE) -> None:
    """Draw a run of `calm`: prices, returns, autocorrelations, volume over volatility."""
    frame = market.datacollector.get_model_vars_dataframe().iloc[FIRST_DAY:]
    days = frame["block"].to_numpy() / FIRST_DAY
    price, outside_price = frame[f"pool.{POOL}.price"], frame["venue.eth.price"]
    figure, axes = new_figure(4, 2.0, share=False)
    label(axes[0], "Price (dollars), over days")
    axes[0].plot(days, outside_price, lw=0.6, c=COLOURS[1], label="outside")
    axes[0].plot(days, price, lw=0.6, c=COLOURS[0], label="pool")
    legend(axes[0], 2)
    label(axes[1], "Returns of the pool's price over a minute (%), over days")
    sampled = np.log(price.to_numpy()[::5])
    axes[1].plot(days[::5][1:], 100.0 * np.diff(sampled), lw=0.4, c=COLOURS[0])
    label(axes[2], "Autocorrelation at one block, over lags in blocks")
    returns = np.diff(np.log(price.to_numpy()))
    lags = np.arange(1, 101)
    series = {
        "absolute returns, outside": np.abs(np.diff(np.log(outside_price.to_numpy()))),
        "whether the pool moves": (returns != 0.0).astype(np.float64),
        "absolute returns, pool": np.abs(returns),
        "returns, pool": returns,
    }
    for n, (name, values) in enumerate(series.items()):
        axes[2].plot(
            lags, [autocorrelation(values, int(x)) for x in lags], c=COLOURS[n], label=name
        )
    axes[2].axhline(2.0 / math.sqrt(returns.size), c="0.6", lw=1)
    axes[2].set_ylim(-0.22, 0.38)  # room for the names
    legend(axes[2], 4)
    label(
        axes[3],
        "Swapped in an hour (thousand dollars), over realised volatility outside (% an hour)",
    )
    squares = aggregated(np.diff(np.log(outside_price.to_numpy())) ** 2, 300)
    volume = aggregated(np.diff(frame[f"pool.{POOL}.volume"].to_numpy()), 300)
    axes[3].plot(100.0 * np.sqrt(squares), volume / 1e3, ".", c=COLOURS[0], ms=4)
    _save(figure, file)


def _save(figure: Figure, file: Path) -> None:
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110)
    write_whole(file, lambda path: path.write_bytes(data.getvalue()))


VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "as shipped": {},
    "4 arbitrageurs": {"agents.arbitrageurs.count": 4},
    "16 arbitrageurs": {"agents.arbitrageurs.count": 16},
    "they look in half of the blocks": {"agents.arbitrageurs.attention": 0.5},
    "they look in a fifth": {"agents.arbitrageurs.attention": 0.2},
    "four weeks": {"blocks": 4 * 50_400},
    "volume and news give no reasons": NO_REASONS,
    "outside volatility is constant": STEADY,
    "both": {**NO_REASONS, **STEADY},
    "swaps have no tail": {"agents.traders.tail": 0.0},
    "pools ask 5 basis points": LOW_FEE,
}
"""Changes to `calm`."""
BLOCK_TIMES = (6.0, 12.0, 20.0)
"""Seconds."""


CHAINS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "`outside`, pool": ({}, "pool.token-usdc.price"),
    "`outside`, venue": ({}, "venue.token.price"),
    "its funds do not borrow, pool": (
        {"agents.funds.most_leverage": 1.0},
        "pool.token-usdc.price",
    ),
    "it has no funds, pool": ({"agents.funds.count": 0}, "pool.token-usdc.price"),
}
"""Changes to `outside`, and the price that is looked at."""


def band(values: npt.ArrayLike) -> str:
    """Median and the band from 5 to 95 %."""
    low, middle, high = np.quantile(np.asarray(values, np.float64), (0.05, 0.5, 0.95))
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"


def table(columns: Mapping[str, pd.DataFrame], rows: Sequence[str]) -> str:
    """Bands over seeds as Markdown, a column a market; empty where a market has no such fact."""
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    for row in rows:
        cells = [band(found[row]) if row in found else "" for found in columns.values()]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def of_interval(found: pd.DataFrame, every: int) -> pd.DataFrame:
    """Of what `calm_facts` finds that of one interval, by the facts' names."""
    start = f"{every}: "
    ours = [str(name) for name in found if str(name).startswith(start)]
    return found[ours].rename(columns={name: name.removeprefix(start) for name in ours})


def varied(variants: Mapping[str, pd.DataFrame], every: int) -> str:
    """Tables of variants of `calm` at one interval, as Markdown, a row a variant."""
    names = [
        "Hill exponent, top 2.5 %",
        "largest autocorrelation of returns, lags 5 to 20",
        ALIKE,
        MOVES_ALIKE,
        f"{ALIKE}, outside",
        kurtosis_over(1),
    ]
    heads = [*names, "runs with lag 50 above 2 / sqrt(n)", "volume and volatility, an hour"]
    lines = ["| | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    for variant, found in variants.items():
        ours = of_interval(found, every)
        if ours.empty:  # no whole blocks
            continue
        cells = [band(ours[name]) if name in ours else "" for name in names]
        above = ours[ALIKE] > ours["2 / sqrt(n)"]
        cells += [f"{above.mean():.0%}", band(found["volume and volatility, 300 blocks"])]
        lines.append(f"| {variant} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _funds(job: tuple[float, int]) -> tuple[float, float]:
    return kurtosis_with_funds(*job), kurtosis_of_outside(*job)


def main() -> None:
    """Print the tables and draw the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    changes = [(name, dict(change), 1.0) for name, change in VARIANTS.items()]
    for seconds in BLOCK_TIMES:
        changes.append((f"blocks of {seconds:g} s", at_block_time(seconds), 12.0 / seconds))
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        alone = pd.DataFrame(pool.map(traders_facts, SEEDS))
        chain = {
            name: pd.DataFrame(pool.map(partial(outside_facts, change, column=column), SEEDS))
            for name, (change, column) in CHAINS.items()
        }
        variants = {
            name: pd.DataFrame(pool.map(partial(calm_facts, change, clock=clock), SEEDS))
            for name, change, clock in changes
        }
        jobs = [(most, seed) for most in LEVERAGES for seed in SEEDS]
        kurtosis = np.array(list(pool.map(_funds, jobs))).reshape(len(LEVERAGES), len(SEEDS), 2)
    shipped = variants["as shipped"]
    columns = {"traders alone": alone, **chain}
    columns |= {f"`calm`, pool, every {n}": of_interval(shipped, n) for n in EVERY}
    print(table(columns, [str(name) for name in alone]), "\n")
    traced = [MOVES, MOVES_ALIKE, f"{ALIKE}, outside", SQUARED_MEAN, f"{SQUARED_MEAN}, outside"]
    print(table({f"every {n}": of_interval(shipped, n) for n in EVERY}, traced), "\n")
    names = [f"volume and volatility, {window} blocks" for window in WINDOWS]
    cuts = ("volume and news give no reasons", "outside volatility is constant", "both")
    print(table({name: variants[name] for name in ("as shipped", *cuts)}, names), "\n")
    rows = [f"volume and volatility, {window} days" for window in OUTSIDE_WINDOWS]
    print(table(chain, rows), "\n")
    for every in (1, 5):
        print(f"every {every}\n" + varied(variants, every), "\n")
    markets = ["noise traders and funds", "outside"]
    leverages = {
        f"{most:g}": pd.DataFrame(found, columns=markets)
        for most, found in zip(LEVERAGES, kurtosis, strict=True)
    }
    print(table(leverages, markets))
    draw(Market(with_traders(), rng=1).run(), kurtosis[:, :, 0])
    draw_calm(Market(calm(), rng=1).run())


if __name__ == "__main__":
    main()
