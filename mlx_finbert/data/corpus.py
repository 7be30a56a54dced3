"""The texts of a pretraining run: those to read, and those held out to measure the model."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from mlx_finbert.data.sources.plain_texts import PlainTexts
from mlx_finbert.data.text_hashes import chances
from mlx_finbert.data.tokens import CHUNK

CHARACTERS = 1 << 20
"""Characters of a chunk; a longer text is cut into pieces of this length, at white space."""

PartName = Literal["train", "validation"]
PARTS: tuple[PartName, ...] = ("train", "validation")

Text = list[str]
"""A text in pieces: nearly always one."""


@dataclass(frozen=True)
class Corpus:
    """Texts to read, and whole texts that are held out; streamed, as often as needed."""

    texts: PlainTexts
    validation: PlainTexts | None = None
    """Held-out texts of their own; None draws them from `texts`."""
    ratio: float = 0.0
    """Share of the texts to hold out, without texts of their own."""
    seed: int = 0
    """Seed of the draw. Texts that fold alike (see `fold`) are on the same side."""

    def chunks(self) -> Iterator[tuple[PartName, list[Text]]]:
        """Yield the texts of each part in order, some at a time."""
        for chunk in in_chunks(self.texts):
            if self.validation is not None or not self.ratio:
                yield "train", chunk
                continue
            drawn = chances(["".join(text) for text in chunk], "held out", self.seed) < self.ratio
            for part, held_out in zip(PARTS, (False, True), strict=True):
                yield part, [text for text, d in zip(chunk, drawn, strict=True) if d == held_out]
        if self.validation is not None:
            yield from (("validation", chunk) for chunk in in_chunks(self.validation))

    @property
    def notes(self) -> list[str]:
        """Sentences about what is not read, and about what the last reading skipped."""
        sources = [self.texts, *([self.validation] if self.validation else [])]
        return [note for source in sources for note in (*source.notes, *source.skipped)]


class Digest:
    """A hash of texts and of the parts that they are in."""

    def __init__(self, start: str) -> None:
        self._digest = hashlib.sha256(start.encode())

    def add(self, part: PartName, texts: Iterable[Text]) -> None:
        """Add the next texts of a part."""
        for text in texts:
            # JSON can hold a lone surrogate, which has no valid UTF-8.
            content = "".join(text).encode("utf-8", "surrogatepass")
            self._digest.update(f"{part} {len(content)}\n".encode() + content)

    def hexdigest(self) -> str:
        """Return the hash so far, in hexadecimal."""
        return self._digest.hexdigest()


def in_chunks(texts: Iterable[str]) -> Iterator[list[Text]]:
    """Collect texts until a chunk has `CHUNK` of them or `CHARACTERS` characters."""
    chunk: list[Text] = []
    size = 0
    for text in texts:
        chunk.append(in_pieces(text))
        size += len(text)
        if len(chunk) == CHUNK or size >= CHARACTERS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def in_pieces(text: str) -> Text:
    """Cut a very long text before white space, so that a tokenizer's memory stays small."""
    pieces = []
    start = 0
    while len(text) - start > CHARACTERS:
        cut = text.rfind(" ", start + 1, start + CHARACTERS)
        end = cut if cut > 0 else start + CHARACTERS
        pieces.append(text[start:end])
        start = end
    return [*pieces, text[start:]]
