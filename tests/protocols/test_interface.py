"""Protocols that declare themselves: one file is enough, compiled or plain."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from importlib import invalidate_caches
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pytest
from pydantic import create_model

from agents import MarketAgent
from protocols.custom import CustomProtocol
from protocols.interface import (
    Call,
    Chart,
    Claim,
    Exposure,
    Fact,
    Look,
    Measure,
    Order,
    Part,
    Protocol,
    Rate,
    Settings,
    Token,
    check_declaration,
    note_claim,
)
from runs import read_study
from sim import LedgerError, Market, Scenario
from sim.codes import ALL, PREVIOUS, Reason
from sim.compiled import inner
from sim.errors import ScenarioError
from sim.ledger import DEBT
from tests.conftest import undertow
from tests.fuzz.puppets import Locker, Till

ROOT = Path(__file__).parents[2]
TILL = "tests.fuzz.puppets:Till"
KINDS = {"vault": {"kind": "vault", "asset": "eth"}, "till": {"kind": TILL, "coin": "eth"}}
ENTER = {"vault": "enter", "till": "put_in"}
LEAVE = {"vault": "leave", "till": "take_out"}
TOKENS = {"vault": "own-share", "till": "own-receipt"}
BLOCKS = re.compile(r"```(python|toml)\n(.*?)```", re.DOTALL)


class Idle(MarketAgent):
    """Holds what it has."""

    def step(self) -> None:
        """Do nothing."""


@pytest.fixture(params=["vault", "till"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def own(small: Callable[..., Scenario], kind: str) -> tuple[Market, Idle]:
    """A market with a protocol called `own`, and Ann with ten ether."""
    market = Market(small(protocols={"own": KINDS[kind]}), rng=1)
    return market, Idle(market, {"eth": 10.0}, "ann")


# What it does in a market


def test_what_goes_in_comes_out_and_wealth_stays(own: tuple[Market, Idle], kind: str) -> None:
    market, ann = own
    before = ann.wealth
    ann.act("own", ENTER[kind], 4.0)
    market.run(1)
    assert ann.wallet == {"eth": 6.0, TOKENS[kind]: 4.0}
    assert ann.wealth == pytest.approx(before, rel=1e-12)
    assert market.protocols["own"].holdings == {"eth": 4.0}
    ann.act("own", LEAVE[kind], ALL)
    market.run(1)
    assert ann.wallet == {"eth": 10.0}
    market.ledger.audit()


def test_receipts_have_its_calls_its_name_and_its_gas(
    small: Callable[..., Scenario], kind: str
) -> None:
    block = {"fee_market": "first_price", "gas_token": "eth"}
    own = KINDS[kind] | {"gas": {LEAVE[kind]: 77_000.0}}
    market = Market(small(protocols={"own": own}, block=block), rng=1)
    ann = Idle(market, {"eth": 10.0}, "ann")
    ann.act("own", ENTER[kind], 4.0)
    market.run(1)
    ann.act("own", LEAVE[kind], 1.0)
    market.run(1)
    frame = market.receipts()
    assert frame["kind"].astype(str).tolist() == [ENTER[kind], LEAVE[kind]]
    assert frame["protocol"].astype(str).tolist() == ["own", "own"]
    declared = type(market.protocols["own"]).calls[0].gas
    assert frame["gas"].tolist() == [declared, 77_000.0]
    assert frame["status"].astype(str).tolist() == ["done", "done"]
    assert frame["token_out"].astype(str).tolist() == [TOKENS[kind], "eth"]


def test_what_cannot_be_done_takes_the_transaction_back(
    own: tuple[Market, Idle], kind: str
) -> None:
    market, ann = own
    with ann.transaction():
        ann.act("own", ENTER[kind], 4.0)
        ann.act("own", ENTER[kind], 7.0)  # more than is left
    ann.act("own", LEAVE[kind], 1.0)
    ann.act("own", ENTER[kind], 1.0, token_in="usdc")
    market.run(1)
    reasons = market.receipts()["reason"].astype(str).tolist()
    assert sorted(set(reasons)) == ["insufficient_balance", "invalid"]
    assert ann.wallet == {"eth": 10.0}
    assert market.protocols["own"].holdings == {}


def test_a_transaction_goes_from_call_to_call(own: tuple[Market, Idle], kind: str) -> None:
    market, ann = own
    with ann.transaction():
        ann.act("own", ENTER[kind], 4.0)
        ann.act("own", LEAVE[kind], PREVIOUS)
        ann.swap("eth-usdc", "eth", PREVIOUS)
    market.run(1)
    amounts = market.receipts()[["amount_in", "amount_out"]].to_numpy()
    assert amounts[:2].tolist() == [[4.0, 4.0], [4.0, 4.0]]
    assert ann.wallet["eth"] == 6.0
    assert ann.wallet["usdc"] == amounts[2, 1] > 0.0


def test_others_cannot_be_paid_for(own: tuple[Market, Idle], kind: str) -> None:
    market, ann = own
    bob = Idle(market, {"eth": 1.0}, "bob")
    ann.act("own", ENTER[kind], 4.0)
    market.run(1)
    bob.act("own", LEAVE[kind], 4.0, counterparty="ann")
    market.run(1)
    assert market.receipts()["reason"].astype(str).tolist()[-1] == "insufficient_balance"
    assert ann.wallet[TOKENS[kind]] == 4.0


def test_what_is_called_that_is_not_there(own: tuple[Market, Idle], kind: str) -> None:
    _, ann = own
    with pytest.raises(KeyError, match="known: own"):
        ann.act("other", ENTER[kind], 1.0)
    with pytest.raises(KeyError, match=ENTER[kind]):
        ann.act("own", "steal", 1.0)
    with pytest.raises(ValueError, match="finite"):
        ann.act("own", ENTER[kind], float("nan"))


def test_classes_loss_and_claims_count_it(small: Callable[..., Scenario], kind: str) -> None:
    content = small().to_dict()
    content["protocols"] = {"own": KINDS[kind]}
    content["agents"]["idlers"] = {
        "kind": "tests.fuzz.puppets:Idler", "count": 2, "wallet": {"eth": 3.0},
    }  # fmt: skip
    market = Market(Scenario.from_dict(content), rng=1)
    ledger = market.ledger
    for row in range(2):
        ledger.transfer(f"idlers-{row}", "own", "eth", 1.0)
        ledger.mint(f"idlers-{row}", TOKENS[kind], 1.0)
    market.run(2)
    last = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert last["wealth.idlers"] == pytest.approx(6.0 * market.price("eth"), rel=1e-12)
    assert last["loss.idlers"] == pytest.approx(0.0, abs=1e-8)
    assert last["protocol.own.value"] == pytest.approx(2.0 * market.price("eth"), rel=1e-12)


def test_plain_calls_stay_in_the_compiled_loop(small: Callable[..., Scenario]) -> None:
    """Stepping and running give the same bits, and the loop is left for plain calls alone."""

    def made(step: bool) -> Market:
        market = Market(small(protocols={"own": KINDS["till"], "two": KINDS["vault"]}), rng=1)
        ann = Idle(market, {"eth": 10.0, "usdc": 1e4}, "ann")
        for name, protocol in (("put_in", "own"), ("enter", "two")):
            ann.act(protocol, name, 2.0)
        ann.swap("eth-usdc", "eth", 1.0)
        ann.act("own", "put_in", 3.0)
        market.release(ann)
        if step:
            for _ in range(30):
                market.step()
            return market
        market.world.senders["retired"][ann.account] = 0
        return market.run(30)

    ran, stepped = made(False), made(True)
    assert (ran.ledger.balances == stepped.ledger.balances).all()
    pd.testing.assert_frame_equal(ran.receipts(), stepped.receipts())
    pd.testing.assert_frame_equal(
        ran.datacollector.get_model_vars_dataframe(),
        stepped.datacollector.get_model_vars_dataframe(),
    )
    assert ran.protocols["own"].value("turns") == 30.0
    assert len(ran.receipts()) == 4


def test_a_protocol_that_leaks_stops_the_run(own: tuple[Market, Idle], kind: str) -> None:
    market, ann = own
    ann.act("own", ENTER[kind], 4.0)
    market.run(1)
    if kind == "vault":  # the ledger's audit sees it, and nothing else can
        market.ledger.balances[market.protocols["own"].account, 0] += 1e3
        with pytest.raises(LedgerError, match="leaks"):
            market.run(1)
        return
    market.ledger.transfer("own", "ann", "eth", 1.0)
    with pytest.raises(LedgerError, match="own: its own audit"):
        market.run(1)


class Wrong(Till):
    """Says nothing of how a call ended."""

    def put_in(self, call: Order) -> Any:
        """Forget to answer."""

    calls = (Call("put_in", put_in),)


def test_a_call_that_does_not_say_how_it_ended(small: Callable[..., Scenario]) -> None:
    own = {"kind": f"{__name__}:Wrong", "coin": "eth"}
    market = Market(small(protocols={"own": own}), rng=1)
    ann = Idle(market, {"eth": 10.0}, "ann")
    ann.act("own", "put_in", 1.0)
    with pytest.raises(TypeError, match=r"Wrong.put_in must return \(reason, amount out\)"):
        market.run(1)
    assert ann.wallet == {"eth": 10.0}


# What is wrong with a scenario


@pytest.mark.parametrize(
    ("table", "field", "text"),
    [
        ({"kind": "volt"}, "protocols.own.kind", "vault"),
        ({"kind": "nowhere:Vault"}, "protocols.own.kind", "cannot be imported"),
        ({"kind": "sim.market:Market"}, "protocols.own.kind", "is no protocol"),
        ({"kind": "vault"}, "protocols.own.asset", "is missing"),
        ({"kind": "vault", "asset": "gold"}, "protocols.own.asset", "unknown token"),
        ({"kind": "vault", "asset": "eth", "exit_fee": 1.5}, "protocols.own.exit_fee", "range"),
        ({"kind": "vault", "asset": "eth", "feee": 0.1}, "protocols.own.feee", "unknown field"),
        ({"kind": "vault", "asset": "eth", "gas": {"fly": 1.0}}, "protocols.own.gas.fly", "enter"),
    ],
)
def test_a_wrong_table_is_told_by_its_field(
    small: Callable[..., Scenario], table: dict[str, Any], field: str, text: str
) -> None:
    with pytest.raises(ScenarioError) as told:
        small(protocols={"own": table})
    assert [f for f, _ in told.value.problems] == [field]
    assert text in told.value.problems[0][1]


def test_names_are_taken_once(small: Callable[..., Scenario]) -> None:
    with pytest.raises(ScenarioError, match="this name is used twice"):
        small(protocols={"bank": KINDS["vault"]})


def test_a_resolved_scenario_makes_the_same_market(small: Callable[..., Scenario]) -> None:
    setup = small(protocols={"own": KINDS["vault"] | {"deposits": 5.0}})
    again = Scenario.from_dict(setup.to_dict())
    assert again.to_toml() == setup.to_toml()
    assert again.to_dict()["protocols"]["own"]["offset"] == 1e-6
    other = setup.override({"protocols.own.exit_fee": 0.25})
    assert other.protocols["own"].settings.exit_fee == 0.25  # type: ignore[attr-defined]


# What is wrong with a declaration


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"tokens": ("gold",)}, "no field of its Settings"),
        ({"issues": (Token("coin"),)}, "names two things"),
        ({"issues": (Token("a b"),)}, "cannot be a field"),
        ({"issues": (Token("r", Rate("gold", "par")),)}, "does not know"),
        ({"issues": (Token("r", Rate("coin", "price")),)}, "not in its state"),
        ({"calls": (Call("a", Till.put_in), Call("a", Till.put_in))}, "two calls"),
        ({"calls": (Call("a", Till.put_in, gas=-1.0),)}, "gas"),
        ({"calls": (Call("a", Till.put_in, pays="gold"),)}, "does not know"),
        ({"measures": (Measure("m", "", "", "price"),)}, "not in its state"),
        ({"charts": {"Chart": ("price",)}}, "no measure"),
        ({"claims": {"ann": 5.0}}, "claims must be a kernel"),
        ({"channels": "cover"}, "give a tuple of names"),
        ({"channels": ("a b",)}, "give a tuple of names"),
        ({"charts": (Chart("Chart", "", {"line": "price"}),)}, "no measure"),
        ({"charts": (Chart("Chart", "", {"line": "value"}, "gold"),)}, "of format"),
        ({"card": (Fact("price", "price"),)}, "no measure"),
        ({"card": (Fact("value", "value", reduction="mean"),)}, "know"),
        ({"look": Look("till", distress="price")}, "no measure"),
    ],
)
def test_a_contradiction_is_told_where_the_class_is_made(
    changes: dict[str, Any], text: str
) -> None:
    with pytest.raises(TypeError, match=text):
        type("Odd", (Till,), changes)


def test_a_debt_counts_against_its_holder(small: Callable[..., Scenario]) -> None:
    market = Market(small(protocols={"own": {"kind": f"{__name__}:Lender", "coin": "usdc"}}), rng=1)
    ann = Idle(market, {"eth": 1.0}, "ann")
    market.ledger.mint("own", "usdc", 100.0)
    before = ann.wealth
    ann.act("own", "borrow", 40.0)
    market.run(1)
    assert ann.wallet == {"eth": 1.0, "usdc": 40.0, "own-debt": 40.0}
    assert ann.wealth == pytest.approx(before, rel=1e-12)
    ann.transfer("holders", "own-debt", ALL)
    market.run(1)
    assert market.receipts()["reason"].astype(str).tolist()[-1] == "bound"


class CoinSettings(Settings):
    """What it lends."""

    coin: str


class Lender(Protocol):
    """Lends to whoever asks."""

    Settings = CoinSettings
    tokens = ("coin",)
    issues = (Token("debt", Rate("coin", "par"), DEBT),)
    state = {"par": "Coins of a debt"}  # noqa: RUF012

    def start(self) -> None:
        """A debt is of one coin."""
        self.put("par", 1.0)

    def borrow(self, call: Order) -> tuple[Reason, float]:
        """Lend."""
        self.mint(call.sender, self.token("debt"), call.amount)
        paid = self.pay(self.name, call.sender, self.token("coin"), call.amount)
        return (Reason.DONE if paid else Reason.NO_CASH), call.amount

    calls = (Call("borrow", borrow),)


def test_a_base_needs_nothing() -> None:
    check_declaration(Protocol)
    assert Part() == Part() and Protocol.named_tokens("x", Settings()) == []


# What no token tells


class PlainSafe(Protocol):
    """The guide's safe in plain Python; it also tells who relies on it."""

    Settings = create_model("SafeSettings", __base__=Settings, asset=(str, ...), oracle=(str, ...))
    tokens = ("asset",)
    state = {"owner": "Row of an account", "kept": "Token units"}  # noqa: RUF012
    channels = ("cover",)
    told: ClassVar[list[Exposure]] = []

    def put_in(self, call: Order) -> tuple[Reason, float]:
        """Keep an amount."""
        if not self.pay(call.sender, self.name, call.token_in, call.amount):
            return Reason.INSUFFICIENT_BALANCE, 0.0
        self.put("owner", call.sender)
        self.put("kept", self.value("kept") + call.amount)
        return Reason.DONE, call.amount

    def take_out(self, call: Order) -> tuple[Reason, float]:
        """Give all back."""
        kept = self.value("kept")
        if call.sender != self.value("owner") or not self.put("kept", 0.0):
            return Reason.INVALID, 0.0
        paid = self.pay(self.name, call.sender, self.token("asset"), kept)
        return (Reason.DONE if paid else Reason.INVALID), kept

    def claims(self) -> Iterator[Claim]:
        """What it owes."""
        yield Claim(int(self.value("owner")), self.token("asset"), self.value("kept"))

    def exposures(self) -> Iterator[Exposure]:
        """As the guide's, and what a test wants."""
        price = self.market.price("eth")
        yield Exposure(self.name, "oracle:eth", self.value("kept") * price, "price")
        yield from self.told

    calls = (Call("put_in", put_in), Call("take_out", take_out))


