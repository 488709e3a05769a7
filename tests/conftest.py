"""Fixtures: a backbone with two layers, a corpus whose words determine its labels, a model trained on it, and a bundle without a
network.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from chat_server import Server
from fakes import FakeModel, bundle_folder
from helpers import CODEBOOK, CUES, FILLERS, PATIENCE, ROOT, tiny_rows, write_rows
from hypothesis import settings

# Unexpected errors fail a test with a traceback. Users see one line.
os.environ.setdefault("COMMUNIQUE_DEBUG", "1")

# The time of an example depends on what else runs on the machine, so examples have no deadline.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def fake_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a bundle without a network."""
    return bundle_folder(tmp_path_factory.mktemp("fake") / "bundle")


@pytest.fixture
def chat_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that answers with the labels whose cue words are in the text."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    found = Server()
    thread = threading.Thread(target=found.http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield found
    found.http.shutdown()
    found.http.server_close()
    thread.join()


@pytest.fixture
def fake_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open every folder as a `FakeModel`."""
    # The evaluation imports the function under its own name. If it was imported while `communique.load` is patched, it would keep
    # the fake, so it comes first.
    for module in ("communique.evaluation.evaluate", "communique.load"):
        monkeypatch.setattr(f"{module}.load_model", lambda folder, *, threads=None, info=None: FakeModel(folder))


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("backbone")
    words = ["<s>", "<pad>", "</s>", "<unk>", *CUES.values(), *(word for word in FILLERS if word != "oov")]
    words += [f"unused{i}" for i in range(640 - len(words))]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    fast: Any = PreTrainedTokenizerFast
    fast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        cls_token="<s>",
        sep_token="</s>",
        model_input_names=["input_ids", "attention_mask"],
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=128,
        max_position_embeddings=64,
        pad_token_id=1,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_project(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> Path:
    """Write a folder with a codebook, a corpus and a recipe."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "codebook.yaml").write_text(yaml.safe_dump(CODEBOOK))
    write_rows(folder / "corpus.jsonl", tiny_rows())
    recipe = {
        "name": "tiny",
        "codebook": "codebook.yaml",
        "corpora": [{"path": "corpus.jsonl"}],
        "backbone": str(tiny_backbone),
        "max_tokens": 32,
        "freeze_embeddings": False,
        # With 12 epochs, one of six initial states did not learn the third label.
        "epochs": 18,
        "min_steps": 0,
        "pooling": "first",
        "batch_size": 16,
        "learning_rate": 2e-3,
        "head_learning_rate": 2e-3,
        "precision": "fp32",
        "checkpoint_steps": 30,
        "validation_share": 0.3,
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return folder


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_project: Path) -> Path:
    from communique.training.run import train

    return train(tiny_project / "recipe.yaml", tiny_project / "checkpoint")


@pytest.fixture(scope="session")
def tiny_bundle(tiny_project: Path, tiny_checkpoint: Path) -> Path:
    from communique.training.export import export

    export(tiny_checkpoint, tiny_project / "bundle")
    return tiny_project / "bundle"


@pytest.fixture
def run_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python code in a new process without the variables of CI services, which would switch telemetry off."""

    def run(code: str, *, home: Path) -> subprocess.CompletedProcess[str]:
        kept = {key: value for key, value in os.environ.items() if key not in ("CI", "TF_BUILD", "JENKINS_URL")}
        return subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env=kept | {"HOME": str(home), "COMMUNIQUE_MODEL": ""},
            cwd=ROOT,
            timeout=2 * PATIENCE,
        )

    return run
