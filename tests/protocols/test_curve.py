"""A kind of pool in one file of somebody's: the guide's, run from outside the project."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from importlib import invalidate_caches
from pathlib import Path

import numpy as np
import pytest

from agents import MarketAgent
from protocols import amm
from protocols.handles import CurvedPool
from runs import read_study
from sim import Market, Scenario
from sim.errors import ScenarioError
from sim.registry import Column
from tests.conftest import undertow

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = re.compile(r"```(python|toml)\n(.*?)```", re.S)


class Idle(MarketAgent):
    """Does what the test says and nothing by itself."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder outside the project with the guide's pool, and a scenario beside it."""
    text = (ROOT / "docs" / "new_pool.md").read_text(encoding="utf-8")
    blocks = BLOCKS.findall(text)
    (code,) = [c for language, c in blocks if language == "python"]
    (scenario,) = [c for language, c in blocks if language == "toml"]
    name = f"power_pool_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(code)
    (tmp_path / "power.toml").write_text(scenario.replace("power_pool:", f"{name}:"))
    invalidate_caches()
    yield tmp_path
    sys.modules.pop(name, None)
    sys.path[:] = [p for p in sys.path if p != str(tmp_path)]


def test_what_a_kind_does_not_say_follows_from_its_price(folder: Path) -> None:
    market = Market(Scenario.load(folder / "power.toml"), rng=1)
    books, pool = market.ledger.books, market.world.pools[2]
    x, y, q, keep = 500.0, 1.2e6, 0.1, 0.997
    assert market.pools["power"].exponent == q  # type: ignore[attr-defined]
    assert market.pools["power"].spot_price("eth", "usdc") == pytest.approx((y / x) ** (1.0 - q))
    for amount in (0.0, 3.0, 200.0):
        paid = x + keep * amount
        left = x**q + y**q - paid**q
        first = keep * left ** (1.0 / q - 1.0) * paid ** (q - 1.0)
        assert amm.slope(books, pool, 0, 1, amount)[1] == pytest.approx(first, rel=2e-6)
    rate = 0.7 * keep * (y / x) ** (1.0 - q)
    amount = amm.amount_to_rate(books, pool, 0, 1, rate)
    assert amm.slope(books, pool, 0, 1, amount)[1] == pytest.approx(rate, rel=1e-9)


def test_one_file_is_enough(folder: Path) -> None:
    setup = Scenario.load(folder / "power.toml")
    market = Market(setup, rng=1)
    ann = Idle(market, {"eth": 20.0, "usdc": 60_000.0}, "ann")
    before = ann.wealth
    ann.add_liquidity("power", {"eth": 10.0, "usdc": 24_000.0})
    market.run(1)
    share = ann.wallet["power-share"]
    assert share > 0.0
    spent = market.receipts().query("sender == 'ann'")
    gas = float((spent["gas"] * spent["gas_price"]).sum()) * 1e-9
    assert ann.wealth + gas * market.price("eth") == pytest.approx(before, rel=1e-3)
    market.run(299)
    # An arbitrageur has brought it to the market.
    outside = market.price("eth")
    assert market.pools["power"].spot_price("eth", "usdc") == pytest.approx(outside, rel=0.01)
    frame = market.receipts()
    assert "power" in set(frame["protocol"].astype(str))
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert row["pool.power.value"] > 2e6 and np.isfinite(row["pool.power.depth"])
    assert row["pool.power.volume"] > 1e5
    assert market.exposure().nodes["power"]["assets"] == pytest.approx(row["pool.power.value"])
    with pytest.raises(ScenarioError) as told:
        setup.override({"pools.power.parameters.q": 2.0})
    assert told.value.problems == [
        ("pools.power.parameters.q", "2 is out of range; give a number from 0.01 to 0.99")
    ]
    with pytest.raises(ScenarioError, match=r"no such parameter .* did you mean|known: q"):
        setup.override({"pools.power.parameters": {"exponent": 0.5}})


@pytest.mark.parametrize(("move", "status"), [(0.04, "done"), (0.06, "reverted")])
def test_its_breaker_watches_its_price(folder: Path, move: float, status: str) -> None:
    setup = Scenario.load(folder / "power.toml").override(
        {"pools.power.breaker": {"move": 0.05}, "agents.arbitrageurs.pools": ["eth-usdc"]}
    )
    market = Market(setup, rng=1)
    x, y, q = 500.0, 1.2e6, 0.1
    # Sold until the log of the price is so much lower; the price is (y / x) ** (1 - q).
    k, ratio = x**q + y**q, y / x * np.exp(-move / (1.0 - q))
    after = (k / (1.0 + ratio**q)) ** (1.0 / q)
    ann = Idle(market, {"eth": 100.0}, "ann")
    ann.swap("power", "eth", (after - x) / 0.997)
    market.run(1)
    (mine,) = market.receipts().query("sender == 'ann'").to_dict("records")
    assert (mine["status"], mine["reason"]) == (status, "done" if status == "done" else "halted")


def test_one_file_is_enough_for_runs_and_sweeps(folder: Path) -> None:
    undertow(folder, "run", "power.toml", "--out", "out")
    assert "power" in (folder / "out" / "report.html").read_text(encoding="utf-8")
    summary = json.loads((folder / "out" / "summary.json").read_text())
    assert any(node["id"] == "power" for node in summary["exposure"]["nodes"])
    (folder / "study.toml").write_text(
        'scenario = "power.toml"\nseeds = 1\n\n[parameters.q]\n'
        'path = "pools.power.parameters.q"\nvalues = [0.1, 0.5]\n\n'
        '[keep]\nprice = "last(pool.power.price)"\n'
    )
    undertow(folder, "sweep", "study.toml", "--out", "swept", "--workers", "2")
    assert read_study(folder / "swept")["status"].astype(str).tolist() == ["done"] * 2


def test_a_kind_has_so_many_parameters_at_most() -> None:
    with pytest.raises(TypeError, match="declares 9 parameters; there is room for 8"):
        type("Many", (CurvedPool,), {"parameters": {f"p{n}": Column("", "") for n in range(9)}})
