"""A coin that a reserve of money stands behind, minted and redeemed at par: USDC's manner.

Whoever is approved pays money in for coins, or hands coins in for money, at one for one less a
fee. Approved are the groups that the settings list, or anybody for `minimum` coins at a time
(Circle: institutions only). Both are shut outside banks' hours and at weekends, by the clock of
the scenario, UTC; money that leaves in a day is limited (`daily`).

A part of the reserve may be stuck at a bank that fails (event ``bank_fails``: the share of the
reserve that lies there). It is neither gone nor there: redemption goes on with the rest, first
come, first served. When the event is over all of it comes back with a chance of `recovery_chance`,
else the share `recovery` of it; the draw belongs to the protocol and the seed. What is lost goes to
outside holders (the bank's other creditors).

    reserve at the start + minted + fees kept = reserve + redeemed + lost

is kept in its books in every block, and what is out is what came in (`leak`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from protocols.interface import (
    ACCOUNTS,
    Call,
    Chart,
    Event,
    Fact,
    Look,
    Measure,
    Protocol,
    Settings,
    Table,
    Token,
    Value,
    add,
    cell,
    read,
    register,
    write,
)
from protocols.pegs import PEG_STATE, begin_peg, coin_price, half_life, note_peg
from sim.codes import Reason
from sim.compiled import inner, kernel
from sim.distribution import MOST, NotNegative
from sim.errors import Problem
from sim.fields import Fee, Name, Names, Share, Switch, reach
from sim.ledger import burn, mint, transfer
from sim.names import HOLDERS
from sim.randomness import generator
from sim.units import DAY

WEEK = 7.0 * DAY
"""Seconds."""
HOUR = 3600.0


@kernel
def is_open(seconds, opens, closes, weekends):
    """Whether banks are open.

    Args:
        seconds: Since midnight UTC of a Monday.
        opens: Hour of the day from which they are.
        closes: Hour of the day until which they are.
        weekends: Whether they are on Saturdays and Sundays, too.
    """
    of_week = seconds % WEEK
    if weekends == 0 and of_week >= 5.0 * DAY:
        return False
    hour = (of_week % DAY) / HOUR
    return opens <= hour < closes


@kernel
def until_open(seconds, opens, closes, weekends):
    """Seconds until banks open; 0 where they are.

    Args:
        seconds: Since midnight UTC of a Monday.
        opens: As `is_open`.
        closes: As `is_open`.
        weekends: As `is_open`.
    """
    if is_open(seconds, opens, closes, weekends):
        return 0.0
    midnight = seconds - seconds % DAY
    next_one = midnight + opens * HOUR
    if next_one < seconds or seconds % DAY >= closes * HOUR:
        next_one += DAY
    of_week = next_one % WEEK
    if weekends == 0 and of_week >= 5.0 * DAY:  # Monday's
        next_one += WEEK - (of_week - of_week % DAY)
    return next_one - seconds


@inner
def clock(w, me):
    """Seconds since midnight of the Monday before the start, as the block under way is made."""
    return read(w, me.began) + w.chain[0].block * w.rules[0].seconds


@inner
def open_now(w, me):
    """Whether it mints and redeems now: 1 or 0."""
    banks = is_open(clock(w, me), me.opens, me.closes, me.weekends)
    return 1.0 if banks and me.redeemable == 1 else 0.0


@inner
def liquid(w, me):
    """What of the reserve can be paid out, token units."""
    return max(read(w, me.held) - read(w, me.stuck), 0.0)


@inner
def left_today(w, me):
    """What may still be paid out on this day."""
    if clock(w, me) // DAY != read(w, me.day):
        return me.daily
    return max(me.daily - read(w, me.paid_today), 0.0)


@inner
def quote(w, me, token_in, token_out, amount):
    """What an amount gives somebody who is approved."""
    if open_now(w, me) == 0.0 or not amount > 0.0:
        return 0.0
    if token_in == me.reserve and token_out == me.coin:
        return amount * (1.0 - me.mint_fee)
    if token_in == me.coin and token_out == me.reserve:
        out = amount * (1.0 - me.redeem_fee)
        return out if out <= min(liquid(w, me), left_today(w, me)) else 0.0
    return 0.0


@inner
def is_approved(w, me, account, amount):
    """Whether an account may mint and redeem an amount."""
    return amount >= me.minimum or read(w, cell(me.approvals, account, 1, 0)) > 0.0


@inner
def convert(w, me, call):
    """Pay money in for coins, or hand coins in for money, at par less a fee."""
    amount, books = call.amount, w.books
    mints = call.token_in == me.reserve and call.token_out == me.coin
    if not mints and (call.token_in != me.coin or call.token_out != me.reserve):
        return Reason.INVALID, 0.0
    if not amount > 0.0:
        return Reason.INVALID, 0.0
    if open_now(w, me) == 0.0:
        return Reason.HALTED, 0.0
    if not is_approved(w, me, call.sender, amount):
        return Reason.INVALID, 0.0
    out = amount * (1.0 - (me.mint_fee if mints else me.redeem_fee))
    if not out >= call.limit:
        return Reason.LIMIT, 0.0
    if mints:
        if not transfer(books, call.sender, me.account, me.reserve, amount):
            return Reason.INSUFFICIENT_BALANCE, 0.0
        if not mint(books, call.sender, me.coin, out):
            return Reason.INVALID, 0.0
        add(w, me.held, amount)
        add(w, me.minted, out)
        add(w, me.fees, amount - out)
        return Reason.DONE, out
    if out > liquid(w, me):
        return Reason.NO_CASH, 0.0
    if out > left_today(w, me):
        return Reason.CAP, 0.0
    if not burn(books, call.sender, me.coin, amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not transfer(books, me.account, call.sender, me.reserve, out):
        return Reason.INVALID, 0.0
    today = clock(w, me) // DAY
    if today != read(w, me.day):
        write(w, me.day, today)
        write(w, me.paid_today, 0.0)
    add(w, me.paid_today, out)
    add(w, me.held, -out)
    add(w, me.redeemed, amount)
    add(w, me.fees, amount - out)
    return Reason.DONE, out


@inner
def backing(w, me):
    """The reserve, what is stuck of it too, over coins out, at market prices."""
    coins = w.books.supply[me.coin]
    return read(w, me.held) * w.values[me.reserve] / coins if coins > 0.0 else 0.0


@inner
def cash_ratio(w, me):
    """The same without what is stuck."""
    coins = w.books.supply[me.coin]
    return liquid(w, me) * w.values[me.reserve] / coins if coins > 0.0 else 0.0


@inner
def between(w, me):
    """Note where the peg is, and what agents are to expect: what is stuck may be lost."""
    sure = backing(w, me) - (backing(w, me) - cash_ratio(w, me)) * (1.0 - me.recovery)
    note_peg(w, me, coin_price(w, me), sure)
    write(w, me.open, open_now(w, me))
    left = until_open(clock(w, me), me.opens, me.closes, me.weekends) / w.rules[0].seconds
    write(w, me.wait, left if me.redeemable == 1 else MOST)


@inner
def leak(w, me):
    """How far the reserve and what is out are from what its books say, relative."""
    books = w.books
    coins = read(w, me.first) + read(w, me.minted) - read(w, me.redeemed)
    scale = max(books.most[me.coin], 1.0)
    worst = abs(books.supply[me.coin] - coins) / scale
    money = read(w, me.put_in) + read(w, me.minted) - read(w, me.redeemed) + read(w, me.fees)
    scale = max(scale, read(w, me.minted), read(w, me.put_in))
    worst = max(worst, abs(read(w, me.held) + read(w, me.lost) - money) / scale)
    # What somebody gives to its account is not of its books; what is missing is.
    return max(worst, (read(w, me.held) - books.balances[me.account, me.reserve]) / scale)


class ReserveCoinSettings(Settings):
    """A coin backed by a reserve."""

    reserve: str = Field(description="Reserve asset: the numeraire, or another token.")
    market: Annotated[str, Names("pools")] = Field(description="Pool that prices the coin.")
    approved: list[Name] = Field([], description="Groups of agents that may mint and redeem.")
    minimum: NotNegative = Field(
        MOST,
        description="Minimum size from which anybody may mint or redeem, coins or money; 0: no "
        "minimum.",
    )
    redeemable: Switch = Field(True, description="Minting and redemption are open.")
    opens: Annotated[float, Field(ge=0.0, le=24.0)] = Field(
        0.0, description="Opening hour (UTC) of minting and redemption."
    )
    closes: Annotated[float, Field(ge=0.0, le=24.0)] = Field(
        24.0, description="Closing hour (UTC) of minting and redemption."
    )
    weekends: Switch = Field(
        True, description="Minting and redemption are also open on Saturdays and Sundays."
    )
    daily: NotNegative = Field(
        MOST,
        description="Daily (UTC) limit on redemptions, token units.",
        json_schema_extra=reach("token units", 1e3, 1e10, log=True),
    )
    mint_fee: Fee = Field(0.0, description="Fee on money paid in, share.")
    redeem_fee: Fee = Field(0.0, description="Fee on redeemed coins, share.")
    covered: Annotated[float, Field(ge=0.0, le=2.0)] = Field(
        1.0, description="Reserve over coins in circulation at the start."
    )
    outside_coins: NotNegative = Field(0.0, description="Coins held by passive outside holders.")
    recovery: Share = Field(
        1.0,
        description="Worst-case recovery of stuck reserves, share.",
        json_schema_extra=reach("share", 0.0, 1.0),
    )
    recovery_chance: Share = Field(
        1.0,
        description="Chance of full recovery.",
        json_schema_extra=reach("share", 0.0, 1.0),
    )

    def problems(self, s: Any, name: str) -> list[Problem]:
        """Whether the groups are there, and the hours are some."""
        found = [
            ("approved", f"unknown group of agents {name!r}; there are {', '.join(s.agents)}")
            for name in self.approved
            if name not in s.agents
        ]
        if self.closes <= self.opens:
            found.append(("closes", f"is {self.closes:g}, not after opens; give a later hour"))
        return found


@register("reserve_coin")
class ReserveCoin(Protocol):
    """A coin minted and redeemed at par by approved groups, during banking hours."""

    Settings = ReserveCoinSettings
    tokens = ("reserve",)
    issues = (Token("coin", Value(coin_price), held=True),)
    state: ClassVar[Mapping[str, str]] = {
        **PEG_STATE,
        "open": "1: it minted and redeemed as the last block ended",
        "began": "Seconds from midnight of the Monday before the start to the start",
        "first": "Coins out at the start",
        "put_in": "Reserve at the start",
        "held": "Reserve, by its books",
        "stuck": "Of that, at a bank that has failed",
        "lost": "Of that, not recovered since the start",
        "minted": "Coins, since the start",
        "redeemed": "Coins, since the start",
        "fees": "Kept, since the start",
        "day": "Last day on which money was paid out",
        "paid_today": "What was paid out on that",
        "wait": "Blocks until it opens, as the last block ended",
    }
    tables: ClassVar[Mapping[str, Table]] = {"approvals": Table({"may": "1: approved"}, ACCOUNTS)}
    calls = (Call("convert", convert, gas=110_000.0, pays="coin", gives="reserve", event="sale"),)
    quote = quote
    trade = "convert"
    between_blocks = between
    leak = leak
    measures = (
        Measure("price", "numeraire", "Price of the coin in its pool", "price"),
        Measure("deviation", "share", "Deviation of the coin's price from one", "gap"),
        Measure("half_life", "blocks", "Half-life of that deviation", half_life),
        Measure(
            "backing", "numeraire per coin", "Reserve per coin, including stuck reserves", backing
        ),
        Measure("cash_ratio", "numeraire per coin", "Available reserve per coin", cash_ratio),
        Measure("open", "0 or 1", "Whether minting and redemption are open", "open"),
        Measure("redeemed", "coins, since the start", "Redeemed", "redeemed"),
        Measure("minted", "coins, since the start", "Minted", "minted"),
        Measure("paid_today", "token units", "Redemptions on the last open day", "paid_today"),
        Measure(
            "lost",
            "token units, since the start",
            "Reserves not recovered from a failed bank",
            "lost",
        ),
    )
    charts = (
        Chart("Price of the coin", "numeraire", {"price": "price"}),
        Chart("Reserve per coin", "numeraire", {"reserve": "backing", "not stuck": "cash_ratio"}),
        Chart("Redeemed", "coins", {"redeemed": "redeemed", "minted": "minted"}, zero=True),
    )
    card = (
        Fact("price", "price"),
        Fact("lowest price", "price", reduction="least"),
        Fact("reserve per coin", "backing"),
        Fact("available per coin", "cash_ratio", reduction="least"),
        Fact("redeemed", "redeemed"),
    )
    look = Look("reserve coin", head="coins", colour="#2f6690")

    def start(self) -> None:
        """Set the clock, and give outside holders what they keep."""
        settings: Any = self.settings
        began = self.market.setup.start
        self.put("began", (began.timestamp() - 4.0 * DAY) % WEEK)  # 1 January 1970: a Thursday
        self.put("day", -1.0)
        self.market.ledger.mint(HOLDERS, self.token("coin"), settings.outside_coins)

    def begun(self) -> None:
        """Put the reserve behind the coins that are out, and approve who is listed."""
        settings: Any = self.settings
        market = self.market
        coins = market.ledger.supply(self.token("coin"))
        money = settings.covered * coins / max(market.price(self.token("reserve")), 1e-12)
        market.ledger.mint(self.name, self.token("reserve"), money)
        for name, number in (("first", coins), ("put_in", money), ("held", money)):
            self.put(name, number)
        for group in settings.approved:
            self.rows("approvals")[market.cohorts[group].accounts(), 0] = 1.0
        begin_peg(self, settings.covered)
        self.put("open", 1.0)
        banks = (settings.opens, settings.closes, int(settings.weekends))
        wait = until_open(self.value("began"), *banks) / market.setup.block.seconds
        self.put("wait", wait if settings.redeemable else MOST)

    def approve(self, account: str | int) -> None:
        """Let an account mint and redeem."""
        self.rows("approvals")[self.market.ledger.account(account), 0] = 1.0

    def bank_fails(self, size: float) -> Callable[[], None]:
        """Have a share of the reserve stuck, until it comes back, or a part of it does."""
        amount = size * (self.value("held") - self.value("stuck"))
        self.put("stuck", self.value("stuck") + amount)
        settings: Any = self.settings

        def resolved() -> None:
            left = min(amount, self.value("stuck"))
            self.put("stuck", self.value("stuck") - left)
            draw = generator(self.market.seed_number, f"{self.name}:recovery").random()
            if draw < settings.recovery_chance:
                return
            gone = min(left * (1.0 - settings.recovery), self.held("reserve"))
            self.market.ledger.transfer(self.name, HOLDERS, self.token("reserve"), gone)
            self.put("held", self.value("held") - gone)
            self.put("lost", self.value("lost") + gone)

        return resolved

    events = (
        Event(
            "bank_fails",
            "A share of the reserve is stuck in a failed bank, then recovered or lost",
            bank_fails,
        ),
    )
