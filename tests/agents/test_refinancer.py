"""Refinancers borrow below their reservation rates, where it is cheap, and keep their health."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sim import Market, Scenario
from sim.errors import ScenarioError

BANKS = ("bank", "two")
TAKEN = {"ltv": 0.8, "threshold": 0.83, "bonus": 0.05, "borrowable": False}


def borrowed(
    small: Callable[..., Scenario],
    group: dict[str, Any],
    rates: tuple[float, float] = (0.08, 0.03),
    cash: tuple[float, float] = (1e7, 1e7),
    **changes: Any,
) -> Market:
    """Two markets whose rates hardly hang on what is borrowed, and refinancers."""
    lending = {}
    for name, rate, money in zip(BANKS, rates, cash, strict=True):
        usdc = {"collateral": False, "cash": money, "base_rate": rate, "slope1": 0.0, "slope2": 0.0}
        lending[name] = {"reserves": {"eth": TAKEN, "usdc": usdc}}
    for name, reserves in changes.pop("reserves", {}).items():
        lending[name]["reserves"] |= reserves
    base = {
        "kind": "refinancer",
        "count": 1,
        "lending": list(BANKS),
        "collaterals": ["eth"],
        "debt": "usdc",
        "pools": ["eth-usdc"],
        "reservation": 0.15,
        "attention": 1.0,
        "patience": 1.0,
        "slippage": 0.5,
    }
    return Market(small(lending=lending, agents={"b": base | group}, **changes), rng=1)


def debts(market: Market, agent: str = "b-0") -> list[float]:
    return [market.lending[name].debt_of(agent, "usdc") for name in BANKS]


def kinds(market: Market) -> list[str]:
    return market.receipts()["kind"].astype(str).tolist()


ALIKE = (0.05, 0.05)


def test_each_starts_in_a_market_of_its_own(small: Callable[..., Scenario]) -> None:
    market = borrowed(small, {"count": 4, "loan": 0.5, "attention": 0.0, "alarm": 0.0}, ALIKE)
    for i in range(4):
        found = debts(market, f"b-{i}")
        assert found[i % 2] == pytest.approx(5000.0)
        assert found[1 - i % 2] == 0.0
        assert market.lending[BANKS[i % 2]].deposit_of(f"b-{i}", "eth") == pytest.approx(5.0)
    assert market.ledger.balance("b-0", "usdc") == pytest.approx(5000.0)


def test_who_loops_starts_with_what_it_has_bought(small: Callable[..., Scenario]) -> None:
    market = borrowed(small, {"loan": 0.5, "loops": 1.0, "attention": 0.0, "alarm": 0.0}, ALIKE)
    assert market.lending["bank"].deposit_of("b-0", "eth") == pytest.approx(10.0)
    assert debts(market)[0] == pytest.approx(10_000.0)
    assert market.ledger.balance("b-0", "usdc") == 0.0
    assert market.wealth("b-0") == pytest.approx(10_000.0)


def test_it_repays_what_is_dearer_than_what_it_earns(small: Callable[..., Scenario]) -> None:
    reservations = {"distribution": "choice", "values": [0.04, 0.06]}
    market = borrowed(small, {"count": 40, "reservation": reservations}, ALIKE).run(5)
    earned = market.cohorts["b"].column("reservation")
    owed = np.array([sum(debts(market, f"b-{i}")) for i in range(40)])
    assert (owed[earned < 0.05] < 1e-6).all()
    assert (owed[earned > 0.05] > 3900.0).all()
    assert 5 < (earned < 0.05).sum() < 35


def test_who_has_spent_it_sells_collateral_to_repay(small: Callable[..., Scenario]) -> None:
    market = borrowed(small, {"reservation": 0.04, "loops": 1.0}, ALIKE).run(3)
    assert kinds(market)[:3] == ["withdraw", "swap", "repay"]
    assert sum(debts(market)) < 1e-6
    assert market.wealth("b-0") == pytest.approx(10_000.0, rel=0.01)


@pytest.mark.parametrize(("rate", "comes"), [(0.06, True), (0.078, False), (0.09, False)])
def test_it_borrows_below_its_reservation_rate_less_a_margin(
    small: Callable[..., Scenario], rate: float, comes: bool
) -> None:
    group = {"reservation": 0.08, "margin": 0.005}
    market = borrowed(small, group, (0.1, 0.1)).run(3)
    assert sum(debts(market)) < 1e-6
    for name in BANKS:
        market.lending[name].reserve("usdc")["base_rate"] = rate
    market.run(3)
    assert (sum(debts(market)) > 0.0) == comes
    if comes:
        assert sum(debts(market)) == pytest.approx(4000.0, rel=1e-3)


def test_who_loops_buys_collateral_with_it(small: Callable[..., Scenario]) -> None:
    market = borrowed(small, {"loops": 1.0, "loan": 0.3}, ALIKE)
    market.venue.asset("eth")["x"] += 0.4
    market.venue.asset("eth")["anchor"] += 0.4
    market.run(3)
    assert kinds(market)[:3] == ["borrow", "swap", "deposit"]


def test_demand_falls_with_the_rate_as_reservations_are_spread(
    small: Callable[..., Scenario],
) -> None:
    uniform = {"distribution": "uniform", "low": 0.03, "high": 0.3}
    for rate in (0.05, 0.1, 0.2):
        group = {"count": 1500, "reservation": uniform, "equity": 100.0, "margin": 0.0}
        market = borrowed(small, group, (rate, rate)).run(3)
        left = sum(market.lending[name].debts("usdc") for name in BANKS) / (1500 * 40.0)
        # A share p of 1500 is known to the root of p (1 - p) / 1500, three times that is .039.
        assert left == pytest.approx((0.3 - rate) / 0.27, abs=0.039)


def test_a_debt_moves_where_it_is_cheaper_as_one_transaction(
    small: Callable[..., Scenario],
) -> None:
    market = borrowed(small, {"loan": 0.5})
    market.run(2)
    move = ["flash_borrow", "repay", "withdraw", "deposit", "borrow", "flash_repay"]
    assert kinds(market) == move
    assert market.receipts()["transaction"].nunique() == 1
    first, second = debts(market)
    assert first == 0.0
    assert second == pytest.approx(5000.0 * 1.0005, rel=1e-4)  # with the fee of the flash loan
    assert market.lending["bank"].deposit_of("b-0", "eth") == 0.0
    assert market.lending["two"].deposit_of("b-0", "eth") == pytest.approx(5.0, rel=1e-6)
    market.ledger.audit()


@pytest.mark.parametrize(
    ("group", "block"),
    [
        ({"horizon": 2.0}, {}),  # 5 % a year for two days are 2.7 bp, and the flash loan costs 5
        ({"equity": 100.0}, {"fee_market": "eip1559", "base_fee": 30.0}),
        ({"reservation": 0.02}, {}),  # which it would rather repay
    ],
)
def test_a_debt_stays_where_a_move_does_not_pay(
    small: Callable[..., Scenario], group: dict[str, Any], block: dict[str, Any]
) -> None:
    market = borrowed(small, group | {"wallet": {"eth": 1.0}}, block=block).run(5)
    assert "flash_borrow" not in kinds(market)
    assert debts(market)[1] == 0.0


def test_it_sees_what_its_own_loan_does_to_the_rate(small: Callable[..., Scenario]) -> None:
    market = borrowed(small, {"equity": 1e5}, (0.08, 0.03), (1e7, 9e4))
    market.world.reserves["slope1"][-1] = 0.5
    market.run(3)
    assert "flash_borrow" not in kinds(market)


def test_a_part_moves_where_there_is_cash_for_a_part(small: Callable[..., Scenario]) -> None:
    market = borrowed(small, {"equity": 1e5}, (0.08, 0.03), (1e7, 3e4)).run(1)
    first, second = debts(market)
    assert first + second == pytest.approx(4e4, rel=1e-3)
    assert second == pytest.approx(3e4, rel=0.01)
    share = market.lending["two"].deposit_of("b-0", "eth") / 50.0
    assert share == pytest.approx(second / 4e4, rel=0.01)


def test_the_old_market_lends_the_flash_where_the_new_one_has_little(
    small: Callable[..., Scenario],
) -> None:
    market = borrowed(small, {"equity": 1e5}, (0.08, 0.03), (1e7, 5e4)).run(1)
    frame = market.receipts()
    assert frame.loc[frame["kind"] == "flash_borrow", "protocol"].tolist() == ["bank"]
    assert debts(market)[0] == 0.0


FALL = {"kind": "price_jump", "asset": "eth", "size": -0.4, "block": 2}
RISKY = {"loan": 0.6, "loops": 1.0, "reservation": 0.5, "band": 1.0, "alarm": 1.0}


def test_it_saves_itself_from_its_wallet_first(small: Callable[..., Scenario]) -> None:
    group = RISKY | {"wallet": {"usdc": 1e5, "eth": 100.0}}
    market = borrowed(small, group, ALIKE, shocks=[FALL | {"size": -0.2}]).run(4)
    assert kinds(market) == ["repay"]
    assert market.lending["bank"].health_factor("b-0") > 1.2


def test_then_from_what_another_of_its_markets_can_miss(small: Callable[..., Scenario]) -> None:
    market = borrowed(small, RISKY, ALIKE, shocks=[FALL | {"size": -0.2, "block": 4}])
    agent = next(iter(market.agents))
    market.ledger.mint("b-0", "eth", 20.0)
    agent.deposit("two", "eth", 20.0)
    market.run(5)
    assert kinds(market) == ["deposit", "withdraw", "deposit"]
    assert market.lending["bank"].health_factor("b-0") > 1.2
    assert 5.0 < market.lending["two"].deposit_of("b-0", "eth") < 20.0


def test_then_by_selling_what_loses_least(small: Callable[..., Scenario]) -> None:
    content = {
        "venue": {"assets": {"btc": {"price": 2000.0, "process": "constant", "inventory": 1e6}}},
        "oracles": {"btc": {"token": "btc", "source": "venue"}},
        "pools": {
            "btc-usdc": {"tokens": ["btc", "usdc"], "reserves": {"btc": 10.0, "usdc": 2e4}},
        },
        "reserves": {"bank": {"btc": TAKEN}},
        "shocks": [FALL | {"size": -0.15}, FALL | {"asset": "btc", "size": -0.15}],
    }
    group = RISKY | {"collaterals": ["btc", "eth"], "pools": ["btc-usdc", "eth-usdc"]}
    market = borrowed(small, group, ALIKE, **content)
    assert market.lending["bank"].deposit_of("b-0", "btc") == pytest.approx(6.25)
    market.run(4)
    frame = market.receipts()
    assert frame["kind"].astype(str).tolist()[:3] == ["withdraw", "swap", "repay"]
    assert frame["token_in"].astype(str).tolist()[0] == "eth"
    assert market.lending["bank"].health_factor("b-0") > 1.2


def test_cut_each_keeps_to_its_market_to_the_bit(small: Callable[..., Scenario]) -> None:
    uniform = {"distribution": "uniform", "low": 0.03, "high": 0.3}
    group = {"count": 60, "reservation": uniform, "attention": 0.2}
    steep = {"collateral": False, "cash": 3e5, "slope1": 0.2, "slope2": 0.5}
    shock = {"kind": "withdrawal", "lending": "bank", "token": "usdc", "share": 0.6, "block": 20}

    def of_two(switch: bool, shocks: list[Any]) -> list[Any]:
        reserves = {name: {"usdc": steep} for name in BANKS}
        switches = {"debts_move": switch}
        content = {"reserves": reserves, "switches": switches, "shocks": shocks}
        market = borrowed(small, group | {"equity": 1e4}, **content).run(100)
        ledger = market.ledger
        frame = market.datacollector.get_model_vars_dataframe()
        held = [ledger.balances[:, ledger.token(f"two-{t}")] for t in ("usdc", "usdc-debt", "eth")]
        rows = frame[[c for c in frame if c.startswith("lending.two.")]].to_numpy()
        moves = int((market.receipts()["kind"] == "flash_borrow").sum())
        return [rows.tobytes(), *(h.tobytes() for h in held), moves > 0]

    assert of_two(False, []) == of_two(False, [shock])
    assert not of_two(False, [])[-1]
    connected = of_two(True, []), of_two(True, [shock])
    assert connected[0][0] != connected[1][0]
    assert connected[1][-1]


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ({"lending": ["bank", "bank"]}, r"b\.lending: names a market twice"),
        ({"collaterals": ["eth", "eth"]}, r"b\.collaterals: names a token twice"),
        ({"collaterals": ["eth", "usdc"]}, r"b\.collaterals: has usdc, which is what it borrows"),
        ({"collaterals": ["dai"]}, r"b\.collaterals: unknown"),
        ({"collaterals": []}, r"b\.collaterals: is missing"),
        ({"equity": 1e9}, r"agents\.b: agent 0 cannot open its position in bank: all loans"),
        ({"equity": 1e10, "loops": 1.0}, r"agents\.b\.equity: buys .* eth at the start"),
    ],
)
def test_what_cannot_be_is_told(
    small: Callable[..., Scenario], group: dict[str, Any], message: str
) -> None:
    with pytest.raises(ScenarioError, match=message):
        borrowed(small, group)


def test_nobody_is_a_group_too(small: Callable[..., Scenario]) -> None:
    assert borrowed(small, {"count": 0}).run(3).receipts().empty


def test_a_market_that_takes_none_of_its_collaterals_is_told(
    small: Callable[..., Scenario],
) -> None:
    refused = {"two": {"eth": {"collateral": False}}}
    with pytest.raises(ScenarioError, match=r"b\.collaterals: two takes none of eth"):
        borrowed(small, {}, reserves=refused)
