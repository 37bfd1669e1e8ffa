"""Tables in docs, of measures, agents and all fields of files: ``python -m runs.dev.catalogue``."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from runs.study.reductions import PLAIN, WITH_NUMBER
from runs.study.study import Study
from sim import Market, Scenario
from sim.fields import by_kind
from sim.measures import Measure
from sim.registry import Column, behaviours
from sim.scenario import SHOCKS_BY_KIND, model_of

HEAD = """# Measures

Columns of `blocks.parquet` and of `market.datacollector`, besides `block`. Names in angle brackets
stand for those of the scenario; a class is a group of agents or one of `venue`, `producer` (of
blocks), `holders` (outside holders of shares and deposits) and the treasuries. `loss` is the wealth
at the start less the wealth now; `result` is the wealth now less what the holdings at the start
would be worth now; `extracted` is the result of a searcher's class before its gas. A measure that
looks at every account is kept only where a pattern other than `*` asks for it. Keep some with
`measures.keep = ["pool.*", "gas.mean"]`.

Values are at the venue's prices as the block ends: a share is worth its part of the reserves, a
receipt its deposit. That holds for a pool's `value`, `imbalance` and depths, for wealth, and for
what providers have lost and earned. `impermanent_loss` is what the curve holds at the pool's own
price, without fees, over what was held at its first price, both at the venue's; so it goes on where
a pool's price stands still because the venue's has left all its ranges. `provider_return` is the
same with fees: of a share the reserves behind it, of concentrated liquidity what the positions that
there are hold and are owed, beside what they would have held at the pool's first price. `price` and
`slippage` are the pool's own, `mispricing` its own over the venue's. Volume, fees and
`loss_versus_rebalancing` are valued at the venue's prices of the start of each block; what a
lending market tells, at its oracles' prices, but for its `loss`, which is at the venue's
([losses.md](losses.md)); `traded` and `slippage.<class>` at the venue's.

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
    if parts[0] in ("wealth", "loss", "result", "extracted", "traded", "slippage"):
        return f"{parts[0]}.<class>"
    if parts[0] == "insurance":
        return f"insurance.<fund>.{parts[2]}"
    if parts[0] == "pool" and len(parts) == 4:
        return f"pool.<pool>.<token>.{parts[3]}"
    if parts[0] == "oracle":
        return f"oracle.<oracle>.{parts[2]}"
    for word, names in places:
        if len(parts) > 2 and parts[1] in names:
            parts[1] = f"<{word}>"
    if parts[0] == "lending" and len(parts) == 4:
        parts[2] = "<token>"
    return ".".join(parts)


def table(*markets: Market) -> str:
    """The document, for the measures of some markets."""
    rows: dict[str, Measure] = {}
    for market in markets:
        for m in market.measures:
            rows.setdefault(general(m.name, market), m)
    lines = [f"| `{name}` | {re.sub('[|]', '/', m.unit)} |" for name, m in rows.items()]
    return HEAD + "\n".join(lines) + "\n"


SCENARIOS = """# Scenarios

A scenario is a TOML file. Copy `runs/scenarios/calm.toml` to start with; `bazaar.toml` beside it
uses nearly every feature, and `undertow scenarios` lists all that ship.

- A file may begin with `extends = "calm"` (a name, or a path relative to the file) and state only
  what differs, table by table. `remove = ["agents.liquidators"]` drops what the parent has and the
  new scenario should not.
- `undertow run calm --set PATH=VALUE` changes any field for one run.
- Tables in angle brackets have names of your choice. A group of agents also takes the columns of
  its kind, which [agents.md](agents.md) lists.
- Any number of an agent, or in a wallet, may be a distribution:
  `{ distribution = "lognormal", median = 5.0, sigma = 1.0 }`, or constant, uniform, normal, pareto,
  beta, choice. All take `at_least` and `at_most`.

Everything is checked before anything runs, and each problem is reported with its field and a
remedy.

- Names consist of letters, digits, `-`, `_`, `+` and spaces, 64 at most, and begin with a letter or
  a digit.
- Numbers go up to 1e18, divisors down to 1e-18, and draws are clipped there, so sums and products
  stay finite.
- Times go up to a billion blocks (an oracle's lag and window, which are kept in memory, up to a
  million), dates from 1970 to 2200, seeds from 0 to 2^63 - 1, groups up to a million agents.
- A process may take a price to exp(200) or exp(-200) in a run, no further: `volatility`, `drift`,
  `jump_rate` and `blocks` are checked against each other.
- `extends` and `remove` work only in files, never in `--set`.
"""


