"""Tokenizers of transformers whose ids show any difference, and the metadata made of them."""

import json

from tokenizers import AddedToken, ByteLevelBPETokenizer
from transformers import BertTokenizer, RobertaTokenizer

from mlx_finbert.convert.coreml.tokenizer import random_texts
from mlx_finbert.convert.coreml.tokenizer.rebuilt import RebuiltTokenizer
from mlx_finbert.convert.coreml.vocabulary import vocabulary_of

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = (
    "profit profits net sales a an the it is not ##ed ##ing ##s ##it ##fit gap étude株 é".split()
)
CHARACTERS = sorted(set("".join((*random_texts.LETTERS, random_texts.MARKS))))
PUNCTUATION = sorted(set(random_texts.PUNCTUATION + random_texts.EMOJI))

ALL_KINDS = [
    AddedToken("EBITDA"),
    AddedToken("book-to-bill", single_word=True),
    AddedToken("[TICKER]", lstrip=True, normalized=False),
    AddedToken("profit", single_word=True, rstrip=True),
    AddedToken("Été", lstrip=True, rstrip=True),
    AddedToken("株", normalized=True),
    AddedToken("##s", single_word=True, normalized=False),
    AddedToken("two words", special=True),
    AddedToken(" \t", rstrip=True, normalized=False),
    AddedToken("line\u2028separator\u0085"),
]


def word_pieces(**rules):
    """A BERT tokenizer that knows each character alone and within words."""
    characters = [form for c in CHARACTERS for form in (c, f"##{c}")]
    tokens = dict.fromkeys([*SPECIAL, *WORDS, *PUNCTUATION, *characters])
    tokenizer = BertTokenizer(vocab={token: i for i, token in enumerate(tokens)})
    normalizer = tokenizer.backend_tokenizer.normalizer
    for name, value in rules.items():
        setattr(normalizer, name, value)
    return tokenizer


def byte_pairs(size=600, **settings):
    """A RoBERTa tokenizer with merges of real words, its `<mask>` as in the original."""
    trained = ByteLevelBPETokenizer()
    texts = ["Net sales rose by 5 % and the company's operating profit fell, it's said."] * 5
    texts += [
        "Société Générale's bénéfice 株価は上昇した Прибыль выросла\n\n  ",
        "  profits don't we'll",
    ] * 5
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained.train_from_iterator(texts, size, min_frequency=2, special_tokens=special)
    model = json.loads(trained.to_str())["model"]
    return RobertaTokenizer(
        vocab=model["vocab"],
        merges=[tuple(pair) for pair in model["merges"]],
        mask_token=AddedToken("<mask>", lstrip=True, special=True),
        **settings,
    )


def metadata_of(tokenizer):
    """What a package would say of it."""
    vocabulary = vocabulary_of(tokenizer, rows=10**6)
    return {
        "mlx_finbert.tokenizer": json.dumps(vocabulary.rules),
        "mlx_finbert.vocabulary": vocabulary.text,
        "mlx_finbert.merges": "\n".join(vocabulary.merges),
    }


def texts_for(tokenizer):
    """The random texts of an export of it."""
    vocabulary = vocabulary_of(tokenizer, rows=10**6)
    added = [token["content"] for token in vocabulary.rules["added_tokens"]]
    return random_texts.random_texts(vocabulary.tokens, added)


def differing(tokenizer, texts):
    """Texts to which the tokenizer rebuilt from the metadata gives other ids."""
    rebuilt = RebuiltTokenizer(metadata_of(tokenizer))
    expected = tokenizer(texts)["input_ids"]
    return [t for t, ids in zip(texts, expected, strict=True) if rebuilt(t) != ids]
