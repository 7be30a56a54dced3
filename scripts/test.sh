#!/usr/bin/env bash
# Lint and test, with everything that this needs:
#
#   scripts/test.sh [arguments for pytest]
#
# PyTorch is the reference of the parity tests; nothing else uses it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/venv.sh

make_venv
# Before the package's own extras, which any PyTorch satisfies.
install torch==2.13.0
install -e '.[dev]'
install_encoder

"$PYTHON" -m ruff check .
"$PYTHON" -m ruff format --check .
"$PYTHON" -m pytest "$@"
