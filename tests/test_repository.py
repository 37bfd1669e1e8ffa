"""The repository keeps its shape: rooms, layers, mirrored tests, agreeing pins."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PACKAGES = ("sim", "agents", "protocols", "runs")
TOP_LEVEL = {
    *PACKAGES,
    "tests",
    "docs",
    "pyproject.toml",
    "README.md",
    "CHANGELOG.md",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "constraints.txt",
    ".ci",
    ".editorconfig",
    ".gitattributes",
    ".gitignore",
    ".pre-commit-config.yaml",
}
UNMIRRORED = {"__init__"}

DRAWING = {"altair", "bokeh", "ipyvuetify", "ipywidgets", "matplotlib", "plotly", "solara"}
FORBIDDEN = {
    "sim": {"agents", "protocols", "runs", *DRAWING},
    "protocols": {"agents", "runs", *DRAWING},
    "agents": {"runs", *DRAWING},
}
ALLOWED = {
    ("sim/registry.py", "agents"),  # asks the built-in behaviours to register, by name
    ("sim/registry.py", "protocols"),  # and the protocols
    ("sim/registry.py", "runs"),  # for what `market.results` gives, by name
    ("sim/market.py", "agents"),  # for its annotations only
    ("sim/market.py", "protocols"),
}

PYTHONS = ("3.11", "3.12", "3.13")
INSTALLING = ("constraints.txt", "Makefile", ".ci/run", ".pre-commit-config.yaml")
REGISTRY = re.compile(r"\b(pypi|pythonhosted|npmjs|anaconda)\.(org|com|io)\b", re.IGNORECASE)
REGISTRY_OPTION = re.compile(r"--(extra-)?index-url|--find-links|--trusted-host|PIP_INDEX")


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def files() -> list[str]:
    """What git tracks or would track."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    return subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()


def imports(tree: ast.AST, package: str) -> Iterator[str]:
    """First names of all that is imported, anywhere in a module, also by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.module and not node.level:
                yield node.module.split(".")[0]
            else:
                yield package
        elif isinstance(node, ast.Call) and node.args:
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            target = node.args[0]
            if name in {"import_module", "__import__"} and isinstance(target, ast.Constant):
                yield str(target.value).split(".")[0]


def pins() -> list[Requirement]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def pins_on(python: str) -> dict[str, list[str]]:
    """Pinned versions by canonical name, as pip on that Python would read them."""
    environment = {**default_environment(), "python_version": python}
    found: dict[str, list[str]] = {}
    for pin in pins():
        if pin.marker is None or pin.marker.evaluate(environment):
            (version,) = [each.version for each in pin.specifier]
            found.setdefault(canonicalize_name(pin.name), []).append(version)
    return found


def wanted() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    return [Requirement(line) for lines in (project["dependencies"], *extras) for line in lines]


def test_top_level_holds_only_what_it_should() -> None:
    assert {name.split("/")[0] for name in files()} - TOP_LEVEL == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_say_that_they_are_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").exists()


@pytest.mark.parametrize("package", ["sim", "agents", "protocols"])
def test_every_module_has_a_mirrored_test(package: str) -> None:
    wanted = [p.relative_to(ROOT) for p in modules(package) if p.stem not in UNMIRRORED]
    tests = ROOT / "tests"
    missing = [p for p in wanted if not (tests / p).with_name(f"test_{p.name}").is_file()]
    assert [path.as_posix() for path in missing] == []


@pytest.mark.parametrize("package", FORBIDDEN)
def test_layers_hold(package: str) -> None:
    crossings = [
        (path.relative_to(ROOT).as_posix(), name)
        for path in modules(package)
        for name in imports(ast.parse(path.read_text(encoding="utf-8")), package)
        if name in FORBIDDEN[package]
    ]
    assert set(crossings) - ALLOWED == set()


SCENARIO = "sim.scenario"
HOUSES = ("runs", SCENARIO)
"""Packages whose rooms import each other one way."""


def rooms(house: str = "runs") -> list[str]:
    """The rooms of a package, in the order that its docstring tells."""
    door = ROOT / house.replace(".", "/") / "__init__.py"
    told = ast.get_docstring(ast.parse(door.read_text(encoding="utf-8")))
    return re.findall(r"^ {4}(\w+)  ", told or "", re.MULTILINE)


def rooms_imported(tree: ast.AST, known: list[str], house: str = "runs") -> Iterator[str]:
    """Rooms of a package that a module imports, also by name; what is no room, as it stands."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            inside = [f"{node.module or ''}.{alias.name}" for alias in node.names]
            names = [f"{house}.?relative"] if node.level else inside
        elif isinstance(node, ast.Call) and node.args:
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            target = node.args[0]
            if name in {"import_module", "__import__"} and isinstance(target, ast.Constant):
                names = [str(target.value)]
        for name in names:
            if name == house or name.startswith(f"{house}."):
                room = name[len(house) + 1 :].split(".")[0]
                yield room if room in known else name


def crossings(
    sources: dict[str, str], order: list[str], house: str = "runs"
) -> list[tuple[str, str]]:
    """Imports against the order: of a room that comes later, or of no room at all.

    Args:
        sources: Of modules, by path within the package.
        order: Of the rooms, the first of which imports no other.
        house: The package.
    """
    found = []
    for path, text in sources.items():
        room = path.split("/")[0].removesuffix(".py")
        before = order[: order.index(room) + 1] if room in order else []
        for name in rooms_imported(ast.parse(text), order, house):
            if name not in before:
                found.append((path, name))
    return found