def _described(
    model: type[BaseModel], path: str, told: Collection[str] = frozenset(), kind: str = ""
) -> list[str]:
    """A heading, a line of what it is, and a row per field; then the tables inside.

    Args:
        model: What is described.
        path: Where it stands.
        told: Fields that are told elsewhere; of what has no others there is nothing to tell.
        kind: Of which alone it is.
    """
    if set(model.model_fields) <= set(told):
        return []
    heading = f'{path}: kind = "{kind}"' if kind else path
    # Between angle brackets would be a tag of HTML, which is not shown.
    shown = f"`{heading}`" if "<" in heading else heading
    lines = [f"\n## {shown or 'At the top'}\n"]
    if path and model.__doc__:
        lines.append(" ".join(model.__doc__.split()) + "\n")
    lines += ["| field | default | what |", "|---|---|---|"]
    inside: list[str] = []
    for name, field in model.model_fields.items():
        if name in told:
            continue
        nested = model_of(field.annotation)
        if nested is not None and name != "shocks":
            many = get_origin(field.annotation) is dict
            below = f"{path}.{name}" if path else name
            below = f"{below}.<name>" if many else below
            inside += _described(nested, below)
            if (kinds := by_kind(field.annotation)) is not None:
                for kind, own in kinds.all().items():
                    inside += _described(own, below, set(nested.model_fields), kind)
            continue
        if name in ("columns", "shocks", "targets"):
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
    for name, shock in SHOCKS_BY_KIND.items():
        lines += _described(shock, "shocks", kind=name)
    return SCENARIOS + "\n".join(lines) + "\n"


AGENTS = """# Agents

The classes of agents, what they act on, and their columns. Each column is a number that every
agent has of its own; a scenario gives it as a number or a distribution. [AGENTS] rules and sources
are in the files.
""".replace("[AGENTS] rules", "Rules")


def agents() -> str:
    """The document of all behaviours and their columns."""
    lines = []
    for kind, behaviour in sorted(behaviours().items()):
        if not behaviour.__module__.startswith("agents."):
            continue  # registered by somebody else in this process
        columns: Mapping[str, Column] = behaviour.columns  # type: ignore[attr-defined]
        needs = " Needs a `wallet`." if behaviour.needs_wallet else ""  # type: ignore[attr-defined]
        lines += [f"\n## {kind}\n", f"{behaviour.__doc__}{needs}\n"]
        lines += _rows(behaviour.targets)  # type: ignore[attr-defined]
        lines += ["| column | default | range | unit | what |", "|---|---:|---|---|---|"]
        for name, c in columns.items():
            if not c.state:
                reach = f"{c.low:g} to {c.high:g}"
                lines.append(f"| `{name}` | {c.default:g} | {reach} | {c.unit} | {c.doc} |")
    return AGENTS + "\n".join(lines) + "\n"


def _rows(targets: type[BaseModel]) -> list[str]:
    """What agents act on, a row each."""
    if not targets.model_fields:
        return []
    lines = ["| acts on | default | what |", "|---|---|---|"]
    for name, field in targets.model_fields.items():
        told = _shown(field.get_default()) if not field.is_required() else "needed"
        text = f"{field.description or ''} {_kind(field.annotation)}".strip()
        lines.append(f"| `{name}` | {told} | {text} |")
    return [*lines, ""]


