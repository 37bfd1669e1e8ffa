"""Fingerprints of whole runs: a change of structure changes no bit of them.

    python -m tests.fingerprints            # say what has changed since they were kept
    python -m tests.fingerprints --keep     # after a change of the model that is meant

Bits hold for one kind of machine and one set of libraries, so both are kept beside them.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sim import Market

FILE = Path(__file__).with_suffix(".json")
SCENARIOS = ("calm", "interconnected", "march_2020", "black_thursday")
SEEDS = (1, 2, 3)
LIBRARIES = ("numpy", "numba", "llvmlite", "scipy", "pandas")


def place() -> dict[str, str]:
    """What the bits hang on beside the code."""
    where = {"machine": platform.machine(), "libc": " ".join(platform.libc_ver())}
    return where | {"cpu": _cpu()} | {name: version(name) for name in LIBRARIES}


def _cpu() -> str:
    """The processor's model: its compiler may join a product and a sum where it can."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), "")


def digest(values: Any) -> str:
    """Of numbers their bits, of anything else its text."""
    array = np.asarray(values)
    if array.dtype.kind in "OUS":
        raw = "\n".join(map(str, array.ravel().tolist())).encode()
    else:
        raw = np.ascontiguousarray(array).tobytes()
    return hashlib.sha256(raw).hexdigest()[:16]


def of_frame(frame: pd.DataFrame, whole: int = 9) -> dict[str, str]:
    """A digest for each group of columns, whose names begin with as many dotted words."""
    groups: dict[str, list[str]] = {}
    for name in sorted(map(str, frame.columns)):
        groups.setdefault(".".join(name.split(".")[:whole]), []).append(name)
    return {
        group: digest([digest(frame[name].to_numpy()) for name in names])
        for group, names in groups.items()
    }


def fingerprint(scenario: str, seed: int) -> dict[str, Any]:
    """Run a scenario; digests of its measures, its receipts and who holds what at the end."""
    market = Market(scenario, rng=seed)
    try:
        market.run()
        measures = market.datacollector.get_model_vars_dataframe()
        ledger = market.ledger
        held = {token: ledger.balances[:, i] for i, token in enumerate(ledger.tokens)}
        return {
            "measures": of_frame(measures, 2),
            "receipts": of_frame(market.receipts()),
            "balances": {token: digest(column) for token, column in sorted(held.items())},
        }
    finally:
        market.close()


def all_of_them() -> dict[str, Any]:
    """The fingerprints of all scenarios and seeds."""
    return {f"{s} {seed}": fingerprint(s, seed) for s in SCENARIOS for seed in SEEDS}


def kept() -> dict[str, Any]:
    """What was kept: ``place`` and ``runs``."""
    return dict(json.loads(FILE.read_text()))


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What is not as it was."""
    found = []
    for run, parts in before.items():
        for part, columns in parts.items():
            now = after[run][part]
            found += [f"{run}: {part} {c}" for c, was in columns.items() if now.get(c) != was]
            found += [f"{run}: {part} {c} is new" for c in now if c not in columns]
    return found


if __name__ == "__main__":
    now = all_of_them()
    if "--keep" in sys.argv[1:]:
        FILE.write_text(json.dumps({"place": place(), "runs": now}, indent=1) + "\n")
        sys.exit()
    was = kept()
    if was["place"] != place():
        print("kept elsewhere:", was["place"], "here:", place())
    differ = changes(was["runs"], now)
    print("\n".join(differ) or "the same bits")
    sys.exit(bool(differ))
