"""Benchmarks beside a peer, in one run: ``python -m runs.dev.bench``.

Each line is ``name ours peer ratio``. The two sides take turns, round by round, and
the medians are compared, so that a machine whose speed drifts does not decide.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from protocols import amm
from protocols.concentrated import swap_step
from runs.dev import peers
from runs.files import made_by
from runs.study.executors import Processes, Serial
from runs.study.study import Study
from runs.study.sweeper import Sweep
from runs.study.worker import Job, Outcome, Report, pack, work
from sim import Market, Scenario, registry
from sim.codes import Reason
from sim.compiled import kernel
from sim.ledger import begin

MEASURES = [
    "venue.eth.price",
    "pools.price",
    "pools.dispersion",
    "pools.mispricing",
    "pools.value",
    "pools.volume",
    "lending.bank.debt",
    "lending.bank.health_min",
    "lending.bank.liquidations",
    "result.arbitrageurs",
]
ROUNDS = 7


# Long: one scenario, written down as data.
def same_market(noise: int) -> Scenario:
    """The market of the plain-Mesa peer, as a scenario.

    N noise traders that act with probability 0.2 and swap a lognormal amount on a
    random one of 10 pools, 10 arbitrageurs, 50 leveraged borrowers, 5 liquidators, one
    lending market, a price that moves one per cent a block, 10 measures a block, no gas.
    """
    pools = [f"pool-{i}" for i in range(10)]
    block = 12.0
    per_root_year = 0.01 * (365.25 * 86_400.0 / block) ** 0.5
    return Scenario.from_dict(
        {
            "title": f"plain Mesa's market, {noise} noise traders",
            "blocks": 1_000_000,
            "block": {"fee_market": "off", "ordering": "random", "seconds": block},
            "venue": {
                "inventory": 1e10,
                "assets": {
                    "eth": {
                        "price": 2000.0,
                        "volatility": per_root_year,
                        "spread": 0.0,
                        "inventory": 1e7,
                    }
                },
            },
            "pools": {
                p: {"tokens": ["eth", "usdc"], "reserves": {"eth": 1000.0, "usdc": 2e6}}
                for p in pools
            },
            "oracles": {
                "eth": {"token": "eth", "source": "pool_spot", "pool": pools[0]},
                "usdc": {"token": "usdc", "source": "fixed", "price": 1.0},
            },
            "lending": {
                "bank": {
                    "reserves": {
                        "eth": {"ltv": 0.8, "threshold": 0.85, "bonus": 0.05, "borrowable": False},
                        "usdc": {"collateral": False, "cash": 5e6},
                    }
                }
            },
            "agents": {
                "noise": {
                    "kind": "noise_trader",
                    "count": noise,
                    "pools": pools,
                    "wallet": {"eth": 10.0, "usdc": 20_000.0},
                    "rate": 0.2,
                    "branching": 0.0,
                    "size": 54.6,
                    "spread": 1.0,
                    "tail": 0.0,
                    "herding": 0.0,
                    "mood": 0.0,
                },
                "arbitrageurs": {
                    "kind": "arbitrageur",
                    "count": 10,
                    "pools": pools,
                    "wallet": {"usdc": 1e6},
                },
                "borrowers": {
                    "kind": "leveraged_borrower",
                    "count": 50,
                    "lending": "bank",
                    "collateral": "eth",
                    "debt": "usdc",
                    "pools": pools,
                    "equity": 10_000.0,
                    "leverage": {"distribution": "uniform", "low": 2.0, "high": 3.5},
                    "attention": 0.02,
                },
                "liquidators": {
                    "kind": "liquidator",
                    "count": 5,
                    "lending": "bank",
                    "pools": pools,
                    "wallet": {"usdc": 1e6},
                },
            },
            "measures": {"keep": MEASURES, "receipts": "none"},
        }
    )


def load_peer(path: Path) -> ModuleType | None:
    """The plain-Mesa model, if its file is there."""
    if not path.is_file():
        return None
    spec = importlib.util.spec_from_file_location("plain_mesa", path)
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks_per_second(step: Callable[[int], Any], blocks: int) -> float:
    """Blocks that `step(blocks)` makes in a second."""
    start = time.perf_counter()
    step(blocks)
    return blocks / (time.perf_counter() - start)


def beside_plain_mesa(peer: ModuleType, noise: int) -> tuple[float, float]:
    """Median blocks per second of this project and of the peer, in turns."""
    ours = Market(same_market(noise), rng=1)
    ours.run(50)
    theirs = peer.DefiModel(noise, rng=1)

    def step_peer(blocks: int) -> None:
        for _ in range(blocks):
            theirs.step()

    step_peer(3)
    quick = max(200, 2_000_000 // (noise + 100))
    slow = max(10, 100_000 // (noise + 100))
    pairs = [
        (blocks_per_second(ours.run, quick), blocks_per_second(step_peer, slow))
        for _ in range(ROUNDS)
    ]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def a_million_agents() -> tuple[float, float]:
    """(GiB, blocks per second) of a run with 1,000,000 agents, in this process."""
    market = Market(same_market(1_000_000), rng=1)
    market.run(2)
    rate = blocks_per_second(market.run, 10)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, rate


def rare_traders(count: int, rate: float) -> dict[str, float]:
    """Blocks per second of traders who swap with chance `rate` in a block, 30 % of it set off.

    Median of rounds in turns: as they are found, and as each is asked in every block.
    """
    content = same_market(count).to_dict()
    content["agents"]["noise"] |= {"rate": 0.7 * rate, "branching": 0.3}
    market = Market(Scenario.from_dict(content), rng=1)
    found: dict[str, list[float]] = {"found": [], "asked": []}
    for _ in range(ROUNDS):
        for name, rates in found.items():
            market.cohorts["noise"].ask_everybody(name == "asked")
            market.run(2)
            rates.append(blocks_per_second(market.run, 1000 if name == "found" else 100))
    return {name: statistics.median(rates) for name, rates in found.items()}


# Long: one scenario, written down as data.
def many_lenders_and_borrowers(count: int) -> Market:
    """Two lending markets of as many allocators as refinancers, without gas, ether moving."""
    eth = {"ltv": 0.8, "threshold": 0.83, "bonus": 0.05, "borrowable": False}
    reserves = {"eth": eth, "usdc": {"collateral": False, "slope2": 1.0}}
    names = ["one", "two"]
    content = {
        "title": f"{count} lenders and borrowers in two markets",
        "blocks": 1_000_000,
        "block": {"fee_market": "off"},
        "venue": {
            "inventory": 1e12,
            "assets": {"eth": {"price": 2000.0, "volatility": 0.6, "inventory": 1e9}},
        },
        "oracles": {
            "eth": {"token": "eth", "source": "venue"},
            "usdc": {"token": "usdc", "source": "fixed", "price": 1.0},
        },
        "lending": {name: {"reserves": reserves} for name in names},
        "agents": {
            "allocators": {
                "kind": "allocator",
                "count": count // 2,
                "lending": names,
                "token": "usdc",
                "size_attention": 0.0,
            },
            "refinancers": {
                "kind": "refinancer",
                "count": count // 2,
                "lending": names,
                "collaterals": ["eth"],
                "debt": "usdc",
                "reservation": {"distribution": "uniform", "low": 0.03, "high": 0.3},
            },
        },
        "measures": {"every": 100, "receipts": "none"},
    }
    return Market(Scenario.from_dict(content), rng=1)


def rare_lookers(count: int, attentions: Sequence[float]) -> list[float]:
    """Blocks per second of lenders and borrowers in two markets, by how many look in a block.

    Medians of rounds in turns.
    """
    market = many_lenders_and_borrowers(count)
    found: list[list[float]] = [[] for _ in attentions]
    for _ in range(ROUNDS):
        for rates, attention in zip(found, attentions, strict=True):
            market.cohorts["allocators"].put("attention", attention)
            market.cohorts["refinancers"].put("attention", attention)
            market.cohorts["refinancers"].put("alarm", attention)
            market.run(100)
            rates.append(blocks_per_second(market.run, 1000))
    return [statistics.median(rates) for rates in found]


def first_block(cache: str | None) -> float:
    """Seconds from the start of a new process to the first block of the calm scenario."""
    env = dict(os.environ)
    if cache is not None:
        env["UNDERTOW_CACHE"] = cache
    code = "from sim import Market; Market('calm').run(1)"
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env=env)
    return time.perf_counter() - start


def sweep_study(scenario: str, blocks: int, runs: int) -> Study:
    """A study of one point, for timing."""
    return Study.from_dict(
        {
            "name": "timing",
            "scenario": scenario,
            "set": {"blocks": blocks},
            "keep": {"bad_debt": "last(lending.bank.bad_debt)", "low": "min(venue.eth.price)"},
            "seeds": runs,
        }
    )


class _Timed(Sweep):
    """Adds up what its workers were busy for."""

    busy = 0.0

    def _check_worker(self, report: Report) -> None:
        self.busy += report.seconds
        super()._check_worker(report)


def swept(study: Study, executor: Executor) -> tuple[float, float]:
    """Seconds of a sweep into a new folder, and of its workers' work."""
    with tempfile.TemporaryDirectory() as folder:
        job = _Timed(study, folder, executor)
        start = time.perf_counter()
        job.run()
        return time.perf_counter() - start, job.busy


