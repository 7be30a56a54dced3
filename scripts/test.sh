#!/usr/bin/env bash
# Lint and test, with everything that this needs:
#
#   scripts/test.sh [arguments for pytest]
#
# Without arguments it leaves the slow tests out; `scripts/test.sh tests` runs them too.
# PyTorch is the reference of the parity tests; nothing else uses it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/venv.sh

make_venv
# Before the package's own extras, which any PyTorch satisfies.
install torch==2.13.0
install -e '.[dev]'
install_encoder

# What a macOS shell allows.
ulimit -S -n 256

"$PYTHON" -m ruff check .
"$PYTHON" -m ruff format --check .
"$PYTHON" -m mypy -p mlx_finbert
if [ $# -eq 0 ]; then
    set -- -m "not slow"
fi
"$PYTHON" -m pytest --numprocesses 2 --dist loadfile "$@"
