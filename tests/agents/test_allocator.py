"""Allocators spread a purse by a logit, run, and carry fear and need of cash between markets."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from agents.allocator import MOST_MARKETS, gain_of_move, heard, overlaps, spread
from sim import Market, Scenario
from sim.errors import ScenarioError

BANKS = ("bank", "two")
HOLDERS = 4e5
"""Deposits of outside holders in each market, so that agents move its rate little."""


def lent(
    small: Callable[..., Scenario],
    group: dict[str, Any],
    debts: tuple[float, float] = (0.5, 0.5),
    other: str = "eth",
    slope2: float = 1.0,
    **changes: Any,
) -> Market:
    """Two markets whose debts are parts of the holders' deposits, and allocators in both."""
    taken = {"ltv": 0.8, "threshold": 0.83, "bonus": 0.05, "borrowable": False}
    usdc = {"collateral": False, "slope2": slope2}
    banks = {"bank": {"usdc": usdc | {"cash": 0.0}}, "two": {other: taken, "usdc": usdc}}
    lending = {name: {"reserves": reserves} for name, reserves in banks.items()}
    base = {
        "kind": "allocator",
        "count": 40,
        "lending": list(BANKS),
        "token": "usdc",
        "purse": 1000.0,
        "attention": 0.2,
        "patience": 1.0,
        "fear": 1.0,
        "social": 0.0,
        "wallet": {"eth": 1.0},
    }
    agents: dict[str, Any] = {"allocators": base | group}
    for name, debt, token in zip(BANKS, debts, ("eth", other), strict=True):
        agents[f"of-{name}"] = {
            "kind": "leveraged_borrower",
            "count": 1,
            "lending": name,
            "collateral": token,
            "debt": "usdc",
            "equity": debt * HOLDERS,
            "leverage": 2.0,
            "attention": 0.0,
            "alarm": 0.0,
        }
        agents[f"at-{name}"] = {
            "kind": "lender",
            "count": 1,
            "lending": name,
            "debt": "usdc",
            "deposit": HOLDERS,
            "attention": 0.0,
        }
    return Market(small(lending=lending, agents=agents, **changes), rng=3)


def deposits(market: Market) -> dict[str, float]:
    """What all allocators have in each market."""
    rows = range(market.cohorts["allocators"].first, market.cohorts["allocators"].first + 40)
    return {n: sum(market.lending[n].deposit_of(row, "usdc") for row in rows) for n in BANKS}


def test_odds_are_the_exponential_of_the_gap() -> None:
    shares = np.zeros(3)
    spread(np.array([0.01, 0.03, 0.08]), 3, 40.0, 1.0, shares)
    assert shares.sum() == pytest.approx(1.0)
    assert shares[2] / shares[1] == pytest.approx(math.exp(40.0 * 0.05))
    assert shares[1] / shares[0] == pytest.approx(math.exp(40.0 * 0.02))
    spread(np.array([0.01, 0.03, -np.inf]), 3, 0.0, 0.5, shares)
    assert shares.tolist() == pytest.approx([1.0 / 3.0, 2.0 / 3.0, 0.0])


def test_a_move_gains_what_the_logit_maximises() -> None:
    rates, sensitivity = np.array([0.01, 0.03, 0.08]), 40.0
    aim, now = np.zeros(3), np.array([0.5, 0.3, 0.2])
    spread(rates, 3, sensitivity, 1.0, aim)

    def value(shares: Any) -> float:
        return float(shares @ rates - shares @ np.log(shares) / sensitivity)

    after = now + np.array([-0.1, 0.0, 0.1])
    gain = gain_of_move(now[0], aim[0], now[2], aim[2], 0.1, sensitivity)
    assert gain == pytest.approx(value(after) - value(now))
    assert gain > 0.0
    assert value(aim) > value(after)