STUDIES = """# Studies

A study is many runs of one scenario. It is a TOML file:

```toml
scenario = "black_thursday"            # a name, a path beside this file, or a table with `extends`
seeds = 20                             # common to all points and variants

[set]                                  # for all runs
"oracles.eth.lag" = 1

[parameters.leverage]
path = "agents.*-borrowers.leverage.median"
values = [1.25, 1.5, 2.0, 3.0]

[parameters.depth]                     # a factor on what the scenario says
multiply = ["pools.*.reserves.*", "venue.assets.eth.depth"]
values = [0.25, 0.5, 1.0]

[variants.loop_cut]                    # again at each point, on the same seeds
"switches.venue_depth_is_finite" = false

[keep]                                 # a number each, of the course of a measure
bad_debt = "last(lending.bank.bad_debt)"
low = "min(venue.eth.price)"

[derived]                              # computed of those when they are read
fall = "1 - low / 194.61"
```

`undertow sweep FILE --out DIR` makes its runs on all cores and writes a report. If it is stopped or
killed, the same command resumes, and ends with the same bytes. A run that raises is recorded with
its error (`--retry-failed` repeats those). `undertow scenario DIR RUN` prints the scenario of a
run.

```python
from runs import read_scenario, read_series, read_study

frame = read_study("DIR")  # parameters, variant, seed, what is kept, status, error
setup = read_scenario("DIR", run=17)  # Market(setup).run() makes that run again
```

DuckDB and polars can read the files directly: `DIR/runs/study=NAME/*.parquet`. `undertow sweep` and
`runs.study.statistics` (`summary`, `paired`, `interval`) compute means, quantiles and expected
shortfall with bootstrap intervals, and differences between variants on common seeds.

**Reductions** turn a measure into one number: REDUCTIONS. Examples: `max(gas.mean)`,
`quantile(gas.mean, 0.9)`, `first_below(venue.eth.price, 100)` (a block). A measure with `*` is the
sum of all that it matches. Reductions see only the collected rows, one every `measures.every`
blocks.

**When enough seeds have run**: `until = "ci(bad_debt) < 5%"` adds seeds to each point in rounds,
until half the width of the interval is below 5 % of the estimate in every variant (or below a
number, without %). The rule may also use `ci(q95(low))` or `ci(es95(bad_debt))`, and join several
with `and`.

**Designs**: a grid of all combinations, a list of values side by side, Latin hypercube, Sobol (with
sensitivity indices in the report), random.

**A Python file** helps where TOML is not enough. It ends with `study = Study(...)`, may keep the
value of a function of the finished market, and may register agents of your own. Workers receive it
as text; what it imports must be installed there.

```python
from runs import Study


def gini(market):
    wealth = sorted(agent.wealth for agent in market.agents)
    n = len(wealth)
    return 2.0 * sum(i * w for i, w in enumerate(wealth, 1)) / (n * sum(wealth)) - (n + 1) / n


study = Study(scenario="calm", seeds={"count": 20}, keep={"gini": gini})
```

[cluster.md](cluster.md) explains how to go from a laptop to a cluster.

Some questions need studies whose next runs depend on the results so far. The contagion laboratory
makes those itself: which parameters a result depends on ([sensitivity.md](sensitivity.md)), at
which a scenario matches what was measured ([calibration.md](calibration.md)), where a shock stops
being local ([criticality.md](criticality.md)), what safeguards save
([safeguards.md](safeguards.md)), which links carry a loss ([attribution.md](attribution.md)), and
how often a shock becomes systemic in markets with more links
([robust_yet_fragile.md](robust_yet_fragile.md)).
"""


def studies() -> str:
    """The document of all fields of a study."""
    names = ", ".join(f"`{name}`" for name in [*PLAIN, *WITH_NUMBER])
    return STUDIES.replace("REDUCTIONS", names) + "\n".join(_described(Study, "")) + "\n"


def _insured() -> Scenario:
    """A market with pools of several kinds, a fund, makers outside, and the costly measures too."""
    fund = {"token": "usdc", "covers": ["bank"]}
    keep = ["*", "pool.*.concentration"]
    makers = {"kind": "market_maker", "count": 1, "assets": {"eth": 1.0}, "wallet": {"usdc": 1e6}}
    changes = {"insurance": {"fund": fund}, "measures.keep": keep, "agents.makers": makers}
    return Scenario.load("interconnected").override(changes)


def documents() -> dict[str, str]:
    """The generated documents, by file name."""
    return {
        "measures.md": table(Market("black_thursday"), Market(_insured())),
        "scenarios.md": scenarios(),
        "agents.md": agents(),
        "studies.md": studies(),
    }


def main() -> None:
    """Write the documents."""
    for name, text in documents().items():
        Path("docs", name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
