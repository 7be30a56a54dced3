"""Copies of the test's process that are killed in the middle of their work."""

import os
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any


def killed_before(number: int, work: Callable[[], Any], changes: Sequence[str]) -> bool:
    """Whether a copy of this process gets to the end of the work.

    It dies before the call of this number, from 0, of the functions of `os` with these names.
    """
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1] == 0
    numbers = count()

    def dying(true: Callable[..., Any]) -> Callable[..., Any]:
        def change(*arguments: Any, **more: Any) -> Any:
            if next(numbers) == number:
                os._exit(1)
            return true(*arguments, **more)

        return change

    for name in changes:
        setattr(os, name, dying(getattr(os, name)))
    try:
        work()
    finally:
        os._exit(0)
