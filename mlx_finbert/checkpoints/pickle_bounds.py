"""Checks that a pickle is no trap, before it is unpickled.

A pickle of a hundred bytes can ask for gigabytes (an index of the memo, a length in its header) or
for more time than there is (tuples that hold one tuple twice, level upon level, and are hashed).
Here its operations are read without being executed, and only what could cost more than the file's
size is followed: the memo, the lengths, and the number of values that each object expands to.
"""

import pickletools
from dataclasses import dataclass, field
from typing import IO, Any

MOST_VALUES = 1_000_000
"""An object may expand to this many values even in a small pickle, as shared objects do."""

MOST_SKIPPED = 1000
"""A pickle may skip this many numbers of its memo."""

PUTS = ("PUT", "BINPUT", "LONG_BINPUT")
GETS = ("GET", "BINGET", "LONG_BINGET")
MARK = pickletools.markobject


class Bounded:
    """A file from its current place, of which no more is read than there is.

    Python allocates the length that a pickle gives before it reads.
    """

    def __init__(self, file: IO[bytes], size: int) -> None:
        """
        Args:
            file: the file; its place moves along.
            size: the length of the file.
        """
        self.file, self.size = file, size

    def read(self, length: int = -1) -> bytes:
        left = self.size - self.file.tell()
        return self.file.read(left if length < 0 else min(length, left))

    def readline(self) -> bytes:
        return self.file.readline()

    def tell(self) -> int:
        return self.file.tell()


def check_pickle(file: IO[bytes], size: int) -> None:
    """Read the next pickle of a file, and return to its start.

    Args:
        file: where the pickle starts; it can seek.
        size: the length of the file.

    Raises:
        ValueError: for a pickle that is damaged, or whose objects would be larger than it is.
    """
    start = file.tell()
    machine = _Expansions(most=MOST_VALUES + size)
    try:
        for operation, argument, _ in pickletools.genops(Bounded(file, size)):  # type: ignore[arg-type]
            if operation.name == "FRAME" and int(argument or 0) > size:
                raise ValueError(f"a frame of {argument} bytes")
            machine.take(operation, argument)
    finally:
        file.seek(start)


@dataclass
class _Expansions:
    """For each object on a pickle's stack, the number of values that it expands to."""

    most: int
    stack: list[int] = field(default_factory=list)
    below: list[list[int]] = field(default_factory=list)
    """The parts of the stack below its marks."""
    memo: dict[int, int] = field(default_factory=dict)

    def take(self, operation: Any, argument: Any) -> None:
        """Follow one operation."""
        name = operation.name
        if name in GETS:
            self.stack.append(self.memo[int(argument)])
        elif name in PUTS or name == "MEMOIZE":
            self._put(len(self.memo) if name == "MEMOIZE" else int(argument))
        elif name == "MARK":
            self.below.append(self.stack)
            self.stack = []
        elif name == "DUP":
            self.stack.append(self.stack[-1])
        elif name == "POP" and not self.stack:
            self.stack = self.below.pop()
        else:
            self._replace(operation)

    def _put(self, index: int) -> None:
        # The memo is an array. Python and PyTorch number the objects in their order.
        if index > len(self.memo) + MOST_SKIPPED:
            raise ValueError(f"object {len(self.memo)} has the number {index}")
        self.memo[index] = self.stack[-1]

    def _replace(self, operation: Any) -> None:
        """Replace an operation's operands by its results, which expand to all of them."""
        names = operation.stack_before
        operands: list[int] = []
        if MARK in names:
            operands, self.stack = self.stack, self.below.pop()
            names = names[: names.index(MARK)]
        operands = operands + [self.stack.pop() for _ in names]
        values = 1 + sum(operands)
        if values > self.most:
            raise ValueError(f"an object that expands to more than {self.most:,} values")
        self.stack += [values for _ in operation.stack_after]