@pytest.fixture(params=["compiled", "plain"])
def safe(
    request: pytest.FixtureRequest, small: Callable[..., Scenario], tmp_path: Path
) -> Iterator[Callable[..., Market]]:
    """Opens markets with a safe called `own`: the guide's, or one in plain Python."""
    kind, name = f"{__name__}:PlainSafe", "safe_of_the_guide"
    if request.param == "compiled":
        text = (ROOT / "docs" / "new_protocol.md").read_text(encoding="utf-8")
        (tmp_path / f"{name}.py").write_text(BLOCKS.findall(text)[-1][1])
        sys.path.append(str(tmp_path))
        invalidate_caches()
        kind = f"{name}:Safe"
    table = {"own": {"kind": kind, "asset": "eth", "oracle": "eth"}}
    yield lambda **more: Market(small(protocols=table, **more), rng=1)
    sys.modules.pop(name, None)
    sys.path[:] = [p for p in sys.path if p != str(tmp_path)]


def base_tokens(market: Market) -> float:
    """Value of all base tokens but the venue's."""
    ledger, worth = market.ledger, 0.0
    for token in (t for t, issuer in ledger.issuers.items() if not issuer):
        held = ledger.balances[:, ledger.token(token)].sum() - ledger.balance("venue", token)
        worth += held * market.price(token)
    return worth


