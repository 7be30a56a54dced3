"""What every command does around its work."""

import logging
import sys
from collections.abc import Callable
from functools import wraps

from mlx_finbert.backend import check_backend
from mlx_finbert.errors import InputError


def command(main: Callable[..., int | None]) -> Callable[..., int]:
    """Print bad input as one sentence and return the exit status.

    0 for success, 1 for work that failed, 2 for input that cannot be used, 130 after Ctrl-C.
    """

    @wraps(main)
    def run(argv: list[str] | None = None) -> int:
        logging.basicConfig(format="%(message)s", stream=sys.stderr)
        try:
            check_backend()
            return main(argv) or 0
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        except BrokenPipeError:
            # The reader of our output, `head` for instance, has gone.
            sys.stderr.close()
            return 0
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            print(f"error: {where}{error.strerror or error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
            return 130

    return run
