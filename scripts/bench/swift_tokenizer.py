"""Speed of the Swift tokenizer, next to Hugging Face's in Rust.

    python scripts/bench/swift_tokenizer.py [--rounds N] [--phrasebank PATH] [--json]

Both encode all lines of Financial PhraseBank (all agreement levels) once per round, in turn, each
in its own process with one thread. Seconds are those of the process on a CPU. `loading` is the time
from a package's metadata to a tokenizer. Both must find the same number of ids.

`word pieces` has MiniLM's vocabulary, which is BERT's; `byte pairs` follows RoBERTa's rules, with
merges learned from the lines. Swift comes from `scripts/swift.sh`; the build is a release build.
"""

import argparse
import json
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inputs import ARCHIVE, phrasebank
from machine import described, machine
from rounds import OURS, compared, count, in_rounds, table
from workers import Answer, workers

from mlx_finbert.checkpoints.hub import resolve
from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.convert.coreml.metadata import PREFIX, encoded
from mlx_finbert.convert.coreml.vocabulary import vocabulary_of

SCRIPT = Path(__file__).resolve().parents[1] / "swift.sh"
BUILT = SCRIPT.parents[1] / "convert/swift/.build/release/tokenize"
BUILD = ["build", "-c", "release", "--product", "tokenize"]
STATIC = ["--static-swift-stdlib"] if sys.platform == "linux" else []
LEVELS = ("50agree", "66agree", "75agree", "allagree")
RUST = "rust"
LEAST_PER_SECOND = 100_000
MOST_LOADING = 0.1
"""Seconds."""


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=count, default=5, metavar="N", help="default: 5")
    parser.add_argument("--phrasebank", metavar="PATH", help=f"path of {ARCHIVE}")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args(argv)
    build()
    texts = [text for level in LEVELS for text in phrasebank(arguments.phrasebank, level).texts]
    cases = [measure(name, make(texts), texts, arguments.rounds) for name, make in FAMILIES.items()]
    found = {"machine": machine(), "rounds": arguments.rounds, "cases": cases}
    print(json.dumps(found, indent=2) if arguments.json else printed(found))


def build() -> None:
    """Build the executable; exit with a sentence if that is not possible."""
    done = subprocess.run([SCRIPT, *BUILD, *STATIC], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


def word_pieces(texts: list[str]) -> Tokenizer:
    """MiniLM's tokenizer."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(resolve("minilm"))


def byte_pairs(texts: list[str]) -> Tokenizer:
    """A tokenizer by RoBERTa's rules, with merges of the texts."""
    from tokenizers import AddedToken, ByteLevelBPETokenizer
    from transformers import RobertaTokenizer

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        texts, 20_000, min_frequency=2, special_tokens=special, show_progress=False
    )
    model = json.loads(trained.to_str())["model"]
    merges = [tuple(pair) for pair in model["merges"]]
    mask = AddedToken("<mask>", lstrip=True, special=True)
    return RobertaTokenizer(vocab=model["vocab"], merges=merges, mask_token=mask)


FAMILIES: dict[str, Callable[[list[str]], Tokenizer]] = {
    "word pieces": word_pieces,
    "byte pairs": byte_pairs,
}


def measure(name: str, tokenizer: Tokenizer, texts: list[str], rounds: int) -> Answer:
    """Measure both tokenizers on the texts."""
    with tempfile.TemporaryDirectory() as folder:
        files = write(Path(folder), tokenizer, texts)
        rust = Path(__file__).with_name("rust_tokenizer.py")
        commands = {
            OURS: [str(SCRIPT), "exec", str(BUILT), files["metadata"], "time", files["framed"]],
            RUST: [sys.executable, str(rust), files["tokenizer"], files["texts"]],
        }
        with workers(commands) as started:
            answers = in_rounds(started, rounds)
            loading = started[OURS].about["loading"]
    ids = {answer["ids"] for of in answers.values() for answer in of}
    if len(ids) > 1:
        sys.exit(f"{name}: the tokenizers find different numbers of ids: {sorted(ids)}")
    return {
        "case": name,
        "texts": len(texts),
        "ids": ids.pop(),
        "loading": loading,
        "contenders": compared(answers),
    }


def write(folder: Path, tokenizer: Tokenizer, texts: list[str]) -> dict[str, str]:
    """Write what the workers read; return the paths."""
    vocabulary = vocabulary_of(tokenizer, rows=sys.maxsize)
    values: dict[str, Any] = {
        "tokenizer": vocabulary.rules,
        "vocabulary": vocabulary.text,
        "merges": "\n".join(vocabulary.merges),
    }
    metadata = {f"{PREFIX}{name}": encoded(value) for name, value in values.items()}
    encoded_texts = [text.encode() for text in texts]
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    contents = {
        "metadata": json.dumps(metadata).encode(),
        "framed": b"".join(struct.pack("<I", len(text)) + text for text in encoded_texts),
        "tokenizer": backend.to_str().encode(),
        "texts": json.dumps(texts).encode(),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: str(folder / name) for name in contents}


def printed(found: Answer) -> str:
    """The machine and the tables."""
    lines = [f"{described(found['machine'])}\nrounds: {found['rounds']}"]
    for case in found["cases"]:
        per_second = case["texts"] / case["contenders"][0]["median"]
        lines.append(
            f"\n{case['case']}: PhraseBank, {case['texts']:,} lines, {case['ids']:,} ids\n"
            f"{table(case['contenders'], case['texts'])}\n"
            f"loading takes {case['loading'] * 1000:.0f} ms"
            f"{reached(case['loading'] <= MOST_LOADING and per_second >= LEAST_PER_SECOND)}"
        )
    return "\n".join(lines)


def reached(good: bool) -> str:
    """Whether a case reaches the aims."""
    aims = f"{LEAST_PER_SECOND:,} lines/s and {MOST_LOADING * 1000:.0f} ms"
    return f"; {'within' if good else 'NOT within'} the aims of {aims}"


if __name__ == "__main__":
    main()
