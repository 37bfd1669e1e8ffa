"""The ledger: everything of value is a column of one table, and four primitives move it.

``balances[account, token]`` holds every position of everybody: base assets,
pool shares, deposit receipts, debts. Value moves by transfer, mint, burn, and
by the undo journal, which takes a failed transaction back to the last bit.
Protocols keep the few numbers that a transaction may change (an interest index,
a volume counter) in `storage`, under the same journal.

Conservation is therefore a property of this file: a column always sums to what
was minted less what was burnt, and `Ledger.audit` checks it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from sim.compiled import inlined, kernel
from sim.named import UnknownNameError, not_there
from sim.structure import Structure

JOURNAL_ENTRY = np.dtype([("table", "i8"), ("row", "i8"), ("column", "i8"), ("old", "f8")])
JOURNAL_LENGTH = 4096
"""Writes that one transaction may make; one that makes more is reverted."""

BALANCE, SUPPLY, STORAGE, LEFT = 0, 1, 2, 3
"""What an undo entry is of; LEFT is a balance of a pledge that its holder gave away."""

FREE, PLEDGE, DEBT = 0, 1, 2
"""Rights of a token: anybody may give it away; it may leave only where what it secures stays
covered; it cannot be given away at all."""

DUST = 1e-12
"""Relative excess over a balance that is read as "all of it" (rounding of a division)."""


class Books(Structure):
    """The ledger's arrays, as kernels take them.

    Attributes:
        balances: float64[accounts, tokens], in token units; a debt is a positive
            holding of a debt token.
        supply: float64[tokens], minted less burnt.
        most: float64[tokens], the most of it that an audit has seen out, or that somebody
            has held of what was just minted: what rounding may be left of.
        rights: int64[tokens], FREE, PLEDGE or DEBT.
        storage: float64[slots], protocols' numbers.
        journal: Undo entries of the transaction under way.
        head: int64[3], number of entries in the journal; 1 after a write was
            refused because it is full; 1 after a pledge has left its holder.
    """

    fields: ClassVar[Mapping[str, Any]] = {
        "balances": ("f8", 2),
        "supply": ("f8", 1),
        "most": ("f8", 1),
        "rights": ("i8", 1),
        "storage": ("f8", 1),
        "journal": (JOURNAL_ENTRY, 1),
        "head": ("i8", 1),
    }
    balances: npt.NDArray[np.float64]
    supply: npt.NDArray[np.float64]
    most: npt.NDArray[np.float64]
    rights: npt.NDArray[np.int64]
    storage: npt.NDArray[np.float64]
    journal: npt.NDArray[np.void]
    head: npt.NDArray[np.int64]


@kernel
def _remember(books, n, table, row, column, old):
    """Note a cell's value as the journal's n-th entry before it is written.

    The caller has asked for `room`, and moves ``books.head[0]`` once for all that it notes: the
    compiler cannot know that the journal does not lie over its own head.
    """
    entry = books.journal[n]
    entry.table = table
    entry.row = row
    entry.column = column
    entry.old = old


@kernel
def begin(books):
    """Start a transaction: what came before can no longer be undone."""
    books.head[0] = 0
    books.head[1] = 0
    books.head[2] = 0


@kernel
def room(books, writes):
    """Whether the journal can take so many more writes; else the transaction must fail."""
    if books.head[0] + writes > books.journal.size:
        books.head[1] = 1
        return False
    return True


@kernel
def overflowed(books):
    """Whether the transaction under way wrote more than the journal can take back."""
    return books.head[1] != 0


@kernel
def undo(books, mark):
    """Take back every write after the journal's `mark`, last first."""
    for n in range(books.head[0] - 1, mark - 1, -1):
        entry = books.journal[n]
        if entry.table == BALANCE or entry.table == LEFT:
            books.balances[entry.row, entry.column] = entry.old
        elif entry.table == SUPPLY:
            books.supply[entry.column] = entry.old
        else:
            books.storage[entry.column] = entry.old
    books.head[0] = mark
    books.head[1] = 0


