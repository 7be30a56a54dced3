"""Rules that split English texts into sentences, for news and company reports.

A sentence ends at a stop followed by white space, or at a line break. The words before and after a
full stop decide whether it belongs to an abbreviation: "sold to Nokia Corp. The price" ends a
sentence, "Nokia Corp. Chief Executive" does not. If no rule decides, the sentence continues,
because scoring two sentences as one does less harm than scoring half a sentence.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


NEVER_LAST = _listed("e.g i.e vs v cf ca approx mr mrs ms messrs dr prof st")
"""Abbreviations that never end a sentence, without their last stop."""

SELDOM_LAST = _listed("""
    inc corp co cos ltd llc plc oyj oy abp ab asa as sa nv ag kg gmbh pvt pty bros jr sr ph.d
    gen sen rep gov col capt lt sgt hon rev pres dept univ assn intl ft mt ave blvd rd etc al
    est incl excl avg max min sq q1 q2 q3 q4 h1 h2
    ala ariz ark calif colo conn fla ga kan ky md mich minn mont neb nev okla penn tenn tex va vt
    wis wyo
""")
"""Abbreviations that end a sentence only if one of `STARTERS` follows; the same holds for initials.
"""

NUMBERED = _listed("""
    no nos fig figs sec art p pp tel ext jan feb mar apr jun jul aug sep sept oct nov dec
""")
"""Abbreviations that do not end a sentence if a digit follows; the same holds for the numbers of a
date."""

STARTERS = _listed("""
    the a an this that these those such there here it its he she his her they their we our i you
    in on at for from by with as of to after before since while when whereas if during under over
    through among within despite due following because until once although though unlike and but
    or so yet also however meanwhile moreover furthermore additionally nevertheless therefore thus
    then instead overall earlier later previously currently recently today yesterday last next
    according any both each all some many most several other another no not only what which who
    how why
""")
"""Words that begin a sentence far more often than they begin a name."""

STOPS = ".?!…"
CLOSING = "\"'”’»)]}"
OPENING = "\"'“‘„«([{`"
DOTTED = re.compile(r"(?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,2}")
ENUMERATOR = re.compile(r"\(?(?:\d{1,3}|[A-Za-z]|[ivxlc]+|[IVXLC]+|[AQ]\d+)[.)]")
MIXED_CASE = re.compile(r"[a-z]+[A-Z]")


def split_sentences(text: str) -> list[str]:
    """Split a text into sentences, with single spaces between their words.

    Every character except white space is in exactly one sentence, in the original order. Texts are
    cut only at white space, and a piece without a letter or digit joins a neighbour. A lower-case
    word continues the sentence, except in texts without any capital letter.
    """
    found = [_Sentence()]
    is_cased = any(map(str.isupper, text))
    for word, breaks in _words(text):
        goes_on = is_cased and _is_lower(word)
        if found[-1].content and _begins(found[-1], word, breaks, goes_on):
            found.append(_Sentence())
        found[-1].add(word)
    if len(found) > 1 and not found[-1].content:
        found[-2].words += found.pop().words
    return [" ".join(sentence.words) for sentence in found if sentence.words]


@dataclass
class _Sentence:
    """The words of a sentence so far."""

    words: list[str] = field(default_factory=list)
    content: int = 0
    """The number of words with a letter or digit."""
    last: str = ""
    """The last word that does not consist of closing marks only."""
    is_ellipsis: bool = False
    """Whether the last word is one of several separate stops: `. . .`"""
    in_quotes: bool = False

    def add(self, word: str) -> None:
        self.words.append(word)
        self.content += any(char.isalnum() for char in word)
        self.in_quotes ^= word.count('"') % 2 == 1
        if word.strip(CLOSING):
            self.is_ellipsis = word == self.last == "."
            self.last = word


def _words(text: str) -> Iterator[tuple[str, int]]:
    """Yield each word and the number of line breaks before it."""
    breaks = 0
    for line in text.splitlines():
        for word in line.split():
            yield word, breaks
            breaks = 0
        breaks += 1


def _begins(sentence: _Sentence, word: str, breaks: int, goes_on: bool) -> bool:
    """Whether a word begins a new sentence; `goes_on` means that its case suggests otherwise."""
    if breaks:
        return breaks > 1 or not goes_on or bool(ENUMERATOR.fullmatch(word))
    is_closing = not word.strip(CLOSING) and (word != '"' or sentence.in_quotes)
    if is_closing or not word.strip(STOPS + ",;:"):
        return False
    last = sentence.last.rstrip(CLOSING)
    if last == "." and not sentence.is_ellipsis:
        return True  # a separate stop, as in tokenized corpora
    body = last.rstrip(STOPS)
    if goes_on or body == last:
        return False
    if last[len(body) :] != ".":
        return _bare(word) != "inc"  # Yahoo! Inc.
    return not _is_abbreviation(sentence, body.lstrip(OPENING), word)


def _is_lower(word: str) -> bool:
    """Whether a word begins in lower case; iPhone and eBay do not count."""
    first = next((char for char in word if char.isalnum()), "")
    return first.islower() and not MIXED_CASE.match(word.lstrip(OPENING))


def _is_abbreviation(sentence: _Sentence, body: str, following: str) -> bool:
    """Whether the full stop after `body`, the last word so far, marks an abbreviation."""
    name = body.casefold()
    if name in NEVER_LAST or (sentence.content == 1 and ENUMERATOR.fullmatch(sentence.last)):
        return True
    if name in SELDOM_LAST or DOTTED.fullmatch(body) or re.fullmatch(r"[A-Z]", body):
        return _bare(following) not in STARTERS
    before_digit = name in NUMBERED or re.fullmatch(r"\d{1,2}", body) is not None
    return before_digit and following.lstrip(OPENING + "+")[:1].isdigit()


def _bare(word: str) -> str:
    """Return a word for lookup, without surrounding marks and the part after an apostrophe."""
    return re.split(r"['’]", word.strip(OPENING + CLOSING + ".,;:?!"))[0].casefold()
