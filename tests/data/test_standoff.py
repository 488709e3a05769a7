"""Stand-off labels: joining with texts by hash, counting missing texts, and writing without quoting the texts."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import ROOT, TINY, facts, has_facts, write_rows

from communique.data.codebook import Codebook
from communique.data.corpus import Corpus
from communique.data.sentence import Sentence, normalized, text_sha256
from communique.data.standoff import Join, is_standoff, join, read_corpora, reduce_acts, texts_by_hash, write_standoff
from communique.errors import DataError
from communique.io.read import read_table

CRITICISM, CLAIM, PLEDGE = TINY.names

LABELLED: list[dict[str, Any]] = [
    {"id": "a", "text": "Nous aiderons les pêcheurs.", "source": "press", "document": "p1", "labels": [PLEDGE]},
    {"id": "b", "text": "我们反对这一决定。", "source": "un", "document": "u1", "labels": [CRITICISM]},
    {"id": "c", "text": "Вода должна быть общей.", "source": "un", "document": "u1", "labels": [CLAIM]},
    {"id": "d", "text": "شكرا لكم", "source": "un", "document": "u2", "labels": []},
]


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    write_standoff(tmp_path / "labels.jsonl", LABELLED, TINY)
    return tmp_path / "labels.jsonl"


def texts_file(folder: Path, name: str, texts: list[str]) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def joined_with(labels: Path, texts: Path) -> tuple[Corpus, Join]:
    return read_corpora([labels], TINY, texts)[0], join(read_table(labels), texts_by_hash(texts))


#: A codebook in which the label for claims has kinds.
KINDS = Codebook.model_validate(
    {
        **TINY.model_dump(),
        "labels": [
            label.model_dump() | ({"kinds": [{"name": "norm", "definition": "A norm."}]} if label.name == CLAIM else {})
            for label in TINY.labels
        ],
    }
)

TEXT = "  Tuvaria said\nthat  the de\u0301bat about the river must remain open."
WORDS = {"holder": "Tuvaria", "target": "the de\u0301bat"}
SPANS = {f"{part}_span": [TEXT.index(word), TEXT.index(word) + len(word)] for part, word in WORDS.items()}
ROW: dict[str, Any] = {
    "id": "a",
    "language": "en",
    "source": "press",
    "document": "p1",
    "parallel": "talk 1",
    "passage": "p1-3",
    "index": 3,
    "in_order": True,
    "text": TEXT,
    "labels": [CLAIM],
    "acts": {CLAIM: {**WORDS, **SPANS, "kind": "norm"}},
    "annotators": 2,
    "sampling": "random",
    "date": "2024-05-31",
}


def written(path: Path, row: dict[str, Any]) -> dict[str, Any]:
    write_standoff(path, [row], KINDS)
    return dict(read_table(path).rows[0][1])


def test_a_standoff_row_has_hash_labels_kinds_and_offsets_into_the_normalized_text(tmp_path: Path) -> None:
    row = written(tmp_path / "labels.jsonl", ROW)
    acts = {CLAIM: {"holder_span": [0, 7], "target_span": [18, 27], "kind": "norm"}}
    assert row == {k: v for k, v in ROW.items() if k != "text"} | {"acts": acts, "sha256": text_sha256(TEXT)}
    assert normalized(TEXT)[18:27] == "the d\u00e9bat"


def test_a_missing_holder_or_target_is_null(tmp_path: Path) -> None:
    acts = {CLAIM: {"holder": None, "target": None, "kind": "norm"}}
    expected = {CLAIM: {"holder_span": None, "target_span": None, "kind": "norm"}}
    assert written(tmp_path / "labels.jsonl", ROW | {"acts": acts})["acts"] == expected


@pytest.mark.parametrize(
    "leak",
    [
        {"previous": "the river"},
        {"topic": "the river"},
        {"note": ["the river"], "extra": {"the river": "the river"}},
        {"annotators": ["the river"]},
        {"annotators": "the river"},
        {"index": "the river"},
        {"in_order": "the river"},
        {"parallel": ["the river"]},
        {"genre": ["the river"], "date": {"text": "the river"}, "source": ("the river",)},
        {"acts": {CLAIM: {**WORDS, **SPANS, "quote": "the river", "the river": 1}}},
        {"acts": {CLAIM: {**WORDS, **SPANS, "kind": None, "holder": None}}},
    ],
)
def test_values_that_are_not_part_of_the_format_are_dropped(tmp_path: Path, leak: dict[str, Any]) -> None:
    written(tmp_path / "labels.jsonl", ROW | leak)
    content = (tmp_path / "labels.jsonl").read_text(encoding="utf-8")
    assert not [word for word in ("river", "Tuvaria", "bat", "remain") if word in content]


@pytest.mark.parametrize(
    ("leak", "message"),
    [
        ({"labels": ["the river"]}, "unknown label 'the river'"),
        ({"acts": {CLAIM: {"kind": "the river"}}}, "unknown kind 'the river'"),
        ({"acts": {CLAIM: {"kind": ["the river"]}}}, "unknown kind"),
        ({"acts": {"the river": {}}}, "unknown label 'the river'"),
        ({"acts": "the river"}, "'acts' is not a mapping"),
        ({"acts": {CLAIM: "the river"}}, "'acts' is not a mapping"),
        ({"acts": {PLEDGE: {}}}, f"'{PLEDGE}', which is not in 'labels'"),
        ({"acts": {CLAIM: {"holder_span": "the river"}}}, "'holder_span' 'the river' is not the position"),
        ({"acts": {CLAIM: {"holder_span": [3, 900]}}}, "'holder_span' [3, 900] is not the position"),
        ({"acts": {CLAIM: {"holder_span": ["t", "r"]}}}, "'holder_span' ['t', 'r'] is not the position"),
        ({"acts": {CLAIM: {"target_span": [0, 4], "target": "river"}}}, "'target_span' [0, 4] is not the position"),
        ({"acts": {CLAIM: {"target": "river"}}}, "'target_span' None is not the position"),
        ({"document": f"speech: {normalized(TEXT)}"}, "'document' contains the text"),
        ({"id": TEXT}, "'id' contains the text"),
        ({"text": None}, "'text' is missing"),
    ],
)
def test_rows_that_could_quote_the_text_are_refused(tmp_path: Path, leak: dict[str, Any], message: str) -> None:
    path = tmp_path / "labels.jsonl"
    with pytest.raises(DataError, match=r"^row 1 \(") as caught:
        write_standoff(path, [ROW | leak], KINDS)
    assert message in str(caught.value)
    assert not path.exists()


def test_tables_with_hashes_and_without_texts_are_standoff(tmp_path: Path, labels: Path) -> None:
    assert is_standoff(read_table(labels))
    for row in ({"text": "a", "sha256": "0"}, {"Sentence": "a", "sha256": "0"}, {"text": "a"}):
        assert not is_standoff(read_table(write_rows(tmp_path / "a.jsonl", [row])))


def test_labels_are_joined_with_their_texts(tmp_path: Path, labels: Path) -> None:
    corpus, joined = joined_with(labels, texts_file(tmp_path, "t.txt", [str(row["text"]) for row in LABELLED[::-1]]))
    assert [(s.id, s.text, s.source, s.document, list(s.labels or ())) for s in corpus] == [
        (row["id"], row["text"], row["source"], row["document"], row["labels"]) for row in LABELLED
    ]
    assert corpus.sentences[3].labels == ()
    assert (dict(joined.missing), joined.missing_ids) == ({}, ())
    assert joined.describe() == "found the texts of 4 of 4 rows with stand-off labels"
    assert list(corpus.files) == [str(labels)]


def test_missing_texts_are_counted_by_source(tmp_path: Path, labels: Path) -> None:
    corpus, joined = joined_with(labels, texts_file(tmp_path, "t.txt", ["我们反对这一决定。", "Something else."]))
    assert [s.id for s in corpus] == ["b"]
    assert dict(joined.missing) == {"press": 1, "un": 2}
    assert joined.missing_ids == ("a", "c", "d")
    assert joined.describe() == (
        "found the texts of 1 of 4 rows with stand-off labels. Missing texts by source: press 1, un 2 (first: id 'a'). "
        "sources.yaml lists where to get them"
    )


def test_labels_without_source_or_hash_count_as_missing(tmp_path: Path) -> None:
    rows = [{"id": "x", "sha256": "0" * 64, "labels": []}, {"id": "y", "source": "un", "labels": []}]
    _, joined = joined_with(write_rows(tmp_path / "l.jsonl", rows), texts_file(tmp_path, "t.txt", ["a"]))
    assert dict(joined.missing) == {"unknown": 1, "un": 1}
    assert joined.missing_ids == ("x", "y")


def test_unicode_form_and_spaces_of_the_texts_do_not_matter(tmp_path: Path, labels: Path) -> None:
    variants = [unicodedata.normalize("NFD", "  Nous  aiderons\tles pêcheurs. "), "Вода\u00a0должна быть общей.\r"]
    corpus, _ = joined_with(labels, texts_file(tmp_path, "t.txt", variants))
    assert [s.id for s in corpus] == ["a", "c"]
    texts = texts_file(tmp_path, "t.txt", ["Nous aiderons les pêcheurs !"])
    assert joined_with(labels, texts)[1].missing_ids[0] == "a"


def test_texts_are_read_from_all_files_in_a_folder(tmp_path: Path, labels: Path) -> None:
    folder = tmp_path / "texts"
    texts_file(folder, "a.txt", ["我们反对这一决定。"])
    texts_file(folder, "b.csv", ["id,Sentence", "1,Nous aiderons les pêcheurs."])
    texts_file(folder, "c.jsonl", [json.dumps({"content": "شكرا لكم"}), json.dumps({"content": None})])
    texts_file(folder, "d.csv", ["id,body", "1,Вода должна быть общей."])
    texts_file(folder, "readme.md", ["Вода должна быть общей."])
    corpus, joined = joined_with(labels, folder)
    assert [s.id for s in corpus] == ["a", "b", "d"]
    assert dict(joined.missing) == {"un": 1}


def test_all_problems_in_a_standoff_file_are_reported(tmp_path: Path) -> None:
    texts = texts_file(tmp_path, "t.txt", ["Ja.", "Nein."])
    path = write_rows(
        tmp_path / "l.jsonl",
        [
            {"id": "a", "sha256": text_sha256("Ja."), "labels": ["praise"]},
            {"id": "b", "sha256": text_sha256("Nein."), "labels": None},
            {"id": "c", "sha256": text_sha256("Ja."), "labels": []},
            {"id": "c", "sha256": text_sha256("Nein."), "labels": []},
        ],
    )
    with pytest.raises(DataError) as caught:
        read_corpora([path], TINY, texts)
    assert [problem.split(":")[0] for problem in caught.value.problems] == [f"{path}, row {n}" for n in (1, 4)]
    assert has_facts(caught.value.problems[0], "'praise'", "criticism")


def test_a_missing_folder_of_texts_is_reported(tmp_path: Path, labels: Path) -> None:
    with pytest.raises(DataError, match=facts(tmp_path / "absent")):
        read_corpora([labels], TINY, tmp_path / "absent")


def test_an_unreadable_file_does_not_hide_the_problems_of_the_next(tmp_path: Path, labels: Path) -> None:
    (tmp_path / "one.csv").write_text("")
    two = write_rows(tmp_path / "two.jsonl", [{"id": "x", "text": "Ja.", "labels": ["praise"]}])
    with pytest.raises(DataError) as caught:
        read_corpora([tmp_path / "one.csv", two], TINY, None)
    assert [problem.split(":")[0].split(",")[0] for problem in caught.value.problems] == [
        str(tmp_path / "one.csv"),
        str(two),
    ]


def test_corpora_and_standoff_files_are_read_together(tmp_path: Path, labels: Path) -> None:
    own = write_rows(tmp_path / "own.jsonl", [{"id": "o", "document": "o1", "text": "Wir helfen.", "labels": [PLEDGE]}])
    corpus, messages = read_corpora([own, labels], TINY, None)
    assert [s.id for s in corpus] == ["o"]
    assert messages == [
        f"{labels}: skipped, because its texts are not part of the project. Name the folder with the texts (--texts DIR, or "
        "TEXTS=DIR for make)"
    ]
    texts = texts_file(tmp_path, "t.txt", [str(row["text"]) for row in LABELLED[:3]])
    corpus, messages = read_corpora([own, labels], TINY, texts)
    assert [s.id for s in corpus] == ["o", "a", "b", "c"]
    assert messages == [
        f"{labels}: found the texts of 3 of 4 rows with stand-off labels. Missing texts by source: un 1 (first: id 'd'). "
        "sources.yaml lists where to get them"
    ]
    assert list(corpus.files) == [str(own), str(labels)]


def test_the_same_id_in_two_files_is_reported(tmp_path: Path, labels: Path) -> None:
    own = write_rows(tmp_path / "own.jsonl", [{"id": "b", "document": "o1", "text": "Wir helfen.", "labels": []}])
    texts = texts_file(tmp_path, "t.txt", [str(row["text"]) for row in LABELLED])
    assert len(read_corpora([own, labels], TINY, None)[0]) == 1
    with pytest.raises(DataError) as caught:
        read_corpora([own, labels], TINY, texts)
    assert has_facts(str(caught.value), f"{labels}, row 2:", "id 'b'", f"{own}, row 1")


def test_unlabelled_rows_are_refused(tmp_path: Path) -> None:
    own = write_rows(tmp_path / "own.jsonl", [{"id": "b", "text": "Wir helfen."}])
    with pytest.raises(DataError, match=facts(f"{own}:", "'labels'")):
        read_corpora([own], TINY, None)


@pytest.mark.parametrize("name", ["train", "dev"])
def test_the_projects_standoff_files_have_no_text(name: str) -> None:
    """Every string is a label, a kind, an identifier, a date or a code, and `acts` only contains offsets and kinds."""
    table = read_table(ROOT / "data" / "reference" / f"{name}.jsonl")
    assert is_standoff(table)
    assert table.problems == []
    assert len({row["id"] for _, row in table.rows}) == len(table.rows) > 0
    codebook = Codebook.load(ROOT / "data" / "codebook.yaml")
    fields = {"id", "language", "source", "document", "passage", "index", "in_order", "labels", "acts", "sampling"}
    for _, row in table.rows:
        assert set(row) - {"date", "parallel"} == fields | {"annotators", "sha256"}
        assert re.fullmatch(r"(mannkibaat|newstest|ntrex|setimes)\.[\w.]+", row.get("parallel", "ntrex.1"))
        assert re.fullmatch(r"[0-9a-f]{64}", row["sha256"])
        assert re.fullmatch(r"\d{4}(-\d\d-\d\d)?", row.get("date", "2024"))
        assert row["sampling"] in ("random", "enriched", "selected")
        assert type(row["index"]) is int
        assert row["annotators"] in (1, 2)
        assert codebook.validate_labels(row["labels"]) == tuple(row["labels"]) == tuple(row["acts"])
        for label, act in row["acts"].items():
            assert set(act) == {"holder_span", "target_span"} | ({"kind"} if label == "policy_claim" else set())
            assert "kind" not in act or codebook.validate_kind(label, act["kind"])
            for span in (act["holder_span"], act["target_span"]):
                assert span is None or (list(map(type, span)) == [int, int] and 0 <= span[0] < span[1])


def project_sentences(name: str) -> list[Sentence]:
    rows = [row for _, row in read_table(ROOT / "data" / "reference" / f"{name}.jsonl").rows]
    return [Sentence(r["id"], "", r["document"], source=r["source"], parallel=r.get("parallel")) for r in rows]


def test_the_projects_training_and_dev_labels_share_no_document_and_no_version_of_one() -> None:
    train, dev = ({key for s in project_sentences(name) for key in s.split_keys} for name in ("train", "dev"))
    assert len(train) > 2726
    assert len(dev) > 172
    assert not train & dev


def test_the_projects_parallel_documents_are_grouped_as_the_datasheet_says() -> None:
    sources = yaml.safe_load((ROOT / "data/reference/sources.yaml").read_text(encoding="utf-8"))
    rules = {
        "setimes": r"set\.\w\w\.(\d+)",
        "mannkibaat": r"mkb-\w\w-(\d+)",
        "ntrex": r"ntrex-(.+)",
        "newstest": r"news\D+(\d{4})\.\w\w#\d+",
    }
    ntrex_articles = {f"newstest2019.de#{number}" for number in (35, 36, 53, 68, 73, 83, 122)}
    sentences = project_sentences("train") + project_sentences("dev")
    values = {s.parallel for s in sentences if str(s.source).startswith("ntrex")}
    for s in sentences:
        group = sources[s.source].get("parallel")
        found = re.fullmatch(rules[group], s.document) if group else None
        if s.document in ntrex_articles:
            assert s.parallel in values
            continue
        assert s.parallel == (f"{group}.{found[1]}" if found else None)
        # The only documents without a counterpart in parallel sources are Croatian news that SETimes did not publish.
        assert found or not group or s.document.startswith("news.hr.")


def test_the_projects_authored_sentences_have_acts_that_match_their_texts() -> None:
    codebook = Codebook.load(ROOT / "data" / "codebook.yaml")
    rows = [row for path in sorted((ROOT / "data/authored").glob("*.jsonl")) for _, row in read_table(path).rows]
    assert len(rows) == 3515
    for row in rows:
        assert list(row["acts"]) == row["labels"]
        assert reduce_acts(row, codebook) == row["acts"]
