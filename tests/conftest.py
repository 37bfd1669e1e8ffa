"""What the tests share."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from runs.app.browser import chromium as opened_chromium
from runs.app.browser import chromium_here
from sim import Market, Scenario

settings.register_profile(
    "undertow",
    deadline=None,  # a first call compiles
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
    print_blob=True,
)
settings.load_profile("undertow")

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"

BASE: dict[str, Any] = {
    "title": "small",
    "blocks": 100,
    "block": {"fee_market": "off"},
    "venue": {
        "inventory": 1e9,
        "assets": {"eth": {"price": 2000.0, "process": "constant", "inventory": 1e6}},
    },
    "pools": {"eth-usdc": {"tokens": ["eth", "usdc"], "reserves": {"eth": 1000.0, "usdc": 2e6}}},
    "oracles": {
        "eth": {"token": "eth", "source": "venue"},
        "usdc": {"token": "usdc", "source": "fixed", "price": 1.0},
    },
    "lending": {
        "bank": {
            "reserves": {
                "eth": {"ltv": 0.8, "threshold": 0.83, "bonus": 0.05},
                "usdc": {"collateral": False, "cash": 1e6},
            }
        }
    },
}

CROWD: dict[str, Any] = {
    "traders": {
        "kind": "noise_trader",
        "count": 60,
        "pools": ["eth-usdc"],
        "rate": 0.1,
        "wallet": {"eth": 20.0, "usdc": 40_000.0},
    },
    "arbitrageurs": {
        "kind": "arbitrageur",
        "count": 4,
        "pools": ["eth-usdc"],
        "wallet": {"usdc": 1e5, "eth": 5.0},
    },
    "providers": {
        "kind": "liquidity_provider",
        "count": 6,
        "pools": ["eth-usdc"],
        "stake": 50_000.0,
        "review": 40,
        "wallet": {"eth": 1.0},
    },
    "lenders": {
        "kind": "lender",
        "count": 20,
        "lending": "bank",
        "debt": "usdc",
        "attention": 0.05,
        "wallet": {"eth": 1.0},
    },
    "borrowers": {
        "kind": "leveraged_borrower",
        "count": 30,
        "lending": "bank",
        "collateral": "eth",
        "debt": "usdc",
        "pools": ["eth-usdc"],
        "leverage": {"distribution": "uniform", "low": 2.0, "high": 4.0},
        "attention": 0.1,
        "wallet": {"eth": 1.0},
    },
    "liquidators": {
        "kind": "liquidator",
        "count": 3,
        "lending": "bank",
        "pools": ["eth-usdc"],
        "wallet": {"usdc": 1e5, "eth": 5.0},
    },
}


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy of nested tables with some values changed."""
    found = copy.deepcopy(base)
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(found.get(key), dict):
            found[key] = merged(found[key], value)
        else:
            found[key] = copy.deepcopy(value)
    return found


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A browser; one for all tests of a process, where Playwright starts only once."""
    pytest.importorskip("playwright")
    if chromium_here() is None:
        pytest.skip("there is no chromium here; apt-get install chromium")
    with opened_chromium() as browser:
        yield browser


@pytest.fixture
def small() -> Callable[..., Scenario]:
    """Makes a scenario with one pool, one lending market and no agents, changed as asked."""

    def make(**changes: Any) -> Scenario:
        return Scenario.from_dict(merged(BASE, changes))

    return make


@pytest.fixture
def lively() -> Callable[..., Scenario]:
    """Makes a scenario in which all kinds of agents act on a price that moves a lot."""

    def make(**changes: Any) -> Scenario:
        moving = {
            "process": "gbm",
            "volatility": 12.0,
            "depth": 2e5,
        }
        content = merged(BASE, {"venue": {"assets": {"eth": moving}}, "agents": CROWD})
        content["block"] = {
            "fee_market": "first_price",
            "gas_limit": 3e6,
            "outside": {"gas": 0.8, "bid_median": 5.0},
        }
        content["audit"] = {"every": 1}
        return Scenario.from_dict(merged(content, changes))

    return make


@pytest.fixture
def market(small: Callable[..., Scenario]) -> Market:
    """A market with one pool, one lending market, no gas and no agents."""
    return Market(small(), rng=1)


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """Finds a file of real records, or skips the test where they are absent."""

    def find(name: str) -> Path:
        if not (SHARED / name).is_file():
            pytest.skip(f"no real records here ({name})")
        return SHARED / name

    return find


def undertow(folder: Path, *arguments: str) -> None:
    """Run the command from a folder outside the project, with this code; it must succeed."""
    environment = dict(os.environ) | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    command = [sys.executable, "-m", "runs.cli", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
