"""Broken and hostile inputs, and what `communique label` does with each of them.

This module also writes the table in docs/reference/bad-input.md. In tests/, run `PYTHONPATH=../src:. python -m bad_input.cases`.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).parents[2]
BEGIN, END = "<!-- bad input -->", "<!-- /bad input -->"

GOOD = ["We condemn the attack on the bridge.", "We will send aid to the port."]


@dataclass(frozen=True)
class Case:
    """An input and the expected result.

    Attributes:
        name: Description of the input in the table.
        make: Function that writes the input into a folder and returns the arguments of `communique label`.
        code: Exit code.
        message: Part of what is printed, with file names without their folder.
        texts: Texts of the labelled rows, or the number of labelled rows. None if no output is written.
        errors: Number of rows that are kept with a reason in `error`.
        slow: Whether the test is marked as slow.
    """

    name: str
    make: Callable[[Path], list[object]]
    code: int
    message: str
    texts: list[str] | int | None = None
    errors: int = 0
    slow: bool = False


CASES: list[Case] = []


def case(
    name: str, code: int, message: str, texts: list[str] | int | None = None, errors: int = 0, *, slow: bool = False
) -> Callable[[Callable[[Path], list[object]]], None]:
    """Return a decorator that adds a case. The decorated function is its `make`."""
    return lambda make: CASES.append(Case(name, make, code, message, texts, errors, slow))


def file(name: str, content: str | bytes) -> Callable[[Path], list[object]]:
    """Return a function that writes one file and returns it as the argument."""

    def make(folder: Path) -> list[object]:
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return [folder / name]

    return make


def lines(*rows: object) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def table(*texts: str) -> str:
    target = io.StringIO()
    csv.writer(target).writerows([["text"], *([text] for text in texts)])
    return target.getvalue()


def parquet(columns: dict[str, object], *, group: int = 1000) -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.table(columns), target, row_group_size=group, compression="none")
    return target.getvalue()


GARBAGE = random.Random(0).randbytes(20_000)

# Bytes that are not text

for ending, message in (
    ("txt", "neither UTF-8 nor any other text encoding"),
    ("md", "neither UTF-8 nor any other text encoding"),
    ("csv", "neither UTF-8 nor any other text encoding"),
    ("jsonl", "neither UTF-8 nor any other text encoding"),
    ("parquet", "not a readable Parquet file"),
    ("xlsx", "not a readable XLSX file"),
    ("csv.gz", "not readable (zlib inflate failed"),
):
    case(f"random bytes in a .{ending} file", 1, message)(file(f"x.{ending}", GARBAGE))

# Truncated files

WHOLE = parquet({"text": GOOD * 50}, group=20)
case("Parquet cut off in the middle", 1, "not a readable Parquet file")(file("x.parquet", WHOLE[: len(WHOLE) // 2]))


@case("Parquet with a damaged row group", 1, "row group 2 of the file cannot be read", 80, 20)
def _(folder: Path) -> list[object]:
    (folder / "x.parquet").write_bytes(WHOLE)
    begin = pq.ParquetFile(folder / "x.parquet").metadata.row_group(1).column(0)
    damaged = bytearray(WHOLE)
    first = begin.dictionary_page_offset or begin.data_page_offset
    damaged[first : first + begin.total_compressed_size] = b"\xff" * begin.total_compressed_size
    (folder / "x.parquet").write_bytes(damaged)
    return [folder / "x.parquet"]


LONG = table(*(f"{GOOD[0]} {random.Random(i).random()}" for i in range(20_000)))
case("gzip cut off in the middle", 1, "the file ends early (Truncated compressed stream)", 5000, 1)(
    file("x.csv.gz", gzip.compress(LONG.encode())[:-100_000])
)


@case("Zstandard cut off in the middle", 1, "the file ends early (Truncated compressed stream)", 1000, 1)
def _(folder: Path) -> list[object]:
    content = lines(*({"text": f"{GOOD[0]} {random.Random(i).random()}"} for i in range(20_000)))
    with pa.output_stream(str(folder / "x.jsonl.zst"), compression="zstd") as target:
        target.write(content.encode())
    whole = (folder / "x.jsonl.zst").read_bytes()
    (folder / "x.jsonl.zst").write_bytes(whole[: len(whole) // 2])
    return [folder / "x.jsonl.zst"]


case("a gzip file with two members", 0, "2 sentences", GOOD)(
    file(
        "x.jsonl.gz",
        gzip.compress(lines({"text": GOOD[0]}).encode()) + gzip.compress(lines({"text": GOOD[1]}).encode()),
    )
)
case("a Parquet file compressed with gzip", 1, "compressed .parquet files cannot be read. Decompress it")(
    file("x.parquet.gz", gzip.compress(WHOLE))
)
case("a truncated workbook", 1, "not a readable XLSX file")(file("x.xlsx", b"PK\x03\x04" + GARBAGE[:500]))


@case("a truncated Arrow file", 1, "the file ends early", 2, 1)
def _(folder: Path) -> list[object]:
    target = io.BytesIO()
    batch = pa.record_batch({"text": GOOD})
    with pa.ipc.new_stream(target, batch.schema) as writer:
        writer.write_batch(batch)
        writer.write_batch(batch)
    (folder / "x.arrow").write_bytes(target.getvalue()[:-120])
    return [folder / "x.arrow"]


# Encodings

RUSSIAN = "Мы осуждаем нападение на мост и требуем прекращения огня."
FRENCH = "Nous déplorons la fermeture du détroit, où dérivent des pêcheurs."
CHINESE = "我们强烈谴责这一袭击，并要求立即停火。"
case("CSV in Windows-1251", 0, "not UTF-8, so it is read as cp1251", [RUSSIAN])(
    file("x.csv", table(RUSSIAN).encode("cp1251"))
)
case("text in GB 18030", 0, "not UTF-8, so it is read as gb18030", [CHINESE])(file("x.txt", CHINESE.encode("gb18030")))
case(
    "UTF-8 with two lines of Windows-1252",
    1,
    "bytes that are not utf-8. Name the file's encoding",
    4,
    2,
)(
    file(
        "x.csv",
        b"text\n"
        + f"{RUSSIAN}\n{CHINESE}\n".encode()
        + f"{FRENCH}\n".replace(",", "").encode("cp1252") * 2
        + f"{FRENCH}\n".replace(",", "").encode() * 2,
    )
)
case("a UTF-8 document with a damaged byte", 0, "1 place is not valid utf-8 and read as '\ufffd'", 2)(
    file("x.txt", f"{RUSSIAN}\n".encode() + FRENCH.encode().replace(b"o", b"\xff", 1))
)
case("UTF-16 without a byte order mark", 0, "read as utf-16-le, which is a guess", [FRENCH])(
    file("x.csv", table(FRENCH).encode("utf-16-le"))
)
case("big-endian UTF-16 without a byte order mark", 0, "read as utf-16-be, which is a guess", [RUSSIAN])(
    file("x.csv", table(RUSSIAN).encode("utf-16-be"))
)
case("UTF-16 with an odd number of bytes", 1, "bytes that are not utf-16", [FRENCH], 1)(
    file("x.csv", table(FRENCH, "cut").encode("utf-16")[:-5])
)
case("UTF-32", 0, "1 sentence in 1 document", [RUSSIAN])(file("x.csv", table(RUSSIAN).encode("utf-32")))

# Characters

case("NUL bytes in a text", 0, "1 sentence in 1 document", ["We\0condemn\0it."])(
    file("x.csv", "text\nWe\0condemn\0it.\n")
)
case("half a character (lone surrogate) in a text", 0, "1 text contains half a character", ["We \ufffd agree."])(
    file("x.jsonl", '{"text": "We \\ud83d agree."}\n')
)
case("half a character in an extra column", 0, "1 sentence in 1 document", 1)(
    file("x.jsonl", '{"text": "a b", "\\ud83d": "\\udc00"}\n')
)
case("direction marks", 0, "1 sentence in 1 document", ["\u200fقال الوزير\u200e: لا!"])(
    file("x.jsonl", lines({"text": "\u200fقال الوزير\u200e: لا!"}))
)
case("only direction marks and zero-width spaces", 0, "empty 1", 1)(
    file("x.jsonl", lines({"text": "\u200e\u200f\u200b\ufeff"}))
)
case("emoji sequences", 0, "1 sentence in 1 document", ["👩‍👩‍👧‍👦 🇺🇦 agree 🤝🏽"])(
    file("x.jsonl", lines({"text": "👩‍👩‍👧‍👦 🇺🇦 agree 🤝🏽"}))
)
case("a document that contains only white space", 0, "the document contains no text", 0)(file("x.txt", " \n\t\u3000\n"))
case("rows that contain only white space", 0, "empty 2", 3)(
    file("x.jsonl", lines({"text": " "}, {"text": "\u3000\u00a0"}, {"text": "a b"}))
)
case("missing values in the text column", 0, "empty 2", 3)(
    file("x.jsonl", lines({"text": None}, {"n": 1}, {"text": "a b"}))
)
case("HTML tags in a text", 0, "1 text contains HTML tags", ["<p>We <b>agree</b>.</p>"])(
    file("x.jsonl", lines({"text": "<p>We <b>agree</b>.</p>"}))
)
case("line separators inside JSON strings", 0, "1 sentence in 1 document", ["a\u2028b\x85c"])(
    file("x.jsonl", lines({"text": "a\u2028b\x85c"}))
)

# Size

case("a line of 50 MB in JSON Lines", 1, "row 1: a line of more than 16,777,216 characters", 1, 1, slow=True)(
    file("x.jsonl", lines({"text": "We condemn it. " * 3_400_000}, {"text": "a b"}))
)
case("a document of 100,000 sentences in one line", 0, "100,000 sentences", 100_000, slow=True)(
    file("x.txt", "We condemn it. " * 100_000)
)
case("a row of 10,000 sentences", 0, "truncated 1", 1)(file("x.jsonl", lines({"text": "We condemn it. " * 10_000})))
case("a CSV cell of 200,000 characters", 0, "truncated 1", 1)(file("x.csv", table("word " * 40_000)))
case("JSON with 100,000 nested brackets", 1, "row 2: not valid JSON", 1, 1)(
    file("x.jsonl", '{"text": "a b"}\n' + "[" * 100_000 + "\n")
)

# Tables

case("a text column of lists", 1, "column 'text' contains a value of type list", ["a b"], 1)(
    file("x.jsonl", lines({"text": ["a", "b"]}, {"text": "a b"}))
)
case("a Parquet text column of lists", 1, "column 'text' contains a value of type list")(
    file("x.parquet", parquet({"text": [["a"], ["b"]]}))
)
case("a Parquet text column of bytes", 1, "column 'text' contains a value of type bytes", ["a b"], 1)(
    file("x.parquet", parquet({"text": [b"a b", b"\xff\xfe"]}))
)
case("numbers and truth values as texts", 0, "without letters 2", ["True"], 2)(
    file("x.jsonl", lines({"text": 2024}, {"text": 1.5}, {"text": True}))
)
case("two CSV columns with the same name", 1, "two columns are named 'text'. Rename one")(
    file("x.csv", "text,text\na,b\n")
)


@case("two Parquet columns with the same name", 1, "two columns are named 'text'. Rename one")
def _(folder: Path) -> list[object]:
    pq.write_table(pa.Table.from_arrays([pa.array(["a"])] * 2, names=["text", "text"]), folder / "x.parquet")
    return [folder / "x.parquet"]


case("a JSON object with the same key twice", 1, "the key 'text' occurs twice", ["b c"], 1)(
    file("x.jsonl", '{"text": "a", "text": "b"}\n{"text": "b c"}\n')
)
case("an input column with the name of an output column", 0, "column 'labels' is kept as 'input_input_labels'", 1)(
    file("x.jsonl", lines({"text": "a b", "labels": ["x"], "input_labels": "y"}))
)
case(
    "a table without a text column",
    1,
    "there is no column 'text' or 'sentence' or 'statement' or 'content'. The columns are: a, b",
)(file("x.csv", "a,b\n1,2\n"))
case("a CSV header without rows", 0, "0 sentences", 0)(file("x.csv", "text,n\n"))
case("an empty CSV file", 1, "the file is empty. Write the column names into the first row")(file("x.csv", ""))
case("an empty JSON Lines file", 1, "empty. Write one JSON object per line")(file("x.jsonl", "\n\n"))
case("JSON Lines without a readable line", 1, "row 1: not valid JSON")(file("x.jsonl", "a\nb\n"))
case("a JSON array over several lines in a .jsonl file", 1, "Write one JSON object per line")(
    file("x.jsonl", json.dumps([{"text": "a"}], indent=1))
)
case("a quotation mark that is never closed", 1, "Close the quotation mark", GOOD, 1)(
    file("x.csv", f'text,n\n{GOOD[0]},1\n"broken,2\n{GOOD[1]},3\n')
)
case("rows with too few and too many cells", 1, "the row has 1 cell, but the header has 2", GOOD, 2)(
    file("x.csv", f"text,n\n{GOOD[0]},1\nfew\nmany,2,3\n{GOOD[1]},4\n")
)
case("NaN and infinity in extra columns", 0, "1 sentence in 1 document", 1)(
    file("x.jsonl", '{"text": "a b", "n": NaN, "m": [Infinity]}\n')
)


@case("a workbook with two sheets", 0, "reading sheet 'Sheet' of 'Sheet', 'more'", GOOD)
def _(folder: Path) -> list[object]:
    from openpyxl import Workbook

    book = Workbook()
    for row in (["text"], *([text] for text in GOOD)):
        book.active.append(row)
    book.create_sheet("more").append(["text"])
    book.save(folder / "x.xlsx")
    return [folder / "x.xlsx"]


# Folders and paths


@case(
    "a folder with an unreadable file and a broken link",
    1,
    "a broken link. Repair or delete it",
    [GOOD[0]],
    2,
)
def _(folder: Path) -> list[object]:
    (folder / "f").mkdir()
    (folder / "f" / "a.txt").write_text(GOOD[0])
    (folder / "f" / "b.txt").write_bytes(GARBAGE)
    (folder / "f" / "c.txt").symlink_to(folder / "absent")
    return [folder / "f"]


@case("a folder with circular links", 1, "a broken link. Repair or delete it", [GOOD[0]], 1)
def _(folder: Path) -> list[object]:
    (folder / "f").mkdir()
    (folder / "f" / "a.txt").write_text(GOOD[0])
    (folder / "f" / "up").symlink_to(folder / "f", target_is_directory=True)
    (folder / "f" / "itself.txt").symlink_to(folder / "f" / "itself.txt")
    return [folder / "f"]


@case("a folder of tables with a truncated file", 1, "not a readable Parquet file", GOOD, 1)
def _(folder: Path) -> list[object]:
    (folder / "f").mkdir()
    (folder / "f" / "a.parquet").write_bytes(parquet({"text": GOOD}))
    (folder / "f" / "b.parquet").write_bytes(WHOLE[:400])
    return [folder / "f"]


@case("a saved dataset with a missing file", 1, "no such file, but", None)
def _(folder: Path) -> list[object]:
    (folder / "d").mkdir()
    (folder / "d" / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-0.arrow"}]}))
    return [folder / "d"]


case("a path that does not exist", 1, "absent.csv: no such file")(lambda folder: [folder / "absent.csv"])
case("an unknown suffix", 1, "x.png: unknown suffix")(file("x.png", b"PNG"))
case("a broken PDF document", 1, "x.pdf: not a readable PDF document")(file("x.pdf", b"%PDF-1.4"))


case("a table with 20,001 columns", 1, "20,001 columns, but at most 20,000 are read")(
    file("x.csv", ",".join(["text", *(f"c{i}" for i in range(20_000))]) + "\nWe act.\n")
)


@case("a Word document that unpacks to 1,000 times its size", 1, "which suggests a decompression bomb")
def _(folder: Path) -> list[object]:
    with zipfile.ZipFile(folder / "x.docx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", "<w:document>" + " " * 25_000_000)
    return [folder / "x.docx"]


case("a table with one letter or digit per row", 0, "2 sentences", 2, 2)(file("x.csv", "text\nx\n1\ny\n2\n"))


@case("an empty folder", 1, "no documents or tables in this folder")
def _(folder: Path) -> list[object]:
    (folder / "f").mkdir()
    return [folder / "f"]


def markdown() -> str:
    """Return the table for docs/reference/bad-input.md."""
    rows = [
        f"The table lists {len(CASES)} inputs. `tests/labelling/test_bad_input.py` creates and labels each of them.",
        "",
    ]
    rows += ["| input | exit code | part of the message | rows in the output |", "|---|---|---|---|"]
    for one in CASES:
        n = len(one.texts) if isinstance(one.texts, list) else one.texts
        failed = f"and {one.errors} with `error`"
        if n is None:
            kept = "no output"
        elif one.name.startswith(("gzip cut", "Zstandard")):
            kept = f"all complete rows before the cut, {failed}"
        else:
            kept = f"{n} row{'s' * (n != 1)}" + (f", {failed}" if one.errors else "")
        message = one.message.replace("|", "\\|")
        rows.append(f"| {one.name} | {one.code} | {message} | {kept} |")
    return "\n".join(rows)


def in_docs(text: str) -> str:
    """Return the text of the guide with the table between its markers."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{markdown()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    path = ROOT / "docs/reference/bad-input.md"
    path.write_text(in_docs(path.read_text(encoding="utf-8")), encoding="utf-8")
