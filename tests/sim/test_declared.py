"""The tables of protocols that declare themselves, and the addresses in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest

from protocols.interface import Call, Measure, Protocol, Settings, Token, read, write
from sim import Market, Scenario, declared
from sim.build import underlying
from sim.codes import Reason
from sim.compiled import inner
from sim.errors import ScenarioError
from sim.ledger import FREE

Make = Callable[..., Scenario]
OWN = {
    "v": {"kind": "vault", "asset": "eth", "deposits": 8.0, "gas": {"leave": 1.0}},
    "t": {"kind": "tests.fuzz.puppets:Till", "coin": "usdc"},
}


@pytest.fixture
def market(small: Make) -> Market:
    return Market(small(protocols=OWN), rng=1)


def test_tokens_and_slots_lie_in_the_scenarios_order(small: Make) -> None:
    setup = small(protocols=OWN)
    assert [each[:3] for each in declared.issued(setup)] == [
        ("v-share", "v", FREE), ("t-receipt", "t", FREE), ("t-ticket", "t", FREE),
    ]  # fmt: skip
    assert declared.slots(setup) == 3
    assert declared.issued(small()) == [] and declared.slots(small()) == 0


def test_a_call_has_an_address_and_its_gas(market: Market) -> None:
    world = market.world
    assert world.protocols["calls"].tolist() == [2, 2]
    assert world.protocols["first"].tolist() == [0, 2]
    assert world.protocols["plain"].tolist() == [0, 1]
    assert world.actions["gas"].tolist() == [120_000.0, 1.0, 90_000.0, 90_000.0]
    addresses = world.actions["address"].tolist()
    assert addresses[0] > 0 and addresses[1] > 0 and addresses[0] != addresses[1]
    assert addresses[2:] == [0, 0]
    assert world.rules[0]["plain_between"] == 1


def test_tokens_stand_for_what_is_behind_them(market: Market) -> None:
    ledger = market.ledger
    holdings = np.zeros(len(ledger.tokens))
    holdings[ledger.token("v-share")] = 2.0
    holdings[ledger.token("t-receipt")] = 5.0
    holdings[ledger.token("t-ticket")] = 3.0  # of none there is a supply
    found = underlying(market.world, holdings)
    assert found[ledger.token("eth")] == pytest.approx(2.0)
    assert found[ledger.token("usdc")] == pytest.approx(5.0)
    assert found.sum() == pytest.approx(7.0)


class Owner(Settings):
    """Nothing but a name."""

    coin: str


@inner
def tick(w, me):
    """Count blocks, and fail the audit in the third."""
    write(w, me.blocks, read(w, me.blocks) + 1.0)


@inner
def off(w, me):
    """How far the books are off."""
    return 1.0 if read(w, me.blocks) >= 3.0 else 0.0


class Counter(Protocol):
    """Counts blocks in a kernel."""

    Settings = Owner
    tokens = ("coin",)
    state: ClassVar[dict[str, str]] = {"blocks": "Blocks so far"}
    between_blocks = staticmethod(tick)
    leak = staticmethod(off)
    measures = (Measure("off", "share", "How far the books are off", off),)


def test_kernels_run_between_blocks_and_audit(small: Make) -> None:
    market = Market(small(protocols={"c": {"kind": f"{__name__}:Counter", "coin": "eth"}}), rng=1)
    market.run(2)
    counter = market.protocols["c"]
    assert counter.value("blocks") == 2.0
    assert declared.leak_of(market.world, 0) == 0.0 == counter.audit()
    frame = market.datacollector.get_model_vars_dataframe()
    assert frame["protocol.c.off"].tolist() == [0.0, 0.0]
    with pytest.raises(Exception, match="c: its own audit is off by 1"):
        market.run(1)


@inner
def silent(w, me, call):
    """Say nothing."""
    return Reason.DONE


class Silent(Counter):
    """Its call returns no amount."""

    calls = (Call("hush", silent),)


def test_a_kernel_that_returns_something_else_is_told(small: Make) -> None:
    setup = small(protocols={"s": {"kind": f"{__name__}:Silent", "coin": "eth"}})
    with pytest.raises(TypeError, match=r"Silent.hush must return \(reason, amount out\)"):
        Market(setup, rng=1)


class Stubborn(Counter):
    """Cannot start."""

    issues = (Token("share"),)

    def start(self) -> None:
        """Ask for more than there is."""
        self.market.ledger.transfer("venue", self.name, "eth", 1e30)


def test_who_cannot_start_is_told(small: Make) -> None:
    setup = small(protocols={"s": {"kind": f"{__name__}:Stubborn", "coin": "eth"}})
    with pytest.raises(ScenarioError) as told:
        Market(setup, rng=1)
    assert told.value.problems[0][0] == "protocols.s"
    assert told.value.problems[0][1].startswith("cannot start")


def test_what_is_no_kernel_is_none() -> None:
    plain: Any = len
    assert declared.is_kernel(tick) and not declared.is_kernel(plain)
