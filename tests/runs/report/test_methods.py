"""What a paper needs: how it was made, and what to cite."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from runs.report.methods import citation, methods_section, run_methods, scenario_hash
from runs.summary import summarise
from sim import Market, Scenario


def test_a_run_is_told_with_all_that_makes_it_again(
    small: Callable[..., Scenario], tmp_path: Path
) -> None:
    jump = {"kind": "price_jump", "asset": "eth", "size": -0.1, "block": 2}
    market = Market(small(shocks=[jump]), rng=9).run(5)
    summary = summarise(market)
    words = run_methods(summary, market.setup, scenario_hash(market.setup))
    for text in (
        "seed 9",
        "5 blocks of 12 s",
        "price_jump",
        "numpy ",
        "numba ",
        "mesa ",
        "python ",
    ):
        assert text in words
    assert summary["sources"][:12] in words
    file = tmp_path / "scenario.toml"
    file.write_text(market.setup.to_toml(), encoding="utf-8")
    assert hashlib.sha256(file.read_bytes()).hexdigest()[:16] in words


def test_what_to_cite_is_bibtex() -> None:
    entry = citation("1.2.3", "abcdef0123456789")
    assert entry.startswith("@software{undertow,") and entry.count("{") == entry.count("}")
    assert "version = {1.2.3}" in entry and "sources abcdef012345}" in entry
    assert "note" not in citation("1.2.3")
    assert "&lt;b&gt;" in methods_section("<b>", "<b>")