def test_what_no_token_tells_counts_in_wealth_and_equities(safe: Callable[..., Market]) -> None:
    idlers = {"kind": "tests.fuzz.puppets:Idler", "count": 2, "wallet": {"eth": 3.0}}
    market = safe(agents={"idlers": idlers}, measures={"every": 1})
    group = market.cohorts["idlers"]
    ann = Idle(market, {"eth": 10.0}, "ann")
    before = ann.wealth
    ann.act("own", "put_in", 4.0)
    market.run(2)
    worth = 4.0 * market.price("eth")
    assert ann.wallet == {"eth": 6.0} and ann.wealth == pytest.approx(before, rel=1e-12)
    for by in ("group", "account"):
        found = market.balance_sheets(by).set_index("entity")
        name = "Idle" if by == "group" else "ann"
        assert found.at[name, "equity"] == pytest.approx(ann.wealth, rel=1e-12)
        assert found.at["own", "assets"] == found.at["own", "liabilities"] == worth
        assert found.at["own", "kind"] == "protocol"
        total = found["equity"].drop("venue").sum()
        assert total == pytest.approx(base_tokens(market), rel=1e-12)
    own = market.protocols["own"]
    owed = own.owed()
    assert (owed.owners.tolist(), owed.amounts.tolist()) == ([ann.account], [[4.0]])
    # It is another's: the group's wealth has it from then on, and a gain against holding.
    own.put("owner", float(group.first + 1))
    market.run(1)
    last = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert last["wealth.idlers"] == pytest.approx(6.0 * market.price("eth") + worth, rel=1e-12)
    assert last["result.idlers"] == pytest.approx(worth, rel=1e-12)
    sheets = market.balance_sheets().set_index("entity")
    assert sheets.at["idlers", "equity"] == pytest.approx(last["wealth.idlers"], rel=1e-12)
    edge = market.exposure()["idlers"]["own"]["claim"]
    assert edge["weight"] == pytest.approx(worth, rel=1e-12)
    assert market.exposure(by="account").nodes["idlers-1"]["group"] == "idlers"
    assert market.exposure(by="account").has_edge("idlers-1", "own", "claim")


