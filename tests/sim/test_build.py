"""The state that a market starts in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sim import Market, Scenario
from sim.build import Layout, underlying


def test_everything_has_a_name_in_a_fixed_order(lively: Callable[..., Scenario]) -> None:
    layout = Layout(lively())
    assert layout.tokens == [
        "usdc",
        "eth",
        "eth-usdc-share",
        "bank-eth",
        "bank-eth-debt",
        "bank-usdc",
        "bank-usdc-debt",
    ]
    assert layout.issuers["eth-usdc-share"] == "eth-usdc"
    assert layout.issuers["bank-usdc-debt"] == "bank"
    assert layout.accounts[layout.first["traders"]] == "traders-0"


def test_a_market_starts_with_balanced_books_and_the_stated_pools(
    lively: Callable[..., Scenario],
) -> None:
    market = Market(lively(), rng=1)
    market.ledger.audit()
    market.lending["bank"].audit()
    assert market.pools["eth-usdc"].reserves == pytest.approx({"eth": 1000.0, "usdc": 2e6})
    leverage = market.cohorts["borrowers"].column("leverage")
    positions = market.lending["bank"].positions().set_index("account")
    for i in range(30):
        row = positions.loc[f"borrowers-{i}"]
        own = row["collateral_value"] - row["debt_value"]
        assert row["collateral_value"] / own == pytest.approx(leverage[i])


def test_outside_holders_make_the_utilisation_that_is_asked_for(
    lively: Callable[..., Scenario],
) -> None:
    reserves = {"usdc": {"cash": 0.0, "utilisation": 0.4}}
    market = Market(lively(lending={"bank": {"reserves": reserves}}), rng=1)
    assert market.lending["bank"].utilisation("usdc") == pytest.approx(0.4)
    market.run(20)
    market.lending["bank"].audit()
    market.ledger.audit()


def test_what_lies_under_a_position_is_worth_the_position(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(), rng=1).run(30)
    for name in ("providers-1", "lenders-2", "borrowers-3"):
        held = market.ledger.balances[market.ledger.account(name)]
        base = underlying(market.world, held)
        assert np.count_nonzero(base[2:]) == 0
        worth = base[0] + base[1] * market.venue.price("eth")
        assert worth == pytest.approx(market.wealth(name))


@pytest.mark.parametrize(
    ("switch", "holds"),
    [
        ("gas_binds", lambda m: m.world.rules[0]["fee_market"] == 0),
        ("venue_depth_is_finite", lambda m: m.world.assets[0]["depth"] == np.inf),
        ("oracle_reads_market", lambda m: m.world.feeds[0]["exogenous"] == 1),
        ("liquidators_sell", lambda m: np.isinf(m.cohorts["liquidators"].column("hold")).all()),
        ("capital_is_finite", lambda m: m.ledger.balance("arbitrageurs-0", "usdc") > 1e6),
        ("providers_leave", lambda m: np.isinf(m.cohorts["providers"].column("tolerance")).all()),
        ("lenders_leave", lambda m: (m.cohorts["lenders"].column("attention") == 0.0).all()),
    ],
)
def test_a_switch_cuts_its_mechanism(
    lively: Callable[..., Scenario], switch: str, holds: Callable[[Market], bool]
) -> None:
    assert not holds(Market(lively(), rng=1))
    cut = Market(lively(switches={switch: False}), rng=1)
    assert holds(cut)
    cut.run(40)


def test_a_share_is_priced_by_the_oracles_that_are_called_like_its_tokens(
    small: Callable[..., Scenario],
) -> None:
    oracles = {
        "other": {"token": "eth", "source": "fixed", "price": 1.0},
        "eth": {"token": "eth"},
        "usdc": {"token": "usdc", "source": "fixed", "price": 1.0},
        "share": {"token": "eth-usdc-share", "source": "share", "pool": "eth-usdc"},
    }
    content = small().to_dict() | {"oracles": oracles}
    market = Market(Scenario.from_dict(content), rng=1)
    assert market.oracles["share"].price == pytest.approx(market.price("eth-usdc-share"))


def test_a_utilisation_that_nobody_borrows_for_leaves_no_leak(
    small: Callable[..., Scenario],
) -> None:
    reserves = {"usdc": {"utilisation": 0.7, "cash": 0.0}}
    pool = {"tokens": ["eth", "usdc"], "reserves": {"eth": 0.3, "usdc": 617.1}}
    venue = {"inventory": 0.0}
    market = Market(
        small(lending={"bank": {"reserves": reserves}}, pools={"eth-usdc": pool}, venue=venue),
        rng=1,
    )
    assert market.ledger.audit() < 1e-12
    assert market.lending["bank"].audit() < 1e-12
