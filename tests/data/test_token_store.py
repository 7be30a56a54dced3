"""Token stores: content, words, resuming, memory; and the rows made of them."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from mlx_finbert.data import corpus as corpora
from mlx_finbert.data.corpus import Corpus, in_pieces
from mlx_finbert.data.sources.plain_texts import plain_texts
from mlx_finbert.data.token_rows import JoinedRows, LineRows
from mlx_finbert.data.token_store import digest_of, make_stores, mapped, read_stores, word_starts
from mlx_finbert.errors import InputError

TEXTS = [
    "the company said sales rose",
    "operating profit fell by 12 percent, the company said.",
    "[unused] zq",
    "margin unchanged",
]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "news.txt"
    path.write_text("\n".join(TEXTS) + "\n")
    return path


@pytest.fixture(params=["bert", "roberta"])
def tokenizer(request, checkpoint):
    import mlx_finbert

    return mlx_finbert.load(checkpoint(request.param))[1]


def stores_of(tokenizer, path, folder, **more):
    return make_stores(Corpus(plain_texts(str(path)), **more), tokenizer, folder)


def ends_of(tokenizer):
    return tokenizer.cls_token_id, tokenizer.sep_token_id


def test_a_text_is_what_the_tokenizer_makes_of_it(tokenizer, file, tmp_path):
    store = stores_of(tokenizer, file, tmp_path / "run").train
    assert store.ids.dtype == np.uint16 and isinstance(store.ids, np.memmap)
    for i, text in enumerate(TEXTS):
        start, stop = store.offsets[i : i + 2]
        wanted = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert store.tokens(start, stop).tolist() == [*wanted, tokenizer.sep_token_id]
    assert store.counts.texts == len(TEXTS)
    assert len(store) == store.counts.tokens + len(TEXTS)


def test_words_begin_where_the_tokenizer_begins_them(tokenizer, file, tmp_path):
    store = stores_of(tokenizer, file, tmp_path / "run").train
    for i, text in enumerate(TEXTS):
        start, stop = store.offsets[i : i + 2]
        words = tokenizer(text, add_special_tokens=False).word_ids()
        wanted = [j == 0 or words[j] != words[j - 1] for j in range(len(words))]
        assert store.starts(start, stop).tolist() == [*wanted, True]
    # "12" is two pieces of one word in the vocabulary of the tests.
    assert not store.starts(0, len(store)).all()


def test_a_token_without_a_word_stands_alone():
    assert word_starts([0, 0, None, None, 1]).tolist() == [True, False, True, True, True]
    assert word_starts([]).tolist() == []


def test_joined_rows_are_the_stream_without_padding(tokenizer, file, tmp_path):
    store = stores_of(tokenizer, file, tmp_path / "run").train
    rows = JoinedRows(store, 8, ends_of(tokenizer))
    sep = tokenizer.sep_token_id
    stream = [
        i for text in TEXTS for i in [*tokenizer(text, add_special_tokens=False)["input_ids"], sep]
    ]
    assert len(rows) == len(stream) // 6 > 3
    assert rows.lengths.tolist() == [8] * len(rows)
    for i in range(len(rows)):
        assert rows[i].dtype == np.int32
        assert rows[i].tolist() == [tokenizer.cls_token_id, *stream[6 * i : 6 * i + 6], sep]
        assert rows.starts[i].shape == (8,) and rows.starts[i][[0, 1, -1]].all()
        assert rows.starts[i][2:-1].tolist() == store.starts(6 * i + 1, 6 * i + 6).tolist()
    assert rows.dropped == len(stream) % 6


def test_a_row_a_line_is_cut_at_the_length(tokenizer, file, tmp_path):
    store = stores_of(tokenizer, file, tmp_path / "run").train
    rows = LineRows(store, 9, ends_of(tokenizer))
    assert len(rows) == len(TEXTS)
    for i, text in enumerate(TEXTS):
        ids = tokenizer(text)["input_ids"]
        assert rows[i].tolist() == [*ids[: min(len(ids) - 1, 8)], ids[-1]]
        assert len(rows.starts[i]) == len(rows[i]) == rows.lengths[i]
    full = [len(tokenizer(text)["input_ids"]) for text in TEXTS]
    assert rows.cut == sum(length > 9 for length in full) > 0
    assert rows.dropped == sum(max(0, length - 9) for length in full)


def test_whole_texts_are_held_out_by_the_seed(tiny, tmp_path):
    path = tmp_path / "news.txt"
    path.write_text("".join(f"sales rose by {i} percent\n" for i in range(400)))
    one, again, other = (
        stores_of(tiny[1], path, tmp_path / f"run{i}", ratio=0.2, seed=seed)
        for i, seed in enumerate((1, 1, 2))
    )
    assert one.validation.counts.texts == again.validation.counts.texts
    assert 50 < one.validation.counts.texts < 110
    assert one.train.counts.texts + one.validation.counts.texts == 400
    assert not np.array_equal(one.validation.ids, other.validation.ids)
    assert one.digest == again.digest != other.digest


def test_equal_texts_are_on_the_same_side(tiny, tmp_path):
    path = tmp_path / "news.txt"
    path.write_text("sales rose\nSales  ROSE\n" * 50 + "profit fell\n" * 50)
    found = stores_of(tiny[1], path, tmp_path / "run", ratio=0.5, seed=0)
    assert {found.train.counts.texts, found.validation.counts.texts} <= {0, 50, 100, 150}


def test_held_out_texts_of_their_own(tiny, file, tmp_path):
    other = tmp_path / "held.txt"
    other.write_text("profit rose\n\n")
    corpus = Corpus(plain_texts(str(file)), plain_texts(str(other)))
    found = make_stores(corpus, tiny[1], tmp_path / "run")
    assert (found.train.counts.texts, found.validation.counts.texts) == (4, 1)
    assert f"{other}: 1 empty texts are skipped" in found.notes
    assert found.digest == digest_of(corpus, tiny[1])


@pytest.mark.parametrize("changed", ["texts", "order", "ratio", "seed", "tokenizer"])
def test_the_digest_tells_any_difference(checkpoint, file, tmp_path, changed):
    import mlx_finbert

    _, tokenizer = mlx_finbert.load(checkpoint())
    more = {"ratio": 0.5, "seed": 3}
    made = stores_of(tokenizer, file, tmp_path / "run", **more)
    assert digest_of(Corpus(plain_texts(str(file)), **more), tokenizer) == made.digest
    if changed == "texts":
        file.write_text(file.read_text().replace("rose", "fell"))
    elif changed == "order":
        file.write_text("\n".join(reversed(TEXTS)) + "\n")
    elif changed == "tokenizer":
        tokenizer.add_tokens(["unchangedly"])
    else:
        more[changed] = 0.25
    assert digest_of(Corpus(plain_texts(str(file)), **more), tokenizer) != made.digest


def test_chunks_do_not_show(tiny, tmp_path, monkeypatch):
    path = tmp_path / "news.txt"
    path.write_text("".join(f"sales rose by {i} percent\n" for i in range(100)))
    whole = stores_of(tiny[1], path, tmp_path / "whole")
    monkeypatch.setattr(corpora, "CHUNK", 7)
    parts = stores_of(tiny[1], path, tmp_path / "parts")
    assert whole.digest == parts.digest
    for name in ("ids.bin", "starts.bin", "offsets.bin"):
        one, other = (tmp_path / run / "tokens/train" / name for run in ("whole", "parts"))
        assert one.read_bytes() == other.read_bytes()


def test_a_very_long_text_is_tokenized_in_pieces(tiny, tmp_path, monkeypatch):
    text = " ".join(f"sales rose by {i} percent" for i in range(500))
    path = tmp_path / "news.txt"
    path.write_text(text + "\n")
    whole = stores_of(tiny[1], path, tmp_path / "whole")
    monkeypatch.setattr(corpora, "CHARACTERS", 300)
    pieces = in_pieces(text)
    assert len(pieces) > 20 and "".join(pieces) == text
    cut = stores_of(tiny[1], path, tmp_path / "cut")
    assert cut.train.counts == whole.train.counts and cut.train.counts.texts == 1
    assert np.array_equal(cut.train.ids, whole.train.ids)
    assert cut.digest == whole.digest


def test_a_store_is_read_back_or_is_not_there(tiny, file, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    assert read_stores(folder) is None
    made = stores_of(tiny[1], file, folder)
    assert read_stores(folder).digest == made.digest
    assert [p.name for p in folder.iterdir()] == ["tokens"]
    ids = folder / "tokens/train/ids.bin"
    os.truncate(ids, 4)
    assert read_stores(folder) is None


def damage(about, name):
    counts = about["parts"]["train"]
    match name:
        case "dtype":
            about["dtype"] = "<i2"
        case "width":
            about["dtype"] = "u1"
        case "notes":
            about["notes"] = None
        case "digest":
            del about["digest"]
        case "count":
            counts["tokens"] += 1
        case _:
            counts["texts"] = {"text": "4", "number": 4.0, "list": [4]}[name]


@pytest.mark.parametrize(
    "name", ["dtype", "width", "notes", "digest", "count", "text", "number", "list"]
)
def test_a_store_whose_description_does_not_fit_is_not_there(tiny, file, tmp_path, name):
    stores_of(tiny[1], file, tmp_path)
    path = tmp_path / "tokens/store.json"
    about = json.loads(path.read_text())
    damage(about, name)
    path.write_text(json.dumps(about))
    assert read_stores(tmp_path) is None


def test_a_failure_leaves_the_earlier_store(tiny, file, tmp_path):
    folder = tmp_path / "run"
    made = stores_of(tiny[1], file, folder)
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"text": "sales"}\n{"text": 1}\n')
    with pytest.raises(InputError, match="not a text"):
        stores_of(tiny[1], bad, folder)
    assert read_stores(folder).digest == made.digest
    assert [p.name for p in folder.iterdir()] == ["tokens"]


def test_files_are_on_the_disk_before_they_have_their_name(tiny, file, tmp_path, disk_events):
    stores_of(tiny[1], file, tmp_path / "run")
    number = (tmp_path / "run/tokens/train/ids.bin").stat().st_ino
    commit = [event for event, _ in disk_events].index("rename")
    assert ("fsync", number) in disk_events[:commit]


def test_an_empty_file_is_an_empty_array(tmp_path):
    (tmp_path / "ids.bin").write_bytes(b"")
    assert mapped(tmp_path / "ids.bin", "<u2").shape == (0,)


MEASURED = """
import json, resource, sys
from pathlib import Path
import numpy as np
from mlx_finbert.data.token_rows import JoinedRows
from mlx_finbert.data.token_store import Counts, TokenStore, TokenWriter

folder, limit = Path(sys.argv[1]), int(sys.argv[2])
own = next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if "VmData" in line)
resource.setrlimit(resource.RLIMIT_DATA, (own + limit, own + limit))
writer = TokenWriter(folder, "<u2", separator=2, unknown=1)
rng = np.random.default_rng(0)
texts = 0
while writer.tokens < 2 * limit:
    ids = rng.integers(5, 30000, 10_000)
    writer.add([(ids, ids % 3 > 0)] * 20)
counts = writer.close()
rows = JoinedRows(TokenStore(folder, counts, "<u2"), 128, (1, 2))
total = sum(int(rows[i].sum()) + int(rows.starts[i].sum()) for i in range(0, len(rows), 3))
try:
    np.zeros(2 * limit, np.uint8) + 1
    held = False
except MemoryError:
    held = True
size = sum(path.stat().st_size for path in folder.iterdir())
print(json.dumps({"size": size, "total": total, "held": held}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not limit a process's data")
def test_a_store_may_be_larger_than_memory(tmp_path):
    limit = 32 << 20
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, tmp_path / "store", str(limit)],
        capture_output=True, text=True, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["size"] > 4 * limit and found["held"] and found["total"] > 0