def test_what_is_taken_out_is_claimed_no_more(safe: Callable[..., Market]) -> None:
    market = safe()
    ann = Idle(market, {"eth": 10.0}, "ann")
    before = ann.wealth
    ann.act("own", "put_in", 4.0)
    with ann.transaction():  # fails at its end: nothing of it has happened
        ann.act("own", "put_in", 5.0)
        ann.swap("eth-usdc", "eth", 1e6)
    market.run(1)
    assert ann.wealth == pytest.approx(before, rel=1e-12)
    assert market.protocols["own"].owed().amounts.tolist() == [[4.0]]
    ann.act("own", "take_out", 1.0)
    market.run(1)
    assert ann.wallet == {"eth": 10.0} and ann.wealth == pytest.approx(before, rel=1e-12)
    assert not market.exposure(channels=["claim"]).in_edges("own")


def test_both_are_the_same_to_the_bit(small: Callable[..., Scenario]) -> None:
    """Claims noted by a kernel in the compiled loop, or told in Python block by block."""
    frames = []
    for kind in ("tests.fuzz.puppets:Locker", f"{__name__}:PlainLocker"):
        market = Market(small(protocols={"own": {"kind": kind, "coin": "eth"}}), rng=1)
        idle = Idle(market, {"eth": 10.0}, "ann")
        idle.act("own", "lock", 4.0)
        market.release(idle)
        market.world.senders["retired"][idle.account] = 0
        market.run(30)
        frames.append(market.datacollector.get_model_vars_dataframe())
        assert idle.wealth == 10.0 * market.price("eth")
    pd.testing.assert_frame_equal(*frames, check_exact=True)


