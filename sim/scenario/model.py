"""The scenario: what was read, overridden and found to make sense."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sim import reading, registry
from sim.errors import ScenarioError
from sim.named import enumerated, html_table, outlined
from sim.parts import sections
from sim.scenario import block_time
from sim.scenario.check import check
from sim.scenario.content import Content
from sim.scenario.load import extend, find, resolve, shipped
from sim.scenario.override import set_value, toml_value
from sim.scenario.problems import problems_of
from sim.shown import number


def _with_kind(name: str, thing: Any) -> str:
    kind = getattr(thing, "kind", None)
    return f"{name} ({kind})" if isinstance(kind, str) else name


class Scenario(Content):
    """A market's initial state, its agents and external shocks."""

    def __repr__(self) -> str:
        return f"Scenario({self.title!r})\n{outlined(self.outline(), 9)}"

    __str__ = __repr__

    def __rich_repr__(self) -> Iterator[str]:
        yield self.title

    def _repr_html_(self) -> str:
        """The same as a table, for notebooks."""
        return html_table(self.title, self.outline())

    def outline(self) -> list[tuple[str, str]]:
        """A short summary of the scenario as (label, text) pairs; `to_toml` gives all of it."""
        hours = self.blocks * self.block.seconds / 3_600.0
        length = f"{number(hours / 24.0)} days" if hours > 24.0 else f"{number(hours)} hours"
        if hours < 2.0:
            length = f"{number(60.0 * hours)} minutes"
        told = [
            (
                "run",
                f"{self.blocks:,} blocks of {self.block.seconds:g} s ({length}), "
                f"from {self.start:%Y-%m-%d %H:%M} UTC, seed {self.rng}",
            ),
            ("venue", f"{', '.join(self.venue.assets)} in {self.venue.numeraire}"),
        ]
        for part in sections():
            things = getattr(self, part.section)
            told.append((part.section, enumerated(_with_kind(n, t) for n, t in things.items())))
        told.append(("protocols", enumerated(_with_kind(n, t) for n, t in self.protocols.items())))
        groups = (f"{name} {g.count:,} {g.kind}" for name, g in self.agents.items())
        told.append(("agents", enumerated(groups, 330)))
        shocks = (f"{s.kind} at block {self.block_of(s):,}" for s in self.shocks)
        told.append(("shocks", enumerated(shocks)))
        told.append(("cut", enumerated(name for name, works in self.switches if not works)))
        return [(what, text) for what, text in told if text]

    @staticmethod
    def names() -> list[str]:
        """Names of the scenarios shipped with the package."""
        return sorted(shipped())

    @staticmethod
    def titles() -> dict[str, str]:
        """Titles of the shipped scenarios, by name."""
        found = {}
        for name, path in sorted(shipped().items()):
            found[name] = str(resolve(path, ()).get("title", ""))
        return found

    @classmethod
    def load(cls, name_or_path: str | Path) -> Scenario:
        """Load a scenario by its name or from its file.

        Raises:
            ScenarioError: If it cannot be run.
        """
        return cls.from_dict(resolve(find(str(name_or_path), Path()), ()))

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Scenario:
        """Build a scenario from the content of a file.

        Raises:
            ScenarioError: If it cannot be run.
        """
        if "extends" in content:
            content = extend(dict(content), Path(), ())
        return cls._checked(content)

    @classmethod
    def _checked(cls, content: Mapping[str, Any]) -> Scenario:
        """Make a scenario of content in which nothing stands for a file any more."""
        if reading.depth(content) > reading.DEEPEST:
            text = f"is nested more than {reading.DEEPEST} deep; a scenario's tables are not"
            raise ScenarioError([("scenario", text)])
        folders = content.get("modules")
        if isinstance(folders, list):
            registry.look_in(folder for folder in folders if isinstance(folder, str))
        try:
            scenario = cls.model_validate(dict(content))
        except ValidationError as error:
            raise ScenarioError(problems_of(error, cls)) from None
        if problems := check(scenario):
            raise ScenarioError(problems)
        return scenario

    def override(self, values: Mapping[str, Any]) -> Scenario:
        """A copy of the scenario with other values at dotted paths.

        ``extends`` and ``remove`` work only in files, not here.

        Raises:
            ScenarioError: If a path or the result is invalid.
        """
        content = self.to_dict()
        for path, value in values.items():
            set_value(content, path, value)
        return Scenario._checked(content)

    def with_overrides(self, items: Iterable[str]) -> Scenario:
        """A copy of the scenario with ``path=value`` items applied; values are written as in TOML.

        Raises:
            ScenarioError: If an item, a path or the result is invalid.
        """
        values = {}
        for item in items:
            path, equals, text = item.partition("=")
            if not equals or not path.strip():
                text = "give path=value, as in pools.eth-usdc.fee=0.001"
                raise ScenarioError([(item or "--set", text)])
            values[path.strip()] = toml_value(path.strip(), text.strip())
        return self.override(values)

    def at_block_time(self, seconds: float) -> Scenario:
        """A copy of the scenario with another block time, keeping all other durations in seconds.

        Periods in blocks, chances per block, gas per block and the like are rescaled. Whole numbers
        of blocks are rounded, and stay at least one unless they were zero.

        Args:
            seconds: Time between two blocks.

        Raises:
            ScenarioError: If the block time is not positive, or the rescaled scenario is invalid.
        """
        if not seconds > 0.0:
            raise ScenarioError(
                [("block.seconds", f"{seconds!r} is not a block time; give seconds above 0")]
            )
        return self.override(block_time.changes(self, seconds))

    def with_prices(self, file: str | Path) -> Scenario:
        """A copy of the scenario in which every asset with a symbol replays a price file.

        Raises:
            ScenarioError: If no asset has a symbol.
        """
        content = self.to_dict()
        replayed = [a for a in content["venue"]["assets"].values() if a.get("symbol")]
        if not replayed:
            text = "no asset has a symbol; set venue.assets.<name>.symbol to its name in the file"
            raise ScenarioError([("venue.assets", text)])
        for asset in replayed:
            asset["process"] = "replay"
        content["prices"] = {"file": str(Path(file).absolute())}
        return Scenario.from_dict(content)
