"""Scenarios: what may be said, and what is answered when it makes no sense."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated, Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from sim import Scenario
from sim.errors import ScenarioError
from sim.scenario import Shock, model_of, order_of_funding
from tests.conftest import BASE, CROWD, merged


def problems(changes: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_dict(merged(BASE, changes))
    return dict(caught.value.problems)


def test_the_shipped_scenarios_load_and_say_what_they_are() -> None:
    titles = Scenario.titles()
    assert {"calm", "black_thursday"} <= set(titles)
    for name, title in titles.items():
        assert Scenario.load(name).title == title
        assert Scenario.load(name).warnings() == []


@pytest.mark.parametrize("name", Scenario.names())
def test_a_resolved_scenario_says_the_same_again(name: str, tmp_path: Path) -> None:
    first = Scenario.load(name)
    file = tmp_path / "again.toml"
    file.write_text(first.to_toml())
    assert Scenario.load(file) == first


AMOUNTS = st.floats(1e-6, 1e12)
SHARES = st.floats(0.0, 1.0)
NUMBERS = st.one_of(
    SHARES,
    st.builds(lambda low: {"distribution": "uniform", "low": low, "high": 1.0}, SHARES),
    st.builds(
        lambda median: {"distribution": "lognormal", "median": median, "sigma": 1, "at_most": 1},
        AMOUNTS,
    ),
)
SHOCKS = st.builds(
    lambda size, when: {"kind": "price_jump", "asset": "eth", "size": size} | when,
    st.floats(-0.99, 10.0),
    st.one_of(
        st.builds(lambda block: {"block": block}, st.integers(1, 10_000)),
        st.builds(lambda hours: {"at": hours}, st.floats(0.0, 1000.0)),
        st.builds(lambda at: {"at": at}, st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1))),
    ),
)


@given(
    title=st.text(st.characters().filter(str.isprintable), max_size=200),
    depth=AMOUNTS | st.just(math.inf),
    reserves=st.tuples(AMOUNTS, AMOUNTS),
    fee=st.floats(0.0, 1.0, exclude_max=True),
    rate=NUMBERS,
    shocks=st.lists(SHOCKS, max_size=3),
)
def test_whatever_it_says_a_scenario_says_the_same_again(
    title: str,
    depth: float,
    reserves: tuple[float, float],
    fee: float,
    rate: Any,
    shocks: list[dict[str, Any]],
) -> None:
    changes = {
        "title": title,
        "venue": {"assets": {"eth": {"depth": depth}}},
        "pools": {
            "eth-usdc": {"reserves": dict(zip(("eth", "usdc"), reserves, strict=True)), "fee": fee}
        },
        "agents": {"traders": CROWD["traders"] | {"rate": rate}},
        "shocks": shocks,
    }
    first = Scenario.from_dict(merged(BASE, changes))
    assert Scenario.from_dict(tomllib.loads(first.to_toml())) == first


@pytest.mark.parametrize("name", Scenario.names())
def test_every_number_of_the_shipped_scenarios_has_its_reason_beside_it(name: str) -> None:
    from sim.scenario import _shipped

    reasoned: set[str] = set()
    bare, before = [], ""
    for line in _shipped()[name].read_text().splitlines():
        key, equals, value = (part.strip() for part in line.partition("="))
        number = any(c.isdigit() for c in value.partition("#")[0]) and value[0] not in "'\""
        if equals and number and not key.startswith("["):
            # A reason stands on the line, on the comment above it, or, in a second
            # group of the same kind, where the key came first.
            if "#" in value or before.startswith("#"):
                reasoned.add(key)
            elif key not in reasoned:
                bare.append(line)
        before = line.strip()
    assert bare == []


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"blcks": 3}, "blcks", "did you mean 'blocks'"),
        ({"pools": {"eth-usdc": {"fees": 0.1}}}, "pools.eth-usdc.fees", "did you mean 'fee'"),
        ({"pools": {"eth-usdc": {"fee": 1.5}}}, "pools.eth-usdc.fee", "1.5 is out of range"),
        (
            {"pools": {"eth-usdc": {"reserves": {"eth": -1.0}}}},
            "pools.eth-usdc.reserves.eth",
            "-1.0 is out of range; give a number above 0",
        ),
        (
            {"lending": {"bank": {"reserves": {"eth": {"ltv": 0.9}}}}},
            "lending.bank.reserves.eth.threshold",
            "below the loan-to-value 0.9",
        ),
        (
            {"pools": {"x": {"tokens": ["eth", "doge"], "reserves": {"eth": 1.0, "doge": 1.0}}}},
            "pools.x.tokens",
            "unknown token 'doge'",
        ),
        ({"blocks": math.nan}, "blocks", "finite"),
        ({"venue": {"assets": {"eth": {"price": math.nan}}}}, "venue.assets.eth.price", "nan"),
        ({"block": {"gas_token": "sol"}}, "block.gas_token", "unknown token 'sol'"),
        ({"oracles": {"eth": {"source": "pool_twap"}}}, "oracles.eth.pool", "is missing"),
        (
            {"lending": {"bank": {"reserves": {"eth": {"oracle": "usdc"}}}}},
            "lending.bank.reserves.eth.oracle",
            "prices usdc, not eth",
        ),
        (
            {"venue": {"correlation": {"eth:btc": 0.5}}},
            "venue.correlation.eth:btc",
            "two different assets",
        ),
        (
            {"shocks": [{"kind": "price_jump", "asset": "eth", "size": -0.5}]},
            "shocks.0",
            "give either block",
        ),
        (
            {"shocks": [{"kind": "price_jmp", "asset": "eth", "size": -0.5, "block": 3}]},
            "shocks.0",
            "unknown kind",
        ),
        (
            {"shocks": [{"kind": "whale_sale", "token": "sol", "amount": 1.0, "block": 3}]},
            "shocks.0.token",
            "unknown token",
        ),
        (
            {"venue": {"assets": {"eth": {"process": "garch", "alpha": 0.5, "beta": 0.5}}}},
            "venue.assets.eth.beta",
            "below 1",
        ),
        (
            {"venue": {"assets": {"eth": {"process": "bridge", "points": [[1.0, 5.0]]}}}},
            "venue.assets.eth.points",
            "two points",
        ),
        ({"venue": {"assets": {"eth": {"process": "replay"}}}}, "prices.file", "is missing"),
        ({"title": None}, "title", "string"),
        ({"start": 2020}, "start", "give a date"),
        (
            {"oracles": {"lp": {"token": "eth", "source": "share", "pool": "eth-usdc"}}},
            "oracles.lp.token",
            "give 'eth-usdc-share'",
        ),
        (
            {
                "venue": {
                    "assets": {"btc": {"price": 1.0}},
                    "correlation": {"eth:btc": 0.2, "btc:eth": 0.5},
                }
            },
            "venue.correlation.eth:btc",
            "also given as btc:eth",
        ),
        (
            {"agents": {"choice": {"kind": "noise_trader", "count": -1}}},
            "agents.choice.count",
            "out of range",
        ),
        (
            {"agents": {"choice": CROWD["traders"] | {"size": {"distribution": "pareto"}}}},
            "agents.choice.size.scale",
            "is missing",
        ),
    ],
)
def test_bad_input_is_answered_with_its_field_and_a_remedy(
    changes: dict[str, Any], field: str, words: str
) -> None:
    found = problems(changes)
    assert field in found
    assert words in found[field]


@pytest.mark.parametrize(
    ("group", "key", "value", "words"),
    [
        ("traders", "kind", "noise_tradr", "did you mean 'noise_trader'"),
        ("traders", "rat", 0.1, "did you mean 'rate'"),
        ("traders", "rate", 1.5, "leaves the range 0 to 1 (per block)"),
        ("traders", "rate", {"distribution": "lognormal", "median": 0.1, "sigma": 1.0}, "at_most"),
        ("traders", "rate", {"median": 0.1}, "a table needs distribution"),
        ("traders", "rate", "fast", "give a number"),
        ("traders", "pools", ["nowhere"], "unknown pool 'nowhere'"),
        ("traders", "pools", [], "is missing"),
        ("borrowers", "collateral", "doge", "unknown reserve 'doge'"),
        ("borrowers", "lending", "shark", "unknown lending market 'shark'"),
        ("arbitrageurs", "hits", 0.5, "unknown field"),
        ("traders", "count", -3, "out of range"),
    ],
)
def test_bad_agents_are_answered_too(group: str, key: str, value: Any, words: str) -> None:
    agents = merged(CROWD, {})
    agents[group][key] = value
    found = problems({"agents": agents})
    assert any(field.startswith(f"agents.{group}.{key}") for field in found), found
    assert words in " ".join(found.values())


def test_all_problems_are_reported_together() -> None:
    changes = {"pools": {"eth-usdc": {"fee": 2.0}}, "blocks": 0, "colour": "red"}
    assert set(problems(changes)) == {"pools.eth-usdc.fee", "blocks", "colour"}


def test_a_scenario_inherits_overrides_and_removes(tmp_path: Path) -> None:
    child = tmp_path / "child.toml"
    child.write_text(
        'extends = "calm"\nremove = ["agents.liquidators", "pools.eth-usdc-b.protocol_fee"]\n'
    )
    with pytest.raises(ScenarioError, match=r"no pools.eth-usdc-b.protocol_fee"):
        Scenario.load(child)
    child.write_text(
        'extends = "calm"\ntitle = "mine"\nremove = ["agents.liquidators"]\n'
        "[pools.eth-usdc]\nfee = 0.01\n[agents.traders]\nrate = 0.5\n"
    )
    mine, calm = Scenario.load(child), Scenario.load("calm")
    assert mine.pools["eth-usdc"].fee == 0.01
    assert mine.pools["eth-usdc"].reserves == calm.pools["eth-usdc"].reserves
    assert "liquidators" not in mine.agents
    assert mine.agents["traders"].columns["rate"].support() == (0.5, 0.5)


@pytest.mark.parametrize("removed", ['"agents.liquidators"', "3"])
def test_what_is_removed_is_a_list(removed: str, tmp_path: Path) -> None:
    child = tmp_path / "child.toml"
    child.write_text(f'extends = "calm"\nremove = {removed}\n')
    with pytest.raises(ScenarioError, match="remove: give a list of dotted paths"):
        Scenario.load(child)


def test_a_circle_of_extends_is_shown(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('extends = "b.toml"')
    (tmp_path / "b.toml").write_text('extends = "a.toml"')
    with pytest.raises(ScenarioError, match=r"a.toml -> b.toml -> a.toml"):
        Scenario.load(tmp_path / "a.toml")


def test_files_that_are_not_there_or_not_toml(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="did you mean 'calm'"):
        Scenario.load("clam")
    with pytest.raises(ScenarioError, match="there is no file"):
        Scenario.load(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("title = \n")
    with pytest.raises(ScenarioError, match=r"is not TOML: .*line 1"):
        Scenario.load(broken)


def test_overrides_by_dotted_path() -> None:
    calm = Scenario.load("calm")
    changed = calm.with_overrides(
        [
            "pools.eth-usdc.fee=0.001",
            'agents.traders.rate={distribution = "uniform", low = 0.1, high = 0.2}',
            "block.ordering=random",
            "agents.liquidators.count=0",
        ]
    )
    assert changed.pools["eth-usdc"].fee == 0.001
    assert changed.agents["traders"].columns["rate"].support() == (0.1, 0.2)
    assert changed.block.ordering == "random"
    assert changed.agents["liquidators"].count == 0
    for item, words in (
        ("pools.eth-usdx.fee=0.1", "did you mean 'eth-usdc'"),
        ("pools.eth-usdc.fe=0.1", "did you mean 'fee'"),
        ("fee", "give path=value"),
        ("blocks.x=1", "is a value"),
    ):
        with pytest.raises(ScenarioError) as caught:
            calm.with_overrides([item])
        assert words in str(caught.value)


def test_a_shock_is_overridden_by_its_place(small: Callable[..., Scenario]) -> None:
    shock = {"kind": "price_jump", "asset": "eth", "size": -0.5, "at": 1.0}
    setup = small(shocks=[shock]).override({"shocks.0.size": -0.2})
    assert setup.shocks[0].size == -0.2
    assert setup.block_of(setup.shocks[0]) == 300
    with pytest.raises(ScenarioError, match="no place in a list of 1"):
        setup.override({"shocks.3.size": 1.0})


def test_a_shock_in_the_past_is_refused() -> None:
    early = datetime(2019, 12, 31, tzinfo=UTC)
    jump = {"kind": "price_jump", "asset": "eth", "size": 0.1, "at": early}
    assert "is before the start" in problems({"shocks": [jump]})["shocks.0.at"]


def test_times_count_from_the_start(small: Callable[..., Scenario]) -> None:
    at = datetime(2020, 1, 1, 0, 10, tzinfo=UTC)
    setup = small(shocks=[{"kind": "price_jump", "asset": "eth", "size": 0.1, "at": at}])
    assert setup.block_of(setup.shocks[0]) == 50
    assert setup.time_of(50) == at


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


def test_toxic_thresholds_are_warned_of(small: Callable[..., Scenario]) -> None:
    reserves = {"eth": {"threshold": 0.97, "bonus": 0.05}}
    (warning,) = small(lending={"bank": {"reserves": reserves}}).warnings()
    assert warning[0] == "lending.bank.reserves.eth.threshold"


def test_prices_need_a_symbol(small: Callable[..., Scenario]) -> None:
    with pytest.raises(ScenarioError, match="no asset has a symbol"):
        small().with_prices("x.csv")


def test_a_reach_lies_within_the_limits_of_its_field() -> None:
    def fields(model: Any) -> Iterator[tuple[str, Any]]:
        for name, field in model.model_fields.items():
            yield f"{model.__name__}.{name}", field
            inside = model_of(field.annotation)
            if inside is not None:
                yield from fields(inside)

    shocks = get_args(get_args(Shock)[0])
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


def eth(**fields: Any) -> dict[str, Any]:
    return {"venue": {"assets": {"eth": fields}}}


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"blocks": 10**23}, "blocks", "of at most 1e+09"),
        ({"blocks": 10**5000}, "blocks", "a long int is out of range"),
        ({"rng": -1}, "rng", "of at least 0"),
        ({"title": "a\nb"}, "title", "one printable line"),
        ({"title": "x" * 500}, "title", "at most 200"),
        ({"start": "9999-12-31T23:59:59-12:00"}, "start", "a date from 1970 to 2200"),
        ({"start": "2150-01-01"}, "start", "before 2100"),
        ({"blocks": 10**9, "block": {"seconds": 1e4}}, "blocks", "beyond the year 2200"),
        ({"oracles": {"eth": {"lag": 10**12}}}, "oracles.eth.lag", "of at most 1e+06"),
        ({"oracles": {"eth": {"window": 10**12}}}, "oracles.eth.window", "of at most 1e+06"),
        ({"measures": {"every": 2**63}}, "measures.every", "of at most 1e+09"),
        (
            {"pools": {"eth-usdc": {"reserves": {"eth": 2e203}}}},
            "pools.eth-usdc.reserves.eth",
            "1e+18",
        ),
        (
            {"pools": {"eth-usdc": {"reserves": {"eth": 1e-300}}}},
            "pools.eth-usdc.reserves.eth",
            "1e-18",
        ),
        ({"pools": {"$\\frac{": BASE["pools"]["eth-usdc"]}}, "pools.$\\frac{", "is no name"),
        ({"pools": {"[/b]": BASE["pools"]["eth-usdc"]}}, "pools.[/b]", "is no name"),
        ({"pools": {"a.b": BASE["pools"]["eth-usdc"]}}, "pools.a.b", "is no name"),
        (
            {"lending": {"bank": {"reserves": {"usdc": {"supply_cap": 2.0}}}}},
            "lending.bank.reserves.usdc.cash",
            "above supply_cap",
        ),
        (
            {
                "lending": {"other": {"reserves": {"bank-usdc-debt": {"oracle": "d"}}}},
                "oracles": {"d": {"token": "bank-usdc-debt", "source": "fixed", "price": 1.0}},
            },
            "lending.other.reserves.bank-usdc-debt",
            "is a debt",
        ),
        (eth(volatility=1e308), "venue.assets.eth.volatility", "of at most 100"),
        (
            eth(process="gbm", volatility=100.0) | {"blocks": 10**7},
            "venue.assets.eth.volatility",
            "beyond exp(200)",
        ),
        (eth(process="jumps", jump_rate=1e9), "venue.assets.eth.jump_rate", "jumps a block"),
        (eth(process="heston", reversion=1e8), "venue.assets.eth.reversion", "all of the way back"),
        (
            eth(process="gbm", drift=1000.0) | {"blocks": 10**6},
            "venue.assets.eth.drift",
            "lower it",
        ),
        (
            eth(process="bridge", points=[[0, 5.0], [9, 5.0]]) | {"blocks": 10**8},
            "venue.assets.eth.process",
            "beforehand",
        ),
        (
            eth(process="bridge", points=[[0, -5.0], [9, 5.0]]),
            "venue.assets.eth.points.0.1",
            "above 0",
        ),
        (eth(process="bridge", points=[["x", 5.0]]), "venue.assets.eth.points.0.0", "datetime"),
        (eth(process="bridge", points=[[1, 2, 3, 4]]), "venue.assets.eth.points.0", "at most 2"),
        (
            {"shocks": [{"kind": "price_jump", "asset": "eth", "size": 1e6, "block": 1}] * 20},
            "shocks.14.size",
            "beyond exp(200)",
        ),
        (
            {"shocks": [{"kind": "gas_surge", "multiple": 2.0, "blocks": 2**63, "block": 1}]},
            "shocks.0.blocks",
            "of at most 1e+09",
        ),
        (
            {
                "oracles": {
                    n: {"token": "eth", "source": "pool_spot", "pool": "eth-usdc", "quote": q}
                    for n, q in (("eth", "b"), ("b", "eth"))
                }
            },
            "oracles.eth.quote",
            "goes in a circle: eth -> b -> eth",
        ),
        ({"agents": {"eth-usdc": CROWD["traders"]}}, "eth-usdc", "two things are called so"),
        (
            {"agents": {"x": CROWD["traders"]}, "pools": {"x-3": BASE["pools"]["eth-usdc"]}},
            "x-3",
            "like an agent of x",
        ),
        ({"agents": {"x": CROWD["traders"] | {"kind": ":x"}}}, "agents.x.kind", "names no class"),
        (
            {"agents": {"x": CROWD["traders"] | {"kind": "pandas:DataFrame"}}},
            "agents.x.kind",
            "is not a Behaviour",
        ),
        (
            {"agents": {"x": CROWD["traders"] | {"count": 10**9}}},
            "agents.x.count",
            "of at most 1e+06",
        ),
        (
            {"agents": {"x": CROWD["traders"] | {"count": 10**6, "neighbours": 1000}}},
            "agents.x.neighbours",
            "edges",
        ),
        (
            {"agents": {"x": CROWD["borrowers"] | {"equity": 1e30}}},
            "agents.x.equity.value",
            "of at most 1e+18",
        ),
        (
            {"agents": {"x": CROWD["traders"] | {"wallet": {"eth": 1.7e308}}}},
            "agents.x.wallet.eth.value",
            "of at most 1e+18",
        ),
    ],
)
def test_numbers_names_and_dates_are_bounded_by_field(
    changes: dict[str, Any], field: str, words: str
) -> None:
    found = problems(changes)
    assert field in found, found
    assert words in found[field]


def test_what_is_nested_deep_is_refused_before_it_is_looked_at() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(ScenarioError, match="nested more than 32 deep"):
        Scenario.from_dict(BASE | {"shocks": deep})


def test_values_from_outside_never_name_a_file(
    small: Callable[..., Scenario], tmp_path: Path
) -> None:
    file = tmp_path / "other.toml"
    file.write_text(small().to_toml())
    for change in ({"extends": str(file)}, {"extends": "calm"}, {"remove": ["pools"]}):
        with pytest.raises(ScenarioError, match="unknown field"):
            small().override(change)
    with pytest.raises(ScenarioError, match="unknown field"):
        small().with_overrides([f'extends="{file}"'])


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("shocks.².size=1", "no place in a list"),
        ("pools.eth-usdc.tokens.٣=1", "no place in a list"),
        ("blocks=" + "9" * 5000, "Exceeds the limit"),
        ("shocks=" + "[" * 100_000, "nested more than 32 deep"),
        ("blocks=1\ntitle='x'", "more than one value"),
        ("..:x=1", "no dotted path"),
        (" . =1", "no dotted path"),
        ("<two>=1", "unknown field"),
    ],
)
def test_odd_words_after_set_are_answered_in_a_line(
    item: str, words: str, small: Callable[..., Scenario]
) -> None:
    setup = small(shocks=[{"kind": "price_jump", "asset": "eth", "size": 0.1, "block": 1}])
    with pytest.raises(ScenarioError) as caught:
        setup.with_overrides([item])
    ((field, text),) = caught.value.problems
    assert words in text
    assert field.strip() and len(text) < 500 and "\n" not in text


@pytest.mark.parametrize("name", ["x" * 5000, "x" * 5000 + ".toml", "a\0b", "a\0b.toml"])
def test_a_name_that_no_file_can_have_is_no_scenario(name: str) -> None:
    with pytest.raises(ScenarioError, match=r"no such scenario|there is no file"):
        Scenario.load(name)


def test_pools_are_funded_in_an_order_whatever_holds_what() -> None:
    pools = {
        f"p{i}": {
            "tokens": ["usdc", f"p{i + 1}-share" if i < 300 else "eth"],
            "reserves": {"usdc": 1.0, f"p{i + 1}-share" if i < 300 else "eth": 1.0},
        }
        for i in range(301)
    }
    setup = Scenario.from_dict(merged(BASE, {"pools": pools}))
    assert order_of_funding(setup)[:2] == ["eth-usdc", "p300"]
    assert order_of_funding(setup)[-1] == "p0"
