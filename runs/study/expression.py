"""Arithmetic of columns, as studies derive numbers: ``liquidated / debt``.

What a study's file says is read by `pandas.DataFrame.eval`, which also calls methods of
the columns, and those write files. So an expression is arithmetic, and nothing else.
"""

from __future__ import annotations

import ast

LONGEST = 2_000
FUNCTIONS = frozenset(
    {
        *("sin", "cos", "tan", "exp", "log", "expm1", "log1p", "log10", "sqrt", "abs"),
        *("sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh"),
        *("arctan2", "floor", "ceil"),
    }
)
"""Of numbers, that `pandas.eval` knows."""
_PARTS = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Name, ast.Load),
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow),
    *(ast.UAdd, ast.USub, ast.Not, ast.Invert, ast.And, ast.Or, ast.BitAnd, ast.BitOr),
    *(ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Constant, ast.Call),
)


def arithmetic(text: str) -> str:
    """An expression as it may be computed.

    Args:
        text: Of names of columns and numbers.

    Returns:
        The same; whole numbers that are taken to a power, or are one, as floating-point numbers:
        those of Python would grow without end.

    Raises:
        ValueError: If it is no arithmetic.
    """
    if len(text) > LONGEST:
        raise ValueError(f"is longer than {LONGEST:,} characters; derive it in parts")
    try:
        tree = ast.parse(text.strip(), mode="eval")
        for node in ast.walk(tree):
            _check(node)
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
                for part in ast.walk(node):
                    if isinstance(part, ast.Constant) and type(part.value) is int:
                        part.value = float(part.value)
        return ast.unparse(tree)
    except (SyntaxError, RecursionError, MemoryError, OverflowError) as error:
        what = error.msg if isinstance(error, SyntaxError) else type(error).__name__
        raise ValueError(f"cannot be computed: {what}; write it as liquidated / debt") from None


def _check(node: ast.AST) -> None:
    if not isinstance(node, _PARTS):
        kind = type(node).__name__.lower()
        raise ValueError(f"cannot be computed: it is more than arithmetic ({kind}); take it out")
    if isinstance(node, ast.Constant) and not isinstance(node.value, int | float | str):
        raise ValueError(f"cannot be computed: {node.value!r} is no number; take it out")
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in FUNCTIONS or node.keywords:
            known = ", ".join(sorted(FUNCTIONS))
            raise ValueError(f"cannot be computed: {name or 'that'} is no function; known: {known}")
