"""Asks the processor for memory that a loop needs a few events later, so that it does not stand and wait for it.

The state of 100,000 series does not fit into the caches, and events come in any order of series: without this an event
waits for five or six cache lines (measured, random order: 0.29 us an event; with it 0.14). Changes no result.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils as numba_cgutils
from numba.extending import intrinsic

AHEAD = 6  # events: long enough for memory to answer, short enough for the line to be still there

_cgutils: Any = numba_cgutils
_BYTE, _NUMBER = ir.IntType(8).as_pointer(), ir.IntType(32)
_SHAPE = ir.FunctionType(ir.VoidType(), [_BYTE, _NUMBER, _NUMBER, _NUMBER])


def _prefetch(typing_context: Any, array: Any, i: Any, j: Any) -> Any:
    """Within compiled code: fetch the cache line of `array[i, j]`, which must lie within the array."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = signature.args[0]
        view = context.make_array(kind)(context, builder, args[0])
        item = _cgutils.get_item_pointer(context, builder, kind, view, list(args[1:]), wraparound=False)
        call = _cgutils.get_or_insert_function(builder.module, _SHAPE, "llvm.prefetch.p0")
        to_write, keep, data = (ir.Constant(_NUMBER, n) for n in (1, 3, 1))
        builder.call(call, [builder.bitcast(item, _BYTE), to_write, keep, data])
        return context.get_dummy_value()

    return types.void(array, i, j), generate


prefetch: Any = intrinsic(_prefetch)
