#!/bin/bash
# Run one of the commands as several processes, on this machine or on several Macs:
#
#   scripts/launch.sh -n 2 -m mlx_finbert.train --data imdb --output-dir runs/imdb
#   scripts/launch.sh --hostfile scripts/hosts.example.json -m mlx_finbert.train --data imdb --output-dir runs/imdb
#
# What stands before -m is for mlx.launch. It exits with 0 also where a process failed; this script
# exits with 1 then. PYTHON names the interpreter, which has the same path on every machine.
set -u
python=${PYTHON:-$(command -v python)}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

"$(dirname "$python")/mlx.launch" --python "$python" "$@" 2>&1 | tee -i "$log"
status=${PIPESTATUS[0]}

# mlx.launch's own words, and mpirun's.
if grep -qE "exited with code|exit code: [1-9]|non-zero (status|exit)" "$log"; then
    echo "error: a process of this run failed; what it said is above" >&2
    exit 1
fi
exit "$status"
