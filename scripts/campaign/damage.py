"""Runs the readers on damaged files, each case in a fresh copy of the right folder."""

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from copies import Say, in_a_copy, judged
from limits import MEMORY, Peak, limited
from materials import MATERIALS
from mutants import Mutant
from outcomes import Case, Outcome, outcome_of
from pickled import RAN
from readers import Reader


def made(name: str, root: Path) -> Path:
    """The folder of a material, made by a copy of this process where it is missing."""
    folder = root / "materials" / name
    if not folder.exists():
        folder.mkdir(parents=True)

        def make(say: Say) -> None:
            MATERIALS[name](folder)

        if in_a_copy(make)[1]:
            shutil.rmtree(folder)
            in_a_copy(make, quiet=False)
            raise RuntimeError(f"the folder {name} could not be made")
    return folder


def cases_of(reader: Reader, numbers: range, root: Path) -> Iterator[Case]:
    """Yield the cases of a reader."""
    material = made(reader.material, root)
    right = right_result(reader, material, root)
    yield from judged(numbers, partial(judge, reader, material, right, root / "case"))


def right_result(reader: Reader, material: Path, root: Path) -> Any:
    """What the reader makes of the right file."""
    place = root / "case"

    def read(say: Say) -> None:
        folder = copied(material, place)
        say(reader.read(folder, reader.path(folder)))

    said, status = in_a_copy(read)
    if status or not said:
        in_a_copy(read, quiet=False)
        raise RuntimeError(f"{reader.name}: the right file cannot be read")
    return said[0]


def copied(material: Path, place: Path) -> Path:
    """Copy a material to a place of which nothing remains; make that the present folder."""
    os.chdir("/")
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(material, place)
    os.chdir(place)
    return place


def mutant_of(reader: Reader, material: Path, number: int) -> Mutant:
    content = reader.path(material).read_bytes()
    return reader.mutations.mutant(content, reader.name, number)


def judge(reader: Reader, material: Path, right: Any, place: Path, number: int) -> Case:
    """Read one mutant in this process."""
    mutant = mutant_of(reader, material, number)
    folder = copied(material, place)
    file = reader.path(folder)
    file.unlink()
    file.write_bytes(mutant.content)
    is_damage = mutant.is_damage
    del mutant.__dict__["content"]
    peak, outcome, note = Peak(), Outcome.OK, ""
    try:
        with limited():
            found = reader.read(folder, file)
        if reader.sealed and is_damage and found != right:
            outcome, note = Outcome.SILENT, "read as if it were whole, with another content"
    except Exception as error:
        outcome, note = outcome_of(error, (str(folder), file.name))
    except (SystemExit, KeyboardInterrupt) as error:
        outcome, note = Outcome.TRACEBACK, repr(error)
    if peak.more() > MEMORY:
        outcome, note = Outcome.MEMORY, f"{peak.more() / 1e9:.1f} GB; {note}"
    if (folder / RAN).exists():
        outcome, note = Outcome.CRASH, "code in the file was run"
    return Case(number, outcome, mutant.mutation, note)
