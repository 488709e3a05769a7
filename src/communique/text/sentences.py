"""Split text into sentences."""

from __future__ import annotations

import re

from .language import UNDETERMINED

#: Titles, initials and other abbreviations at which `sentencex` 1.0 cuts a sentence in two, by language.
_ABBREVIATIONS = {
    language: re.compile(rf"(?:^|[\s(«\"“„'’‘-])(?:{abbreviations})\.\s*$")
    for language, abbreviations in {
        "ar": r"د|أ\.د",
        "de": r"Abg",
        "en": r"Amb",
        "es": r"Cnel|Pdte|Dña|Mons",
        "fr": r"[A-ZÉ]|Dr|Mme|Mlle|Me|Pr|Mgr|Gén|St",
        "hi": r"डॉ|श्री|श्रीमती|प्रो|पं",
        "ru": r"млн|млрд|им|т\.\s?е|д-р|ген",
        "sv": r"t\.ex|milj|kl",
        "uk": r"[А-ЯІЇЄҐ]|ген",
    }.items()
}

#: Initials such as "U.E.", after which a sentence goes on where the next letter is small.
_INITIALS = re.compile(r"(?:^|[\s(«\"“„'’‘-])(?:[^\W\d_]\.){2,}\s*$")

#: An ordinal number before a noun, which German writes with a capital: "der 20. Bundestag", "im 19. Jahrhundert".
_DE_ORDINAL = re.compile(
    r"\b(?:d(?:er|ie|as|e[mns])|[ai]m|beim|vom|zu[mr]|ins|dies\w+|jede\w*|[ksm]?ein\w*|unser\w*|ihr\w*|und|bis|oder)"
    r"\s+\d{1,3}\.\s*$",
    re.IGNORECASE,
)

#: Words with a capital that begin a sentence rather than follow an ordinal.
_DE_OPENER = re.compile(
    r"\s*(?:Aber|Aus|Auch|Bei|Da|Dabei|Damit|Danach|Dann|Daher|Das|Dem|Den|Denn|Der|Deshalb|Die|Dies\w*|Doch|Ein\w*|Er|Es"
    r"|Ich|Ihr|Im|In|Jetzt|Mit|Nach|Nun|Seit\w*|Sie|So|Und|Von|Vor|Was|Wenn|Wer|Wie|Wir|Zu\w?)\b"
)

#: A reporting clause behind a quotation that ended as a sentence: “……。”他说。 It must end or lead to another quotation;
#: “……。”他说，这不够。 may as well begin a sentence.
_ZH_REPORT = re.compile(
    r"[^，。！？；：、“”「」『』\s]{1,12}?(?:说|说道|表示|指出|强调|称|问|问道|答|回答|回应|补充|补充说|呼吁|警告|写道|宣布|解释说?)"
    r"(?:[。！？]|，[“「『]|$)"
)
_ZH_QUOTED = re.compile(r"[。！？…][”」』]+\s*$")

#: The particle after a quotation, with which its reporting clause begins; not a conjunction such as "tokoroga".
_JA_REPORT = re.compile(r"[」』]と(?!ころ|はいえ|りわけ)")


def split_sentences(text: str, language: str) -> list[str]:
    """Split a block of text into sentences with `sentencex`, stripped; none is empty.

    A quotation of several sentences stays one: its speech act is reported by one reporting clause.
    """
    return [stripped for piece in sentence_pieces(text, language) if (stripped := piece.strip())]


def sentence_pieces(text: str, language: str) -> list[str]:
    """Split a block of text into sentences with the spaces between them: joined they are the text."""
    import sentencex

    code = "en" if language == UNDETERMINED else language.split("-")[0]
    pieces: list[str] = []
    for piece in sentencex.segment(code, text):
        if pieces and _goes_on(pieces[-1], piece, code):
            pieces[-1] += piece
        else:
            pieces.append(piece)
    return pieces


def _goes_on(before: str, piece: str, code: str) -> bool:
    """Tell whether `sentencex` cut amid a sentence."""
    # What decides stands at the end; a search through a piece that grows would take quadratic time.
    end = before[-80:]
    abbreviation = _ABBREVIATIONS.get(code)
    if abbreviation and abbreviation.search(end):
        return True
    if piece.lstrip()[:1].islower() and _INITIALS.search(end):
        return True
    if code == "de":
        return piece.lstrip()[:1].isupper() and bool(_DE_ORDINAL.search(end)) and not _DE_OPENER.match(piece)
    if code == "zh":
        return bool(_ZH_QUOTED.search(end)) and bool(_ZH_REPORT.match(piece.strip()))
    return code == "ja" and bool(_JA_REPORT.match(end[-1:] + piece))
