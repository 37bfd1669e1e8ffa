"""Bits do not hang on the processor: as on one on which NumPy knows no wide registers."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN = """
import sys
from tests.fingerprints import digest
from sim import Market
market = Market(sys.argv[1], rng=5).run(150)
print(digest(market.ledger.balances), digest(market.datacollector.get_model_vars_dataframe()))
"""
DIFFER = {"exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "power", "float_power"}
DIFFER |= {"sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "cbrt"}
DIFFER |= {"dot", "matmul", "inner", "einsum", "tensordot", "vdot"}
"""Functions of NumPy whose last bits hang on the processor, or on how BLAS was built."""


@pytest.mark.parametrize("scenario", ["calm", "black_thursday"])
def test_a_run_is_the_same_where_numpy_has_no_wide_registers(scenario: str) -> None:
    found = []
    for less in ({}, {"NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR"}):
        env = os.environ | less | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-W", "ignore", "-c", RUN, scenario]
        done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found.append(done.stdout)
    assert found[0] == found[1]


@pytest.mark.parametrize("package", ["sim", "agents", "protocols"])
def test_what_a_run_hangs_on_calls_nothing_that_differs(package: str) -> None:
    strange = []
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
                strange.append(f"{path.name}:{node.lineno}: @")
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "np"
                and node.attr in DIFFER
            ):
                strange.append(f"{path.name}:{node.lineno}: np.{node.attr}")
    assert strange == []
