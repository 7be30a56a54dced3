"""A worker of swift_tokenizer.py: Hugging Face's tokenizer, with one thread.

    python scripts/bench/rust_tokenizer.py TOKENIZER TEXTS

TOKENIZER is a `tokenizer.json`, and TEXTS a JSON list.
"""

import json
import os
import sys
import time
from pathlib import Path

# Read at the first batch.
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from tokenizers import Tokenizer
from workers import Answer, serve


class Rust:
    """Encodes all texts as one batch, without the offsets of tokens."""

    def __init__(self, tokenizer: str, texts: str) -> None:
        self._tokenizer = Tokenizer.from_file(tokenizer)
        self._texts = json.loads(Path(texts).read_text(encoding="utf-8"))
        self.about: Answer = {}
        self(0)

    def __call__(self, number: int) -> Answer:
        start = time.process_time()
        encoded = self._tokenizer.encode_batch_fast(self._texts)
        seconds = time.process_time() - start
        return {"seconds": seconds, "ids": sum(len(row.ids) for row in encoded)}


if __name__ == "__main__":
    serve(lambda: Rust(*sys.argv[1:]))
