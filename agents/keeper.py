"""Keepers: they start liquidations of vaults and bid in their auctions, with the coins they have.

What a lot is worth to one is its price less a margin and less what the price may move until the
auction is over (Almgren, Chriss 2000, of inventory). Where nobody has bid, it opens with a share of
that, which may be nothing; where somebody has, it bids a part of the way up to its valuation, and
no further. So a lot goes for about what the second keeper would pay, where the second gets into the
blocks. Whose bids do not, because they stay under the going price of gas (`most_gas`, as keepers'
programs had a limit or a fixed price), or who has no coins left, outbids nobody: then the opening
bid wins.

Coins are bought with its money in the same transaction as the bid. What it wins it sells after a
while.

Whoever starts auctions need not bid (`starts`, `bids`): the documentation of Maker's keeper
recommends two accounts, one that only starts and one that only bids. One that bids starts none
while it has no coins to bid; one that only starts does so for every unsafe vault, which costs gas
and paid nothing in Maker's first version.

Where more lots are for sale than all of them have coins for, who puts its coins into the first few
leaves the others to whoever opened at nothing. One that rations (`rations`) bids for a lot no more
than what the coins in play, those that stand as bids and its own, would pay for it if they were to
buy all lots; of its own it keeps a part for lots that are to come. Bids rise until all coins are
bid, at prices at which the coins that there are buy all lots (cash-in-the-market pricing: Allen,
Gale 1994). One that can send only a few transactions bids as much for each as it has over the lots
that it can reach in the time of one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from agents.arbitrageur import give_limitless_capital
from agents.base import Behaviour, Column
from agents.intents import OUTSIDE, THEN, Order, ask, trade
from agents.issued import NOWHERE
from agents.leveraged_borrower import routes
from agents.targets import DebtPositions, Places, Targets
from agents.tools import (
    BUMP,
    affordable,
    best_place,
    deviation_of,
    fitting_place,
    gas_cost,
    going_bid,
    rebid,
    refuel,
)
from protocols import auctions, cdp
from protocols.auctions import (
    BEGAN,
    BID,
    BIDDER,
    CLIP,
    ENDS,
    EXPIRES,
    FLIP,
    FLOP,
    KIND,
    LINE,
    LOT,
    SERIAL,
    TAB,
    WHAT,
    WHO,
)
from protocols.interface import cell, read
from sim.compiled import inner, kernel, record_at
from sim.fields import Switch
from sim.measures import market_price
from sim.randomness import agent_uniform

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market
    from sim.scenario import AgentSettings, Scenario

PROTOCOL, ROUTES = range(2)
RECORD = cdp.RECORD
_CALLS = [call.name for call in cdp.CDP.calls]
_GAS = {call.name: call.gas for call in cdp.CDP.calls}
BITE, BID_CALL, SETTLE, RESTART, TAKE, LIQUIDATE = (
    _CALLS.index(name) for name in ("bite", "bid", "settle", "restart", "take", "liquidate")
)
SELL_DEFICIT, SELL_SURPLUS = _CALLS.index("sell_deficit"), _CALLS.index("sell_surplus")
GAS = 300_000.0
"""Of a bid with the purchase of its coins, about."""
SMALLER = 5
"""Times that a sale may be halved until it does not move the price too far."""
LEAST_BID = 0.01
"""Coins of a bid that is next to nothing."""
COIN_COST = 1.01
"""Most that it pays for a coin on average, over the price before it buys."""


@kernel
def first_bid(opening, valuation, tab):
    """Bid where nobody has bid: a share of what the lot is worth to one, no more than is asked."""
    return min(max(opening * valuation, LEAST_BID), tab)


@kernel
def counter_bid(bid, valuation, counter, least, tab):
    """Bid over another's: a share of the way up to one's valuation; 0: it is not worth that.

    Args:
        bid: The other's.
        valuation: Of the lot.
        counter: Share of the way.
        least: Least bid that outbids it.
        tab: All that is asked.
    """
    mine = min(max(bid + counter * (min(valuation, tab) - bid), least * (1.0 + 1e-9)), tab)
    return mine if mine <= valuation else 0.0


@kernel
def counter_lot(lot, tab, value, counter, most):
    """Lot to ask for when all is bid: a share of the way down to what the tab is worth; 0: none.

    Args:
        lot: That the other asks for.
        tab: Coins to pay.
        value: Of a unit, coins.
        counter: Share of the way.
        most: Most that one may ask for.
    """
    least = tab / value
    mine = min(lot - counter * (lot - least), most * (1.0 - 1e-9))
    return mine if mine >= least else 0.0


@inner
def _worth(w, my, token, coin, blocks):
    """What a unit of a token is worth to a keeper that has it after some blocks, coins."""
    price = market_price(w, coin)
    if not price > 0.0:
        return 0.0
    discount = my.margin + my.risk_aversion * deviation_of(w, token, blocks)
    return market_price(w, token) * max(1.0 - discount, 0.0) / price


@inner
def _offer(w, me, i, my, gas):
    """Terms of a transaction: a bid for gas that is no more than its program would ever bid."""
    account = me.first + i
    bid = min(going_bid(w, account, gas, my.bid), my.most_gas)
    return Order(account, me.ident, affordable(w, account, gas, bid), int(my.patience))


@inner
def _means(w, me, i, coin):
    """Coins that a keeper can pay: what it has, and what its money buys near their price."""
    books, account, numeraire = w.books, me.first + i, w.rules[0].numeraire
    own, cost = books.balances[account, coin], market_price(w, coin) * COIN_COST
    money = 0.98 * books.balances[account, numeraire]
    if not cost > 0.0 or not money > 0.0:
        return own
    # A pool that is nearly out of coins sells only few of them near their price.
    place, money, _ = fitting_place(w, me.places[ROUTES:], numeraire, coin, money, 1.0 / cost)
    return own + money / cost if place >= OUTSIDE else own


# Wide: a call and its terms.
@inner
def _pay_of_what_is_left(w, me, i, order, action, coin, amount, limit, token, owner, serial, own):
    """The same where what earlier calls of this block take is no longer there.

    Coins are bought once in a block, as many as its money buys near their price: a second purchase
    would reckon with a price that the first has moved.
    """
    account, numeraire, my = me.first + i, w.rules[0].numeraire, me.rows[i]
    p = me.places[PROTOCOL]
    if amount <= own + my.bought - my.pledged:
        my.pledged += amount
        return ask(w, order, p, action, coin, token, amount, limit, owner, serial)
    if my.bought > 0.0:
        return False
    money, least = 0.98 * w.books.balances[account, numeraire], market_price(w, coin) * COIN_COST
    place, money, out = fitting_place(w, me.places[ROUTES:], numeraire, coin, money, 1.0 / least)
    out *= 1.0 - 1e-3  # a hair of slippage
    if place < OUTSIDE or own + out - my.pledged < amount:
        return False
    if not trade(w, order, place, numeraire, coin, money, out):
        return False
    my.bought = out
    my.pledged += amount
    return ask(w, THEN, p, action, coin, token, amount, limit, owner, serial)


# Wide: a call and its terms.
@inner
def _pay(w, me, i, order, action, coin, amount, limit, token, owner, serial):
    """Make a call that is paid in coins, which are bought first where it has too few.

    Returns:
        Whether it was sent.
    """
    account, numeraire, my = me.first + i, w.rules[0].numeraire, me.rows[i]
    own = w.books.balances[account, coin] * (1.0 - 1e-9)
    p = me.places[PROTOCOL]
    if my.rations >= 0.5:
        return _pay_of_what_is_left(
            w, me, i, order, action, coin, amount, limit, token, owner, serial, own
        )
    if amount > own:
        lacks = amount - own
        money = lacks * market_price(w, coin) * COIN_COST
        place, out = best_place(w, me.places[ROUTES:], numeraire, coin, money)
        if place < OUTSIDE or out < lacks:
            return False
        if not trade(w, order, place, numeraire, coin, money, lacks):
            return False
        return ask(w, THEN, p, action, coin, token, amount, limit, owner, serial)
    return ask(w, order, p, action, coin, token, amount, limit, owner, serial)


@inner
def _bid_for_lot(w, me, i, my, protocol, row, means):
    """Bid in an English auction of collateral. Returns the coins that it has offered."""
    coin = cdp.coin_of(protocol)
    line = protocol.collaterals[int(auctions.number(w, protocol, row, LINE))]
    lot, bid = auctions.number(w, protocol, row, LOT), auctions.number(w, protocol, row, BID)
    tab, serial = auctions.number(w, protocol, row, TAB), auctions.number(w, protocol, row, SERIAL)
    unit = _worth(w, my, line.token, coin, protocol.bid_duration + my.hold)
    value = unit * lot
    ask_for = lot
    if auctions.number(w, protocol, row, BIDDER) < 0.0:
        mine = first_bid(my.opening, value, tab)
        mine = min(mine, means) if mine <= value else 0.0
    elif bid < tab:
        least = auctions.least_bid(bid, protocol.increment, tab)
        mine = counter_bid(bid, value, my.counter, least, tab)
        if mine > means:
            mine = means if means >= least else 0.0
    else:
        most = auctions.most_lot(lot, protocol.increment)
        ask_for = counter_lot(lot, tab, unit, my.counter, most) if unit > 0.0 else 0.0
        mine = tab if ask_for > 0.0 and means >= tab else 0.0
    order = _offer(w, me, i, my, GAS)
    cost = gas_cost(w, GAS, order.bid)
    if not mine > 0.0 or (ask_for * unit - mine) * market_price(w, coin) <= cost:
        return 0.0
    sent = _pay(
        w, me, i, order, BID_CALL, coin, mine, ask_for * (1.0 - 1e-12), line.token, -1, serial
    )
    return mine if sent else 0.0


@inner
def _take(w, me, i, my, protocol, row, means):
    """Take of a Dutch auction whose price has fallen far enough. Returns the coins offered."""
    coin = cdp.coin_of(protocol)
    line = protocol.collaterals[int(auctions.number(w, protocol, row, LINE))]
    lot, tab = auctions.number(w, protocol, row, LOT), auctions.number(w, protocol, row, TAB)
    serial = auctions.number(w, protocol, row, SERIAL)
    price, over = auctions.price_now(w, protocol, row)
    unit = _worth(w, my, line.token, coin, my.hold)
    if over or not price > 0.0 or price > unit:
        return 0.0
    least = line.dust * (1.0 + line.penalty)
    part, coins = auctions.dutch_slice(lot, tab, price, means / price, least)
    order = _offer(w, me, i, my, GAS)
    gain = part * (unit - price) * market_price(w, coin)
    if not part > 0.0 or coins > means or gain <= gas_cost(w, GAS, order.bid):
        return 0.0
    sent = _pay(w, me, i, order, TAKE, coin, coins, part, line.token, -1, serial)
    return coins if sent else 0.0


@inner
def _bid_for_stake(w, me, i, my, protocol, row, means):
    """Bid in an auction of a surplus or a deficit. Returns the coins that it has offered."""
    coin, stake = cdp.coin_of(protocol), cdp.stake_of(protocol)
    kind, serial = (
        auctions.number(w, protocol, row, KIND),
        auctions.number(w, protocol, row, SERIAL),
    )
    lot, bid = auctions.number(w, protocol, row, LOT), auctions.number(w, protocol, row, BID)
    unit = _worth(w, my, stake, coin, protocol.bid_duration + my.hold)
    if not unit > 0.0:
        return 0.0
    p, account = me.places[PROTOCOL], me.first + i
    order = _offer(w, me, i, my, GAS)
    if kind == FLOP:
        coins = auctions.number(w, protocol, row, TAB)
        most = auctions.most_lot(lot, protocol.increment)
        mine = counter_lot(lot, coins, unit, my.counter, most)
        if not mine > 0.0 or means < coins:
            return 0.0
        sent = _pay(w, me, i, order, BID_CALL, coin, coins, mine, stake, -1, serial)
        return coins if sent else 0.0
    value = lot * (1.0 - my.margin) / unit  # coins for stake: what it would give of it
    least = bid * (1.0 + protocol.increment)
    mine = counter_bid(bid, value, my.counter, least, math.inf) if bid > 0.0 else my.opening * value
    if mine > 0.0 and mine <= w.books.balances[account, stake]:
        ask(w, order, p, BID_CALL, stake, coin, mine, 0.0, -1, serial)
    return 0.0


@inner
def _work(w, me, i, my, protocol, row, means):
    """Do what pays in one auction. Returns (whether something was sent, coins offered)."""
    kind, account = auctions.number(w, protocol, row, KIND), me.first + i
    p, serial = me.places[PROTOCOL], auctions.number(w, protocol, row, SERIAL)
    coin, block = cdp.coin_of(protocol), w.chain[0].block
    if kind == CLIP:
        coins = _take(w, me, i, my, protocol, row, means)
        if coins == 0.0 and auctions.price_now(w, protocol, row)[1]:
            order = _offer(w, me, i, my, GAS)
            return ask(w, order, p, RESTART, coin, coin, 0.0, 0.0, -1, serial), 0.0
        return coins > 0.0, coins
    mine = auctions.number(w, protocol, row, BIDDER) == account
    if auctions.is_settled(w, protocol, row):
        if not mine:
            return False, 0.0
        order = _offer(w, me, i, my, GAS)
        return ask(w, order, p, SETTLE, coin, coin, 0.0, 0.0, -1, serial), 0.0
    if mine:
        return False, 0.0
    if not auctions.takes_bids(w, protocol, row):
        nobody = auctions.number(w, protocol, row, EXPIRES) == 0.0
        if not nobody or auctions.number(w, protocol, row, ENDS) >= block:
            return False, 0.0
        order = _offer(w, me, i, my, GAS)
        return ask(w, order, p, RESTART, coin, coin, 0.0, 0.0, -1, serial), 0.0
    if kind == FLIP:
        coins = _bid_for_lot(w, me, i, my, protocol, row, means)
    else:
        coins = _bid_for_stake(w, me, i, my, protocol, row, means)
    return coins > 0.0, coins


@inner
def _unsafe(w, protocol, at):
    """A vault of those that can be bitten: (account of its owner, number of its collateral)."""
    s, rows = w.books.storage, protocol.unsafe_rows
    return int(s[cell(rows, at, 2, WHO)]), int(s[cell(rows, at, 2, WHAT)])


@inner
def _start(w, me, i, my, protocol, at, means):
    """Start the liquidation of a listed vault, or pay its debt for a bonus. Returns coins paid."""
    owner, k = _unsafe(w, protocol, at)
    line, coin, p = protocol.collaterals[k], cdp.coin_of(protocol), me.places[PROTOCOL]
    if protocol.auction != cdp.BONUS:
        order = _offer(w, me, i, my, GAS)
        ask(w, order, p, BITE, line.debt, line.token, 0.0, 0.0, owner)
        return 0.0
    ink, owed = cdp.vault(w, protocol, k, owner)
    price = cdp.price_of(w, protocol, k)
    unit = _worth(w, my, line.token, coin, my.hold)
    cost = price / (1.0 + protocol.bonus)  # of a unit
    coins = min(means, protocol.close_factor * owed, ink * cost)
    order = _offer(w, me, i, my, GAS)
    gain = coins * (unit / cost - 1.0) * market_price(w, coin) if cost > 0.0 else 0.0
    if not coins > 0.0 or gain <= gas_cost(w, GAS, order.bid):
        return 0.0
    sent = _pay(w, me, i, order, LIQUIDATE, coin, coins, 0.0, line.locked, owner, 0.0)
    return coins if sent else 0.0


@inner
def _sell(w, me, i, my, protocol):
    """Sell what it has won, for money or for coins, whichever is worth more."""
    account, numeraire, coin = me.first + i, w.rules[0].numeraire, cdp.coin_of(protocol)
    if my.sells < 0.5:
        return False
    for k in range(protocol.collaterals_count):
        token = protocol.collaterals[k].token
        extra = w.books.balances[account, token]
        if token == w.rules[0].gas_token:
            extra -= my.kept
        if token == numeraire or extra * market_price(w, token) < my.least_sale:
            continue
        if my.sell_at == 0.0:
            my.sell_at = w.chain[0].block + my.hold
        if w.chain[0].block < my.sell_at:
            return False
        place, out, wanted = NOWHERE, 0.0, numeraire
        for _ in range(SMALLER):  # as much as can be sold without moving the price too far
            place, out = best_place(w, me.places[ROUTES:], token, numeraire, extra)
            other, coins = best_place(w, me.places[ROUTES:], token, coin, extra)
            wanted, worth = numeraire, out
            if other >= OUTSIDE and coins * market_price(w, coin) > out:
                place, out, wanted = other, coins, coin
                worth = coins * market_price(w, coin)
            if worth >= (1.0 - my.slippage) * extra * market_price(w, token):
                my.sell_at = 0.0
                break
            extra *= 0.5
        if place >= OUTSIDE and out > 0.0:
            order = _offer(w, me, i, my, GAS)
            return trade(w, order, place, token, wanted, extra, out * (1.0 - my.slippage))
    return False


@inner
def _vow(w, me, i, my, protocol):
    """Start auctions of a surplus or a deficit that has become due."""
    p, coin = me.places[PROTOCOL], cdp.coin_of(protocol)
    since = read(w, protocol.short_since)
    if since > 0.0 and w.chain[0].block >= since + protocol.deficit_delay:
        if cdp.deficit_of(w, protocol) >= protocol.deficit_lot:
            return ask(w, _offer(w, me, i, my, GAS), p, SELL_DEFICIT, coin, coin, 0.0, 0.0)
    most = protocol.surplus_buffer + protocol.surplus_lot
    if read(w, protocol.sin) <= 0.0 and read(w, protocol.surplus) >= most:
        if market_price(w, cdp.stake_of(protocol)) > 0.0:
            return ask(w, _offer(w, me, i, my, GAS), p, SELL_SURPLUS, coin, coin, 0.0, 0.0)
    return False


@inner
def _worth_of_lot(w, protocol, row):
    """What a lot is worth at the venue's price, numeraire."""
    line = protocol.collaterals[int(auctions.number(w, protocol, row, LINE))]
    return auctions.number(w, protocol, row, LOT) * market_price(w, line.token)


