"""The Swift package of an export: a folder that a developer drags into Xcode."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Protocol

from mlx_finbert.convert.coreml.golden import NAME as GOLDEN
from mlx_finbert.errors import InputError
from mlx_finbert.files.folder_commit import finish, replacing
from mlx_finbert.files.folder_lock import LOCK, claimed
from mlx_finbert.files.paths import local_path

SWIFT = Path(__file__).resolve().parents[1] / "swift"
"""The sources that every package gets."""

RESOURCES = Path("Sources", "TextClassifierKit", "Resources")
"""The folder in a package that takes the models."""

MARK = "// Written by mlx_finbert.convert."
"""The beginning of the line of Package.swift by which a later export knows the folder."""

SYSTEMS = {
    "iOS16": ("13.0", "16.0"),
    "iOS17": ("14.0", "17.0"),
    "iOS18": ("15.0", "18.0"),
    "iOS26": ("26.0", "26.0"),
}
"""The oldest macOS and iOS of each --target."""

ASSET_SYSTEMS = ("27.0", "27.0")
"""The oldest macOS and iOS with Core AI."""

APP_SYSTEMS = ("14.0", "17.0")
"""The oldest macOS and iOS that the sample app runs on."""

OF_XCODE = shutil.ignore_patterns(".*", "xcuserdata", "project.xcworkspace")
"""What Xcode and the Finder leave in folders that they show."""

TEMPLATES = ("Package.swift", "README.md", "Tests/GoldenTests/GoldenTests.swift")
"""Files in which `$name` and others stand for what an export is."""

KINDS = {
    ".mlpackage": {
        "command": "to_coreml",
        "xcode": "16",
        "handling": """\
The models are in the package as they are, since `swift build` cannot compile them. The library
compiles each at its first use and keeps the result in Application Support. To have Xcode do that
while it builds, drag the `.mlpackage` folders out of `Resources` into your app's target, delete
their lines in `Package.swift`, and write `in: .main` instead of `in: .textClassifierKit`.""",
    },
    ".aimodel": {
        "command": "to_coreai",
        "xcode": "27",
        "handling": """\
The asset is in the package as it is. The system specializes it for the device when the library
first loads it, and keeps the result. The Simulator has no Core AI: run the app on a device or a
Mac. No asset of mlx-finbert has run on a device yet, so press **Check** first, as below.""",
    },
}
"""What the page and the manifest of a package say of its models, by their suffix."""

USE = """\
import TextClassifierKit
let classifier = try await TextClassifier(named: {name}, in: .textClassifierKit)
let result = try await classifier.classify("Orders rose 12 %.")"""


class Exported(Protocol):
    """The report of an export that passed its verification."""

    folder: Path
    labels: list[str]
    next_steps: str

    @property
    def paths(self) -> list[Path]:
        """Paths of the models."""

    @property
    def row_lengths(self) -> list[int]:
        """Lengths of the models' rows."""

    @property
    def bytes(self) -> int:
        """Size of all models together."""

    @property
    def systems(self) -> tuple[str, str]:
        """The oldest macOS and iOS that run them."""


