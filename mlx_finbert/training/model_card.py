"""The model card of a fine-tuned folder."""

import json
from pathlib import Path
from typing import Any

from mlx_finbert.checkpoints.hub import PACKAGED, PACKAGED_HUB_ID
from mlx_finbert.models import ClassifierArgs
from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.state import Record

CARD = """\
---
library_name: mlx
pipeline_tag: text-classification
{base_model}tags: [mlx, mlx-finbert, {model_type}]
---

# {title}

`{model}`, fine-tuned with mlx-finbert on {data} ({train_rows:,} training rows). Labels, in the
order of the logits: {labels}.

| rows | loss | accuracy | macro-F1 |
|---|---|---|---|
{rows}

The weights are from epoch {epoch:g}, {chosen_by}. `config.yaml` holds the settings of the run,
`history.csv` its metrics, and `report.html` a full report. `seen_texts.tsv` holds hashes of the
training and validation texts; `mlx_finbert.evaluate` skips these.

```python
import mlx_finbert

model, tokenizer = mlx_finbert.load("{folder}")
mlx_finbert.predict_proba(model, tokenizer, ["Operating loss narrowed to EUR 1.2 mn."])
```

{use}{calibration}

Licence of the training data: {licence}.
"""


WHOLE = """\
The folder is a Hugging Face checkpoint: `transformers.pipeline("text-classification", "{folder}")`
opens it too."""
ADAPTERS = """\
The folder holds LoRA adapters and needs the model named above. To merge both into a Hugging Face
checkpoint: `python -m mlx_finbert.convert.fuse --model {folder} --output DIR`."""
CALIBRATED = """
The probabilities are calibrated in every tool that opens the model: the temperature {:.3f}, fitted
on the validation rows (Guo et al. 2017), is folded into the head."""


def model_card(
    settings: TrainSettings,
    folder: Path,
    args: ClassifierArgs,
    train_rows: int,
    licence: str,
    best: Record,
    test: dict[str, Any],
    temperature: float,
) -> str:
    """Markdown with the metadata that the hub reads; `test` is the content of metrics.json."""
    figures = {"validation": (best.val_loss, best.val_accuracy, best.val_macro_f1)}
    if test.get("split") == "test":
        measured = f" ({test['rows']:,} of {test['rows_in_all']:,})" if test["interrupted"] else ""
        figures[f"test{measured}"] = (test["loss"], test["accuracy"], test["macro_f1"])
    chosen = settings.best_metric
    rows = [f"| {name} | {a:.4f} | {b:.4f} | {c:.4f} |" for name, (a, b, c) in figures.items()]
    return CARD.format(
        title=folder.name,
        base_model=base_model(settings.model),
        model=settings.model,
        model_type=args.model_type,
        data=settings.data,
        train_rows=train_rows,
        labels=", ".join(args.labels),
        rows="\n".join(rows),
        epoch=best.epoch,
        chosen_by="the last one" if chosen == "last" else f"the best one by {chosen}",
        calibration=CALIBRATED.format(temperature) if temperature != 1 else "",
        folder=folder,
        use=(ADAPTERS if settings.lora() else WHOLE).format(folder=folder),
        licence=licence or "unknown",
    )


def base_model(model: str) -> str:
    """The metadata line that names the base model; empty for a local folder."""
    if model != PACKAGED and Path(model).expanduser().exists():
        return ""
    return f"base_model: {json.dumps(PACKAGED_HUB_ID if model == PACKAGED else model)}\n"