def sources_of(house: str = "runs") -> dict[str, str]:
    """Sources of all modules of a package but its front door, which opens the rooms."""
    root = house.replace(".", "/")
    paths = {path.relative_to(ROOT / root).as_posix(): path for path in modules(root)}
    return {k: p.read_text(encoding="utf-8") for k, p in paths.items() if k != "__init__.py"}


@pytest.mark.parametrize("house", HOUSES)
def test_rooms_are_those_that_the_front_door_tells(house: str) -> None:
    there = {path.split("/")[0].removesuffix(".py") for path in sources_of(house)}
    assert sorted(there) == sorted(rooms(house))


@pytest.mark.parametrize("house", HOUSES)
def test_rooms_import_one_way(house: str) -> None:
    assert crossings(sources_of(house), rooms(house), house) == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("from runs.contagion.report import methods", "contagion"),
        ("import runs.app", "app"),
        ("from runs import dev", "dev"),
        ("def later():\n    from runs.app import views", "app"),
        ("import_module('runs.contagion.report')", "contagion"),
        ("from runs import sweep", "runs.sweep"),  # through the front door there is no order
        ("from . import worker", "runs.?relative"),
        ("from runs.study.rule import Rule", None),
        ("from runs import paths, results", None),
    ],
)
def test_an_import_against_the_order_of_the_rooms_is_seen(line: str, found: str | None) -> None:
    expected = [("study/sweeper.py", found)] if found else []
    assert crossings({"study/sweeper.py": line}, rooms()) == expected


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("from sim.scenario.model import Scenario", "model"),
        ("from sim.scenario import Scenario", "sim.scenario.Scenario"),
        ("from sim.scenario.block import BlockSettings", None),
        ("from sim.errors import shown", None),
    ],
)
def test_an_import_against_the_order_within_a_scenario_is_seen(
    line: str, found: str | None
) -> None:
    expected = [("venue.py", found)] if found else []
    assert crossings({"venue.py": line}, rooms(SCENARIO), SCENARIO) == expected


def test_every_module_of_runs_has_a_test_in_the_same_room() -> None:
    elsewhere = {"dev/peers.py"}  # peers are what tests/science/test_peers.py checks us against
    wanted = {path for path in sources_of() if Path(path).stem not in UNMIRRORED} - elsewhere
    tests = ROOT / "tests" / "runs"
    missing = [p for p in wanted if not (tests / p).with_name(f"test_{Path(p).name}").is_file()]
    assert sorted(missing) == []


def test_every_package_is_shipped() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    there = {path.parent.relative_to(ROOT) for name in PACKAGES for path in modules(name)}
    elsewhere = {folder: name for name, folder in setuptools["package-dir"].items()}
    names = [elsewhere.get(p.as_posix(), ".".join(p.parts)) for p in there]
    assert sorted(setuptools["packages"]) == sorted(names)


def test_annotations_are_the_only_reason_the_market_names_an_agent() -> None:
    tree = ast.parse((ROOT / "sim/market.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    assert "agents" not in set(imports(tree, "sim"))


def test_every_pin_is_exact() -> None:
    loose = [str(pin) for pin in pins() if [each.operator for each in pin.specifier] != ["=="]]
    assert loose == []


@pytest.mark.parametrize("python", PYTHONS)
def test_no_package_is_pinned_twice(python: str) -> None:
    assert {name: pinned for name, pinned in pins_on(python).items() if len(pinned) > 1} == {}


@pytest.mark.parametrize("python", PYTHONS)
def test_every_dependency_is_pinned_within_its_range(python: str) -> None:
    pinned = pins_on(python)
    wrong = [
        str(need)
        for need in wanted()
        if not any(v in need.specifier for v in pinned.get(canonicalize_name(need.name), []))
    ]
    assert wrong == []


@pytest.mark.parametrize("name", INSTALLING)
def test_what_installs_names_no_place_to_install_from(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert REGISTRY_OPTION.findall(text) == []


def test_no_file_names_a_registry() -> None:
    named = [
        name
        for name in files()
        if (ROOT / name).is_file() and REGISTRY.search((ROOT / name).read_text(errors="ignore"))
    ]
    assert named == []


def test_what_to_cite_agrees_with_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    lines = dict(re.findall(r"^([a-z-]+): *(\S.*)$", text, re.MULTILINE))
    assert lines["version"] == project["version"]
    assert lines["license"] == project["license"]
    assert lines["cff-version"] == "1.2.0" and lines["message"] and lines["title"]
    assert f"  - name: {project['authors'][0]['name']}\n" in text
    assert re.findall(r"^  - ([a-z-]+)$", text, re.MULTILINE) == project["keywords"]


MOST_LINES, MOST_ARGUMENTS = 60, 8


def outsized(path: Path) -> Iterator[tuple[str, str]]:
    """Functions that are too long or too wide, with what must stand above each."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        told = ast.get_docstring(node, clean=False) is not None and len(node.body) > 1
        first = node.body[1 if told else 0]
        arguments = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
        names = [a for a in arguments if a not in ("self", "cls")]
        above = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        where = f"{path.relative_to(ROOT).as_posix()}:{above}"
        if (node.end_lineno or 0) - first.lineno + 1 > MOST_LINES:
            yield where, "# Long: "
        if len(names) + len(node.args.kwonlyargs) > MOST_ARGUMENTS:
            yield where, "# Wide: "


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_long_or_wide_says_why(package: str) -> None:
    """No function over 60 lines or 8 arguments without a reason beside it."""
    silent = []
    for path in modules(package):
        lines = path.read_text(encoding="utf-8").splitlines()
        for where, reason in outsized(path):
            line = int(where.rsplit(":", 1)[1])
            if not lines[line - 2].strip().startswith(reason):
                silent.append((where, reason))
    assert silent == []