def wake(payload: bytes, pool: Processes) -> None:
    """Let every process of a pool load and compile what it needs."""
    for future in [pool.submit(work, payload, [Job({}, [(0, 1)])]) for _ in range(pool.count)]:
        future.result()


def one_and_two_workers(runs: int) -> dict[str, tuple[float, float]]:
    """Medians of two workers beside one, in turns, by what was measured.

    Runs per second of a sweep; the same of processes that are handed all their runs at
    once, which is what the machine's two cores give; and the share of the sweep's time
    for which its workers were at work.
    """
    study = sweep_study("calm", 1000, runs)
    payload = pack(study)
    found: dict[str, list[tuple[float, float]]] = {"sweep": [], "bare": [], "busy": []}

    def bare(pool: Processes) -> float:
        share = runs // pool.count
        start = time.perf_counter()
        parts = [[(i, i + 1) for i in range(k * share, (k + 1) * share)] for k in range(pool.count)]
        for future in [pool.submit(work, payload, [Job({}, part)]) for part in parts]:
            future.result()
        return time.perf_counter() - start

    with Processes(2) as two, Processes(1) as one:
        wake(payload, two)
        wake(payload, one)
        for _ in range(ROUNDS):
            (a, busy_a), (b, busy_b) = swept(study, two), swept(study, one)
            found["sweep"].append((runs / a, runs / b))
            found["busy"].append((busy_a / a / 2.0, busy_b / b))
            found["bare"].append((runs / bare(two), runs / bare(one)))
    return {
        name: (statistics.median(x for x, _ in pairs), statistics.median(y for _, y in pairs))
        for name, pairs in found.items()
    }


