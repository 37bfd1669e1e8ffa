"""Providers come for fees and go on loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sim import Market, Scenario


def provided(small: Callable[..., Scenario], group: dict[str, Any], **changes: Any) -> Market:
    base = {
        "kind": "liquidity_provider",
        "count": 10,
        "pools": ["eth-usdc"],
        "stake": 10_000.0,
        "attention": 1.0,
        "wallet": {"eth": 1.0},
    }
    return Market(small(agents={"lps": base | group}, **changes), rng=1)


def inside(market: Market) -> int:
    share = market.ledger.token("eth-usdc-share")
    return int(np.count_nonzero(market.cohorts["lps"].balances(market)[:, share]))


def test_a_stake_is_a_part_of_the_pool(small: Callable[..., Scenario]) -> None:
    market = provided(small, {})
    part = market.ledger.balance("lps-0", "eth-usdc-share") / market.ledger.supply("eth-usdc-share")
    assert part * 4e6 == pytest.approx(10_000.0)
    assert inside(market) == 10


def test_without_fees_or_volatility_everybody_stays(small: Callable[..., Scenario]) -> None:
    market = provided(small, {"review": 5.0}).run(30)
    assert inside(market) == 10


def test_fees_below_the_expected_loss_drive_them_out(small: Callable[..., Scenario]) -> None:
    changes = {"venue": {"assets": {"eth": {"process": "gbm", "volatility": 2.0}}}}
    market = provided(small, {"review": 20.0, "volatility": 1e9}, **changes).run(60)
    assert inside(market) == 0
    assert market.ledger.balance("lps-0", "usdc") > 5000.0


def test_a_loss_beyond_tolerance_drives_them_out_at_once(small: Callable[..., Scenario]) -> None:
    sale = {
        "kind": "whale_sale",
        "token": "eth",
        "amount": 600.0,
        "target": "eth-usdc",
        "block": 5,
    }
    # The price outside falls with the pool's: their loss is valued there.
    ratio = (1.0 / (1.0 + 0.6 * 0.997)) * (1.0 / 1.6)  # price over price at entry
    fall = {"kind": "price_jump", "asset": "eth", "size": ratio - 1.0, "block": 5}
    tolerance = {"distribution": "uniform", "low": 0.02, "high": 0.2}
    group = {"tolerance": tolerance, "review": 1e6, "volatility": 1e9}
    market = provided(small, group, shocks=[sale, fall])
    flinch = market.cohorts["lps"].column("tolerance").copy()
    market.run(4)
    assert inside(market) == 10
    market.run(3)
    loss = 1.0 - 2.0 * np.sqrt(ratio) / (1.0 + ratio)
    assert inside(market) == np.count_nonzero(flinch >= loss)
    assert 0 < inside(market) < 10


def test_a_sale_below_the_price_outside_drives_nobody_out(small: Callable[..., Scenario]) -> None:
    """They have bought cheaply: at the venue's price that is a gain, and nobody's loss."""
    sale = {
        "kind": "whale_sale",
        "token": "eth",
        "amount": 600.0,
        "target": "eth-usdc",
        "block": 5,
    }
    group = {"tolerance": 0.02, "review": 1e6, "volatility": 1e9}
    market = provided(small, group, shocks=[sale]).run(10)
    assert inside(market) == 10
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert row["pool.eth-usdc.impermanent_loss"] > 0.1


def test_high_fees_bring_them_in(small: Callable[..., Scenario]) -> None:
    traders = {
        "kind": "noise_trader",
        "count": 50,
        "pools": ["eth-usdc"],
        "rate": 0.5,
        "size": 500.0,
        "wallet": {"eth": 1e4, "usdc": 1e7},
    }
    changes = {"venue": {"assets": {"eth": {"process": "constant"}}}}
    group = {
        "kind": "liquidity_provider",
        "count": 10,
        "pools": ["eth-usdc"],
        "stake": 10_000.0,
        "review": 20.0,
        "wallet": {"usdc": 20_000.0, "eth": 1.0},
    }
    market = Market(small(agents={"lps": group, "traders": traders}, **changes), rng=1)
    share = market.ledger.token("eth-usdc-share")
    own = market.cohorts["lps"].balances(market)
    # Put them outside first, with their stakes given back to the outside holders.
    market.ledger.balances[market.ledger.account("holders"), share] += own[:, share].sum()
    own[:, share] = 0.0
    market.run(120)
    assert inside(market) == 10
    worth = own[0, share] / market.ledger.supply("eth-usdc-share") * 4e6
    assert worth == pytest.approx(10_000.0, rel=0.1)
    market.ledger.audit()


def test_stakes_beyond_the_pool_are_refused(small: Callable[..., Scenario]) -> None:
    with pytest.raises(ValueError, match=r"agents.lps.stake: .*exceed"):
        provided(small, {"stake": 1e6})


@pytest.mark.parametrize("kind", ["weighted", "stableswap"])
def test_they_provide_to_other_kinds_of_pools(small: Callable[..., Scenario], kind: str) -> None:
    dai = {"assets": {"dai": {"price": 1.0, "process": "constant", "inventory": 1e9}}}
    pool: dict[str, Any] = {
        "kind": kind,
        "tokens": ["eth", "usdc"],
        "reserves": {"eth": 1000.0, "usdc": 5e5},
        "weights": {"eth": 4.0, "usdc": 1.0},
    }
    if kind == "stableswap":
        pool = {"kind": kind, "tokens": ["dai", "usdc"], "reserves": {"dai": 2e6, "usdc": 1e6}}
    trader = {
        "kind": "noise_trader", "count": 20, "pools": ["p"], "rate": 0.5, "herding": 0.0,
        "wallet": {"eth": 500.0, "usdc": 1e6, "dai": 1e6},
    }  # fmt: skip
    lps = {
        "kind": "liquidity_provider", "count": 4, "pools": ["p"], "stake": 10_000.0,
        "review": 20.0, "wallet": {"usdc": 1000.0}, "sells": 1.0,
    }  # fmt: skip
    agents = {"traders": trader, "lps": lps}
    market = Market(small(venue=dai, pools={"p": pool}, agents=agents, blocks=200), rng=1)
    share = market.ledger.token("p-share")
    held = market.cohorts["lps"].balances(market)[:, share]
    worth = (
        held
        / market.ledger.supply("p-share")
        * sum(a * market.price(t) for t, a in market.pools["p"].reserves.items())
    )
    assert worth == pytest.approx(10_000.0)
    leave = market.cohorts["lps"].column("tolerance")
    leave[:] = -1.0  # whatever happens is too much
    market.cohorts["lps"].column("attention")[:] = 1.0
    market.run(3)
    assert (market.cohorts["lps"].balances(market)[:, share] == 0.0).all()
    leave[:] = 1.0
    market.run(197)
    back = market.cohorts["lps"].balances(market)[:, share]
    assert (back > 0.0).all()  # fees without volatility: they come back
    again = (
        back
        / market.ledger.supply("p-share")
        * sum(a * market.price(t) for t, a in market.pools["p"].reserves.items())
    )
    assert again == pytest.approx(10_000.0, rel=0.05)
    market.ledger.audit()
