"""Texts that tokenizers disagree on; `golden.json` lets an app test its tokenizer on them."""

from collections.abc import Iterator

from mlx_finbert.convert.coreml.vocabulary import FLAGS, Vocabulary

MOST_ADDED_TOKENS = 12
"""Added tokens that get their own texts; the others share texts."""

GOLDEN_TEXTS = (
    # Typical financial texts.
    "Operating loss narrowed to EUR 1.2 mn from EUR 3.4 mn a year earlier.",
    "Profit rose, but by far less than analysts had expected, and guidance was withdrawn.",
    "The annual general meeting will be held in Helsinki on 4 May.",
    "Net sales fell 7% to $1,234.5m; EBITDA margin 12.3% (11.9%).",
    "Q3/2025: revenue +4.2 % y/y, orders −3 %, book-to-bill 0.97x",
    "The company did not cut its dividend.",
    "Shares of AT&T and L'Oréal were little changed.",
    "Moody's downgraded the issuer to Baa3 from A1.",
    "It is not unlikely that losses will not widen.",
    "BUY!!! Target price raised to SEK 315 (280)",
    # Empty texts and single characters.
    "",
    " ",
    "\t\n",
    ".",
    "a",
    "7",
    "%",
    # White space and line ends of all kinds.
    "  leading and trailing  ",
    "two\nlines",
    "carriage\r\nreturn",
    "tab\tseparated\tvalues",
    "no\u00a0break\u00a0space",
    "thin\u2009space and ideographic\u3000space",
    "line\u2028separator",
    # Characters that are dropped or invisible.
    "\ufeffbyte order mark",
    "soft\u00adhyphen",
    "zero\u200bwidth\u200bspace",
    "zero\u200djoiner",
    "null\u0000inside",
    "bell\u0007and escape\u001b",
    "replacement \ufffd character",
    "right-to-left \u200fmark",
    # Case and accents.
    "ALL CAPITALS AND MiXeD CaSe",
    "Société Générale's bénéfice",
    "Mu\u0308ller, composed and de\u0301compose\u0301",
    "naïve façade, smörgåsbord, Ångström",
    "straße, STRASSE, ẞ",
    "İstanbul, ısı, I and i",
    "Ǆ ǅ ǆ",
    "ΑΣ σας ΣΊΣΥΦΟΣ",
    "ﬁnancial ﬂow",
    "ｆｕｌｌ ｗｉｄｔｈ １２３",
    # Punctuation and symbols.
    "can't won't it's 'tis",
    "“curly” ‘quotes’ „low“ «guillemets»",
    "dash - en – em — minus −",
    "e-mail: ir@example.com, https://example.com/q3?x=1&y=2#top",
    "a/b\\c|d^e~f`g",
    "€5 £6 ¥7 ₹8 $9 ¢1 ₿2",
    "½ ² ³ ™ © ® ° №",
    "...…....",
    "(((nested)))[[brackets]]{{braces}}<<angles>>",
    "#hashtag @mention $TSLA",
    # Other scripts.
    "株価は上昇した",
    "公司净利润同比增长",
    "매출이 증가했다",
    "Прибыль выросла на 5 %",
    "ارتفعت الأرباح",
    "הרווח עלה",
    "กำไรเพิ่มขึ้น",
    "मुनाफा बढ़ा",
    "Τα κέρδη αυξήθηκαν",
    "mixed 日本 and English",
    # Beyond the basic plane.
    "📈 up, 📉 down",
    "👩\u200d💼 flag 🇫🇮 and skin tone 👍🏽",
    "𝐦𝐚𝐭𝐡 𝟏𝟐𝟑",
    "🜁 🜂 🜃",
    # Special tokens and word pieces written out.
    "[CLS] profit [SEP] loss [PAD] [MASK] [UNK]",
    "<s> profit </s> <pad> <mask>",
    "##ing un ##known",
    # Long words and long rows.
    "a" * 99,
    "a" * 100,
    "a" * 101,
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "1234567890" * 12,
    "x " * 300,
    "Profit fell sharply, and the plant in Oulu will be closed. " * 20,
)


def golden_texts(vocabulary: Vocabulary) -> list[str]:
    """The fixed texts, and texts with the vocabulary's added tokens."""
    return list(dict.fromkeys([*GOLDEN_TEXTS, *_texts_of_added_tokens(vocabulary)]))


def _texts_of_added_tokens(vocabulary: Vocabulary) -> Iterator[str]:
    """Texts with added tokens alone, next to words, repeated, between spaces, and in other case.

    For each combination of flags, the first tokens come first.
    """
    tokens = vocabulary.rules["added_tokens"]
    alike: dict[tuple[bool, ...], int] = {}
    order = []
    for token in tokens:
        flags = tuple(token[flag] for flag in FLAGS)
        alike[flags] = alike.get(flags, 0) + 1
        order.append((alike[flags], token["id"], token["content"]))
    for _, _, token in sorted(order)[:MOST_ADDED_TOKENS]:
        yield f"net {token} sales"
        yield f"net{token}sales, {token}s"
        yield f"({token}{token}) \t{token}\u00a0 . {token.swapcase()}\u3000{token}"
    contents = [token["content"] for token in tokens]
    for start in range(0, len(contents), 20):
        yield " ".join(contents[start : start + 20])
