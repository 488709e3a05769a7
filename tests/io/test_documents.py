"""Test that only the text of documents is read, in each format, and that hostile documents are rejected."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from communique.errors import DataError, MissingExtraError
from communique.io import suffixes
from communique.io.documents import office
from communique.io.documents.read import read_document
from communique.io.read import open_table
from communique.io.tables import Problem

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
ODT = 'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'


def docx(path: Path, body: str, footnotes: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", f"<w:document {W}><w:body>{body}</w:body></w:document>")
        if footnotes:
            archive.writestr("word/footnotes.xml", f"<w:footnotes {W}>{footnotes}</w:footnotes>")
    return path


def odt(path: Path, body: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "content.xml",
            f"<office:document {ODT}><office:body><office:text>{body}</office:text></office:body></office:document>",
        )
    return path


def pdf(path: Path, *pages: str) -> Path:
    """Write a PDF whose pages have these content streams."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
    kids = []
    for content in pages:
        kids.append(f"{len(objects) + 1} 0 R")
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {len(objects) + 2} 0 R /Resources << /Font << /F1 "
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>"
        )
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    written, places = b"%PDF-1.4\n", []
    for i, content in enumerate(objects, 1):
        places.append(len(written))
        written += f"{i} 0 obj\n{content}\nendobj\n".encode("latin-1")
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    end = (
        f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer << /Size {len(objects) + 1} /Root 1 0 R >>\n"
    )
    path.write_bytes(written + f"{end}startxref\n{len(written)}\n%%EOF".encode())
    return path


def show(*lines: str) -> str:
    return "BT /F1 12 Tf 50 700 Td 14 TL " + " ".join(f"({line}) Tj T*" for line in lines) + " ET"


def paragraphs(path: Path) -> list[str]:
    return read_document(path, path.name, path.suffix).text.split("\n\n")


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_docx_text_has_paragraphs_cells_and_notes_but_no_deletions(tmp_path: Path) -> None:
    run = "<w:r><w:t>{}</w:t></w:r>"
    body = (
        f"<w:p><w:pPr><w:tabs><w:tab/></w:tabs></w:pPr>{run.format('We condemn ')}<w:del><w:r><w:delText>not </w:delText></w:r>"
        f"</w:del><w:ins>{run.format('the attack')}</w:ins>{run.format('.')}</w:p><w:p/>"
        f"<w:tbl><w:tr><w:tc><w:p>{run.format('Aid')}</w:p></w:tc><w:tc><w:p>{run.format('Two ships.')}</w:p></w:tc></w:tr></w:tbl>"
        f"<w:p>{run.format('Before')}<w:r><w:pict><w:p>{run.format('A box.')}</w:p></w:pict></w:r>{run.format(' and after.')}</w:p>"
    )
    path = docx(tmp_path / "a.docx", body, f"<w:footnote><w:p>{run.format('See there.')}</w:p></w:footnote>")
    assert paragraphs(path) == [
        "We condemn the attack.",
        "Aid",
        "Two ships.",
        "A box.",
        "Before and after.",
        "See there.",
    ]


def test_odt_text_has_no_comments_and_deletions(tmp_path: Path) -> None:
    body = (
        "<text:tracked-changes><text:p>gone</text:p></text:tracked-changes><text:h>Title</text:h>"
        "<text:p>We\n  condemn <text:span>the</text:span><text:s/>attack<office:annotation><text:p>a comment</text:p>"
        "</office:annotation>.</text:p>"
    )
    assert paragraphs(odt(tmp_path / "a.odt", body)) == ["Title", "We condemn the attack."]


