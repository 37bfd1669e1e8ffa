"""What a worker does with its jobs."""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import mesa
import numpy as np
import pytest

from runs.study.study import Study
from runs.study.worker import Job, pack, peak_memory, unpack, work
from sim import Market

SMALL: dict[str, Any] = {
    "name": "t",
    "scenario": "calm",
    "set": {"blocks": 30, "agents.*.count": 5},
    "keep": {"low": "min(venue.eth.price)", "volume": "last(pools.volume)"},
    "seeds": 2,
}


def study(**changes: Any) -> Study:
    return Study.from_dict(SMALL | changes)


def test_it_keeps_what_the_market_itself_would_tell() -> None:
    s = study(series={"measures": ["venue.eth.price"], "every": 10})
    (outcome,) = work(pack(s), [Job({"pools.eth-usdc.fee": 0.01}, [(7, 3)])]).outcomes
    market = Market(s.base.override({"pools.eth-usdc.fee": 0.01}), rng=3).run()
    frame = market.datacollector.get_model_vars_dataframe()
    assert outcome.run == 7
    assert outcome.values == [frame["venue.eth.price"].min(), frame["pools.volume"].iloc[-1]]
    shown = frame[frame["block"] % 10 == 0]
    assert outcome.series is not None
    assert (outcome.series == shown[["block", "venue.eth.price"]].to_numpy()).all()


def test_a_run_that_raises_does_not_stop_the_others() -> None:
    jobs = [
        Job({"agents.providers.stake": 1e12}, [(0, 1)]),
        Job({"pools.eth-usdc.fee": 2.0}, [(1, 1)]),
        Job({}, [(2, 1)]),
    ]
    report = work(pack(study()), jobs)
    first, second, third = report.outcomes
    assert first.error.startswith("ScenarioError: agents.providers.stake: stakes of")
    assert "liquidity_provider.py:" in first.error
    assert "Traceback" in first.trace
    assert np.isnan(first.values).all()
    assert "pools.eth-usdc.fee" in second.error
    assert third.error == ""
    assert np.isfinite(third.values).all()


def test_functions_of_a_python_file_travel_as_its_text(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from agents import MarketAgent\n"
        "from runs import Study\n"
        "def agents(market):\n    return len(market.agents)\n"
        'study = Study(scenario="calm", keep={"agents": agents},\n'
        '              set={"blocks": 5, "agents.*.count": 5})\n'
    )
    payload = pack(Study.load(file))
    file.unlink()  # as on another machine
    (outcome,) = work(payload, [Job({}, [(0, 1)])]).outcomes
    assert outcome.values == [30.0]


def test_functions_that_cannot_travel_are_refused() -> None:
    s = Study(scenario="calm", keep={"x": lambda market: 1.0}, name="t")
    with pytest.raises(ValueError, match="cannot travel"):
        pack(s)


def test_a_study_is_read_once() -> None:
    payload = pack(study())
    assert unpack(payload) is unpack(payload)
    assert len(payload) < 50_000
    assert pickle.loads(payload)[0] is None


def markets() -> int:
    gc.collect()
    # Of the type, as it is: an isinstance asks what a dead weak proxy stands for.
    return sum(issubclass(type(o), Market) for o in gc.get_objects())


def test_finished_markets_are_freed() -> None:
    payload = pack(study())
    work(payload, [Job({}, [(0, 1)])])
    before, kept = markets(), len(getattr(mesa.Agent, "_ids", {}))
    work(payload, [Job({}, [(i, i) for i in range(20)])])
    assert markets() == before
    assert len(getattr(mesa.Agent, "_ids", {})) == kept


def test_it_says_what_it_took() -> None:
    report = work(pack(study()), [Job({}, [(0, 1)])])
    assert 0.0 < report.seconds < 60.0
    assert 1e7 < report.peak <= peak_memory()
    assert set(report.made_by) >= {"numpy", "mesa", "sources", "machine"}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="of Linux")
def test_the_peak_is_of_the_process_alone_and_not_of_who_started_it() -> None:
    held = bytearray(600 << 20)
    held[:: 1 << 12] = b"x" * len(held[:: 1 << 12])
    code = "from runs.study.worker import peak_memory; print(peak_memory())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 1e7 < int(done.stdout) < 5e8
    assert len(held) == 600 << 20
