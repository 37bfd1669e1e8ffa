"""The page: Mesa's SolaraViz carries it, the parts that show finance are ours.

``undertow app`` serves it, ``solara run runs.app.page`` too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import solara
from mesa.visualization import SolaraViz
from mesa.visualization.utils import update_counter

from runs.app import views
from runs.app.components import (
    AccountTable,
    AgentView,
    Bus,
    ClassTable,
    DefaultTable,
    DifferenceChart,
    DifferenceTable,
    ExposureNetwork,
    Histograms,
    Library,
    LossTable,
    NodeView,
    TimeChart,
    provide_bus,
    use_live,
)
from runs.app.live import twin_choices
from runs.app.parameters import parameters, shock_forms
from runs.app.session import PacedMarket, Session, library
from runs.results import SCENARIO

_PLAY_INTERVAL = 11
"""Milliseconds between two frames, on the grid of Mesa's slider."""
_REMOUNT_SECONDS = 0.1
_STYLE = """
.ut-carrier { height: 0; overflow: hidden; }
.ut-main { padding: 0 16px; display: grid; gap: 14px; max-width: 2400px; }
.ut-main > div:empty { display: none; }
.ut-card { background: #fff; border: 1px solid #e3e8ee; border-radius: 8px; padding: 12px 14px;
  min-width: 0; }
.theme--dark .ut-card { background: #1e1e1e; border-color: #2f3943; }
.ut-grid { display: grid; gap: 14px; grid-template-columns: repeat(auto-fit, minmax(380px, 1fr)); }
.ut-tables { display: grid; gap: 14px; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(560px, 1fr)); }
.ut-wide { display: grid; gap: 14px; grid-template-columns: minmax(0, 1fr); align-items: start; }
@media (min-width: 1500px) { .ut-wide { grid-template-columns: minmax(0, 5fr) minmax(0, 3fr); } }
.ut-card > h3 { font: 600 15px/1.3 system-ui, sans-serif; margin: 0 0 8px; }
.ut-note { font: 13px/1.4 system-ui, sans-serif; color: #64707d; }
.theme--dark .ut-note { color: #9aa7b4; }
.ut-stack > * { margin-bottom: 12px; }
.ut-side { font: 13px/1.4 system-ui, sans-serif; }
.ut-side details > summary { cursor: pointer; font-weight: 600; padding: 4px 0; }
.ut-cuts .v-input { margin-top: 0; } .ut-cuts .v-messages { display: none; }
"""


def _settle_solara() -> None:
    """Solara would count visits on a server elsewhere; this page tells nobody."""
    try:
        from solara.server import settings
    except ImportError:  # in a notebook without the server
        return
    settings.telemetry.mixpanel_enable = False
    settings.theme.show_banner = False
    settings.kernel.cull_timeout = "1h"  # of a tab that is gone; its address brings it back


_settle_solara()


@solara.component_vue("header.vue")
def HeaderView(
    title: str,
    blocks: int,
    agents: str,
    seed: int,
    opening: int,
    initial: dict[str, Any],
    channel: str = "",
) -> None:
    """The top of the page; it also keeps the address."""


@solara.component_vue("pulse.vue")
def PulseView(pulse: dict[str, Any], event_shown: Callable[[int], None] | None = None) -> None:
    """Hands a frame to all components, and tells when it was shown."""


@solara.component_vue("parameters.vue")
def ParameterList(
    parameters: list[dict[str, Any]],
    changes: dict[str, Any],
    errors: dict[str, str],
    event_change: Callable[[dict[str, Any]], None] | None = None,
    event_back: Callable[[dict[str, Any]], None] | None = None,
) -> None:
    """Sliders and fields, by section, with what is wrong beside each."""


@solara.component_vue("shock.vue")
def ShockForm(
    forms: list[dict[str, Any]],
    errors: dict[str, str],
    event_strike: Callable[[dict[str, Any]], None] | None = None,
) -> None:
    """A form for every kind of shock."""


@solara.component_vue("share.vue")
def ShareLink() -> None:
    """The page's address, to copy: it brings back this state."""


@solara.component_vue("files.vue")
def FileLinks(files: list[dict[str, Any]]) -> None:
    """Files to take away: name and content, text or bytes."""


