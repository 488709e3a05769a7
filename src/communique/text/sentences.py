"""Split text into sentences.

Every full stop, question mark or other end mark is a candidate, and rules decide whether the sentence ends there. The rules look
at the word before the mark (an abbreviation, an initial, a number), at the text after it (a lower-case letter, a digit, a word that
often begins a sentence), and at the quotations and parentheses around it. Running time is linear in the length of any text, and
each step is short, so Ctrl-C always works.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from .abbreviations import abbreviations
from .enclosures import enclosed
from .language import UNDETERMINED
from .punctuation import CLOSING, END_MARKS, MARKS_OF_LANGUAGES, OPENING, UNSPACED_MARKS
from .scripts import IS_CJK

_TAIL = re.compile(rf"(?:\[\d{{1,3}}\])*((?:[{re.escape(CLOSING)}]|[“«](?!\w)|\s[”’»](?=\s|$))*)(\s*)")
_LEAD = re.compile(rf"[\s{re.escape(OPENING)}]*")
_SPACES = re.compile(r"\s*")
_DASH = re.compile(r"[-–—―]\s*")

_PARENTHESES = frozenset("([（【")

#: Brackets around titles in Chinese. An end mark inside them does not end the sentence: 《你好！》.
_TITLES = frozenset("《〈")

_WORD_BEFORE = re.compile(r"[^\s(\[{«»“”„\"'’‘‚¿¡—–,;:/|，、：；（「『]*$")
_WORD = re.compile(r"\w[\w'’-]*")
_ALNUM = re.compile(r"[^\W_]")
_ROMAN = re.compile(r"(?:X{0,3}(?:IX|IV|V?I{0,3})|[CLXVI]{2,})(?!\w)")
_NUMBER = re.compile(r"(?:.*\D)?(\d+)$", re.DOTALL)
_INITIALS = re.compile(r"(?:[^\s\d_.]{1,4}\.-?)+[^\s\d_.]{1,4}$")
#: Text before the number of a list item. The colon of a time of day, such as "9:30", does not count.
_MARKER_BEFORE = re.compile(r"(?:^|[:;：；፦៖(（–—-])\s*$(?<!\d[:：])")
_DATE = re.compile(r"\d{1,4}\.\s?\d{1,2}$")
_CLAUSE = re.compile(r"[^,;:–—(]*$")
_PERSON = re.compile(r"\s+[^\W\d_a-z]\w+\s+[^\W\d_a-z]\w+", re.ASCII)
_ABBREVIATED = re.compile(r"([^\s.]+)\.\s?$")
_QUALIFIED = re.compile(r"([^\s.]+)(?:\.\s?|\s)$|(?<!\S)([^\s.]+)\.\s[^\s.]+\s$|(?:№|§|#)\s?$")
_SEPARATED = re.compile(r"\d[.,:]\d+$")
_VOWELS = re.compile("[aeiouyæœøıαεηιοωυаеёиоуыэюяієї]")
_ADDRESS = re.compile(r"\S*(?:www\.|://|@)\S*$")
_UNITS = frozenset(("kg", "km", "cm", "mm", "dm", "кг", "км", "см", "мм"))

#: A word of at least this many letters is an abbreviation only if it is listed.
_LONG = 5

#: Number of characters before a full stop that are searched for abbreviations and numbers.
_NEAR = 24

#: A German article or preposition before an ordinal number, which a capitalised noun follows: "der 20. Bundestag".
_DE_ORDINAL = re.compile(
    r"\b(?:d(?:er|ie|as|e[mns])|[ai]m|beim|vom|zu[mr]|ins|dies\w+|jede\w*|[ksm]?ein\w*|unser\w*|ihr\w*|und|bis|oder)"
    r"\s+\w{1,5}$",
    re.IGNORECASE,
)

#: A Chinese reporting clause after a quotation that ends like a sentence: “……。”他说。 It must end there or introduce another
#: quotation, because the clause in “……。”他说，这不够。 may also begin a sentence.
_ZH_REPORT = re.compile(
    r"[^，。！？；：、“”「」『』\s]{1,24}?(?:[说說]|[说說]道|表示|指出|强调|強調|[称稱]|[问問]|[问問]道|答|回答|回应|回應|[补補]充|[补補]充[说說]"
    r"|呼吁|呼籲|警告|[写寫]道|宣布|宣佈|解[释釋][说說]?|反[问問]|喊道?|[质質][问問])(?:[。！？]|[，：]?[“「『]|$)"
)

#: Particles after a quotation that begin its reporting clause. Conjunctions such as "tokoroga" are excluded.
_REPORT_PARTICLES = {
    "ja": re.compile(
        r"と(?!ころ|はいえ|りわけ|もあれ|にかく)|という|って|など(?!と)|を|が(?![んっ])|の(?![ちりみ])|は(?![いじたっや])|に(?!も[かわ])"
        r"|で(?!は|も|すか|した|きれ)|も(?![うしちっとは])"
    ),
    "my": re.compile("ဟု|လို့"),
}

#: Particles after a name that itself ends with a full stop, such as a band's.
_JA_NAME = re.compile(r"を|の(?=[^\u3040-\u309f])")

#: Length, in characters, of the longest reporting clause after a quotation, in a script without capital letters.
_REPORT = 40


def split_sentences(text: str, language: str) -> list[str]:
    """Split a block of text into sentences without surrounding spaces. Empty sentences are left out.

    A quotation of several sentences is kept together, up to `ENCLOSED` characters, because one reporting clause reports all of it.
    """
    return [stripped for piece in sentence_pieces(text, language) if (stripped := piece.strip())]


def sentence_pieces(text: str, language: str) -> list[str]:
    """Split a block of text into sentences that keep the spaces after them. Joined, the sentences are the text."""
    code = "en" if language == UNDETERMINED else language.split("-")[0].lower()
    borders = [0, *_Block(text, code).borders(), len(text)]
    return [text[start:end] for start, end in pairwise(borders) if start < end]


@dataclass(frozen=True)
class _Mark:
    """A candidate for the end of a sentence: one or more end marks in a row. Positions count characters from 0.

    Attributes:
        start, end: Positions at which the end marks begin and end.
        next: Position at which the text continues after closing quotation marks, brackets and spaces.
        closing: The closing quotation marks and brackets.
        opened: Position at which the quotation or parenthesis that they close begins. None if that is not known.
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
        self.start = 0  #: position at which the current sentence begins
        self._lower: bool | None = None
        # In a text with dandas or Armenian full stops, a dot does not end a sentence.
        self._dots = not any(mark in text for mark in {"hy": "։:"}.get(code, "।"))

    def borders(self) -> Iterator[int]:
        """Yield the positions at which sentences begin, except the first sentence."""
        text, read = self.text, 0
        lettered = False
        regions = enclosed(text)
        region = next(regions, None)
        for match in _marks(self.code).finditer(text):
            start, end = match.span()
            while region and region[1] < start:
                region = next(regions, None)
            opened = None
            if region and region[0] < start:
                if text[end : region[1]].strip():
                    continue
                opened = region[0]
            tail = _TAIL.match(text, region[1] if region and opened is not None else end)
            assert tail is not None  # the pattern also matches the empty string
            # A sentence must contain a letter or a digit. Search only the text since the previous mark, so that time stays linear.
            lettered = lettered or _ALNUM.search(text, max(read, self.start), start) is not None
            read = start
            mark = _Mark(start, end, tail.end(), tail[1], opened)
            if lettered and mark.next < len(text) and (tail[2] or self._unspaced(mark)) and self._ends(mark):
                if not _ALNUM.search(text, mark.next):
                    return
                self.start, lettered = mark.next, False
                yield mark.next

    def _unspaced(self, mark: _Mark) -> bool:
        """Return whether a sentence can end at a mark that is not followed by a space."""
        text, last = self.text, self.text[mark.end - 1]
        before, after = text[mark.start - 1 : mark.start], text[mark.next : mark.next + 2]
        if last == "．":
            return not (before.isdigit() and after[:1].isdigit())
        if last in UNSPACED_MARKS:
            return not (self.code == "ja" and last == "。" and not mark.closing and _JA_NAME.match(text, mark.next))
        if IS_CJK.match(before) and IS_CJK.match(after):
            return not (set(text[mark.start : mark.end]) <= set(".…‥") and mark.end - mark.start > 1) or last != "…"
        # "We agree.They left": the space is missing. Web addresses do not contain a capitalised word after a dot.
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
        if mark.opened is not None and text[mark.opened] in _TITLES:
            return False
        if mark.closing and self._is_reported(mark, character):
            return False
        if not marks:
            return True
        if lower and marks in ("!", "?") and self._is_name(mark.start):
            return False
        if set(marks) <= {".", "…", "‥"} and marks != ".":
            return (character.isupper() or character.isdigit()) and not lower
        if marks not in (".", "۔") or mark.closing:
            return True
        return self._ends_at_full_stop(mark.start, after, character, lower=lower)

    def _is_reported(self, mark: _Mark, character: str) -> bool:
        """Return whether a reporting clause follows a quotation, in a script that has no lower-case letters to show it."""
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
        clause = _marks(self.code).search(text, mark.next, mark.next + _REPORT)
        reports = self.known.reports
        return clause is not None and (not reports or not reports.isdisjoint(text[mark.next : clause.start()].split()))

    def _is_name(self, stop: int) -> bool:
        """Return whether the word before a mark is capitalised like a name, as in "Yahoo! was"."""
        word = self._word(stop)
        return len(word) > 1 and word[0].isupper() and word[1:].islower() and not self._all_lower

    def _ends_at_full_stop(self, stop: int, after: int, character: str, *, lower: bool) -> bool:
        """Return whether a single full stop ends the sentence.

        Args:
            stop: Position of the full stop.
            after: Position at which the next word begins.
            character: The first character of the next word.
            lower: Whether that character is a lower-case letter.
        """
        if not self._dots and self.text[stop] == ".":
            return False
        word = self._word(stop)
        if not word or _ADDRESS.search(self.text[max(self.start, stop - 80) : stop]):
            return not lower or self._all_lower
        following = _WORD.match(self.text, after)
        next_word = following[0] if following else ""
        # "A. S. Pushkin": a word that often begins sentences, such as "A", does not begin one if it is an initial.
        initial_next = len(next_word) == 1 and self.text[after + 1 : after + 2] in (".", "۔")
        opens = next_word in self.known.openers and not initial_next
        if word[-1].isdigit() or (_ROMAN.fullmatch(word) and len(word) > 1):
            return self._ends_after_number(word, stop, next_word, character, opens=opens, lower=lower)
        if (decided := self._after_final(stop, next_word, character, opens=opens)) is not None:
            return decided
        if initial_next and next_word.isupper() and self._continues_abbreviations(word, stop):
            return False
        decided = self._after_abbreviation(word, stop, next_word, character, opens=opens)
        if decided is not None:
            return decided
        if lower:
            return self._all_lower or (len(word) >= _LONG and word.isalpha() and word.islower())
        return True

    def _after_final(self, stop: int, next_word: str, character: str, *, opens: bool) -> bool | None:
        """Return whether the sentence ends after an abbreviation such as "etc." or "1989 r.", or None after any other word."""
        before = self.text[max(self.start, stop - _NEAR) : stop]
        dated = self.known.dated.search(before) if self.known.dated else None
        if not dated and not (self.known.final and self.known.final.search(before)):
            return None
        if not character.isupper() or next_word in self.known.after_ordinals:
            return None
        if opens or not dated:
            return opens or not self._names_a_person(stop)
        # A date that opens its clause is followed by the subject: "W 1989 r. Polska odzyskała wolność."
        clause = _CLAUSE.search(self.text[max(self.start, stop - 2 * _NEAR) : stop - len(before) + dated.start()])
        words = _WORD.findall(clause[0]) if clause else []
        return not (len(words) <= 2 and (not words or words[0].lower() in self.known.dates or words[0].isdigit()))

    def _names_a_person(self, stop: int) -> bool:
        """Return whether two capitalised words follow, as in "el presidente de EE.UU. Joe Biden"."""
        return _PERSON.match(self.text, stop + 1) is not None

    def _continues_abbreviations(self, word: str, stop: int) -> bool:
        """Return whether a short word follows another abbreviation and precedes an initial: "Prof. em. A. Lind"."""
        if len(word) > _LONG or not word.islower():
            return False
        before = _ABBREVIATED.search(self.text[max(self.start, stop - _NEAR) : stop - len(word)])
        return before is not None and (self.known.is_name(before[1]) or self.known.is_number(before[1]))

    def _after_abbreviation(self, word: str, stop: int, next_word: str, character: str, *, opens: bool) -> bool | None:
        """Return whether the sentence ends after an abbreviation, or None if the word is not an abbreviation."""
        known = self.known
        numbered = character.isdigit() or (len(next_word) > 0 and _ROMAN.match(next_word) is not None)
        last = _without_conjunction(word.rpartition("-")[2] or word)
        forms = tuple(dict.fromkeys((word, last)))
        if len(next_word) == 1 and next_word.isupper() and word.islower() and known.is_number(word):
            return False  # "sc. A": a letter takes the place of the number
        for form in forms:
            if known.is_name(form):
                return opens and known.may_end(form) and not _is_caseless(form[0])
        # "здоров'я": the lower-case letter after an apostrophe is the end of a word, not an initial.
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
        """Return whether a full stop after a number ends the sentence rather than an ordinal or the number of a list item."""
        digits = _NUMBER.match(word)
        short = digits is None or len(digits[1]) <= 3
        before = self.text[max(self.start, stop - 40) : stop - len(word)]
        if short and _MARKER_BEFORE.search(before):
            return False
        if lower:
            return self._all_lower and not self.known.ordinals
        if self.code == "ko" and (character.isdigit() or _DATE.search(self.text[max(self.start, stop - 12) : stop])):
            return False
        # "kello 21.05.", "2,5.": a number with a separator is not an ordinal.
        if not self.known.ordinals or not short or (_SEPARATED.search(word) and character.isupper()):
            return True
        if character.isdigit() or character == "§" or next_word in self.known.after_ordinals:
            return False
        if opens or not character.isupper() or self._is_cardinal(before):
            return True
        return self.code == "de" and not _DE_ORDINAL.search(before + word)

    def _is_cardinal(self, before: str) -> bool:
        """Return whether the words before a number show that it is not an ordinal: "md. 7.", "ul. Wiejskiej 4."."""
        found = _QUALIFIED.search(before)
        if found is None:
            return False
        if found[1]:
            return self.known.is_number(found[1]) and not self.known.is_name(found[1])
        return found[2] is None or self.known.is_name(found[2])

    def _begins(self, position: int) -> bool:
        """Return whether the sentence begins at a position, apart from spaces."""
        spaces = _SPACES.match(self.text, self.start)
        return spaces is not None and spaces.end() >= position

    def _word(self, stop: int) -> str:
        """Return the word before a position, or its last 40 characters."""
        found = _WORD_BEFORE.search(self.text[max(self.start, stop - 40) : stop])
        word = found[0] if found else ""
        # In Chinese and Japanese, there is no space before a foreign word.
        return IS_CJK.split(word)[-1] or word

    @property
    def _all_lower(self) -> bool:
        """Whether the text has no capital letters. If so, a lower-case letter may begin a sentence."""
        if self._lower is None:
            self._lower = self.text == self.text.lower()
        return self._lower


@cache
def _marks(code: str) -> re.Pattern[str]:
    marks = f"[{re.escape(END_MARKS + MARKS_OF_LANGUAGES.get(code, ''))}]+"
    # In Tibetan, no shad follows the letter ga: the space alone ends the clause.
    return re.compile(rf"{marks}|(?<=ག)(?=\s)" if code in ("bo", "dz") else marks)


def _is_lower(character: str) -> bool:
    # Python treats Georgian letters as lower case, but Georgian sentences do not begin with capital letters.
    return character.islower() and not "\u10d0" <= character <= "\u10ff"


def _is_caseless(character: str) -> bool:
    return character.isalpha() and not _is_lower(character) and not character.isupper()


def _has_vowel(word: str) -> bool:
    return _VOWELS.search(unicodedata.normalize("NFD", word.lower())) is not None


def _without_conjunction(word: str) -> str:
    """Return a word of two letters without "and", which is written as its first letter in Arabic and Hebrew."""
    return word[1:] if len(word) == 2 and word[0] in "وו" else word
