"""The blocks of docs are what they say: scenarios that run, and code that does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sim import Market, Scenario
from sim.compiled import cache_folder
from tests.conftest import BASE, merged

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "pools.md").read_text(encoding="utf-8")
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


def test_the_page_is_told_in_code_that_runs() -> None:
    text = (ROOT / "docs" / "app.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert blocks
    for block in blocks:
        code = block + "\nimport solara\nbox, rc = solara.render(page, handle_error=False)\n"
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
    text = (ROOT / "docs" / "new_agent.md").read_text(encoding="utf-8")
    (module,) = re.findall(r"^```python\n(.*?)```", text, flags=re.DOTALL | re.MULTILINE)
    (group,) = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
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


@pytest.mark.parametrize(
    ("page", "said"), [("real_data.md", "ETHUSDT"), ("results.md", "Liquidators' speed")]
)
def test_code_on_a_page_runs_as_it_stands(page: str, said: str, tmp_path: Path) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    told = []
    for code in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            cwd=tmp_path,
            env=dict(os.environ) | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'runs' / 'face'}"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        told.append(done.stdout)
    assert said in "".join(told)
