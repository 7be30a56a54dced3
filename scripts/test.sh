#!/usr/bin/env bash
# Install everything that the tests need, then lint and test:
#
#   scripts/test.sh [--quick | arguments for pytest]
#
# Without arguments it skips the tests marked `slow` or `bench`; `scripts/test.sh tests` runs all.
# --quick runs the core alone, from data to trained models, without MLX's CPU backend on Linux
# (tests whose name has `linux_cpu`).
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
case "${1-}" in
"") set -- -m "not slow and not bench and not campaign" ;;
--quick)
    set -- -m "not slow and not bench and not campaign" -k "not linux_cpu" tests/test_packaging.py \
        tests/{backend,checkpoints,cli,data,evaluation,models,pretraining,training} "${@:2}"
    ;;
esac
"$PYTHON" -m pytest --numprocesses 2 --dist loadfile "$@"
