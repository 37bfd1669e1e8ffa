"""The network that a market derives, and what the literature's models make of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from runs.contagion import derive, foretold, score
from runs.contagion.derived import System
from sim import Market, Scenario

Make = Callable[..., Scenario]
MODELS = [
    "direct", "eisenberg_noe", "rogers_veraart", "debtrank", "furfine", "neva", "fire_sales",
]  # fmt: skip


@pytest.fixture
def market(small: Make) -> Market:
    lenders = {
        "kind": "lender", "count": 10, "lending": "bank", "debt": "usdc", "deposit": 10_000.0,
        "wallet": {"eth": 1.0},
    }  # fmt: skip
    borrowers = {
        "kind": "leveraged_borrower", "count": 5, "lending": "bank", "collateral": "eth",
        "debt": "usdc", "pools": ["eth-usdc"], "leverage": 2.5, "equity": 8_000.0,
        "attention": 0.0, "alarm": 0.0,
    }  # fmt: skip
    providers = {
        "kind": "liquidity_provider", "count": 3, "pools": ["eth-usdc"], "stake": 5_000.0,
        "attention": 0.0,
    }  # fmt: skip
    venue = {"assets": {"eth": {"depth": 1e5}}}
    return Market(
        small(
            agents={"lenders": lenders, "borrowers": borrowers, "providers": providers},
            venue=venue,
        ),
        rng=1,
    )


def test_balance_sheets_are_the_markets(market: Market) -> None:
    system = derive(market)
    sheets = market.balance_sheets().set_index("entity")["equity"]
    for name in system.entities:
        assert system.equity[name] == pytest.approx(sheets[name], rel=1e-9, abs=1e-3)


def test_who_passes_everything_on_is_looked_through(market: Market) -> None:
    system = derive(market)
    through = system.looked_through()
    assert "bank" in system.entities and "eth-usdc" in system.entities
    assert "bank" not in through.entities and "eth-usdc" not in through.entities
    assert through.claims.loc["lenders", "borrowers"] > 0.0
    assert through.holdings.loc["providers", "eth"] > 0.0
    own = system.holdings.loc["lenders", "eth"]
    assert through.holdings.loc["lenders", "eth"] == own, "ether that is pledged is not theirs"
    for name in through.entities:
        assert through.equity[name] == pytest.approx(system.equity[name], rel=1e-6, abs=1e-3)
    assert through.holdings.to_numpy().sum() == pytest.approx(system.holdings.to_numpy().sum())


def test_models_agree_while_nobody_fails(market: Market) -> None:
    told = foretold(derive(market), {"eth": -0.01})
    assert list(told) == MODELS
    # Nobody is near default: what clears is what holdings lose, and no default adds to it.
    for model in ("eisenberg_noe", "rogers_veraart", "furfine"):
        assert told[model].to_numpy() == pytest.approx(told["direct"].to_numpy(), abs=1e-6), model
    assert (told["debtrank"] >= told["direct"] - 1e-6).all()
    assert (told["fire_sales"] >= told["direct"] - 1e-6).all()


def test_a_fall_that_breaks_borrowers_reaches_their_lenders(market: Market) -> None:
    told = foretold(derive(market), {"eth": -0.7})
    for model in ("eisenberg_noe", "rogers_veraart", "debtrank", "furfine", "neva"):
        assert told.loc["lenders", model] > told.loc["lenders", "direct"] + 1.0, model
    assert told.loc["lenders", "rogers_veraart"] > told.loc["lenders", "eisenberg_noe"]


def test_scores_by_hand() -> None:
    lost = pd.Series({"a": 10.0, "b": 5.0, "c": 0.0})
    told = pd.DataFrame({"right": lost, "half": 0.5 * lost, "blind": [0.0, 0.0, 3.0]})
    found = score(told, lost)
    assert found.loc["right"].tolist() == [1.0, 1.0, 0.0, 0.0]
    assert found.loc["half", "size"] == 0.5
    assert found.loc["blind", ["missed", "spared"]].tolist() == [1.0, 1.0]


def test_a_lone_entity_has_an_answer() -> None:
    alone = System(
        ["x"],
        ["usdc", "eth"],
        np.zeros((1, 1, 2)),
        np.array([[10.0, 90.0]]),
        pd.Series({"usdc": 0.0, "eth": 1e-6}),
        pd.Series({"usdc": 0.0, "eth": 0.5}),
    )
    told = foretold(alone, {"eth": -0.1})
    assert told.loc["x", "direct"] == pytest.approx(9.0)
    assert told.loc["x", "eisenberg_noe"] == pytest.approx(9.0)
