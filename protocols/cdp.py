"""A debt-backed coin in Maker's manner: vaults, a delayed price, auctions, surplus and deficit.

Whoever locks collateral in a vault draws coins against it, as long as

    collateral x price >= ratio x debt                                    (``Vat.frob``)

at the price of the collateral's oracle, which may be as late as Maker's (one hour: `lag` and
`heartbeat` of the oracle). The debt grows by the stability fee: it is held as a debt token that
stands for so many coins as `rate` says, ``rate <- rate (1 + fee)^dt`` (``Jug.drip``). What the fee
adds is the protocol's surplus.

A vault below its ratio can be bitten: one lot after the other goes to auction (`auctions`) for the
debt and a penalty, or anybody pays the debt for collateral at a fixed bonus. What was owed is then
debt without a vault, `sin`. What auctions bring, and fees, is `surplus`; the two cancel
(``Vow.heal``). A surplus beyond a buffer is sold for the governance token, which is burnt; a
deficit that lasts has some minted and sold, which dilutes those who hold it.

The coin is the protocol's own, or a token that the venue trades and this protocol mints. In every
block

    coins out = debts + sin,    collateral held = collateral of vaults + lots at auction

which is its own audit (`leak`). Names of the contracts (dss) are in brackets.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from protocols import amm
from protocols.auctions import (
    BEGAN,
    BID,
    BIDDER,
    BIDS,
    CLIP,
    ENDS,
    EXPIRES,
    FIELDS,
    FLAP,
    FLIP,
    FLOP,
    KIND,
    LINE,
    LOT,
    OWED,
    OWNER,
    QUEUE_FIELDS,
    SERIAL,
    TAB,
    TOP,
    WHAT,
    WHO,
    dutch_slice,
    is_settled,
    least_bid,
    most_lot,
    number,
    portion,
    price_now,
    row_of,
    slot_of,
    takes_bids,
)
from protocols.interface import (
    Call,
    Chart,
    Each,
    Fact,
    Look,
    Measure,
    Protocol,
    Rate,
    Settings,
    Table,
    Token,
    Value,
    add,
    cell,
    read,
    record_of,
    register,
    write,
)
from protocols.pool import position
from sim.codes import Reason
from sim.compiled import inner, kernel
from sim.distribution import MOST, NotNegative, Positive
from sim.fields import Blocks, Fee, Name, Names, Period, Share, reach
from sim.handles import Exposure
from sim.ledger import DEBT, PLEDGE, burn, mint, seize, transfer
from sim.measures import market_price
from sim.names import HOLDERS, VENUE
from sim.units import YEAR

ENGLISH, DUTCH, BONUS = range(3)
"""Manners of liquidation, in the order of the setting's words."""
LEAST_PRICE = 0.01
"""Share of a lot's worth below which it counts as won for nothing."""
SCAN = 25
"""Blocks between two looks at all vaults while the price stands."""
MOST_LINES = 8


# What things are


@kernel
def growth(fee, seconds):
    """Factor by which a debt grows in a time: (1 + fee)^(t / year) (``Jug.drip``).

    Args:
        fee: Stability fee, per year.
        seconds: The time.
    """
    return math.exp(math.log1p(fee) * seconds / YEAR)


@inner
def coin_of(me):
    """Column of the coin: of the venue's that it mints, or its own."""
    return me.mints if me.mints >= 0 else me.coin


@inner
def stake_of(me):
    """Column of the governance token."""
    return me.governance if me.governance >= 0 else me.stake


@inner
def line_of(me, a, b):
    """The collateral that one of two tokens is of: its pledge, its debt, or itself; -1: none."""
    for token in (a, b):
        for k in range(me.collaterals_count):
            if me.collaterals[k].locked == token or me.collaterals[k].debt == token:
                return k
    for token in (a, b):
        for k in range(me.collaterals_count):
            if me.collaterals[k].token == token:
                return k
    return -1


@inner
def price_of(w, me, k):
    """What the protocol believes that a collateral is worth; 0 where it does not know."""
    price = w.feeds[me.collaterals[k].oracle].price
    return price if 0.0 < price < np.inf else 0.0


@inner
def vault(w, me, k, account):
    """Collateral and debt of an account: (token units, coins)."""
    line = me.collaterals[k]
    ink = w.books.balances[account, line.locked]
    return ink, w.books.balances[account, line.debt] * read(w, line.rate)


@inner
def covers(ink, price, owed, ratio):
    """Whether collateral at a price covers a debt as many times as `ratio` says."""
    return owed <= 0.0 or ink * price >= ratio * owed


@inner
def is_safe(w, me, k, ink, owed, ratio):
    """The same at the price that the protocol believes."""
    return covers(ink, price_of(w, me, k), owed, ratio)


@inner
def debts(w, me):
    """All debts of vaults, coins."""
    total = 0.0
    for k in range(me.collaterals_count):
        line = me.collaterals[k]
        total += w.books.supply[line.debt] * read(w, line.rate)
    return total


@inner
def deficit_of(w, me):
    """Debt without a vault that neither auctions under way nor the surplus will cover, coins."""
    return read(w, me.sin) - read(w, me.on_sale) - read(w, me.awaited) - read(w, me.surplus)


# Coins


@inner
def _issue(w, me, account, amount):
    """Mint coins."""
    return mint(w.books, account, coin_of(me), amount) and add(w, me.issued, amount)


@inner
def _retire(w, me, account, amount):
    """Burn coins."""
    return burn(w.books, account, coin_of(me), amount) and add(w, me.issued, -amount)


@inner
def heal(w, me):
    """Let surplus and debt without a vault cancel (``Vow.heal``)."""
    amount = min(read(w, me.surplus), read(w, me.sin))
    if amount > 0.0 and _retire(w, me, me.account, amount):
        write(w, me.sin, read(w, me.sin) - amount)
        write(w, me.surplus, read(w, me.surplus) - amount)


# Vaults