@kernel
def transfer(books, source, target, token, amount):
    """Move an amount between accounts, as its holder may.

    A debt cannot be given away. A pledge leaves with a note in the journal, after which
    whoever made the call has to see that what it secures is covered (`has_left`).

    Args:
        source: Account that pays.
        target: Account that receives.
        token: Column.
        amount: Token units.

    Returns:
        Whether it was done: not for a negative or NaN amount, nor for more than
        the source holds (beyond a rounding of 1e-12 of it), nor for a debt.
    """
    right = books.rights[token]
    if right == DEBT or not seize(books, source, target, token, amount):
        return False
    if right == PLEDGE and source != target:
        books.journal[books.head[0] - 2].table = LEFT
        books.head[2] = 1
    return True


@kernel
def seize(books, source, target, token, amount):
    """Move an amount between accounts, as its issuer may; arguments as of `transfer`."""
    held = books.balances[source, token]
    if not (amount >= 0.0 and amount <= held * (1.0 + DUST)) or not room(books, 2):
        return False
    if amount > held:
        amount = held
    if source == target:
        return True
    there = books.balances[target, token]
    n = books.head[0]
    _remember(books, n, BALANCE, source, token, held)
    _remember(books, n + 1, BALANCE, target, token, there)
    books.head[0] = n + 2
    books.balances[source, token] = held - amount
    books.balances[target, token] = there + amount
    return True


@inlined
def exchange(books, giver, taker, token, amount, back, amount_back):
    """Two transfers at once: an amount of one token for an amount of another.

    Args:
        giver: Account that pays `amount` of `token`.
        taker: Account that pays `amount_back` of `back`, another token.

    Returns:
        Whether it was done: not where one of the two could not be, as `transfer` has it.
    """
    if books.rights[token] != FREE or books.rights[back] != FREE or giver == taker:
        return transfer(books, giver, taker, token, amount) and transfer(
            books, taker, giver, back, amount_back
        )
    held, there = books.balances[giver, token], books.balances[taker, token]
    held_back, there_back = books.balances[taker, back], books.balances[giver, back]
    possible = amount >= 0.0 and amount <= held * (1.0 + DUST)
    possible = possible and amount_back >= 0.0 and amount_back <= held_back * (1.0 + DUST)
    if not possible or not room(books, 4):
        return False
    amount, amount_back = min(amount, held), min(amount_back, held_back)
    n = books.head[0]
    _remember(books, n, BALANCE, giver, token, held)
    _remember(books, n + 1, BALANCE, taker, token, there)
    _remember(books, n + 2, BALANCE, taker, back, held_back)
    _remember(books, n + 3, BALANCE, giver, back, there_back)
    books.head[0] = n + 4
    books.balances[giver, token] = held - amount
    books.balances[taker, token] = there + amount
    books.balances[taker, back] = held_back - amount_back
    books.balances[giver, back] = there_back + amount_back
    return True


@kernel
def mint(books, target, token, amount):
    """Create an amount for an account. False for a negative or NaN one, or one without end."""
    if not (amount >= 0.0 and books.supply[token] + amount < np.inf) or not room(books, 2):
        return False
    there, out = books.balances[target, token], books.supply[token]
    n = books.head[0]
    _remember(books, n, BALANCE, target, token, there)
    _remember(books, n + 1, SUPPLY, 0, token, out)
    books.head[0] = n + 2
    books.balances[target, token] = there + amount
    books.supply[token] = out + amount
    # What comes and goes within a block leaves its rounding to the audit at the block's end.
    books.most[token] = max(books.most[token], there + amount)
    return True


@kernel
def burn(books, source, token, amount):
    """Destroy an amount that an account holds. False where it holds less than that."""
    held = books.balances[source, token]
    if not (amount >= 0.0 and amount <= held * (1.0 + DUST)) or not room(books, 2):
        return False
    if amount > held:
        amount = held
    n, out = books.head[0], books.supply[token]
    _remember(books, n, BALANCE, source, token, held)
    _remember(books, n + 1, SUPPLY, 0, token, out)
    books.head[0] = n + 2
    books.balances[source, token] = held - amount
    books.supply[token] = out - amount
    return True


