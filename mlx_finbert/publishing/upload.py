"""Uploads a model's folder to the hub."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import TYPE_CHECKING

from mlx_finbert._version import __version__
from mlx_finbert.errors import InputError, first_line
from mlx_finbert.files.folder_commit import read_whole
from mlx_finbert.publishing.config import PushSettings
from mlx_finbert.publishing.contents import FIGURES, OF_MODELS, Content
from mlx_finbert.publishing.plan import Plan, folder_of, plan_of, report_unknown

if TYPE_CHECKING:
    from huggingface_hub import HfApi

ADVICE = {
    401: "the login is not valid: run `hf auth login`, or set HF_TOKEN to a valid token",
    402: "the account cannot create this repository: see its plan on the hub",
    403: "the login may not write there: choose a name of your own (`hf auth whoami` says who you"
    " are), or log in with a token that may write",
    404: "there is no such user or organization, or the login may not write there: check the name",
    429: "too many requests: wait a few minutes",
}
"""What to do about the hub's answers, by their status."""


def plan(settings: PushSettings) -> Plan:
    """What `push` would publish; nothing is published, and no login is needed.

    Raises:
        InputError: if there is no trained model in the folder, or it cannot be published.
    """
    found = read_whole(folder_of(settings), lambda: plan_of(settings))
    report_unknown(found.unknown)
    return found


def push(settings: PushSettings) -> str:
    """Publish a model's folder on the hub in one commit.

    Returns:
        The address of the commit.

    Raises:
        InputError: if the folder cannot be published, or the hub refuses it or cannot be reached.
    """
    require_login()
    with TemporaryDirectory(prefix="mlx-finbert-push-") as place:

        def stage() -> tuple[Plan, Path]:
            found, folder = plan_of(settings), Path(mkdtemp(dir=place))
            put(found.files, folder)
            return found, folder

        found, folder = read_whole(folder_of(settings), stage)
        report_unknown(found.unknown)
        with failures_explained(settings.repo_id):
            return upload(settings, folder)


def put(files: Mapping[str, Content], folder: Path) -> None:
    """Put files into a folder as they are now, by links where the disk can."""
    for name, content in files.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
            continue
        try:
            os.link(content.resolve(), folder / name)
        except OSError:
            shutil.copyfile(content, folder / name)


def require_login() -> None:
    """Refuse to begin without a token."""
    from huggingface_hub import get_token

    if not get_token():
        raise InputError(
            "there is no login to the hub: run `hf auth login`, or set HF_TOKEN to a token that may"
            " write"
        )


def upload(settings: PushSettings, folder: Path) -> str:
    """Create the repository and commit the files; return the address of the commit."""
    from huggingface_hub import HfApi

    api = HfApi(library_name="mlx-finbert", library_version=__version__)
    name, revision = settings.repo_id, settings.revision
    api.create_repo(name, private=settings.private or None, exist_ok=True)
    if settings.private:
        require_private(api, name)
    if revision:
        require_branch(api, name, revision)
    commit = api.upload_folder(
        repo_id=name,
        folder_path=folder,
        revision=revision,
        commit_message=settings.commit_message or f"Upload a model with mlx-finbert {__version__}",
        delete_patterns=[*OF_MODELS, *FIGURES],
    )
    return str(commit.commit_url)


def require_private(api: "HfApi", name: str) -> None:
    """Refuse a public repository that was there before: creating it again leaves it public."""
    if not api.repo_info(name).private:
        raise InputError(
            f"{name} is on the hub already and public, so `private=True` cannot hold: make it"
            " private in its settings on the hub, or choose another name"
        )


def require_branch(api: "HfApi", name: str, revision: str) -> None:
    """Create a branch if there is none."""
    from huggingface_hub.errors import RevisionNotFoundError

    try:
        api.repo_info(name, revision=revision)
    except RevisionNotFoundError:
        api.create_branch(name, branch=revision)


@contextmanager
def failures_explained(name: str) -> Iterator[None]:
    """Turn the failures of an upload into sentences with the remedy.

    Raises:
        InputError: what the hub refused, or that it cannot be reached.
    """
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

    try:
        yield
    except InputError:
        raise
    except OfflineModeIsEnabled:
        raise InputError(f"{name} was not pushed: unset HF_HUB_OFFLINE to reach the hub") from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        advice = ADVICE.get(status, first_line(error))
        raise InputError(f"the hub refused to push {name} ({status}): {advice}") from error
    except (HTTPError, OSError) as error:
        raise InputError(
            f"{name} was not pushed, since the hub cannot be reached ({first_line(error)}): check"
            " the connection and push again"
        ) from error
    except ValueError as error:
        # huggingface_hub asks the hub to check the card's header.
        reason = " ".join(str(error).split())
        raise InputError(f"the hub refused the card of {name}: {reason}") from error
