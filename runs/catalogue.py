"""The tables in docs, of measures, scenario fields and agents: ``python -m runs.catalogue``."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from sim import Market, Scenario
from sim.measures import Measure
from sim.registry import Column, behaviours
from sim.scenario import Shock, model_of

HEAD = """# Measures

Columns of `blocks.parquet` and of `market.datacollector`, besides `block`. Names in angle brackets
stand for those of the scenario; a class is a group of agents or one of `venue`, `producer` (of
blocks), `holders` (outside holders of shares and deposits) and the treasuries. `loss` is the wealth
at the start less the wealth now; `result` is the wealth now less what the holdings at the start
would be worth now. Keep some with `measures.keep = ["pool.*", "gas.mean"]`.

| name | unit |
|---|---|
"""


def general(name: str, market: Market) -> str:
    """A measure's name with placeholders for the scenario's own names."""
    places: list[tuple[str, Collection[str]]] = [
        ("pool", market.pools),
        ("market", market.lending),
        ("asset", market.venue.names),
    ]
    parts = name.split(".")
    if parts[0] in ("wealth", "loss", "result"):
        return f"{parts[0]}.<class>"
    if parts[0] == "oracle":
        return f"oracle.<oracle>.{parts[2]}"
    for word, names in places:
        if len(parts) > 2 and parts[1] in names:
            parts[1] = f"<{word}>"
    if parts[0] == "lending" and len(parts) == 4:
        parts[2] = "<token>"
    return ".".join(parts)


def table(market: Market) -> str:
    """The document, for the measures of a market."""
    rows: dict[str, Measure] = {}
    for m in market.measures:
        rows.setdefault(general(m.name, market), m)
    lines = [f"| `{name}` | {re.sub('[|]', '/', m.unit)} |" for name, m in rows.items()]
    return HEAD + "\n".join(lines) + "\n"


SCENARIOS = """# Scenarios

A scenario is a TOML file; `runs/scenarios/calm.toml` is one to copy. It may begin with
`extends = "calm"` (a name, or a path beside it) and say only what differs, table by table, and
`remove = ["agents.liquidators"]` what the parent has too much of.
`undertow run calm --set PATH=VALUE` changes any field for one run. Tables in angle brackets have
names of your choice; a group of agents also takes the columns of its kind, which
[agents.md](agents.md) lists. A number of an agent, or in a wallet, may be a distribution:
`{ distribution = "lognormal", median = 5.0, sigma = 1.0 }`, or constant, uniform, normal, pareto,
beta, choice; all take `at_least` and `at_most`.
"""


def _described(model: type[BaseModel], path: str) -> list[str]:
    """A heading, a line of what it is, and a row per field; then the tables inside."""
    lines = [f"\n## {path}\n" if path else "\n## At the top\n"]
    if path and model.__doc__:
        lines.append(" ".join(model.__doc__.split()) + "\n")
    lines += ["| field | default | what |", "|---|---|---|"]
    inside: list[str] = []
    for name, field in model.model_fields.items():
        nested = model_of(field.annotation)
        if nested is not None and name != "shocks":
            many = get_origin(field.annotation) is dict
            below = f"{path}.{name}" if path else name
            inside += _described(nested, f"{below}.<name>" if many else below)
            continue
        if name in ("columns", "shocks"):
            continue
        default = (
            "needed"
            if field.is_required()
            else _shown(field.get_default(call_default_factory=False))
        )
        lines.append(f"| `{name}` | {default} | {field.description or _kind(field.annotation)} |")
    return lines + inside


def _shown(value: Any) -> str:
    if value is None or value in ({}, [], ""):
        return "none"
    return f"`{value}`".replace("|", "/")


def _kind(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return ", ".join(str(choice) for choice in get_args(annotation))
    return ""


def scenarios() -> str:
    """The document of all fields of a scenario."""
    lines = _described(Scenario, "")
    for shock in get_args(get_args(Shock)[0]):
        name = get_args(shock.model_fields["kind"].annotation)[0]
        lines += _described(shock, f'shocks: kind = "{name}"')
    return SCENARIOS + "\n".join(lines) + "\n"


AGENTS = """# Agents

The classes of agents and their columns. Each column is a number that every agent has of its own;
a scenario gives it as a number or a distribution. [AGENTS] rules and sources are in the files.
""".replace("[AGENTS] rules", "Rules")


def agents() -> str:
    """The document of all behaviours and their columns."""
    lines = []
    for kind, behaviour in sorted(behaviours().items()):
        if not behaviour.__module__.startswith("agents."):
            continue  # registered by somebody else in this process
        columns: Mapping[str, Column] = behaviour.columns  # type: ignore[attr-defined]
        needs = ", ".join(f"`{n}`" for n in sorted(behaviour.needs))  # type: ignore[attr-defined]
        lines += [f"\n## {kind}\n", f"{behaviour.__doc__} Needs {needs}.\n"]
        lines += ["| column | default | range | unit | what |", "|---|---:|---|---|---|"]
        for name, c in columns.items():
            if not c.state:
                reach = f"{c.low:g} to {c.high:g}"
                lines.append(f"| `{name}` | {c.default:g} | {reach} | {c.unit} | {c.doc} |")
    return AGENTS + "\n".join(lines) + "\n"


def documents() -> dict[str, str]:
    """The generated documents, by file name."""
    return {
        "measures.md": table(Market("black_thursday")),
        "scenarios.md": scenarios(),
        "agents.md": agents(),
    }


def main() -> None:
    """Write the documents."""
    for name, text in documents().items():
        Path("docs", name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
