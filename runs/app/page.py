"""The page: what a visitor sees and does.

``undertow app`` serves it, ``solara run runs.app.page`` too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import solara
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
from runs.app.live import LiveMarket, twin_choices
from runs.app.parameters import parameters, shock_forms
from runs.app.player import END, EVENT, PLAY, SPEEDS
from runs.app.session import Session, library
from runs.app.story import MOST_TEXT
from runs.files import SCENARIO
from sim.shown import Chart

_LATER_SECONDS = 0.2
_STYLE = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
TABS = ("Shock", "Cut", "Twin", "Story", "Save")
"""What can be done, each reached without scrolling."""


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
    agents: str,
    seed: int,
    opening: int,
    initial: dict[str, Any],
    channel: str = "",
) -> None:
    """The top of the page; it also keeps the address."""


@solara.component_vue("pulse.vue")
def PulseView(
    pulse: dict[str, Any], opening: int, event_shown: Callable[[int], None] | None = None
) -> None:
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


# Wide: a component of the page; its arguments are its properties.
@solara.component_vue("transport.vue")
def Transport(
    blocks: int,
    goal: str,
    speed: int,
    speeds: list[int],
    panel: bool,
    opening: int,
    initial: dict[str, Any],
    channel: str = "",
    event_do: Callable[[dict[str, Any]], None] | None = None,
) -> None:
    """The bar of controls; it also listens to keys."""


@solara.component_vue("tabs.vue")
def Tabs(
    label: str, names: list[str], chosen: str, event_choose: Callable[[str], None] | None = None
) -> None:
    """Names of panes, of which one is open."""


@solara.component_vue("choice.vue")
def Choice(
    label: str,
    value: str,
    options: list[tuple[str, str]] | None = None,
    disabled: bool = False,
    event_choose: Callable[[str], None] | None = None,
) -> None:
    """One of some values, by value and label; without them any text."""


@solara.component_vue("switches.vue")
def Switches(
    legend: str,
    items: list[dict[str, Any]],
    event_turn: Callable[[dict[str, Any]], None] | None = None,
) -> None:
    """Boxes to tick."""


@solara.component_vue("button.vue")
def Button(
    text: str,
    main: bool = False,
    disabled: bool = False,
    event_press: Callable[[Any], None] | None = None,
) -> None:
    """Something to press."""


@solara.component_vue("story.vue")
def StoryView(
    notes: list[dict[str, Any]],
    most: int,
    disabled: bool = False,
    event_add: Callable[[dict[str, Any]], None] | None = None,
    event_remove: Callable[[int], None] | None = None,
    event_tell: Callable[[Any], None] | None = None,
) -> None:
    """Notes, and a field for one more."""


# Wide: a component of the page; its arguments are its properties.
@solara.component_vue("caption.vue")
def CaptionView(
    at: int,
    count: int,
    text: str,
    zoom: list[float],
    waiting: bool,
    event_next: Callable[[Any], None] | None = None,
    event_stop: Callable[[Any], None] | None = None,
) -> None:
    """What is said while a story is told."""


@solara.component_vue("export.vue")
def ExportView() -> None:
    """The view as a drawing, a picture or an animation."""


@solara.component
def Page() -> None:
    """The whole page of one visitor."""
    solara.Title("Undertow")
    solara.Style(_STYLE)
    router = solara.use_router()
    session = solara.use_memo(lambda: Session(router.search), [])
    solara.lab.use_task(session.open_first, dependencies=[], prefer_threaded=True)
    solara.use_effect(lambda: session.leave, [])
    if session.market is None:
        _Opening(session)
    else:
        _Open(session)


@solara.component
def _Progress() -> None:
    """That something is going on; what, stands beside it in words."""
    solara.Div(classes=["ut-working"])


@solara.component
def _Opening(session: Session) -> None:
    with solara.Div(classes=["ut-main"]), solara.Div(classes=["ut-card"]):
        if session.notice.value:
            _Notice(session)
        solara.Text(session.busy.value or "Opening the market")
        _Progress()
        solara.Text(
            "The first start compiles for about a minute; later ones take a second.",
            classes=["ut-note"],
        )


@solara.component
def _Open(session: Session) -> None:
    panel, set_panel = solara.use_state(True)
    market = session.market
    assert market is not None
    bus = solara.use_memo(lambda: Bus(session.twins), [])
    provide_bus(bus)
    # What is below the first screen comes a moment later, so that the first is there sooner.
    late, set_late = solara.use_state(False)

    def follow() -> None:
        time.sleep(_LATER_SECONDS)
        set_late(True)

    solara.lab.use_task(follow, dependencies=[], prefer_threaded=True)
    Library()
    with solara.Div(classes=["ut-page", *([] if panel else ["ut-alone"])]):
        _Transport(session, market, panel, lambda: set_panel(not panel))
        with solara.Div(classes=["ut-side"]):
            _Side(session, late)
        Board(session, bus, late)
        _Caption(session)


@solara.component
def _Notice(session: Session) -> None:
    with solara.Div(classes=["ut-notice"]):
        solara.Text(session.notice.value)
        Button(text="Close this message", event_press=lambda _: session.notice.set(""))


@solara.component
def _Transport(
    session: Session, market: LiveMarket, panel: bool, on_panel: Callable[[], None]
) -> None:
    player = session.player

    def act(told: dict[str, Any]) -> None:
        what, value = str(told.get("what")), told.get("value")
        plain: dict[str, Callable[[], object]] = {
            "play": lambda: player.play(PLAY),
            "event": lambda: player.play(EVENT),
            "end": lambda: player.play(END),
            "pause": player.pause,
            "step": player.step,
            "reset": session.reset,
            "panel": on_panel,
            "close": lambda: session.chosen.set(""),
        }
        if what in plain:
            plain[what]()
        elif what == "speed" and value in SPEEDS:
            player.speed.set(int(value))
        elif what == "rewind" and isinstance(value, int):
            session.rewind(value)

    channel, initial = use_live(lambda: {"block": market.block}, [market])
    with solara.Div(classes=["ut-top"]):
        Transport(
            blocks=market.setup.blocks,
            goal=player.goal.value,
            speed=player.speed.value,
            speeds=list(SPEEDS),
            panel=panel,
            opening=session.version.value,
            initial=initial,
            channel=channel,
            event_do=act,
        )


@solara.component
def Board(session: Session, bus: Bus, late: bool = True) -> None:
    """What is seen: the network, the charts, the agents."""
    market = session.market
    session.twins.get()
    assert market is not None

    def leave() -> Callable[[], None]:
        def close() -> None:
            with market.lock:
                market.close()

        return close

    solara.use_effect(leave, [market])
    with market.lock, solara.Div(classes=["ut-main"]):
        if session.notice.value:
            _Notice(session)
        with solara.Div(classes=["ut-card"]):
            _Header(session, market)
        charts = views.charts(market)
        with solara.Div(classes=["ut-wide"]):
            with solara.Div(classes=["ut-card"]), solara.Div(classes=["ut-net-box"]):
                ExposureNetwork(
                    market,
                    session.chosen.value,
                    session.chosen.set,
                    session.cascade.value,
                    lambda: session.cascade.set([]),
                )
                _Card(session, market)
            with solara.Div(classes=["ut-column"]):
                for chart in charts[:2]:
                    with solara.Div(classes=["ut-card"]).key(chart.title):
                        TimeChart(market, chart)
        with solara.Div():
            if market.twin is not None:
                _Twin(market)
        with solara.Div():
            if late:
                _Below(session, market, charts[2:])
        _Pulse(session, bus)


@solara.component
def _Below(session: Session, market: LiveMarket, charts: list[Chart]) -> None:
    """What is seen further down."""
    with solara.Div(classes=["ut-below"]):
        with solara.Div(classes=["ut-grid"]):
            for chart in charts:
                with solara.Div(classes=["ut-card"]).key(chart.title):
                    TimeChart(market, chart)
            if views.histograms(market):
                with solara.Div(classes=["ut-card"]):
                    Histograms(market)
        _Tables(session, market)


@solara.component
def _Card(session: Session, market: LiveMarket) -> None:
    """A node's card, beside the node."""
    chosen = session.chosen.value
    plan = views.network_layout(market)
    node = next((n for n in plan["nodes"] if n["name"] == chosen), None)
    if node is None:
        return
    across, down = node["x"] / plan["width"], node["y"] / plan["width"]
    room = 100 * max(across, 1 - across)
    away = f"calc({100 - room:.1f}cqw + 30px)"
    side = {"right" if across > 0.5 else "left": away}
    side["max-width"] = f"calc({room:.1f}cqw - 30px)"
    top = f"clamp(0px, calc({100 * down:.1f}cqw - 80px), calc(100% - 424px))"
    with solara.Div(classes=["ut-pop", "ut-stack"], style=side | {"top": top}):
        Button(text="Close", event_press=lambda _: session.chosen.set(""))
        NodeView(market, chosen).key(chosen)