@kernel
def store(books, slot, value):
    """Write one of a protocol's numbers, under the journal."""
    if not room(books, 1):
        return False
    n = books.head[0]
    _remember(books, n, STORAGE, 0, slot, books.storage[slot])
    books.head[0] = n + 1
    books.storage[slot] = value
    return True


@inlined
def raise_three(books, a, b, c, by_a, by_b, by_c):
    """Add to three different of a protocol's numbers at once, under the journal."""
    if not room(books, 3):
        return False
    n, s = books.head[0], books.storage
    was_a, was_b, was_c = s[a], s[b], s[c]
    _remember(books, n, STORAGE, 0, a, was_a)
    _remember(books, n + 1, STORAGE, 0, b, was_b)
    _remember(books, n + 2, STORAGE, 0, c, was_c)
    books.head[0] = n + 3
    s[a], s[b], s[c] = was_a + by_a, was_b + by_b, was_c + by_c
    return True


@kernel
def store_balance(books, account, token, value):
    """Set a balance, under the journal, for what is only tried out and then undone."""
    if not room(books, 1):
        return False
    n = books.head[0]
    _remember(books, n, BALANCE, account, token, books.balances[account, token])
    books.head[0] = n + 1
    books.balances[account, token] = value
    return True


@kernel
def store_supply(books, token, value):
    """Set a supply, under the journal: to nothing when the last holder leaves, or as a trial."""
    if not room(books, 1):
        return False
    n = books.head[0]
    _remember(books, n, SUPPLY, 0, token, books.supply[token])
    books.head[0] = n + 1
    books.supply[token] = value
    return True


@kernel
def gained(books, account, token, since=0):
    """What an account has more of a token than at the journal's place `since`."""
    now = books.balances[account, token]
    for n in range(since, books.head[0]):
        entry = books.journal[n]
        of_balance = entry.table == BALANCE or entry.table == LEFT
        if of_balance and entry.row == account and entry.column == token:
            return now - entry.old
    return 0.0


@kernel
def has_left(books, n):
    """Whether the journal's n-th entry notes a pledge that its holder has less of now."""
    entry = books.journal[n]
    return entry.table == LEFT and books.balances[entry.row, entry.column] < entry.old


@kernel
def column_sums(books, first, last, sums):
    """Add the balances of accounts [first, last) to `sums`, float64[tokens].

    This reads the whole ledger every few blocks. Four accounts go together, each as an array
    of its own: so the compiler adds several columns at once, in the order of the plain loop.

    Returns:
        Whether none of them is negative (a NaN shows in the sums).
    """
    if first >= last:
        return True
    held = books.balances[first:last]
    tokens, fours = sums.size, held.shape[0] // 4
    found = np.zeros(tokens)
    for k in range(fours):
        a, b, c, d = held[4 * k], held[4 * k + 1], held[4 * k + 2], held[4 * k + 3]
        for t in range(tokens):
            found[t] = found[t] + a[t] + b[t] + c[t] + d[t]
    for row in range(4 * fours, held.shape[0]):
        for t in range(tokens):
            found[t] += held[row, t]
    for t in range(tokens):
        sums[t] += found[t]
    raw = held.view(np.int64).reshape(held.size)
    signs = np.int64(0)  # gathered by their bits
    for cell in range(raw.size):
        signs |= raw[cell]
    return signs >= 0


@kernel
def worst_leak(books, sums, apart):
    """Largest relative gap between a column's sum and its supply, and the column.

    Relative to the most that ever was out (`Books.most`), since rounding stays when what it
    was rounding of has gone, or to one unit of the token where that is less. Of the supply, what
    the account `apart` holds (-1: none) counts a thousandth: the outside venue is set apart,
    or its great inventory would make a leak among everybody else look small; it counts a
    little, because its balance rounds to so much less than others'.
    """
    worst, where = 0.0, -1
    for token in range(sums.size):
        scale = abs(books.supply[token])
        if apart >= 0:
            scale -= 0.999 * books.balances[apart, token]
        books.most[token] = max(books.most[token], scale)
        gap = abs(sums[token] - books.supply[token]) / max(books.most[token], 1.0)
        if np.isnan(gap):  # the worst leak of all
            return gap, token
        if gap > worst:
            worst, where = gap, token
    return worst, where