class _Nowhere(Executor):
    """Gives back results that nobody computed, so that only the driver works."""

    capacity = 4

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        _, jobs = args
        outcomes = [Outcome(number, [0.0, 0.0]) for job in jobs for number, _ in job.runs]
        future: Future = Future()
        future.set_result(Report(outcomes, 1e-3 * len(outcomes), "nowhere", made_by()))
        return future


def driver_alone(runs: int) -> float:
    """Microseconds that the driver of a sweep takes for a run, whoever does it."""
    return 1e6 * swept(sweep_study("calm", 5, runs), _Nowhere())[0] / runs


def beside_market_run(scenario: str, blocks: int, runs: int) -> tuple[float, float]:
    """Median milliseconds a run of a sweep in this process, and of a plain loop, in turns.

    The plain loop makes, runs and closes markets of the same scenario, and keeps nothing.
    """
    study = sweep_study(scenario, blocks, runs)
    payload, jobs = pack(study), [Job({}, [(i, i + 1) for i in range(runs)])]
    work(payload, jobs)
    setup = study.base

    def plain() -> float:
        start = time.perf_counter()
        for i in range(runs):
            market = Market(setup, rng=i + 1)
            market.run()
            market.close()
        return time.perf_counter() - start

    pairs = [(swept(study, Serial())[0], plain()) for _ in range(ROUNDS)]
    scale = 1e3 / runs
    return (
        scale * statistics.median(a for a, _ in pairs),
        scale * statistics.median(b for _, b in pairs),
    )