@inner
def lock(w, me, call):
    """Put collateral into one's vault; token_out may say which of several of a token."""
    k = line_of(me, call.token_out, call.token_in)
    if k < 0 or call.token_in != me.collaterals[k].token or not call.amount > 0.0:
        return Reason.INVALID, 0.0
    line = me.collaterals[k]
    if not transfer(w.books, call.sender, me.account, line.token, call.amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not mint(w.books, call.sender, line.locked, call.amount):
        return Reason.INVALID, 0.0
    add(w, line.stored, call.amount)
    return Reason.DONE, call.amount


@inner
def free(w, me, call):
    """Take collateral (its pledge is paid) out of one's vault, which stays as safe as `limit`."""
    k = line_of(me, call.token_in, call.token_out)
    if k < 0 or call.token_in != me.collaterals[k].locked or not call.amount > 0.0:
        return Reason.INVALID, 0.0
    line = me.collaterals[k]
    if not burn(w.books, call.sender, line.locked, call.amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    ink, owed = vault(w, me, k, call.sender)
    if not is_safe(w, me, k, ink, owed, max(line.ratio, call.limit)):
        return Reason.UNHEALTHY, 0.0
    if not seize(w.books, me.account, call.sender, line.token, call.amount):
        return Reason.INVALID, 0.0
    add(w, line.stored, -call.amount)
    return Reason.DONE, call.amount


@inner
def draw(w, me, call):
    """Draw coins against one's vault, which stays as safe as `limit` says (``Vat.frob``).

    `token_in` is the debt's, `token_out` the coin, the amount in coins.
    """
    k = line_of(me, call.token_in, call.token_out)
    if k < 0 or not call.amount > 0.0:
        return Reason.INVALID, 0.0
    line = me.collaterals[k]
    rate = read(w, line.rate)
    if not mint(w.books, call.sender, line.debt, call.amount / rate):
        return Reason.INVALID, 0.0
    ink, owed = vault(w, me, k, call.sender)
    if w.books.supply[line.debt] * rate > line.ceiling or debts(w, me) > me.ceiling:
        return Reason.CAP, 0.0
    if not owed >= line.dust:
        return Reason.LIMIT, 0.0
    if not is_safe(w, me, k, ink, owed, max(line.ratio, call.limit)):
        return Reason.UNHEALTHY, 0.0
    if not _issue(w, me, call.sender, call.amount):
        return Reason.INVALID, 0.0
    return Reason.DONE, call.amount


@inner
def wipe(w, me, call):
    """Pay coins back; what one pays too much is not taken. `token_out` says which vault's debt."""
    k = line_of(me, call.token_out, call.token_in)
    if k < 0 or call.token_in != coin_of(me) or not call.amount > 0.0:
        return Reason.INVALID, 0.0
    line = me.collaterals[k]
    held, rate = w.books.balances[call.sender, line.debt], read(w, line.rate)
    owed = held * rate
    if not owed > 0.0:
        return Reason.NO_DEBT, 0.0
    paid = min(call.amount, owed)
    if paid < owed and owed - paid < line.dust:
        paid = owed - line.dust  # a debt that is too small to bite must not be left
        if not paid > 0.0:
            return Reason.LIMIT, 0.0
    call.amount = paid
    if not _retire(w, me, call.sender, paid):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not burn(w.books, call.sender, line.debt, held if paid == owed else paid / rate):
        return Reason.INVALID, 0.0
    return Reason.DONE, paid


# Liquidation


@inner
def _grab(w, me, k, account, ink, part):
    """Take collateral and a part of the debt out of a vault: that is debt without one.

    Args:
        account: Whose vault.
        ink: Token units taken.
        part: Share of the debt.

    Returns:
        Debt taken, coins; negative where it cannot be.
    """
    line = me.collaterals[k]
    held = w.books.balances[account, line.debt]
    art = held * part
    if not burn(w.books, account, line.locked, ink) or not burn(w.books, account, line.debt, art):
        return -1.0
    owed = art * read(w, line.rate)
    add(w, me.sin, owed)
    return owed


@inner
def _open(w, me, kind, k, lot):
    """A row for a new auction; -1 where there is no room."""
    serial = int(read(w, me.latest)) + 1
    rows = me.auctions_rows
    for _ in range(rows):
        if number(w, me, serial % rows, KIND) == 0.0:
            break
        serial += 1
    row = serial % rows
    if number(w, me, row, KIND) != 0.0:
        return -1
    block = w.chain[0].block
    write(w, me.latest, serial)
    write(w, slot_of(me, row, KIND), kind)
    write(w, slot_of(me, row, SERIAL), serial)
    write(w, slot_of(me, row, LINE), k)
    write(w, slot_of(me, row, LOT), lot)
    write(w, slot_of(me, row, BID), 0.0)
    write(w, slot_of(me, row, OWNER), me.account)
    write(w, slot_of(me, row, BIDDER), -1.0)
    write(w, slot_of(me, row, EXPIRES), 0.0)
    write(w, slot_of(me, row, ENDS), block + me.auction_length)
    write(w, slot_of(me, row, BEGAN), block)
    write(w, slot_of(me, row, BIDS), 0.0)
    add(w, me.open, 1.0)
    return row


@inner
def _close(w, me, row):
    write(w, slot_of(me, row, KIND), 0.0)
    add(w, me.open, -1.0)


@inner
def _reward(w, me, keeper, tab):
    """Pay who has started a Dutch auction (``Dog``: tip and chip), out of the deficit."""
    coins = me.tip + me.chip * tab
    if coins > 0.0 and _issue(w, me, keeper, coins):
        add(w, me.sin, coins)


@inner
def bite(w, me, call):
    """Send a lot of an unsafe vault to auction (``Cat.bite``, ``Dog.bark``).

    The vault is `counterparty`'s, `token_in` says of which collateral. Gives the lot.
    """
    k, owner = line_of(me, call.token_in, call.token_out), call.counterparty
    if k < 0 or owner < 0 or me.auction == BONUS:
        return Reason.INVALID, 0.0
    line = me.collaterals[k]
    ink, owed = vault(w, me, k, owner)
    price = price_of(w, me, k)
    if not price > 0.0 or not ink > 0.0 or is_safe(w, me, k, ink, owed, line.ratio):
        return Reason.NOT_LIQUIDATABLE, 0.0
    lot, debt = portion(ink, owed, line.lot)
    row = _open(w, me, FLIP if me.auction == ENGLISH else CLIP, k, lot)
    if row < 0:
        return Reason.CAP, 0.0
    debt = _grab(w, me, k, owner, lot, debt / owed)
    if not debt > 0.0:
        return Reason.INVALID, 0.0
    tab = debt * (1.0 + line.penalty)
    write(w, slot_of(me, row, TAB), tab)
    write(w, slot_of(me, row, OWED), debt)
    write(w, slot_of(me, row, OWNER), owner)
    add(w, me.on_sale, debt)
    if me.auction == DUTCH:
        write(w, slot_of(me, row, TOP), me.buf * price)
        write(w, slot_of(me, row, ENDS), w.chain[0].block)
        _reward(w, me, call.sender, tab)
    call.amount = 0.0
    return Reason.DONE, lot


@inner
def _count(w, me, row, token, paid, lot):
    """Count what an auction has brought, when it is over.

    Args:
        token: What was for sale.
        paid: Coins.
        lot: What was got for them, token units.
    """
    owed = number(w, me, row, OWED)
    add(w, me.settled, 1.0)
    add(w, me.settled_debt, owed)
    add(w, me.settled_bids, min(paid, owed))
    add(w, me.bad_debt, max(owed - paid, 0.0))
    worth, coins = lot * market_price(w, token), paid * market_price(w, coin_of(me))
    if coins < LEAST_PRICE * worth:
        add(w, me.for_nothing, 1.0)
        add(w, me.for_nothing_worth, worth)
    add(w, me.takings, worth - coins)


@inner
def _pay_bid(w, me, call, row, token, bid):
    """Pay a bid: the one before is given back, the rest is the protocol's."""
    before, bidder = number(w, me, row, BID), int(number(w, me, row, BIDDER))
    if bidder >= 0 and not transfer(w.books, call.sender, bidder, token, before):
        return False
    more = bid - before if bidder >= 0 else bid
    return transfer(w.books, call.sender, me.account, token, more)


@inner
def _note_bid(w, me, row, bidder, bid):
    write(w, slot_of(me, row, BID), bid)
    write(w, slot_of(me, row, BIDDER), bidder)
    write(w, slot_of(me, row, EXPIRES), w.chain[0].block + me.bid_duration)
    add(w, slot_of(me, row, BIDS), 1.0)


@inner
def _tend(w, me, call, row):
    """Bid more for the whole lot."""
    bid, tab = number(w, me, row, BID), number(w, me, row, TAB)
    offered = min(call.amount, tab)
    enough = offered > bid and offered >= least_bid(bid, me.increment, tab)
    if not enough or not number(w, me, row, LOT) >= call.limit:
        return Reason.LIMIT, 0.0
    if not _pay_bid(w, me, call, row, coin_of(me), offered):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    add(w, me.surplus, offered - bid)
    _note_bid(w, me, row, call.sender, offered)
    call.amount = offered
    return Reason.DONE, number(w, me, row, LOT)


@inner
def _dent(w, me, call, row):
    """Ask for less of the lot, for all that is to be raised: `limit` is what one asks for."""
    tab, lot = number(w, me, row, TAB), number(w, me, row, LOT)
    if not 0.0 < call.limit <= most_lot(lot, me.increment) or not call.amount >= tab:
        return Reason.LIMIT, 0.0
    if not _pay_bid(w, me, call, row, coin_of(me), tab):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    line, back = me.collaterals[int(number(w, me, row, LINE))], lot - call.limit
    owner = int(number(w, me, row, OWNER))
    if not seize(w.books, me.account, owner, line.token, back):
        return Reason.INVALID, 0.0
    add(w, line.stored, -back)
    write(w, slot_of(me, row, LOT), call.limit)
    _note_bid(w, me, row, call.sender, tab)
    call.amount = tab
    return Reason.DONE, call.limit


@inner
def _bid_surplus(w, me, call, row):
    """Bid more of the governance token for coins."""
    bid = number(w, me, row, BID)
    if not call.amount > bid or not call.amount >= bid * (1.0 + me.increment):
        return Reason.LIMIT, 0.0
    if not _pay_bid(w, me, call, row, stake_of(me), call.amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    _note_bid(w, me, row, call.sender, call.amount)
    return Reason.DONE, number(w, me, row, LOT)


@inner
def _bid_deficit(w, me, call, row):
    """Take fewer governance tokens for a fixed amount of coins: `limit` is how many."""
    lot, coins = number(w, me, row, LOT), number(w, me, row, TAB)
    if not 0.0 < call.limit <= most_lot(lot, me.increment) or not call.amount >= coins:
        return Reason.LIMIT, 0.0
    first = number(w, me, row, BIDDER) < 0.0
    if not _pay_bid(w, me, call, row, coin_of(me), coins):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if first:
        add(w, me.surplus, coins)
        add(w, me.awaited, -coins)
    write(w, slot_of(me, row, LOT), call.limit)
    _note_bid(w, me, row, call.sender, coins)
    call.amount = coins
    return Reason.DONE, call.limit


@inner
def bid(w, me, call):
    """Bid in an English auction, whose number is `second`.

    Of collateral: `amount` coins for the lot; once all that is to be raised is bid, for no more of
    it than `limit`. Of a surplus: `amount` of the governance token. Of a deficit: its coins, for no
    more of that token than `limit`.
    """
    row = row_of(w, me, call.second)
    if row < 0:
        return Reason.INVALID, 0.0
    kind = number(w, me, row, KIND)
    wanted = stake_of(me) if kind == FLAP else coin_of(me)
    if kind == CLIP or call.token_in != wanted or not call.amount > 0.0:
        return Reason.INVALID, 0.0
    if not takes_bids(w, me, row):
        return Reason.EXPIRED, 0.0
    if kind == FLAP:
        return _bid_surplus(w, me, call, row)
    if kind == FLOP:
        return _bid_deficit(w, me, call, row)
    if number(w, me, row, BID) < number(w, me, row, TAB):
        return _tend(w, me, call, row)
    return _dent(w, me, call, row)


@inner
def settle(w, me, call):
    """Give the highest bidder of an English auction, number `second`, what it has won (``deal``).

    Anybody may do so. Gives the lot.
    """
    row = row_of(w, me, call.second)
    if row < 0 or number(w, me, row, KIND) == CLIP:
        return Reason.INVALID, 0.0
    if not is_settled(w, me, row):
        return Reason.LIMIT, 0.0
    kind, lot, paid = number(w, me, row, KIND), number(w, me, row, LOT), number(w, me, row, BID)
    bidder = int(number(w, me, row, BIDDER))
    done = True
    if kind == FLIP:
        line = me.collaterals[int(number(w, me, row, LINE))]
        done = seize(w.books, me.account, bidder, line.token, lot)
        add(w, line.stored, -lot)
        add(w, me.on_sale, -number(w, me, row, OWED))
        _count(w, me, row, line.token, paid, lot)
    elif kind == FLAP:
        done = transfer(w.books, me.account, bidder, coin_of(me), lot)
        done = done and burn(w.books, me.account, stake_of(me), paid)
        add(w, me.escrow, -lot)
        add(w, me.bought_back, paid)
    else:
        done = mint(w.books, bidder, stake_of(me), lot)
        add(w, me.minted, lot)
    if not done:
        return Reason.INVALID, 0.0
    _close(w, me, row)
    call.amount = 0.0
    return Reason.DONE, lot


@inner
def restart(w, me, call):
    """Start an auction, number `second`, anew that is over and has no bid (``tick``, ``redo``)."""
    row = row_of(w, me, call.second)
    if row < 0:
        return Reason.INVALID, 0.0
    kind, block = number(w, me, row, KIND), w.chain[0].block
    if kind == CLIP:
        k = int(number(w, me, row, LINE))
        price = price_of(w, me, k)
        if not price_now(w, me, row)[1] or not price > 0.0:
            return Reason.LIMIT, 0.0
        write(w, slot_of(me, row, TOP), me.buf * price)
        write(w, slot_of(me, row, ENDS), block)
        _reward(w, me, call.sender, number(w, me, row, TAB))
    else:
        if number(w, me, row, EXPIRES) > 0.0 or number(w, me, row, ENDS) >= block:
            return Reason.LIMIT, 0.0
        write(w, slot_of(me, row, ENDS), block + me.auction_length)
        if kind == FLOP:  # nobody took so few: more are offered
            write(w, slot_of(me, row, LOT), number(w, me, row, LOT) * me.pad)
    call.amount = 0.0
    return Reason.DONE, 0.0


@inner
def take(w, me, call):
    """Take of a Dutch auction, number `second`: up to `limit` of the lot for `amount` coins.

    A limit of 0 is all. Gives the collateral.
    """
    row = row_of(w, me, call.second)
    if row < 0 or call.token_in != coin_of(me) or not call.amount > 0.0:
        return Reason.INVALID, 0.0
    if number(w, me, row, KIND) != CLIP:
        return Reason.INVALID, 0.0
    price, over = price_now(w, me, row)
    if over or not price > 0.0:
        return Reason.EXPIRED, 0.0
    k = int(number(w, me, row, LINE))
    line = me.collaterals[k]
    lot, tab = number(w, me, row, LOT), number(w, me, row, TAB)
    wanted = call.amount / price
    if call.limit > 0.0:
        wanted = min(wanted, call.limit)
    part, owe = dutch_slice(lot, tab, price, wanted, line.dust * (1.0 + line.penalty))
    if not part > 0.0:
        return Reason.LIMIT, 0.0
    if not transfer(w.books, call.sender, me.account, coin_of(me), owe):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not seize(w.books, me.account, call.sender, line.token, part):
        return Reason.INVALID, 0.0
    add(w, me.surplus, owe)
    paid = number(w, me, row, BID) + owe
    left, due = (0.0, tab - owe) if part >= lot else (lot - part, tab - owe)
    if owe >= tab:
        due = 0.0
    add(w, line.stored, left - lot)
    write(w, slot_of(me, row, BID), paid)
    add(w, slot_of(me, row, BIDS), 1.0)
    worth = part * market_price(w, line.token) - owe * market_price(w, coin_of(me))
    if left <= 0.0 or due <= 0.0:
        owner = int(number(w, me, row, OWNER))
        if left > 0.0 and not seize(w.books, me.account, owner, line.token, left):
            return Reason.INVALID, 0.0
        add(w, line.stored, -left)
        add(w, me.on_sale, -number(w, me, row, OWED))
        _count(w, me, row, line.token, paid, 0.0)
        add(w, me.takings, paid * market_price(w, coin_of(me)))  # each part is counted below
        _close(w, me, row)
    else:
        write(w, slot_of(me, row, LOT), left)
        write(w, slot_of(me, row, TAB), due)
    add(w, me.takings, worth)
    call.amount = owe
    return Reason.DONE, part


@inner
def liquidate(w, me, call):
    """Pay of an unsafe vault's debt, `counterparty`'s, for collateral at a fixed bonus.

    At most a share `close_factor` of the debt, unless less than the dust would be left. What is
    owed when the collateral is gone is debt without a vault.
    """
    k, owner = line_of(me, call.token_out, call.token_in), call.counterparty
    if k < 0 or owner < 0 or me.auction != BONUS or call.token_in != coin_of(me):
        return Reason.INVALID, 0.0
    line = me.collaterals[k]
    ink, owed = vault(w, me, k, owner)
    price = price_of(w, me, k)
    if not price > 0.0 or not ink > 0.0 or is_safe(w, me, k, ink, owed, line.ratio):
        return Reason.NOT_LIQUIDATABLE, 0.0
    paid = min(call.amount, me.close_factor * owed)
    if owed - paid < line.dust and call.amount >= owed:
        paid = owed
    elif owed - paid < line.dust:
        paid = min(paid, owed - line.dust)
    out = paid * (1.0 + me.bonus) / price
    whole = out >= ink
    if whole:
        out, paid = ink, min(ink * price / (1.0 + me.bonus), paid)
    if not paid > 0.0:
        return Reason.LIMIT, 0.0
    if not out >= call.limit:
        return Reason.LIMIT, 0.0
    debt = _grab(w, me, k, owner, out, 1.0 if whole else paid / owed)
    if not debt > 0.0:
        return Reason.INVALID, 0.0
    if not transfer(w.books, call.sender, me.account, coin_of(me), paid):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not seize(w.books, me.account, call.sender, line.token, out):
        return Reason.INVALID, 0.0
    add(w, me.surplus, paid)
    add(w, line.stored, -out)
    add(w, me.settled, 1.0)
    add(w, me.settled_debt, debt)
    add(w, me.settled_bids, min(paid, debt))
    add(w, me.bad_debt, max(debt - paid, 0.0))
    coins = paid * market_price(w, coin_of(me))
    add(w, me.takings, out * market_price(w, line.token) - coins)
    call.amount = paid
    return Reason.DONE, out


# Surplus and deficit


@inner
def sell_surplus(w, me, call):
    """Start an auction of a surplus over the buffer (``Vow.flap``)."""
    if read(w, me.sin) > 0.0 or read(w, me.surplus) < me.surplus_buffer + me.surplus_lot:
        return Reason.LIMIT, 0.0
    row = _open(w, me, FLAP, 0, me.surplus_lot)
    if row < 0:
        return Reason.CAP, 0.0
    add(w, me.surplus, -me.surplus_lot)
    add(w, me.escrow, me.surplus_lot)
    call.amount = 0.0
    return Reason.DONE, me.surplus_lot


@inner
def sell_deficit(w, me, call):
    """Start an auction of new governance tokens for a deficit that has lasted (``Vow.flop``)."""
    since = read(w, me.short_since)
    late = since > 0.0 and w.chain[0].block >= since + me.deficit_delay
    if not late or deficit_of(w, me) < me.deficit_lot:
        return Reason.LIMIT, 0.0
    row = _open(w, me, FLOP, 0, me.deficit_offer)
    if row < 0:
        return Reason.CAP, 0.0
    write(w, slot_of(me, row, BID), me.deficit_lot)
    write(w, slot_of(me, row, TAB), me.deficit_lot)
    add(w, me.awaited, me.deficit_lot)
    call.amount = 0.0
    return Reason.DONE, me.deficit_offer


# Between blocks


@inner
def _look(w, me):
    """List the vaults that can be bitten, if anything has happened to them."""
    s, block = w.books.storage, w.chain[0].block
    changed = read(w, me.unsafe) > 0.0 or block % SCAN == 0
    for k in range(me.collaterals_count):
        price = price_of(w, me, k)
        changed = changed or price != read(w, me.collaterals[k].price_seen)
        s[me.collaterals[k].price_seen] = price
    if not changed:
        return
    found, n = 0.0, 0
    for k in range(me.collaterals_count):
        line, price = me.collaterals[k], price_of(w, me, k)
        rate, ratio = read(w, line.rate), line.ratio
        if price <= 0.0:
            continue
        for account in range(w.books.balances.shape[0]):
            units = w.books.balances[account, line.debt]
            if units <= 0.0:
                continue
            ink = w.books.balances[account, line.locked]
            if ink > 0.0 and not covers(ink, price, units * rate, ratio):
                found += 1.0
                if n < me.unsafe_rows_rows:
                    s[cell(me.unsafe_rows, n, 2, WHO)] = account
                    s[cell(me.unsafe_rows, n, 2, WHAT)] = k
                    n += 1
    s[me.unsafe], s[me.listed] = found, n


@inner
def between(w, me):
    """Charge the stability fee, cancel surplus and deficit, look who is unsafe."""
    for k in range(me.collaterals_count):
        line = me.collaterals[k]
        if line.fee > 0.0 and w.books.supply[line.debt] > 0.0:
            rate = read(w, line.rate)
            grown = rate * growth(line.fee, w.rules[0].seconds)
            due = w.books.supply[line.debt] * (grown - rate)
            if _issue(w, me, me.account, due):
                write(w, line.rate, grown)
                add(w, me.surplus, due)
                add(w, me.fees, due)
    heal(w, me)
    short = deficit_of(w, me) >= me.deficit_lot
    if not short:
        write(w, me.short_since, 0.0)
    elif read(w, me.short_since) == 0.0:
        write(w, me.short_since, w.chain[0].block)
    oldest, latest = int(read(w, me.oldest)), int(read(w, me.latest))
    while oldest <= latest and row_of(w, me, float(oldest)) < 0:
        oldest += 1
    write(w, me.oldest, oldest)
    _look(w, me)


@inner
def leak(w, me):
    """How far coins are from debts, collateral from vaults and lots, and cash from what is counted.

    Relative, the largest of them.
    """
    issued = read(w, me.issued)
    scale = max(abs(issued), w.books.most[coin_of(me)], 1.0)
    worst = abs(issued - debts(w, me) - read(w, me.sin)) / scale
    escrow = given = on_sale = awaited = 0.0
    lots = np.zeros(MOST_LINES)
    for row in range(me.auctions_rows):
        kind = number(w, me, row, KIND)
        if kind in (FLIP, CLIP):
            lots[int(number(w, me, row, LINE))] += number(w, me, row, LOT)
            on_sale += number(w, me, row, OWED)
        elif kind == FLAP:
            escrow += number(w, me, row, LOT)
            given += number(w, me, row, BID)
        elif kind == FLOP and number(w, me, row, BIDDER) < 0.0:
            awaited += number(w, me, row, TAB)
    worst = max(worst, abs(on_sale - read(w, me.on_sale)) / scale)
    worst = max(worst, abs(awaited - read(w, me.awaited)) / scale)
    worst = max(worst, abs(escrow - read(w, me.escrow)) / scale)
    for k in range(me.collaterals_count):
        line = me.collaterals[k]
        most = max(w.books.most[line.locked], 1.0)
        stored = read(w, line.stored)
        worst = max(worst, abs(stored - w.books.supply[line.locked] - lots[k]) / most)
        all_of_it = 0.0
        for j in range(me.collaterals_count):
            other = me.collaterals[j]
            if other.token == line.token:
                all_of_it += read(w, other.stored)
                most = max(most, w.books.most[other.locked])
        worst = max(worst, (all_of_it - w.books.balances[me.account, line.token]) / most)
    cash = read(w, me.surplus) + escrow
    worst = max(worst, (cash - w.books.balances[me.account, coin_of(me)]) / scale)
    most = max(w.books.most[stake_of(me)], 1.0)
    return max(worst, (given - w.books.balances[me.account, stake_of(me)]) / most)


# Measures


@inner
def coin_worth(w, me):
    """What its own coin is worth: its price in a pool, or one."""
    if me.mints >= 0:  # it has no use for one of its own: what somebody was given is worthless
        return 0.0
    if me.market < 0:
        return 1.0
    pool = w.pools[me.market]
    i = position(pool, me.coin)
    if i < 0:
        return 1.0
    o = 0 if i > 0 else 1
    price = amm.spot_price(w.books, pool, i, o) * w.values[pool.tokens[o]]
    return price if 0.0 <= price < np.inf else 0.0


@inner
def stake_worth(w, me):
    """What its own governance token is worth: its part of what is left of the surplus."""
    supply = w.books.supply[me.stake]
    left = (read(w, me.surplus) - read(w, me.sin)) * w.values[coin_of(me)]
    return left / supply if supply > 0.0 and left > 0.0 else 0.0


@inner
def ratio_of_all(w, me):
    """Value of all collateral over all debts."""
    total, owed = 0.0, debts(w, me)
    for k in range(me.collaterals_count):
        line = me.collaterals[k]
        total += w.books.supply[line.locked] * w.values[line.token]
    coin = w.values[coin_of(me)]
    return total / (owed * coin) if owed * coin > 0.0 else np.nan


@inner
def uncovered(w, me):
    """Debt that nothing will cover."""
    return max(deficit_of(w, me), 0.0)


@inner
def coverage(w, me):
    """What auctions that are over have brought of their debts."""
    owed = read(w, me.settled_debt)
    return read(w, me.settled_bids) / owed if owed > 0.0 else np.nan


@inner
def zero_share(w, me):
    """Share of auctions that were won for nothing."""
    settled = read(w, me.settled)
    return read(w, me.for_nothing) / settled if settled > 0.0 else np.nan


@inner
def dilution(w, me):
    """Governance tokens minted, over those that were there before."""
    before = w.books.supply[stake_of(me)] - read(w, me.minted) + read(w, me.bought_back)
    return read(w, me.minted) / before if before > 0.0 else 0.0


@inner
def debt_of_line(w, me, k):
    """Debt against a collateral."""
    line = me.collaterals[k]
    return w.books.supply[line.debt] * read(w, line.rate)


@inner
def ratio_of_line(w, me, k):
    """Collateral over debt, as the protocol's oracle has it."""
    owed = debt_of_line(w, me, k)
    locked = w.books.supply[me.collaterals[k].locked]
    return locked * price_of(w, me, k) / owed if owed > 0.0 else np.nan


@inner
def fee_of_line(w, me, k):
    """Stability fee, which a vote may have changed."""
    return me.collaterals[k].fee


@inner
def lot_of_line(w, me, k):
    """Most that one auction sells."""
    return me.collaterals[k].lot


@inner
def bid_duration_now(w, me):
    """Time in which a bid may be outbid."""
    return float(me.bid_duration)


# Settings


class Collateral(Settings):
    """A collateral of vaults, and its terms."""

    token: Annotated[str, Names("issued")]
    oracle: Annotated[str, Names("oracles")] = Field(
        description="Oracle of its price; its lag and heartbeat delay what the protocol sees."
    )
    ratio: Annotated[float, Field(ge=1.0, le=100.0)] = Field(
        1.5,
        description="Minimum collateral ratio.",
        json_schema_extra=reach("multiple", 1.05, 3.0),
    )
    penalty: Fee = Field(
        0.13, description="Liquidation penalty, share of the debt; auctions raise it on top."
    )
    fee: Annotated[float, Field(ge=0.0, le=10.0)] = Field(
        0.0,
        description="Stability fee, per year.",
        json_schema_extra=reach("per year", 0.0, 0.2),
    )
    ceiling: NotNegative = Field(MOST, description="Debt ceiling for this collateral, coins.")
    dust: NotNegative = Field(20.0, description="Minimum debt of a vault, coins.")
    lot: Positive = Field(50.0, description="Maximum lot of one auction, token units.")


class CDPSettings(Settings):
    """A protocol of collateralised debt positions."""

    mints: Annotated[str | None, Names("asset")] = Field(
        None, description="Token of the venue that it mints; none: a coin of its own."
    )
    governance: Annotated[str | None, Names("asset")] = Field(
        None,
        description="Governance token of the venue, bought with surplus and minted to cover a "
        "deficit; none: its own.",
    )
    market: Annotated[str | None, Names("pools")] = Field(
        None, description="Pool that prices its own coin; none: the coin is worth one."
    )
    collaterals: dict[Name, Collateral] = Field(min_length=1)
    ceiling: NotNegative = Field(MOST, description="Global debt ceiling, coins.")
    backing: Annotated[float, Field(ge=1.0, le=1e6)] = Field(
        4.0,
        description="Collateral ratio of outside holders' vaults, which back the initial supply "
        "that agents do not owe.",
    )
    auction: Literal["english", "dutch", "bonus"] = Field(
        "english", description="Liquidation method: an auction, or a sale at a fixed bonus."
    )
    most_auctions: Annotated[int, Field(ge=1, le=10_000)] = Field(
        1000, description="Maximum number of open auctions."
    )
    increment: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        0.03,
        description="English auction: minimum improvement over the previous bid, share.",
        json_schema_extra=reach("share", 0.01, 0.2, log=True),
    )
    bid_duration: Period = Field(
        50,
        description="English auction: time in which a bid may be outbid, blocks.",
        json_schema_extra=reach("blocks", 5, 2000, log=True),
    )
    auction_length: Period = Field(
        50,
        description="English auction: maximum duration, blocks.",
        json_schema_extra=reach("blocks", 5, 2000, log=True),
    )
    buf: Annotated[float, Field(gt=0.0, le=100.0)] = Field(
        1.2, description="Dutch auction: starting price over the oracle price, multiple."
    )
    cut: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        0.99, description="Dutch auction: price after a step, share of the price before it."
    )
    step: Period = Field(7, description="Dutch auction: time between two steps, blocks.")
    tail: Period = Field(
        700, description="Dutch auction: time after which it must be restarted, blocks."
    )
    cusp: Share = Field(
        0.4,
        description="Dutch auction: price below which it must be restarted, share of the starting "
        "price.",
    )
    tip: NotNegative = Field(0.0, description="Reward for starting a Dutch auction, coins.")
    chip: Annotated[float, Field(ge=0.0, le=0.5)] = Field(
        0.0, description="Reward for starting a Dutch auction, share of the amount to raise."
    )
    bonus: Annotated[float, Field(ge=0.0, le=1.0)] = Field(
        0.05,
        description="Fixed bonus: extra collateral for a liquidator, share of the amount paid.",
    )
    close_factor: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        1.0, description="Fixed bonus: share of a debt that one liquidation may repay."
    )
    surplus_buffer: NotNegative = Field(500_000.0, description="Surplus kept as a buffer, coins.")
    surplus_lot: Positive = Field(10_000.0, description="Coins sold in one surplus auction.")
    deficit_lot: Positive = Field(50_000.0, description="Coins raised in one deficit auction.")
    deficit_offer: Positive = Field(
        250.0, description="Governance tokens initially offered in a deficit auction."
    )
    deficit_delay: Blocks = Field(
        46_800,
        description="Time that a deficit must last before it is auctioned, blocks (Maker: 156 "
        "hours).",
    )
    pad: Annotated[float, Field(ge=1.0, le=10.0)] = Field(
        1.5, description="Increase of the offer after an auction without bids, multiple."
    )

    @model_validator(mode="after")
    def _apart(self) -> CDPSettings:
        named = [c.token for c in self.collaterals.values()]
        for field in ("mints", "governance"):
            token = getattr(self, field)
            if token is not None and token in named:
                raise ValueError(f"{field} is {token!r}, which is a collateral too; take one out")
        if self.mints is not None and self.mints == self.governance:
            raise ValueError(f"mints and governance are both {self.mints!r}; choose two")
        if len(self.collaterals) > MOST_LINES:
            raise ValueError(f"collaterals are {len(self.collaterals)}; give {MOST_LINES} at most")
        return self


