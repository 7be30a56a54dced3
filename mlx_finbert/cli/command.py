"""The wrapper around every command: error messages and exit status."""

import logging
import sys
from collections.abc import Callable
from functools import wraps

from mlx_finbert.backend.process import prepare_process
from mlx_finbert.cli.output_streams import with_lasting_streams
from mlx_finbert.errors import InputError


def command(main: Callable[..., int | None]) -> Callable[..., int]:
    """Wrap a command so that it reports errors in one sentence and returns its exit status.

    The status is 0 for success, 1 for failed work, 2 for unusable input and 130 after Ctrl-C.

    If the reader of the output goes away (`head`), the work continues and its status is unchanged.
    If the output cannot be written, as on a full disk, the work also continues, but the status is
    not 0.
    """

    @wraps(main)
    def run(argv: list[str] | None = None) -> int:
        return with_lasting_streams(lambda: status_of(main, argv))

    return run


def status_of(main: Callable[..., int | None], argv: list[str] | None) -> int:
    """Run the command and return its status; print an exception as one sentence."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    try:
        prepare_process()
        return main(argv) or 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        # Where there are two names, as in a copy, the second is the file that is written.
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
        # argparse exits with 0 after --help.
        return 0
