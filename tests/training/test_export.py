"""Test the export: exact 4-bit embeddings, the parity check, and refusals that write nothing."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import TINY, has_facts, run, succeed, tiny_rows, write_rows

from communique import BundleError, ExportError
from communique.models.folder import read_info
from communique.models.info import ParityReport, ParityRow

pytestmark = pytest.mark.slow


def _q4_blocks(rows: int, width: int, seed: int) -> np.ndarray:
    """Return weights that 4-bit blocks of 32 can store exactly: an f16 scale times -8 to 7, with -8 in every block."""
    generator = np.random.default_rng(seed)
    levels = generator.integers(-7, 8, (rows, width // 32, 32))
    levels[:, :, 5] = -8
    scales = generator.uniform(-0.01, 0.01, (rows, width // 32, 1)).astype(np.float16).astype(np.float32)
    return (levels * scales).astype(np.float32).reshape(rows, width)


def test_four_bit_embeddings_are_exact_to_the_bit(tiny_backbone: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification

    from communique.models.openvino import import_quietly
    from communique.training.quantize import quantize

    model = AutoModelForSequenceClassification.from_pretrained(tiny_backbone, num_labels=3).eval()
    table = _q4_blocks(model.config.vocab_size, model.config.hidden_size, 0)
    with torch.no_grad():
        model.get_input_embeddings().weight.copy_(torch.from_numpy(table))
    generator = np.random.default_rng(1)
    samples = [
        {"input_ids": generator.integers(4, 600, (1, n)), "attention_mask": np.ones((1, n), np.int64)}
        for n in range(4, 24)
    ]
    exported = quantize(model, samples, four_bit_embeddings=True)
    ov = import_quietly("openvino")
    kinds = {str(op.get_element_type()) for op in exported.get_ops() if op.get_type_name() == "Constant"}
    assert any("int4" in kind for kind in kinds)
    lookup = next(
        op
        for op in exported.get_ops()
        if op.get_type_name() == "Gather" and op.input_value(0).get_partial_shape()[0] == model.config.vocab_size
    )
    ids = next(p for p in exported.get_parameters() if "input_ids" in p.output(0).names)
    alone = ov.Model([ov.opset13.result(lookup.output(0))], [ids])
    compiled = ov.Core().compile_model(alone, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    given = np.arange(600, dtype=np.int64)[None]
    np.testing.assert_array_equal(compiled({"input_ids": given})[0][0], table[:600])


def test_values_of_the_attention_are_not_rounded_to_8_bits(tiny_backbone: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    from communique.training.quantize import quantize

    model = AutoModelForSequenceClassification.from_pretrained(tiny_backbone, num_labels=3).eval()
    generator = np.random.default_rng(1)
    samples = [
        {"input_ids": generator.integers(4, 600, (1, n)), "attention_mask": np.ones((1, n), np.int64)}
        for n in range(4, 24)
    ]
    rounded: dict[str, bool] = {}
    for op in quantize(model, samples, four_bit_embeddings=False).get_ops():
        name, inputs = op.get_friendly_name(), [one.get_node().get_type_name() for one in op.input_values()]
        if op.get_type_name() == "MatMul" and "aten::linear" in name:
            rounded[name.split(".layer.")[-1].split("/")[0]] = "FakeQuantize" in inputs[:1]
    assert rounded["0.attention.self.query"]
    assert rounded["0.intermediate.dense"]
    assert not rounded["0.attention.self.value"]
    assert not rounded["0.attention.output.dense"]


def test_bundle_contains_parity_check_and_tuning_but_no_local_paths(tiny_bundle: Path, tiny_checkpoint: Path) -> None:
    info = read_info(tiny_bundle, "bundle")
    assert info.parity is not None
    assert info.parity.n == len(json.loads((tiny_bundle / "validation.json").read_text())["parity"])
    assert {row.group for row in info.parity.rows} == {"all", "en", "fr"}
    assert info.thresholds is not None
    assert all(0.1 <= t <= 0.9 for t in info.thresholds)
    assert info.training == read_info(tiny_checkpoint).training
    for name in ("bundle.json", "README.md", "codebook.yaml"):
        assert str(tiny_bundle.parent) not in (tiny_bundle / name).read_text()
    assert {"openvino", "nncf"} <= set(info.versions)
    assert not list(tiny_bundle.parent.glob(".bundle*"))


def test_card_is_rendered_from_bundle_json(tiny_bundle: Path) -> None:
    from communique.models.card import render_card

    info = read_info(tiny_bundle)
    card = (tiny_bundle / "README.md").read_text()
    assert card == render_card(info)
    assert info.parity is not None
    assert info.thresholds is not None
    assert f"{info.parity.n} sentences" in card
    for name, threshold in zip(info.labels, info.thresholds, strict=True):
        assert f"| {name} | {threshold:.2f} |" in card


def _parity(before: float, after: float, agreement: float) -> ParityReport:
    row = ParityRow(
        group="all",
        label="criticism",
        n=9,
        gold=3,
        f1_checkpoint=before,
        f1_export=after,
        agreement=agreement,
        mean_difference=0.1,
    )
    return ParityReport(n=9, documents=3, data="rows", macro_f1_checkpoint=before, macro_f1_export=after, rows=(row,))


@pytest.mark.parametrize(
    ("parity", "message"),
    [(_parity(0.70, 0.69, 0.99), r"1\.0 .*macro-F1"), (_parity(0.70, 0.70, 0.94), r"criticism.*0\.940")],
)
def test_an_export_outside_the_limits_is_refused(parity: ParityReport, message: str) -> None:
    from communique.training.parity import require_parity

    with pytest.raises(ExportError, match=message) as refused:
        require_parity(parity)
    assert "\n" not in str(refused.value)


def test_an_export_that_fails_the_parity_check_writes_nothing(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from communique.training import export

    monkeypatch.setattr(export, "check_parity", lambda *_, **__: _parity(0.70, 0.69, 0.99))
    with pytest.raises(ExportError, match=r"nothing was written.*8-bit weights, .*1\.0 .*macro-F1"):
        export.export(tiny_checkpoint, tmp_path / "bundle")
    # The first attempt does not claim that the export has failed.
    assert "Trying again" in caplog.text
    assert "othing was written" not in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_an_export_within_the_limits_passes() -> None:
    from communique.training.parity import require_parity

    require_parity(_parity(0.70, 0.696, 0.95))


def test_an_export_with_other_data_than_the_training_is_refused(
    tiny_checkpoint: Path, tiny_project: Path, tmp_path: Path
) -> None:
    import yaml
    from helpers import tiny_rows, write_rows

    from communique.training.export import export

    write_rows(tmp_path / "corpus.jsonl", tiny_rows(30))
    (tmp_path / "codebook.yaml").write_text((tiny_project / "codebook.yaml").read_text())
    recipe = yaml.safe_load((tiny_project / "recipe.yaml").read_text())
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    with pytest.raises(BundleError, match=r"held-out rows .* are not those of the training"):
        export(tiny_checkpoint, tmp_path / "bundle", recipe=tmp_path / "recipe.yaml")


def test_an_export_with_rows_that_changed_since_the_training_is_refused(
    tiny_checkpoint: Path, tiny_project: Path, tmp_path: Path
) -> None:
    from communique.training.export import export

    for name in ("recipe.yaml", "codebook.yaml"):
        (tmp_path / name).write_text((tiny_project / name).read_text())
    first, rest = (tiny_project / "corpus.jsonl").read_text().split("\n", 1)
    changed = json.loads(first)
    (tmp_path / "corpus.jsonl").write_text(json.dumps(changed | {"text": f"{changed['text']} again"}) + f"\n{rest}")
    with pytest.raises(BundleError, match=r"tables .* have changed since the training"):
        export(tiny_checkpoint, tmp_path / "bundle", recipe=tmp_path / "recipe.yaml")


def test_new_texts_show_a_label_that_the_export_predicts_less_often() -> None:
    from communique.training.parity import compare_new_texts

    draw = np.random.default_rng(0)
    before = draw.random((400, 3)) < 0.3
    after = before.copy()
    # The export loses a third of the first label, and as many decisions on the second one change in each direction.
    after[:, 0] &= draw.random(400) > 0.33
    for value in (True, False):
        changed = np.flatnonzero(before[:, 1] == value)[:8]
        after[changed, 1] = not value
    found = compare_new_texts(("a", "b", "c"), before, after)
    assert [row.differs for row in found.rows] == [True, False, False]
    assert (found.n, found.rows[0].checkpoint, found.rows[0].export) == (400, before[:, 0].sum(), after[:, 0].sum())
    assert [row.agreement == 1 for row in found.rows] == [False, False, True]


def test_an_export_is_also_compared_on_new_texts(tiny_checkpoint: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    from communique.models.card import render_card

    trained = [str(row["text"]) for row in tiny_rows()]
    new = [str(row["text"]) for row in tiny_rows(20, seed=7)]
    table = write_rows(tmp_path / "new.jsonl", [{"text": text} for text in (*trained, *new, new[0])])
    result = succeed("export", tiny_checkpoint, "-o", tmp_path / "bundle", "--new-texts", table)
    info = read_info(tmp_path / "bundle", "bundle")
    assert info.parity is not None
    assert info.parity.new_texts is not None
    # Some rows of the held-out documents neither trained nor tuned the model.
    tuned = json.loads((tiny_checkpoint / "validation.json").read_text())["validation"]
    assert info.parity.new_texts.n == len({*trained, *new}) - info.training.sentences - len(tuned)
    assert [row.label for row in info.parity.new_texts.rows] == list(info.labels)
    shown = f"On {info.parity.new_texts.n} sentences without gold"
    assert shown in result.stdout
    assert shown in render_card(info)
    assert "new_texts" not in (tiny_bundle / "bundle.json").read_text()
    row = next(row for row in tiny_rows() if row["id"] in tuned)
    known = write_rows(tmp_path / "known.jsonl", [{"text": row["text"]}])
    refused = run("export", tiny_checkpoint, "-o", tmp_path / "other", "--new-texts", known)
    assert refused.exit_code == 1
    assert has_facts(refused.stderr, "--new-texts", "all of these")
    assert not (tmp_path / "other").exists()


def test_new_texts_can_be_in_any_column_and_encoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def stop(*_: object, new_texts: list[str], **__: object) -> None:
        read.extend(new_texts)
        raise ExportError("stopped")

    monkeypatch.setattr("communique.models.folder.read_info", lambda *_: SimpleNamespace(name="tiny"))
    monkeypatch.setattr("communique.models.folder.read_codebook", lambda *_: TINY)
    monkeypatch.setattr("communique.training.export.export", stop)
    table = tmp_path / "new.csv"
    table.write_text("satz\nThe café must close.\n", encoding="utf-16")
    export = ("export", tmp_path, "-o", tmp_path / "bundle")
    assert has_facts(run(*export, "--new-texts", table).stderr, table, "satz", "--text-column")
    found = run(*export, "--new-texts", table, "--text-column", "satz", "--encoding", "utf-16")
    assert read == ["The café must close."]
    assert has_facts(found.stderr, "1 sentence", "stopped")
    refused = run(*export, "--text-column", "satz")
    assert refused.exit_code == 2
    assert has_facts(refused.stderr, "--text-column", "--new-texts")
