"""Measure what a small model gains from a teacher, and what its size saves:

    python scripts/reproduce.py distil --model minilm --seeds 0,1,2,3,4 --output-dir runs/distil

Financial PhraseBank with the split of FinBERT's authors (see `fpb`). With every seed, a teacher is
fine-tuned, a student is made of every second one of its layers, and the student is trained in two
ways: alone, and distilled with the teacher, which also labels the texts of FiQA and those of
PhraseBank that are in no part. The first seed's distilled student is exported to Core ML and
verified. All flags of `mlx_finbert.train` are accepted, those of distillation too; more texts for
the teacher to label are added with `--unlabelled`. An epoch of the distilled student has these
texts too, and so more updates than one of the student alone, unless `--max-steps` is given.

The results are kept in `results.json` of the output folder: a series that was stopped goes on with
the same command.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from bench.machine import described, machine

from mlx_finbert.convert.fewer_layers import shrink
from mlx_finbert.convert.packages import export_model, verify_package
from mlx_finbert.convert.settings import ShrinkSettings, ToCoremlSettings, VerifySettings
from mlx_finbert.data.sources import load_texts
from mlx_finbert.distillation.config import DistillationSettings
from mlx_finbert.errors import InputError
from mlx_finbert.settings import setting
from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.run import run
from protocols.data_sets import ARCHIVE, FIQA, find_archive, find_fiqa
from protocols.differences import NOTE, closed_gap, difference_rows, figures_table, run_lines
from protocols.seeds import SeedSettings
from protocols.series import Outcome, Series, command_line, kept_result, train_settings

TEACHER, ALONE, DISTILLED = "teacher", "student alone", "student distilled"
TRAINED = "trained"
TEXTS = "unlabelled.txt"
PACKAGE = "DistilFinBERT.mlpackage"


@dataclass(kw_only=True)
class Settings(SeedSettings):
    """Data, teacher and student."""

    archive: str = setting(
        ARCHIVE, "path of Financial PhraseBank (default: found locally, or downloaded)"
    )
    fiqa: str = setting(FIQA, "folder of FiQA's files (default: found locally)")
    teacher: str = setting(TRAINED, "always `trained`: a teacher is trained with every seed")
    layers: list[int] | None = setting(
        None, "layers of the teacher that the student keeps (default: every second one)"
    )
    student_epochs: int | None = setting(
        None, "epochs of both students (default: those of the teacher)"
    )
    student_learning_rate: float | None = setting(
        None, "peak learning rate of both students (default: that of the teacher)"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.data != type(self).data:
            raise InputError("distil has its own data: leave out --data, and give --archive")
        if self.teacher != TRAINED:
            raise InputError("distil trains its own teachers: leave out --teacher")

    def of_teacher(self, seed: int) -> TrainSettings:
        """The settings of a teacher, without a folder."""
        plain = {field.name: field.default for field in fields(DistillationSettings)}
        return train_settings(
            self,
            **plain,
            data=f"{find_archive(self.archive)}:araci",
            include_seen=True,
            seed=seed,
            output_dir=None,
        )

    def of_student(self, seed: int, student: Path) -> TrainSettings:
        """The settings of a student that is trained alone, without a folder."""
        own = self.of_teacher(seed)
        return replace(
            own,
            model=str(student),
            revision=None,
            new_head=False,
            num_train_epochs=self.student_epochs or self.num_train_epochs,
            learning_rate=self.student_learning_rate or self.learning_rate,
        )

    def of_distilled(self, seed: int, student: Path, teacher: str, texts: Path) -> TrainSettings:
        """The settings of a student that is distilled, without a folder."""
        distillation = {f.name: getattr(self, f.name) for f in fields(DistillationSettings)}
        distillation |= {
            "teacher": teacher,
            "unlabelled": [str(texts), *(self.unlabelled or [])],
        }
        return replace(self.of_student(seed, student), **distillation)


def reproduce(settings: Settings) -> str:
    """Train teachers and students with every seed; return their figures and differences."""
    series = Series(settings.folder("distil"), settings)
    texts = write_unlabelled(settings, series.folder)
    ways: dict[str, list[Outcome]] = {TEACHER: [], ALONE: [], DISTILLED: []}
    for seed in settings.all_seeds:
        for way, (name, own) in runs_of(settings, series, texts, seed).items():
            ways[way].append(trained(series, name, own, settings.layers))
    first = settings.all_seeds[0]
    exported = series.step("export", partial(exported_package, model=distilled(series, first)))
    lines = [
        f"{Path(settings.model).name} on Financial PhraseBank, Araci's split,"
        f" {len(ways[TEACHER][0].label_ids):,} test rows",
        "",
        *figures_table(ways, settings.all_seeds),
        *difference_rows(ways, [(ALONE, DISTILLED), (DISTILLED, TEACHER)]),
        *closed_gap(ways, ALONE, DISTILLED, TEACHER),
        NOTE,
        "",
        *run_lines(ways),
        *sizes(ways[DISTILLED]),
        "",
        *exported["lines"],
        "",
        described(machine()),
        *commands(settings, series, texts, first),
    ]
    return "\n".join(lines)


def write_unlabelled(settings: Settings, folder: Path) -> Path:
    """Write the texts of FiQA and PhraseBank, one a line; a run leaves out those of its parts."""
    fiqa = load_texts(str(find_fiqa(settings.fiqa)))
    phrasebank = load_texts(f"{find_archive(settings.archive)}:araci")
    texts = dict.fromkeys(" ".join(text.split()) for text in fiqa.texts + phrasebank.texts)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / TEXTS
    path.write_text("".join(f"{text}\n" for text in texts if text), encoding="utf-8")
    return path


def runs_of(
    settings: Settings, series: Series, texts: Path, seed: int
) -> dict[str, tuple[str, TrainSettings]]:
    """The folder's name and the settings of each run of a seed, in order."""
    teacher, student = f"teacher/seed-{seed}", series.folder / "student" / f"seed-{seed}"
    return {
        TEACHER: (teacher, settings.of_teacher(seed)),
        ALONE: (f"alone/seed-{seed}", settings.of_student(seed, student)),
        DISTILLED: (
            f"distilled/seed-{seed}",
            settings.of_distilled(seed, student, str(series.folder / teacher), texts),
        ),
    }


