#!/usr/bin/env bash
# Install everything that the tests need, then lint and test:
#
#   scripts/test.sh [arguments for pytest]
#
# Without arguments it skips slow tests; `scripts/test.sh tests` runs all tests.
# PyTorch is only used as the reference of the parity tests.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/venv.sh

make_venv
# First, since any version of PyTorch satisfies the package's own extras.
install torch==2.13.0
install -e '.[dev]'
install_encoder

# The default limit of a macOS shell.
ulimit -S -n 256

"$PYTHON" -m ruff check .
"$PYTHON" -m ruff format --check .
"$PYTHON" -m mypy -p mlx_finbert
if [ $# -eq 0 ]; then
    set -- -m "not slow"
fi
"$PYTHON" -m pytest --numprocesses 2 --dist loadfile "$@"
