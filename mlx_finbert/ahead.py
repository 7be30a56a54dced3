"""Items made ahead of their use: the host reads and tokenizes while the device computes."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterable[T]) -> Iterator[T]:
    """The same items in the same order, the next one made by another thread while one is used.

    One item waits at most, beside the one in use. What making an item raises is raised where that
    item is asked for. Items made with MLX are no good: its streams belong to a thread.
    """
    items, end = iter(items), object()
    with ThreadPoolExecutor(1, "ahead") as thread:
        coming = thread.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(next, items, end)
            yield item