@solara.component
def Page() -> None:
    """The whole page of one visitor."""
    solara.Title("Undertow")
    solara.Style(_STYLE)
    router = solara.use_router()
    session = solara.use_memo(lambda: Session(router.search), [])
    solara.lab.use_task(session.open_first, dependencies=[], prefer_threaded=True)
    # Mesa's cards lie in the sidebar, where they would live on with another market's state:
    # what played would play on, and a reset would open what was. So they go, and come anew.
    mounted, set_mounted = solara.use_state(-1)
    version = session.version.value

    def mount() -> None:
        time.sleep(_REMOUNT_SECONDS)
        set_mounted(version)

    solara.lab.use_task(mount, dependencies=[version], prefer_threaded=True)
    market = session.market
    with solara.Div(classes=["ut-main"]):
        if session.notice.value:
            solara.Warning(session.notice.value, dense=True)
            solara.Button("Close this message", text=True, on_click=lambda: session.notice.set(""))
    if market is None:
        with solara.Div(classes=["ut-main"]), solara.Div(classes=["ut-card"]):
            solara.Text(session.busy.value or "Opening the market")
            solara.ProgressLinear(True)
            solara.Text(
                "Only the first start compiles, about a minute; later ones take a second.",
                classes=["ut-note"],
            )
        return
    seed = {"type": "SliderInt", "label": "Seed, from the next reset", "step": 1}
    seed |= {"value": market.seed_number, "min": 0, "max": max(999, market.seed_number)}
    # The second class tells when the controls are those of the market that is seen.
    with solara.Div(classes=["ut-carrier", f"ut-opening-{mounted}"]):
        if mounted == version:
            SolaraViz(
                session.shown,
                components=[],
                model_params={"setup": market.asked, "rng": seed},
                name="Undertow",
                play_interval=_PLAY_INTERVAL,
            )
    with solara.Div(), solara.Div():  # what is deeper comes later in the sidebar
        _Side(session)
    Board(session)


@solara.component
def Board(session: Session) -> None:
    """What is seen: the network, the charts, the agents."""
    market = session.market
    session.twins.get()
    assert market is not None
    bus = solara.use_memo(lambda: Bus(session.twins), [])
    provide_bus(bus)
    Library()

    solara.use_effect(lambda: session.adopt(market), [market])
    with market.lock, solara.Div(classes=["ut-main"]):
        with solara.Div(classes=["ut-card"]):
            _Header(session, market)
        with solara.Div(classes=["ut-wide"]):
            with solara.Div(classes=["ut-card"]):
                solara.HTML("h3", "Who is exposed to whom")
                ExposureNetwork(market, session.chosen.value, session.chosen.set)
            with solara.Div(classes=["ut-card", "ut-stack"]):
                solara.HTML("h3", "Node")
                if session.chosen.value:
                    NodeView(market, session.chosen.value).key(session.chosen.value)
                else:
                    text = "Click a node for its state and its history."
                    solara.Text(text, classes=["ut-note"])
        with solara.Div():
            if market.twin is not None:
                _Twin(market)
        with solara.Div(classes=["ut-grid"]):
            for chart in views.charts(market):
                with solara.Div(classes=["ut-card"]).key(chart.title):
                    TimeChart(market, chart)
            if views.histograms(market):
                with solara.Div(classes=["ut-card"]):
                    Histograms(market)
        with solara.Div(classes=["ut-tables"]):
            with solara.Div(classes=["ut-card"]):
                solara.HTML("h3", "Classes of agents")
                ClassTable(market)
            if market.setup.measures.losses:
                with solara.Div(classes=["ut-card"]):
                    solara.HTML("h3", "Losses by part")
                    LossTable(market)
            if views.may_default(market):
                with solara.Div(classes=["ut-card"]):
                    solara.HTML("h3", "Defaults")
                    DefaultTable(market, session.followed.value, session.follow)
            for table in views.tables(market):
                with solara.Div(classes=["ut-card"]).key(table.title):
                    solara.HTML("h3", table.title)
                    AccountTable(market, table, session.followed.value, session.follow)
            with solara.Div(classes=["ut-card", "ut-stack"]):
                solara.HTML("h3", "Follow an agent")
                _Follow(session, market)
        _Pulse(session, bus)


@solara.component
def _Pulse(session: Session, bus: Bus) -> None:
    """The only part that is rendered anew with every frame."""
    update_counter.get()
    market = session.market
    assert market is not None
    with market.lock:
        session.pace.sent += 1
        pulse = {"frame": session.pace.sent, "parts": bus.gather()}
    solara.use_effect(session.look, [session.pace.sent])
    PulseView(pulse=pulse, event_shown=session.pace.tell)


@solara.component
def _Header(session: Session, market: PacedMarket) -> None:
    def now() -> dict[str, Any]:
        return {
            "block": market.block,
            "frame": session.pace.sent,
            "when": f"{market.setup.time_of(market.block):%d %b %Y %H:%M} UTC",
            "figures": views.headline(market),
            "link": session.link(),
        }

    channel, initial = use_live(now, [market])
    HeaderView(
        title=market.setup.title,
        blocks=market.setup.blocks,
        agents=f"{len(market.agents):,} agents",
        seed=market.seed_number,
        opening=session.version.value,
        initial=initial,
        channel=channel,
    )


@solara.component
def _Twin(market: PacedMarket) -> None:
    with solara.Div(classes=["ut-tables"]):
        with solara.Div(classes=["ut-card"]):
            DifferenceChart(market, height=300)
        with solara.Div(classes=["ut-card"]):
            choice = twin_choices(market.asked).get(market.twin_choice, "")
            solara.HTML("h3", f"This run and its twin: {choice}")
            DifferenceTable(market)


