"""Derived numbers are arithmetic, and nothing else."""

from __future__ import annotations

import pandas as pd
import pytest

from runs.study.expression import arithmetic
from runs.study.store import with_derived
from runs.study.study import Study
from sim.errors import ScenarioError


@pytest.mark.parametrize(
    "text",
    ["1 - low / 194.61", "exp(low) * (high > 3)", "low ** 2 + -high", "(low < 3) & (high > 1)"],
)
def test_arithmetic_is_computed_as_pandas_does(text: str) -> None:
    frame = pd.DataFrame({"low": [1.0, 2.0], "high": [3.0, 4.0], "status": "done"})
    found = with_derived(frame.copy(), {"x": text})["x"]
    assert found.tolist() == frame.eval(text).astype(float).tolist()


@pytest.mark.parametrize(
    "text",
    [
        "low.to_csv('stolen.csv')",
        "__import__('os').system('true')",
        "@pd.read_csv('x')",
        "low[0]",
        "lambda: low",
        "low if low else 1",
        "eval('1')",
        "sum(low)",
        "low +",
        "(" * 300,
        "1 + " * 2000 + "1",
    ],
)
def test_what_is_more_than_arithmetic_is_refused_before_anything_runs(text: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be computed|longer than"):
        arithmetic(text)
    with pytest.raises(ScenarioError, match=r"derived\.x: "):
        Study.from_dict(
            {
                "name": "s",
                "scenario": "calm",
                "keep": {"low": "min(gas.mean)"},
                "derived": {"x": text},
            }
        )


def test_powers_of_powers_end_at_once() -> None:
    frame = pd.DataFrame({"low": [1.0], "status": "done"})
    with pytest.raises(ScenarioError, match="cannot be computed"):
        with_derived(frame, {"x": "9**9**9**9 + low"})
