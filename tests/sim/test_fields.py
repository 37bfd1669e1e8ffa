"""One field: what may be said in it, and what a form may offer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Annotated, Any

import pytest
from pydantic import TypeAdapter

from sim import Scenario
from sim.fields import by_kind
from sim.scenario import SHOCKS_BY_KIND, model_of
from tests.conftest import BASE
from tests.sim.scenario import assert_answered


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"title": None}, "title", "string"),
        ({"start": 2020}, "start", "give a date"),
        ({"blocks": 10**23}, "blocks", "of at most 1e+09"),
        ({"blocks": 10**5000}, "blocks", "a long int is out of range"),
        ({"rng": -1}, "rng", "of at least 0"),
        ({"title": "a\nb"}, "title", "one line of printable text"),
        ({"title": "x" * 500}, "title", "at most 200"),
        ({"start": "9999-12-31T23:59:59-12:00"}, "start", "a date from 1970 to 2200"),
        (
            {"pools": {"$\\frac{": BASE["pools"]["eth-usdc"]}},
            "pools.$\\frac{",
            "is not a valid name",
        ),
        ({"pools": {"[/b]": BASE["pools"]["eth-usdc"]}}, "pools.[/b]", "is not a valid name"),
        ({"pools": {"a.b": BASE["pools"]["eth-usdc"]}}, "pools.a.b", "is not a valid name"),
    ],
)
def test_bad_input_is_answered_with_its_field_and_a_remedy(
    changes: dict[str, Any], field: str, words: str
) -> None:
    assert_answered(changes, field, words)


@pytest.mark.parametrize(
    "start",
    [
        date(2020, 3, 12),
        datetime(2020, 3, 12),
        "2020-03-12",
        "2020-03-12T00:00:00",
        datetime(2020, 3, 12, 2, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_times_are_utc_unless_they_say_otherwise(
    start: Any, small: Callable[..., Scenario]
) -> None:
    shock = {"kind": "price_jump", "asset": "eth", "size": 0.1, "at": date(2020, 3, 13)}
    setup = small(start=start, shocks=[shock])
    assert setup.start == datetime(2020, 3, 12, tzinfo=UTC)
    assert setup.start.tzinfo is UTC
    assert setup.block_of(setup.shocks[0]) == 7200


def test_a_reach_lies_within_the_limits_of_its_field() -> None:
    def fields(model: Any) -> Iterator[tuple[str, Any]]:
        for name, field in model.model_fields.items():
            yield f"{model.__name__}.{name}", field
            inside, kinds = model_of(field.annotation), by_kind(field.annotation)
            for table in [*kinds.all().values()] if kinds else [inside] if inside else []:
                yield from fields(table)

    shocks = SHOCKS_BY_KIND.values()
    found = dict(item for model in (Scenario, *shocks) for item in fields(model))
    reaches = {
        name: field.json_schema_extra["reach"]
        for name, field in found.items()
        if isinstance(field.json_schema_extra, dict) and "reach" in field.json_schema_extra
    }
    assert len(reaches) > 50
    for name, reach in reaches.items():
        assert reach["unit"] and reach["low"] < reach["high"], name
        assert not reach["log"] or reach["low"] > 0.0, name
        limits = found[name].metadata
        kind = found[name].annotation
        whole = TypeAdapter(Annotated[kind, *limits] if limits else kind)
        for end in ("low", "high"):
            whole.validate_python(reach[end])
