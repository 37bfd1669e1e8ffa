"""The state of one visitor's page."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import get_args

import pytest

from runs.app import session as module
from runs.app.live import LiveMarket
from runs.app.session import Session, mechanisms
from sim import Scenario
from sim.mechanisms import present
from sim.scenario import Mechanism


@pytest.fixture
def session() -> Session:
    found = Session("?scenario=calm&rng=4")
    found.open_first()
    return found


def settled(session: Session) -> Session:
    until = time.time() + 60.0
    while session.busy.value and time.time() < until:
        time.sleep(0.01)
    assert not session.busy.value
    return session


def market_of(session: Session) -> LiveMarket:
    market = session.market
    assert market is not None
    return market


def test_it_opens_what_the_link_says(session: Session) -> None:
    market = market_of(session)
    assert (market.seed_number, market.block, session.name.value) == (4, 0, "calm")
    assert session.notice.value == "" and session.busy.value == ""


def test_its_link_opens_the_same(session: Session) -> None:
    market = market_of(session)
    market.advance(10)
    session.strike({"kind": "price_jump", "asset": "eth", "size": -0.1})
    session.switch("pool eth-usdc", True)
    market.advance(25)
    session.compare("mine")
    settled(session)
    other = Session(session.link())
    other.open_first()
    again = market_of(other)
    assert (again.ledger.balances == market.ledger.balances).all()
    assert again.twin is not None and again.twin.block == 25
    assert other.link() == session.link()
    assert [k for k, (_, action) in other.cuts().items() if action] == ["pool eth-usdc"]


def test_a_turned_parameter_waits_until_it_is_applied(session: Session) -> None:
    session.turn("agents.traders.count", 20)
    assert session.unapplied
    assert len(market_of(session).cohorts["traders"]) == 1000
    session.apply()
    settled(session)
    assert len(market_of(session).cohorts["traders"]) == 20
    assert market_of(session).seed_number == 4
    assert not session.unapplied
    session.turn_back("agents.traders.count")
    assert session.unapplied


def test_a_bad_parameter_is_not_applied(session: Session) -> None:
    before = market_of(session)
    session.turn("pools.eth-usdc.fee", 3.0)
    assert "below 1" in session.errors.value["pools.eth-usdc.fee"]
    session.apply()
    assert market_of(session) is before
    session.turn("pools.eth-usdc.fee", 0.01)
    assert session.errors.value == {}


def test_what_only_the_market_can_see_is_said_too(session: Session) -> None:
    session.turn("agents.lenders.count", 0)
    session.apply()
    settled(session)
    assert "cannot open its position" in session.errors.value["agents.borrowers"]
    assert "cannot open its position" in session.notice.value
    assert len(market_of(session).cohorts["lenders"]) == 150  # the old one lives on


def test_a_bad_shock_is_said_beside_its_fields(session: Session) -> None:
    session.strike({"kind": "price_jump", "asset": "eth", "size": -3})
    assert "above -1" in session.shock_errors.value["size"]
    session.strike({"kind": "price_jump", "asset": "eth", "size": -0.1})
    assert session.shock_errors.value == {}
    assert len(market_of(session).actions) == 1


def test_nothing_strikes_after_the_end(session: Session) -> None:
    session.turn("blocks", 3)
    session.apply()
    settled(session)
    market_of(session).advance(3)
    session.strike({"kind": "price_jump", "asset": "eth", "size": -0.1})
    assert "the run has ended" in session.shock_errors.value[""]


def test_switching_a_cut_on_and_off(session: Session) -> None:
    market = market_of(session)
    session.switch("arbitrageurs", True)
    session.switch("arbitrageurs", True)  # twice is once
    assert len(market.actions) == 1
    market.advance(5)
    assert session.cuts()["arbitrageurs"][1] is market.actions[0]
    session.switch("arbitrageurs", False)
    market.advance(6)
    assert session.cuts()["arbitrageurs"][1] is None
    session.look()
    acts = session.acts.value
    session.look()
    assert session.acts.value == acts  # nothing new


def test_every_mechanism_that_works_can_be_cut_and_has_its_words(session: Session) -> None:
    assert set(mechanisms()) == set(get_args(Mechanism))
    market = market_of(session)
    working = present(market.asked)
    assert {"gas_binds", "interconnected", "liquidators_sell", "lenders_leave"} <= set(working)
    for mechanism in working:
        session.switch(mechanisms()[mechanism], True)
    market.step()
    assert [shock.mechanism for _, shock in market.shocks.struck] == working
    assert int(market.world.rules[0]["fee_market"]) == 0
    for mechanism in working:
        session.switch(mechanisms()[mechanism], False)
    market.step()
    assert int(market.world.rules[0]["fee_market"]) != 0
    assert all(session.cuts()[mechanisms()[m]][1] is None for m in working)


def test_following(session: Session) -> None:
    session.follow("nobody-1")
    assert session.followed.value == ""
    session.follow("traders-3")
    assert session.followed.value == "traders-3"


def test_a_twin_that_cannot_be_run_is_said(session: Session) -> None:
    session.compare("agents.lenders")
    settled(session)
    assert "cannot open its position" in session.notice.value
    assert market_of(session).twin is None
    assert session.errors.value == {}


def test_files_up_to_the_block(session: Session) -> None:
    market_of(session).advance(5)
    session.prepare_files()
    settled(session)
    assert session.files_block == 5
    assert session.files.value["blocks.parquet"][:4] == b"PAR1"


def test_one_thing_at_a_time(session: Session) -> None:
    going, done = threading.Event(), []

    def first() -> None:
        going.wait(20)
        done.append(1)

    session.work("first", first)
    session.work("second", lambda: done.append(2))
    assert session.busy.value == "first"
    going.set()
    settled(session)
    assert done == [1, 2]


def test_applied_while_a_market_opens(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is seen may be clicked, though the work that opened it has not ended."""
    shown, leave = threading.Event(), threading.Event()
    opened = session._open

    def slow(link: object) -> None:
        opened(link)  # type: ignore[arg-type]
        shown.set()
        assert leave.wait(20)

    monkeypatch.setattr(session, "_open", slow)
    session.turn("agents.traders.count", 21)
    session.apply()
    assert shown.wait(20)
    session.turn("venue.assets.eth.price", 1000.0)
    session.apply()
    leave.set()
    settled(session)
    assert not session.unapplied
    assert market_of(session).setup.venue.assets["eth"].price == 1000.0
    assert market_of(session).setup.agents["traders"].count == 21


