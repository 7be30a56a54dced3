"""Work of another thread: the host reads and tokenizes while the device computes.

Not for work with MLX, whose streams belong to a thread.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def background() -> Iterator[Executor]:
    """A thread beside this one. What it has not begun at the end of the block is dropped."""
    thread = ThreadPoolExecutor(1, "background")
    try:
        yield thread
    finally:
        thread.shutdown(cancel_futures=True)


def ahead(items: Iterable[T]) -> Iterator[T]:
    """The same items in the same order, the next one made by another thread while one is used.

    One item waits at most, beside the one in use. What making an item raises is raised where that
    item is asked for. Closing waits for the item that is being made.
    """
    source = iter(items)

    def next_one() -> list[T]:
        """The next item alone; nothing after the last."""
        return list(islice(source, 1))

    with background() as thread:
        coming = thread.submit(next_one)
        while made := coming.result():
            coming = thread.submit(next_one)
            yield from made
