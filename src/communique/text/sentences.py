"""Split text into sentences.

Each full stop, question mark or other end mark is a candidate, and rules decide whether the sentence ends there. They look at the
word before it (an abbreviation, an initial, a number), at what follows (a small letter, a digit, a frequent first word of a
sentence), and at quotations and parentheses around it. Time grows linearly with the text, whatever the text holds, and no single
step is long, so that Ctrl-C works.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from .abbreviations import abbreviations
from .language import UNDETERMINED
from .scripts import IS_CJK

#: Longest quotation or parenthesis, in characters, that is kept together. A longer one is split like other text, because a model
#: reads a limited number of tokens of a sentence.
ENCLOSED = 600

#: End marks, and those after which the next sentence follows without a space.
_MARKS = ".!?…‥؟۔।॥።፧፨།༎។៕៚။։᠃᠉‼⁇⁈⁉。！？｡．"
_UNSPACED_MARKS = frozenset("。！？｡．")
_MORE_MARKS = {"el": ";;", "hy": ":"}

_CLOSING = '"”’»›)\\]}」』】）］》〉'
_OPENING = '"“„«»‘‚‹(\\[{「『【（［《〈¿¡”'
_TAIL = re.compile(rf"(?:\[\d{{1,3}}\])*((?:[{_CLOSING}]|[“«](?!\w))*)(\s*)")
_LEAD = re.compile(rf"[\s{_OPENING}]*")
_SPACES = re.compile(r"\s*")
_DASH = re.compile(r"[-–—―]\s*")

#: What closes a quotation or parenthesis, by what opens it.
_CLOSERS = {
    opener: re.compile(pattern)
    for opener, pattern in {
        "“": "”", "„": "[“”\"]", "«": "»", "»": "«", "”": "[”“]", '"': '"', "‘": r"’(?!\w)", "「": "」", "『": "』",
        "(": r"\)", "[": r"\]", "（": "）", "【": "】",
    }.items()
}  # fmt: skip
_OPENER = re.compile("[" + "".join(_CLOSERS).replace("[", r"\[") + "]")
_PARENTHESES = frozenset("([（【")

#: Openers that close quotations elsewhere: they open one only after a space, a bracket or a dash, and before a letter.
_AMBIGUOUS = frozenset('»”"“')

_WORD_BEFORE = re.compile(r"[^\s(\[{«»“”„\"'’‘‚¿¡—–,;:/|，、：；（「『]*$")
_WORD = re.compile(r"\w[\w'’-]*")
_ALNUM = re.compile(r"[^\W_]")
_ROMAN = re.compile(r"(?:X{0,3}(?:IX|IV|V?I{0,3})|[CLXVI]{2,})(?!\w)")
_NUMBER = re.compile(r"(?:.*\D)?(\d+)$", re.DOTALL)
_INITIALS = re.compile(r"(?:[^\s\d_.]{1,4}\.-?)+[^\s\d_.]{1,4}$")
_MARKER_BEFORE = re.compile(r"(?:^|[:;：；፦៖(（–—-])\s*$")
_DATE = re.compile(r"\d{1,4}\.\s?\d{1,2}$")
_VOWELS = re.compile("[aeiouyæœøıαεηιοωυаеёиоуыэюяієї]")
_ADDRESS = re.compile(r"\S*(?:www\.|://|@)\S*$")
_UNITS = frozenset(("kg", "km", "cm", "mm", "dm", "кг", "км", "см", "мм"))

#: A word of this many letters is no abbreviation that nobody listed.
_LONG = 5

#: An article or preposition before an ordinal number, which German writes before a noun with a capital: "der 20. Bundestag".
_DE_ORDINAL = re.compile(
    r"\b(?:d(?:er|ie|as|e[mns])|[ai]m|beim|vom|zu[mr]|ins|dies\w+|jede\w*|[ksm]?ein\w*|unser\w*|ihr\w*|und|bis|oder)"
    r"\s+\w{1,5}$",
    re.IGNORECASE,
)

#: A reporting clause behind a quotation that ended as a sentence: “……。”他说。 It must end or lead to another quotation;
#: “……。”他说，这不够。 may as well begin a sentence.
_ZH_REPORT = re.compile(
    r"[^，。！？；：、“”「」『』\s]{1,12}?(?:说|说道|表示|指出|强调|称|问|问道|答|回答|回应|补充|补充说|呼吁|警告|写道|宣布|解释说?)"
    r"(?:[。！？]|，[“「『]|$)"
)

#: The particle after a quotation, with which its reporting clause begins; not a conjunction such as "tokoroga".
_REPORT_PARTICLES = {"ja": re.compile(r"と(?!ころ|はいえ|りわけ)"), "my": re.compile("ဟု|လို့")}

#: Longest reporting clause, in characters, behind a quotation in a script without capitals.
_REPORT = 40


def split_sentences(text: str, language: str) -> list[str]:
    """Split a block of text into sentences, stripped; none is empty.

    A quotation of several sentences stays one, up to `ENCLOSED` characters: its speech act is reported by one reporting clause.
    """
    return [stripped for piece in sentence_pieces(text, language) if (stripped := piece.strip())]


def sentence_pieces(text: str, language: str) -> list[str]:
    """Split a block of text into sentences with the spaces between them: joined they are the text."""
    code = "en" if language == UNDETERMINED else language.split("-")[0].lower()
    borders = [0, *_Block(text, code).borders(), len(text)]
    return [text[start:end] for start, end in pairwise(borders) if start < end]


@dataclass(frozen=True)
class _Mark:
    """A candidate for the end of a sentence.

    Attributes:
        start, end: Where the end marks begin and end.
        next: Where the text continues after closing quotation marks and spaces.
        closing: The closing quotation marks and brackets.
        opened: Where the quotation or parenthesis begins that they close; None if that is not known.
    """

    start: int
    end: int
    next: int
    closing: str
    opened: int | None


class _Block:
    """A block of text that is being split."""

    def __init__(self, text: str, code: str) -> None:
        self.text, self.code, self.known = text, code, abbreviations(code)
        self.start = 0  #: where the sentence begins
        self._lower: bool | None = None
        # Where there are dandas or Armenian full stops, a dot ends no sentence.
        self._dots = not any(mark in text for mark in {"hy": "։:"}.get(code, "।"))

    def borders(self) -> Iterator[int]:
        """Yield the positions where sentences begin, but the first."""
        text, read = self.text, 0
        lettered = False
        enclosed = _enclosed(text)
        region = next(enclosed, None)
        for match in _marks(self.code).finditer(text):
            start, end = match.span()
            while region and region[1] < start:
                region = next(enclosed, None)
            opened = None
            if region and region[0] < start:
                if text[end : region[1]].strip():
                    continue
                opened = region[0]
            tail = _TAIL.match(text, region[1] if region and opened is not None else end)
            assert tail is not None  # it matches nothing, too
            # A sentence holds a letter or a digit. What was searched is not searched again.
            lettered = lettered or _ALNUM.search(text, max(read, self.start), start) is not None
            read = start
            mark = _Mark(start, end, tail.end(), tail[1], opened)
            if lettered and mark.next < len(text) and (tail[2] or self._unspaced(mark)) and self._ends(mark):
                if not _ALNUM.search(text, mark.next):
                    return
                self.start, lettered = mark.next, False
                yield mark.next

    def _unspaced(self, mark: _Mark) -> bool:
        """Return whether a sentence can end at a mark that no space follows."""
        text, last = self.text, self.text[mark.end - 1]
        before, after = text[mark.start - 1 : mark.start], text[mark.next : mark.next + 2]
        if last == "．":
            return not (before.isdigit() and after[:1].isdigit())
        if last in _UNSPACED_MARKS:
            return True
        if IS_CJK.match(before) and IS_CJK.match(after):
            return not (set(text[mark.start : mark.end]) <= set(".…‥") and mark.end - mark.start > 1) or last != "…"
        # "We agree.They left": a space is missing. Addresses of web pages hold no such word.
        word = self._word(mark.start)
        return last in ".!?" and len(word) > 3 and word.isalpha() and after[:1].isupper() and after[1:].islower()

    def _ends(self, mark: _Mark) -> bool:
        """Return whether the sentence ends at a mark."""
        text = self.text
        following = text[mark.next]
        if following in ",;:，；：、":
            return False
        dash = _DASH.match(text, mark.next)
        lead = _LEAD.match(text, dash.end() if dash else mark.next)
        after = lead.end() if lead else mark.next
        character = text[after : after + 1]
        lower = _is_lower(character)
        marks = text[mark.start : mark.end]
        if mark.opened is not None and text[mark.opened] in _PARENTHESES:
            return not lower and self._begins(mark.opened)
        if lower and (mark.closing or dash) and not (marks == "." and dash and not mark.closing):
            return False
        if mark.closing and self._is_reported(mark, character):
            return False
        if not marks:
            return True
        if set(marks) <= {".", "…", "‥"} and marks != ".":
            return (character.isupper() or character.isdigit()) and not lower
        if marks not in (".", "۔") or mark.closing:
            return True
        return self._ends_at_full_stop(mark.start, after, character, lower=lower)

    def _is_reported(self, mark: _Mark, character: str) -> bool:
        """Return whether a reporting clause follows a quotation, in a script that shows it by no small letter."""
        text = self.text
        if self.code == "zh":
            introduced = mark.opened is not None and text[max(self.start, mark.opened - 1) : mark.opened] in ("：", ":")
            return (
                not introduced
                and text[mark.end - 1] in "。！？…"
                and bool(_ZH_REPORT.match(text[mark.next : mark.next + 40].strip()))
            )
        if particle := _REPORT_PARTICLES.get(self.code):
            return bool(particle.match(text, mark.next))
        if mark.opened is None or not self._begins(mark.opened) or not _is_caseless(character):
            return False
        return _marks(self.code).search(text, mark.next, mark.next + _REPORT) is not None

    def _ends_at_full_stop(self, stop: int, after: int, character: str, *, lower: bool) -> bool:
        """Return whether a single full stop ends the sentence.

        Args:
            stop: Its position.
            after: Where the next word begins.
            character: The first character of the next word.
            lower: Whether that is a small letter.
        """
        if not self._dots and self.text[stop] == ".":
            return False
        word = self._word(stop)
        if not word or _ADDRESS.search(self.text[max(self.start, stop - 80) : stop]):
            return not lower or self._all_lower
        following = _WORD.match(self.text, after)
        next_word = following[0] if following else ""
        # "A. S. Pushkin": a first word of sentences that is an initial begins no sentence.
        initial_next = len(next_word) == 1 and self.text[after + 1 : after + 2] in (".", "۔")
        opens = next_word in self.known.openers and not initial_next
        if word[-1].isdigit() or (_ROMAN.fullmatch(word) and len(word) > 1):
            return self._ends_after_number(word, stop, next_word, character, opens=opens, lower=lower)
        decided = self._after_abbreviation(word, stop, next_word, character, opens=opens)
        if decided is not None:
            return decided
        if lower:
            return self._all_lower or (len(word) >= _LONG and word.isalpha() and word.islower())
        return True

    def _after_abbreviation(self, word: str, stop: int, next_word: str, character: str, *, opens: bool) -> bool | None:
        """Return whether the sentence ends after an abbreviation; None if the word is none."""
        known = self.known
        numbered = character.isdigit() or (len(next_word) > 0 and _ROMAN.match(next_word) is not None)
        last = _without_conjunction(word.rpartition("-")[2] or word)
        forms = tuple(dict.fromkeys((word, last)))
        for form in forms:
            if known.is_name(form):
                return opens and known.may_end(form) and not _is_caseless(form[0])
        # "здоров'я": a small letter behind an apostrophe ends a word.
        apostrophe = last.islower() and self.text[stop - 2 : stop - 1] in ("'", "’")
        if len(last) == 1 and last.isalpha() and not apostrophe:
            cased = not _is_caseless(last)
            return opens and cased and not self._begins(stop - len(word))
        if _INITIALS.search(word):
            return character.isupper() and (opens or not known.openers)
        for form in forms:
            if known.is_number(form):
                if numbered or _is_lower(character):
                    return False
                chained = self.text[stop + 1 : stop + 40].lstrip().startswith(next_word + ".")
                return not (chained and (known.is_name(next_word) or known.is_number(next_word)))
        short = 2 <= len(last) <= 4 and last.isalpha() and not last[1:].isupper() and not _has_vowel(last)
        if short and not _is_caseless(last[0]) and last not in _UNITS and (character.isdigit() or known.openers):
            return opens
        return None

    def _ends_after_number(
        self, word: str, stop: int, next_word: str, character: str, *, opens: bool, lower: bool
    ) -> bool:
        """Return whether a full stop after a number ends the sentence, or belongs to an ordinal or the number of an item."""
        digits = _NUMBER.match(word)
        short = digits is None or len(digits[1]) <= 3
        before = self.text[max(self.start, stop - 40) : stop - len(word)]
        if short and _MARKER_BEFORE.search(before):
            return False
        if lower:
            return self._all_lower and not self.known.ordinals
        if self.code == "ko" and (character.isdigit() or _DATE.search(self.text[max(self.start, stop - 12) : stop])):
            return False
        if not self.known.ordinals or not short:
            return True
        if character.isdigit() or next_word in self.known.after_ordinals:
            return False
        if opens or not character.isupper():
            return True
        return self.code == "de" and not _DE_ORDINAL.search(before + word)

    def _begins(self, position: int) -> bool:
        """Return whether the sentence begins at a position, apart from spaces."""
        spaces = _SPACES.match(self.text, self.start)
        return spaces is not None and spaces.end() >= position

    def _word(self, stop: int) -> str:
        """Return the word before a position, at most 40 characters of it."""
        found = _WORD_BEFORE.search(self.text[max(self.start, stop - 40) : stop])
        word = found[0] if found else ""
        # Chinese and Japanese write no space before a foreign word.
        return IS_CJK.split(word)[-1] or word

    @property
    def _all_lower(self) -> bool:
        """Whether the writer uses no capitals: then a small letter may begin a sentence."""
        if self._lower is None:
            self._lower = self.text == self.text.lower()
        return self._lower


@cache
def _marks(code: str) -> re.Pattern[str]:
    marks = f"[{re.escape(_MARKS + _MORE_MARKS.get(code, ''))}]+"
    # Tibetan writes no shad after the letter ga: a space alone ends the clause.
    return re.compile(rf"{marks}|(?<=ག)(?=\s)" if code in ("bo", "dz") else marks)


def _enclosed(text: str) -> Iterator[tuple[int, int]]:
    """Yield where quotations and parentheses of up to `ENCLOSED` characters open and close, from left to right."""
    end = 0
    for opener in _OPENER.finditer(text):
        start = opener.start()
        if start < end or (opener[0] in _AMBIGUOUS and not _opens(text, start)):
            continue
        closer = _CLOSERS[opener[0]].search(text, start + 1, start + 1 + ENCLOSED)
        if closer:
            yield start, closer.start()
            end = closer.end()


def _opens(text: str, position: int) -> bool:
    before, after = text[position - 1 : position] if position else "", text[position + 1 : position + 2]
    free = not before or before.isspace() or before in "([{（—–-:/¿¡" or bool(IS_CJK.match(before))
    return free and bool(after) and not after.isspace()


def _is_lower(character: str) -> bool:
    # Python calls Georgian letters small, but no sentence begins with their capitals.
    return character.islower() and not "\u10d0" <= character <= "\u10ff"


def _is_caseless(character: str) -> bool:
    return character.isalpha() and not _is_lower(character) and not character.isupper()


def _has_vowel(word: str) -> bool:
    return _VOWELS.search(unicodedata.normalize("NFD", word.lower())) is not None


def _without_conjunction(word: str) -> str:
    """Return a word of two letters without "and", which Arabic and Hebrew write at its beginning."""
    return word[1:] if len(word) == 2 and word[0] in "وו" else word