class PlainLocker(Locker):
    """Tells in plain Python what it owes, and does the rest in kernels."""

    def claims(self) -> Iterator[Claim]:
        """What it owes."""
        yield Claim(int(self.value("owner")), self.token("coin"), self.value("kept"))


def test_exposures_that_it_tells_are_edges_with_their_channel(safe: Callable[..., Market]) -> None:
    market = safe(oracles={"eth": {"source": "pool_spot", "pool": "eth-usdc"}})
    ann = Idle(market, {"eth": 10.0}, "ann")
    ann.act("own", "put_in", 4.0)
    market.run(2)
    graph, worth = market.exposure(), 4.0 * market.oracles["eth"].price
    assert graph["own"]["oracle:eth"]["price"]["weight"] == pytest.approx(worth)
    # What hangs on the oracle hangs on what it reads.
    assert graph["oracle:eth"]["eth-usdc"]["source"]["weight"] == pytest.approx(worth)
    assert set(market.exposure(channels=["price"]).edges(keys=True)) == {
        ("own", "oracle:eth", "price")
    }


def test_own_channels_are_known_where_they_are_declared(
    safe: Callable[..., Market], monkeypatch: pytest.MonkeyPatch
) -> None:
    market = safe(agents={"idlers": {"kind": "tests.fuzz.puppets:Idler", "count": 2}})
    if not market.protocols["own"].channels:
        with pytest.raises(ValueError, match="unknown channel 'cover'"):
            market.exposure(channels=["cover"])
        return
    told = [Exposure("idlers-0", "own", 5.0, "cover"), Exposure("idlers-1", "own", 7.0, "cover")]
    monkeypatch.setattr(PlainSafe, "told", told)
    assert market.exposure(channels="cover")["idlers"]["own"]["cover"]["weight"] == 12.0
    each = market.exposure(by="account", channels=["cover"])
    assert each["idlers-1"]["own"]["cover"]["weight"] == 7.0
    for edge, words in (
        (Exposure("own", "venue", 1.0, "love"), "own tells of an exposure by 'love'; list it"),
        (Exposure("own", "nobody", 1.0, "cover"), "names 'nobody', which is no protocol or acc"),
    ):
        monkeypatch.setattr(PlainSafe, "told", [edge])
        with pytest.raises(ValueError, match=words):
            market.exposure()


