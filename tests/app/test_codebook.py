"""Tests of the page Codebook: forms, what a change means, versions, and forms that are out of date."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from app_study import code_study, create_study
from helpers import ROOT, TINY, has_facts
from starlette.testclient import TestClient

from communique.app.codebook_forms import join_lines, show_kinds, show_labels, split_lines, with_general, with_label
from communique.app.server import create_app
from communique.data.codebook import Codebook
from communique.project import Project
from communique.project.codebooks import codebook_versions

PARTIAL = {"HX-Request": "true"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    TINY.dump(tmp_path / "tiny.yaml")
    project = create_study(tmp_path / "study", codebook=tmp_path / "tiny.yaml")
    code_study(project, "anna", n=20)
    return project


def label_form(codebook: Codebook, name: str | None, **changes: Any) -> dict[str, Any]:
    """Return the fields of the form of a label as the browser sends them."""
    label = next((one for one in codebook.labels if one.name == name), None)
    examples = label.examples if label else ()
    return {
        "sha256": codebook.sha256,
        "change": "edit",
        "label_name": name or "",
        "definition": label.definition if label else "",
        "includes": join_lines(label.includes) if label else "",
        "excludes": join_lines(label.excludes) if label else "",
        "kinds": show_kinds(label) if label else "",
        "example_text": [one.text for one in examples],
        "example_language": [one.language for one in examples],
        "example_labels": [show_labels(one) for one in examples],
    } | changes


def post(client: TestClient, name: str | None, form: dict[str, Any], *, save: bool = False) -> Any:
    params = {} if name is None else {"name": name}
    data = form | ({"action": "save"} if save else {})
    return client.post("/codebook/label", params=params, data=data, headers=PARTIAL)


def test_the_shipped_codebook_passes_unchanged_through_the_forms() -> None:
    codebook = Codebook.load(ROOT / "data" / "codebook.yaml")
    for label in codebook.labels:
        form = {
            key: value if isinstance(value, list) else [value]
            for key, value in label_form(codebook, label.name).items()
        }
        assert with_label(codebook, label.name, form) == codebook
    general = {name: [getattr(codebook, name)] for name in ("name", "version", "task", "unit")} | {"acts": ["true"]}
    assert with_general(codebook, general | {"rules": [join_lines(codebook.rules)]}) == codebook


def test_texts_with_line_breaks_keep_them_unless_they_are_edited() -> None:
    old = ("one\ntwo", "three")
    assert split_lines(join_lines(old), old) == list(old)
    assert split_lines("one two!\r\n\r\n three ", old) == ["one two!", "three"]


def test_a_review_says_what_a_change_means_and_saves_nothing(client: TestClient, project: Project) -> None:
    before = project.codebook_path.read_bytes()
    used = sum("criticism" in coding.labels for coding in project.log.read().codings)
    review = post(client, "criticism", label_form(TINY, "criticism", definition="Somebody blames."))
    assert review.status_code == 200
    assert has_facts(
        review.text, "Somebody condemns.", "Somebody blames.", f"{used} codings with this label", "20 codings"
    )
    assert "must be made again" not in review.text
    added = post(client, None, label_form(TINY, None, label_name="threat", definition="Somebody threatens."))
    assert has_facts(added.text, "&#39;threat&#39; was added", "20 codings must", "sample-1")
    assert project.codebook_path.read_bytes() == before


def test_saving_keeps_the_old_version(client: TestClient, project: Project) -> None:
    old = project.codebook
    form = label_form(old, "criticism", label_name="blame", kinds="harsh: It insults.\nmild: It regrets.")
    assert post(client, "criticism", form, save=True).headers["HX-Redirect"].startswith("/codebook")
    new = project.codebook
    assert new.names == ("blame", "policy_claim", "cooperation_pledge")
    assert [kind.name for kind in new.labels[0].kinds] == ["harsh", "mild"]
    assert project.used_codebook(old.sha256) == old
    newest, oldest = codebook_versions(project, project.log.read().codings)
    assert (newest.codebook, newest.current, newest.codings) == (new, True, 0)
    assert (oldest.codebook, oldest.current, oldest.codings) == (old, False, 20)
    assert has_facts(" ".join(newest.changes), "renamed", "blame")
    page = client.get("/codebook/versions").text
    assert has_facts(page, "renamed", "20 codings", "can still be used")
    assert "sample-1" in client.get("/codebook").text


def test_times_are_shown_in_utc_although_a_coding_was_made_elsewhere(client: TestClient, project: Project) -> None:
    there = datetime(2001, 2, 3, 1, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    project.log.append([project.log.read().codings[0].model_copy(update={"time": there})])
    assert "2001-02-02 20:00 UTC" in client.get("/codebook/versions").text


def test_a_form_that_is_out_of_date_is_refused(client: TestClient, project: Project) -> None:
    first = label_form(TINY, "criticism", definition="Somebody blames.")
    second = label_form(TINY, "policy_claim", definition="A norm.")
    post(client, "criticism", first, save=True)
    for save in (False, True):
        refused = post(client, "policy_claim", second, save=save)
        assert refused.status_code == 409
        assert "changed since this form was opened" in refused.text
    assert project.codebook.labels[0].definition == "Somebody blames."
    assert project.codebook.labels[1].definition == "Something should be."


def test_labels_are_added_moved_and_removed(client: TestClient, project: Project) -> None:
    example = {"example_text": ["We warn you."], "example_language": ["en"], "example_labels": ["threat, criticism"]}
    form = label_form(TINY, None, label_name="threat", definition="Somebody threatens.", **example)
    post(client, None, form, save=True)
    assert project.codebook.names[-1] == "threat"
    assert project.codebook.labels[-1].examples[0].labels == ("threat", "criticism")
    renamed = label_form(project.codebook, "criticism", label_name="blame")
    post(client, "criticism", renamed, save=True)
    assert project.codebook.labels[-1].examples[0].labels == ("threat", "blame")
    post(client, "threat", {"sha256": project.codebook.sha256, "change": "up"}, save=True)
    assert project.codebook.names == ("blame", "policy_claim", "threat", "cooperation_pledge")
    post(client, "blame", {"sha256": project.codebook.sha256, "change": "remove"}, save=True)
    assert list(project.codebook.names) == ["policy_claim", "threat", "cooperation_pledge"]
    assert project.codebook.labels[1].examples == ()


def test_general_fields_are_edited(client: TestClient, project: Project) -> None:
    form = {"sha256": TINY.sha256, "name": "tiny", "version": "2", "task": "multilabel", "unit": "A tweet."}
    form |= {"rules": "Read twice.\n\n Irony counts. ", "action": "save"}
    assert client.post("/codebook/general", data=form, follow_redirects=False).status_code == 303
    assert (project.codebook.version, project.codebook.unit) == ("2", "A tweet.")
    assert project.codebook.rules == ("Read twice.", "Irony counts.")


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("criticism", {"label_name": "policy_claim"}, "two labels"),
        ("criticism", {"label_name": "a|b"}, "name"),
        ("criticism", {"label_name": "none"}, "none"),
        ("criticism", {"definition": " "}, "definition"),
        ("criticism", {"kinds": "without a colon"}, "colon"),
        ("criticism", {"example_text": ["x"], "example_language": ["en"], "example_labels": ["unknown"]}, "unknown"),
        ("criticism", {}, "Nothing was changed"),
        ("nobody", {"label_name": "x"}, "no label"),
        ("criticism", {"change": "burn"}, "burn"),
    ],
)
def test_invalid_changes_are_refused_with_a_reason(
    client: TestClient, project: Project, name: str, changes: dict[str, Any], words: str
) -> None:
    form = label_form(TINY, name if name in TINY.names else None, **changes)
    answer = post(client, name, form, save=True)
    assert 400 <= answer.status_code < 500
    assert words in answer.text
    assert project.codebook == TINY


def test_two_labels_must_remain(client: TestClient, project: Project) -> None:
    for name in ("criticism", "policy_claim"):
        answer = post(client, name, {"sha256": project.codebook.sha256, "change": "remove"}, save=True)
    assert answer.status_code == 400
    assert len(project.codebook.labels) == 2


def test_the_example_codebook_says_that_it_is_an_example(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "new")
    client = TestClient(
        create_app(project, token="t", port=1, with_pages=True),
        base_url="http://127.0.0.1:1",
        headers={"Authorization": "Bearer t"},
    )
    assert "This is an example" in client.get("/codebook").text
    TINY.dump(project.codebook_path)
    assert "This is an example" not in client.get("/codebook").text


def test_the_language_of_an_example_is_identified_and_errors_name_examples_by_number(
    client: TestClient, project: Project
) -> None:
    text = "Nous condamnons cette attaque contre la population civile avec la plus grande fermeté."
    example = {"example_text": [text], "example_labels": ["criticism"]}
    form = label_form(TINY, "criticism", **example, example_language=[""])
    assert post(client, "criticism", form, save=True).status_code < 400
    assert project.codebook.labels[TINY.names.index("criticism")].examples[0].language == "fr"
    wrong = label_form(project.codebook, "criticism", **example, example_language=["x"])
    assert "example 1, language" in post(client, "criticism", wrong).text
