"""Sentences: texts are cut at the right places, and nothing is lost."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlx_finbert.data import load_texts
from mlx_finbert.data.sentences import split_sentences

# A bar marks the end of one sentence and the beginning of the next.
EXAMPLES = """
Nokia Corp. Chief Executive Rajeev Suri spoke. | Shares rose.
It was sold to Nokia Corp. | The price was not given.
Outotec Oyj. and Metso Inc. signed; Fiskars Ltd. Finland did not. | They will.
The U.S. Federal Reserve met in the U.S. | It waited.
Sales were EUR 58.70. | Costs were EUR 5.2 mn. | Profit rose.
It is No. 1 in China. | No. 2 is far behind.
Margins were approx. 5 % vs. The Street's 4 %, i.e. In line, e.g. Here.
Net sales in Q1. 2010 will be strong. | So will Q2.
Net sales rose in Q1. | In Q2 they fell.
J. P. Morgan and Mr. A. Smith met Dr. Who on Dec. 31. | Prof. The left.
The fund is called Real Estate Fund I. | The fund has a house.
Demand was weak... but it will rise. | Orders fell ... | Costs fell… | Cash fell.
Demand fell . . . and rose . | Costs fell . . . | The end .
He said: "We won." | "Did we?" he asked. | ("We did!") | Then he left.
He said “we won.” | ‘Yes.’ | (All of us.) | [Even Bob.] | Really?! | Yes!
Profit rose 5 % . | Sales fell . | the end .
`` Profit rose . '' | He said : " Sales fell . " | It is ( nearly ) true .
Yahoo! Inc. rose. | Yahoo! rose. | Great! | As expected.
Shares fell. | iPhone sales rose. | eBay fell. | easyJet too.
See www.nokia.com. | Write to ir@nokia.com, p. 5. | Call tel. +358 9 123.
On 31. 12. 2009 it had 5,000 staff. | 2010 was better. | 3 % left.
S.p.A. and S.A. Brussels are companies. | At 10 a.m. Finnish time it began.
1. Sales grew. | 2. Costs fell. | Q1. What now? | A. Nothing.
He is a sales rep. | However, he sells.
Shares fell. | - Analysts said so.
• Sales rose. | • Costs fell.
Orders rose.Costs fell. | The end
orders rose. | costs of ibm corp. fell. | the u.s. fed met! | it waited.
""".strip().splitlines()


@pytest.mark.parametrize("example", EXAMPLES)
def test_where_a_line_is_cut(example):
    expected = example.split(" | ")
    assert split_sentences(" ".join(expected)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Outlook\nSales will rise.", ["Outlook", "Sales will rise."]),
        ("Sales will\nrise by\n5 %", ["Sales will rise by", "5 %"]),
        ("rose,\n\nand fell", ["rose,", "and fell"]),
        ("a) one\r\nb) two\u2028(c) three", ["a) one", "b) two", "(c) three"]),
        ("Sales\n-----\nrose. ***", ["Sales", "----- rose. ***"]),
        ("  ***  ", ["***"]),
        ("one  \t two", ["one two"]),
        (" \n ", []),
        ("", []),
    ],
)
def test_line_breaks_and_pieces_without_words(text, expected):
    assert split_sentences(text) == expected


WORDS = st.sampled_from(
    "Inc. U.S. EUR 58.70. rose The the Q1. 1. . ... ? ! \" '' ) ( - * … No. e.g. J. 5 Ä iPhone "
    "Dec. 。 a) vs. ''. .5 ?! “ ”".split()
)
TEXTS = st.text() | st.lists(WORDS | st.sampled_from([" ", "\n", "\n\n", "\t"])).map(" ".join)


@given(TEXTS)
def test_every_character_is_in_exactly_one_sentence(text):
    sentences = split_sentences(text)
    assert "".join(sentences).replace(" ", "") == re.sub(r"\s", "", text).replace(" ", "")
    assert all(sentence == " ".join(sentence.split()) != "" for sentence in sentences)


@given(TEXTS)
def test_none_of_several_sentences_is_without_a_word(text):
    sentences = split_sentences(text)
    assert len(sentences) < 2 or all(any(map(str.isalnum, s)) for s in sentences)


def test_time_grows_with_the_length_alone():
    for word in ("- ", "Inc. ", ". ", '" ', "a. ) ", ".", "?", "a.a.", "iv"):
        assert "".join(split_sentences(word * 50_000)) != ""


def test_the_sentences_of_the_real_corpus(real_data):
    texts = load_texts(f"{real_data / 'FinancialPhraseBank-v1.0.zip'}:50agree").texts
    # 22 of the rows contain two or three sentences.
    assert sum(len(split_sentences(text)) > 1 for text in texts) == 22
    rows = [text for text in texts if len(split_sentences(text)) == 1 and text.endswith(" .")]
    wanted = [" ".join(row.split()) for row in rows]
    found = split_sentences(" ".join(wanted))
    assert len(set(wanted) & set(found)) / len(set(wanted)) > 0.995