def trained(
    series: Series, name: str, settings: TrainSettings, layers: list[int] | None
) -> Outcome:
    """The outcome of a run; a teacher gives the student of its seed too."""

    def work(folder: Path) -> dict[str, Any]:
        result = run(replace(settings, output_dir=str(folder), overwrite=True))
        if name.startswith("teacher"):
            student = series.folder / "student" / folder.name
            shrink(shrink_settings(folder, student, layers))
        compared = getattr(result, "distillation", None)
        return kept_result(result, compared=compared and compared.to_dict())

    return series.outcome(name, work)


def shrink_settings(teacher: Path, student: Path, layers: list[int] | None) -> ShrinkSettings:
    """The settings that make a student of a teacher."""
    return ShrinkSettings(model=str(teacher), output=str(student), layers=layers, overwrite=True)


def distilled(series: Series, seed: int) -> Path:
    """The folder of a distilled student."""
    return series.folder / "distilled" / f"seed-{seed}"


def exported_package(folder: Path, model: Path) -> dict[str, Any]:
    """Export a student to Core ML and verify the saved package; return what both print.

    Raises:
        InputError: If a package is not the model.
    """
    options = ToCoremlSettings(model=str(model), output=str(folder / PACKAGE), overwrite=True)
    report = export_model(options)
    if not report.passed:
        raise InputError(f"the export of {model} failed its verification: {report}")
    lines = [str(report)]
    for path in report.paths:
        found = verify_package(VerifySettings(model=str(model), package=str(path)))
        if not found.passed:
            raise InputError(f"{path} is not the model: {found}")
        lines.append(f"{path}: verified again from the saved file")
    return {"lines": lines}


def sizes(outcomes: list[Outcome]) -> Iterator[str]:
    """Parameters, bytes and speed of student and teacher, as the distilled runs measured them."""
    compared = [one.more["compared"] for one in outcomes]
    for name in ("teacher", "student"):
        found = compared[0][name]
        speed = median(one[name]["texts_per_second"] for one in compared)
        yield (
            f"{name}: {found['parameters']:,} parameters, {found['bytes_on_disk'] / 1e6:.1f} MB,"
            f" {speed:.0f} texts a second"
        )
    ratios = [
        one["student"]["texts_per_second"] / one["teacher"]["texts_per_second"] for one in compared
    ]
    agreement = median(one["agreement"] for one in compared)
    yield (
        f"the student is {median(ratios):.2f} times as fast (median of the seeds,"
        f" {min(ratios):.2f} to {max(ratios):.2f}); both agree on {agreement:.1%} of the test rows"
    )


def commands(settings: Settings, series: Series, texts: Path, seed: int) -> Iterator[str]:
    """The commands of a seed."""
    teacher = series.folder / "teacher" / f"seed-{seed}"
    student = series.folder / "student" / f"seed-{seed}"
    for name, own in runs_of(settings, series, texts, seed).values():
        folder = series.folder / name
        yield command_line("mlx_finbert.train", replace(own, output_dir=str(folder)))
        if name.startswith("teacher"):
            options = shrink_settings(teacher, student, settings.layers)
            yield command_line("mlx_finbert.convert.shrink", options)
    options = ToCoremlSettings(
        model=str(distilled(series, seed)), output=str(series.folder / "export" / PACKAGE)
    )
    yield command_line("mlx_finbert.convert.to_coreml", options)
