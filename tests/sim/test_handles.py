"""Every protocol has a handle, and all are in one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from protocols.custom import CustomProtocol
from sim import Market, Scenario
from sim.codes import Reason
from sim.handles import NO_CLAIMS, Claim, Handle, gathered, tabled
from tests.science.test_everybody import MORE


class Quiet(CustomProtocol):
    """Does nothing."""

    def perform(self, call: Any, amount: float) -> tuple[Reason, float]:
        return Reason.DONE, 0.0


@pytest.fixture(scope="module")
def everything() -> Market:
    """A market with every kind of pool, two lending markets, oracles, a fund, and one's own."""
    market = Market(MORE | {"protocols": {"v": {"kind": "vault", "asset": "eth"}}}, rng=3)
    market.add_protocol(Quiet("joined"))
    return market


def test_one_table_holds_every_protocol(everything: Market) -> None:
    market, s = everything, everything.setup
    oracles = [f"oracle:{name}" for name in s.oracles]
    names = [*s.pools, *s.lending, *oracles, *s.insurance, *s.protocols, "venue", "joined"]
    assert list(market.protocols) == names
    for name, handle in market.protocols.items():
        assert isinstance(handle, Handle) and handle.node == name and handle.label
        alone = handle.name not in market.ledger.accounts
        assert handle.account == (-1 if name in oracles else market.ledger.account(handle.name))
        assert not alone or name in oracles
    assert {h.label for h in market.protocols.values()} >= {
        "weighted pool", "constant product pool", "lending market", "oracle of eth",
        "insurance fund", "Vault", "custom", "venue",
    }  # fmt: skip


def test_the_others_are_views_of_it(everything: Market) -> None:
    market: Any = everything
    for view in (market.pools, market.lending, market.insurance):
        assert view and all(market.protocols[name] is handle for name, handle in view.items())
    for name, oracle in market.oracles.items():
        assert market.protocols[f"oracle:{name}"] is oracle
    for handle in (*market.declared, *market.custom, market.venue):
        assert market.protocols[handle.name] is handle


def test_nodes_of_the_network_are_called_as_in_the_table(everything: Market) -> None:
    graph = everything.exposure()
    for name, handle in everything.protocols.items():
        if name in graph:
            assert graph.nodes[name]["kind"] == handle.family
    absent = {h.family for name, h in everything.protocols.items() if name not in graph}
    assert absent <= {"oracle", "account"}  # on which nobody depends


def test_a_fund_says_what_it_has_and_has_paid(everything: Market) -> None:
    market: Any = everything
    ((name, settings),) = market.setup.insurance.items()
    fund = market.insurance[name]
    assert fund.covers == tuple(settings.covers) and fund.token == settings.token
    assert fund.balance == settings.funds and fund.claimed == fund.paid == 0.0
    assert repr(fund).startswith(f"<InsuranceFund {name}: ")
    after = Market(MORE, rng=3).run(60)
    last: Any = after.datacollector.get_model_vars_dataframe().iloc[-1]
    there: Any = after
    assert there.insurance[name].paid == pytest.approx(last[f"insurance.{name}.paid"])
    assert there.insurance[name].claimed == pytest.approx(last[f"insurance.{name}.claimed"])


def test_who_joins_cannot_take_the_name_of_another(small: Callable[..., Scenario]) -> None:
    market = Market(small(agents={}), rng=1)
    before = list(market.ledger.accounts)
    for name in ("oracle:eth", "eth-usdc", "venue"):
        with pytest.raises(ValueError, match=f"called '{name}' already"):
            market.add_protocol(Quiet(name))
    assert list(market.ledger.accounts) == before


def test_a_handle_that_says_nothing_owes_and_risks_nothing() -> None:
    handle = Handle()
    handle.name = "nobody"
    assert handle.owed() is NO_CLAIMS and handle.account == -1
    assert not [*handle.exposures()] and not handle.traded() and handle.label == "protocol"


def test_claims_told_one_by_one_are_a_table(small: Callable[..., Scenario]) -> None:
    ledger = Market(small(agents={}), rng=1).ledger
    eth, usdc = ledger.token("eth"), ledger.token("usdc")
    found = gathered(ledger, [Claim("venue", "eth", 2.0), ("bank", usdc, 3), (0, "eth", 1.0)], "x")
    assert found.owners.tolist() == [0, ledger.account("bank"), 0]
    assert found.tokens.tolist() == sorted((eth, usdc))
    values = np.zeros(len(ledger.tokens))
    values[[eth, usdc]] = 2000.0, 1.0
    assert (found.amounts @ values[found.tokens]).tolist() == [4000.0, 3.0, 2000.0]
    assert gathered(ledger, (), "x") is NO_CLAIMS
    nobody = np.zeros(0, np.int64)
    assert tabled(nobody, nobody, np.zeros(0)).amounts.shape == (0, 0)


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        (("nobody", "eth", 1.0), "no account called 'nobody'"),
        (("venue", "gold", 1.0), "no token called 'gold'"),
        ((10**6, "eth", 1.0), "no account 1000000 or token"),
        (("venue", -1, 1.0), "or token -1"),
        (("venue", "eth", -1.0), "venue claims -1.0 eth; give 0 or more"),
        (("venue", "eth", float("nan")), "venue claims nan eth"),
        (("venue", "eth", float("inf")), "venue claims inf eth"),
    ],
)
def test_claims_of_nobody_or_nothing_are_refused(
    small: Callable[..., Scenario], claim: tuple[Any, Any, float], words: str
) -> None:
    ledger = Market(small(agents={}), rng=1).ledger
    with pytest.raises(ValueError, match=f"own: .*{words}"):
        gathered(ledger, [Claim(*claim)], "own")
