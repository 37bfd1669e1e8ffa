"""Cascade trees: planted chains are found, and runs name the parent where order does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import pandas as pd
import pytest

from runs.contagion import Plan, cascades
from runs.contagion.cascades import COUNTERFACTUAL, ORDER, OUTSIDE
from sim import Market, Scenario
from sim.errors import ScenarioError

Make = Callable[..., Scenario]
SALE = {"kind": "whale_sale", "token": "eth", "amount": 150.0, "target": "eth-usdc", "block": 10}


@pytest.fixture
def chain(small: Make) -> Scenario:
    """A whale sells into the pool that the bank believes; what is seized is sold there."""
    borrowers = {
        "kind": "leveraged_borrower", "count": 30, "lending": "bank", "collateral": "eth",
        "debt": "usdc", "pools": ["eth-usdc"], "equity": 8_000.0, "attention": 0.0, "alarm": 0.0,
        "leverage": {"distribution": "uniform", "low": 2.0, "high": 4.5}, "wallet": {"eth": 1.0},
    }  # fmt: skip
    liquidators = {
        "kind": "liquidator", "count": 2, "lending": "bank", "pools": ["eth-usdc"],
        "wallet": {"usdc": 5e5, "eth": 5.0},
    }  # fmt: skip
    return small(
        blocks=60,
        oracles={"eth": {"token": "eth", "source": "pool_spot", "pool": "eth-usdc"}},
        agents={"borrowers": borrowers, "liquidators": liquidators},
        shocks=[SALE],
    )


def test_a_planted_chain_is_found(chain: Scenario) -> None:
    found = cascades(Market(chain, rng=1).run(), reruns=60)
    events = found.events.set_index("event")
    shock = events[events["kind"] == "shock"]
    assert len(shock) == 1 and shock["block"].tolist() == [10]
    liquidated = events[events["kind"] == "liquidation"]
    assert len(liquidated) >= 5 and (liquidated["parent"] >= 0).all()
    # Nothing but the whale and what is seized is ever sold: all hang on the one shock.
    assert set(events["root"]) == {int(shock.index[0])}
    assert set(events.loc[liquidated["parent"], "kind"]) == {"sale"}
    sales = events[(events["kind"] == "sale") & (events["group"] == "liquidators")]
    assert set(events.loc[sales["parent"], "kind"]) == {"liquidation"}
    assert set(sales["channel"]) == {"inventory"}
    first = liquidated["block"].min()
    assert set(liquidated.loc[liquidated["block"] == first, "generation"]) == {0}
    assert liquidated["generation"].max() >= 1, "what is seized pushes others over"
    later = found.effects["since"].dropna()
    assert (later >= 1).all(), "a price is read after the block in which it moved"
    assert 0.0 < found.branching_ratio < 1.0
    assert found.branching_ratio == pytest.approx(len(later) / len(found.effects))


def test_parents_come_before_their_children(chain: Scenario) -> None:
    found = cascades(Market(chain, rng=2).run(), reruns=60)
    events = found.events.set_index("event")
    joined = events[events["parent"] >= 0]
    parents = events.loc[joined["parent"]]
    assert (parents["block"].to_numpy() <= joined["block"].to_numpy()).all()
    assert (joined["parent"].to_numpy() < joined.index.to_numpy()).all()
    assert nx.is_directed_acyclic_graph(found.graph)
    assert max(d for _, d in found.graph.in_degree()) == 1
    steps = joined["generation"].to_numpy() - parents["generation"].to_numpy()
    up = parents["kind"].isin(["liquidation", "default", "withdrawal"]).to_numpy()
    assert (steps == up).all()
    assert found.sizes()["effects"].sum() == len(found.effects)


def test_what_order_does_not_tell_a_run_does(chain: Scenario) -> None:
    """With two shocks in one window the one counts without which it does not happen."""
    content = chain.to_dict()
    content["shocks"] = [SALE, SALE | {"amount": 12.0}]
    found = cascades(Market(content, rng=1).run(), reruns=60)
    events = found.events.set_index("event")
    first = events[(events["kind"] == "liquidation") & (events["generation"] == 0)]
    assert (first["candidates"] >= 1).all() and len(first)
    assert found.reruns > 0 and found.named_by_counterfactual > 0.0
    sold = events.loc[first["parent"], "amount"]
    assert sold.max() == SALE["amount"]


def test_without_runs_none_is_named_by_them(chain: Scenario) -> None:
    found = cascades(Market(chain, rng=1).run(), reruns=0)
    assert found.reruns == 0 and found.named_by_counterfactual == 0.0
    assert COUNTERFACTUAL not in set(found.events["named"])


def test_a_price_that_fell_by_itself_has_no_parent(small: Make) -> None:
    """The venue falls; a trader sells there every block, and has nothing to do with it."""
    borrowers = {
        "kind": "leveraged_borrower", "count": 20, "lending": "bank", "collateral": "eth",
        "debt": "usdc", "pools": ["eth-usdc"], "equity": 8_000.0, "attention": 0.0, "alarm": 0.0,
        "leverage": 3.0, "wallet": {"eth": 1.0},
    }  # fmt: skip
    liquidators = {
        "kind": "liquidator", "count": 2, "lending": "bank", "wallet": {"usdc": 5e5, "eth": 5.0},
    }  # fmt: skip
    drop = {"kind": "price_jump", "asset": "eth", "block": 10, "size": -0.3}
    setup = small(
        blocks=40, agents={"borrowers": borrowers, "liquidators": liquidators}, shocks=[drop],
        venue={"assets": {"eth": {"depth": 1e12}}},
    )  # fmt: skip
    found = cascades(Market(setup, rng=1).run(), reruns=40)
    liquidated = found.events[found.events["kind"] == "liquidation"]
    assert len(liquidated) >= 5
    at_once = liquidated[liquidated["block"] == liquidated["block"].min()]
    parents = found.events.set_index("event").loc[at_once["parent"], "kind"]
    assert set(parents) == {"shock"} and set(at_once["named"]) <= {ORDER, COUNTERFACTUAL}
    assert not (set(liquidated["named"]) - {ORDER, COUNTERFACTUAL, OUTSIDE})


def test_depositors_who_leave_a_bank_that_others_have_emptied_follow_these(small: Make) -> None:
    """Forty are made to withdraw, utilisation rises, and who fears that takes what is left."""

    def lenders(fear: float, sensitivity: float) -> dict[str, Any]:
        return {
            "kind": "lender", "count": 40, "lending": "bank", "debt": "usdc", "fear": fear,
            "sensitivity": sensitivity, "outside_yield": 0.0, "yield_response": 0.0,
            "social": 0.0, "attention": 0.2, "size_attention": 0.0, "wallet": {"eth": 1.0},
        }  # fmt: skip

    borrowers = {
        "kind": "leveraged_borrower", "count": 10, "lending": "bank", "collateral": "eth",
        "debt": "usdc", "pools": ["eth-usdc"], "equity": 60_000.0, "leverage": 2.0,
        "attention": 0.0, "alarm": 0.0, "wallet": {"eth": 1.0},
    }  # fmt: skip
    run = {
        "kind": "withdrawal",
        "lending": "bank",
        "token": "usdc",
        "share": 0.4,
        "agents": "first",
    }
    setup = small(
        blocks=60, shocks=[run | {"block": 10}],
        lending={"bank": {"reserves": {"usdc": {"cash": 0.0}}}},
        agents={"first": lenders(1.0, 0.0), "afraid": lenders(0.85, 1.0), "borrowers": borrowers},
    )  # fmt: skip
    assert cascades(Market(setup.override({"shocks": []}), rng=1).run()).events.empty
    found = cascades(Market(setup, rng=1).run(), reruns=20)
    events = found.events.set_index("event")
    left = events[events["kind"] == "withdrawal"]
    (shock,) = events.index[events["kind"] == "shock"]
    assert events.loc[shock, "protocol"] == "bank" and events.loc[shock, "amount"] == 0.4
    forced, afraid = left[left["group"] == "first"], left[left["group"] == "afraid"]
    assert (
        len(forced) == 40 and set(forced["parent"]) == {shock} and set(forced["named"]) == {ORDER}
    )
    # Order alone never tells why somebody withdraws; a run without the shock does.
    assert len(afraid) >= 3 and set(afraid["named"]) == {COUNTERFACTUAL}
    assert set(events.loc[afraid["parent"], "kind"]) == {"withdrawal"}
    assert set(left["root"]) == {shock} and set(left["channel"]) == {"liquidity"}
    assert set(forced["generation"]) == {0} and afraid["generation"].min() == 1


def test_who_sells_for_what_they_watch_flees_those_who_moved_it(small: Make) -> None:
    """A whale sells; who follows the trend sells after it, and not without it."""
    followers = {
        "kind": "momentum_trader", "count": 10, "pools": ["eth-usdc"], "span": 5.0,
        "threshold": 0.5, "size": 2_000.0, "attention": 0.2, "wallet": {"eth": 50.0},
    }  # fmt: skip
    setup = small(blocks=40, agents={"followers": followers}, shocks=[SALE])
    watched = {"followers": [("eth-usdc", "eth")]}
    run = Market(setup, rng=1).run()
    assert "flight" not in set(cascades(run, reruns=0).events["kind"]), "nobody is said to flee"
    found = cascades(run, reruns=60, watched=watched)
    events = found.events.set_index("event")
    fled = events[events["kind"] == "flight"]
    (shock,) = events.index[events["kind"] == "shock"]
    assert len(fled) >= 3 and set(fled["group"]) == {"followers"}
    first = fled[fled["block"] == fled["block"].min()]
    assert set(first["named"]) == {COUNTERFACTUAL} and set(first["root"]) == {shock}
    assert found.summary()["flights"] == len(fled) == found.summary()["effects"]
    with pytest.raises(ValueError, match="no group 'crowd'"):
        cascades(run, reruns=0, watched={"crowd": [("eth-usdc", "eth")]})
    with pytest.raises(ValueError, match="'nowhere' is no place"):
        cascades(run, reruns=0, watched={"followers": [("nowhere", "eth")]})


@pytest.fixture
def two_rates(small: Make) -> Scenario:
    """Two alike banks, who owes in whichever is cheaper, and who lends where more is paid."""
    reserves = {
        "eth": {"ltv": 0.8, "threshold": 0.83, "bonus": 0.05},
        "usdc": {
            "collateral": False, "cash": 5e5, "slope1": 0.04, "slope2": 0.6, "optimal": 0.9,
        },
    }  # fmt: skip
    owing = {
        "kind": "refinancer", "count": 6, "lending": ["bank", "two"], "collaterals": ["eth"],
        "debt": "usdc", "pools": ["eth-usdc"], "attention": 0.2, "reservation": 5.0,
        "equity": 50_000.0, "wallet": {"eth": 5.0, "usdc": 100.0},
    }  # fmt: skip
    leave = {"kind": "withdrawal", "lending": "bank", "token": "usdc", "block": 10}
    return small(
        blocks=60, lending={"bank": {"reserves": reserves}, "two": {"reserves": reserves}},
        agents={"owing": owing}, shocks=[leave | {"share": 0.02}, leave | {"share": 0.85}],
    )  # fmt: skip


def test_who_refinances_follows_who_raised_the_rate(two_rates: Scenario) -> None:
    """Two withdraw at once; the one counts without which nobody would have paid more."""
    run = Market(two_rates, rng=1).run()
    plain = cascades(run, reruns=20)
    assert "repayment" not in set(plain.events["kind"]), "nobody is said to watch a rate"
    found = cascades(run, reruns=20, watched={"owing": [("bank", "usdc"), ("two", "usdc")]})
    events = found.events.set_index("event")
    repaid = events[events["kind"] == "repayment"]
    assert len(repaid) >= 2 and set(repaid["group"]) == {"owing"}
    assert set(repaid["channel"]) == {"rate"} and set(repaid["named"]) == {COUNTERFACTUAL}
    raised = events.loc[repaid["parent"]]
    assert set(raised["kind"]) == {"withdrawal"} and (raised["amount"] > 3e5).all()
    assert set(events.loc[raised["parent"], "amount"]) == {0.85}, "the small one did nothing"
    # What the repayment has freed comes out in the same transaction.
    freed = events[(events["kind"] == "withdrawal") & (events["group"] == "owing")]
    assert set(events.loc[freed["parent"], "kind"]) == {"repayment"}
    assert (freed["generation"] == 2).all() and (repaid["generation"] == 1).all()
    assert found.summary()["repayments"] == len(repaid)
    with pytest.raises(ValueError, match="a lending market or"):
        cascades(run, reruns=0, watched={"owing": [("three", "usdc")]})


def test_who_lends_moves_to_where_others_have_raised_the_rate(two_rates: Scenario) -> None:
    """The second bank's lenders move to the first, whose rate others have raised."""
    lending = {
        "kind": "allocator", "count": 20, "lending": ["bank", "two"], "token": "usdc",
        "purse": 20_000.0, "kept": 0.1, "outside_yield": 0.0, "fear": 1.0, "attention": 0.1,
        "wallet": {"eth": 1.0},
    }  # fmt: skip
    setup = two_rates.override({"agents.lending": lending, "blocks": 80})
    rates = [("bank", "usdc"), ("two", "usdc")]
    found = cascades(
        Market(setup, rng=1).run(), reruns=200, since=10, watched={"owing": rates, "lending": rates}
    )
    events = found.events.set_index("event")
    moved = events[(events["kind"] == "withdrawal") & (events["group"] == "lending")]
    by_rate = moved[moved["channel"] == "rate"]
    assert len(by_rate) >= 1 and set(by_rate["named"]) == {COUNTERFACTUAL}
    above = events.loc[by_rate["parent"]]
    assert (above["protocol"].to_numpy() != by_rate["protocol"].to_numpy()).all()


