"""How numbers were made, fit for a paper, and what to cite."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Mapping
from typing import Any

from runs.report.page import heading, paragraph
from sim import Scenario

VERSIONED = ("undertow", "python", "numpy", "numba", "mesa")
"""Of what a paper tells the versions."""


def with_versions(versions: Mapping[str, str]) -> str:
    """Versions of what made a result, in a line."""
    return ", ".join(f"{name} {versions[name]}" for name in VERSIONED if name in versions)


def scenario_hash(setup: Scenario) -> str:
    """SHA-256 of a scenario as it is written, which ``sha256sum scenario.toml`` gives too."""
    return hashlib.sha256(setup.to_toml().encode()).hexdigest()


def citation(version: str, sources: str = "") -> str:
    """This program, as BibTeX.

    Args:
        version: Of it.
        sources: Hash of the market's sources.
    """
    note = f",\n  note = {{sources {sources[:12]}}}" if sources else ""
    return (
        "@software{undertow,\n"
        "  title = {Undertow: an agent-based simulator of interconnected {DeFi} liquidity},\n"
        f"  author = {{{{The Undertow developers}}}},\n  version = {{{version}}}{note}\n}}\n"
    )


def run_methods(summary: Mapping[str, Any], setup: Scenario, digest: str) -> str:
    """How a run was made.

    Args:
        summary: Of `runs.summary.summarise`.
        setup: The scenario, resolved.
        digest: Its hash.
    """
    groups = len(summary["groups"])
    shocks = [shock.kind for shock in setup.shocks if setup.block_of(shock) <= summary["blocks"]]
    struck = f" External shocks: {', '.join(shocks)}." if shocks else " The scenario has no shocks."
    sources = f" (sources {summary['sources'][:12]})" if summary.get("sources") else ""
    return (
        f"One run of the scenario “{setup.title}” (SHA-256 of its file {digest[:16]}…) with seed "
        f"{summary['rng']}: {summary['blocks']:,} blocks of {setup.block.seconds:g} s, from "
        f"{_clock(summary['start'])} to {_clock(summary['end'])} UTC, with {summary['agents']:,} "
        f"agents in {groups} group{'' if groups == 1 else 's'}.{struck} Measures are taken every "
        f"{_blocks(setup.measures.every)}, at the end of the block. Amounts are in "
        f"{summary['numeraire']}. The "
        "result against holding is final wealth less the initial balance valued at final prices. "
        "Random draws are keyed by seed, agent and block: the same scenario and seed give "
        "identical bits with the same versions on the same kind of "
        f"machine. Made with {with_versions(summary['versions'])}{sources}."
    )


def _blocks(count: int) -> str:
    return "block" if count == 1 else f"{count:,} blocks"


def _clock(text: str) -> str:
    return text[:16].replace("T", " ")


def methods_section(words: str, bibliography: str) -> str:
    """Methods and what to cite, as HTML."""
    return (
        heading("Methods")
        + paragraph(words)
        + heading("Citation")
        + f"<pre>{html.escape(bibliography)}</pre>"
    )
