"""The page of `label -o out.html`: markup in texts is escaped, labels are distinguishable, and text directions are right."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import signal
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fakes import RuleModel, bundle_folder, label, label_in_a_process, open_cue_model, until
from helpers import CODEBOOK, has_facts

import communique.load
from communique.data.codebook import Codebook
from communique.labelling import page
from communique.labelling.shard_folder import shards_folder
from communique.models.folder import read_codebook, read_info
from communique.reporting.palette import PALETTE

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "</style></mark><!-- ]]> &amp; {{ 7*7 }}",
)

_VOID = {"meta", "input", "br", "img", "link"}


class Element:
    def __init__(self, tag: str, attributes: dict[str, str | None], parent: Element | None) -> None:
        self.tag, self.attributes, self.parent = tag, attributes, parent
        self.children: list[Element | str] = []

    def get(self, name: str) -> str:
        return self.attributes.get(name) or ""

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def all(self, tag: str, name: str | None = None) -> list[Element]:
        found = []
        for child in self.children:
            if isinstance(child, Element):
                if child.tag == tag and (name is None or name in child.get("class").split()):
                    found.append(child)
                found += child.all(tag, name)
        return found


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = self.at = Element("root", {}, None)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs), self.at)
        self.at.children.append(element)
        if tag not in _VOID:
            self.at = element

    def handle_endtag(self, tag: str) -> None:
        assert self.at.tag == tag, f"<{self.at.tag}> is ended by </{tag}>"
        assert self.at.parent is not None
        self.at = self.at.parent

    def handle_data(self, data: str) -> None:
        self.at.children.append(data)


def read(path: Path) -> Element:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    assert reader.at is reader.root
    return reader.root


def sentences(root: Element) -> list[Element]:
    main = root.all("main")[0]
    return [element for p in main.all("p") for element in p.children if isinstance(element, Element)]


def shown(element: Element) -> str:
    """Return the text of a sentence without the signs of its labels."""
    parts = [c for c in element.children if isinstance(c, str) or c.tag not in ("b", "small")]
    return "".join(c if isinstance(c, str) else c.text for c in parts).rstrip("\xa0 ")


@pytest.fixture(autouse=True)
def cue_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        communique.load, "load_model", lambda folder, *, threads=None, info=None: open_cue_model(folder)
    )


def labelled(rows: list[dict[str, Any]], folder: Path, tmp_path: Path, *options: object, code: int = 0) -> Element:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.html"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found, _, err = label(source, "-o", out, "--model", folder, "--overwrite", "--no-split", *options)
    assert found == code, err
    return read(out)


def test_markup_in_texts_and_names_is_escaped(tmp_path: Path) -> None:
    labels = [{"name": f"l{i} {text}".replace(",", ""), "definition": text} for i, text in enumerate(HOSTILE[:2])]
    names = re.compile(r"[|;\s]+")
    labels = [{**entry, "name": names.sub(" ", str(entry["name"]))} for entry in labels]
    folder = bundle_folder(tmp_path / "m", Codebook.model_validate(CODEBOOK | {"labels": labels}))

    def scores(text: str) -> list[float]:
        return [0.9, 0.1]

    with pytest.MonkeyPatch.context() as patch:
        info = read_info(folder)
        model = RuleModel(info, read_codebook(folder, info), scores)
        patch.setattr(communique.load, "load_model", lambda *_, **__: model)
        rows = [{"id": text, "text": text, "document": name} for name in HOSTILE for text in (*HOSTILE, "Two.")]
        root = labelled(rows, folder, tmp_path, "--language", "en")
    assert len(root.all("script")) == len(root.all("style")) == 1
    assert not root.all("img")
    assert not root.all("link")
    handlers = [name for e in root.all("mark") + root.all("section") for name in e.attributes if name.startswith("on")]
    assert not handlers
    assert [shown(element) for element in sentences(root)] == [*HOSTILE, "Two."] * len(HOSTILE)
    assert [section.get("data-d") for section in root.all("section")] == list(HOSTILE)
    assert [box.get("data-name") for box in root.all("input") if box.get("data-name")] == [e["name"] for e in labels]


def test_control_characters_are_shown_escaped(fake_bundle: Path, tmp_path: Path) -> None:
    root = labelled([{"text": "a\x1b[31m\x00\u202eb\ufffe c"}], fake_bundle, tmp_path)
    assert shown(sentences(root)[0]) == r"a\x1b[31m\x00\u202eb\ufffe c"


def test_the_page_can_run_only_its_own_script_and_load_nothing(fake_bundle: Path, tmp_path: Path) -> None:
    root = labelled([{"text": "We condemn it."}], fake_bundle, tmp_path)
    policy = next(m.get("content") for m in root.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(root.all(tag)[0].text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    content = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|url\(|@import|\bsrc=|style=", content)


def test_texts_are_shown_in_reading_order_and_in_paragraphs(fake_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("We condemn it. They came.\n\nWe should go. We pledge help.\n")
    (tmp_path / "b.txt").write_text("Other text here.\n")
    out = tmp_path / "out.html"
    assert label(tmp_path / "a.txt", tmp_path / "b.txt", "-o", out, "--model", fake_bundle)[0] == 0
    root = read(out)
    paragraphs = [[shown(e) for e in p.children if isinstance(e, Element)] for p in root.all("main")[0].all("p")]
    assert paragraphs == [["We condemn it.", "They came."], ["We should go.", "We pledge help."], ["Other text here."]]
    marked = [[b.text.replace("\xa0", " ") for b in e.all("b")] for e in sentences(root)]
    assert marked == [["CR 0.90"], [], ["PC 0.90"], ["CP 0.90"], []]
    assert [e.tag for e in sentences(root)] == ["mark", "span", "mark", "mark", "span"]


def test_text_directions_follow_the_letters_and_languages_are_marked(fake_bundle: Path, tmp_path: Path) -> None:
    texts = {
        "ar": "COP28 and IMF: ندعو جميع الدول إلى وقف إطلاق النار (فورًا)!",
        "he": "ממשלת ישראל מגנה את ההחלטה.",
        "fa": "ما با UNHCR همکاری می‌کنیم.",
        "en": 'The minister said "السلام عليكم" and left.',
        "und": "2030",
    }
    rows = [{"text": text, "document": "one", "language": code} for code, text in texts.items()]
    root = labelled(rows, fake_bundle, tmp_path)
    blocks = root.all("main")[0].all("p")
    assert [(p.get("dir"), len(p.all("span", "s"))) for p in blocks] == [("rtl", 3), ("ltr", 2)]
    assert root.all("section")[0].get("lang") == "ar"
    assert [e.get("lang") for e in sentences(root)] == ["", "he", "fa", "en", "und"]
    # Signs and the names of documents keep their own direction.
    assert root.all("h2")[0].all("bdi")


def test_rows_without_labels_are_shown_with_their_reason_and_counted(fake_bundle: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.html"
    source.write_text('{"text": "We condemn it."}\nnot json\n{"text": "***"}\n{"text": ""}\n')
    assert label(source, "-o", out, "--model", fake_bundle)[0] == 1
    root = read(out)
    whys = [e.all("small", "why")[0].text if e.all("small", "why") else "" for e in sentences(root)]
    assert whys[0] == ""
    assert has_facts(whys[1], "not read: ", "row 2", "not valid JSON")
    assert whys[2:] == ["no letters", "empty"]
    assert [e.get("data-l") for e in sentences(root)] == ["0", "x", "x", "x"]
    head = root.all("header")[0].text
    assert has_facts(
        head, "1 sentence labelled", "1 could not be read", "1 without letters", "0 page headers", "1 empty"
    )


def test_a_page_can_show_many_labels_with_one_label_per_sentence(tmp_path: Path) -> None:
    labels = [{"name": f"label {i}", "definition": "One."} for i in range(14)]
    codebook = Codebook.model_validate(CODEBOOK | {"labels": labels, "task": "multiclass"})
    folder = bundle_folder(tmp_path / "m", codebook)
    with pytest.MonkeyPatch.context() as patch:
        model = RuleModel(
            read_info(folder), codebook, lambda text: [float(int(text.split()[1]) == i) for i in range(14)]
        )
        patch.setattr(communique.load, "load_model", lambda *_, **__: model)
        root = labelled([{"text": f"Number {i} here."} for i in range(14)], folder, tmp_path, "--language", "en")
    assert [e.get("data-l") for e in sentences(root)] == [str(i) for i in range(14)]
    signs = [e.all("b")[0].all("bdi")[0].text for e in sentences(root)]
    assert len(set(signs)) == 14
    assert "most probable label" in root.all("aside")[0].text
    assert not [box for box in root.all("input") if box.get("value") == "-"]


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_colours_meet_the_contrast_of_wcag_aa(fake_bundle: Path, tmp_path: Path) -> None:
    root = labelled([{"text": "We condemn it."}], fake_bundle, tmp_path)
    style = root.all("style")[0].text
    # The third scheme is for print, in light colours.
    schemes = re.findall(r":root \{ (?:color-scheme.*? )?--paper.*", style)
    assert len(schemes) == 3
    for scheme, line in zip(("light", "dark", "print"), schemes, strict=True):
        value = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", line))
        for name in ("ink", "quiet", "alarm", *(["link"] if scheme != "print" else [])):
            assert _contrast(value[name], value["paper"]) >= 4.5, (scheme, name)
            assert _contrast(value[name], value["soft"]) >= 4.5, (scheme, name)
        for i in range(len(PALETTE)):
            strong, tint = value[f"strong-{i}"], value[f"tint-{i}"]
            assert _contrast(strong, value["paper"]) >= 4.5, (scheme, i)
            assert _contrast(strong, tint) >= 4.5, (scheme, i)
            assert _contrast(value["ink"], tint) >= 4.5, (scheme, i)
    assert all(one.light != other.light for one, other in pairwise(PALETTE))


def test_a_killed_run_that_is_resumed_writes_the_same_page(fake_bundle: Path, tmp_path: Path) -> None:
    source, out, whole = tmp_path / "in.jsonl", tmp_path / "out.html", tmp_path / "whole.html"
    source.write_text("".join(json.dumps({"text": f"We condemn {i}.", "document": "d"}) + "\n" for i in range(30)))
    arguments = ("--shard-rows", 10, "--model", fake_bundle, "--language", "en")
    pid = label_in_a_process(source, "-o", out, *arguments, delay=0.3, log=tmp_path / "log")
    until(lambda: len(list(shards_folder(out).glob("*.arrow"))) >= 1, "no shard was finished", pid=pid)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with pytest.MonkeyPatch.context() as patch:
        from fakes import FakeModel

        patch.setattr(communique.load, "load_model", lambda folder, *, threads=None, info=None: FakeModel(folder))
        assert label(source, "-o", out, *arguments, "--resume")[0] == 0
        assert label(source, "-o", whole, *arguments)[0] == 0
    assert out.read_bytes() == whole.read_bytes()


def test_a_changed_page_is_not_complete(fake_bundle: Path, tmp_path: Path) -> None:
    labelled([{"text": "We condemn it."}], fake_bundle, tmp_path)
    source, out = tmp_path / "in.jsonl", tmp_path / "out.html"
    arguments = (source, "-o", out, "--model", fake_bundle, "--no-split", "--resume")
    code, _, err = label(*arguments)
    assert (code, "already complete" in err) == (0, True)
    out.write_bytes(out.read_bytes().replace(b"We condemn it.", b"We applaud it."))
    code, _, err = label(*arguments)
    assert (code, has_facts(err, out, "--overwrite")) == (2, True)


def test_an_input_without_rows_gives_a_page_without_texts(fake_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text,n\n")
    out = tmp_path / "out.html"
    assert label(tmp_path / "in.csv", "-o", out, "--model", fake_bundle)[0] == 0
    assert "No texts." in read(out).all("main")[0].text


def test_a_very_long_page_is_written_with_a_warning(
    fake_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "HEAVY", 3)
    source, out = tmp_path / "in.jsonl", tmp_path / "out.html"
    source.write_text('{"text": "We condemn it."}\n' * 4)
    code, _, err = label(source, "-o", out, "--model", fake_bundle)
    assert code == 0
    assert has_facts(err, out, "4 sentences", "slowly", ".xlsx", ".parquet")
    assert has_facts(read(out).all("header")[0].text, "4 sentences", ".parquet")


def test_a_page_of_an_earlier_run_in_the_input_folder_is_not_read(fake_bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("We condemn it.")
    assert label(folder, "-o", folder / "out.html", "--model", fake_bundle)[0] == 0
    code, out, err = label(folder, "-o", "-", "--model", fake_bundle)
    assert code == 0
    assert [json.loads(line)["document"] for line in out.splitlines()] == ["a"]
    assert has_facts(err, "skipped 1 .html file ", "out.html")


def test_a_page_can_be_written_to_standard_output(fake_bundle: Path) -> None:
    arguments = ("-", "--format", "txt", "-o", "-", "--out-format", "html", "--model", fake_bundle)
    code, out, err = label(*arguments, stdin=b"We condemn it.")
    assert code == 0, err
    assert out.startswith(b"<!doctype html>")