def test_rtf_is_read_with_its_code_page_and_unicode_escapes(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.rtf", rb"{\rtf1\ansi\ansicpg1250 \'8e\'e1dn\'e9 zbran\'ec.\par \u1052?\u1099? help.\par}"
    )
    assert paragraphs(path) == ["Žádné zbraně.", "Мы help."]


def test_pdf_pages_are_joined_and_scanned_pages_are_counted(tmp_path: Path) -> None:
    path = pdf(tmp_path / "a.pdf", show("We condemn", "the attack"), "0 0 m 100 100 l S", "", show("on the port."))
    found = read_document(path, path.name, ".pdf")
    assert " ".join(found.text.split()) == "We condemn the attack on the port."
    assert "\n\f" in found.text
    (note,) = found.notes
    assert "1 of 4 pages" in note


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>We condemn &amp; reject&nbsp;it.</p><p>We <b>h</b>elp.</p>", ["We condemn & reject it.", "We help."]),
        ("<div>One.<div>Two.</div>Three.</div>", ["One.", "Two.", "Three."]),
        ("<nav><a>Home</a></nav><main><h1>Title</h1><p>Said.</p></main><footer>Imprint</footer>", ["Title", "Said."]),
        ("<article><p>A.</p></article><aside>Ads</aside><article><p>B.</p></article>", ["A.", "B."]),
        ("<header>Ministry</header><form><p>A page of ASP.</p></form><script>x = 1</script>", ["A page of ASP."]),
        ("<ul><li><a href=/>Home</a></li><li><a href=/x>Press</a></li></ul><p>Said <a>here</a>.</p>", ["Said here."]),
        ("<p>A line<br>and another.</p>", ["A line\nand another."]),
        (
            "<article>Read on</article><div><p>A speech longer than its teaser.</p></div>",
            ["Read on", "A speech longer than its teaser."],
        ),
        (
            "<p>Said.<sup><a href='#n'>[2]</a></sup> 5 m<sup>2</sup></p><p style='color: red; display: none'>No</p>",
            ["Said. 5 m2"],
        ),
        ("<p><ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp></ruby>字</p>", ["漢字"]),
        ("<table><tr><td>Aid</td><td>Ships.</td></tr></table>", ["Aid", "Ships."]),
    ],
)
def test_the_main_text_of_html_is_read(html: str, expected: list[str], tmp_path: Path) -> None:
    assert paragraphs(written(tmp_path / "a.html", f"<html><body>{html}</body></html>")) == expected


@pytest.mark.parametrize(
    "declared", ['<meta charset="windows-1250">', '<?xml version="1.0" encoding="iso-8859-2"?>', ""]
)
def test_html_is_decoded_as_declared_or_recognised(declared: str, tmp_path: Path) -> None:
    encoding = "iso-8859-2" if "xml" in declared else "cp1250"
    text = "Vláda důrazně odsuzuje útok na přístav a žádá všechny státy o pomoc."
    assert paragraphs(written(tmp_path / "a.html", f"{declared}<p>{text}</p>".encode(encoding))) == [text]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (
            "a.srt",
            "1\n00:00:01,000 --> 00:00:02,000\nWe <i>condemn</i>\nit\n\n2\n00:00:03,000 --> 00:00:04,000\nnow.\n",
            "We condemn it now.",
        ),
        (
            "a.vtt",
            "WEBVTT\n\nNOTE a\nb\n\nx\n00:01.000 --> 00:02.000 align:start\n<c.y>We &amp;</c> <00:01.500>you\n",
            "We & you",
        ),
        (
            "b.vtt",
            "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ann>Yes.\n\n00:03.000 --> 00:04.000\n<v Bob>No.\n",
            "Yes.\n\nNo.",
        ),
        ("b.srt", "1\r\n00:00:01,000 --> 00:00:02,000\r\n- Yes.\r\n- No.\r\n", "Yes.\n\nNo."),
        ("c.srt", "1\n0:0:1,0 --> 0:0:2,0\nWe\n", ""),
        (
            "d.vtt",
            "WEBVTT\n\n00:01.000 --> 00:02.000\nWe help\n\n00:02.000 --> 00:03.000\nWe help\nnow.\n",
            "We help now.",
        ),
    ],
)
def test_subtitles_are_joined_without_times_and_tags(name: str, content: str, expected: str, tmp_path: Path) -> None:
    assert read_document(written(tmp_path / name, content), name, Path(name).suffix).text == expected


HOSTILE: dict[str, Callable[[Path], Path]] = {
    "a file that is not a ZIP archive": lambda folder: written(folder / "a.docx", b"PK\x03\x04 nothing"),
    "a ZIP archive without a document": lambda folder: odt(folder / "a.docx", ""),
    "XML that ends early": lambda folder: docx(folder / "a.docx", "<w:p><w:r>"),
    "a file that is not RTF": lambda folder: written(folder / "a.rtf", b"\x00\x01"),
    "a file that is not a PDF": lambda folder: written(folder / "a.pdf", b"%PDF-1.7 nothing"),
    "binary HTML": lambda folder: written(folder / "a.html", bytes(range(256)) * 20),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_message_about_a_broken_document_is_one_line(name: str, tmp_path: Path) -> None:
    path = HOSTILE[name](tmp_path)
    with pytest.raises(DataError) as caught:
        read_document(path, path.name, path.suffix)
    assert str(caught.value).startswith(path.name)
    assert "\n" not in str(caught.value)


def test_a_zip_bomb_is_rejected_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("word/document.xml", "w") as part:
        for _ in range(210):
            part.write(b" " * 1_000_000)
    with pytest.raises(DataError, match="MB when unpacked"):
        read_document(path, path.name, ".docx")


def test_a_word_hyphenated_at_a_line_end_in_a_pdf_keeps_its_hyphen_and_line_end(tmp_path: Path) -> None:
    path = pdf(tmp_path / "a.pdf", show("The states say that they con-", "demn the attack."))
    assert read_document(path, path.name, ".pdf").text == "The states say that they con-\ndemn the attack."


def test_a_pdf_that_unpacks_to_gigabytes_is_rejected(tmp_path: Path) -> None:
    packer = zlib.compressobj(9)
    spaces = b" " * 1_000_000
    stream = (b"".join(packer.compress(spaces) for _ in range(1000)) + packer.flush()).decode("latin-1")
    path = pdf(tmp_path / "a.pdf", stream)
    content = path.read_bytes()
    # The offsets in the cross-reference table are wrong now, but PDFium finds the objects without it.
    path.write_bytes(content.replace(b"<< /Length", b"<< /Filter /FlateDecode /Length"))
    with pytest.raises(DataError, match="need more than 600 MB of memory"):
        read_document(path, path.name, ".pdf")


@pytest.mark.parametrize(
    ("html", "limit"),
    [
        ("<a>x</a>" * 600_000, "elements"),
        (f"<p{''.join(f' a{i}' for i in range(2000))}>x</p>", "attributes in one element"),
    ],
)
def test_a_page_with_too_many_elements_or_attributes_is_rejected(html: str, limit: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=limit):
        read_document(written(tmp_path / "a.html", html), "a.html", ".html")


def test_xml_entities_are_not_expanded(tmp_path: Path) -> None:
    path = tmp_path / "a.odt"
    bomb = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY s SYSTEM "file:///etc/hostname">]>'
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("content.xml", f"{bomb}<o {ODT}><text:p>x&b;&s;y</text:p></o>")
    assert paragraphs(path) == ["xy"]


