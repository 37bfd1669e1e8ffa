"""Attribution by counterfactual: exact where the answer is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runs.contagion import Plan, attribute, cut_each, loss_matrix
from runs.contagion.attribution import cut_of
from sim import Scenario
from sim.errors import ScenarioError

Make = Callable[..., Scenario]
SALE = {"kind": "whale_sale", "token": "eth", "amount": 400.0, "target": "one", "block": 5}
DROP = {"one": "-last(pool.one.price)", "two": "-last(pool.two.price)"}


@pytest.fixture
def pair(small: Make) -> Scenario:
    """Two pools of the same pair, joined by arbitrage alone, and lenders who link nothing."""
    pool = {"tokens": ["eth", "usdc"], "reserves": {"eth": 1_000.0, "usdc": 2e6}}
    cyclic = {
        "kind": "cyclic_arbitrageur", "count": 3,
        "wallet": {"usdc": 1e6, "eth": 500.0},
    }  # fmt: skip
    lenders = {
        "kind": "lender", "count": 20, "lending": "bank", "debt": "usdc", "attention": 0.5,
        "outside_yield": 0.5, "wallet": {"eth": 1.0},
    }  # fmt: skip
    content = small(
        pools={"one": pool, "two": pool}, agents={"links": cyclic, "lenders": lenders}, blocks=30
    ).to_dict()
    return Scenario.from_dict(content)


def test_the_one_channel_has_all_of_it(pair: Scenario) -> None:
    found = attribute(pair, ["links", "lenders"], DROP, [SALE], plan=Plan(seeds=3))
    shares = found.by_seed("two")
    assert (found.total("two") > 0.0).all()
    assert (shares["links"] == found.total("two")).all(), "to the bit"
    assert (shares["lenders"] == 0.0).all()
    assert (found.worth["two"][frozenset({"lenders"})] == 0.0).all(), "cut: nothing reaches it"
    table = found.shares("two")
    assert table.loc["links", "part"] == 1.0 and table.loc["lenders", "mean"] == 0.0
    assert set(found.table().index.get_level_values("loss")) == {"one", "two"}
    assert found.interactions("two").loc["links + lenders", "mean"] == pytest.approx(0.0, abs=1e-6)
    assert found.plot("two").axes


def test_cut_one_at_a_time_the_one_channel_has_all_of_it_too(pair: Scenario) -> None:
    every = attribute(pair, ["links", "lenders"], DROP, [SALE], plan=Plan(seeds=3))
    found = cut_each(pair, ["links", "lenders"], DROP, [SALE], plan=Plan(seeds=3))
    assert (found.whole["two"] == every.worth["two"][frozenset({"links", "lenders"})]).all()
    assert (found.without["two"]["links"] == every.worth["two"][frozenset({"lenders"})]).all()
    table = found.carried("two")
    assert table.loc["links", "part"] == 1.0 and table.loc["lenders", "mean"] == 0.0
    assert found.seeds == (1, 2, 3)


def test_sampled_orders_find_the_same(pair: Scenario) -> None:
    exact = attribute(pair, ["links", "lenders"], DROP, [SALE], plan=Plan(seeds=2))
    drawn = attribute(pair, ["links", "lenders"], DROP, [SALE], samples=4, plan=Plan(seeds=2))
    for link in exact.links:
        assert drawn.by_seed("two")[link] == pytest.approx(exact.by_seed("two")[link])
    assert "sampling" in drawn.shares("two")
    with pytest.raises(ValueError, match="sampled"):
        drawn.interactions("two")


def test_a_symmetric_market_has_a_symmetric_matrix(pair: Scenario) -> None:
    content = pair.to_dict()
    del content["agents"]["lenders"]
    shocks = {"one": SALE, "two": SALE | {"target": "two"}}
    found = loss_matrix(Scenario.from_dict(content), shocks, DROP, Plan(seeds=3))
    mean = found.mean()
    assert mean.loc["one", "two"] == pytest.approx(mean.loc["two", "one"], rel=1e-6)
    assert mean.loc["one", "one"] == pytest.approx(mean.loc["two", "two"], rel=1e-6)
    assert mean.loc["one", "two"] > 0.0
    low, high = found.interval()
    assert (low <= mean + 1e-9).all().all() and (mean <= high + 1e-9).all().all()
    assert found.plot().axes


def test_before_the_cut_nothing_differs(pair: Scenario) -> None:
    shock = cut_of(pair, "links", 12)
    from sim import Market

    plain = Market(pair, rng=1).run(30).datacollector.get_model_vars_dataframe()
    content = pair.to_dict() | {"shocks": [shock]}
    cut = Market(content, rng=1).run(30).datacollector.get_model_vars_dataframe()
    both = [c for c in plain if c in cut]
    before = (plain["block"] < 12).to_numpy()
    assert plain.loc[before, both].equals(cut.loc[before, both])
    assert np.isfinite(cut["pool.one.price"]).all()


def test_a_plan_that_stops_goes_on(pair: Scenario, tmp_path: Path) -> None:
    plan = Plan(seeds=2, out=tmp_path)
    first = attribute(pair, ["links"], DROP, [SALE], plan=plan)
    again = attribute(pair, ["links"], DROP, [SALE], plan=plan)
    assert (first.by_seed("two")["links"] == again.by_seed("two")["links"]).all()
    assert first.seeds == (1, 2)


@pytest.mark.parametrize(
    ("links", "losses", "shocks", "word"),
    [
        (["link"], DROP, [SALE], "links"),
        (["links"], DROP, None, "there are none"),
        (["links"], {}, [SALE], "say what counts"),
        (["links"], {"x": "lost"}, [SALE], "losses.x"),
        (["links"], DROP, [{"kind": "price_jump", "asset": "no", "size": 1.0, "block": 2}], "no"),
    ],
)
def test_what_makes_no_sense_is_told(
    pair: Scenario, links: list[str], losses: dict[str, str], shocks: Any, word: str
) -> None:
    with pytest.raises(ScenarioError, match=word):
        attribute(pair, links, losses, shocks, plan=Plan(seeds=1))


def test_what_holds_from_the_start_alone_is_no_link(pair: Scenario) -> None:
    with pytest.raises(ScenarioError, match="from the start"):
        cut_of(pair, "claims_as_collateral", 5)


def test_who_meets_nobody_is_missed_by_nobody(pair: Scenario) -> None:
    """Of a group whose tokens and places are its own all others see nothing, to the bit."""
    from sim import Market

    content = pair.to_dict()
    content["venue"]["assets"]["btc"] = {
        "price": 40_000.0, "process": "constant", "inventory": 1e6,
    }  # fmt: skip
    content["pools"]["far"] = {"tokens": ["btc", "usdc"], "reserves": {"btc": 50.0, "usdc": 2e6}}
    hermits = {
        "kind": "noise_trader", "count": 20, "pools": ["far"], "rate": 0.3,
        "wallet": {"btc": 5.0, "usdc": 40_000.0},
    }  # fmt: skip
    content["agents"]["lenders"]["attention"] = 0.5
    alone = Market(Scenario.from_dict(content), rng=3).run(30)
    content["agents"] = {"hermits": hermits} | content["agents"]
    with_them = Market(Scenario.from_dict(content), rng=3).run(30)
    assert (with_them.receipts()["cohort"] == "hermits").sum() > 50, "they did trade"
    for name in (*alone.cohorts, "one", "two", "bank"):
        accounts = [name]
        if name in alone.cohorts:
            accounts = [alone.ledger.accounts[row] for row in alone.cohorts[name].accounts()]
        for account in accounts:
            for token in ("eth", "usdc"):
                left = alone.ledger.balance(account, token)
                assert left == with_them.ledger.balance(account, token), (account, token)
