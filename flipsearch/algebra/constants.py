# mypy: allow-untyped-calls
"""Let numba leave out code that the constants of a function rule out.

One source serves walks over F2, F3 and ZT, of any width: it asks a named tuple of sizes, which is
a constant of the compiled function. numba infers types for every branch of such a question, and
LLVM removes the branches never taken. Here each field of a constant named tuple becomes a constant
before types are inferred, and numba's own pruning removes these branches first. The machine code
does the same and takes half the time to make.

Invariant: only values that cannot change are replaced. A named tuple cannot, and compiled code is
kept under a digest of the variables of enclosing functions.
"""

from __future__ import annotations

import operator
from typing import Any

from numba.core import ir
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.ir_utils import find_const, guard
from numba.core.untyped_passes import InlineInlinables


@register_pass(mutates_CFG=False, analysis_only=False)
class ConstantFields(FunctionPass):
    """Replace fields of constant named tuples, and ``not`` of a constant, by their values."""

    _name = "flipsearch_constant_fields"

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        """Rewrite the statements of a function; return whether any changed."""
        changed = False
        for block in state.func_ir.blocks.values():
            for statement in block.find_insts(ir.Assign):
                value = _value(state.func_ir, statement.value)
                if value is not None:
                    constant = ir.Const(value, statement.loc)
                    definitions = state.func_ir._definitions[statement.target.name]
                    definitions[:] = [constant if d is statement.value else d for d in definitions]
                    statement.value = constant
                    changed = True
        return changed


def _value(function: Any, expression: Any) -> Any:
    """Return the value of an expression that is constant, or None."""
    if not isinstance(expression, ir.Expr):
        return None
    if expression.op == "getattr":
        owner = guard(find_const, function, expression.value)
        if isinstance(owner, tuple) and expression.attr in getattr(owner, "_fields", ()):
            return getattr(owner, expression.attr)
    if expression.op == "unary" and expression.fn is operator.not_:
        operand = guard(find_const, function, expression.value)
        return None if operand is None else not operand
    return None


class PruningCompiler(CompilerBase):
    """numba's compiler with `ConstantFields` before the last pruning of dead branches."""

    def define_pipelines(self) -> list[Any]:
        """Return the passes, in order."""
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.add_pass_after(ConstantFields, InlineInlinables)
        passes.finalize()
        return [passes]
