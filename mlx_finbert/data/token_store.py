"""Tokens of a corpus in flat files, which are mapped into memory when they are read.

The folder of a part has `ids.bin` (uint16, or uint32 for a vocabulary above 65,536), `starts.bin`
(one bit a token: whether it begins a word) and `offsets.bin` (int64, one more than there are
texts). Each text is followed by the separator token. `store.json` has the counts and a hash of the
texts, the tokenizer and the settings. The whole appears at once, so it is complete or absent.
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mlx_finbert.data.corpus import PARTS, Corpus, Digest, PartName, Text
from mlx_finbert.data.tokens import unknown_notes
from mlx_finbert.files.folder_commit import finish, replacing
from mlx_finbert.files.json_text import parse_json, read_json_object

log = logging.getLogger(__name__)

FOLDER = "tokens"
"""The folder of the stores in that of a run."""
ABOUT = "store.json"
IDS, STARTS, OFFSETS = "ids.bin", "starts.bin", "offsets.bin"

FORMAT = 1
"""Number of the form of the files."""

TOLD = 10_000_000
"""Tokens between two notes on how far the work is."""

NARROW = 1 << 16
"""The largest vocabulary whose ids fit uint16."""


@dataclass(frozen=True)
class Counts:
    """The size of a part."""

    texts: int
    tokens: int
    """Without the separators."""
    unknown: int
    """Tokens that the vocabulary does not have."""
    empty: int
    """Texts of which the tokenizer left nothing."""


class TokenStore:
    """The tokens of one part of a corpus, on disk."""

    def __init__(self, folder: Path, counts: Counts, dtype: str) -> None:
        self.counts = counts
        self.ids = mapped(folder / IDS, dtype)
        self.offsets = mapped(folder / OFFSETS, "<i8")
        """int64 (texts + 1,): text i and its separator are `ids[offsets[i]:offsets[i + 1]]`."""
        self._bits = mapped(folder / STARTS, "u1")

    def __len__(self) -> int:
        """The number of tokens, separators included."""
        return len(self.ids)

    def is_whole(self) -> bool:
        """Whether the counts, the form of the ids and the files agree."""
        texts, length = len(self.offsets) - 1, len(self)
        counted = type(self.counts.texts) is type(self.counts.tokens) is int
        counted = counted and (self.counts.texts, self.counts.tokens) == (texts, length - texts)
        return bool(counted and self.ids.dtype.kind == "u" and self.offsets[-1] == length)

    def tokens(self, start: int, stop: int) -> np.ndarray:
        """Return ids as int32 (stop - start,)."""
        return self.ids[start:stop].astype(np.int32)

    def starts(self, start: int, stop: int) -> np.ndarray:
        """Return whether tokens begin a word, bool (stop - start,)."""
        first = start // 8
        bits = np.unpackbits(self._bits[first : -(-stop // 8)])
        return bits[start - 8 * first : stop - 8 * first].astype(bool)


def mapped(path: Path, dtype: str) -> np.ndarray:
    """Map a file into memory; an empty file gives an empty array."""
    if not path.stat().st_size:
        return np.zeros(0, dtype)
    return np.memmap(path, dtype, mode="r")


class TokenWriter:
    """Appends texts to the files of one part."""

    def __init__(self, folder: Path, dtype: str, separator: int, unknown: int | None) -> None:
        folder.mkdir()
        self.dtype, self.separator, self.unknown = dtype, separator, unknown
        self.texts = self.tokens = self.unknowns = self.empty = 0
        self._position = 0
        self._bits = np.zeros(0, bool)
        """The last bits, which do not fill a byte yet."""
        self._opened = ExitStack()
        self._files: dict[str, BinaryIO] = {
            name: self._opened.enter_context((folder / name).open("wb"))
            for name in (IDS, STARTS, OFFSETS)
        }
        self._write(OFFSETS, np.zeros(1, "<i8"))

    def add(self, rows: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
        """Append texts.

        Args:
            rows: For each text its ids, int (n,), and whether each begins a word, bool (n,).
        """
        self.empty += sum(not len(ids) for ids, _ in rows)
        rows = [row for row in rows if len(row[0])]
        if not rows:
            return
        ids = np.concatenate([part for ids, _ in rows for part in (ids, [self.separator])])
        starts = np.concatenate([part for _, starts in rows for part in (starts, [True])])
        ends = self._position + np.cumsum([len(ids) + 1 for ids, _ in rows])
        self._write(IDS, ids.astype(self.dtype))
        self._write(OFFSETS, ends.astype("<i8"))
        bits = np.concatenate([self._bits, starts])
        whole = len(bits) // 8 * 8
        self._write(STARTS, np.packbits(bits[:whole]))
        self._bits = bits[whole:]
        self._position = int(ends[-1])
        self.texts += len(rows)
        self.tokens += len(ids) - len(rows)
        self.unknowns += int(np.count_nonzero(ids == self.unknown))

    def close(self) -> Counts:
        """Complete the files and return what they hold."""
        self._write(STARTS, np.packbits(self._bits))
        self._opened.close()
        return Counts(self.texts, self.tokens, self.unknowns, self.empty)

    def _write(self, name: str, array: np.ndarray) -> None:
        self._files[name].write(array.tobytes())


@dataclass(frozen=True)
class Stores:
    """The stores of both parts of a corpus."""

    train: TokenStore
    validation: TokenStore
    digest: str
    """A hash of the texts, the tokenizer and how the texts were divided."""
    notes: list[str]
    """Sentences about texts that were not read."""


def make_stores(corpus: Corpus, tokenizer: Any, folder: Path) -> Stores:
    """Tokenize a corpus into `folder / FOLDER`, which replaces an earlier one when it is complete.

    Args:
        corpus: The texts.
        tokenizer: A fast tokenizer of transformers.
        folder: The folder of the run.

    Raises:
        InputError: If a row cannot be read, or there is no text.
    """
    dtype = "<u2" if len(tokenizer) <= NARROW else "<u4"
    digest, told = Digest(how(corpus, tokenizer)), 0
    with replacing(folder) as part:
        root = part / FOLDER
        root.mkdir()
        special = tokenizer.sep_token_id, tokenizer.unk_token_id
        writers = {name: TokenWriter(root / name, dtype, *special) for name in PARTS}
        for name, texts in corpus.chunks():
            digest.add(name, texts)
            writers[name].add(encoded(tokenizer, texts))
            done = sum(writer.tokens for writer in writers.values())
            if done // TOLD > told:
                told = done // TOLD
                log.info(f"{done:,} tokens so far")
        counts = {name: writer.close() for name, writer in writers.items()}
        about: dict[str, Any] = {
            "format": FORMAT,
            "digest": digest.hexdigest(),
            "dtype": dtype,
            "parts": {name: asdict(count) for name, count in counts.items()},
            "sizes": sizes(root),
            "notes": [*corpus.notes, *notes_on_tokens(corpus, counts)],
        }
        (root / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    found = read_stores(folder)
    assert found is not None
    return found


def notes_on_tokens(corpus: Corpus, counts: Mapping[PartName, Counts]) -> list[str]:
    """Sentences about texts without tokens, and about unknown tokens."""
    notes = []
    if empty := sum(count.empty for count in counts.values()):
        notes.append(f"{corpus.texts.name}: {empty:,} texts have no tokens and are skipped")
    for part, count in counts.items():
        notes += unknown_notes(count.unknown / max(1, count.tokens), f"{part} texts")
    return notes


def read_stores(folder: Path) -> Stores | None:
    """Open the stores of a run's folder; None if there are none, or their files are damaged."""
    finish(folder)
    root = folder / FOLDER
    try:
        about = read_json_object(root / ABOUT)
        if about["format"] != FORMAT or about["sizes"] != sizes(root):
            return None
        counts = {name: Counts(**about["parts"][name]) for name in PARTS}
        train, validation = (TokenStore(root / n, counts[n], about["dtype"]) for n in PARTS)
        if not (train.is_whole() and validation.is_whole()):
            return None
        return Stores(train, validation, about["digest"], [str(note) for note in about["notes"]])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def sizes(root: Path) -> dict[str, int]:
    """The sizes of the parts' files, in bytes."""
    return {
        f"{part}/{name}": (root / part / name).stat().st_size
        for part in PARTS
        for name in (IDS, STARTS, OFFSETS)
    }


