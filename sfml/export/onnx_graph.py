"""A small notation for ONNX graphs: arithmetic on values, which adds the nodes that compute them.

All numbers are doubles unless it is said otherwise: flux ratios and scaled features lose what
matters in single precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

OPSET = 18
"""Version of ONNX's operators, of 2022."""

IR_VERSION = 9
"""Version of ONNX's files that goes with it."""

LN10 = float(np.log(10))


class Value:
    """What one node of a graph computes; rows are its first axis."""

    __array_ufunc__ = None  # an array on the left leaves the operation to the value

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph, self.name = graph, name

    def __add__(self, other: Any) -> Value:
        return self.graph.add("Add", self, other)

    def __sub__(self, other: Any) -> Value:
        return self.graph.add("Sub", self, other)

    def __rtruediv__(self, other: Any) -> Value:
        return self.graph.add("Div", other, self)

    def __rsub__(self, other: Any) -> Value:
        return self.graph.add("Sub", other, self)

    def __mul__(self, other: Any) -> Value:
        return self.graph.add("Mul", self, other)

    def __truediv__(self, other: Any) -> Value:
        return self.graph.add("Div", self, other)

    def __neg__(self) -> Value:
        return self.graph.add("Neg", self)

    def __lt__(self, other: Any) -> Value:
        return self.graph.add("Less", self, other)

    def __le__(self, other: Any) -> Value:
        return self.graph.add("LessOrEqual", self, other)

    def __gt__(self, other: Any) -> Value:
        return self.graph.add("Greater", self, other)

    def __ge__(self, other: Any) -> Value:
        return self.graph.add("GreaterOrEqual", self, other)

    def __and__(self, other: Value) -> Value:
        return self.graph.add("And", self, other)

    def __or__(self, other: Value) -> Value:
        return self.graph.add("Or", self, other)

    def __invert__(self) -> Value:
        return self.graph.add("Not", self)

    def equals(self, number: float) -> Value:
        """Compare with a number."""
        return self.graph.add("Equal", self, number)

    def is_nan(self) -> Value:
        """Say where it is NaN."""
        return self.graph.add("IsNaN", self)

    def is_finite(self) -> Value:
        """Say where it is neither NaN nor infinite."""
        return ~(self.is_nan() | self.graph.add("IsInf", self))

    def columns(self, places: Sequence[int], axis: int = 1) -> Value:
        """Choose columns, in this order."""
        chosen = self.graph.constant(np.asarray(places, dtype=np.int64))
        return self.graph.add("Gather", self, chosen, axis=axis)

    def at(self, places: Value, axis: int = 0) -> Value:
        """Look entries up."""
        return self.graph.add("Gather", self, places, axis=axis)

    def sum(self, axis: int = 1) -> Value:
        """Add up along an axis, which stays."""
        return self.graph.add("ReduceSum", self, self.graph.constant(np.array([axis])), keepdims=1)

    def mean(self, axis: int = 1) -> Value:
        """Average along an axis, which stays."""
        return self.graph.add("ReduceMean", self, self.graph.constant(np.array([axis])), keepdims=1)

    def largest(self, axis: int = 1) -> Value:
        """Find the largest entry along an axis, which stays; there must be no NaN."""
        return self.graph.add("ReduceMax", self, self.graph.constant(np.array([axis])), keepdims=1)

    def any(self, axis: int = 1) -> Value:
        """Say where any entry along an axis, which stays, is true."""
        return self.number().sum(axis) > 0

    def number(self) -> Value:
        """Write 1 for true and 0 for false."""
        return self.cast(np.float64)

    def cast(self, dtype: Any) -> Value:
        """Convert to another type."""
        from onnx import helper

        return self.graph.add("Cast", self, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def log(self) -> Value:
        """Compute the natural logarithm."""
        return self.graph.add("Log", self)

    def log10(self) -> Value:
        """Compute the decimal logarithm."""
        return self.log() / LN10

    def exp(self) -> Value:
        """Compute the exponential function."""
        return self.graph.add("Exp", self)

    def sqrt(self) -> Value:
        """Compute the square root."""
        return self.graph.add("Sqrt", self)

    def abs(self) -> Value:
        """Compute the absolute value."""
        return self.graph.add("Abs", self)

    def floor(self) -> Value:
        """Round down."""
        return self.graph.add("Floor", self)

    def round(self) -> Value:
        """Round to the nearest integer, halves to the even one."""
        return self.graph.add("Round", self)

    def asinh(self) -> Value:
        """Compute the inverse hyperbolic sine, which runtimes have in single precision alone."""
        size = self.abs()
        return self.graph.add("Sign", self) * (size + (size * size + 1.0).sqrt()).log()

    def at_least(self, number: Any) -> Value:
        """Raise what is lower; there must be no NaN."""
        return self.graph.add("Max", self, number)

    def at_most(self, number: Any) -> Value:
        """Lower what is higher; there must be no NaN."""
        return self.graph.add("Min", self, number)

    def or_zero(self) -> Value:
        """Write 0 for NaN."""
        return self.graph.where(self.is_nan(), 0.0, self)

    def unless(self, condition: Value) -> Value:
        """Write NaN where a condition holds."""
        return self.graph.where(condition, np.nan, self)

    def times(self, matrix: Any) -> Value:
        """Multiply with a matrix, or with a stack of them."""
        return self.graph.add("MatMul", self, matrix)

    def squeezed(self, axis: int) -> Value:
        """Leave out an axis of length 1."""
        return self.graph.add("Squeeze", self, self.graph.constant(np.array([axis])))

    def shaped(self, *shape: int) -> Value:
        """Give it another shape; 0 stands for what it was, as of the rows, which may be none."""
        return self.graph.add("Reshape", self, self.graph.constant(np.array(shape)))


class Graph:
    """Nodes and constants of a graph under construction."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[bytes, tuple[str, np.ndarray]] = {}

    def input(self, name: str) -> Value:
        """Name an input."""
        return Value(self, name)

    def constant(self, value: Any) -> Value:
        """Hold a number or an array; equal ones are held once."""
        array = np.ascontiguousarray(value).reshape(np.shape(value))
        if array.dtype.kind == "i":
            array = array.astype(np.int64)
        key = f"{array.dtype} {array.shape} ".encode() + array.tobytes()
        if key not in self.constants:
            self.constants[key] = f"c{len(self.constants)}", array
        return Value(self, self.constants[key][0])

    def add(self, operator: str, *inputs: Any, name: str | None = None, **attributes: Any) -> Value:
        """Add a node; its inputs are values, or numbers and arrays to be held."""
        from onnx import helper

        given = [each if isinstance(each, Value) else self._held(each) for each in inputs]
        output = name or f"v{len(self.nodes)}"
        names = [each.name for each in given]
        self.nodes.append(helper.make_node(operator, names, [output], **attributes))
        return Value(self, output)

    def where(self, condition: Value, yes: Any, no: Any) -> Value:
        """Choose between two values."""
        return self.add("Where", condition, yes, no)

    def join(self, *parts: Value, axis: int = 1) -> Value:
        """Put values side by side."""
        return parts[0] if len(parts) == 1 else self.add("Concat", *parts, axis=axis)

    def initializers(self) -> list[Any]:
        """List the constants as ONNX has them."""
        from onnx import numpy_helper

        return [numpy_helper.from_array(array, name) for name, array in self.constants.values()]

    def _held(self, value: Any) -> Value:
        array = np.asarray(value)
        return self.constant(array if array.dtype == np.float32 else array.astype(np.float64))
