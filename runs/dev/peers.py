"""Peers that pools are measured beside, and checked against; for benchmarks and tests only.

They come from PyPI, and not as one would wish: degenbot's package imports a node's
client and pins an older scipy, so its arithmetic is loaded without the rest (install it
with ``pip install --no-deps degenbot``); balancer-maths imports itself under the name of
its repository's folder; curvesim changes everybody's log.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any


@contextmanager
def quiet_logging() -> Iterator[None]:
    """Undo what an import does to everybody's log."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    try:
        yield
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers


def _folder(package: str) -> Path:
    """Folder of an installed package, which is not imported.

    Raises:
        ImportError: If it is not installed.
    """
    if package in sys.modules:
        return Path(sys.modules[package].__path__[0])
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ImportError(f"{package} is not installed")
    return Path(spec.origin).parent


def _without_its_own_imports(package: str, *folders: str) -> None:
    """Let a package's modules be imported although its `__init__` is not run."""
    root = _folder(package)
    for name in (package, *(f"{package}.{folder}" for folder in folders)):
        if name not in sys.modules:
            module = ModuleType(name)
            module.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
            sys.modules[name] = module


def curve_pool() -> Any:
    """Curvesim's pool, in the contracts' integers.

    Raises:
        ImportError: If curvesim is not installed.
    """
    with quiet_logging():
        from curvesim.pool import CurvePool

    return CurvePool


def uniswap_step() -> Any:
    """Degenbot's step of a concentrated swap, in the contracts' integers.

    Raises:
        ImportError: If degenbot is not installed.
    """
    _without_its_own_imports("degenbot", "uniswap", "uniswap.v3_libraries")
    module = importlib.import_module("degenbot.uniswap.v3_libraries.swap_math")
    return module.compute_swap_step


def uniswap_pair() -> Any:
    """Degenbot's amount out of a constant product, in the contracts' integers.

    Raises:
        ImportError: If degenbot, or what its arithmetic imports, is not installed.
    """
    _without_its_own_imports("degenbot", "uniswap")
    module = importlib.import_module("degenbot.uniswap.v2_functions")
    return module.constant_product_calc_exact_in


def balancer_weighted() -> Any:
    """balancer-maths' module of weighted pools, in the contracts' fixed-point numbers.

    Raises:
        ImportError: If balancer-maths is not installed.
    """
    _without_its_own_imports("balancer_maths", "pools", "pools.weighted", "common")
    before = sys.modules.get("src")
    sys.modules["src"] = sys.modules["balancer_maths"]
    try:
        return importlib.import_module("balancer_maths.pools.weighted.weighted_math")
    finally:
        if before is None:
            del sys.modules["src"]
        else:
            sys.modules["src"] = before