def test_runs_resume_and_files_are_written(chain: Scenario, tmp_path: Path) -> None:
    market = Market(chain, rng=1).run()
    plan = Plan(out=tmp_path / "runs")
    first = cascades(market, plan, reruns=40)
    again = cascades(market, plan, reruns=40)
    pd.testing.assert_frame_equal(first.events, again.events)
    table, trees = first.write(tmp_path)
    pd.testing.assert_frame_equal(pd.read_parquet(table), first.events)
    graph = nx.read_graphml(trees, node_type=int)
    assert set(graph.edges) == set(first.graph.edges)
    assert first.plot().axes[0].get_xlabel() == "block"
    assert first.summary()["liquidations"] == (first.events["kind"] == "liquidation").sum()


def test_nothing_happens_in_calm(small: Make) -> None:
    found = cascades(Market(small(blocks=5), rng=1).run())
    assert found.events.empty and pd.isna(found.branching_ratio)
    assert found.plot().axes


def test_without_receipts_it_says_what_to_do(small: Make) -> None:
    market = Market(small(measures={"receipts": "none"}, blocks=2)).run()
    with pytest.raises(ScenarioError, match=r"measures\.receipts"):
        cascades(market)


def test_a_market_changed_by_hand_is_refused(chain: Scenario) -> None:
    content = chain.to_dict() | {"shocks": [SALE, SALE | {"amount": 12.0}]}
    market = Market(content, rng=1).run()
    market.setup = market.setup.override({"agents.liquidators.wallet.usdc": 100.0})
    with pytest.raises(ValueError, match="does not make this market again"):
        cascades(market, reruns=10)