def print_sweeps() -> None:
    """Print a line per comparison of sweeps."""
    found = one_and_two_workers(300)
    for name, text in (
        ("sweep", "sweep_runs_per_s_2_workers_beside_1"),
        ("bare", "runs_per_s_2_processes_beside_1_without_sweep"),
        ("busy", "sweep_share_of_time_at_work_2_workers_beside_1"),
    ):
        two, one = found[name]
        print(f"{text} {two:.3g} {one:.3g} {two / one:.2f}x", flush=True)
    print(f"sweep_driver_us_a_run {driver_alone(50_000):.1f} - -", flush=True)
    for scenario, blocks, runs in (("march_2020", 14_400, 12), ("calm", 1000, 100)):
        ours, plain = beside_market_run(scenario, blocks, runs)
        name = f"sweep_ms_a_run_of_{scenario}_beside_market_run"
        print(f"{name} {ours:.2f} {plain:.2f} {plain / ours:.3f}x", flush=True)


# Kinds of pools


def one_pool(kind: str) -> Market:
    """A market of one pool of a kind, and an account rich enough to swap for ever."""
    two = {"tokens": ["eth", "usdc"], "reserves": {"eth": 1000.0, "usdc": 2e6}, "fee": 0.003}
    kinds: dict[str, dict[str, Any]] = {
        "constant_product": two,
        "weighted": two | {"weights": {"eth": 4.0, "usdc": 1.0}},
        "stableswap": {
            "tokens": ["dai", "usdc"],
            "reserves": {"dai": 1e6, "usdc": 1.2e6},
            "amplification": 100.0,
            "fee": 0.0004,
        },
        "concentrated": two
        | {
            "tick_spacing": 60,
            "ranges": [{"lower": 1.0 - 0.02 * k, "upper": 1.0 + 0.02 * k} for k in range(1, 21)],
        },
        "bonding_curve": {
            "tokens": ["pool-share", "usdc"],
            "reserves": {"usdc": 1e6},
            "supply": 1000.0,
        },
    }
    assets = {
        "eth": {"price": 2000.0, "process": "constant"},
        "dai": {"price": 1.0, "process": "constant"},
    }
    setup = Scenario.from_dict(
        {
            "title": f"one {kind} pool",
            "blocks": 1,
            "block": {"fee_market": "off"},
            "venue": {"assets": assets},
            "pools": {"pool": {"kind": kind} | kinds[kind]},
        }
    )
    market = Market(setup, rng=1)
    for token in market.pools["pool"].tokens:
        if not token.endswith("-share"):
            market.ledger.mint("venue", token, 1e15)
    return market