@solara.component
def _Follow(session: Session, market: PacedMarket) -> None:
    wanted, set_wanted = solara.use_state("")
    unknown = wanted and wanted not in market.ledger.accounts

    def follow(account: str) -> None:
        set_wanted(account)
        session.follow(account.strip())

    first = next(iter(market.cohorts), "traders")
    solara.InputText(
        f"Name of an account, as {first}-0",
        value=session.followed.value,
        on_value=follow,
        error=f"There is no {wanted}; the first of a class is called 0." if unknown else False,
    )
    if session.followed.value:
        AgentView(market, session.followed.value).key(session.followed.value)
    else:
        text = "Give a name, or click a row among the endangered positions."
        solara.Text(text, classes=["ut-note"])


@solara.component
def _Side(session: Session) -> None:
    """What can be done."""
    market = session.market
    assert market is not None
    forms = solara.use_memo(lambda: shock_forms(market.asked), [session.version.value])
    shown = solara.use_memo(
        lambda: [asdict(p) for p in parameters(session.base)], [session.version.value]
    )
    _Cards(session, shown, forms)


@solara.component
def _Cards(session: Session, shown: list[dict[str, Any]], forms: list[dict[str, Any]]) -> None:
    """In the sidebar, below Mesa's cards."""
    busy = session.busy.value
    # The key keeps what is open and typed here when Mesa's cards are made anew.
    with solara.Sidebar(), solara.Column(classes=["ut-side"]).key("undertow"):
        with solara.Div():  # always there: what follows keeps its place, and what is typed in it
            if busy:
                solara.Text(busy)
                solara.ProgressLinear(True)
        with solara.Card("Scenario"):
            solara.Select(
                "Scenario",
                value=session.name.value,
                values=list(library()),
                on_value=session.choose,
                disabled=bool(busy),
            )
            ParameterList(
                parameters=shown,
                changes=session.changes.value,
                errors=session.errors.value,
                event_change=lambda data: session.turn(str(data["path"]), data["value"]),
                event_back=lambda data: session.turn_back(str(data["path"])),
            )
            solara.Button(
                "Apply and restart",
                color="primary",
                on_click=session.apply,
                disabled=bool(busy or session.errors.value) or not session.unapplied,
            )
        with solara.Card("Shock"):
            ShockForm(forms=forms, errors=session.shock_errors.value, event_strike=session.strike)
            _Struck(session)
        with solara.Card("Cut"):
            _Cuts(session)
        with solara.Card("Compare with a twin"):
            _Compare(session)
        with solara.Card("Save and share"):
            _Save(session)


@solara.component
def _Struck(session: Session) -> None:
    session.acts.get()
    market = session.market
    assert market is not None
    for action in market.actions[-5:]:
        state = f"block {action.block:,}: {views.spoken(action.shock)}"
        solara.Text(state, classes=["ut-note"])


@solara.component
def _Cuts(session: Session) -> None:
    session.acts.get()
    text = "What works. Untick to cut it from the next block on, tick to let it work again."
    solara.Text(text, classes=["ut-note"])
    with solara.Div(classes=["ut-cuts"]):
        for label, (_, action) in session.cuts().items():
            solara.Checkbox(
                label=label,
                value=action is None,
                on_value=lambda works, label=label: session.switch(label, not works),
            ).key(label)


@solara.component
def _Compare(session: Session) -> None:
    market = session.market
    assert market is not None
    session.twins.get()
    choices = {"": "no twin"} | twin_choices(market.asked)
    by_label = {label: choice for choice, label in choices.items()}
    solara.Select(
        "The twin has",
        value=choices[market.twin_choice],
        values=list(by_label),
        on_value=lambda label: session.compare(by_label.get(label, "")),
        disabled=bool(session.busy.value),
    )
    text = "The same scenario and seed with one thing different, from the first block on. Dashed."
    solara.Text(text, classes=["ut-note"])


@solara.component
def _Save(session: Session) -> None:
    market = session.market
    assert market is not None
    ShareLink()
    toml = solara.use_memo(lambda: market.as_scenario().to_toml(), [market, session.acts.value])
    FileLinks(files=[{"name": "scenario.toml", "content": toml}])
    solara.Button(
        "Make the run's files",
        on_click=session.prepare_files,
        disabled=bool(session.busy.value),
        text=True,
        icon_name="mdi-file-cog-outline",
    )
    if session.files.value:
        text = f"Up to block {session.files_block:,}, as undertow run leaves them:"
        solara.Text(text, classes=["ut-note"])
        files = [
            {"name": name, "content": content}
            for name, content in session.files.value.items()
            if name != SCENARIO
        ]
        FileLinks(files=files)
