"""Order flow with reasons: volume and volatility, information, best execution, schedules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents.whale import left_after, urgency
from sim import Market, Scenario
from tests.conftest import BASE, merged

SEEDS = range(1, 21)


def market(
    blocks: int, seed: int, pools: dict[str, Any], asset: dict[str, Any], **agents: Any
) -> Market:
    """A market without gas, run to its end."""
    content = {k: v for k, v in BASE.items() if k not in ("pools", "lending", "oracles")}
    content |= {"pools": pools, "blocks": blocks, "agents": agents}
    content = merged(content, {"venue": {"assets": {"eth": {"spread": 0.0} | asset}}})
    return Market(Scenario.from_dict(content), rng=seed).run()


def pool(eth: float, fee: float = 0.0005) -> dict[str, Any]:
    return {"tokens": ["eth", "usdc"], "reserves": {"eth": eth, "usdc": 2000.0 * eth}, "fee": fee}


def traders(**columns: Any) -> dict[str, Any]:
    return {
        "kind": "noise_trader",
        "count": 200,
        "pools": ["pool"],
        "rate": 0.02,
        "branching": 0.0,
        "mood": 0.0,
        "tail": 0.0,
        "wallet": {"eth": 1e5, "usdc": 2e8},
    } | columns


# Volume and volatility

WINDOW = 50
CLUSTERS = {"process": "garch", "volatility": 1.0, "alpha": 0.06, "beta": 0.935}


def volume_follows_volatility(seed: int, **columns: Any) -> float:
    """Correlation over windows of the volume with the outside price's realised volatility."""
    m = market(3000, seed, {"pool": pool(1e6)}, CLUSTERS, traders=traders(**columns))
    r = m.receipts()
    worth = r["amount_in"] * np.where(r["token_in"] == "eth", 2000.0, 1.0)
    volume = np.bincount(r["block"], weights=worth, minlength=3001)[1:]
    price = m.datacollector.get_model_vars_dataframe()["venue.eth.price"].to_numpy()
    moves = np.diff(np.log(price), prepend=np.log(2000.0))
    realised = np.sqrt((moves**2).reshape(-1, WINDOW).sum(axis=1))
    return float(np.corrcoef(volume.reshape(-1, WINDOW).sum(axis=1), realised)[0, 1])


def test_volume_rises_with_volatility_and_not_by_itself() -> None:
    found = np.array([volume_follows_volatility(s, volume_elasticity=1.0) for s in SEEDS])
    without = np.array([volume_follows_volatility(s) for s in SEEDS])
    assert found.mean() > 0.3
    assert (found > 0.1).all()
    assert abs(without.mean()) < 0.1


def test_news_raises_activity_which_then_wears_off() -> None:
    jumps = {"process": "jumps", "volatility": 0.2, "jump_rate": 20_000.0, "jump_sd": 0.03}
    columns = {"news": 3.0, "news_memory": 20.0}
    after, before = np.zeros(40), 0.0
    events = 0
    for seed in SEEDS:
        m = market(1500, seed, {"pool": pool(1e6)}, jumps, traders=traders(**columns))
        swaps = np.bincount(m.receipts()["block"], minlength=1501)
        price = m.datacollector.get_model_vars_dataframe()["venue.eth.price"].to_numpy()
        moves = np.abs(np.diff(np.log(price), prepend=np.log(2000.0)))
        for b in np.flatnonzero(moves > 0.01) + 1:
            if 60 < b < 1460 and (moves[b - 61 : b - 1] < 0.005).all():
                after += swaps[b : b + 40]
                before += swaps[b - 20 : b].mean()
                events += 1
    assert events > 30
    ratio = after / before
    # A piece of news raises the rate to 1 + 3 exp(-t / 20) of itself, on what is left of others'.
    assert ratio[:4].mean() == pytest.approx(1.0 + 3.0 * np.exp(-1.5 / 20.0), rel=0.15)
    assert ratio[30:].mean() == pytest.approx(1.0 + 3.0 * np.exp(-34.5 / 20.0), rel=0.15)


# Information


