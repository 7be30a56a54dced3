"""PyTorch contenders of predict.py: transformers' pipeline, and a hand-written loop."""

import sys
from pathlib import Path

import numpy as np
import torch
from job import Job
from scoring import Score, Scoring
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
from workers import serve


def torch_scoring(folder: Path, name: str) -> Scoring:
    """The contender `pipeline` or `sorted-loop`."""
    job = Job.read(folder)
    score = {"pipeline": pipeline_score, "sorted-loop": sorted_loop_score}[name]
    return Scoring(name, folder, job, score(folder, job), device(), torch.get_num_threads())


def device() -> str:
    """The device that transformers would choose."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def pipeline_score(folder: Path, job: Job) -> Score:
    """Score with transformers' pipeline, in the order of the rows."""
    classify = pipeline(
        "text-classification",
        model=str(folder),
        dtype="float32",
        device=device(),
        batch_size=job.batch_size,
        truncation=True,
        max_length=job.max_length,
        top_k=None,
    )

    def score(texts: list[str]) -> np.ndarray:
        rows = [{found["label"]: found["score"] for found in row} for row in classify(texts)]
        return np.array([[row[name] for name in job.label_names] for row in rows], np.float32)

    return score


def sorted_loop_score(folder: Path, job: Job) -> Score:
    """Tokenize all rows at once, then score batches of similar length."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype="float32")
    model = model.eval().to(device())
    pad = tokenizer.pad_token_id

    @torch.inference_mode()
    def score(texts: list[str]) -> np.ndarray:
        rows = tokenizer(
            texts,
            truncation=True,
            max_length=job.max_length,
            return_token_type_ids=False,
            return_attention_mask=False,
        )["input_ids"]
        order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
        found = torch.empty(len(rows), len(job.label_names))
        for start in range(0, len(order), job.batch_size):
            part = order[start : start + job.batch_size]
            ids = pad_sequence([torch.tensor(rows[row]) for row in part], True, pad).to(device())
            logits = model(input_ids=ids, attention_mask=(ids != pad).long()).logits
            found[part] = logits.softmax(-1).cpu()
        return found.numpy()

    return score


if __name__ == "__main__":
    serve(lambda: torch_scoring(Path(sys.argv[1]), sys.argv[2]))