def test_news_is_weighed_by_what_markets_have_in_common() -> None:
    own, overlap = np.array([0.0, 0.4, 0.2]), np.zeros((MOST_MARKETS, MOST_MARKETS))
    overlap[0, 1], overlap[0, 2] = 0.5, 1.0
    assert heard(own, overlap.ravel(), 3, 0, 0.5) == pytest.approx(0.5 * (0.5 * 0.4 + 0.2))
    assert heard(own, overlap.ravel(), 3, 1, 0.5) == 0.4
    assert heard(own, overlap.ravel(), 3, 0, 0.0) == 0.0


def test_overlap_counts_what_can_secure_a_loan(small: Callable[..., Scenario]) -> None:
    market = lent(small, {})
    settings = list(market.setup.lending.values())
    assert overlaps(settings)[0, 1] == 1.0
    assert market.cohorts["allocators"].remembered["overlap"][1] == 1.0
    assert overlaps(settings)[2:].sum() == 0.0


def test_it_spreads_as_the_logit_says(small: Callable[..., Scenario]) -> None:
    group = {"spread_sensitivity": 60.0, "outside_yield": 0.02, "band": 0.001, "purse": 100.0}
    market = lent(small, group, (0.3, 0.75)).run(100)
    rates = [market.lending[n].supply_rate("usdc") for n in BANKS]
    found = deposits(market)
    assert found["two"] / found["bank"] == pytest.approx(
        math.exp(60.0 * (rates[1] - rates[0])), rel=0.03
    )
    outside = market.cohorts["allocators"].balances(market)[:, market.ledger.token("usdc")].sum()
    assert found["bank"] / outside == pytest.approx(math.exp(60.0 * (rates[0] - 0.02)), rel=0.05)


def test_a_move_that_does_not_pay_its_gas_is_not_made(small: Callable[..., Scenario]) -> None:
    block = {"fee_market": "eip1559", "base_fee": 30.0, "outside": {"gas": 0.5}}
    gap = (0.3, 0.75)
    assert not lent(small, {"purse": 1e6}, gap, block=block).run(30).receipts().empty
    assert lent(small, {"purse": 200.0}, gap, block=block).run(30).receipts().empty
    longer = lent(small, {"purse": 200.0, "horizon": 1e5}, gap, block=block).run(30)
    assert not longer.receipts().empty


def test_it_runs_from_a_market_that_it_fears(small: Callable[..., Scenario]) -> None:
    group = {"fear": 0.8, "sensitivity": 1.0, "news": 0.0, "need": 0.0, "aversion": 5.0}
    market = lent(small, group, (0.98, 0.5))
    before = deposits(market)
    market.run(100)
    after = deposits(market)
    assert after["bank"] < 0.4 * before["bank"]
    assert after["two"] > before["two"]


WITHDRAWAL = {
    "kind": "withdrawal",
    "lending": "bank",
    "token": "usdc",
    "share": 0.42,
    "block": 40,
    "agents": "at-bank",
}
CUT: dict[str, Any] = {"switches": {"fear_spreads": False}}


def left_of_two(small: Callable[..., Scenario], group: dict[str, Any], other: str = "eth") -> float:
    """What is left in market two after the first ran out of cash, over what was there without.

    Full markets pay no more than others, so that nobody comes for the rate.
    """
    calm = {"fear": 0.9, "sensitivity": 0.3, "kept": 0.3, "band": 0.01, "aversion": 0.2} | group
    content = {
        "venue": {"assets": {"btc": {"price": 2000.0, "process": "constant", "inventory": 1e6}}},
        "oracles": {"btc": {"token": "btc", "source": "venue"}},
    }
    found = []
    for shocks in ([], [WITHDRAWAL]):
        market = lent(small, calm, (0.6, 0.5), other, 0.0, shocks=shocks, **content).run(120)
        found.append(deposits(market)["two"])
    assert market.lending["bank"].utilisation("usdc") > 0.99
    return found[1] / found[0]


