"""Tokenizer files of a checkpoint: damaged ones are refused or named, odd but right ones load."""

import errno
import json
import logging
import os
import shutil

import mlx.core as mx
import numpy as np
import pytest
from tokenizers import ByteLevelBPETokenizer

import mlx_finbert
from mlx_finbert.checkpoints.tokenizer import save_tokenizer
from mlx_finbert.cli.command import command
from mlx_finbert.errors import InputError

EMBEDDING = "embeddings.word_embeddings.weight"


def refused(folder, words):
    with pytest.raises(InputError, match=words) as caught:
        mlx_finbert.load(folder)
    assert "\n" not in str(caught.value)


def test_a_blank_line(checkpoint):
    folder = checkpoint()
    good = (folder / "vocab.txt").read_text()
    (folder / "vocab.txt").write_text(good + "\n")
    refused(folder, r"vocab\.txt, line 113: the line is blank .*; delete it")
    (folder / "vocab.txt").write_text(good + "\n\n\n")
    refused(folder, r"vocab\.txt, line 113: .* delete it")
    (folder / "vocab.txt").write_text(good.replace("profit\n", "\n", 1))
    refused(folder, r"vocab\.txt, line 6: the line is blank .*; download the file again")


def test_a_byte_order_mark_and_bytes_that_are_not_utf8(checkpoint):
    folder = checkpoint()
    good = (folder / "vocab.txt").read_bytes()
    (folder / "vocab.txt").write_bytes(b"\xef\xbb\xbf" + good)
    refused(
        folder, r"vocab\.txt begins with a byte order mark, .* save it as UTF-8 without the mark"
    )
    (folder / "vocab.txt").write_bytes(good.replace(b"loss\n", b"lo\xffss\n"))
    refused(folder, r"vocab\.txt, line 7: not UTF-8; download the file again")


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_json_files_that_are_none(checkpoint, tmp_path, name):
    folder = mlx_finbert.save(*mlx_finbert.load(checkpoint()), tmp_path / "saved")
    good = (folder / name).read_bytes()
    (folder / name).write_bytes(b"\xef\xbb\xbf" + good)
    refused(folder, rf"{name} begins with a byte order mark")
    (folder / name).write_bytes(good[:-20])
    refused(folder, rf"{name} is not valid JSON: .*; download it again")
    (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    refused(folder, rf"{name} is a git-LFS pointer .* `git lfs pull`")


@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_of_other_systems(checkpoint, end, last, caplog):
    folder = checkpoint()
    lines = (folder / "vocab.txt").read_text().split("\n")[:-1]
    text = end.join(lines) + (end if last else "")
    (folder / "vocab.txt").write_text(text, newline="")
    _, tokenizer = mlx_finbert.load(folder)
    assert tokenizer.convert_ids_to_tokens(range(len(lines))) == lines
    assert not caplog.records


def test_a_missing_special_token(checkpoint):
    """transformers gives it the id after the last, which has a row: nothing would fail."""
    folder = checkpoint()
    lines = (folder / "vocab.txt").read_text().split("\n")
    (folder / "vocab.txt").write_text("\n".join(lines[1:]))
    refused(folder, r"vocab\.txt has no line '\[PAD\]', the tokenizer's pad token")


def test_a_repeated_line_is_said(checkpoint, caplog):
    folder = checkpoint()
    text = (folder / "vocab.txt").read_text()
    (folder / "vocab.txt").write_text(text.replace("sales\n", "profit\n", 1))
    mlx_finbert.load(folder)
    assert "vocab.txt, line 8: it repeats line 6 ('profit')" in caplog.text


def test_a_vocabulary_beside_tokenizer_json_that_differs_is_said(checkpoint, tmp_path, caplog):
    folder = mlx_finbert.save(*mlx_finbert.load(checkpoint()), tmp_path / "saved")
    assert (folder / "tokenizer.json").is_file()
    shutil.copy(tmp_path / "tiny" / "vocab.txt", folder)
    mlx_finbert.load(folder)
    assert not caplog.records
    lines = (folder / "vocab.txt").read_text().split("\n")
    (folder / "vocab.txt").write_text("\n".join(lines[:7] + lines[8:]))
    mlx_finbert.load(folder)
    assert "disagrees with tokenizer.json next to it" in caplog.text and "id 7" in caplog.text


CASED = "[PAD] [UNK] [CLS] [SEP] [MASK] The the Profit profit ##s".split()


@pytest.fixture
def cased(checkpoint):
    """A folder with a cased `vocab.txt` alone."""
    folder = checkpoint(vocab_size=len(CASED))
    (folder / "vocab.txt").write_text("\n".join(CASED) + "\n")
    return folder


def test_a_cased_vocabulary_without_a_rule_is_said(cased, caplog):
    _, tokenizer = mlx_finbert.load(cased)
    assert tokenizer.tokenize("The Profits") == ["the", "profit", "##s"]
    assert "the vocabulary has capitals (" in caplog.text
    assert '{"do_lower_case": false} to tokenizer_config.json' in caplog.text

    # The remedy works, and what it leaves says it.
    caplog.clear()
    (cased / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    model, tokenizer = mlx_finbert.load(cased)
    assert tokenizer.tokenize("The Profits") == ["The", "Profit", "##s"]
    _, again = mlx_finbert.load(mlx_finbert.save(model, tokenizer, cased.parent / "saved"))
    assert again.tokenize("The Profits") == ["The", "Profit", "##s"]
    assert not caplog.records


def test_tokenizer_json_alone_does_not_keep_capitals_which_is_said(cased, caplog):
    (cased / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    saved = mlx_finbert.save(*mlx_finbert.load(cased), cased.parent / "saved")
    (saved / "tokenizer_config.json").unlink()
    _, tokenizer = mlx_finbert.load(saved)
    assert tokenizer.tokenize("The Profits") == ["the", "profit", "##s"]
    assert "the vocabulary has capitals" in caplog.text


def test_an_uncased_vocabulary_needs_no_rule(checkpoint, caplog):
    mlx_finbert.load(checkpoint())
    assert not caplog.records


def test_commands_show_warnings(cased, capsys):
    @command
    def main(argv):
        mlx_finbert.load(cased)

    logging.getLogger().handlers.clear()
    assert main([]) == 0
    assert "the vocabulary has capitals" in capsys.readouterr().err


def test_cut_merges(checkpoint):
    folder = checkpoint("roberta", vocab_size=400)
    trained = ByteLevelBPETokenizer()
    texts = ["Net sales rose and the company's operating profit fell in the quarter."] * 3
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained.train_from_iterator(texts, 400, min_frequency=2, special_tokens=special)
    size = trained.get_vocab_size()
    config = json.loads((folder / "config.json").read_text()) | {"vocab_size": size}
    (folder / "config.json").write_text(json.dumps(config))
    weights = mx.load(str(folder / "model.safetensors"))
    key = f"roberta.{EMBEDDING}"
    weights[key] = weights[key][:size]
    mx.save_safetensors(str(folder / "model.safetensors"), weights)
    trained.save_model(str(folder))
    mlx_finbert.load(folder)
    merges = (folder / "merges.txt").read_text().split("\n")
    (folder / "merges.txt").write_text("\n".join(merges[: len(merges) * 6 // 10]))
    refused(folder, r"no merge makes .* longer tokens .* are truncated; download the tok")


def resized(folder, rows, seed=0):
    """A small checkpoint with other rows in its embedding, random as all of it."""
    config = json.loads((folder / "config.json").read_text()) | {"vocab_size": rows}
    (folder / "config.json").write_text(json.dumps(config))
    weights = mx.load(str(folder / "model.safetensors"))
    key = f"bert.{EMBEDDING}"
    size = weights[key].shape[1]
    weights[key] = mx.array(np.random.default_rng(seed).normal(0, 0.02, (rows, size)), mx.float32)
    mx.save_safetensors(str(folder / "model.safetensors"), weights)


def test_an_untrained_embedding_may_be_padded_to_a_multiple(checkpoint, caplog):
    folder = checkpoint()
    resized(folder, 128)
    mlx_finbert.load(folder)
    assert (
        "the last 16 rows, which have no token, are treated as padding because of their number"
        in caplog.text
    )
    resized(folder, 130)
    refused(folder, r"has 112 tokens and the model's embedding 130 rows, but the last 18 rows")


@pytest.fixture
def real(minilm, tmp_path):
    """Factory of copies of the real encoder with `vocab.txt` alone, changed."""

    def make(change=lambda lines: lines, padding=None):
        folder = tmp_path / f"real-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        lines = (minilm / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
        text = "\n".join(change(lines)) + "\n"
        (folder / "vocab.txt").write_text(text, encoding="utf-8")
        weights = mx.load(str(minilm / "model.safetensors"))
        if padding is not None:
            whole = np.concatenate(
                [np.array(weights[EMBEDDING]), padding(np.array(weights[EMBEDDING]))]
            )
            weights[EMBEDDING] = mx.array(whole.astype(np.float32))
        mx.save_safetensors(str(folder / "model.safetensors"), weights)
        config = json.loads((minilm / "config.json").read_text())
        config["vocab_size"] = len(weights[EMBEDDING])
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    return make


def without(*ids):
    return lambda lines: [line for i, line in enumerate(lines) if i not in ids]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without(0), r"has no line '\[PAD\]'"),
        (without(50), r"about '\w+' \(id \d+\) on, the tokens match rows at an offset of \+1: l"),
        (without(1000), r"at an offset of \+1: lines of the vocabulary are missing"),
        (without(15000), r"match rows at an offset of \+1:"),
        (without(28500), r"match rows at an offset of \+1:"),
        (without(*range(9000, 9100)), r"match rows at an offset of \+100:"),
        (without(*range(7, 30000, 1000)), r"the tokens do not match: lines"),
        (lambda lines: [*lines[:5000], "new", *lines[5000:-1]], r"match rows at an offset of -1:"),
        (without(30000), r"the last 1 rows, which have no token, are not padding"),
        (lambda lines: lines[:-1], r"the last 1 rows, which have no token, are not padding"),
        (lambda lines: lines[: len(lines) * 6 // 10], r"the vocabulary is truncated; download"),
        (lambda lines: lines[:-2000], r"the last 2,000 rows, which have no token, are not padding"),
    ],
)  # fmt: skip
def test_cut_and_shifted_vocabularies(real, change, words):
    refused(real(change), words)


@pytest.mark.parametrize(
    ("padding", "said"),
    [
        (lambda rows: np.random.default_rng(1).normal(0, 0.02, (6, 384)), False),
        (lambda rows: np.zeros((6, 384)), False),
        (lambda rows: np.repeat(rows.mean(0)[None], 6, axis=0), False),
        # [unused0] and after: no text has ever trained them.
        (lambda rows: rows[1:7], False),
        (lambda rows: np.random.default_rng(1).normal(0, 0.02, (1000, 384)), True),
    ],
)
def test_padding_after_a_whole_vocabulary(real, padding, said, caplog):
    folder = real(padding=padding)
    model, tokenizer = mlx_finbert.load(folder)
    assert len(tokenizer) == 30522 < model.args.vocab_size
    assert ("look untrained and are treated as padding" in caplog.text) == said


def test_trained_rows_after_a_whole_vocabulary_are_no_padding(real):
    refused(real(padding=lambda rows: rows[5000:5006]), "the last 6 rows, .* are not padding")
    refused(real(padding=lambda rows: rows[5000:6000]), "the last 1,000 rows, .* are not padding")


def test_a_sorted_vocabulary_is_said(real, caplog):
    mlx_finbert.load(real(lambda lines: [*lines[:999], *sorted(lines[999:])]))
    assert "words with the same beginning have dissimilar rows; check that" in caplog.text


def test_the_real_vocabulary_alone(real, caplog):
    mlx_finbert.load(real())
    assert [r.message for r in caplog.records if "newly initialised" not in r.message] == []


@pytest.mark.parametrize("count", [1, 13])
def test_rows_of_zeros_are_padding_whatever_their_number(checkpoint, count):
    """Even in weights that look untrained, where rows drawn like the others prove nothing."""
    folder = checkpoint()
    weights = mx.load(str(folder / "model.safetensors"))
    config = json.loads((folder / "config.json").read_text())
    name = "bert.embeddings.word_embeddings.weight"
    table = weights[name]
    config["vocab_size"] += count
    (folder / "config.json").write_text(json.dumps(config))
    for rows, is_padding in ((mx.zeros((count, 15)), True), (table[20 : 20 + count], False)):
        weights[name] = mx.concatenate([table, rows])
        mx.save_safetensors(str(folder / "model.safetensors"), weights)
        if is_padding:
            mlx_finbert.load(folder)
        else:
            refused(folder, f"the last {count} rows, which have no token, are not padding")


def test_a_full_disk(tiny, tmp_path, full_disk, capsys):
    with full_disk():
        status = command(lambda argv: save_tokenizer(tiny[1], tmp_path))([])
    error = f"error: {tmp_path / 'tokenizer.json'}: {os.strerror(errno.EFBIG)}\n"
    assert status == 2 and capsys.readouterr().err == error