def test_one_that_joins_an_open_market_may_owe_too(small: Callable[..., Scenario]) -> None:
    market = Market(small(), rng=1)
    ann = Idle(market, {"eth": 10.0}, "ann")
    before = ann.wealth
    market.add_protocol(Cloakroom("room"))
    ann.call("room", "eth", "eth", 4.0)
    market.run(1)
    assert ann.wealth == pytest.approx(before, rel=1e-12)
    found = market.balance_sheets().set_index("entity")
    assert found.at["room", "equity"] == pytest.approx(0.0, abs=1e-9)
    assert found["equity"].drop("venue").sum() == pytest.approx(base_tokens(market), rel=1e-12)
    graph = market.exposure()
    assert graph["Idle"]["room"]["claim"]["weight"] == pytest.approx(4.0 * market.price("eth"))
    # Somebody can sell ether there, as in the pool.
    assert graph["room"]["eth-usdc"]["common"]["weight"] == pytest.approx(8000.0)


class Cloakroom(CustomProtocol):
    """Keeps ether for whoever came last."""

    slots = 2

    def perform(self, call: Any, amount: float) -> tuple[Reason, float]:
        """Take it, and note whose it is."""
        self.store(0, float(call["sender"]))
        self.store(1, self.stored(1) + amount)
        paid = self.pay(int(call["sender"]), self.name, "eth", amount)
        return (Reason.DONE if paid else Reason.INSUFFICIENT_BALANCE), amount

    def claims(self) -> list[Claim]:
        """What it owes."""
        return [Claim(int(self.stored(0)), "eth", self.stored(1))]

    def traded(self) -> dict[str, float]:
        """What it has."""
        return {"eth": self.stored(1)}


