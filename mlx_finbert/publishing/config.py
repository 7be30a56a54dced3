"""The flags of `python -m mlx_finbert.push`."""

from dataclasses import dataclass

from mlx_finbert.checkpoints.hub import PACKAGED, PACKAGED_HUB_ID
from mlx_finbert.errors import InputError
from mlx_finbert.files.paths import local_path
from mlx_finbert.settings import require_given, required, setting


@dataclass(kw_only=True)
class DestinationSettings:
    """Destination."""

    folder: str = required(
        "folder of the model: a run, a checkpoint or adapters",
        "name the folder of a model",
        positional=True,
        metavar="FOLDER",
    )
    repo_id: str = required(
        "name on the hub, created if there is none",
        "name the model on the hub, USER/NAME",
        positional=True,
        metavar="USER/NAME",
    )
    private: bool = setting(False, "create the repository for its owners alone")
    revision: str | None = setting(
        None, "branch to push to, created if there is none (default: main)"
    )
    commit_message: str | None = setting(
        None, "message of the commit (default: names the version of mlx-finbert)"
    )
    seen_texts: bool = setting(
        True,
        "push seen_texts.tsv: hashes of the training and validation texts and their labels, from"
        " which evaluate and compare know what to leave out",
    )
    dry_run: bool = setting(False, "show what would be pushed and what stays, and push nothing")


@dataclass(kw_only=True)
class PushSettings(DestinationSettings):
    """Model card, where the folder does not record it."""

    license: str | None = setting(None, "license of the model, as the hub names it: mit, other")
    license_name: str | None = setting(None, "name of another license, with --license other")
    license_link: str | None = setting(None, "address of its text, with --license other")
    language: list[str] | None = setting(None, "languages of the texts, as codes: en,de")
    datasets: list[str] | None = setting(None, "ids on the hub of the training data")
    base_model: str | None = setting(
        None, "id on the hub of the model that this one was made of; adapters need it there"
    )
    tags: list[str] | None = setting(None, "more tags")

    def __post_init__(self) -> None:
        require_given(type(self), vars(self))
        check_repo_id(self.repo_id)
        for name in self.datasets or []:
            check_id("datasets", name)
        if self.base_model == PACKAGED:
            self.base_model = PACKAGED_HUB_ID
        if self.base_model:
            check_id("base_model", self.base_model)

    def card_fields(self) -> dict[str, str | list[str] | None]:
        """The fields of the header, by the names of huggingface_hub."""
        names = ("license", "license_name", "license_link", "language", "datasets", "base_model")
        fields = {name: getattr(self, name) or None for name in names}
        if self.language and len(self.language) == 1:
            fields["language"] = self.language[0]
        return fields


def check_repo_id(repo_id: str) -> None:
    """Refuse what is not USER/NAME."""
    if repo_id.count("/") != 1 or not is_id(repo_id):
        raise InputError(
            f"{repo_id!r} is not a name on the hub: give USER/NAME, your user or organization and"
            " the model's name, of letters, digits and single - _ ."
        )


def check_id(name: str, value: str) -> None:
    """Refuse a local path where an id on the hub is asked for."""
    if local_path(value).exists() or not is_id(value):
        raise InputError(f"`{name}` is {value!r}: give an id on the hub, OWNER/NAME")


def is_id(value: str) -> bool:
    """Whether huggingface_hub takes a name for an id."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(value)
    except HFValidationError:
        return False
    return True
