"""The blocks of docs/pools.md are scenarios that run."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from sim import Market, Scenario
from tests.conftest import BASE, merged

TEXT = (Path(__file__).parents[2] / "docs" / "pools.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", TEXT, flags=re.DOTALL)


def test_the_blocks_about_pools_make_one_market() -> None:
    content = merged(BASE, {"pools": {}})
    content["pools"] = {}
    assets = {n: {"price": p, "process": "gbm"} for n, p in (("dai", 1.0), ("btc", 40_000.0))}
    content = merged(content, {"venue": {"assets": assets}})
    for block in BLOCKS:
        content = merged(content, tomllib.loads(block))
    market = Market(Scenario.from_dict(content), rng=1).run(30)
    assert len({pool.kind for pool in market.pools.values()}) == 5
    assert len(market.receipts())
    market.ledger.audit()


def test_every_kind_of_pool_and_safeguard_is_shown() -> None:
    told = "\n".join(BLOCKS)
    for word in ("weighted", "stableswap", "concentrated", "bonding_curve", "breaker", "insurance"):
        assert word in told