def test_many_claims_are_told(small: Callable[..., Scenario]) -> None:
    """More than there is room for at first, in kernels and in plain Python."""
    kinds = {n: {"kind": f"{__name__}:{n}", "coin": "eth"} for n in ("Crowd", "PlainCrowd")}
    market = Market(small(agents={}, protocols=kinds), rng=1)
    many = [Idle(market, {}, f"a{n}") for n in range(200)]
    for crowd in kinds:
        owed = market.protocols[crowd].owed()
        assert owed.amounts.shape == (len(market.ledger.accounts), 1)
        assert owed.amounts.sum() == len(market.ledger.accounts)
    assert many[150].wealth == pytest.approx(2.0 * market.price("eth"))
    assert market.balance_sheets()["equity"].sum() == pytest.approx(
        base_tokens(market) + market.wealth("venue") - 2.0 * market.price("eth"), rel=1e-12
    )


@inner
def of_everybody(w, me):
    """A coin for everybody."""
    for row in range(w.books.balances.shape[0]):
        note_claim(w, row, me.coin, 1.0)


class Crowd(Protocol):
    """Owes everybody a coin."""

    Settings = CoinSettings
    tokens = ("coin",)
    claims = of_everybody


class PlainCrowd(Crowd):
    """The same in plain Python."""

    def claims(self) -> list[Claim]:
        """A coin for everybody."""
        return [Claim(row, "eth", 1.0) for row in range(len(self.market.ledger.accounts))]


# From one file in a folder of somebody's


