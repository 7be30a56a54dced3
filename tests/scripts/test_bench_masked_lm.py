"""`scripts/bench/masked_lm.py`: both kinds of step compute the same loss."""

import masked_lm
import pytest

pytestmark = pytest.mark.bench


def test_both_steps_have_the_same_loss(checkpoint):
    model = checkpoint(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    masked, all_tokens = masked_lm.measured(str(model), batch_size=4, length=16, rounds=2)
    assert (masked["step"], masked["logits"]) == ("masked", 4 * 2)
    assert (all_tokens["step"], all_tokens["logits"]) == ("all", 4 * 16)
    assert all_tokens["loss"] == pytest.approx(masked["loss"], rel=1e-5) and masked["loss"] > 1
    assert len(masked["seconds"]) == len(all_tokens["seconds"]) == 2


def test_the_table(monkeypatch, capsys):
    rows = [
        {"step": "masked", "logits": 304, "seconds": [1.0, 2.0, 3.0], "over_masked": 1.0,
         "peak_mb": 977, "loss": 10.0},
        {"step": "all", "logits": 2048, "seconds": [4.0, 3.0, 5.0], "over_masked": 1.5,
         "peak_mb": 1698, "loss": 10.0},
    ]  # fmt: skip
    monkeypatch.setattr(masked_lm, "measured", lambda *_: rows)
    masked_lm.main([])
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert printed[-2:] == [
        ["masked", "304", "2.00", "1.00", "977"],
        ["all", "2,048", "4.00", "1.50", "1,698"],
    ]