@inner
def _unsafe_worth(w, protocol):
    """What the vaults that can be bitten hold, at the venue's price, numeraire."""
    worth = 0.0
    for at in range(int(read(w, protocol.listed))):
        owner, k = _unsafe(w, protocol, at)
        line = protocol.collaterals[k]
        worth += w.books.balances[owner, line.locked] * market_price(w, line.token)
    return worth


@inner
def _numbers(w, protocol):
    """Auctions that may be under way: (number of the first, how many from there)."""
    oldest, latest = int(read(w, protocol.oldest)), int(read(w, protocol.latest))
    return oldest, min(latest - oldest + 1, protocol.auctions_rows)


@inner
def _on_offer(w, protocol, account, oldest, count):
    """Lots of collateral that others have bid for, or nobody, and that still take bids."""
    found, rows = 0, protocol.auctions_rows
    for n in range(count):
        row = (oldest + n) % rows
        if auctions.number(w, protocol, row, KIND) == FLIP:
            if auctions.number(w, protocol, row, BIDDER) != account:
                found += auctions.takes_bids(w, protocol, row)
    return found


@inner
def _in_play(w, protocol):
    """What is for sale and what is to come, and the coins that are bid for it; alike for all.

    As much is to come in the time of a bid as came in the last, as far as unsafe vaults hold it.

    Returns:
        (worth of the lots that still take bids, and of what is to come, numeraire; coins bid).
    """
    worth, lately, coins, rows = 0.0, 0.0, 0.0, protocol.auctions_rows
    oldest, count = _numbers(w, protocol)
    since = w.chain[0].block - protocol.bid_duration
    for n in range(count):
        row = (oldest + n) % rows
        if auctions.number(w, protocol, row, KIND) == FLIP:
            if auctions.takes_bids(w, protocol, row):
                one = _worth_of_lot(w, protocol, row)
                worth += one
                coins += auctions.number(w, protocol, row, BID)
                if auctions.number(w, protocol, row, BEGAN) >= since:
                    lately += one
    coming = min(lately, _unsafe_worth(w, protocol)) if lately > 0.0 else 0.0
    return worth, coming, coins


