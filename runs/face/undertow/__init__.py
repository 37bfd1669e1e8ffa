"""Undertow: an agent-based simulator of interconnected DeFi liquidity.

>>> from undertow import Market, Scenario, Study, sweep
>>> market = Market("calm", rng=7).run(500)
>>> market.results.plot("pool.*.imbalance")

    Market, Scenario            open a market and run it
    MarketAgent, Behaviour      write an agent: plainly, or as a compiled cohort
    Protocol, Settings, ...     write a protocol
    Study, sweep                run thousands
    Results, read_results, ...  what came out
    contagion                   who loses, by which link, and where it turns systemic

What is here comes from the packages `sim`, `agents`, `protocols` and `runs`, which stay what they
are. Nothing is imported before it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import agents as agents
    import protocols as protocols
    from agents.base import Behaviour, MarketAgent
    from protocols.interface import Call, Measure, Protocol, Settings, Token
    from runs import contagion as contagion
    from runs.results import Results
    from runs.study.store import read_results, read_scenario, read_series, read_study
    from runs.study.study import Study
    from runs.study.sweeper import sweep
    from sim.errors import ScenarioError
    from sim.ledger import Ledger, LedgerError
    from sim.market import Market
    from sim.registry import Column
    from sim.scenario import Scenario

    __version__: str

__all__ = [
    "Behaviour",
    "Call",
    "Column",
    "Ledger",
    "LedgerError",
    "Market",
    "MarketAgent",
    "Measure",
    "Protocol",
    "Results",
    "Scenario",
    "ScenarioError",
    "Settings",
    "Study",
    "Token",
    "agents",
    "contagion",
    "protocols",
    "read_results",
    "read_scenario",
    "read_series",
    "read_study",
    "sweep",
]

_HOMES = {
    "Behaviour": "agents",
    "Call": "protocols.interface",
    "Column": "agents",
    "Ledger": "sim",
    "LedgerError": "sim",
    "Market": "sim",
    "MarketAgent": "agents",
    "Measure": "protocols.interface",
    "Protocol": "protocols.interface",
    "Results": "runs",
    "Scenario": "sim",
    "ScenarioError": "sim.errors",
    "Settings": "protocols.interface",
    "Study": "runs",
    "Token": "protocols.interface",
    "read_results": "runs",
    "read_scenario": "runs",
    "read_series": "runs",
    "read_study": "runs",
    "sweep": "runs",
}
_MODULES = {"agents": "agents", "contagion": "runs.contagion", "protocols": "protocols"}
_PACKAGES = {
    "sim": "market.py",
    "agents": "base.py",
    "protocols": "interface.py",
    "runs": "results.py",
}
"""Packages that all of it comes from, and a file that each holds."""


def _check_packages() -> None:
    """See that the packages are ours: what lies beside a script comes first on Python's path.

    Raises:
        ImportError: If one is another's, or not there; it says where that lies.
    """
    for package, holds in _PACKAGES.items():
        spec = find_spec(package)
        if spec is None:
            text = f"Undertow's package {package!r} is not there; install undertow again"
            raise ImportError(text, name=package)
        folders = list(spec.submodule_search_locations or ())
        if any(Path(folder, holds).is_file() for folder in folders):
            continue
        file = spec.origin or next(iter(folders), package)
        raise ImportError(
            f"{file} is found where Undertow's package {package!r} is looked for; rename it, or "
            "start your script from a folder that holds nothing of that name",
            name=package,
        )
    _PACKAGES.clear()


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__")), "__version__"])


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("undertow")
        except PackageNotFoundError:  # run from a checkout that is not installed
            return "0+unknown"
    if name not in _HOMES and name not in _MODULES:
        from difflib import get_close_matches

        close = get_close_matches(name, __all__, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; it has {', '.join(__all__)}"
        raise AttributeError(f"module 'undertow' has no attribute {name!r}{hint}", name=name)
    if _PACKAGES:
        _check_packages()
    if name in _MODULES:
        found = import_module(_MODULES[name])
    else:
        found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found
