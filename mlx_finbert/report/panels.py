"""The charts of a training: what they show, and the keys of their values."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A chart of the training: its title, its explanation, and the keys of its values."""

    title: str
    explanation: str
    """One sentence for the page."""
    step: str | None = None
    """Key in the steps of the log."""
    training: str | None = None
    """Key in the history, drawn if the log has no values."""
    validation: str | None = None
    """Key in the history."""
    smooth: bool = True
    """Whether many steps are drawn as running means."""


LOSS = Panel(
    title="Loss",
    explanation="Lower is better. Training is what the run minimizes, with dropout and label"
    " smoothing; validation is plain cross-entropy.",
    step="step_loss",
    training="loss",
    validation="val_loss",
)
RATE = Panel(
    title="Learning rate",
    explanation="How far a step moves the weights, set by the schedule.",
    step="learning_rate",
    training="learning_rate",
    smooth=False,
)
NORM = Panel(
    title="Gradient norm",
    explanation="Length of the gradient before clipping; lasting growth is a sign of too high"
    " a learning rate.",
    step="grad_norm",
    training="grad_norm",
)

PANELS = [
    LOSS,
    RATE,
    NORM,
    Panel(
        title="Accuracy",
        explanation="Share of rows with the right label; training is the mean since the previous"
        " evaluation, with dropout.",
        training="accuracy",
        validation="val_accuracy",
    ),
    Panel(
        title="Macro-F1",
        explanation="Mean of the labels' F1; rare labels count as much as common ones.",
        validation="val_macro_f1",
    ),
]
"""Those of a classifier."""

MASKED_LM_PANELS = [
    replace(
        LOSS,
        explanation="Cross-entropy of the masked tokens; lower is better. Training is with"
        " dropout.",
    ),
    Panel(
        title="Perplexity",
        explanation="exp(loss): among how many tokens the model is undecided on average.",
        step="step_perplexity",
        training="perplexity",
        validation="val_perplexity",
    ),
    Panel(
        title="Masked accuracy",
        explanation="Share of the masked tokens whose likeliest token is the right one.",
        step="step_accuracy",
        training="accuracy",
        validation="val_accuracy",
    ),
    RATE,
    NORM,
]
"""Those of a masked-language model."""
