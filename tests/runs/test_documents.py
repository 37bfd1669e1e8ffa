"""The blocks of docs are what they say: scenarios that run, and code that does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from sim import Market, Scenario
from sim.compiled import cache_folder
from tests.conftest import BASE, merged
from tests.pages import DOCS, ROOT, blocks

BLOCKS = [block.text for block in blocks(DOCS / "pools.md", "toml")]


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


def test_the_page_is_told_in_code_that_runs() -> None:
    told = blocks(DOCS / "app.md", "python")
    assert told
    for block in told:
        code = block.text + "\nimport solara\nbox, rc = solara.render(page, handle_error=False)\n"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


PROBE = """
import tomllib
from sim import Market, Scenario
from sim.compiled import on_compilation
from tests.conftest import BASE, merged

told = []
with on_compilation(told.append):
    market = Market(Scenario.from_dict(merged(BASE, tomllib.loads(GROUP))), rng=1).run(20)
print(*told)
print(market.cohorts["contrarians"].column("trades").sum(), len(market.receipts()))
"""


def test_an_agent_of_ones_own_is_compiled_once(tmp_path: Path) -> None:
    (module,) = (block.text for block in blocks(DOCS / "new_agent.md", "python"))
    (group,) = (block.text for block in blocks(DOCS / "new_agent.md", "toml"))
    group = re.sub("threshold = .*", "threshold = 0.0", group)  # the price of this market is still
    (tmp_path / "contrarians.py").write_text(module)

    def told() -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", f"GROUP = {group!r}\n{PROBE}"], cwd=ROOT, check=True,
            env=dict(os.environ) | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
        )  # fmt: skip
        names, numbers = done.stdout.splitlines()
        sent, receipts = numbers.split()
        assert float(sent) == float(receipts) > 0.0
        return names.split()

    try:
        assert "decide" in told()
        assert told() == []
    finally:
        for folder in cache_folder().glob(f"{tmp_path.name}_*"):
            shutil.rmtree(folder)