@inner
def _part(w, my, protocol, row, means, lots, play):
    """Coins that one which rations bids for a lot at the most.

    As much as the coins in play would pay for it if all lots are to be bought: those that stand as
    bids, which come back by the time that others come, and of its own what is not kept for those.
    And no less than its own over the lots that it can reach while the bid on one stands.

    Args:
        means: Coins that it has left.
        lots: That others lead, or nobody.
        play: Of `_in_play`.
    """
    worth, coming, coins = play
    if lots <= 0 or not worth > 0.0:
        return means
    reach = my.most * max(my.attention * protocol.bid_duration, 1.0)
    kept = means * coming / (worth + coming)
    level = (coins + means - kept) * _worth_of_lot(w, protocol, row) / worth
    return min(means, max(level, means / min(float(lots), reach)))


@inner
def _hunt(w, me, i, my, protocol, play):
    """Go through auctions and unsafe vaults until it has its hands full. Returns what it sent."""
    listed = int(read(w, protocol.listed))
    if listed == 0 and read(w, protocol.open) == 0.0:
        return 0  # what its money buys is asked of the pools, and for nothing
    bids, sent, rows = my.bids >= 0.5, 0, protocol.auctions_rows
    means = _means(w, me, i, cdp.coin_of(protocol)) if bids else 0.0
    my.pledged = my.bought = 0.0
    oldest, count = _numbers(w, protocol)
    count = count if bids else 0
    turn = int(agent_uniform(me.key, i, 1) * count) if count > 1 else 0
    lots = _on_offer(w, protocol, me.first + i, oldest, count) if my.rations >= 0.5 else 0
    for n in range(count):
        if sent >= my.most:
            return sent
        row = (oldest + (turn + n) % count) % rows
        if auctions.number(w, protocol, row, KIND) > 0.0:
            part, before = means, 0.0
            if my.rations >= 0.5 and auctions.number(w, protocol, row, KIND) == FLIP:
                part = _part(w, my, protocol, row, means, lots, play)
                before = auctions.number(w, protocol, row, BID)
            acted, coins = _work(w, me, i, my, protocol, row, part)
            if coins > 0.0:  # the others have what is left
                lots -= 1
                play = (play[0], play[1], play[2] + coins - before)
            sent += acted
            means -= coins
    # Who pays a debt for a bonus at once is one that bids: nothing is started.
    if (my.bids if protocol.auction == cdp.BONUS else my.starts) < 0.5:
        return sent
    if protocol.auction != cdp.BONUS and read(w, protocol.open) >= rows:
        return sent  # nothing can be started until one is over
    turn = int(agent_uniform(me.key, i, 2) * listed) if listed > 1 else 0
    for n in range(listed):
        if sent >= my.most or (bids and not means > 0.0):
            return sent
        coins = _start(w, me, i, my, protocol, (turn + n) % listed, means)
        sent += 1 if protocol.auction != cdp.BONUS or coins > 0.0 else 0
        means -= coins
    return sent