@solara.component
def _Tables(session: Session, market: LiveMarket) -> None:
    with solara.Div(classes=["ut-tables"]):
        with solara.Div(classes=["ut-card"]):
            solara.HTML("h2", "Classes of agents")
            ClassTable(market)
        if market.setup.measures.losses:
            with solara.Div(classes=["ut-card"]):
                solara.HTML("h2", "Losses by cause")
                LossTable(market)
        if views.may_default(market):
            with solara.Div(classes=["ut-card"]):
                solara.HTML("h2", "Defaults")
                DefaultTable(market, session.followed.value, session.follow)
        for table in views.tables(market):
            with solara.Div(classes=["ut-card"]).key(table.title):
                solara.HTML("h2", table.title)
                AccountTable(market, table, session.followed.value, session.follow)
        with solara.Div(classes=["ut-card", "ut-stack"]):
            solara.HTML("h2", "Follow an agent")
            _Follow(session, market)


@solara.component
def _Pulse(session: Session, bus: Bus) -> None:
    """The only part that is rendered anew with every frame."""
    update_counter.get()
    market = session.market
    assert market is not None
    with market.lock:
        session.pace.sent += 1
        pulse = {"frame": session.pace.sent, "block": market.block, "parts": bus.gather()}
    solara.use_effect(session.look, [session.pace.sent])
    PulseView(pulse=pulse, opening=session.version.value, event_shown=session.pace.tell)