def digest_of(corpus: Corpus, tokenizer: Any) -> str:
    """Read a corpus and return the hash that its stores have."""
    digest = Digest(how(corpus, tokenizer))
    for part, texts in corpus.chunks():
        digest.add(part, texts)
    return digest.hexdigest()


def how(corpus: Corpus, tokenizer: Any) -> str:
    """Everything apart from the texts that decides the content of the stores, as text."""
    words = parse_json(tokenizer.backend_tokenizer.to_str())
    # These depend on the calls that a tokenizer object has had, and are not used here.
    form = {name: value for name, value in words.items() if name not in ("truncation", "padding")}
    tokens = hashlib.sha256(json.dumps(form, sort_keys=True).encode()).hexdigest()
    drawn = None if corpus.validation else [corpus.ratio, corpus.seed]
    return json.dumps([FORMAT, tokens, tokenizer.sep_token_id, drawn])


def encoded(tokenizer: Any, texts: Sequence[Text]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Tokenize texts without special tokens.

    Returns:
        For each text its ids, int32 (n,), and whether each begins a word, bool (n,).
    """
    pieces = [piece for text in texts for piece in text]
    if not pieces:
        return []
    found = tokenizer(
        pieces,
        add_special_tokens=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    rows = iter(
        [
            (np.array(ids, np.int32), word_starts(encoding.word_ids))
            for ids, encoding in zip(found["input_ids"], found.encodings, strict=True)
        ]
    )
    return [joined([next(rows) for _ in text]) for text in texts]


def word_starts(words: Iterable[int | None]) -> np.ndarray:
    """Whether each token begins a word, from the number of the word that it belongs to."""
    # None, of a token without a word, becomes NaN, which differs from every number.
    numbers = np.array(words, np.float64)
    return np.concatenate([np.ones(min(len(numbers), 1), bool), numbers[1:] != numbers[:-1]])


def joined(rows: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Join the pieces of a text."""
    if len(rows) == 1:
        return rows[0]
    return np.concatenate([ids for ids, _ in rows]), np.concatenate([s for _, s in rows])