class LedgerError(RuntimeError):
    """Raised when value was created or lost outside the four primitives of the ledger."""


class Ledger:
    """The ledger: balances of every account in every token, by name.

    Attributes:
        accounts: Names, in row order.
        tokens: Names, in column order.
        issuers: Protocol that issues each token, or "" for a base asset.
        books: The arrays, as kernels take them.
    """

    def __init__(
        self,
        accounts: Sequence[str],
        tokens: Sequence[str],
        issuers: Mapping[str, str] | None = None,
        slots: int = 0,
        tolerance: float = 1e-9,
        apart: str | None = None,
        rights: Mapping[str, int] | None = None,
    ) -> None:
        """Open empty books.

        Args:
            accounts: Names, each once.
            tokens: Names, each once.
            issuers: Issuing protocol by token; a token left out is nobody's.
            slots: Numbers that protocols may store.
            tolerance: Relative leak that `audit` lets pass as rounding.
            apart: Account whose holdings do not count in what a leak is relative to.
            rights: PLEDGE or DEBT by token; a token left out is FREE.

        Raises:
            ValueError: If a name appears twice or an issuer is of an unknown token.
        """
        for what, names in (("account", accounts), ("token", tokens)):
            twice = sorted(name for name, n in Counter(names).items() if n > 1)
            if twice:
                raise ValueError(f"{what} names must differ; used twice: {twice}")
        if unknown := set(issuers or ()) - set(tokens):
            raise ValueError(f"issuers names tokens that do not exist: {sorted(unknown)}")
        self.accounts = list(accounts)
        self.tokens = list(tokens)
        self.issuers = {token: (issuers or {}).get(token, "") for token in tokens}
        self.tolerance = tolerance
        self._account = {name: row for row, name in enumerate(self.accounts)}
        self._token = {name: column for column, name in enumerate(self.tokens)}
        self.apart = -1 if apart is None else self._account[apart]
        self.books = Books(
            balances=np.zeros((len(self.accounts), len(self.tokens))),
            supply=np.zeros(len(self.tokens)),
            most=np.zeros(len(self.tokens)),
            rights=np.array([(rights or {}).get(token, FREE) for token in self.tokens], np.int64),
            storage=np.zeros(max(slots, 1)),
            journal=np.zeros(JOURNAL_LENGTH, JOURNAL_ENTRY),
            head=np.zeros(3, np.int64),
        )

    def __repr__(self) -> str:
        return f"<Ledger: {len(self.accounts):,} accounts, {len(self.tokens):,} tokens>"

    @property
    def balances(self) -> npt.NDArray[np.float64]:
        """Balances, float64[accounts, tokens], in token units."""
        return self.books.balances

    def account(self, name: str | int) -> int:
        """Row of an account.

        Raises:
            KeyError: If there is no such account.
        """
        if isinstance(name, int | np.integer):
            return int(name)
        try:
            return self._account[name]
        except KeyError:
            raise UnknownNameError(not_there("account", name, self.accounts)) from None

    def token(self, name: str | int) -> int:
        """Column of a token.

        Raises:
            KeyError: If there is no such token.
        """
        if isinstance(name, int | np.integer):
            return int(name)
        try:
            return self._token[name]
        except KeyError:
            raise UnknownNameError(not_there("token", name, self.tokens)) from None

    def balance(self, account: str | int, token: str | int) -> float:
        """Balance of an account in a token, in token units."""
        return float(self.balances[self.account(account), self.token(token)])

    def supply(self, token: str | int) -> float:
        """Circulating supply of a token: minted less burnt, in token units."""
        return float(self.books.supply[self.token(token)])

    def open_account(self, name: str) -> int:
        """Add an empty account.

        Returns:
            Its row.

        Raises:
            ValueError: If the name is taken.
        """
        if name in self._account:
            raise ValueError(f"an account called {name!r} already exists")
        row = len(self.accounts)
        self.accounts.append(name)
        self._account[name] = row
        wider = np.vstack([self.balances, np.zeros((1, len(self.tokens)))])
        self.books = self.books._replace(balances=wider)
        return row

    def add_token(self, name: str, issuer: str = "") -> int:
        """Add a token that nobody holds yet.

        Returns:
            Its column.

        Raises:
            ValueError: If the name is taken.
        """
        if name in self._token:
            raise ValueError(f"a token called {name!r} already exists")
        column = len(self.tokens)
        self.tokens.append(name)
        self._token[name] = column
        self.issuers[name] = issuer
        wider = np.ascontiguousarray(np.hstack([self.balances, np.zeros((len(self.accounts), 1))]))
        self.books = self.books._replace(
            balances=wider,
            supply=np.append(self.books.supply, 0.0),
            most=np.append(self.books.most, 0.0),
            rights=np.append(self.books.rights, FREE),
        )
        return column

    def mint(self, account: str | int, token: str | int, amount: float) -> None:
        """Mint an amount for an account, outside any transaction.

        Raises:
            ValueError: If the amount is negative, infinite or NaN.
        """
        begin(self.books)
        row, column = self.account(account), self.token(token)
        most = self.books.most[column]
        if not mint(self.books, row, column, float(amount)):
            raise ValueError(f"cannot mint {amount} {token}: give a finite amount >= 0")
        if row == self.apart:  # nor does what it is given count in what a leak is relative to
            self.books.most[column] = most

    def burn(self, account: str | int, token: str | int, amount: float) -> None:
        """Burn an amount held by an account, outside any transaction.

        Raises:
            ValueError: If the account holds less than that.
        """
        begin(self.books)
        if not burn(self.books, self.account(account), self.token(token), float(amount)):
            raise ValueError(
                f"cannot burn {amount} {token}: {account} holds {self.balance(account, token)}"
            )

    def transfer(
        self, source: str | int, target: str | int, token: str | int, amount: float
    ) -> None:
        """Move an amount between accounts, outside any transaction.

        Raises:
            ValueError: If the source holds less than that, or it is a debt.
        """
        begin(self.books)
        rows = self.account(source), self.account(target)
        if self.books.rights[self.token(token)] == DEBT:
            raise ValueError(f"cannot move {token}: a debt cannot be given away, only repaid")
        if not transfer(self.books, *rows, self.token(token), float(amount)):
            raise ValueError(
                f"cannot move {amount} {token}: {source} holds {self.balance(source, token)}"
            )

    def endow(
        self, first: int, token: str | int, amounts: npt.NDArray[np.float64] | Iterable[float]
    ) -> None:
        """Mint an amount for each account in a range, when a scenario starts.

        Args:
            first: Row of the first account.
            token: Column or name.
            amounts: float64[n], token units, for rows first, first + 1, ...

        Raises:
            ValueError: If an amount is negative or not finite.
        """
        given = np.asarray(amounts, dtype=np.float64)
        if not (np.isfinite(given).all() and (given >= 0.0).all()):
            raise ValueError(f"cannot endow accounts with {token}: amounts must be finite and >= 0")
        column = self.token(token)
        self.balances[first : first + given.size, column] += given
        self.books.supply[column] += given.sum()

    def audit(self) -> float:
        """Check that every column sums to its supply and that nothing is negative.

        Returns:
            The largest relative gap, which is rounding.

        Raises:
            LedgerError: If a gap exceeds the tolerance, or a balance is negative or NaN.
        """
        sums = np.zeros(len(self.tokens))
        sound = column_sums(self.books, 0, len(self.accounts), sums)
        gap, column = worst_leak(self.books, sums, self.apart)
        if not gap <= self.tolerance:
            raise LedgerError(
                f"{self.tokens[column]} leaks: accounts hold {sums[column]!r}, "
                f"{self.books.supply[column]!r} is out"
            )
        if not sound:
            row, column = np.argwhere(~(self.balances >= 0.0))[0]
            raise LedgerError(
                f"{self.accounts[row]} holds {self.balances[row, column]!r} {self.tokens[column]}"
            )
        return float(gap)