@kernel
def _swap_back_and_forth(books, pool, sender, amounts):
    """Swaps in the ledger, there with an amount and back with what came out; how many."""
    done = 0
    for k in range(amounts.size // 2):
        a, b = pool.tokens[1], pool.tokens[0]
        begin(books)
        reason, out = amm.swap(books, pool, sender, a, b, amounts[k], 0.0)
        done += reason == Reason.DONE
        begin(books)
        if pool.ranges:  # what the fee took moves no price back
            out /= 1.0 - pool.fee
        reason, _ = amm.swap(books, pool, sender, b, a, out, 0.0)
        done += reason == Reason.DONE
    return done


def ledger_swaps(kind: str, count: int) -> Callable[[], float]:
    """A round of swaps in the ledger: transfers, fees, counters, journal and all."""
    market = one_pool(kind)
    size = 2e6 if kind != "stableswap" else 1e6
    amounts = size * 10.0 ** np.random.default_rng(1).uniform(-4.0, -1.5, count)
    venue = market.ledger.account("venue")

    def round_() -> float:
        start = time.perf_counter()
        done = _swap_back_and_forth(market.ledger.books, market.world.pools[0], venue, amounts)
        seconds = time.perf_counter() - start
        if done != 2 * (count // 2):
            raise RuntimeError(f"{done} of {count} swaps on a {kind} pool were done")
        return done / seconds

    round_()
    return round_


# Long: five peers, each with the loop that is fastest for it.
def peer_of(kind: str, count: int) -> tuple[str, Callable[[], float]]:
    """The fastest peer from PyPI for a kind, doing comparable swaps; its name and a round.

    Raises:
        ImportError: If it is not installed, or there is none.
    """
    rng = np.random.default_rng(1)
    if kind == "stableswap":
        pool_class = peers.curve_pool()
        whole = [int(a * 1e18) for a in 1e4 * rng.random(count)]

        def swaps() -> None:
            pool = pool_class(A=100, D=[10**24, 12 * 10**23], n=2, fee=4 * 10**6, admin_fee=0)
            for k, amount in enumerate(whole):
                pool.exchange(k % 2, 1 - k % 2, amount)

        name = "curvesim"
    elif kind == "concentrated":
        step = peers.uniswap_step()
        q96 = 2**96
        steps = [(q96 + int(a * q96), int(1e18 * b)) for a, b in rng.random((count, 2))]

        def swaps() -> None:
            # Each step is another one: a cache of the last results is of no use.
            for root, amount in steps:
                step(root, root + q96 // 50, 10**21, amount, 3000)

        name = "degenbot"
    elif kind == "weighted":
        module = peers.balancer_weighted()
        amounts = [int(a * 1e22) for a in rng.random(count)]

        def swaps() -> None:
            x, y = 10**24, 2 * 10**24
            for amount in amounts:
                module.compute_out_given_exact_in(x, 8 * 10**17, y, 2 * 10**17, amount)

        name = "balancer-maths"
    elif kind == "constant_product":
        exact_in = peers.uniswap_pair()
        fee = Fraction(3, 1000)
        given = [int(a * 1e22) for a in rng.random(count)]

        def swaps() -> None:
            x, y = 10**24, 2 * 10**24
            for amount in given:
                out = exact_in(amount, x, y, fee)
                x, y = y - out, x + amount

        name = "degenbot"
    else:
        # No peer is known: the formula in Python's own floats, as one would write it.
        tokens_paid = [float(a) for a in 1e4 * rng.random(count)]

        def swaps() -> None:
            x, supply = 1e6, 1e3
            for paid in tokens_paid:
                out = supply * ((1.0 + 0.997 * paid / x) ** 0.5 - 1.0)
                x, supply = x + paid, supply + out

        name = "plain Python"

    def round_() -> float:
        start = time.perf_counter()
        swaps()
        return count / (time.perf_counter() - start)

    return name, round_


@kernel
def _steps(roots, amounts):
    """Steps of concentrated swaps, as the peer does them; what came out in all."""
    total = 0.0
    for k in range(roots.size):
        total += swap_step(roots[k], roots[k] + 0.02, 1e3, amounts[k], 0.003)[2]
    return total


def swap_steps(count: int) -> tuple[float, float]:
    """Median steps of concentrated swaps a second, of this project and of degenbot.

    Raises:
        ImportError: If degenbot is not installed.
    """
    _, theirs = peer_of("concentrated", count // 10)
    roots, amounts = 1.0 + np.random.default_rng(1).random(count), np.full(count, 0.5)
    _steps(roots, amounts)

    def ours() -> float:
        start = time.perf_counter()
        _steps(roots, amounts)
        return count / (time.perf_counter() - start)

    return in_turns(ours, theirs)


def in_turns(ours: Callable[[], float], theirs: Callable[[], float]) -> tuple[float, float]:
    """Medians of two rates, round by round."""
    pairs = [(ours(), theirs()) for _ in range(ROUNDS)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def print_pools() -> None:
    """Print a line per kind of pool: swaps in the ledger beside the fastest peer."""
    for kind in registry.pools():
        try:
            peer, theirs = peer_of(kind, 20_000)
        except ImportError as error:
            print(f"(no peer for {kind}: {error}; see CONTRIBUTING.md)", file=sys.stderr)
            continue
        a, b = in_turns(ledger_swaps(kind, 200_000), theirs)
        name = f"{kind}_swaps_per_s_beside_{peer.replace(' ', '_')}"
        print(f"{name} {a:,.0f} {b:,.0f} {a / b:.1f}x", flush=True)
    with suppress(ImportError):
        a, b = swap_steps(200_000)
        name = "concentrated_steps_per_s_beside_degenbot"
        print(f"{name} {a:,.0f} {b:,.0f} {a / b:.1f}x", flush=True)


def main() -> None:
    """Print a line per comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", default="../shared/bench/plain_mesa.py", help="peer's file")
    parser.add_argument("--million", action="store_true", help="only the million agents")
    parser.add_argument("--rare", action="store_true", help="only traders who act now and then")
    parser.add_argument("--credit", action="store_true", help="only lenders and borrowers")
    parser.add_argument("--sweeps", action="store_true", help="only sweeps")
    parser.add_argument("--pools", action="store_true", help="only kinds of pools")
    parser.add_argument("--cold", action="store_true", help="also the first start ever")
    options = parser.parse_args()
    if options.million:
        memory, rate = a_million_agents()
        print(f"agents_1000000_GiB {memory:.2f} 4.00 {4.0 / memory:.2f}x")
        print(f"agents_1000000_blocks_per_s {rate:.1f} - -")
        return
    if options.rare:
        for count, chance in ((1_000_000, 0.001), (10_000, 0.01)):
            rates = rare_traders(count, chance)
            ours, asked = rates["found"], rates["asked"]
            name = f"blocks_per_s_{count}_traders_at_{chance}_beside_all_asked"
            print(f"{name} {ours:,.0f} {asked:,.0f} {ours / asked:.1f}x", flush=True)
        return
    if options.credit:
        attentions = (0.002, 0.02, 0.0)
        *looked, none = rare_lookers(10_000, attentions)
        for attention, ours in zip(attentions, looked, strict=False):
            name = f"blocks_per_s_10000_lenders_and_borrowers_at_{attention}_beside_none_who_looks"
            print(f"{name} {ours:,.0f} {none:,.0f} {ours / none:.2f}x", flush=True)
        return
    if options.sweeps or options.pools:
        print("name ours peer ratio")
        if options.pools:
            print_pools()
        if options.sweeps:
            print_sweeps()
        return
    peer = load_peer(Path(options.peer))
    print("name ours peer ratio")
    if peer is None:
        print(f"(no peer at {options.peer}: give --peer)", file=sys.stderr)
    else:
        for noise in (100, 1_000, 10_000):
            ours, theirs = beside_plain_mesa(peer, noise)
            name = f"blocks_per_s_{noise}_noise_traders"
            print(f"{name} {ours:,.0f} {theirs:,.0f} {ours / theirs:.1f}x", flush=True)
    # In a process of its own, so that its peak memory is only its own.
    subprocess.run([sys.executable, "-m", "runs.dev.bench", "--million"], check=True)
    subprocess.run([sys.executable, "-m", "runs.dev.bench", "--rare"], check=True)
    subprocess.run([sys.executable, "-m", "runs.dev.bench", "--credit"], check=True)
    warm = min(first_block(None) for _ in range(2))
    print(f"warm_start_s {warm:.2f} 3.00 {3.0 / warm:.2f}x")
    print_pools()
    print_sweeps()
    if options.cold:
        with tempfile.TemporaryDirectory() as folder:
            cold = first_block(folder)
        print(f"cold_start_s {cold:.1f} 60.0 {60.0 / cold:.2f}x")


if __name__ == "__main__":
    main()
