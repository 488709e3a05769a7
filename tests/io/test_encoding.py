"""Test that encodings are recognised in one pass, in lines of any length and at any alignment with the blocks that are read."""

from __future__ import annotations

import hashlib
import io
import random
from pathlib import Path

import pytest

from communique.errors import DataError
from communique.io.encoding import inspect
from communique.io.recognise import SAMPLE, check_encoding, recognise

CYRILLIC = "Мы осуждаем блокаду порта. "


def recognised(path: Path, content: bytes) -> str | None:
    path.write_bytes(content)
    sha256, encoding = inspect(path, text=True)
    assert sha256 == hashlib.sha256(content).hexdigest()
    return None if encoding is None else encoding.name


@pytest.mark.parametrize("shift", range(3))
@pytest.mark.parametrize("characters", [100, 3_000_000])
def test_one_damaged_line_does_not_outweigh_valid_lines_of_any_length(
    characters: int, shift: int, tmp_path: Path
) -> None:
    good = (CYRILLIC * (characters // len(CYRILLIC) + 1)).encode()
    content = b"x" * shift + good + b"\n" + b"caf\xe9.\n"
    assert recognised(tmp_path / "x.txt", content) == "utf-8"


def test_a_long_ascii_line_with_an_incomplete_character_is_judged_by_its_beginning(tmp_path: Path) -> None:
    assert recognised(tmp_path / "x.txt", b"We help. " * (SAMPLE // 4) + b"\xc3") == "ascii"


def test_valid_utf_8_is_recognised_and_a_binary_table_is_only_hashed(tmp_path: Path) -> None:
    assert recognised(tmp_path / "x.txt", (CYRILLIC * 3).encode()) == "utf-8"
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    assert inspect(tmp_path / "x.parquet", text=False) == (hashlib.sha256(b"PAR1").hexdigest(), None)


@pytest.mark.parametrize("lines", [3, 50_000])
def test_cyrillic_in_a_legacy_encoding_is_not_utf_8(lines: int, tmp_path: Path) -> None:
    found = recognised(tmp_path / "x.txt", f"{CYRILLIC * 3}\n".encode("cp1251") * lines)
    assert found in ("cp1251", "mac_cyrillic")


#: Sentences written for this project, in code pages that were used for their languages.
PAGES = [
    ("cs", "cp1250", "Vláda důrazně odsuzuje útok na přístav."),
    ("cs", "iso8859_2", "Vyzýváme všechny státy, aby ratifikovaly smlouvu."),
    ("pl", "cp1250", "Rząd stanowczo potępia atak na port."),
    ("hu", "iso8859_2", "A kormány határozottan elítéli a kikötő elleni támadást."),
    ("tr", "cp1254", "Bütün devletleri antlaşmayı onaylamaya çağırıyoruz."),
    ("el", "cp1253", "Καλούμε όλα τα κράτη να επικυρώσουν τη συνθήκη."),
    ("he", "cp1255", "הממשלה מגנה בחריפות את המתקפה על הנמל."),
    ("ar", "cp1256", "ندين هذا الهجوم ونطالب بوقف فوري لإطلاق النار."),
    ("lv", "cp1257", "Valdība stingri nosoda uzbrukumu ostai."),
    ("ru", "koi8_r", "Мы осуждаем нападение на мост и требуем прекращения огня."),
    ("ru", "cp866", "Мы требуем прекращения огня."),
    ("uk", "koi8_u", "Ми засуджуємо напад на міст і вимагаємо припинення вогню."),
    ("bg", "cp1251", "Правителството остро осъжда нападението срещу пристанището."),
    ("fi", "cp1252", "Hallitus tuomitsee jyrkästi hyökkäyksen satamaan."),
    ("fr", "mac_roman", "Nous déplorons la fermeture du détroit, où dérivent des pêcheurs."),
    ("de", "cp850", "Die Gegenseite muss die Blockade der Häfen unverzüglich beenden."),
    ("ja", "shift_jis", "政府は港への攻撃を強く非難する。"),
    ("ja", "euc_jp", "来週、食料を積んだ船を二隻送る。"),
    ("ja", "iso2022_jp", "すべての国に条約の批准を求める。"),
    ("ko", "cp949", "정부는 항구에 대한 공격을 강력히 규탄한다."),
    ("ko", "iso2022_kr", "모든 국가에 조약 비준을 촉구한다."),
    ("zh", "gb18030", "政府强烈谴责对港口的袭击。"),
    ("zh", "big5", "我們呼籲各國批准該條約。"),
    ("zh", "hz", "我们呼吁各国批准该条约。"),
    ("th", "utf-16-le", "รัฐบาลประณามการโจมตีท่าเรืออย่างรุนแรง เราเรียกร้องให้เปิดพรมแดน\r\n"),
    ("th", "utf-16-be", "รัฐบาลประณามการโจมตีท่าเรืออย่างรุนแรง"),
    ("ta", "utf-16-le", "துறைமுகங்கள் மீதான தாக்குதலை அரசு கடுமையாகக் கண்டிக்கிறது."),
    ("hi", "utf-16-le", "हम हमले की निंदा करते हैं।\nहम मदद करेंगे।"),
    ("ja", "utf-16-be", "政府は港への攻撃を強く非難する。\n来週、船を送る。\n"),
    ("ru", "utf-32-le", "Мы осуждаем."),
    ("en", "utf-32-be", "We help."),
]


@pytest.mark.parametrize(("language", "encoding", "text"), PAGES)
def test_one_sentence_is_enough_to_recognise_a_code_page(
    language: str, encoding: str, text: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(text.encode(encoding))
    for given in (None, language):
        _, found = inspect(path, text=True, language=given)
        assert found is not None
        assert path.read_bytes().decode(found.name) == text
        assert "guess" in found.notes[0]
        assert "--encoding" in found.notes[0]


@pytest.mark.parametrize("separator", ["\n", "\t", "\r\n", "\n\n", ",", "\f"])
@pytest.mark.parametrize("value", ["1", "x", "12", "text", "é"])
def test_short_cells_are_not_utf_16(value: str, separator: str, tmp_path: Path) -> None:
    """Check bytes that alternate with line ends or tabs, because in UTF-16 such bytes are letters of Gurmukhi or Hindi."""
    for n in (1, 2, 3, 50, 5001):
        assert recognised(tmp_path / "a.csv", (value + separator).encode() * n) == "utf-8"


@pytest.mark.parametrize("content", [b"\x1f", b"\x1fa\x1f", b"a\x0eb", b"\x0e1\x0e2\x0e3"])
def test_a_few_control_characters_are_not_utf_16(content: bytes, tmp_path: Path) -> None:
    assert recognised(tmp_path / "a.txt", content) == "utf-8"


def test_an_encoding_that_the_user_names_is_used(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes("Größe".encode())
    _, found = inspect(path, text=True, encoding="cp1252")
    assert found is not None
    assert (found.name, found.notes) == ("cp1252", ())
    assert (check_encoding("UTF8"), check_encoding("latin2")) == ("utf-8-sig", "iso8859-2")
    for name in ("klingon", "rot13", "hex"):
        with pytest.raises(ValueError, match=name):
            check_encoding(name)


@pytest.mark.parametrize(
    "content",
    [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\2", bytes(range(256)) * 10, random.Random(0).randbytes(3000)],
)
def test_a_file_that_is_not_text_is_rejected(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match="--encoding"):
        inspect(path, text=True)


@pytest.mark.parametrize("content", ["1\n2\n3\n", "a\tb\tc\n1\t0\t1\n", " ,\n1,2\n", "x\r\n1\r\n2\r\n"])
def test_lines_of_single_characters_are_ascii_and_not_utf_16(content: str) -> None:
    assert recognise("x", io.BytesIO(content.encode())).name == "utf-8"


@pytest.mark.parametrize(
    "text",
    ["हम समझौते का स्वागत करते हैं।", "ਅਸੀਂ ਸਮਝੌਤੇ ਦਾ ਸੁਆਗਤ ਕਰਦੇ ਹਾਂ।", "ഞങ്ങൾ കരാറിനെ സ്വാഗതം ചെയ്യുന്നു.", "నేను ఒప్పందాన్ని స్వాగతిస్తున్నాను."],
)
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_recognised_in_scripts_whose_high_byte_is_a_line_end_or_a_tab(text: str, encoding: str) -> None:
    assert recognise("x", io.BytesIO(text.encode(encoding))).name == encoding
