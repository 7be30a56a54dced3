"""Reads an `.aimodel`: its metadata, its hash and the bytes of its program."""

import builtins
import hashlib
from pathlib import Path
from typing import Any

from mlx_finbert.convert.coreai.options import PROGRAM_OPTIONS, AssetOptions
from mlx_finbert.convert.coreml.metadata import PREFIX
from mlx_finbert.errors import InputError
from mlx_finbert.files.json_text import parse_json, read_json_object

SUFFIX = ".aimodel"
PROGRAM = "main.mlirb"
HASH = "main.hash"
METADATA = "metadata.json"


class SavedAsset:
    """An `.aimodel` folder; Apple's runtime loads it without a look at its hash.

    Raises:
        InputError: if it is not such a folder, or its metadata are damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            raise InputError(f"{path}: there is no such asset; check the path")
        for name in (PROGRAM, HASH, METADATA):
            if not (path / name).is_file():
                raise InputError(
                    f"{path} is not a Core AI asset: it has no {name}; give an {SUFFIX} folder"
                )
        try:
            self.told: dict[str, Any] = read_json_object(path / METADATA)
            self.metadata: dict[str, str] = dict(self.told["creatorDefinedMetadata"])
        except InputError:
            raise
        except (LookupError, TypeError, ValueError) as error:
            raise InputError(
                f"{path / METADATA} cannot be read ({error!r}): export the asset again"
            ) from None

    @property
    def bytes(self) -> int:
        """Total size of its files."""
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())

    @property
    def program(self) -> builtins.bytes:
        """The bytes of the program, which has the weights too."""
        return (self.path / PROGRAM).read_bytes()

    def hash_fault(self) -> str | None:
        """Compare the program with its hash, which the runtime does not do."""
        if hashlib.sha256(self.program).digest() == (self.path / HASH).read_bytes():
            return None
        return f"{PROGRAM} does not match the SHA-256 in {HASH}: it is damaged or was changed"

    def options(self) -> AssetOptions:
        """The options of its export, from its metadata.

        Raises:
            InputError: if the metadata lack them, or they are invalid.
        """
        try:
            told = parse_json(self.metadata[f"{PREFIX}options"])
            lengths = parse_json(self.metadata[f"{PREFIX}lengths"])
            if told["format"] != "aimodel":
                raise ValueError(told["format"])
            if not isinstance(lengths, list) or not lengths:
                raise ValueError(lengths)
            chosen = {name: told[name] for name in PROGRAM_OPTIONS}
        except (LookupError, TypeError, ValueError):
            raise InputError(
                f"{self.path} does not record how it was made: export it with"
                " python -m mlx_finbert.convert.to_coreai"
            ) from None
        try:
            return AssetOptions(**chosen, lengths=lengths)
        except InputError as error:
            raise InputError(
                f"{self.path} has invalid options in its metadata ({error}): export it again"
            ) from None
