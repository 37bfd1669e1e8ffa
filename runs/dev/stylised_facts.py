"""Stylised facts of an endogenous price, table and picture: ``python -m runs.dev.stylised_facts``.

The facts are those of Cont (2001). Nothing in the market has fat tails or clusters by itself: all
draws are normal, of one size, and independent between blocks.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from runs.report.page import COLOURS, label, legend, new_figure
from runs.results import write_whole
from sim import Market, Scenario

Floats = npt.NDArray[np.float64]

FILE = Path("docs", "stylised_facts.png")
SEEDS = range(1, 21)
WARM_UP = 1000
"""Days before those that count."""
LEVERAGES = (1.0, 4.0, 6.0, 8.0, 12.0)

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


def returns_of(market: Market) -> Floats:
    """Daily log returns of a market that has run, after the warm-up."""
    frame = market.datacollector.get_model_vars_dataframe()
    prices = frame["venue.token.price"].to_numpy(dtype=np.float64)
    return np.diff(np.log(prices))[WARM_UP:]


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


def aggregated(returns: Floats, days: int) -> Floats:
    """Returns over so many days."""
    whole = returns[: returns.size // days * days]
    return whole.reshape(-1, days).sum(axis=1)


def facts(returns: Floats) -> dict[str, float]:
    """The facts of a series of returns, by the name that the table gives them."""
    size = np.abs(returns)
    found = {
        "Hill exponent, top 2.5 %": hill(returns),
        "largest autocorrelation of returns, lags 5 to 20": max(
            abs(autocorrelation(returns, lag)) for lag in range(5, 21)
        ),
        "autocorrelation of absolute returns, lag 1": autocorrelation(size, 1),
        "autocorrelation of absolute returns, lag 50": autocorrelation(size, 50),
        "2 / sqrt(n)": 2.0 / math.sqrt(returns.size),
    }
    for days in (1, 5, 20, 50):
        name = f"excess kurtosis of returns over {days} day{'s' if days > 1 else ''}"
        found[name] = excess_kurtosis(aggregated(returns, days))
    return found


def kurtosis_by_leverage(
    leverages: Sequence[float] = LEVERAGES, seeds: Sequence[int] = SEEDS
) -> Floats:
    """Excess kurtosis of daily returns with funds, float64[leverages, seeds]."""
    found = [
        [excess_kurtosis(returns_of(Market(with_funds(most), rng=seed).run())) for seed in seeds]
        for most in leverages
    ]
    return np.array(found)


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
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110)
    write_whole(file, lambda path: path.write_bytes(data.getvalue()))


def main() -> None:
    """Print the tables and draw the picture."""
    markets = [Market(with_traders(), rng=seed).run() for seed in SEEDS]
    rows = [facts(returns_of(market)) for market in markets]
    print("| fact | least | median | greatest |\n|---|---:|---:|---:|")
    for name in rows[0]:
        values = [row[name] for row in rows]
        print(f"| {name} | {min(values):.3g} | {np.median(values):.3g} | {max(values):.3g} |")
    kurtosis = kurtosis_by_leverage()
    print("\n| leverage | least | median | greatest |\n|---|---:|---:|---:|")
    for most, values in zip(LEVERAGES, kurtosis, strict=True):
        numbers = values.min(), np.median(values), values.max()
        print(f"| {most:g} | " + " | ".join(f"{x:.3g}" for x in numbers) + " |")
    draw(markets[0], kurtosis)


if __name__ == "__main__":
    main()
