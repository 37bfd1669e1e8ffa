"""Compiled kernels: how they are made, cached, announced and called through an address.

Numba's own disk cache notices an edit only in the file that defines the cached
function, not in what that function calls from other files. So the cache folder
is keyed by a hash of every source that can end up inside a kernel: an edit
anywhere starts a new folder, and a stale kernel cannot run.
"""

from __future__ import annotations

import hashlib
import inspect
import multiprocessing
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils, event
from numba.extending import intrinsic
from numba.np import numpy_support
from numba.np.arrayobj import make_array

_PACKAGES = ("sim", "protocols", "agents")
_KEEP_SECONDS = 30 * 86_400.0


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


@cache
def sources_hash() -> str:
    """Hash of every source that can end up inside a kernel; two alike run the same market."""
    return _read_sources()


def _read_sources() -> str:
    digest = hashlib.sha256()
    root = Path(__file__).resolve().parent.parent
    for package in _PACKAGES:
        # Sorted as texts, so that machines of all kinds agree.
        files = {f.relative_to(root).as_posix(): f for f in (root / package).rglob("*.py")}
        for name, file in sorted(files.items()):
            if "__pycache__" not in name.split("/"):
                digest.update(name.encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()[:20]


def _kernels_hash() -> str:
    """Hash of the sources and of what compiles them."""
    parts = (numba.__version__, platform.python_version(), platform.machine(), sys.platform)
    text = "|".join((*parts, _read_sources()))
    return hashlib.sha256(text.encode()).hexdigest()[:20]


@cache
def cache_folder() -> Path:
    """Folder of the compiled kernels of exactly these sources.

    ``UNDERTOW_CACHE`` names its parent; without it the user's cache folder is
    used, and where that cannot be written, a folder of this user under the
    system's temporary one.
    """
    name = f"kernels-{_kernels_hash()}"
    parents = []
    if chosen := os.environ.get("UNDERTOW_CACHE"):
        parents.append(Path(chosen))
    if base := os.environ.get("XDG_CACHE_HOME"):
        parents.append(Path(base) / "undertow")
    with suppress(RuntimeError):  # no home folder, as in some containers
        parents.append(Path.home() / ".cache" / "undertow")
    user = getattr(os, "getuid", lambda: "user")()
    parents.append(Path(tempfile.gettempdir()) / f"undertow-{user}")
    for parent in parents:
        if _writable(parent / name):
            _forget_old(parent, keep=name)
            return parent / name
    return Path(tempfile.mkdtemp(prefix="undertow-"))


def _forget_old(parent: Path, keep: str) -> None:
    """Remove kernels of sources that nobody has run for a month."""
    os.utime(parent / keep)
    for folder in parent.glob("kernels-*"):
        try:
            if folder.name != keep and time.time() - folder.stat().st_mtime > _KEEP_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # another process was quicker
            continue


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function with Numba, cached on disk under `cache_folder`.

    Floating point follows IEEE 754 to the letter (no fast-math), so that the
    same scenario and seed give the same bits. Division by zero gives inf or
    NaN, as in NumPy, and is for the caller to exclude.
    """
    return _compiled(function)


def inner(function: Callable[..., Any]) -> Any:
    """Compile a function that only kernels call, and `call_at`.

    As `kernel`, without the wrapper that takes Python's objects apart. For a
    function of a whole `World` that wrapper takes longer to compile than the
    function itself.
    """
    return _compiled(function, no_cpython_wrapper=True)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a function into each kernel that calls it, instead of by a call.

    For what passes on many arguments to few callers: the compiler's own rule, which looks
    at size alone, would have it called, with every argument through memory.
    """
    return _compiled(function, no_cpython_wrapper=True, forceinline=True)


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(cache_folder())
    try:
        dispatcher = njit(
            cache=True, error_model="numpy", boundscheck=False, no_cfunc_wrapper=True, **options
        )(function)
    finally:
        numba.config.CACHE_DIR = before
    template = dispatcher.get_call_template
    dispatcher.get_call_template = lambda args, kws: template(
        tuple(_plain(kind) for kind in args), {name: _plain(kind) for name, kind in kws.items()}
    )
    return dispatcher


def _plain(kind: Any) -> Any:
    """The type that a kernel is compiled for where another one passes it an argument.

    Numba compiles a function anew for each constant that it is called with, and for each width
    of integers: a fifth of all that a market compiles. What is small is compiled into its
    callers anyway, with the constants.
    """
    plain = types.unliteral(kind)
    if isinstance(plain, types.Integer) and plain.signed:
        return types.int64
    return plain


class _CompileListener(event.Listener):
    """Calls `report` with a kernel's name whenever one starts to compile."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self.report = report

    def on_start(self, event: Any) -> None:
        self.report(event.data["dispatcher"].py_func.__name__)

    def on_end(self, event: Any) -> None:
        """Nothing to tell: the next start, or the end of the work, says it."""


@contextmanager
def on_compilation(report: Callable[[str], None]) -> Iterator[None]:
    """Within this context `report(name)` is called for each kernel that is compiled.

    Kernels that come from the cache are not compiled and not reported.
    """
    global _listening
    _listening += 1
    try:
        with event.install_listener("numba:compile", _CompileListener(report)):
            yield
    finally:
        _listening -= 1


USUAL = 380
"""Kernels that a first start compiles, about; what a market does not use is not among them."""


class FirstStart:
    """How far a first start is: kernels compiled so far, and about what the rest takes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is compiled yet; `clock` gives seconds."""
        self.count = 0
        self._clock = clock
        self._began = 0.0

    def started(self) -> None:
        """Note that a kernel starts to compile."""
        if self.count == 0:
            self._began = self._clock()
        self.count += 1

    def __str__(self) -> str:
        if self.count >= USUAL:
            return f"{self.count} kernels, more than most markets need"
        text = f"{self.count} of about {USUAL} kernels"
        passed = self._clock() - self._began
        if self.count < 20 or passed < 2.0:  # too few to tell how long one takes
            return text
        left = passed / self.count * (USUAL - self.count)
        return f"{text}, about {max(5 * round(left / 5.0), 5)} s left"


_listening = 0
_SAID = (
    "Compiling kernels, once: a first start takes about a minute "
    "(`undertow warm` does it ahead of time) ..."
)
_AGAIN_SECONDS = 10.0


class _Announcer(event.Listener):
    """Says on standard error that kernels compile and how far they are, where nobody else tells.

    A script would stand still for a minute otherwise. Workers are silent: their driver tells.
    """

    def __init__(self) -> None:
        self.start = FirstStart()
        self.told = 0.0

    def on_start(self, event: Any) -> None:
        ours = event.data["dispatcher"].py_func.__module__.split(".")[0] in _PACKAGES
        if not ours or _listening or multiprocessing.parent_process() is not None:
            return
        self.start.started()
        now = time.monotonic()
        if self.start.count == 1:
            print(_SAID, file=sys.stderr, flush=True)
        elif now - self.told < _AGAIN_SECONDS:
            return
        else:
            print(f"  {self.start}", file=sys.stderr, flush=True)
        self.told = now

    def on_end(self, event: Any) -> None:
        """Nothing to tell."""


event.register("numba:compile", _Announcer())


def address_of(dispatcher: Any, signature: tuple[Any, ...]) -> int:
    """Machine address of a kernel compiled for a signature, for `call_at`.

    Args:
        dispatcher: What `kernel` returned.
        signature: Numba types of the arguments.
    """
    dispatcher.compile(signature)
    result = dispatcher.overloads[signature]
    return int(result.library.get_pointer_to_function(result.fndesc.llvm_func_name))


def call_of(arguments, result=types.none, given=None):
    """Type and code of a call through an address.

    Args:
        arguments: Numba types that the kernel was compiled for.
        result: What it returns.
        given: Types of what is passed, where they are others: an integer for a record is
            the address of one.
    """
    passed = given or arguments
    signature = result(types.int64, *passed)

    def codegen(context, builder, _signature, values):
        function_type = context.call_conv.get_function_type(result, arguments)
        pointer = builder.inttoptr(values[0], function_type.as_pointer())
        ready = [
            builder.inttoptr(value, context.get_value_type(want)) if want != have else value
            for want, have, value in zip(arguments, passed, values[1:], strict=True)
        ]
        status, found = context.call_conv.call_function(builder, pointer, result, arguments, ready)
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return found if result != types.none else context.get_dummy_value()

    return signature, codegen


def jump(result: Any, *arguments: Any) -> Any:
    """A call of whatever kernel lies at an address: ``jump(address, *arguments)``.

    The caller is compiled without knowing what it calls. An address of 0 must not be called.

    Args:
        result: Numba type of what the kernel returns.
        *arguments: Of what it takes.
    """

    def jump_to(typing_context, address, *given):
        return call_of(arguments, result)

    # Numba would take what is starred as one tuple: it is shown as many names as there are.
    names = ("typing_context", "address", *(f"given_{n}" for n in range(len(arguments))))
    jump_to.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    )
    return intrinsic(jump_to)


@intrinsic
def call_at(typing_context, address, world, cohort):
    """Call the kernel at `address` as ``kernel(world, cohort)``; it returns nothing.

    This lets one compiled loop call behaviours that it does not know, at the
    price of a function pointer (13 ns), without compiling the loop anew for
    every combination of agents.
    """
    return call_of((world, cohort))


@intrinsic
def call_with(typing_context, address, world):
    """Call the kernel at `address` as ``kernel(world)``; it returns nothing.

    A kernel that another one calls by its name is compiled into it, with all that it
    calls in turn. What is large and called from many places is called through here.
    """
    return call_of((world,))


AHEAD = 4
"""Rows by which a loop asks for memory early."""
FAR_AHEAD = 16
"""The same of a loop that does little with each row."""
LINE = 64
"""Bytes that a processor fetches at a time."""


@intrinsic
def prefetch(typing_context, array, row):
    """Ask for the memory of a row of an array, while there is other work to do.

    Of a record all of it, of numbers where the row begins. Nothing waits for it, and no number
    depends on it. Where agents are many, what one needs lies in none of a processor's nearer
    caches.
    """

    def codegen(context, builder, signature, values):
        kind = signature.args[0]
        data = make_array(kind)(context, builder, values[0])
        stride = cgutils.unpack_tuple(builder, data.strides)[0]
        byte = ir.IntType(8).as_pointer()
        at = builder.gep(builder.bitcast(data.data, byte), [builder.mul(values[1], stride)])
        record = kind.dtype.size if isinstance(kind.dtype, types.Record) else 1
        word = ir.IntType(32)
        kind_of = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        function = cgutils.get_or_insert_function(builder.module, kind_of, "llvm.prefetch.p0i8")
        for place in range(0, record, LINE):
            line = builder.gep(at, [ir.IntType(64)(place)])
            builder.call(function, [line, word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.none(array, types.int64), codegen


ME = numpy_support.from_dtype(np.dtype([("account", "i8")]))
"""Stands for the record of any protocol: a pointer, whatever fields lie behind it."""
OUTCOME = types.Tuple((types.int64, types.float64))
"""How a call of a protocol ended, and what it gave out."""


@intrinsic
def call_protocol(typing_context, address, world, record, order):
    """Call the kernel at `address` as ``kernel(world, me, order)``: (reason, amount out).

    `record` is the address of the protocol's record, whose fields only its kernels know.
    """
    return call_of((world, ME, order), OUTCOME, (world, types.int64, order))


@intrinsic
def ask_protocol(typing_context, address, world, record):
    """Call the kernel at `address` as ``kernel(world, me)``, which returns a number."""
    return call_of((world, ME), types.float64, (world, types.int64))


@intrinsic
def ask_quote(typing_context, address, world, record, token_in, token_out, amount):
    """Call the kernel at `address` as ``kernel(world, me, token in, token out, amount)``."""
    asked = (types.int64, types.int64, types.float64)
    return call_of((world, ME, *asked), types.float64, (world, types.int64, *asked))


@intrinsic
def let_protocol(typing_context, address, world, record):
    """Call the kernel at `address` as ``kernel(world, me)``, which returns nothing."""
    return call_of((world, ME), types.none, (world, types.int64))


@intrinsic
def ask_entry(typing_context, address, world, record, number):
    """Call the kernel at `address` as ``kernel(world, me, k)``, which returns a number."""
    return call_of((world, ME, types.int64), types.float64, (world, types.int64, types.int64))


@intrinsic
def record_at(typing_context, address, kind):
    """The record of a type that lies at an address: ``record_at(address, dtype)``.

    So one kernel reads what another protocol's kernels read as `me`. The type is a constant of
    the module, and must be that of what lies there.
    """
    found = kind.dtype

    def codegen(context, builder, signature, values):
        return builder.inttoptr(values[0], context.get_value_type(found))

    return found(types.int64, kind), codegen


def returns(dispatcher: Any, signature: tuple[Any, ...]) -> Any:
    """Numba type of what a kernel returns, compiled for a signature."""
    dispatcher.compile(signature)
    return dispatcher.overloads[signature].signature.return_type
