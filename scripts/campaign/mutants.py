"""Mutants of files: of any bytes, and the rule by which a case's number decides its mutant."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from mlx_finbert.errors import InputError


@dataclass(frozen=True)
class Mutant:
    """A file's content in place of the right one."""

    content: bytes
    mutation: str
    """What was done, in a few words."""
    is_damage: bool = False
    """Whether bytes were changed behind the format's back, which a checksum shows."""


Mutator = Callable[[bytes, Random], Mutant]
Hostile = dict[str, Callable[[bytes], bytes]]
"""Functions that make a known bad file of the right one, by what they do."""


@dataclass(frozen=True)
class Mutations:
    """The mutants of one format."""

    hostile: Hostile
    """Each is one case: every second one, until all of them were."""
    mutators: Sequence[Mutator] = ()
    """Mutations that know the format; half of the other cases, damaged bytes being the rest."""

    def mutant(self, content: bytes, reader: str, number: int) -> Mutant:
        """The mutant of a case: the same for the same reader, number and content."""
        if number % 2 == 0 and number // 2 < len(self.hostile):
            name = [*self.hostile][number // 2]
            return Mutant(self.hostile[name](content), name)
        random = Random(f"{reader} {number}")
        if not self.mutators or random.random() < 0.5:
            return damaged(content, random)
        return random.choice(self.mutators)(content, random)


def damaged(content: bytes, random: Random) -> Mutant:
    """Change some bytes, as bad memory, a full disk or an ended download do."""
    name = random.choice([*DAMAGES])
    changed = bytes(DAMAGES[name](bytearray(content), random))
    return Mutant(changed, name, is_damage=changed != content)


def place(content: bytes | bytearray, random: Random) -> int:
    """A place in the content; as often near its ends, where formats keep their tables."""
    size = max(1, len(content))
    near = random.randrange(min(size, 128))
    return random.choice([random.randrange(size), near, size - 1 - near])


def flipped(content: bytearray, random: Random) -> bytearray:
    for _ in range(random.choice([1, 1, 1, 4, 32])):
        if content:
            content[place(content, random)] ^= 1 << random.randrange(8)
    return content


def overwritten(content: bytearray, random: Random) -> bytearray:
    start = place(content, random)
    size = random.choice([1, 2, 4, 8, 64])
    end = min(len(content), start + size)
    kind = random.choice([b"\0", b"\xff", b"\x7f", None])
    content[start:end] = (kind * (end - start)) if kind else random.randbytes(end - start)
    return content


def cut(content: bytearray, random: Random) -> bytearray:
    return content[: place(content, random)]


def without_middle(content: bytearray, random: Random) -> bytearray:
    start = place(content, random)
    del content[start : start + random.choice([1, 2, 16, 512, 4096])]
    return content


def with_more(content: bytearray, random: Random) -> bytearray:
    start = place(content, random)
    content[start:start] = random.randbytes(random.choice([1, 2, 16, 512]))
    return content


def twice(content: bytearray, random: Random) -> bytearray:
    start, end = sorted((place(content, random), place(content, random)))
    return content[:end] + content[start:]


def zeros_at_end(content: bytearray, random: Random) -> bytearray:
    start = place(content, random)
    return content[:start] + bytes(len(content) - start)


DAMAGES: dict[str, Callable[[bytearray, Random], bytearray]] = {
    "flipped bits": flipped,
    "overwritten bytes": overwritten,
    "cut": cut,
    "without bytes in the middle": without_middle,
    "with bytes too many": with_more,
    "a piece twice": twice,
    "zeros at the end": zeros_at_end,
}

ANY: Hostile = {
    "empty": lambda _: b"",
    "one byte": lambda _: b"\0",
    "a web page": lambda _: b"<!DOCTYPE html><html><body>404</body></html>",
    "a pointer of git-LFS": lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "UTF-16": lambda content: content.decode("utf-8", "replace").encode("utf-16"),
    "a byte order mark": lambda content: b"\xef\xbb\xbf" + content,
    "a megabyte of zeros": lambda _: bytes(1 << 20),
    "bytes that are not UTF-8": lambda content: content[:9] + b"\xff\xfe\xc3(" + content[9:],
}
"""Bad files of every format."""

BYTES = Mutations(ANY)


def require_known(name: str, names: Sequence[str]) -> None:
    """Refuse a name that is none of these."""
    if name not in names:
        raise InputError(
            f"there is no reader or command {name!r}: choose one of {', '.join(names)}"
        )