@pytest.fixture(params=["Cellar", "PlainCellar"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder outside the project with the guide's vault, and a scenario beside it."""
    text = (ROOT / "docs" / "new_protocol.md").read_text(encoding="utf-8")
    found = {"python": [], "toml": []}
    for language, code in BLOCKS.findall(text):
        found[language].append(code)
    compiled, plain, _ = found["python"]
    module = f"cellar_{request.param.lower()}_{tmp_path.parent.name.replace('-', '_')}"
    (tmp_path / f"{module}.py").write_text(compiled if request.param == "Cellar" else plain)
    (scenario,) = found["toml"]
    scenario = scenario.replace("cellar:Cellar", f"{module}:{request.param}")
    (tmp_path / "cellar.toml").write_text(scenario)
    invalidate_caches()
    yield tmp_path
    sys.modules.pop(module, None)
    sys.path[:] = [p for p in sys.path if p != str(tmp_path)]


def test_one_file_is_enough(folder: Path) -> None:
    setup = Scenario.load(folder / "cellar.toml")
    market = Market(setup, rng=1)
    ann = Idle(market, {"eth": 10.0}, "ann")
    before = ann.wealth
    ann.act("cellar", "enter", 4.0)
    rules = market.world.rules[0]
    market.run(1)
    cost = (10.0 - 4.0 - ann.wallet["eth"]) * market.price("eth")
    assert 0.0 < cost < 20.0 and rules["fee_market"]
    # Entering costs nothing but gas, at today's price.
    assert ann.wealth + cost == pytest.approx(10.0 * market.price("eth"), rel=1e-12)
    assert before > 0.0
    ann.act("cellar", "leave", ALL)
    market.run(9)  # the tenth block is measured
    frame = market.receipts()
    mine = frame[frame["protocol"] == "cellar"]
    assert mine["kind"].astype(str).tolist() == ["enter", "leave"]
    assert mine["gas"].tolist() == [110_000.0, 150_000.0]
    assert market.protocols["cellar"].value("fees") == pytest.approx(0.004)
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert row["protocol.cellar.fees"] == pytest.approx(0.004)
    graph = market.exposure()
    assert graph.nodes["cellar"]["assets"] == pytest.approx(0.004 * market.price("eth"))
    with pytest.raises(ScenarioError) as told:
        setup.override({"protocols.cellar.fee": "much"})
    assert told.value.problems[0][0] == "protocols.cellar.fee"


def test_one_file_is_enough_for_runs_and_sweeps(folder: Path) -> None:
    """From there, with the command; workers find the module too."""
    undertow(folder, "run", "cellar.toml", "--out", "out")
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert "Protocol cellar" in page
    summary = json.loads((folder / "out" / "summary.json").read_text())
    assert any(node["id"] == "cellar" for node in summary["exposure"]["nodes"])
    told = summary["protocols"]["cellar"]
    assert {figure["last"] for figure in told.values()} == {0.0}
    assert "<td>Protocol cellar</td><td>value 0 usdc; " in page
    again = Scenario.load(folder / "out" / "scenario.toml")
    assert again.protocols["cellar"].settings.fee == 0.001  # type: ignore[attr-defined]
    (folder / "study.toml").write_text(
        'scenario = "cellar.toml"\nseeds = 2\n\n[parameters.fee]\n'
        'path = "protocols.cellar.fee"\nvalues = [0.0, 0.01]\n\n'
        '[keep]\nworth = "last(protocol.cellar.value)"\n'
    )
    undertow(folder, "sweep", "study.toml", "--out", "swept", "--workers", "2")
    frame = read_study(folder / "swept")
    assert frame["status"].astype(str).tolist() == ["done"] * 4
    assert (frame["worth"] == 0.0).all()


def test_a_file_that_extends_another_finds_the_modules_of_both(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        code = "from tests.fuzz.puppets import Till\n\n\nclass Own(Till):\n    pass\n"
        (tmp_path / name / f"till_of_{name}.py").write_text(code)
    table = '[protocols.{0}]\nkind = "till_of_{0}:Own"\ncoin = "eth"\n'
    (tmp_path / "first" / "a.toml").write_text('extends = "calm"\n\n' + table.format("first"))
    b = tmp_path / "second" / "b.toml"
    b.write_text('extends = "../first/a.toml"\n\n' + table.format("second"))
    setup = Scenario.load(b)
    assert setup.modules == [str(tmp_path / "second"), str(tmp_path / "first")]
    assert list(setup.protocols) == ["first", "second"]
    sys.path[:] = [p for p in sys.path if not p.startswith(str(tmp_path))]


class Watched(Till):
    """Says how full it is in plain Python."""

    def fullness(self) -> float:
        """Coins per receipt; 1 of none."""
        out = self.market.ledger.supply(self.token("receipt"))
        return self.held("coin") / out if out > 0.0 else 1.0

    measures = (Measure("full", "coins per receipt", "How full it is", fullness),)


def test_a_measure_may_be_a_plain_function(small: Callable[..., Scenario]) -> None:
    own = {"kind": f"{__name__}:Watched", "coin": "eth"}
    market = Market(small(protocols={"own": own}), rng=1)
    ann = Idle(market, {"eth": 10.0}, "ann")
    ann.act("own", "put_in", 4.0)
    market.run(1)
    ann.transfer("own", "eth", 2.0)
    market.run(1)
    frame = market.datacollector.get_model_vars_dataframe()
    assert frame["protocol.own.full"].tolist() == [1.0, 1.5]
    kept = small(protocols={"own": own}, measures={"keep": ["venue.*"]})
    assert "protocol.own.full" not in Market(kept, rng=1).datacollector.reporters