def test_fear_of_one_market_reaches_another_with_the_same_collateral(
    small: Callable[..., Scenario],
) -> None:
    news = {"news": 1.0, "need": 0.0}
    assert left_of_two(small, news) < 0.2
    assert left_of_two(small, news, other="btc") > 1.0
    assert left_of_two(small, {"news": 0.0, "need": 0.0}) > 1.0


def test_who_cannot_get_its_cash_takes_it_elsewhere(small: Callable[..., Scenario]) -> None:
    assert left_of_two(small, {"news": 0.0, "need": 1.0}) < 0.8


def test_news_makes_all_look_more_often(small: Callable[..., Scenario]) -> None:
    def sent(news: float) -> int:
        group = {"news": news, "attention": 0.01, "alarm": 50.0, "fear": 0.9, "sensitivity": 0.3}
        market = lent(small, group, (0.6, 0.5), "eth", 0.0, shocks=[WITHDRAWAL]).run(80)
        return int((market.receipts().query("cohort == 'allocators'")["block"] > 40).sum())

    assert sent(1.0) > 5 * max(sent(0.0), 1)


BAD_DEBT: dict[str, Any] = {
    "venue": {
        "assets": {
            "btc": {"price": 2000.0, "process": "constant", "inventory": 1e6},
            "eth": {"depth": 1e6},
        }
    },
    "oracles": {"btc": {"token": "btc", "source": "venue"}},
    "shocks": [{"kind": "price_jump", "asset": "eth", "size": -0.6, "block": 40}],
}
"""Ether falls below what is owed against it in the first market, which closes the account."""


def after_a_loss(small: Callable[..., Scenario], group: dict[str, Any], **changes: Any) -> Market:
    """The market after depositors of the first market have lost; the second takes no ether."""
    setup = lent(small, group, (0.3, 0.3), "btc", 0.0, **BAD_DEBT, **changes).setup
    closing = setup.override({"lending.bank.default": "close"})
    return Market(closing, rng=3).run(120)


def test_who_has_lost_in_one_market_takes_cash_from_the_other(
    small: Callable[..., Scenario],
) -> None:
    calm = {"news": 0.0, "bad_debt_fear": 0.0, "aversion": 0.0, "kept": 0.2}
    apart = after_a_loss(small, calm | {"need": 0.0})
    assert apart.lending["bank"].supply_index("usdc") < 0.98
    short = after_a_loss(small, calm | {"need": 1.0})
    assert deposits(short)["two"] < 0.98 * deposits(apart)["two"]


@pytest.mark.parametrize("ordering", ["gas_auction", "random", "first_come"])
def test_alone_no_market_feels_what_strikes_the_other(
    small: Callable[..., Scenario], ordering: str
) -> None:
    group = {"fear": 0.6, "sensitivity": 0.1, "social": 2.0, "spread_sensitivity": 80.0}
    group |= {"attention": 0.3, "news": 1.0, "aversion": 0.1, "outside_yield": 0.03}
    shocks = [WITHDRAWAL, WITHDRAWAL | {"block": 60, "share": 0.04}]

    def pair(**changes: Any) -> list[Market]:
        more = [{}, {"shocks": shocks}]
        block = {"ordering": ordering}
        return [lent(small, group, (0.6, 0.7), block=block, **m, **changes).run(150) for m in more]

    def of_two(market: Market) -> list[Any]:
        frame = market.datacollector.get_model_vars_dataframe()
        ledger = market.ledger
        held = [ledger.balances[:, ledger.token(f"two-{t}")] for t in ("usdc", "usdc-debt")]
        found = frame[[c for c in frame if c.startswith("lending.two.")]].to_numpy()
        sent = market.receipts().query("protocol == 'two' and cohort == 'allocators'")
        return [found.tobytes(), *(h.tobytes() for h in held), len(sent)]

    quiet, shaken = pair(**CUT)
    assert of_two(quiet) == of_two(shaken)
    assert of_two(quiet)[-1] > 40  # they do act there
    assert deposits(quiet)["bank"] != deposits(shaken)["bank"]
    quiet, shaken = pair()
    assert of_two(quiet) != of_two(shaken)


