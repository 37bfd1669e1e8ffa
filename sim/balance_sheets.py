"""What everybody owns and owes, read off the ledger at the market's prices.

Nobody declares a balance sheet. What an account holds is its asset, or its debt where the
token is one; what is out of a token is what its issuer owes those who hold it, or what they
owe the issuer. Claims that are no tokens are told by the protocol that owes them. So every claim
is one party's asset and another's liability, and the equities of all sum to the value of the
base tokens, which nobody owes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from sim.measures import value_tokens
from sim.names import VENUE

if TYPE_CHECKING:
    from sim.market import Market

Floats = npt.NDArray[np.float64]

GROUP, ACCOUNT = "group", "account"


@dataclass(frozen=True)
class Entities:
    """Everybody whose books are kept, and what they hold, in the numeraire.

    Attributes:
        names: Protocols, the venue, groups, other accounts; each once.
        kinds: Of a protocol its family (`sim.handles.Handle.family`), venue, cohort, account
            (one of the market's own: producer, holders, treasuries, ...) or agent, of each.
        groups: Group that an agent is of; "" for all others.
        worth: float64[entities, tokens], value of what each holds; a debt's is negative.
        owing: Protocols that owe claims that are no tokens.
        claims: float64[entities, owing], value of each one's claims on them.
        of: int64[accounts], the entity that each account is in.
    """

    names: list[str]
    kinds: list[str]
    groups: list[str]
    worth: Floats
    owing: list[str]
    claims: Floats
    of: npt.NDArray[np.int64]


def read_entities(market: Market, by: str = GROUP) -> Entities:
    """Read what everybody holds.

    Args:
        market: As it stands.
        by: "group": the agents of a group together; "account": each by itself.

    Raises:
        ValueError: If `by` is neither.
    """
    value_tokens(market.world)
    names, kinds, groups, of = members(market, by)
    balances = market.ledger.balances
    holdings = np.zeros((len(names), balances.shape[1]))
    entity, first, count = np.unique(of, return_index=True, return_counts=True)
    single = count == 1
    holdings[entity[single]] = balances[first[single]]
    for i in np.flatnonzero(~single):
        run = slice(first[i], first[i] + count[i])  # accounts of a scenario's group are one
        rows = run if (of[run] == entity[i]).all() else np.flatnonzero(of == entity[i])
        holdings[entity[i]] = balances[rows].sum(axis=0)
    owing, claims = _claims(market, of, len(names))
    worth = holdings * market.world.values
    return Entities(names, kinds, groups, worth, owing, claims, of)


def members(
    market: Market, by: str = GROUP
) -> tuple[list[str], list[str], list[str], npt.NDArray[np.int64]]:
    """Names, kinds and groups of all entities, and the one of each account, int64[accounts]."""
    if by not in (GROUP, ACCOUNT):
        raise ValueError(f"by must be {GROUP!r} or {ACCOUNT!r}, not {by!r}")
    ledger = market.ledger
    of = np.full(len(ledger.accounts), -1, np.int64)
    names: list[str] = []
    kinds: list[str] = []
    inside = np.full(len(ledger.accounts), "", object)

    def add(name: str, kind: str, rows: int | slice | list[int]) -> None:
        of[rows] = len(names)
        names.append(name)
        kinds.append(kind)

    special = frozenset(market.special_accounts)
    for handle in market.protocols.values():
        if handle.account >= 0 and handle.name not in special:
            add(handle.name, handle.family, handle.account)
    add(VENUE, market.venue.family, market.venue.account)
    for name, cohort in market.cohorts.items():
        rows = slice(cohort.first, cohort.first + len(cohort))
        inside[rows] = name
        if by == GROUP:
            add(name, "cohort", rows)
    for name, group in market.joined.items():
        inside[group.members] = name
        if by == GROUP:
            add(name, "cohort", group.members)
    for name in market.special_accounts:
        if name != VENUE:
            add(name, "account", ledger.account(name))
    rest = np.flatnonzero(of < 0)
    of[rest] = len(names) + np.arange(rest.size)
    groups = [""] * len(names) + inside[rest].tolist()
    names += [ledger.accounts[row] for row in rest]
    kinds += ["agent"] * rest.size
    return names, kinds, groups, of


def _claims(market: Market, of: npt.NDArray[np.int64], entities: int) -> tuple[list[str], Floats]:
    """Who owes claims that are no tokens, and everybody's, float64[entities, of those]."""
    owing, columns = [], []
    for handle in market.protocols.values():
        owners, tokens, amounts = handle.owed()
        if owners.size:
            owing.append(handle.name)
            worth = (amounts * market.world.values[tokens]).sum(axis=-1)
            columns.append(np.bincount(of[owners], worth, entities))
    return owing, np.column_stack(columns) if columns else np.zeros((entities, 0))


def assets_and_liabilities(market: Market, entities: Entities) -> tuple[Floats, Floats]:
    """What everybody owns and what they owe, float64[entities] each, in the numeraire."""
    row = {name: e for e, name in enumerate(entities.names)}
    assets = entities.worth.clip(min=0.0).sum(axis=1) + entities.claims.sum(axis=1)
    liabilities = -entities.worth.clip(max=0.0).sum(axis=1)
    out = entities.worth.sum(axis=0)
    for token, issuer in enumerate(market.ledger.issuers.values()):
        if issuer and out[token] > 0.0:
            liabilities[row[issuer]] += out[token]
        elif issuer:
            assets[row[issuer]] -= out[token]
    for n, name in enumerate(entities.owing):
        liabilities[row[name]] += entities.claims[:, n].sum()
    return assets, liabilities


def balance_sheets(market: Market, by: str = GROUP) -> pd.DataFrame:
    """Assets, liabilities and equity of everybody; see `sim.market.Market.balance_sheets`."""
    entities = read_entities(market, by)
    assets, liabilities = assets_and_liabilities(market, entities)
    return pd.DataFrame(
        {
            "entity": entities.names,
            "kind": entities.kinds,
            "assets": assets,
            "liabilities": liabilities,
            "equity": assets - liabilities,
        }
    )
