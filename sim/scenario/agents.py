"""Groups of agents, and protocols that declare themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainValidator,
    ValidationError,
    model_serializer,
    model_validator,
)

from sim import registry
from sim.distribution import Distribution, NotNegative
from sim.errors import ScenarioError, did_you_mean
from sim.fields import Line, Table, again, named_in, reach, told

MOST_AGENTS = 1_000_000
"""In a group; each has an account, a row of numbers and an object."""


def _as_it_is(value: Any) -> Table:
    """Targets, which their class has checked.

    Raises:
        ValueError: If they are none.
    """
    if not isinstance(value, Table):
        raise ValueError("give the group's targets as fields of the group")
    return value


class AgentSettings(BaseModel):
    """A group of agents. Its other fields are the targets and the columns of its class."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    count: Annotated[int, Field(ge=0, le=MOST_AGENTS)] = Field(
        json_schema_extra=reach("agents", 0, 10000)
    )
    wallet: dict[str, Distribution] = {}
    targets: Annotated[Any, PlainValidator(_as_it_is)] = Table()
    columns: dict[str, Distribution] = {}

    @model_validator(mode="wrap")
    @classmethod
    def _parted(cls, data: Any, handler: ModelWrapValidatorHandler[AgentSettings]) -> AgentSettings:
        """Its own fields, what the class acts on, and the rest as columns."""
        if not isinstance(data, Mapping):
            return handler(data)
        own = {k: v for k, v in data.items() if k in ("kind", "count", "wallet")}
        kind = data.get("kind")
        rest = {k: v for k, v in data.items() if k not in own}
        try:
            behaviour = registry.behaviour(kind) if isinstance(kind, str) else None
        except ScenarioError:  # told where the whole is checked
            behaviour = None
        if behaviour is None:
            return handler(own | {"columns": {k: v for k, v in rest.items() if _drawn(v)}})
        targets, columns, strange = _sorted(str(kind), behaviour, rest)
        found: list[Any] = []
        checked = Table()
        try:
            checked = _targets(str(kind), behaviour, targets, strange)
        except ValidationError as error:
            found += map(again, error.errors())
        try:
            made = handler(own | {"targets": checked, "columns": columns})
        except ValidationError as error:
            found += map(again, error.errors())
        if found:
            raise ValidationError.from_exception_data(cls.__name__, found)
        return made

    def named(self, of: str) -> list[str]:
        """What it acts on of a section of the scenario, such as ``pools``, by name."""
        found = named_in(self.targets)
        return [name for _, what, name in found if what.partition(":")[0] == of]

    @model_serializer(mode="plain")
    def _flat(self) -> dict[str, Any]:
        own = {"kind": self.kind, "count": self.count} | self.targets.model_dump()
        own["wallet"] = {k: v.model_dump() for k, v in self.wallet.items()}
        return own | {k: v.model_dump() for k, v in self.columns.items()}


def _drawn(value: Any) -> bool:
    """Whether something may be meant as a column."""
    if isinstance(value, Mapping):
        return "distribution" in value
    return isinstance(value, int | float)


def _sorted(
    kind: str, behaviour: Any, given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any], list[Any]]:
    """What a group gives: what it acts on, columns, and errors of what its class has not."""
    targets, columns, strange = {}, {}, []
    fields = behaviour.targets.model_fields
    for name, value in given.items():
        if name in fields:
            targets[name] = value
        elif name in behaviour.columns or (_drawn(value) and not _owners(name)):
            columns[name] = value  # one that is not known is told with the others
        elif not _says_nothing(name, value):
            settable = [n for n, column in behaviour.columns.items() if not column.state]
            hint = did_you_mean(name, [*fields, *settable])
            strange.append(told(name, value, f"unknown field of a {kind}; {hint}"))
    return targets, columns, strange


def _targets(kind: str, behaviour: Any, given: Mapping[str, Any], strange: list[Any]) -> Table:
    """What a class acts on, checked by it.

    Args:
        kind: The class's name.
        behaviour: The class.
        given: Fields.
        strange: Errors that are told with its own.

    Raises:
        ValidationError: If something is missing, is none, or is strange.
    """
    model: type[Table] = behaviour.targets
    needed = [name for name, field in model.model_fields.items() if field.is_required()]
    missing = [name for name in needed if given.get(name) in (None, "", [], {})]
    found = [told(name, None, f"is missing; a {kind} needs it") for name in missing]
    found += strange
    try:
        checked = model.model_validate({k: v for k, v in given.items() if v is not None})
    except ValidationError as error:
        others = [again(e) for e in error.errors() if e["loc"][0] not in missing]
        raise ValidationError.from_exception_data(model.__name__, [*found, *others]) from None
    if found:
        raise ValidationError.from_exception_data(model.__name__, found)
    return checked


def _says_nothing(field: str, value: Any) -> bool:
    """Whether a field that a class has not is another's, and says what that does unasked.

    So a file that spells out all defaults can be read, and the kind of a group changed.
    """
    return any(value in (None, [], owner.get_default()) for owner in _owners(field))


def _owners(field: str) -> list[Any]:
    """A field of what agents act on, as all classes that have it say it."""
    behaviours: list[Any] = list(registry.behaviours().values())
    fields = (b.targets.model_fields.get(field) for b in behaviours)
    return [found for found in fields if found is not None]


class ProtocolSettings(BaseModel):
    """A protocol that declares itself. Its kind adds further settings."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: Line
    gas: dict[str, NotNegative] = Field(
        {}, description="Gas of its calls, where it differs from the default."
    )

    @property
    def settings(self) -> BaseModel:
        """Its settings, checked by its kind.

        Raises:
            ScenarioError: If there is no such kind.
            ValidationError: If they are not those of the kind.
        """
        checked: BaseModel = registry.protocol(self.kind).Settings.model_validate(self._given)
        return checked

    def __eq__(self, other: object) -> bool:
        """Whether both say the same; one may spell defaults out that the other leaves out."""
        return isinstance(other, ProtocolSettings) and self._flat() == other._flat()

    __hash__ = None  # type: ignore[assignment]  # what has dictionaries never had one

    @property
    def _given(self) -> dict[str, Any]:
        return dict(self.model_extra or {})

    @model_serializer(mode="plain")
    def _flat(self) -> dict[str, Any]:
        try:
            own = self.settings.model_dump()
        except (ScenarioError, ValidationError):  # told where the whole is checked
            own = self._given
        return {"kind": self.kind, "gas": dict(self.gas)} | own
