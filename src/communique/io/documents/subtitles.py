"""Read the text of subtitles: SubRip (.srt) and WebVTT (.vtt)."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

from ..encoding import read_text
from ..recognise import Encoding
from .limits import MAX_CHARACTERS, Document, joined, too_large

_TIME = r"(?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3}"
_CUE = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}")
#: Markup of style and position: <i>, <v Speaker>, <00:01.000>, {\an8}.
_TAG = re.compile(r"</?[a-z][^<>]*>|<\d[\d:.]*>|\{\\[^{}]*\}", re.IGNORECASE)
_VOICE = re.compile(r"<v(?:\.[\w.]+)?\s+([^<>]*)>", re.IGNORECASE)
#: A dash or '>>' at the beginning of a line, which means that another speaker begins.
_TURN = re.compile(r"(?:[-–—]\s*|>>+\s*)(?=\S)")


def read_subtitles(path: Path, name: str, encoding: Encoding | None) -> Document:
    """Read subtitles. Cues are joined without time codes and tags, so that sentences are whole. Each speaker begins a paragraph.

    Raises:
        DataError: The file cannot be read, or is too large.
    """
    text, notes = read_text(path, encoding, limit=MAX_CHARACTERS)
    if len(text) > MAX_CHARACTERS:
        raise too_large(name, f"{MAX_CHARACTERS:,} characters of text")
    return Document(joined(name, _turns(text)), tuple(notes))


def _turns(text: str) -> Iterator[str]:
    """Yield the text of each turn, which ends when another speaker begins."""
    said: list[str] = []
    speaker, shown = "", set[str]()
    for cue in _cues(text):
        lines = []
        for line in cue:
            voice = _VOICE.search(line)
            plain = " ".join(html.unescape(_TAG.sub("", line)).split())
            turn = _TURN.match(plain)
            plain = plain[turn.end() :] if turn else plain
            if not plain:
                continue
            if said and (turn or (voice is not None and voice[1] != speaker)):
                yield " ".join(said)
                said = []
            speaker = voice[1] if voice else speaker
            lines.append(plain)
            # Roll-up captions show each line two or three times.
            if plain not in shown or turn:
                said.append(plain)
        shown = set(lines)
    if said:
        yield " ".join(said)


def _cues(text: str) -> Iterator[list[str]]:
    """Yield the lines of each cue, without notes, styles, and the numbers and names of cues, which are outside cues."""
    cue: list[str] | None = None
    for line in text.splitlines():
        if _CUE.match(line):
            if cue:
                # If no blank line separates the cues, the last line may be the number of the next cue, which is not text.
                yield cue[:-1] if cue[-1].strip().isdigit() else cue
            cue = []
        elif not line.strip():
            if cue:
                yield cue
            cue = None
        elif cue is not None:
            cue.append(line)
    if cue:
        yield cue
