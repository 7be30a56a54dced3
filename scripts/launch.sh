#!/bin/bash
# Run one of the commands as several processes, on this machine or on several Macs:
#
#   scripts/launch.sh -n 2 -m mlx_finbert.train --data imdb --output-dir runs/imdb
#   scripts/launch.sh --hostfile scripts/hosts.example.json -m mlx_finbert.train --data imdb --output-dir runs/imdb
#
# Arguments before -m go to mlx.launch. It exits with 0 even if a process failed; this script then
# exits with 1. PYTHON is the interpreter, at the same path on every machine. Ctrl-C, SIGTERM and
# SIGHUP end a training with a checkpoint.
set -u
python=${PYTHON:-$(command -v python)}
exec "$python" "$(dirname "$0")/launch.py" "$@"
