"""Safeguards compared: what each saves in a crisis and costs in calm, and the cheapest set.

A safeguard is a change of the scenario, by dotted paths. The scenario runs with each, and with sets
of them, in the crisis that its shocks make and in calm without these, all on common seeds: what is
saved is the loss without less the loss with, in the crisis; what it costs is what is lost more (or
earned less) in calm. Beside the cost stands what is foregone in calm: volume that is not traded and
fees that are not earned, which no loss tells of.

Of a small number of safeguards all sets are run; of more, sets grow by the one that then does best,
and shrink by the one that is needed least (search by forward selection and backward elimination: it
may miss the cheapest, which `Frontier.exhaustive` tells).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from runs import paths
from runs.contagion.evaluation import cube, evaluate, loaded
from runs.contagion.networks import Floats
from runs.contagion.plans import Plan
from runs.study.statistics import RESAMPLES, interval
from runs.study.study import BASE
from sim import Scenario
from sim.errors import ScenarioError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

    from sim import Market

Guard = Mapping[str, Any]
"""A safeguard: values by dotted path, with * and ?; or ``"* path"``: a factor on its number."""
Set = frozenset[str]
NONE: Set = frozenset()
MOST_EXACT = 6
"""Safeguards of which all sets are run."""
FACTOR = "* "
_CRISIS, _CALM = "crisis", "calm"


# What there is to compare


def default_guards(setup: Scenario, opening: Market | None = None) -> dict[str, dict[str, Any]]:
    """Safeguards that a scenario has places for.

    Every size is a round one, for a first look; the settings that it has already are left out.

    Args:
        setup: The scenario.
        opening: The market as it opens, with any seed: only that tells what is borrowed then, which
            caps must leave room for. Without it there are no caps.

    Returns:
        By name: ``breakers``, pools halt for an hour at a move of 10 % within ten minutes;
        ``dynamic_fees``, fees rise by twice a block's volatility, to 5 % at most; ``thresholds``,
        collateral counts for a tenth less; ``insurance``, a fund of 2 % of the first deposits' cash
        covers the lending markets; ``slower_oracles``, each is half an hour late;
        ``capped_oracles``, each moves by 1 % in a minute at most; ``queues``,
        protocols that pay out slowly take twice as long; ``diversified``, funds hold all their
        assets evenly; ``caps``, no more may be borrowed of a token than half as much again as at
        the opening (seeds that draw more than that there are refused as they open).
    """
    content, blocks = setup.to_dict(), _blocks(setup)
    found: dict[str, dict[str, Any]] = {}
    pools, lending = content.get("pools", {}), content.get("lending", {})
    breaker = {"move": 0.1, "window": blocks(600.0), "cool_down": blocks(3600.0)}
    _add(found, "breakers", {f"pools.{p}.breaker": breaker for p, v in pools.items()
                             if not v.get("breaker")})  # fmt: skip
    fees = {f"pools.{p}.volatility_fee": 2.0 for p, v in pools.items()
            if v.get("volatility_fee") == 0.0}  # fmt: skip
    _add(found, "dynamic_fees", fees)
    collateral = [
        f"lending.{m}.reserves.{token}" for m, v in lending.items()
        for token, reserve in v.get("reserves", {}).items()
        if reserve.get("threshold") and not reserve.get("isolated")
    ]  # fmt: skip
    lower = {
        f"{FACTOR}{place}.{what}": 0.9 for place in collateral for what in ("ltv", "threshold")
    }
    _add(found, "thresholds", lower)
    insured = {name for fund in content.get("insurance", {}).values() for name in fund["covers"]}
    _add(found, "insurance", _insurance(content, [m for m in lending if m not in insured]))
    read = {
        o: v for o, v in content.get("oracles", {}).items()
        if v.get("source") in ("venue", "pool_spot", "pool_twap") and not v.get("live")
    }  # fmt: skip
    late = {f"oracles.{o}.lag": blocks(1800.0) for o, v in read.items() if not v.get("lag")}
    _add(found, "slower_oracles", late)
    parts = {"hop": blocks(60.0), "most_move": 0.01}
    capped = {
        f"oracles.{o}.{what}": value for o, v in read.items()
        if not (v.get("hop") or v.get("most_move")) for what, value in parts.items()
    }  # fmt: skip
    _add(found, "capped_oracles", capped)
    slow = {
        f"{FACTOR}protocols.{p}.{what}": 2.0
        for p, v in content.get("protocols", {}).items() if isinstance(v, Mapping)
        for what in ("delay", "notice") if isinstance(v.get(what), int | float) and v[what]
    }  # fmt: skip
    _add(found, "queues", slow)
    alike = {f"agents.{a}.overlap": 1.0 for a, v in content.get("agents", {}).items()
             if _number(v.get("overlap")) not in (None, 1.0)}  # fmt: skip
    _add(found, "diversified", alike)
    owed = {
        f"lending.{m}.reserves.{token}.borrow_cap": 1.5 * opening.lending[m].debts(token)
        for m, v in lending.items() if opening is not None
        for token, reserve in v.get("reserves", {}).items()
        if reserve.get("borrowable") and not np.isfinite(reserve.get("borrow_cap", np.inf))
    }  # fmt: skip
    _add(found, "caps", {path: most for path, most in owed.items() if most > 0.0})
    return found


def _add(found: dict[str, dict[str, Any]], name: str, changes: dict[str, Any]) -> None:
    if changes:
        found[name] = changes


def _number(value: Any) -> float | None:
    """A number, or that which a distribution always is."""
    if isinstance(value, Mapping):
        value = value.get("value")
    return float(value) if isinstance(value, int | float) else None


def _blocks(setup: Scenario) -> Callable[[float], int]:
    return lambda seconds: max(1, round(seconds / setup.block.seconds))


def _insurance(content: Mapping[str, Any], markets: Sequence[str]) -> dict[str, Any]:
    """A fund in the numeraire that covers lending markets."""
    token = content["venue"]["numeraire"]
    cash = sum(
        float(content["lending"][m]["reserves"].get(token, {}).get("cash") or 0.0) for m in markets
    )
    if not cash:
        return {}
    fund = {"token": token, "funds": 0.02 * cash, "covers": list(markets)}
    return {"insurance": dict(content.get("insurance", {})) | {"safeguard": fund}}


# What they do


@dataclass(frozen=True)
class Frontier:
    """Losses that safeguards avoid in a crisis, and their cost in calm times.

    Attributes:
        guards: Names.
        crisis: Loss in the crisis, by set, float64[seeds]; the empty set: without any.
        calm: What is lost in calm, by set, float64[seeds].
        made: What is made in calm besides, by its name and by set, float64[seeds], such as volume.
        seeds: Of the runs, as they are in the arrays.
        exhaustive: Whether all sets were run.
        level: Of intervals.
    """

    guards: tuple[str, ...]
    crisis: Mapping[Set, Floats]
    calm: Mapping[Set, Floats]
    made: Mapping[str, Mapping[Set, Floats]] = field(default_factory=dict)
    seeds: tuple[int, ...] = field(default=())
    exhaustive: bool = True
    level: float = 0.95

    def saved(self, chosen: Set) -> Floats:
        """What a set saves in the crisis, float64[seeds]."""
        return self.crisis[NONE] - self.crisis[chosen]

    def cost(self, chosen: Set) -> Floats:
        """What a set costs in calm, float64[seeds]."""
        return self.calm[chosen] - self.calm[NONE]

    def foregone(self, name: str, chosen: Set) -> Floats:
        """What less of something is made in calm with a set, float64[seeds]."""
        return self.made[name][NONE] - self.made[name][chosen]

    def table(self) -> pd.DataFrame:
        """A row for each set, the cheapest first.

        ``loss``, ``saved``, ``cost`` and what is foregone (a column with the name of each) are
        means over seeds with their intervals (of paired differences); ``best``: no set saves as
        much at less cost, or more at no more.
        """
        rows = []
        best = self._efficient()
        for chosen in self.crisis:
            loss = interval(self.crisis[chosen], "mean", self.level)
            saved = interval(self.saved(chosen), "mean", self.level)
            cost = interval(self.cost(chosen), "mean", self.level)
            less = [interval(self.foregone(name, chosen), "mean", self.level) for name in self.made]
            told = [number for one in (loss, saved, cost, *less)
                    for number in (one.estimate, one.low, one.high)]  # fmt: skip
            rows.append((label(chosen), len(chosen), *told, chosen in best))
        numbers = [f"{name}{end}" for name in ("loss", "saved", "cost", *self.made)
                   for end in ("", "_low", "_high")]  # fmt: skip
        columns = ["set", "size", *numbers, "best"]
        return pd.DataFrame(rows, columns=columns).sort_values(["cost", "size"], ignore_index=True)

    def _efficient(self) -> set[Set]:
        costs = [float(self.cost(s).mean()) for s in self.crisis]
        losses = [float(self.crisis[s].mean()) for s in self.crisis]
        return {s for s, best in zip(self.crisis, _efficient(costs, losses), strict=True) if best}

    def cheapest(self, bound: float, resamples: int = RESAMPLES) -> Choice:
        """The cheapest set that keeps the mean loss in the crisis at a bound.

        Args:
            bound: Of the mean loss.
            resamples: Of the bootstrap over seeds, in each of which the choice is made anew.

        Raises:
            ValueError: If no set keeps it.
        """
        sets = sorted(self.crisis, key=lambda s: (len(s), sorted(s)))
        loss = np.array([self.crisis[s] for s in sets])
        cost = np.array([self.cost(s) for s in sets])
        chosen = _choose(loss.mean(axis=1), cost.mean(axis=1), bound)
        if chosen < 0:
            least = float(loss.mean(axis=1).min())
            raise ValueError(f"no set keeps the loss at {bound:g}; the least is {least:g}")
        n = loss.shape[1]
        rng = np.random.Generator(np.random.Philox(n))
        drawn = rng.integers(n, size=(resamples, n))
        picks = np.array([_choose(loss[:, d].mean(axis=1), cost[:, d].mean(axis=1), bound)
                          for d in drawn])  # fmt: skip
        shares = {label(sets[k]): float((picks == k).mean()) for k in np.unique(picks) if k >= 0}
        kept = float((loss[chosen][drawn].mean(axis=1) <= bound).mean())
        return Choice(
            sets[chosen], float(loss[chosen].mean()), float(cost[chosen].mean()), bound, kept,
            dict(sorted(shares.items(), key=lambda item: -item[1])),
            float((picks < 0).mean()), self.exhaustive,
        )  # fmt: skip

    def plot(self, against: str = "cost", divisor: float = 1.0, unit: str = "numeraire") -> Figure:
        """Cost in calm against loss in the crisis, and the frontier.

        Args:
            against: What is across: "cost", or the name of something foregone, of which the
                frontier is then.
            divisor: Of all numbers, such as a million.
            unit: What they are then, in words.
        """
        table = self.table()
        for name in ("loss", against):
            ends = [name, f"{name}_low", f"{name}_high"]
            table[ends] = table[ends] / divisor
        if against != "cost":
            told = ["cost", "cost_low", "cost_high"]
            table[told] = table[[against, f"{against}_low", f"{against}_high"]].to_numpy()
            table["best"] = _efficient(list(table["cost"]), list(table["loss"]))
        figure, axis = plt.subplots(figsize=(8.0, 5.5), layout="constrained")
        for rows, colour, size in (
            (table[~table["best"]], "grey", 3), (table[table["best"]], "tab:blue", 6),
        ):  # fmt: skip
            x = [rows["cost"] - rows["cost_low"], rows["cost_high"] - rows["cost"]]
            y = [rows["loss"] - rows["loss_low"], rows["loss_high"] - rows["loss"]]
            axis.errorbar(
                rows["cost"], rows["loss"], xerr=np.abs(x), yerr=np.abs(y), fmt="o", ms=size,
                color=colour, alpha=0.4 if colour == "grey" else 1.0, elinewidth=0.7,
            )  # fmt: skip
        best = table[table["best"]].sort_values("cost")
        axis.step(best["cost"], best["loss"], where="post", color="tab:blue", lw=1.5)
        axis.axvline(0.0, color="black", lw=0.6)
        what = "cost" if against == "cost" else f"{against} foregone"
        axis.set(xlabel=f"{what} in calm, {unit}", ylabel=f"loss in the crisis, {unit}")
        axis.grid(alpha=0.3)
        _name(figure, axis, table[table["best"] | (table["size"] <= 1)])
        return figure


def _name(figure: Figure, axis: Axes, named: pd.DataFrame) -> None:
    """Write the names of sets beside their points, each where it covers no other."""
    figure.draw_without_rendering()
    taken: list[Bbox] = []
    middle = sum(axis.get_xlim()) / 2.0
    for row in named.sort_values("loss", ascending=False).to_dict("records"):
        left = row["cost"] > middle  # of a point at the right, so that it stays in the picture
        for line in sorted(range(-4, 5), key=lambda n: (abs(n), -n)):
            # Beside the point first, then some lines below and above; else it has no name.
            text = axis.annotate(
                row["set"].replace("_", " "), (row["cost"], row["loss"]),
                xytext=(-5 if left else 5, 4 - 8 * line), textcoords="offset points", fontsize=7,
                ha="right" if left else "left", color="tab:blue" if row["best"] else "dimgrey",
            )  # fmt: skip
            text.set_in_layout(False)
            box = text.get_window_extent()
            inside = axis.bbox.y0 <= box.y0 and box.y1 <= axis.bbox.y1
            if inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()


@dataclass(frozen=True)
class Choice:
    """The cheapest set of safeguards that keeps losses within a bound.

    Attributes:
        chosen: The set.
        loss: Its mean loss in the crisis.
        cost: Its mean cost in calm.
        bound: Of the loss.
        kept: Share of resamples of the seeds in which it keeps the bound.
        picks: Share of resamples in which each set is the cheapest, by its name.
        none: Share in which no set keeps the bound.
        exhaustive: Whether all sets were looked at.
    """

    chosen: Set
    loss: float
    cost: float
    bound: float
    kept: float
    picks: Mapping[str, float]
    none: float
    exhaustive: bool


def _efficient(costs: Sequence[float], losses: Sequence[float]) -> list[bool]:
    """Of each, whether no other has as little loss at less cost, or less at no more."""
    pairs = list(zip(costs, losses, strict=True))
    return [
        not any(c <= cost and x <= loss and (c < cost or x < loss) for c, x in pairs)
        for cost, loss in pairs
    ]


def label(chosen: Set) -> str:
    """A set in words."""
    return " + ".join(sorted(chosen)) or "none"


def _choose(loss: Floats, cost: Floats, bound: float) -> int:
    """Place of the cheapest that keeps a bound, of two alike the first; -1 if there is none."""
    able = np.flatnonzero(loss <= bound)
    return int(able[np.argmin(cost[able])]) if able.size else -1


# Long: runs of one set after another are laid out inside, as the search asks for them.
# Wide: the market, what is compared, and how it is measured.
def safeguards(
    scenario: Scenario | str | Path,
    loss: str,
    cost: str | Mapping[str, float] | None = None,
    prices: Mapping[str, float] | None = None,
    guards: Mapping[str, Guard] | None = None,
    shocks: Sequence[Mapping[str, Any]] | None = None,
    exhaustive: bool | None = None,
    plan: Plan | None = None,
    made: Mapping[str, str] | None = None,
) -> Frontier:
    """Compare safeguards, alone and together.

    Args:
        scenario: A scenario, its name, or a path to its file.
        loss: What is lost in the crisis, a reduction; "-" before it for what is gained.
        cost: What is lost in calm, likewise, or several of them with what a unit of each is worth:
            ``{"-last(pools.volume)": 0.001, "-mean(lending.*.debt)": 1e-5}``; default: `loss`.
        prices: What safeguards cost in calm besides, such as the return that a fund's capital
            would have elsewhere, numeraire, by name.
        guards: Safeguards by name, each values by dotted path (``"* path"``: a factor); default:
            those that the scenario has places for (`default_guards`). Where two of a set change
            the same field the later one's value is taken.
        shocks: The crisis; default: the scenario's own, which calm is without. Given, the
            scenario's own strike both.
        exhaustive: Run all sets; default: of up to 6 safeguards.
        plan: Seeds, common to all; folder, workers.
        made: What is told of calm besides, each a reduction of something that is made there, of
            which less is foregone; default: volume and fees of all pools, where there are pools.

    Raises:
        ScenarioError: If there is no shock, no safeguard, or one cannot be put in place.
    """
    setup, planned = loaded(scenario), plan or Plan()
    own = [shock.model_dump(exclude_none=True) for shock in setup.shocks]
    if not (own if shocks is None else shocks):
        raise ScenarioError([("shocks", "there are none; give what makes the crisis")])
    struck = own if shocks is None else [*own, *map(dict, shocks)]
    states = {_CRISIS: struck, _CALM: [] if shocks is None else own}
    given = default_guards(setup) if guards is None else guards
    if not given:
        raise ScenarioError([("guards", "there are none; give values by dotted path")])
    base = setup.override({"shocks": struck})
    changes = {name: resolved(setup, name, guard) for name, guard in given.items()}
    lost: dict[Set, Floats] = {}
    calm: dict[Set, Floats] = {}
    seeds: list[int] = []
    weights = cost if isinstance(cost, Mapping) else {cost or loss: 1.0}
    if made_of := _taken_names(besides := _besides(setup) if made is None else dict(made)):
        told = f"{made_of!r} is a column of the table already; take another name"
        raise ScenarioError([(f"made.{made_of}", told)])
    keep = {"loss": loss} | {f"cost{n}": text for n, text in enumerate(weights)}
    keep |= {f"made{n}": text for n, text in enumerate(besides.values())}
    more: dict[str, dict[Set, Floats]] = {name: {} for name in besides}
    if unknown := sorted({*(prices or {})} - {*given}):
        told = f"there is no such safeguard; {did_you_mean(unknown[0], given)}"
        raise ScenarioError([(f"prices.{unknown[0]}", told)])

    def run(sets: Sequence[Set]) -> None:
        new = [s for s in sets if s not in lost]
        if not new:
            return
        variants = {}
        for n, chosen in enumerate(new):
            values: dict[str, Any] = {}
            for name in given:
                values |= changes[name] if name in chosen else {}
            for state, strikes in states.items():
                variants[f"{state}{n}"] = values | {"shocks": strikes}
        if NONE in new:  # whose crisis is what is run anyhow
            del variants[f"{_CRISIS}{new.index(NONE)}"]
        frame = evaluate(base, {}, [], keep, planned, variants=variants)
        seeds[:] = sorted(frame["seed"].unique())
        for n, chosen in enumerate(new):
            lost[chosen] = cube(frame, "loss", f"{_CRISIS}{n}" if chosen else BASE)[0]
            calm[chosen] = sum(
                (
                    w * cube(frame, f"cost{k}", f"{_CALM}{n}")[0]
                    for k, w in enumerate(weights.values())
                ),
                np.full(len(seeds), sum((prices or {}).get(name, 0.0) for name in chosen)),
            )
            for k, name in enumerate(besides):
                more[name][chosen] = cube(frame, f"made{k}", f"{_CALM}{n}")[0]

    everything = exhaustive if exhaustive is not None else len(given) <= MOST_EXACT
    singles = [frozenset({name}) for name in given]
    if everything:
        run([frozenset(c) for k in range(len(given) + 1) for c in combinations(given, k)])
    else:
        run([NONE, *singles, frozenset(given)])
        _search(list(given), lost, calm, run)
    return Frontier(tuple(given), lost, calm, more, tuple(int(s) for s in seeds), everything)


def _besides(setup: Scenario) -> dict[str, str]:
    """What pools make in calm."""
    pools = setup.to_dict().get("pools")
    return {"volume": "last(pools.volume)", "fees": "last(pool.*.fees)"} if pools else {}


def _taken_names(made: Mapping[str, str]) -> str:
    """A name that the table of a frontier has for something else."""
    return next((n for n in made if n in ("set", "size", "loss", "saved", "cost", "best")), "")


def resolved(setup: Scenario, name: str, guard: Guard) -> dict[str, Any]:
    """A safeguard's values by dotted path, factors multiplied out.

    Args:
        setup: The scenario.
        name: Of the safeguard, for errors.
        guard: Its values.

    Raises:
        ScenarioError: If it changes nothing, or a path is not there, or has no number.
    """
    if not guard:
        raise ScenarioError([(f"guards.{name}", "changes nothing; give values by dotted path")])
    content, found = setup.to_dict(), {}
    for pattern, value in guard.items():
        path = pattern.removeprefix(FACTOR)
        there = paths.matches(content, path)
        if not there:
            text = "stands for no field of the scenario; name one that it has"
            raise ScenarioError([(f"guards.{name}.{pattern}", text)])
        for each in there:
            found[each] = _times(content, name, each, value) if path != pattern else value
    return found


def _times(content: Mapping[str, Any], name: str, path: str, factor: Any) -> float | int:
    """A number of the scenario times a factor, whole where it was whole."""
    try:
        old = paths.get(content, path)
    except KeyError as error:
        raise ScenarioError([(f"guards.{name}.{path}", str(error.args[0]))]) from None
    if isinstance(old, bool) or not isinstance(old, int | float):
        text = f"is {old!r}, not a number; it has no multiple"
        raise ScenarioError([(f"guards.{name}.{path}", text)])
    return round(old * factor) if isinstance(old, int) else float(old * factor)


def _search(
    names: Sequence[str],
    lost: Mapping[Set, Floats],
    calm: Mapping[Set, Floats],
    run: Callable[[Sequence[Set]], None],
) -> None:
    """Grow sets from none by what then saves most, and shrink from all by what is needed least.

    Each step also goes by what saves most for what it costs, so that both ends of a frontier are
    looked at: where a set is dear, and where it is cheap.
    """

    def loss(s: Set) -> float:
        return float(lost[s].mean())

    def worth(s: Set) -> float:
        """Saved less what it costs more than nothing does."""
        return loss(NONE) - loss(s) - float((calm[s] - calm[NONE]).mean())

    rules: list[Callable[[Set], float]] = [lambda s: -loss(s), worth]
    for rule in rules:
        grown = NONE
        while len(grown) < len(names):
            more = [grown | {name} for name in names if name not in grown]
            run(more)
            grown = max(more, key=rule)
        shrunk = frozenset(names)
        while len(shrunk) > 1:
            less = [shrunk - {name} for name in sorted(shrunk)]
            run(less)
            shrunk = max(less, key=rule)
