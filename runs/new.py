"""Files to begin with: a scenario, an agent, a protocol or a study that runs as it stands."""

from __future__ import annotations

import keyword
import re
import sys
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from runs.files import write_whole
from sim import Scenario
from sim.errors import ScenarioError, did_you_mean, shown


class Begun(NamedTuple):
    """Files that were written, and what to do with them.

    Attributes:
        files: In the order in which they are read.
        command: Runs them.
    """

    files: list[Path]
    command: str


_TEMPLATES: dict[str, dict[str, str]] = {
    "scenario": {"scenario.toml": ".toml"},
    "agent": {"agent.py.txt": ".py"},
    "cohort": {"cohort.py.txt": ".py", "cohort.toml": ".toml"},
    "protocol": {"protocol.py.txt": ".py", "protocol.toml": ".toml"},
    "study": {"study.toml": ".toml"},
}
"""Templates of each kind, and the ending of what is made of each."""
_COMMANDS = {
    "scenario": "undertow run {name}.toml",
    "agent": "python {name}.py",
    "cohort": "undertow run {name}.toml",
    "protocol": "python {name}.py",
    "study": "undertow sweep {name}.toml --out out/{name}",
}
KINDS = tuple(_TEMPLATES)
_TAKEN = ("sim", "agents", "protocols", "runs", "undertow", "tests")


def begin(kind: str, name: str, folder: Path | None = None) -> Begun:
    """Write files of a kind that run as they stand, to be changed into what is wanted.

    Args:
        kind: One of `KINDS`.
        name: Of the files, and of what is in them: letters, digits and underscores.
        folder: Where; default: here.

    Raises:
        ScenarioError: If there is no such kind, the name will not do, a file is there already, or
            none can be written.
    """
    if kind not in KINDS:
        raise ScenarioError(
            [("kind", f"no template for {shown(kind)}; {did_you_mean(kind, KINDS)}")]
        )
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,60}", name) or keyword.iskeyword(name):
        text = f"{shown(name)} is not a valid name; use letters, digits and _, a letter first"
        raise ScenarioError([("name", text)])
    if name.lower() in _TAKEN or name in sys.stdlib_module_names:
        text = f"{name!r} is the name of a package that Python or Undertow imports; give another"
        raise ScenarioError([("name", text)])
    if kind not in ("scenario", "study") and name in _in_calm():
        text = f"{name!r} already exists in the scenario that the files extend; give another"
        raise ScenarioError([("name", text)])
    where = folder or Path()
    made = {where / f"{name}{end}": _filled(kind, t, name) for t, end in _TEMPLATES[kind].items()}
    if there := [path for path in made if path.exists()]:
        text = "already exists; give another name, or move it away"
        raise ScenarioError([(str(path), text) for path in there])
    try:
        for path, content in made.items():
            write_whole(path, partial(Path.write_text, data=content, encoding="utf-8"))
    except OSError as error:
        raise ScenarioError([(str(where), f"cannot be written ({error})")]) from None
    return Begun(list(made), _COMMANDS[kind].format(name=name))


def _in_calm() -> set[str]:
    """Names of all that there is in the scenario that templates extend."""
    calm = Scenario.load("calm")
    tokens = {calm.venue.numeraire, *calm.venue.assets}
    return {*calm.agents, *calm.pools, *calm.lending, *tokens, "venue"}


def _filled(kind: str, template: str, name: str) -> str:
    """A template with a name in it, as each place wants it."""
    text = (files("runs") / "templates" / template).read_text(encoding="utf-8")
    words = [word for word in re.split(r"_+", name) if word]
    # Already a class's name, as in DipBuyer, it stays one.
    class_ = "".join(word[0].upper() + word[1:] for word in words)
    title = " ".join(words)
    told = {
        "__NAME__": name,
        "__MODULE__": name,
        "__CLASS__": class_,
        "__TITLE__": title[0].upper() + title[1:],
    }
    for place, value in told.items():
        text = text.replace(place, value)
    return text
