"""A coin backed by six tenths: the sale that it survives, measured and derived; and its controls.

The derivation (`protocols.seigniorage.largest_survived`) knows the depth of the sister's pool, the
spread and the holders' thresholds, and no agent. The market knows nothing of the derivation.
"""

from __future__ import annotations

from typing import Any

import pytest

from agents.coin_holder import queue
from runs.dev.promises import largest_sale
from sim import Market, Scenario

DEEP = 27e6
"""Virtual pools so large that the spread is the least one: what the derivation assumes."""


def content(**changes: Any) -> dict[str, Any]:
    found = Scenario.load("death_spiral").to_dict()
    found["protocols"]["terra"]["base_pool"] = DEEP
    for path, value in changes.items():
        table = found
        *way, last = path.split("__")
        for step in way:
            table = table[step]
        table[last] = value
    return found


def survives(size: float, seed: int, **changes: Any) -> bool:
    market = Market(content(agents__whale__whole=size, **changes), rng=seed)
    market.run()
    market.ledger.audit()
    terra: Any = market.protocols["terra"]
    alive = terra.value("price") > 0.9
    assert alive == (terra.value("backing") > 0.3), "it lives with what is behind it, or neither"
    market.close()
    return bool(alive)


@pytest.mark.parametrize(
    ("seed", "backing", "dollars"),
    [(1, 0.6, 30e6), (2, 0.6, 30e6), (3, 0.6, 25e6), (1, 0.7, 30e6), (2, 0.8, 20e6)],
)
def test_small_sales_are_survived_and_large_ones_are_not(
    seed: int, backing: float, dollars: float
) -> None:
    """The threshold measured is within a fifth of the one that depth and spread give."""
    changes = {
        "protocols__terra__covered": backing,
        "pools__sister-usdc__reserves": {"terra-sister": dollars / 80.0, "usdc": dollars},
    }
    most = largest_sale(Market(content(**changes), rng=seed))
    assert 1e6 < most < 8.7e6, "more than the whale has"
    assert survives(0.8 * most, seed, **changes)
    assert not survives(1.2 * most, seed, **changes)


def test_without_redemption_nothing_behind_it_is_lost() -> None:
    """The control: the coin falls with the sale, and the sister does not know of it."""
    market = Market(content(protocols__terra__redeemable=False), rng=1)
    market.run()
    terra: Any = market.protocols["terra"]
    frame = market.datacollector.get_model_vars_dataframe()
    assert frame["protocol.terra.price"].min() < 0.9, "nobody buys it back"
    assert terra.value("backing") > 0.55 and terra.value("redeemed") == 0.0
    # Nobody's fear is of the price here, so nobody leaves.
    assert queue(market, "large")["left_at"].isna().all()


def test_without_flight_the_sale_is_all_that_is_redeemed() -> None:
    """The other control: others do not look."""
    quiet = {"agents__large__attention": 0.0, "agents__small__attention": 0.0}
    market = Market(content(**quiet), rng=1)
    market.run()
    terra: Any = market.protocols["terra"]
    assert terra.value("redeemed") < 1.2 * 10e6
    assert terra.value("price") > 0.98


def test_large_ones_leave_first_and_lose_less() -> None:
    """Liu, Makarov, Schoar 2023: the order in which holders left Terra, by size."""
    market = Market(content(), rng=1)
    market.run()
    large, small = queue(market, "large"), queue(market, "small")
    gone_large, gone_small = large["left_at"].dropna(), small["left_at"].dropna()
    assert len(gone_large) > 20 and len(gone_small) > 200
    assert gone_large.median() < 0.8 * gone_small.median()
    first = small.sort_values("left_at").dropna()
    half = len(first) // 2
    assert first["loss"][:half].mean() < first["loss"][half:].mean() - 0.1
