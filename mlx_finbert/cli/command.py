"""What every command does around its work."""

import logging
import sys
from collections.abc import Callable
from functools import wraps

from mlx_finbert.backend.process import prepare_process
from mlx_finbert.cli.output_streams import with_lasting_streams
from mlx_finbert.errors import InputError


def command(main: Callable[..., int | None]) -> Callable[..., int]:
    """Print bad input as one sentence and return the exit status.

    0 for success, 1 for work that failed, 2 for input that cannot be used, 130 after Ctrl-C.

    If nobody reads the output any more (`head`), the work continues and has its own status. If the
    output cannot be written, as on a full disk, the work continues too, and the status is not 0.
    """

    @wraps(main)
    def run(argv: list[str] | None = None) -> int:
        return with_lasting_streams(lambda: status_of(main, argv))

    return run


def status_of(main: Callable[..., int | None], argv: list[str] | None) -> int:
    """Run a command's own work; print an exception as one sentence."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    try:
        prepare_process()
        return main(argv) or 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        # Of two, as in a copy, the second is the one that is written.
        name = error.filename2 or error.filename
        where = f"{name}: " if name else ""
        print(f"error: {where}{error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except SystemExit as end:
        if end.code:
            raise
        # After --help.
        return 0