@inner
def _wait(w, me):
    """Have those wait whose orders are still in the mempool."""
    chain = w.chain[0]
    n = 0
    while n < chain.left:
        entry = w.mempool[n]
        if entry.cohort == me.ident and entry.gone == 0:
            me.rows[entry.sender - me.first].busy = chain.block + 1
        n += entry.calls


@inner
def decide(w, me):
    """Start what can be liquidated, bid where it pays, settle what is won, sell it."""
    rebid(w, me)
    _wait(w, me)
    chain = w.chain[0]
    protocol = record_at(w.protocols[me.places[PROTOCOL]].record, RECORD)
    known, play = False, (0.0, 0.0, 0.0)
    for i in range(me.size):
        my = me.rows[i]
        if chain.block < my.busy:
            continue
        if my.attention < 1.0 and agent_uniform(me.key, i, 0) >= my.attention:
            continue
        account = me.first + i
        if my.kept < 0.0:  # what it began with is for gas
            my.kept = w.books.balances[account, w.rules[0].gas_token]
        if not refuel(w, account, me.ident, GAS):
            continue
        if my.rations >= 0.5 and not known:
            known, play = True, _in_play(w, protocol)
        # What is won is sold first: who does not, has no coins for the next lot.
        sent = int(_sell(w, me, i, my, protocol)) + _hunt(w, me, i, my, protocol, play)
        if sent == 0 and my.starts >= 0.5:
            sent = int(_vow(w, me, i, my, protocol))
        if sent > 0:
            my.busy = chain.block + 1


