"""The flags of `python -m mlx_finbert.check`."""

from dataclasses import dataclass

from mlx_finbert.settings import setting


@dataclass(kw_only=True)
class CheckSettings:
    """What to check."""

    quick: bool = setting(False, "check only small models, and time nothing")
    json: bool = setting(False, "print one JSON document instead of lines")
