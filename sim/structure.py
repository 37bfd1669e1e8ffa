"""A bundle of arrays that a kernel takes as one pointer.

A named tuple of thirty arrays is passed to a compiled function as two hundred
words, and every array in it is reference counted at every call: half a microsecond
where a swap takes tens of nanoseconds. A `Structure` is a table of addresses and
shapes instead; kernels read ``structure.field`` from it as they would from the
tuple, and the compiler keeps what it has read, because the table never changes
while a kernel runs. Python keeps the arrays alive.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    NativeValue,
    infer_getattr,
    intrinsic,
    lower_getattr_generic,
    models,
    register_model,
    typeof_impl,
    unbox,
)
from numba.np import numpy_support
from numba.np.arrayobj import get_itemsize, make_array, populate_array

_WORD = ir.IntType(64)


class StructureType(types.Type):
    """Numba's type of a `Structure`: names, types and places of its fields."""

    def __init__(self, name: str, fields: tuple[tuple[str, types.Type], ...]) -> None:
        """Lay the fields out in words: an address, and for arrays a length per dimension.

        Types of one name are one type to Numba: a name belongs to one list of fields.
        """
        self.fields = fields
        super().__init__(name=f"Structure({name})")

    def place(self, field: str) -> tuple[int, types.Type]:
        """First word and type of a field."""
        at = 0
        for name, kind in self.fields:
            if name == field:
                return at, kind
            at += 1 + (kind.ndim if isinstance(kind, types.Array) else 0)
        raise KeyError(field)


@register_model(StructureType)
class _StructureModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, ir.IntType(8).as_pointer())


@infer_getattr
class _StructureAttributes(AttributeTemplate):
    key = StructureType

    def generic_resolve(self, kind: Any, attribute: str) -> Any:
        return dict(kind.fields).get(attribute)


@lower_getattr_generic(StructureType)
def _read_field(context: Any, builder: Any, kind: Any, value: Any, attribute: str) -> Any:
    """Read an address, or build an array around one, without a reference count."""
    at, field = kind.place(attribute)
    table = builder.bitcast(value, _WORD.as_pointer())
    unchanging = builder.module.add_metadata([])

    def word(i: int) -> Any:
        loaded = builder.load(builder.gep(table, [ir.Constant(_WORD, at + i)]))
        loaded.set_metadata("invariant.load", unchanging)
        return loaded

    if isinstance(field, StructureType):
        return builder.inttoptr(word(0), ir.IntType(8).as_pointer())
    if isinstance(field, types.Record):
        return builder.inttoptr(word(0), context.get_value_type(field))
    if not isinstance(field, types.Array):
        pointer = builder.inttoptr(word(0), context.get_data_type(field).as_pointer())
        number = builder.load(pointer)
        number.set_metadata("invariant.load", unchanging)
        return number
    array = make_array(field)(context, builder)
    size = get_itemsize(context, field)
    shape = [word(1 + d) for d in range(field.ndim)]
    strides = [context.get_constant(types.intp, size)]
    for length in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], length))
    pointer = builder.inttoptr(word(0), context.get_data_type(field.dtype).as_pointer())
    populate_array(
        array,
        data=pointer,
        shape=cgutils.pack_array(builder, shape, ty=_WORD),
        strides=cgutils.pack_array(builder, strides, ty=_WORD),
        itemsize=context.get_constant(types.intp, size),
        meminfo=None,
    )
    return array._getvalue()


@intrinsic
def structure_at(typing_context, address):
    """A structure whose fields only its receiver knows, by its `Structure.address`."""

    def codegen(context, builder, _signature, values):
        return builder.inttoptr(values[0], ir.IntType(8).as_pointer())

    return StructureType("any", ())(address), codegen


@unbox(StructureType)
def _take_address(kind: Any, thing: Any, c: Any) -> Any:
    number = c.pyapi.object_getattr_string(thing, "address")
    address = c.pyapi.long_as_ulonglong(number)
    c.pyapi.decref(number)
    pointer = c.builder.inttoptr(address, ir.IntType(8).as_pointer())
    return NativeValue(pointer, is_error=cgutils.is_not_null(c.builder, c.pyapi.err_occurred()))


class Structure:
    """Base of bundles: a subclass lists its `fields` and annotates them.

    Attributes:
        fields: For each field (dtype, number of dimensions), or another Structure. Without
            dimensions it is a record, or a number that does not change while a kernel runs.
        address: Where kernels find the table.
    """

    fields: ClassVar[Mapping[str, Any]] = {}
    _type: ClassVar[StructureType]
    address: int

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Give the subclass its type in kernels."""
        super().__init_subclass__(**kwargs)
        kinds = []
        for name, field in cls.fields.items():
            if isinstance(field, type) and issubclass(field, Structure):
                kinds.append((name, field._type))
            else:
                dtype, dimensions = field
                element = numpy_support.from_dtype(np.dtype(dtype))
                array = types.Array(element, dimensions, "C") if dimensions else element
                kinds.append((name, array))
        cls._type = StructureType(cls.__name__, tuple(kinds))

    def __init__(self, **values: Any) -> None:
        """Bundle arrays; they are not copied.

        Raises:
            TypeError: If a field is missing, unknown, or of another kind.
        """
        if set(values) != set(self.fields):
            wrong = sorted(set(values) ^ set(self.fields))
            raise TypeError(f"{type(self).__name__}: fields missing or unknown: {wrong}")
        words: list[int] = []
        for name, field in self.fields.items():
            value: Any = values[name]
            if isinstance(field, type):
                if not isinstance(value, Structure) or not isinstance(value, field):
                    raise TypeError(f"{type(self).__name__}.{name} must be a {field.__name__}")
                words.append(value.address)
            else:
                dtype, dimensions = np.dtype(field[0]), field[1]
                fits = isinstance(value, np.ndarray) and value.flags.c_contiguous
                if not (fits and value.dtype == dtype and value.ndim == dimensions):
                    raise TypeError(
                        f"{type(self).__name__}.{name} must be a contiguous array of {dtype} in "
                        f"{dimensions} dimensions"
                    )
                words += [value.ctypes.data, *value.shape]
            setattr(self, name, value)
        self._table = np.array(words, dtype=np.uint64)
        self.address = int(self._table.ctypes.data)

    def _replace(self, **values: Any) -> Self:
        """The same bundle with some fields exchanged."""
        return type(self)(**({name: getattr(self, name) for name in self.fields} | values))

    def __reduce__(self) -> Any:
        """Addresses do not survive a pickle: the arrays are bundled anew."""
        return _bundle, (type(self), {name: getattr(self, name) for name in self.fields})


def _bundle(cls: type[Structure], values: Mapping[str, Any]) -> Structure:
    return cls(**values)


@typeof_impl.register(Structure)
def _type_of(value: Structure, context: Any) -> StructureType:
    return value._type
