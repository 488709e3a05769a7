"""Tests of the start page: the button for each step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest
from helpers import has_facts
from starlette.testclient import TestClient

from communique.app.pages import home
from communique.project import project_status
from communique.project.advice import Action, Step


@pytest.mark.parametrize("action", get_args(Action))
def test_a_button_leads_to_the_page_of_each_step(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, action: Action
) -> None:
    def status(*arguments: Any, **options: Any) -> Any:
        return replace(project_status(*arguments, **options), next=Step(action, "communique some words", "A reason"))

    monkeypatch.setattr(home, "project_status", status)
    path = home.path_for(action)
    assert has_facts(
        client.get("/status").text, "A reason", "communique some words", f'<a class="button primary" href="{path}"'
    )
    assert client.get(path).status_code == 200


def test_the_first_step_of_a_coded_sample_leads_to_the_page_for_coding(client: TestClient) -> None:
    assert 'href="/code"' in client.get("/status").text


def test_only_a_command_is_shown_as_one(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def status(*arguments: Any, **options: Any) -> Any:
        step = Step("read_estimates", "read the report in estimates/", "A reason")
        return replace(project_status(*arguments, **options), next=step)

    monkeypatch.setattr(home, "project_status", status)
    assert "On the command line" not in client.get("/status").text