@dataclass
class SwiftPackage:
    """A package to write."""

    folder: Path
    name: str
    """The export's name."""
    overwrite: bool

    @classmethod
    def checked(cls, folder: str | None, output: str, overwrite: bool) -> "SwiftPackage | None":
        """Check that a folder can become the package of an export, before minutes of work.

        Args:
            folder: the value of `swift_package`.
            output: the value of `output`.
            overwrite: whether an earlier package may be replaced.

        Returns:
            The package to write, or None without a folder.

        Raises:
            InputError: if the folder holds anything else.
        """
        if folder is None:
            return None
        path = local_path(output)
        package = cls(local_path(folder), path.stem, overwrite)
        if path.parent.resolve().is_relative_to(package.folder.resolve()):
            raise InputError(
                f"`swift_package`: {package.folder} is or holds the folder of `output`: choose"
                " another folder"
            )
        package._refuse_existing()
        return package

    def _refuse_existing(self) -> None:
        """Refuse a folder with anything but an earlier package that may be replaced."""
        nearest = next(path for path in (self.folder, *self.folder.parents) if path.exists())
        if not nearest.is_dir():
            raise InputError(f"`swift_package`: {nearest} is not a folder: choose another folder")
        others = _names_in(self.folder) if nearest == self.folder else []
        if others and not _is_ours(self.folder):
            raise InputError(
                f"`swift_package`: {self.folder} holds {others[0]}, which is not of an earlier"
                " package: choose an empty or a new folder"
            )
        if others and not self.overwrite:
            raise InputError(
                f"`swift_package`: {self.folder} exists: choose another folder, or add"
                " `overwrite=True`"
            )

    def write(self, report: Exported) -> None:
        """Write the package of a finished export; the same export gives the same bytes.

        Args:
            report: of models that passed their verification; gets what to do next.

        Raises:
            InputError: if the folder has been filled meanwhile.
        """
        with claimed(self.folder, "choose another folder for `swift_package`") as folder:
            self._refuse_existing()
            with replacing(folder) as part:
                _copy_sources(part)
                _copy_models(part, report)
                for name, text in self._own_files(report):
                    (part / name).parent.mkdir(parents=True, exist_ok=True)
                    (part / name).write_text(text, encoding="utf-8")
                _raise_app_systems(part, report)
        report.next_steps = self._next_steps(report)

    def _own_files(self, report: Exported) -> Iterator[tuple[str, str]]:
        """The files that tell the export's name, models and systems."""
        macos, ios = report.systems
        suffix = report.paths[0].suffix
        models = [path.name for path in report.paths]
        resources = [*models, GOLDEN]
        values = {
            "title": self.name,
            "name": swift_string(self.name),
            # SwiftPM writes the package's name into JSON and Swift without escapes.
            "package": re.sub(r"[^\w-]", "-", self.name),
            "macos": macos,
            "ios": ios,
            "labels": ", ".join(f"`{label}`" for label in report.labels),
            "length": str(max(report.row_lengths)),
            "suffix": suffix,
            "models": ", ".join(f"`{name}`" for name in models),
            "megabytes": f"{report.bytes / 1e6:.1f}",
            "resources": "\n".join(
                f"                .copy({swift_string(f'Resources/{name}')})," for name in resources
            ),
        } | KINDS[suffix]
        for name in TEMPLATES:
            template = (SWIFT / "Export" / name).read_text(encoding="utf-8")
            yield name, Template(template).substitute(values)

    def _next_steps(self, report: Exported) -> str:
        """What a developer does with the package, for the end of the export."""
        lines = USE.format(name=swift_string(self.name)).splitlines()
        use = "\n".join(f"    {line}" for line in lines)
        sample = self.folder / "App" / "TextClassifierSample.xcodeproj"
        return (
            f"{self.folder}: a Swift package, {report.bytes / 1e6:.1f} MB in an app\n"
            "  drag this folder into your project in Xcode, add its library TextClassifierKit to"
            f" your app, and write\n{use}\n"
            f"  sample app: {sample}; its Check button runs golden.json on that Mac"
        )


def swift_string(text: str) -> str:
    """A string literal of Swift."""
    special = re.sub(r'["\\]', r"\\\g<0>", text)
    return '"' + re.sub(r"[\x00-\x1f]", lambda m: f"\\u{{{ord(m[0]):x}}}", special) + '"'


def _names_in(folder: Path) -> list[str]:
    """The names in a folder, without those of locks, of killed processes and of the Finder."""
    finish(folder)
    names = sorted(path.name for path in folder.iterdir())
    return [n for n in names if n not in (LOCK, ".DS_Store") and not n.startswith(".part-")]


def _is_ours(folder: Path) -> bool:
    manifest = folder / "Package.swift"
    return manifest.is_file() and MARK in manifest.read_text(encoding="utf-8", errors="replace")


def _copy_sources(part: Path) -> None:
    for name in ("Sources", "App"):
        shutil.copytree(SWIFT / name, part / name, ignore=OF_XCODE)
    shutil.copyfile(SWIFT / "Export" / "LICENSE", part / "LICENSE")
    shutil.copyfile(SWIFT / "Export" / "gitignore", part / ".gitignore")


def _copy_models(part: Path, report: Exported) -> None:
    for path in report.paths:
        shutil.copytree(path, part / RESOURCES / path.name)
    shutil.copyfile(report.folder / GOLDEN, part / RESOURCES / GOLDEN)


def _raise_app_systems(part: Path, report: Exported) -> None:
    """Let the sample app ask for a system that the models run on."""
    project = part / "App" / "TextClassifierSample.xcodeproj" / "project.pbxproj"
    text = project.read_text(encoding="utf-8")
    names = ("MACOSX_DEPLOYMENT_TARGET", "IPHONEOS_DEPLOYMENT_TARGET")
    for name, own, asked in zip(names, APP_SYSTEMS, report.systems, strict=True):
        text = text.replace(f"{name} = {own};", f"{name} = {max(own, asked, key=float)};")
    project.write_text(text, encoding="utf-8")
