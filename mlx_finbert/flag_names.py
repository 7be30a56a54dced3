"""Suggestions for flags that a command does not have."""

import difflib
from collections.abc import Collection

OTHER_NAMES = {
    "--attention-dropout": ("--attention-probs-dropout-prob",),
    "--base-model": ("--model-path",),
    "--batch-size": (
        "--bs",
        "--eval-batch-size",
        "--per-device-eval-batch-size",
        "--per-device-train-batch-size",
        "--per-gpu-train-batch-size",
        "--train-batch-size",
    ),
    "--compress": ("--quantize", "--bits", "--int8", "--nbits"),
    "--data": (
        "--dataset",
        "--dataset-name",
        "--input",
        "--test-data",
        "--test-file",
        "--train-data",
        "--train-file",
        "--validate",
    ),
    "--distill-temperature": ("--kd-temperature", "--softmax-temperature", "--temperature"),
    "--distill-weight": ("--alpha-ce", "--distillation-weight", "--kd-weight"),
    "--dropout": ("--hidden-dropout", "--hidden-dropout-prob"),
    "--dtype": ("--bf16", "--fp16", "--precision", "--torch-dtype"),
    "--early-stopping-patience": ("--patience",),
    "--early-stopping-threshold": ("--early-stopping-min-delta", "--min-delta"),
    "--eval-steps": ("--eval-every", "--evaluation-strategy", "--steps-per-eval"),
    "--folds": ("--cv", "--k-folds", "--n-folds", "--n-splits", "--num-folds"),
    "--freeze-layers": ("--num-freeze-layers",),
    "--gradient-accumulation-steps": ("--accumulate-grad-batches", "--grad-accumulation-steps"),
    "--gradient-checkpointing": ("--grad-checkpoint",),
    "--group-size": ("--q-group-size",),
    "--head-dropout": ("--classifier-dropout", "--seq-classif-dropout"),
    "--input": ("--data", "--dataset", "--file", "--input-file", "--test-file"),
    "--label-column": ("--label", "--label-col", "--label-column-name", "--target-column"),
    "--label-smoothing-factor": ("--label-smoothing",),
    "--learning-rate": ("--lr",),
    "--lengths": ("--max-length", "--max-seq-length", "--seq-length", "--sequence-length"),
    "--lora-layers": ("--num-layers",),
    "--lora-rank": ("--lora-r", "--rank", "-r"),
    "--mask-probability": ("--mlm-probability", "--mlm-prob", "--masked-lm-prob"),
    "--lr-scheduler-type": ("--lr-schedule", "--lr-scheduler", "--schedule", "--scheduler"),
    "--max-grad-norm": ("--clip-grad", "--grad-clip", "--gradient-clip-val", "--max-norm"),
    "--max-length": ("--max-len", "--max-seq-len", "--max-seq-length", "--max-tokens"),
    "--max-steps": ("--iters", "--num-steps", "--steps"),
    "--metric-for-best-model": ("--best-metric", "--monitor"),
    "--model": (
        "--checkpoint",
        "--hf-path",
        "--model-id",
        "--model-name",
        "--model-name-or-path",
        "--model-path",
        "-m",
    ),
    "--model-labels": ("--labels", "--label-names"),
    "--num-train-epochs": ("--epoch", "--epochs", "--max-epochs", "--n-epochs", "--num-epochs"),
    "--output": (
        "--mlx-path",
        "--out",
        "--output-dir",
        "--output-file",
        "--save-path",
        "--upload-repo",
        "-o",
    ),
    "--output-dir": ("--adapter-path", "--logging-dir", "--out", "--output", "--save-dir", "-o"),
    "--overwrite": ("--force", "--overwrite-output-dir", "-f"),
    "--overwrite-parts": ("--force", "--overwrite", "-f"),
    "--package": ("--mlpackage", "--input", "--output"),
    "--precision": ("--compute-precision", "--dtype", "--fp16"),
    "--quantize": ("--bits", "--compress", "--q-bits"),
    "--resume-from-checkpoint": ("--resume", "--resume-adapter-file"),
    "--save-epochs": ("--save-strategy",),
    "--save-steps": ("--save-every",),
    "--save-total-limit": ("--keep",),
    "--seed": ("--data-seed", "--random-seed", "--random-state"),
    "--split-seed": ("--data-seed", "--random-state", "--seed"),
    "--target": ("--deployment-target", "--minimum-deployment-target"),
    "--teacher": ("--teacher-model", "--teacher-model-name-or-path", "--teacher-name-or-path"),
    "--test-fraction": ("--test-size", "--test-split", "--test-ratio"),
    "--text-column": ("--text-col", "--text-column-name", "--text-feature", "--text-field"),
    "--unlabelled": ("--unlabeled", "--unlabeled-data", "--unlabelled-data"),
    "--unlabelled-column": ("--unlabeled-column",),
    "--validation-data": ("--eval-data-file", "--validation-file", "--eval-file"),
    "--validation-fraction": (
        "--val-fraction",
        "--val-size",
        "--val-split",
        "--valid-fraction",
        "--validation-split",
        "--validation-split-percentage",
    ),
    "--validation-ratio": (
        "--val-fraction",
        "--val-size",
        "--validation-fraction",
        "--validation-split",
        "--validation-split-percentage",
    ),
    "--weight-decay": ("--wd",),
    "--whole-words": ("--do-whole-word-mask", "--whole-word-mask", "--whole-word-masking", "--wwm"),
}
"""The flags of the commands, each with the names of similar flags in transformers, mlx-lm,
scikit-learn, coremltools and our other commands."""


def flag_meant(name: str, flags: Collection[str]) -> str | None:
    """Find the flag that an unknown name most likely means; None if none is similar.

    Args:
        name: The name as written, such as `--lr` or `-o`.
        flags: The flags of the command.
    """
    name = name.lower().replace("_", "-")
    known = (own for own, others in OTHER_NAMES.items() if own in flags and name in others)
    # The dashes are removed because all flags share them.
    near = nearest(name.lstrip("-"), [flag.lstrip("-") for flag in flags])
    return next(known, None) or (near and f"--{near}")


def name_meant(name: str, names: Collection[str]) -> str | None:
    """Find the parameter that an unknown name most likely means, as `flag_meant` finds a flag."""
    by_flag = {f"--{own.replace('_', '-')}": own for own in names}
    meant = flag_meant(f"--{name}", by_flag)
    return by_flag[meant] if meant else None


def nearest(word: str, words: Collection[str], cutoff: float = 0.6) -> str | None:
    """Find the most similar word; None if no similarity reaches `cutoff`, from 0 to 1."""
    return next(iter(difflib.get_close_matches(word, words, n=1, cutoff=cutoff)), None)
