#!/bin/bash
# Run one of the commands as several processes, on this machine or on several Macs:
#
#   scripts/launch.sh -n 2 -m mlx_finbert.train --data imdb --output-dir runs/imdb
#   scripts/launch.sh --hostfile scripts/hosts.example.json -m mlx_finbert.train --data imdb --output-dir runs/imdb
#
# Arguments before -m go to mlx.launch. It exits with 0 even if a process failed; this script then
# exits with 1. PYTHON is the interpreter, at the same path on every machine.
set -u
python=${PYTHON:-$(command -v python)}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

"$(dirname "$python")/mlx.launch" --python "$python" "$@" 2>&1 | tee -i "$log"
status=${PIPESTATUS[0]}

# Messages of mlx.launch and mpirun.
if grep -qE "exited with code|exit code: [1-9]|non-zero (status|exit)" "$log"; then
    echo "error: a process of this run failed; see its message above" >&2
    exit 1
fi
exit "$status"