@solara.component
def _Header(session: Session, market: LiveMarket) -> None:
    def now() -> dict[str, Any]:
        said, danger = views.news(market)
        return {
            "block": market.block,
            "frame": session.pace.sent,
            "when": f"{market.setup.time_of(market.block):%d %b %Y %H:%M} UTC",
            "news": said,
            "danger": danger,
            "figures": views.headline(market),
            "link": session.link(),
        }

    channel, initial = use_live(now, [market])
    HeaderView(
        title=market.setup.title,
        agents=f"{len(market.agents):,} agents",
        seed=market.seed_number,
        opening=session.version.value,
        initial=initial,
        channel=channel,
    )


@solara.component
def _Twin(market: LiveMarket) -> None:
    with solara.Div(classes=["ut-tables"]):
        with solara.Div(classes=["ut-card"]):
            DifferenceChart(market, height=300)
        with solara.Div(classes=["ut-card"]):
            choice = twin_choices(market.asked).get(market.twin_choice, "")
            solara.HTML("h2", f"This run and its twin: {choice}")
            DifferenceTable(market)


@solara.component
def _Follow(session: Session, market: LiveMarket) -> None:
    wanted, set_wanted = solara.use_state("")
    unknown = wanted and wanted not in market.ledger.accounts

    def follow(account: str) -> None:
        set_wanted(account.strip())
        session.follow(account.strip())

    first = next(iter(market.cohorts), "traders")
    Choice(
        label=f"Account name, such as {first}-0", value=session.followed.value, event_choose=follow
    )
    if unknown:
        text = f"There is no {wanted}; agents of a class are numbered from 0."
        solara.Text(text, classes=["ut-wrong"])
    if session.followed.value:
        AgentView(market, session.followed.value).key(session.followed.value)
    else:
        text = "Enter a name, or click a row in the table of positions at risk."
        solara.Text(text, classes=["ut-note"])


@solara.component
def _Side(session: Session, late: bool) -> None:
    """What can be done."""
    market = session.market
    assert market is not None
    tab, set_tab = solara.use_state(TABS[0])
    busy = session.busy.value
    forms = solara.use_memo(lambda: shock_forms(market.asked), [session.version.value])
    with solara.Div():  # always there: what follows keeps its place, and what is typed in it
        if busy:
            solara.Text(busy)
            _Progress()
    Choice(
        label="Scenario",
        value=session.name.value,
        options=[(name, name) for name in library()],
        disabled=bool(busy),
        event_choose=session.choose,
    )

    def reseed(text: str) -> None:
        if text.strip().isdigit():
            session.reset(int(text))

    Choice(label="Seed", value=str(market.seed_number), disabled=bool(busy), event_choose=reseed)
    with solara.Div(classes=["ut-acts"]):
        Tabs(label="Actions", names=list(TABS), chosen=tab, event_choose=set_tab)
        for name, pane in zip(TABS, (_Shock, _Cuts, _Compare, _Story, _Save), strict=True):
            shown = {} if name == tab else {"display": "none"}
            with solara.Div(classes=["ut-pane"], style=shown).key(
                name
            ):  # closed ones keep what is typed
                if pane is _Shock:
                    _Shock(session, forms)
                else:
                    pane(session)
    if late:
        _Parameters(session)


