"""Dropout rates that replace those of a checkpoint's config."""

import mlx.core as mx
import pytest
from small_models import NO_DROPOUT

from mlx_finbert.checkpoints.load import load_with_report
from mlx_finbert.models import FAMILIES, family_of
from mlx_finbert.models.dropout import DropoutRates

pytestmark = pytest.mark.usefixtures("backend")

BERT = ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout")
KEYS = {
    "bert": BERT,
    "roberta": BERT,
    "distilbert": ("dropout", "attention_dropout", "seq_classif_dropout"),
}
FIELDS = ("hidden", "attention", "head")


def loaded(folder, **rates):
    model, _, _ = load_with_report(folder, dropout=DropoutRates(**rates))
    return model


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_has_keys_of_its_own(family):
    kind, _ = family_of({"model_type": family})
    rates = DropoutRates(hidden=0.0, attention=0.25, head=0.5)
    assert rates.in_config(kind) == dict(zip(KEYS[family], (0.0, 0.25, 0.5), strict=True))
    assert DropoutRates().in_config(kind) == {}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_rate_acts_and_the_others_stay(checkpoint, family, field):
    folder = checkpoint(family, **NO_DROPOUT[family])
    ids, mask = mx.array([[3, 7, 9, 8, 5, 6, 7, 4]] * 2), mx.ones((2, 8), mx.int32)
    key = mx.random.key(0)
    plain, other = loaded(folder), loaded(folder, **{field: 0.5})
    assert mx.array_equal(plain(ids, mask, dropout_key=key), plain(ids, mask))
    assert not mx.array_equal(other(ids, mask, dropout_key=key), other(ids, mask))
    assert mx.array_equal(other(ids, mask), plain(ids, mask))
    key_of = dict(zip(FIELDS, KEYS[family], strict=True))
    assert other.args.to_config() == plain.args.to_config() | {key_of[field]: 0.5}


def test_the_head_of_bert_follows_the_layers_unless_it_has_a_rate(checkpoint):
    without, own = checkpoint(), checkpoint(name="own", classifier_dropout=0.3)
    assert loaded(without, hidden=0.5).dropout.rate == 0.5
    assert loaded(own, hidden=0.5).dropout.rate == 0.3
    assert loaded(own, hidden=0.5, head=0.0).dropout.rate == 0.0
