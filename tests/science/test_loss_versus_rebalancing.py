"""What arbitrageurs take from providers, against the closed forms.

Without a fee: loss-versus-rebalancing, sigma^2 / 8 of the pool's value per unit of time
(Milionis, Moallemi, Roughgarden, Zhang 2022). With a fee f and fixed blocks, per block
(Nezlobin, Tassy 2025): s^2 / (4 (2 + 1.7164 w)), w = 2 gamma / s, gamma = -ln(1 - f), s the
deviation of the log price over a block. Its assumptions are the market's here: a
myopic arbitrageur with capital enough, a driftless log price, fees held outside the pool
(the protocol's part is all of them), an outside venue without depth's limits.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from protocols.handles import ConcentratedPool, WeightedPool
from sim import Market, Scenario

DAY = 86_400.0
DAILY = 0.05


def taken(fee: float, seconds: float, blocks: int, rng: int = 1) -> tuple[float, float]:
    """Profit of the arbitrageur per block over the pool's value, and how often it trades."""
    sigma = DAILY * math.sqrt(365.25)
    ether = {
        "price": 2000.0,
        "process": "gbm",
        "volatility": sigma,
        "drift": sigma**2 / 2.0,  # so that the log price has none
        "spread": 0.0,
        "inventory": 1e10,
    }
    setup = Scenario.from_dict(
        {
            "title": "arbitrage",
            "blocks": blocks,
            "block": {"fee_market": "off", "seconds": seconds},
            "venue": {"inventory": 1e14, "assets": {"eth": ether}},
            "pools": {
                "pool": {
                    "tokens": ["eth", "usdc"],
                    "reserves": {"eth": 1000.0, "usdc": 2e6},
                    "fee": fee,
                    "protocol_fee": 1.0,
                }
            },
            "agents": {
                "arbitrageurs": {
                    "kind": "arbitrageur",
                    "count": 1,
                    "pools": ["pool"],
                    "wallet": {"usdc": 1e9},
                }
            },
            "measures": {"keep": ["pool.pool.value", "wealth.arbitrageurs"], "receipts": "none"},
            "audit": {"every": 1000},
        }
    )
    market = Market(setup, rng=rng).run()
    frame = market.datacollector.get_model_vars_dataframe()
    gains = np.diff(frame["wealth.arbitrageurs"].to_numpy())
    value = frame["pool.pool.value"].to_numpy()[:-1]
    assert (gains > -1e-6).all()  # it never trades at a loss
    return float((gains / value).mean()), float((gains > 1e-6).mean())


@pytest.mark.parametrize("seconds", [2.0, 12.0])
def test_without_a_fee_it_is_loss_versus_rebalancing(seconds: float) -> None:
    got, _ = taken(0.0, seconds, 500_000)
    want = DAILY**2 * seconds / DAY / 8.0
    assert got == pytest.approx(want, rel=0.02)


@pytest.mark.parametrize("seconds", [2.0, 12.0])
@pytest.mark.parametrize("fee", [0.0005, 0.003, 0.01])
def test_with_a_fee_and_fixed_blocks_it_is_the_formula_of_fixed_blocks(
    fee: float, seconds: float
) -> None:
    got, _ = taken(fee, seconds, 4_000_000)
    s = DAILY * math.sqrt(seconds / DAY)
    w = 2.0 * -math.log1p(-fee) / s
    # A price that crosses the fee's band n times says so much: ten seeds of the widest band
    # (n = 573) have a mean of 0.9997 of the formula and a deviation of 0.5 / sqrt(n).
    crossings = 4_000_000 / (w * w)
    close = max(0.03, 1.5 / math.sqrt(crossings))
    assert got == pytest.approx(s * s / (4.0 * (2.0 + 1.7164 * w)), rel=close)


def test_the_poisson_formula_is_another() -> None:
    # 12 s, 30 bp, 5 % a day: .3811 bp a day with Poisson blocks, .3209 with fixed ones.
    got, often = taken(0.003, 12.0, 2_000_000)
    daily = got * DAY / 12.0 * 1e4
    assert daily == pytest.approx(0.3209, rel=0.03)
    assert abs(daily / 0.3811 - 1.0) > 0.1
    assert often == pytest.approx(0.125, abs=0.01)


KINDS: dict[str, dict[str, Any]] = {
    "constant_product": {"reserves": {"eth": 1000.0, "usdc": 2e6}},
    "weighted": {
        "kind": "weighted",
        "weights": {"eth": 4.0, "usdc": 1.0},
        "reserves": {"eth": 1000.0, "usdc": 5e5},
    },
    "concentrated": {
        "kind": "concentrated",
        "reserves": {"eth": 1000.0, "usdc": 2e6},
        "tick_spacing": 10,
        "price_span": 50.0,
        "ranges": [
            {"lower": 0.02, "upper": 50.0, "share": 1.0},
            {"lower": 0.7, "upper": 1.5, "share": 2.0},
        ],
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_measured_loss_is_the_closed_form_of_every_curve(kind: str) -> None:
    """``sigma^2 / 2  p^2 |x'(p)|`` per unit of time: theorem 1 of Milionis et al. 2022.

    For weights w it is ``sigma^2 w (1 - w) / 2`` of the value, for liquidity L at price p
    ``sigma^2 L sqrt(p) / 4``; 1/8 of the value where w is one half.
    """
    seconds, blocks = 12.0, 500_000
    sigma = DAILY * math.sqrt(365.25)
    ether = {
        "price": 2000.0,
        "process": "gbm",
        "volatility": sigma,
        "drift": sigma**2 / 2.0,
        "spread": 0.0,
        "inventory": 1e10,
    }
    arbitrageurs = {
        "kind": "arbitrageur", "count": 1, "pools": ["pool"], "wallet": {"usdc": 1e9},
    }  # fmt: skip
    setup = Scenario.from_dict(
        {
            "title": "loss versus rebalancing",
            "blocks": blocks,
            "block": {"fee_market": "off", "seconds": seconds},
            "venue": {"inventory": 1e14, "assets": {"eth": ether}},
            "pools": {"pool": {"tokens": ["eth", "usdc"], "fee": 0.0} | KINDS[kind]},
            "agents": {"arbitrageurs": arbitrageurs},
            "measures": {
                "keep": ["pool.pool.value", "pool.pool.price", "pool.pool.loss_*"],
                "receipts": "none",
            },
            "audit": {"every": 1000},
        }
    )
    market = Market(setup, rng=2)
    pool = market.pools["pool"]
    if isinstance(pool, ConcentratedPool):
        narrow = pool.positions().sort_values("lower").iloc[-1]
        wide = pool.positions().sort_values("lower").iloc[0]
    frame = market.run().datacollector.get_model_vars_dataframe()
    variance = DAILY**2 * seconds / DAY
    price, value = frame["pool.pool.price"].to_numpy(), frame["pool.pool.value"].to_numpy()
    if isinstance(pool, ConcentratedPool):
        inside = (price > narrow["lower"]) & (price < narrow["upper"])
        assert 0.1 < inside.mean() < 0.999  # the price leaves the narrow range and returns
        depth = wide["liquidity"] + narrow["liquidity"] * inside
        want = float((variance * depth * np.sqrt(price) / 4.0).sum())
    else:
        w = pool.weights["eth"] if isinstance(pool, WeightedPool) else 0.5
        want = float((variance * w * (1.0 - w) / 2.0 * value).sum())
    got = float(frame["pool.pool.loss_versus_rebalancing"].iloc[-1])
    assert got == pytest.approx(want, rel=0.02)
