"""What can be asked of a pool, whatever its kind: each through an address in its record.

A kind of pool gives a kernel for each operation (`protocols.curve.Curve`); the record of a
pool of that kind holds their addresses. Whoever asks knows no kind.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from numba import types
from numba.core.dispatcher import Dispatcher
from numba.np import numpy_support

from protocols.pool import ADDRESS, POOL
from sim.compiled import address_of, jump
from sim.ledger import Books

if TYPE_CHECKING:
    from protocols.curve import Curve

_BOOKS = Books._type
_POOL = numpy_support.from_dtype(POOL)
_POOLS = types.Array(_POOL, 1, "C")
_NUMBERS = types.Array(types.float64, 1, "C")
_I, _F = types.int64, types.float64
_PAIR, _ENDED = types.UniTuple(_F, 2), types.Tuple((_I, _F))
_THREE, _CLAIM = types.UniTuple(_F, 3), types.Tuple((_I, _F, _F))

SIGNATURES: dict[str, tuple[Any, ...]] = {
    "price": (_F, _BOOKS, _POOL, _I, _I),
    "priced": (_THREE, _BOOKS, _POOL, _I, _I, _F),
    "slope": (_THREE, _BOOKS, _POOL, _I, _I, _F),
    "to_rate": (_F, _BOOKS, _POOL, _I, _I, _F),
    "trade": (_F, _BOOKS, _POOL, _I, _I, _F),
    "swap": (_ENDED, _BOOKS, _POOL, _I, _I, _I, _F, _F),
    "enter": (_ENDED, _BOOKS, _POOL, _I, _I, _I, _F, _F, _F, _I, _I),
    "leave": (_ENDED, _BOOKS, _POOL, _I, _I, _F, _F, _I, _I),
    "fill": (_ENDED, _BOOKS, _POOL, _I, _NUMBERS),
    "shares_for": (_F, _BOOKS, _POOL, _NUMBERS, _NUMBERS, _F, _NUMBERS),
    "one_for_shares": (_PAIR, _BOOKS, _POOL, _I, _F),
    "held": (_F, _BOOKS, _POOL, _I, _I, _I),
    "move": (types.none, _BOOKS, _POOLS, _I, _I),
    "follow": (types.none, _BOOKS, _POOL),
    "relative_price": (_F, _BOOKS, _POOL, _I),
    "depth": (_F, _BOOKS, _POOL, _F),
    "exposure": (_F, _BOOKS, _POOL),
    "loss": (_F, _BOOKS, _POOL, _NUMBERS),
    "loss_since": (_F, _BOOKS, _POOL, _F, _F, _F),
    "result": (_F, _BOOKS, _POOL, _NUMBERS),
    "fair": (_F, _BOOKS, _POOL, _NUMBERS),
    "rate_of_share": (_F, _BOOKS, _POOL),
    "claims": (_I, _BOOKS, _POOL),
    "claim": (_CLAIM, _BOOKS, _POOL, _I),
}
"""Of each operation: what it returns, then what it takes."""

assert list(SIGNATURES) == list(ADDRESS), "the record has an address for each operation"

ask_price = jump(*SIGNATURES["price"])
ask_three = jump(*SIGNATURES["priced"])
ask_amount = jump(*SIGNATURES["to_rate"])
ask_swap = jump(*SIGNATURES["swap"])
ask_enter = jump(*SIGNATURES["enter"])
ask_leave = jump(*SIGNATURES["leave"])
ask_fill = jump(*SIGNATURES["fill"])
ask_shares = jump(*SIGNATURES["shares_for"])
ask_one = jump(*SIGNATURES["one_for_shares"])
ask_held = jump(*SIGNATURES["held"])
let_move = jump(*SIGNATURES["move"])
let_follow = jump(*SIGNATURES["follow"])
ask_relative = jump(*SIGNATURES["relative_price"])
ask_depth = jump(*SIGNATURES["depth"])
ask_number = jump(*SIGNATURES["exposure"])
ask_valued = jump(*SIGNATURES["loss"])
ask_since = jump(*SIGNATURES["loss_since"])
ask_count = jump(*SIGNATURES["claims"])
ask_claim = jump(*SIGNATURES["claim"])


def _as_numbers(returned: Any) -> Any:
    """A type with the numbers that stand for members of an enumeration."""
    if isinstance(returned, types.BaseTuple):
        return types.Tuple([_as_numbers(part) for part in returned])
    return (
        returned.dtype if isinstance(returned, types.IntEnumMember) else types.unliteral(returned)
    )


@cache
def addresses(curve: Curve) -> dict[str, int]:
    """Compile a kind's operations, or find them in the cache.

    Args:
        curve: A kernel for each of `ADDRESS`.

    Returns:
        Their addresses, by the field of the record that holds each.

    Raises:
        TypeError: If one returns something else than it must.
    """
    found = {}
    for name, (result, *arguments) in SIGNATURES.items():
        dispatcher: Dispatcher = getattr(curve, name)
        at = address_of(dispatcher, tuple(arguments))
        returned = dispatcher.overloads[tuple(arguments)].signature.return_type
        if _as_numbers(returned) != result:
            text = f"{dispatcher.py_func.__qualname__} returns {returned}, as {name} it must"
            raise TypeError(f"{text} return {result}")
        found[ADDRESS[name]] = at
    return found
