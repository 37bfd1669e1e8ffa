"""Problems: what pydantic found, in words, with its field and a remedy."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from sim.distribution import Distribution
from sim.errors import Problem, did_you_mean, shown
from sim.fields import by_kind
from sim.scenario.agents import AgentSettings
from sim.scenario.shocks import SHOCK_KINDS

_BOUNDS = {"gt": "above", "ge": "of at least", "lt": "below", "le": "of at most"}
_OUR_TAGS = frozenset({"<hours>", "<moment>", "<two>", "<three>"})
_TAGS = frozenset(SHOCK_KINDS) | {
    "constant",
    "uniform",
    "normal",
    "lognormal",
    "pareto",
    "beta",
    "choice",
    "columns",
}


def problems_of(error: ValidationError, root: Any) -> list[Problem]:
    """What pydantic found in the content of a file, in words, by dotted field.

    Args:
        error: From the validation of `root`.
        root: The model of the whole file.
    """
    found = []
    for item in error.errors():
        path = [str(part) for part in item["loc"]]
        path = [p for i, p in enumerate(path) if not _is_internal(p, path[:i])]
        field = ".".join(path)
        kind, given, context = item["type"], item.get("input"), item.get("ctx", {})
        if kind == "extra_forbidden":
            text = f"unknown field; {did_you_mean(path[-1], _siblings(root, path[:-1]))}"
        elif kind == "missing":
            text = "is missing; give it"
        elif kind in ("union_tag_invalid", "union_tag_not_found"):
            expected = context.get("expected_tags", "")
            text = f"unknown kind; give one of {expected}"
            text = text if expected else "needs a kind"
        elif kind == "value_error":
            text = str(context.get("error", item["msg"]))
        elif kind.startswith(("less_than", "greater_than")):
            bound = ", ".join(f"{_BOUNDS[k]} {v:g}" for k, v in context.items() if k in _BOUNDS)
            text = f"{shown(given)} is out of range; give a number {bound}"
        elif kind == "finite_number":
            text = f"{shown(given)} is not a finite number; give one"
        else:
            text = f"{item['msg'][:1].lower()}{item['msg'][1:]} (given {shown(given)})"
        if kind != "value_error" and path and path[-1] in ("fee",):
            text += " (a share of the amount traded, below 1: 0.003 is 30 basis points)"
        found.append((field or root.__name__.lower(), text))
    return found


def _is_internal(part: str, before: list[str]) -> bool:
    """Whether a part of pydantic's path is not in the file: the tag of a union, our own table."""
    if part.startswith(("function-", "tagged-union", "constrained")) or part == "[key]":
        return True
    if part in _OUR_TAGS and before:
        return True
    if before[:1] == ["shocks"]:  # shocks.0.<tag>
        return part in _TAGS and len(before) == 2
    if before[:1] == ["agents"]:  # agents.<group>.columns.<column>.<tag>; all may be called alike
        return part in _TAGS and len(before) in (2, 4)
    return False


def _siblings(root: Any, path: list[str]) -> list[str]:
    """Fields that are known beside one, for a hint."""
    model: Any = root
    variants: list[Any] = []
    if path[:1] == ["agents"] and len(path) > 2 and _has_groups(root):
        # A column, or an amount in a wallet.
        kinds = get_args(get_args(Distribution)[0])
        return sorted({field for kind in kinds for field in kind.model_fields})
    for part in path:
        fields = getattr(model, "model_fields", None)
        if fields is None:
            return []
        # A field that only some kinds have is in a class of theirs.
        for known in (fields, *(kind.model_fields for kind in variants)):
            if part in known:
                told = by_kind(known[part].annotation)
                variants = list(told.all().values()) if told else []
                model = model_of(known[part].annotation)
                break
        # else: a name in a dictionary of the same model
    return sorted(getattr(model, "model_fields", {}))


def _has_groups(root: Any) -> bool:
    """Whether a file is a scenario: its table of agents holds groups."""
    agents = getattr(root, "model_fields", {}).get("agents")
    return agents is not None and model_of(agents.annotation) is AgentSettings


def model_of(annotation: Any) -> Any:
    """The model inside an annotation such as dict[str, Model]."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in get_args(annotation):
        if (found := model_of(part)) is not None:
            return found
    return None
