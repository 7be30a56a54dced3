"""Work in a background thread: the host reads and tokenizes while the device computes.

Do not use this for work with MLX: its streams belong to one thread.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def background() -> Iterator[Executor]:
    """Run a background thread; work that it has not begun when the block ends is cancelled."""
    thread = ThreadPoolExecutor(1, "background")
    try:
        yield thread
    finally:
        thread.shutdown(cancel_futures=True)


def ahead(items: Iterable[T]) -> Iterator[T]:
    """Yield the same items in the same order, and make the next one in a background thread.

    At most one item waits, in addition to the one in use. An exception from making an item is
    raised when that item is requested. Closing waits for the item that is being made.
    """
    source = iter(items)

    def next_one() -> list[T]:
        """Return a list of the next item, empty after the last."""
        return list(islice(source, 1))

    with background() as thread:
        coming = thread.submit(next_one)
        while made := coming.result():
            coming = thread.submit(next_one)
            yield from made