@solara.component
def _Parameters(session: Session) -> None:
    busy = session.busy.value
    shown = solara.use_memo(
        lambda: [asdict(p) for p in parameters(session.base)], [session.version.value]
    )
    with solara.Div(classes=["ut-parameters"]):
        solara.HTML("h2", "Parameters")
        ParameterList(
            parameters=shown,
            changes=session.changes.value,
            errors=session.errors.value,
            event_change=lambda data: session.turn(str(data["path"]), data["value"]),
            event_back=lambda data: session.turn_back(str(data["path"])),
        )
        Button(
            text="Apply and restart",
            main=True,
            event_press=lambda _: session.apply(),
            disabled=bool(busy or session.errors.value) or not session.unapplied,
        )


@solara.component
def _Shock(session: Session, forms: list[dict[str, Any]]) -> None:
    ShockForm(forms=forms, errors=session.shock_errors.value, event_strike=session.strike)
    session.acts.get()
    market = session.market
    assert market is not None
    for action in market.actions[-3:]:
        state = f"block {action.block:,}: {views.spoken(action.shock)}"
        solara.Text(state, classes=["ut-note"])
    Button(
        text="Trace the last shock's cascade",
        event_press=lambda _: session.trace(),
        disabled=bool(session.busy.value),
    )


@solara.component
def _Story(session: Session) -> None:
    notes = [
        {"block": n.block, "text": n.text, "node": n.node, "zoom": list(n.zoom)}
        for n in session.story.notes.value
    ]
    StoryView(
        notes=notes,
        most=MOST_TEXT,
        disabled=bool(session.busy.value),
        event_add=session.note,
        event_remove=session.unnote,
        event_tell=lambda _: session.tell(),
    )


@solara.component
def _Caption(session: Session) -> None:
    story = session.story
    at, notes = story.at.value, story.notes.value
    note = notes[at] if 0 <= at < len(notes) else None
    CaptionView(
        at=at if note is not None else -1,
        count=len(notes),
        text=note.text if note is not None else "",
        zoom=list(note.zoom) if note is not None else [],
        waiting=story.waiting.value,
        event_next=lambda _: story.next(),
        event_stop=lambda _: story.stop(),
    )


@solara.component
def _Cuts(session: Session) -> None:
    session.acts.get()
    Switches(
        legend="Active mechanisms. Untick one to switch it off from the next block; tick it to "
        "switch it back on.",
        items=[{"label": k, "on": action is None} for k, (_, action) in session.cuts().items()],
        event_turn=lambda told: session.switch(str(told["label"]), not told["on"]),
    )


@solara.component
def _Compare(session: Session) -> None:
    market = session.market
    assert market is not None
    session.twins.get()
    Choice(
        label="Twin run",
        value=market.twin_choice,
        options=[("", "none"), *twin_choices(market.asked).items()],
        event_choose=session.compare,
        disabled=bool(session.busy.value),
    )
    text = "The same scenario and seed with one difference from the first block on; drawn dashed."
    solara.Text(text, classes=["ut-note"])


@solara.component
def _Save(session: Session) -> None:
    market = session.market
    assert market is not None
    ShareLink()
    solara.Text("Export this view:", classes=["ut-note"])
    ExportView()
    toml = solara.use_memo(lambda: market.as_scenario().to_toml(), [market, session.acts.value])
    FileLinks(files=[{"name": "scenario.toml", "content": toml}])
    Button(
        text="Prepare result files",
        event_press=lambda _: session.prepare_files(),
        disabled=bool(session.busy.value),
    )
    if session.files.value:
        text = f"Results up to block {session.files_block:,}, as written by undertow run:"
        solara.Text(text, classes=["ut-note"])
        files = [
            {"name": name, "content": content}
            for name, content in session.files.value.items()
            if name != SCENARIO
        ]
        FileLinks(files=files)