def test_alone_no_market_feels_a_loss_in_the_other(small: Callable[..., Scenario]) -> None:
    group = {"fear": 0.6, "spread_sensitivity": 80.0, "attention": 0.3, "outside_yield": 0.02}
    lost = after_a_loss(small, group, **CUT)
    whole = lent(small, group, (0.3, 0.3), "btc", 0.0, **BAD_DEBT | {"shocks": []}, **CUT).run(120)
    assert lost.lending["bank"].supply_index("usdc") < 0.98
    for token in ("two-usdc", "two-usdc-debt", "two-btc"):
        column = lost.ledger.token(token)
        held = [m.ledger.balances[:, column].tobytes() for m in (lost, whole)]
        assert held[0] == held[1]
    assert deposits(lost)["bank"] != deposits(whole)["bank"]


def test_sleeves_hold_what_the_purse_holds(small: Callable[..., Scenario]) -> None:
    group = {"fear": 0.6, "sensitivity": 0.3, "social": 2.0, "attention": 0.5}
    market = lent(small, group, (0.6, 0.7), shocks=[WITHDRAWAL], **CUT).run(150)
    cohort = market.cohorts["allocators"]
    wallet = cohort.balances(market)[:, market.ledger.token("usdc")]
    pending = np.where(cohort.column("asked") != 0.0, cohort.column("asked"), 0.0)
    cash = cohort.column("cash").sum(axis=1)
    settled = ~pending.any(axis=1)
    assert settled.any()
    # A hundredth of the first cash stays with the agent; withdrawals add to cash what they took.
    first = 0.01 * 0.1 * 1000.0
    assert cash[settled] + first == pytest.approx(wallet[settled], rel=1e-9)


def test_nobody_is_a_group_too(small: Callable[..., Scenario]) -> None:
    market = lent(small, {"count": 0}, (0.6, 0.7)).run(3)
    assert market.receipts().empty


def test_large_ones_look_more_often(small: Callable[..., Scenario]) -> None:
    sizes = {"distribution": "choice", "values": [100.0, 10_000.0]}
    market = lent(small, {"purse": sizes, "attention": 0.01, "size_attention": 0.5})
    cohort = market.cohorts["allocators"]
    attention = dict(zip(cohort.column("purse"), cohort.column("attention"), strict=True))
    assert attention[10_000.0] / attention[100.0] == pytest.approx(10.0, rel=1e-6)


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ({"lending": ["bank", "bank"]}, r"allocators\.lending: names a market twice"),
        ({"lending": []}, r"allocators\.lending: is missing"),
        ({"lending": ["bank", "nowhere"]}, r"allocators\.lending: unknown lending market"),
        ({"lending": ["bank", "plain"]}, r"allocators\.lending: plain has no reserve of usdc"),
        ({"lending": [f"b{i}" for i in range(9)]}, r"names 9 markets; 8 at most"),
        ({"purse": 1e9}, r"allocators\.purse: .* cannot be deposited in bank \(cap\)"),
    ],
)
def test_what_cannot_be_is_told(
    small: Callable[..., Scenario], group: dict[str, Any], message: str
) -> None:
    eth = {"ltv": 0.8, "threshold": 0.83}
    lending = {
        "bank": {"reserves": {"usdc": {"supply_cap": 2e6}}},
        "plain": {"reserves": {"eth": eth}},
    } | {f"b{i}": {"reserves": {"usdc": {"collateral": False}}} for i in range(9)}
    base = {"kind": "allocator", "count": 5, "lending": ["bank"], "token": "usdc"}
    with pytest.raises(ScenarioError, match=message):
        Market(small(lending=lending, agents={"allocators": base | group}), rng=1)
