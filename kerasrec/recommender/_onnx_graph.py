"""An ONNX graph, written node by node."""

from typing import Any

import numpy as np


class Graph:
    """The nodes and constants of a graph, named by numbers.

    Attributes:
        made: nodes, in topological order.
        constants: its tensors.
        n_bytes: size of the constants.
    """

    def __init__(self, prefix: str = "x") -> None:
        self.made: list[Any] = []
        self.constants: list[Any] = []
        self.n_bytes = 0
        self._prefix, self._count = prefix, 0

    def constant(self, value: Any) -> str:
        """Add a constant, and return its name.

        Args:
            value: array or number; text as an object array of bytes.
        """
        from onnx import TensorProto, helper, numpy_helper

        array = np.asarray(value)
        name = self._name()
        if array.dtype.kind == "O":
            self.constants.append(helper.make_tensor(name, TensorProto.STRING, array.shape, array.tolist()))
            self.n_bytes += sum(map(len, array.tolist()))
        else:
            self.constants.append(
                numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
            )
            self.n_bytes += array.nbytes
        return name

    def node(self, operation: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add an operation, and return the name of its output.

        Args:
            operation: name in ONNX.
            *inputs: names.
            output: name of the result. Defaults to `None`: a number.
            **attributes: attributes of the operation.
        """
        return self.nodes(operation, 1, *inputs, outputs=[output or self._name()], **attributes)[0]

    def nodes(
        self, operation: str, n: int, *inputs: str, outputs: list[str] | None = None, **attributes: Any
    ) -> list[str]:
        """Add an operation, and return the names of its outputs.

        Args:
            operation: name in ONNX.
            n: number of outputs.
            *inputs: names.
            outputs: names of the results. Defaults to `None`: numbers.
            **attributes: attributes of the operation.
        """
        from onnx import helper

        outputs = outputs or [self._name() for _ in range(n)]
        self.made.append(helper.make_node(operation, inputs, outputs, **attributes))
        return outputs

    def cast(self, what: str, dtype: Any) -> str:
        """Convert to another type of numbers."""
        from onnx import helper

        return self.node("Cast", what, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def filled(self, shape: str, value: Any) -> str:
        """An array of one value.

        Args:
            shape: name of the shape.
            value: NumPy number.
        """
        from onnx import numpy_helper

        tensor = numpy_helper.from_array(np.asarray(value).reshape(1))
        return self.node("ConstantOfShape", shape, value=tensor)

    def rows(self, starts: str, rows: str) -> tuple[str, str]:
        """The entries of some rows of a ragged array, one row after the other.

        Args:
            starts: start of each row, and the end, int64 `[n + 1]`.
            rows: numbers of rows, int64 `[R]`.

        Returns:
            The position of the row of each entry in `rows`, and the place of the entry in the array.
        """
        zero, one = self.constant(np.int64(0)), self.constant(np.int64(1))
        first = self.node("Gather", starts, rows)
        counts = self.node("Sub", self.node("Gather", starts, self.node("Add", rows, one)), first)
        offsets = self.node("Sub", self.node("CumSum", counts, zero), counts)
        total = self.node("ReduceSum", counts, keepdims=1)
        # Ones where rows begin: their running sum is the number of the row.
        marks = self.node(
            "ScatterElements",
            self.filled(self.node("Add", total, one), np.int64(0)),
            offsets,
            self.filled(self.node("Shape", rows), np.int64(1)),
            reduction="add",
        )
        begun = self.node("Slice", self.node("CumSum", marks, zero), self.constant(np.array([0])), total)
        owner = self.node("Sub", begun, one)
        count = self.node("Squeeze", total)
        shift = self.node("Gather", self.node("Sub", first, offsets), owner)
        return owner, self.node("Add", self.node("Range", zero, count, one), shift)

    def subgraph(self, name: str, inputs: list[str], output: str, dtype: Any) -> Any:
        """The nodes so far as the body of a `Scan`, which can use the names of the graph around it.

        Args:
            name: name of the body.
            inputs: names of its inputs, int64 numbers.
            output: name of its output `[N]`.
            dtype: type of the output.
        """
        from onnx import TensorProto, helper

        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return helper.make_graph(
            self.made,
            name,
            [helper.make_tensor_value_info(own, TensorProto.INT64, []) for own in inputs],
            [helper.make_tensor_value_info(output, kind, [None])],
            self.constants,
        )

    def _name(self) -> str:
        self._count += 1
        return f"{self._prefix}{self._count}"
