"""Documents with known sentences, and the output rows that `communique label` creates from documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from communique.io.paths import find_files
from communique.labelling.options import Options
from communique.labelling.reader import ShardReader
from communique.labelling.shard import PARAGRAPH


def written(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(*paths: Path, language: str | None = None) -> tuple[list[dict[str, object]], list[str]]:
    """Read documents as `communique label` does. Return the output rows, without the starts of paragraphs, and the notes."""
    options = Options(language=language)
    reader = ShardReader(find_files(paths), options)
    shards = [shard.rows[0] for shard in reader.shards()]
    rows = [dict(zip(columns, row, strict=True)) for columns in shards for row in zip(*columns.values(), strict=True)]
    for row in rows:
        del row[PARAGRAPH]  # long documents do not have it
    return rows, reader.notes.lines()


def output(*given: Path, file_format: str | None = None, **options: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the output rows with typed extra columns, and the notes."""
    found = find_files(given, file_format=file_format)
    reader = ShardReader(found, Options(as_json=False, **{"language": "en", **options}))
    rows: list[dict[str, Any]] = []
    for shard in reader.shards():
        columns, extra = shard.rows
        own = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        more = extra.to_pylist() if extra is not None else [{}] * len(own)
        rows += [row | other for row, other in zip(own, more, strict=True)]
    return rows, reader.notes.lines()


SENTENCES = {
    "en": [
        "The minister rejected the claim.",
        "Would the U.S. delegation sign at 5 p.m. today?",
        "Mr. Lee and Dr. J. Okoro paid 3.5 million for it!",
    ],
    "fr": [
        "M. Dupont refuse l’accord, p. ex. son art. 5.",
        "Que répond M. Petit ?",
        "Le Dr. Roux et S. Martin partent !",
        "Nous aiderons.",
    ],
    "de": [
        "Am 3. Oktober sprach Dr. Weber, z. B. über Nr. 5.",
        "Wer zahlt die ca. 20 Mio. Euro?",
        "Abg. Klein schwieg.",
    ],
    "es": ["El Sr. López y la Dra. Ruiz llegaron.", "¿Quién pagará el puente?", "¡Nadie!", "EE. UU. firmó."],
    "pt": ["O Sr. Silva falou da água.", "Quem vai pagar?"],
    "sv": ["Vi hjälper t.ex. Norge och bl.a. Island.", "Vem betalar?"],
    "ru": [
        "Министр посетил г. Казань в 2024 г. и уехал.",
        "Это стоит 5 млн. руб. сегодня!",
        "Кто, т. е. какая сторона, заплатит?",
        "А. С. Орлов промолчал.",
    ],
    "uk": ["Міністр відвідав м. Львів.", "А. Коваль відповів: так!", "Хто заплатить?"],
    "zh": ["我们支持谈判，也愿意合作。", "我们反对战争！", "谁来付钱？"],
    "ja": ["会議は東京で開かれた。", "日本は、協力を約束する！", "誰が払うのか？"],
    "ar": ["رحب الوزير بالاتفاق، وأكد الدعم؛ ثم غادر.", "هل سندفع الثمن؟", "قال د. سالم لا!"],
    "hi": ["हम समझौते का स्वागत करते हैं।", "क्या वे आएँगे?", "डॉ. शर्मा ने मना किया।"],
}
