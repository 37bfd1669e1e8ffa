"""When enough seeds have run."""

from __future__ import annotations

import numpy as np
import pytest

from runs.study.rule import Rule
from runs.study.statistics import interval


def test_a_rule_reads_as_it_is_written() -> None:
    rule = Rule.parse("ci(bad_debt) < 5% and ci(q95(low)) < 2e3")
    first, second = rule.terms
    assert (first.measure, first.statistic, first.bound, first.relative) == (
        "bad_debt",
        "mean",
        0.05,
        True,
    )
    assert (second.measure, second.statistic, second.bound, second.relative) == (
        "low",
        "q95",
        2000.0,
        False,
    )
    assert rule.measures == ["bad_debt", "low"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("bad_debt < 5%", "is no rule"),
        ("ci(bad_debt) > 5%", "is no rule"),
        ("ci(bad_debt) < 5% or ci(x) < 1", "is no rule"),
        ("ci(mode(x)) < 5%", "unknown statistic 'mode'"),
        ("ci(x) < 0%", "narrower"),
        ("ci(x) < 1.2.3", "not a number"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Rule.parse(text)


def test_it_holds_when_half_the_interval_is_narrow_enough() -> None:
    x = np.random.default_rng(1).normal(100.0, 10.0, 50)
    found = interval(x)
    share = 100.0 * found.half_width / found.estimate
    assert Rule.parse(f"ci(x) < {1.01 * share}%").holds({"x": x})
    assert not Rule.parse(f"ci(x) < {0.99 * share}%").holds({"x": x})
    assert Rule.parse(f"ci(x) < {1.01 * found.half_width}").holds({"x": x})
    assert not Rule.parse(f"ci(x) < 99% and ci(x) < {0.99 * found.half_width}").holds({"x": x})


def test_few_runs_are_never_enough_and_failed_ones_do_not_count() -> None:
    rule = Rule.parse("ci(x) < 100%")
    assert not rule.holds({"x": [1.0] * 4})
    assert not rule.holds({"x": [1.0] * 4 + [np.nan] * 9})
    assert rule.holds({"x": [1.0] * 5})


def test_a_figure_that_is_always_zero_is_known_well_enough() -> None:
    assert Rule.parse("ci(x) < 5%").holds({"x": np.zeros(20)})
