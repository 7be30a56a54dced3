"""The models and texts that are checked."""

import mlx.core as mx
import numpy as np
import pytest

from mlx_finbert.self_check import subjects
from mlx_finbert.self_check.subjects import minilm_folder, minilm_subject, small_subjects


def test_all_texts_are_in_the_batch_in_their_order():
    for subject in small_subjects():
        batch, found = subject.batch, []
        for ids, numbers in zip(batch.input_ids, batch.attention_mask, strict=True):
            found += [ids[numbers == number] for number in range(1, numbers.max() + 1)]
            assert (ids[numbers == 0] == subject.config["pad_token_id"]).all()
        assert len(found) == len(subject.texts) == batch.weights.sum()
        for one, other in zip(found, subject.texts, strict=True):
            np.testing.assert_array_equal(one, other)
        assert (batch.label_ids[batch.weights > 0] == subject.label_ids).all()
    # A row of two texts, and one with an empty place.
    assert small_subjects()[0].batch.weights.tolist() == [1.0] * 9 + [0.0]


def test_weights_are_the_same_every_time():
    for one, other in zip(small_subjects(), small_subjects(), strict=True):
        assert all(np.array_equal(one.weights[name], other.weights[name]) for name in one.weights)


def test_without_minilm_weights_in_its_sizes_are_random_and_it_is_said(monkeypatch):
    monkeypatch.setattr(subjects, "minilm_folder", lambda: None)
    subject = minilm_subject()
    assert subject.name == "random weights, as MiniLM is not on this machine"
    assert subject.weights["bert.embeddings.word_embeddings.weight"].shape == (30522, 384)
    assert np.isfinite(np.array(subject.logits())).all()


def test_the_installed_encoder_is_used(minilm):
    assert minilm_folder() == minilm
    subject = minilm_subject()
    assert subject.name == "MiniLM"
    weights = mx.load(str(minilm / "model.safetensors"))
    name = "embeddings.word_embeddings.weight"
    np.testing.assert_array_equal(subject.weights[f"bert.{name}"], np.array(weights[name]))


@pytest.mark.parametrize("cached", [True, False])
def test_a_cached_encoder_is_found_without_a_network(monkeypatch, tmp_path, cached):
    path = str(tmp_path / "model.safetensors") if cached else None
    monkeypatch.setattr(subjects, "find_spec", lambda name: None)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda repo, name: path)
    assert minilm_folder() == (tmp_path if cached else None)
