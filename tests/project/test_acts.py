"""Kind, holder and target in codings: they are stored, merged, compared, and reach gold and training rows."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from app_study import code_study, create_study
from helpers import facts, succeed
from project_helpers import age, code

from communique.annotation.agreement_report import AgreementReport, write_adjudication
from communique.annotation.tasks import ADJUDICATION
from communique.data.acts import Act
from communique.data.codebook import Codebook
from communique.data.corpus import Corpus
from communique.errors import DataError
from communique.io.read import read_table
from communique.io.write import write_csv
from communique.project import Coding, Project, merge
from communique.project.coding import latest, now, read_codings
from communique.project.rows import training_row

CLAIM = "Karsund must lift the blockade of the grain ships without delay."
ARABIC = "تدين صفارى إغلاق المضيق وتعدّه عملا غير مسؤول."
DEMAND: dict[str, Any] = {"holder_span": None, "target_span": [0, 7], "kind": "demand"}


@pytest.fixture
def study(tmp_path: Path) -> Project:
    project = create_study(tmp_path / "study")
    code_study(project, "anna")
    code_study(project, "ben")
    return project


def mark(project: Project, coder: str, of: str, acts: Mapping[str, Any] | None, **changes: Any) -> Coding:
    """Append the last coding of a sentence with other acts."""
    made = latest(project.log.read().codings)
    last = next(coding for (who, _), coding in made.items() if who == "anna" and coding.text == of)
    fields = last.model_dump() | {"coder": coder, "time": now(), "acts": acts} | changes
    coding = Coding.model_validate(fields)
    project.log.append([coding])
    return coding


def acts_of(rows: list[dict[str, Any]], text: str) -> Any:
    return next(row for row in rows if row["text"] == text).get("acts")


def test_codings_of_earlier_versions_are_read_and_written_as_before(study: Project) -> None:
    made = study.log.read().codings
    assert all(coding.acts is None and "acts" not in json.loads(coding.line()) for coding in made)
    marked = mark(study, "anna", ARABIC, {"criticism": {"holder_span": [5, 10], "target_span": None}})
    assert Coding.model_validate_json(marked.line()) == marked
    assert ARABIC[slice(*marked.named["criticism"].holder or ())] == "صفارى"


def test_a_line_whose_spans_do_not_fit_is_left_out_with_a_note(study: Project) -> None:
    coding = mark(study, "anna", CLAIM, {"policy_claim": DEMAND})
    path = study.log.path("anna")
    damaged = coding.line().replace('"target_span": [0, 7]', '"target_span": [0, 700]')
    path.write_text(damaged + "\n", encoding="utf-8")
    found = read_codings([path])
    assert not found.codings
    assert "target_span" in found.notes[0]


def test_gold_and_training_rows_contain_what_coders_agree_on(study: Project, tmp_path: Path) -> None:
    for coder in ("anna", "ben"):
        mark(study, coder, CLAIM, {"policy_claim": DEMAND, "criticism": DEMAND | {"kind": None}})
    mark(study, "anna", ARABIC, {"criticism": {"holder_span": [5, 10], "target_span": None}})
    mark(study, "ben", ARABIC, {"criticism": {"holder_span": None, "target_span": None}})
    rows, notes = study.gold("sample-1")
    assert acts_of(rows, CLAIM)["policy_claim"] == DEMAND
    assert set(acts_of(rows, CLAIM)) == {"criticism", "policy_claim"}
    assert acts_of(rows, ARABIC) is None
    assert any("1 label" in note and "mark different" in note for note in notes)
    path, _ = study.write_gold("sample-1")
    corpus = Corpus.read(path, study.codebook)
    assert {s.text: s.acts for s in corpus if s.acts} == {
        CLAIM: {"criticism": Act(None, None, (0, 7)), "policy_claim": Act("demand", None, (0, 7))}
    }
    # The rows that train a model; this sample is reserved for estimates.
    training = [training_row(sentence) for sentence in study.coded_corpus(reserved=True).corpus]
    assert acts_of(training, CLAIM) == acts_of(rows, CLAIM)
    assert [row["text"] for row in training if "acts" in row] == [CLAIM]


def test_the_acts_of_the_adjudicator_count(study: Project) -> None:
    mark(study, "anna", ARABIC, {"criticism": {"holder_span": [5, 10], "target_span": None}})
    mark(study, "ben", ARABIC, {"criticism": {"holder_span": [0, 4], "target_span": None}})
    decided = {"criticism": {"holder_span": [5, 10], "target_span": [11, 23]}}
    mark(study, ADJUDICATION, ARABIC, decided)
    rows, notes = study.gold("sample-1")
    assert acts_of(rows, ARABIC) == decided
    assert not any("mark different" in note for note in notes)
    # An adjudicator who was asked and marked nothing decided that nothing is recorded.
    mark(study, ADJUDICATION, ARABIC, {})
    assert acts_of(study.gold("sample-1")[0], ARABIC) is None
    # A sheet does not ask, so that what coders agree on counts.
    mark(study, ADJUDICATION, ARABIC, None)
    mark(study, "ben", ARABIC, {"criticism": {"holder_span": [5, 10], "target_span": None}})
    assert acts_of(study.gold("sample-1")[0], ARABIC) == {"criticism": {"holder_span": [5, 10], "target_span": None}}


def test_offsets_refer_to_the_text_of_the_row_if_coders_saw_other_white_space(study: Project) -> None:
    spaced = f"  {CLAIM.replace('must', 'must  ')}"
    mark(study, "ben", CLAIM, {"policy_claim": DEMAND | {"target_span": [2, 9]}}, text=spaced)
    mark(study, "anna", CLAIM, {"policy_claim": DEMAND})
    row = next(row for row in study.gold("sample-1")[0] if row["text"].split() == CLAIM.split())
    start, end = row["acts"]["policy_claim"]["target_span"]
    assert row["text"][start:end] == "Karsund"


def test_merging_copies_keeps_acts_and_adds_nothing_twice(study: Project, tmp_path: Path) -> None:
    other = create_study(tmp_path / "other")
    mark(study, "anna", CLAIM, {"policy_claim": DEMAND})
    assert merge(other, [study.folder]).added["anna"] == 25
    assert merge(other, [study.folder]).added == {}
    assert acts_of(other.gold("sample-1")[0], CLAIM) == {"policy_claim": DEMAND}
    # Codings that differ only in acts are different answers.
    mark(study, "anna", CLAIM, {"policy_claim": DEMAND | {"target_span": None}})
    assert merge(other, [study.folder]).added == {"anna": 1}


def test_a_sheet_keeps_the_acts_of_the_labels_that_it_repeats(tmp_path: Path) -> None:
    project = create_study(tmp_path / "study", n=4)
    sheet = project.folder / "samples" / "sample-1-anna.csv"
    code(sheet, project.codebook, rows=2)
    before = sheet.read_bytes()
    age(sheet, 7200)
    merge(project, [sheet])
    coding = next(coding for coding in project.log.read().codings if coding.labels)
    act: dict[str, Any] = {"holder_span": None, "target_span": None}
    marked = coding.model_copy(update={"time": now(), "acts": {coding.labels[0]: act}, "comment": "marked"})
    project.log.append([marked])
    sheet.write_bytes(before.replace(b",yes", b",y"))  # the same answers, saved later
    age(sheet, -3600)
    merge(project, [sheet])
    last = next(c for c in reversed(project.log.read().codings) if c.sentence == coding.sentence)
    assert (last.origin, last.acts) == (sheet.name, {coding.labels[0]: act})
    assert merge(project, [sheet]).added == {}


def test_acts_are_kept_when_a_codebook_changes(study: Project) -> None:
    mark(study, "anna", CLAIM, {"policy_claim": DEMAND, "criticism": DEMAND | {"kind": None}})
    content = study.codebook.model_dump(mode="json")
    content["labels"][0]["name"] = "blame"
    for label in content["labels"]:
        label["examples"] = []
    content["labels"][1]["kinds"] = content["labels"][1]["kinds"][1:]
    study.keep_codebook(study.codebook)
    Codebook.model_validate(content).dump(study.codebook_path)
    [row] = [s for s in study.coded_corpus(reserved=True).corpus if s.text == CLAIM]
    assert row.acts == {"blame": Act(None, None, (0, 7)), "policy_claim": Act(None, None, (0, 7))}


def test_emoji_and_composed_letters_count_as_the_characters_of_python(tmp_path: Path, study: Project) -> None:
    text = unicodedata.normalize("NFC", "🇫🇷🙂 Orée 👩‍👩‍👧 condemns Velmark.")
    span = [text.index("Orée"), text.index("Orée") + 4]
    coding = mark(study, "anna", CLAIM, {"criticism": {"holder_span": span, "target_span": None}}, text=text, id="e")
    assert text[slice(*coding.named["criticism"].holder or ())] == "Orée"
    with pytest.raises(ValueError, match=facts("holder_span", "[100, 104]")):
        mark(study, "anna", CLAIM, {"criticism": {"holder_span": [100, 104]}}, text=text)


def differ(study: Project) -> None:
    """Let the coders agree on the labels of two sentences, but mark other holders in one of them."""
    mark(study, "anna", ARABIC, {"criticism": {"holder_span": [5, 10], "target_span": None}})
    mark(study, "ben", ARABIC, {"criticism": {"holder_span": None, "target_span": None}})
    for coder in ("anna", "ben"):
        mark(study, coder, CLAIM, {"policy_claim": DEMAND})


def test_coders_who_differ_only_in_acts_are_found_until_somebody_decides(study: Project) -> None:
    differ(study)
    codings = study.codings("sample-1")
    [id] = codings.differing_acts()
    assert codings.units[id].text == ARABIC
    assert (codings.open_acts(), codings.differing(), codings.disagreements()) == ([id], [], [])
    report = AgreementReport.compare(codings, study.codebook, resamples=1)
    assert (report.differing_acts, report.open_acts) == (1, 1)
    assert "On 1 further sentence, they differ only in kind, holder or target" in report.to_markdown()
    mark(study, ADJUDICATION, ARABIC, {"criticism": {"holder_span": [5, 10], "target_span": None}})
    codings = study.codings("sample-1")
    assert (codings.differing_acts(), codings.open_acts()) == ([id], [])


@pytest.mark.parametrize("suffix", [".xlsx", ".csv"])
def test_the_sheet_for_adjudication_decides_between_acts(study: Project, tmp_path: Path, suffix: str) -> None:
    differ(study)
    sheet = tmp_path / f"differences{suffix}"
    assert write_adjudication(sheet, study.codings("sample-1"), study.codebook) == 1
    [row] = [dict(row) for _, row in read_table(sheet).rows]
    assert row["anna said"] == "criticism (criticism: holder صفارى)"
    assert row["ben said"] == "criticism (criticism: names neither holder nor target)"
    assert (row["criticism"], row["policy_claim"], row["acts_of"] or "") == ("yes", "no", "")
    # Without a choice, the sheet decides nothing about the marks.
    merge(study, [sheet])
    assert len(study.codings("sample-1").open_acts()) == 1
    filled = tmp_path / "filled.csv"
    write_csv(filled, list(row), [row | {"acts_of": "anna"}])
    merge(study, [filled])
    codings = study.codings("sample-1")
    assert codings.open_acts() == []
    [id] = codings.differing_acts()
    assert codings.acts[id][ADJUDICATION] == codings.acts[id]["anna"]
    rows, _ = study.gold("sample-1")
    assert acts_of(rows, ARABIC)["criticism"]["holder_span"] == [5, 10]
    assert merge(study, [filled]).added == {}
    write_csv(filled, list(row), [row | {"acts_of": "carla"}])
    with pytest.raises(DataError, match=r"filled\.csv, row 2: column 'acts_of' names 'carla'.*anna, ben"):
        merge(study, [filled])


def test_agree_reads_acts_of_codings_and_writes_the_sheet(study: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    differ(study)
    monkeypatch.chdir(study.folder)
    printed = succeed("agree")
    assert "differ only in kind, holder or target" in printed.stdout
    sheet = study.folder / "samples" / "sample-1-adjudication.xlsx"
    [row] = [dict(row) for _, row in read_table(sheet).rows]
    filled = study.folder / "filled.csv"
    write_csv(filled, list(row), [row | {"acts_of": "ben"}])
    codings = study.folder / "samples" / "sample-1.codings.jsonl"
    gold = study.folder / "gold.jsonl"
    succeed("agree", codings, filled, "--design", study.design_path("sample-1"), "--gold", gold)
    rows = [json.loads(line) for line in gold.read_text(encoding="utf-8").splitlines()]
    assert acts_of(rows, ARABIC)["criticism"]["holder_span"] is None