_DEBT = "coins"


@register("cdp")
class CDP(Protocol):
    """A coin backed by collateralised vaults, liquidated by auction."""

    Settings = CDPSettings
    tokens = ("mints", "governance")
    owes = ("mints",)
    issues = (Token("coin", Value(coin_worth), held=True), Token("stake", Value(stake_worth)))
    state: ClassVar[Mapping[str, str]] = {
        "issued": "Coins out, by its books",
        "sin": "Debt without a vault, coins",
        "on_sale": "Of that what collateral at auction is for",
        "awaited": "Of that what governance tokens at auction are for",
        "surplus": "Coins that are its own",
        "escrow": "Coins at auction",
        "fees": "Stability fees since the start, coins",
        "bad_debt": "What liquidations did not bring of the debts, since the start, coins",
        "settled": "Liquidations that are over, since the start",
        "settled_debt": "Debts of those, coins",
        "settled_bids": "What they brought of them, coins",
        "for_nothing": "Auctions won for less than a hundredth of the lot",
        "for_nothing_worth": "What those lots were worth, numeraire",
        "takings": "Worth of what liquidators got less what they paid, numeraire",
        "minted": "Governance tokens minted",
        "bought_back": "Governance tokens burnt",
        "open": "Auctions under way",
        "latest": "Number of the last auction",
        "oldest": "Number below which none is under way",
        "unsafe": "Vaults that can be bitten",
        "listed": "Of those in the list",
        "short_since": "Block since which there is a deficit",
    }
    each: ClassVar[Mapping[str, Each]] = {
        "collaterals": Each(
            MOST_LINES,
            tokens=("token",),
            issues=(
                Token("locked", Rate("token", "one"), PLEDGE),
                Token("debt", Rate("mints", "rate", instead="coin"), DEBT),
            ),
            state={
                "rate": "Coins that a unit of debt stands for",
                "one": "Collateral that a pledge stands for",
                "stored": "Collateral held, by its books",
                "price_seen": "Price when vaults were last looked at",
            },
            measures=(
                Measure("debt", _DEBT, "Debt against this collateral", debt_of_line),
                Measure("ratio", "times", "Collateral ratio at the oracle price", ratio_of_line),
                Measure("rate", "coins", "Coins per unit of debt", "rate"),
                Measure("fee", "per year", "Stability fee", fee_of_line),
                Measure("lot", "token units", "Maximum lot of one auction", lot_of_line),
            ),
        )
    }
    tables: ClassVar[Mapping[str, Table]] = {
        "auctions": Table(FIELDS, "most_auctions"),
        "unsafe_rows": Table(QUEUE_FIELDS, 1000),
    }
    calls = (
        Call("lock", lock, gas=120_000.0, cause="fees"),
        Call("free", free, gas=140_000.0, cause="fees"),
        Call("draw", draw, gas=180_000.0, cause="fees"),
        Call("wipe", wipe, gas=150_000.0, cause="fees"),
        Call("bite", bite, gas=300_000.0, event="liquidation", cause="run"),
        Call("bid", bid, gas=140_000.0, cause="run"),
        Call("settle", settle, gas=110_000.0, cause="run"),
        Call("restart", restart, gas=100_000.0, cause="run"),
        Call("take", take, gas=220_000.0, cause="run"),
        Call("liquidate", liquidate, gas=300_000.0, event="liquidation", cause="run"),
        Call("sell_surplus", sell_surplus, gas=200_000.0),
        Call("sell_deficit", sell_deficit, gas=200_000.0),
    )
    between_blocks = between
    leak = leak
    measures = (
        Measure("debt", _DEBT, "Debt of all vaults", debts),
        Measure("ratio", "times", "Collateral ratio at venue prices", ratio_of_all),
        Measure("sin", _DEBT, "Debt of liquidated vaults not yet covered", "sin"),
        Measure("deficit", _DEBT, "Part of that debt with nothing to cover it", uncovered),
        Measure("surplus", _DEBT, "Surplus", "surplus"),
        Measure("fees", "coins, since the start", "Stability fees", "fees"),
        Measure(
            "bad_debt", "coins, since the start", "Debt not recovered by liquidations", "bad_debt"
        ),
        Measure("unsafe", "vaults", "Vaults that can be liquidated", "unsafe"),
        Measure("auctions", "auctions", "Open auctions", "open"),
        Measure("settled", "since the start", "Completed liquidations", "settled"),
        Measure(
            "liquidated", "coins, since the start", "Debt of completed liquidations", "settled_debt"
        ),
        Measure("coverage", "share of debt", "Debt recovered by liquidations", coverage),
        Measure(
            "for_nothing",
            "auctions, since the start",
            "Auctions won for next to nothing",
            "for_nothing",
        ),
        Measure(
            "for_nothing_worth",
            "numeraire, since the start",
            "Value of the lots of those auctions",
            "for_nothing_worth",
        ),
        Measure(
            "zero_bid_share",
            "share of liquidations",
            "Auctions won for next to nothing",
            zero_share,
        ),
        Measure("takings", "numeraire, since the start", "Gross profit of liquidators", "takings"),
        Measure("dilution", "share", "Governance tokens minted", dilution),
        Measure("bought_back", "token units", "Governance tokens burnt", "bought_back"),
        Measure("bid_duration", "blocks", "Time in which a bid may be outbid", bid_duration_now),
    )
    charts = (
        Chart(
            "Debt of vaults and of liquidated vaults",
            "coins",
            {"owed": "debt", "without a vault": "sin"},
        ),
        Chart("Open auctions", "auctions", {"under way": "auctions"}, zero=True),
        Chart("Bad debt", "coins", {"bad debt": "bad_debt"}, zero=True),
    )
    card = (
        Fact("owed", "debt"),
        Fact("collateral ratio", "ratio"),
        Fact("open auctions", "auctions", reduction="largest"),
        Fact("auctions won for next to nothing", "zero_bid_share", "share"),
        Fact("bad debt", "bad_debt"),
    )
    look = Look("debt positions", head="debt positions", colour="#8a6d3b")

    def token(self, name: str) -> str:
        """Name in the ledger; of its coin and its governance token whichever they are."""
        if name == "mints" and self.settings.mints is None:  # type: ignore[attr-defined]
            name = "coin"
        if name == "governance" and self.settings.governance is None:  # type: ignore[attr-defined]
            name = "stake"
        return super().token(name)

    def start(self) -> None:
        """A unit of debt is a coin, a pledge its collateral."""
        storage = self.market.ledger.books.storage
        for name in self.settings.collaterals:  # type: ignore[attr-defined]
            entry = self.entry("collaterals", name)
            storage[entry["rate"]] = storage[entry["one"]] = 1.0
        self.put("oldest", 1.0)

    def begun(self) -> None:
        """Have those who hold coins at the start hold what agents' vaults have drawn and sold.

        Behind what is out beyond that are vaults of outside holders. Where no collateral is a token
        of the venue with a price, it is debt without a vault.
        """
        ledger, books = self.market.ledger, self.market.ledger.books
        coin = self.token("mints")
        owed = sum(
            float(books.supply[entry["debt"]] * books.storage[entry["rate"]])
            for entry in self.record[0]["collaterals"][: int(self.record[0]["collaterals_count"])]
        )
        buyer = HOLDERS if self.settings.mints is None else VENUE  # type: ignore[attr-defined]
        held_here = max(ledger.supply(coin) - owed, 0.0)
        sold = min(held_here, owed, ledger.balance(buyer, coin))
        ledger.burn(buyer, coin, sold)
        coins = ledger.supply(coin)
        rest = held_here - sold
        backed = self._backing()
        if rest > 0.0 and backed:
            token = self.token(f"collaterals.{backed}.token")
            ink = np.array([rest * self.settings.backing / self.price(backed)])  # type: ignore[attr-defined]
            ledger.mint(HOLDERS, token, float(ink[0]))
            self.open_vaults(np.array([ledger.account(HOLDERS)]), backed, ink, np.array([rest]))
        elif rest > 0.0:
            self.put("sin", rest)
        self.put("issued", coins)

    def _backing(self) -> str:
        """The first of its collaterals that the venue trades and that has a price; "": none."""
        base = 1 + len(self.market.setup.venue.assets)
        for name in self.settings.collaterals:  # type: ignore[attr-defined]
            if self.entry("collaterals", name)["token"] < base and 0.0 < self.price(name) < np.inf:
                return str(name)
        return ""

    def open_vaults(
        self,
        rows: npt.NDArray[np.int64],
        name: str,
        ink: npt.NDArray[np.float64],
        owed: npt.NDArray[np.float64],
    ) -> None:
        """Open vaults at the start, of collateral that their owners hold.

        The coins that they owe are minted by whoever calls.

        Args:
            rows: int64[n], accounts.
            name: Of the collateral.
            ink: float64[n], collateral, token units.
            owed: float64[n], coins.
        """
        books, entry = self.market.ledger.books, self.entry("collaterals", name)
        books.balances[rows, entry["token"]] -= ink
        books.balances[self.account, entry["token"]] += ink.sum()
        for token, amounts in ((entry["locked"], ink), (entry["debt"], owed)):
            books.balances[rows, token] += amounts
            books.supply[token] += amounts.sum()
        books.storage[entry["stored"]] += ink.sum()

    def price(self, name: str) -> float:
        """What it believes that a collateral is worth, numeraire."""
        feed = int(self.entry("collaterals", name)["oracle"])
        return float(self.market.world.feeds[feed]["price"])

    def exposures(self) -> Iterator[Exposure]:
        """It values each collateral by an oracle."""
        storage = self.market.ledger.books.storage
        for name, line in self.settings.collaterals.items():  # type: ignore[attr-defined]
            feed = self.market.protocols[f"oracle:{line.oracle}"]
            locked = float(storage[self.entry("collaterals", name)["stored"]])
            yield Exposure(self.name, feed.node, locked * feed.price, "price")

    def vault(self, account: str | int, name: str) -> tuple[float, float]:
        """Collateral and debt of an account: (token units, coins)."""
        ledger, entry = self.market.ledger, self.entry("collaterals", name)
        row = ledger.account(account)
        rate = float(ledger.books.storage[entry["rate"]])
        return (
            float(ledger.balances[row, entry["locked"]]),
            float(ledger.balances[row, entry["debt"]]) * rate,
        )

    def auctions_now(self) -> list[dict[str, Any]]:
        """Auctions under way, each with all that is known of it, the oldest first."""
        table = self.rows("auctions")
        found = [dict(zip(FIELDS, map(float, row), strict=True)) for row in table if row[KIND]]
        return sorted(found, key=lambda auction: auction["serial"])


RECORD = record_of(CDP)
"""Of a `CDP`, as kernels of agents read it."""