def cost_to_providers(seed: int, **columns: Any) -> tuple[float, float]:
    """What a group's swaps cost providers a unit of volume, at the next block's outside price.

    Returns:
        (cost, volume); a negative cost is what providers earn.
    """
    group = traders(size=2000.0, rate=0.005, **columns)
    arbitrageurs = {
        "kind": "arbitrageur",
        "count": 1,
        "pools": ["pool"],
        "wallet": {"usdc": 1e8},
    }
    gbm = {"process": "gbm", "volatility": 2.0}
    m = market(1500, seed, {"pool": pool(5e4)}, gbm, traders=group, arbitrageurs=arbitrageurs)
    price = m.datacollector.get_model_vars_dataframe()["venue.eth.price"].to_numpy()
    r = m.receipts()
    r = r[(r["cohort"] == "traders") & (r["status"] == "done") & (r["block"] < 1500)]
    later = price[r["block"]]  # of the block after: the frame begins with block 1
    worth_in = r["amount_in"] * np.where(r["token_in"] == "eth", later, 1.0)
    worth_out = r["amount_out"] * np.where(r["token_out"] == "eth", later, 1.0)
    return float((worth_out - worth_in).sum() / worth_in.sum()), float(worth_in.sum())


def test_informed_traders_cost_providers_more_than_others_of_the_same_volume() -> None:
    found = {
        share: [cost_to_providers(s, informed=share) for s in SEEDS] for share in (0.0, 0.2, 1.0)
    }
    cost = {share: np.array([c for c, _ in each]) for share, each in found.items()}
    volume = {share: np.mean([v for _, v in each]) for share, each in found.items()}
    assert volume[0.2] == pytest.approx(volume[0.0], rel=0.15)
    assert cost[0.0].mean() == pytest.approx(-0.0006, abs=1e-4)  # the fee, and their own impact
    assert (cost[0.2] > cost[0.0]).all()
    assert (cost[1.0] > cost[0.2]).all()
    assert cost[1.0].mean() > 5e-4
    gap = cost[0.2] - cost[0.0]
    assert gap.mean() > 5.0 * gap.std(ddof=1) / np.sqrt(gap.size)


def test_who_sees_less_gains_less() -> None:
    gains = [
        np.mean([cost_to_providers(s, informed=1.0, sees=part)[0] for s in range(1, 9)])
        for part in (0.25, 1.0)
    ]
    assert gains[0] < gains[1]


# Best execution


def distance(seed: int, habit: float) -> float:
    """How far the prices of two pools are apart, mean of the log."""
    two = {"pool": pool(2000.0, 0.003), "other": pool(500.0, 0.003)}
    group = traders(pools=["pool", "other"], size=500.0, habit=habit)
    m = market(800, seed, two, {"process": "constant"}, traders=group)
    frame = m.datacollector.get_model_vars_dataframe()
    gap = np.log(frame["pool.pool.price"]) - np.log(frame["pool.other.price"])
    return float(gap.abs().iloc[100:].mean())


def test_who_looks_for_the_best_pool_brings_prices_together() -> None:
    found = np.array([[distance(s, habit) for habit in (1.0, 0.5, 0.0)] for s in SEEDS])
    assert (found[:, 0] > found[:, 1]).all()
    assert found[:, 1].mean() > found[:, 2].mean()
    # Nobody who looks trades against the better price, so fees bound how far they come apart.
    assert found[:, 2].mean() < 0.006 < found[:, 0].mean()


# Schedules


@pytest.mark.parametrize("risk_aversion", [0.0, 1e-6, 1e-5, 1e-4])
def test_the_schedule_is_the_least_of_cost_and_risk(risk_aversion: float) -> None:
    whole, blocks, sigma, eta = 500.0, 40, 12.0, 0.02
    k = urgency(risk_aversion, sigma**2, eta)
    ours = whole * np.array([left_after(float(j), float(blocks), k) for j in range(blocks + 1)])
    # eta sum n_j^2 + lambda sigma^2 sum x_j^2 is quadratic: its least solves a linear system.
    steps = np.diff(np.eye(blocks + 1), axis=0)[:, 1:-1]
    ends = np.zeros(blocks)
    ends[0] = -whole
    risk = risk_aversion * sigma**2 * np.eye(blocks - 1)
    least = np.linalg.solve(eta * steps.T @ steps + risk, -eta * steps.T @ ends)
    assert ours[1:-1] == pytest.approx(least, rel=1e-8)
    assert (ours[0], ours[-1]) == (whole, 0.0)