def test_deep_html_does_not_exhaust_the_stack(tmp_path: Path) -> None:
    path = written(tmp_path / "a.html", "<div>" * 50_000 + "We help.")
    assert read_document(path, path.name, ".html").text in ("We help.", "")


def test_the_message_about_a_missing_library_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(suffixes.MODULES, ".docx", "no_such_module")
    with pytest.raises(MissingExtraError, match=r"\.\[documents\]"):
        read_document(docx(tmp_path / "a.docx", ""), "a.docx", ".docx")


@pytest.mark.parametrize("form", ["docx", "odt"])
def test_a_decompression_bomb_is_rejected(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("communique.io.documents.limits.SUSPICIOUS", 100_000)
    body = "<text:p>a</text:p>" if form == "odt" else "<w:p><w:r><w:t>a</w:t></w:r></w:p>"
    path = (odt if form == "odt" else docx)(tmp_path / f"bomb.{form}", body * 50_000)
    with pytest.raises(DataError, match=r"bomb\..*bytes unpack to"):
        read_document(path, path.name, f".{form}")


def test_a_word_paragraph_with_many_parts_is_read_as_a_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = docx(tmp_path / "a.docx", f"<w:p>{'<w:r><w:t>a </w:t></w:r><w:r/>' * 30_000}</w:p>")
    most = 0
    original = office._paragraphs

    def counted(events: Any, *rest: Any) -> Any:
        def watched() -> Any:
            nonlocal most
            for event, element in events:
                parent = element.getparent()
                most = max(most, 0 if parent is None else len(parent))
                yield event, element

        return original(watched(), *rest)

    monkeypatch.setattr(office, "_paragraphs", counted)
    assert paragraphs(path) == [("a " * 30_000).strip()]
    # The parser reads some kilobytes ahead.
    assert most < 6_000


def test_an_opendocument_paragraph_with_too_many_parts_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("communique.io.documents.office.MAX_ELEMENTS", 100)
    assert paragraphs(odt(tmp_path / "a.odt", "<text:p>a<text:s/>b</text:p>" * 200)) == ["a b"] * 200
    with pytest.raises(DataError, match="more than 100 elements"):
        paragraphs(odt(tmp_path / "b.odt", f"<text:p>a{'<text:s/>' * 101}</text:p>"))


@pytest.mark.parametrize("form", ["docx", "odt", "xml"])
def test_a_tag_that_never_ends_is_rejected(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check the limit on tags, which is needed because the parser keeps a tag in memory until it ends."""
    monkeypatch.setattr("communique.io.bounds.MAX_TAG", 100_000)
    attribute = f'<p a="{"x" * 200_000}"/>'
    path = tmp_path / f"a.{form}"
    if form == "xml":
        path.write_text(f"<TEI><text><u><seg>We help.</seg></u>{attribute}</text></TEI>")
        with open_table(path) as stream:
            reasons = [chunk.reason for chunk in stream.chunks if isinstance(chunk, Problem)]
    else:
        (docx if form == "docx" else odt)(path, attribute)
        with pytest.raises(DataError) as refused:
            read_document(path, path.name, f".{form}")
        reasons = [str(refused.value)]
    assert len(reasons) == 1
    assert "a tag of more than 100,000 bytes" in reasons[0]