def test_another_scenario_forgets_what_was_done(session: Session) -> None:
    session.turn("agents.traders.count", 20)
    session.choose("interconnected")
    settled(session)
    assert session.name.value == "interconnected"
    assert session.changes.value == {} and market_of(session).actions == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?scenario=nowhere", "no such scenario"),
        ("?scenario=../../etc/passwd", "no such scenario"),
        ("?rng=x", "not a number"),
        ("?scenario=calm&set=pools.eth-usdc.fee=7", "below 1"),
        ('?scenario=calm&do={"kind":"price_jump","block":0}', "size"),
        (
            '?scenario=calm&do={"kind":"mechanism_cut","mechanism":"interconnected","blocks":1,"block":-1}',
            "block",
        ),
        ("?scenario=calm&twin=nothing", "unknown choice"),
    ],
)
def test_a_link_that_makes_no_sense_opens_the_first_scenario(query: str, said: str) -> None:
    session = Session(query)
    session.open_first()
    assert said in session.notice.value
    assert market_of(session).block == 0


def test_the_scenario_of_the_server_is_offered_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('extends = "calm"\ntitle = "Mine"\n')
    monkeypatch.setenv(module.SCENARIO_VARIABLE, str(file))
    monkeypatch.setenv(module.SEED_VARIABLE, "11")
    module.library.cache_clear()
    try:
        assert set(module.library()) == {*Scenario.names(), "mine"}
        session = Session("")
        session.open_first()
        assert market_of(session).setup.title == "Mine"
        assert market_of(session).seed_number == 11
        assert session.link().startswith("?scenario=mine&rng=11")
    finally:
        module.library.cache_clear()


def test_a_tab_that_is_gone_lets_go_of_its_market(session: Session) -> None:
    market = market_of(session)
    session.player.play("end")
    session.leave()
    assert session.market is None
    block = market.block
    time.sleep(0.5)
    assert market.block <= block + 20_000
    stopped = market.block
    time.sleep(0.3)
    assert market.block == stopped
    session.reset()  # nothing left to reset
    session.rewind(0)
    assert session.market is None


def test_a_reset_keeps_seed_parameters_and_who_is_followed(session: Session) -> None:
    session.turn("agents.traders.count", 20)
    session.apply()
    settled(session)
    market_of(session).advance(5)
    session.follow("traders-3")
    session.chosen.set("bank")
    session.reset()
    settled(session)
    market = market_of(session)
    assert (market.block, market.seed_number, len(market.cohorts["traders"])) == (0, 4, 20)
    assert market.followed == market.ledger.account("traders-3")
    assert session.chosen.value == "bank"
    session.reset(9)
    settled(session)
    assert market_of(session).seed_number == 9


def test_going_back_is_the_run_as_it_was_then(session: Session) -> None:
    market = market_of(session)
    market.advance(10)
    session.strike({"kind": "price_jump", "asset": "eth", "size": -0.1})
    market.advance(20)
    then = market.ledger.balances.copy()
    session.strike({"kind": "price_jump", "asset": "eth", "size": -0.5})
    market.advance(60)
    session.rewind(20)
    settled(session)
    back = market_of(session)
    assert back is not market and back.block == 20
    assert (back.ledger.balances == then).all()
    assert [action.shock.size for action in back.actions] == [-0.1]
    session.rewind(21)  # not yet
    session.rewind(-1)
    assert market_of(session) is back


def test_a_link_beyond_the_end_of_the_run_is_told_at_once() -> None:
    session = Session("?scenario=calm&block=999999999")
    session.open_first()
    assert "block: 999,999,999 is beyond the run" in session.notice.value
    assert market_of(session).block == 0


def test_what_no_field_of_the_page_sends_is_not_kept(session: Session) -> None:
    session.turn("extends", "calm")
    assert session.changes.value == {}
    session.switch("nothing", True)
    session.strike([])  # type: ignore[arg-type]
    assert market_of(session).actions == []