class KeeperTargets(DebtPositions, Places):
    """Whose auctions it bids in, and where it sells what it wins and buys its coins."""

    exchange: Switch = Field(
        False, description="They trade at the outside venue too, beside the pools."
    )


class Keeper(Behaviour):
    """Liquidates vaults, and bids in their auctions."""

    columns: ClassVar[Mapping[str, Column]] = {
        "attention": Column("Chance that it looks in a block", "share", 1.0, 0.0, 1.0),
        "margin": Column("Discount that it wants", "share", 0.03, 0.0, 1.0),
        "risk_aversion": Column("Discount per deviation until it has it", "multiple", 0.5, 0.0),
        "opening": Column("First bid, over what a lot is worth to it", "share", 0.5, 0.0, 1.0),
        "counter": Column("How far towards that it goes over another's", "share", 0.5, 0.0, 1.0),
        "bid": Column("Gas bid over the going price", "multiple", 1.2, 0.0),
        "most_gas": Column("Most that it ever bids for gas", "gwei", 1e6, 0.0),
        "most": Column("Transactions that it sends at once", "number", 3.0, 1.0),
        "starts": Column("Whether it starts auctions", "0 or 1", 1.0, 0.0, 1.0),
        "bids": Column("Whether it bids in them", "0 or 1", 1.0, 0.0, 1.0),
        "rations": Column(
            "Whether it bids no more than coins in play would pay for all lots",
            "0 or 1",
            0.0,
            0.0,
            1.0,
        ),
        "hold": Column("Time for which it holds what it wins", "blocks", 0.0, 0.0),
        "sells": Column("Whether it sells that then", "0 or 1", 1.0, 0.0, 1.0),
        "least_sale": Column("Least worth of what it sells", "numeraire", 100.0, 0.0),
        "patience": Column("Time after which an order lapses", "blocks", 5.0, 1.0, 10_000.0),
        "slippage": Column("Worse sale than quoted that it accepts", "share", 0.03, 0.0, 1.0),
        "bump": BUMP,
        "kept": Column("Gas token that it does not sell", "token units", -1.0, state=True),
        "busy": Column("Block until which it waits", "block", 0.0, state=True),
        "pledged": Column("Coins that it has bid in this block", "coins", 0.0, state=True),
        "bought": Column("Coins that it buys in this block", "coins", 0.0, state=True),
        "sell_at": Column("Block at which it sells what it holds", "block", 0.0, state=True),
    }
    targets: ClassVar[type[Targets]] = KeeperTargets
    needs_wallet: ClassVar[bool] = True
    without: ClassVar[Mapping[str, Mapping[str, float]]] = {"liquidators_sell": {"sells": 0.0}}
    decide = staticmethod(decide)

    @classmethod
    def places(cls, scenario: Scenario, settings: AgentSettings) -> list[int]:
        """Protocol, and where to trade."""
        names, places = list(scenario.protocols), routes(scenario, settings)
        if settings.targets.exchange and OUTSIDE not in places:
            places = [*places, OUTSIDE]
        return [names.index(settings.targets.protocol), *places]

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Without the limit of capital, give each more than it can use."""
        super().begin(market, cohort)
        if not market.setup.switches.capital_is_finite:
            give_limitless_capital(market, cohort)
