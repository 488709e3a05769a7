"""The limits that an export records: losses in groups of sentences, and out-of-domain scores of the exported model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import CODEBOOK, FILLERS, TINY, run, tiny_rows, write_rows
from numpy.typing import NDArray

from communique import BundleError, Corpus, Predictor, Sentence
from communique.metrics.scores import indicator, macro_f1, outcome_counts
from communique.models.folder import read_info
from communique.models.info import DOMAIN, INFO, IR, OUT_OF_FOLD, WEIGHTS
from communique.models.openvino import import_quietly
from communique.training.limits import MIN_GROUP, Scored, measure_losses


def scored(n: int = 2000, worse: float = 0.5, documents: int = 100) -> Scored:
    """Sentences of which the farthest fifth, and those in Icelandic, are labelled by chance with a probability of `worse`."""
    draw = np.random.default_rng(0)
    distances = draw.permutation(n).astype(np.float64)
    icelandic = draw.random(n) < 0.1
    gold = draw.random((n, 3)) < 0.4
    wrong = ((distances >= 0.8 * n) | icelandic) & (draw.random(n) < worse)
    decisions = np.where(wrong[:, None], draw.random((n, 3)) < 0.4, gold)
    sentences = [
        Sentence(
            f"s{i}",
            "A text.",
            f"d{i % documents}",
            language="is" if icelandic[i] else "en",
            labels=tuple(name for name, yes in zip(TINY.names, row, strict=True) if yes),
        )
        for i, row in enumerate(gold)
    ]
    return Scored(sentences, decisions, draw.integers(5, 60, n), distances)


def by_group(found: Scored, **languages: int) -> dict[str, Any]:
    return {loss.group: loss for loss in measure_losses(found, languages or {"en": 1800, "is": 20}, TINY, seed=0)}


def test_the_loss_is_the_difference_between_a_group_and_all_others() -> None:
    found = scored()
    losses = by_group(found)
    assert set(losses) == {"far", "short", "long", "rare language"}
    far: NDArray[np.bool_] = found.distances > np.quantile(found.distances, 0.95)
    gold = indicator(found.sentences, TINY)
    own, others = (float(macro_f1(outcome_counts(gold[m], found.decisions[m]))) for m in (far, ~far))
    one = losses["far"]
    assert (one.n, one.macro_f1, one.others) == (100, round(own, 4), round(others, 4))
    assert one.loss == pytest.approx(others - own, abs=1e-4)
    assert 0 < one.low < one.loss < one.high
    # Lengths have nothing to do with the errors.
    assert losses["long"].low < 0 < losses["long"].high
    assert losses["rare language"].loss > 0.1
    assert "rare language" not in by_group(found, en=1800, **{"is": 200})


def test_groups_with_too_few_sentences_or_documents_have_no_loss() -> None:
    assert "far" not in by_group(scored(n=20 * MIN_GROUP - 20))
    assert by_group(scored(documents=3)) == {}
    found = scored()
    unknown = Scored(found.sentences, found.decisions, found.lengths, np.full(len(found.sentences), np.nan))
    assert "far" not in by_group(unknown)
    assert (
        measure_losses(Scored([], np.zeros((0, 3), np.bool_), np.zeros(0, np.int64), np.zeros(0)), {}, TINY, seed=0)
        == ()
    )


# An exported model


@pytest.mark.slow
def test_a_checkpoint_records_the_usual_length_and_a_bundle_scores_too(
    tiny_checkpoint: Path, tiny_bundle: Path
) -> None:
    before, after = read_info(tiny_checkpoint).limits, read_info(tiny_bundle).limits
    assert before is not None
    assert after is not None
    assert before.length == after.length
    assert before.length is not None
    # Sentences have 3 to 23 words, a number, and two special tokens.
    assert (before.length.low, before.length.high) in {(low, high) for low in (6, 7) for high in (25, 26, 27)}
    assert before.domain is None
    assert after.domain is not None
    validation = json.loads((tiny_bundle / "validation.json").read_text())
    assert after.domain.calibrated_on == len(validation["validation"]) + len(validation["parity"])
    assert (after.domain.width, after.domain.calibrated_by) == (64, "held-out")
    assert DOMAIN in read_info(tiny_bundle).files
    assert (tiny_bundle / DOMAIN).stat().st_size < 500_000


@pytest.mark.slow
def test_texts_unlike_the_training_sentences_have_high_scores(tiny_bundle: Path, tmp_path: Path) -> None:
    predictor = Predictor(tiny_bundle, threads=2)
    usual = Corpus.read(write_rows(tmp_path / "usual.jsonl", tiny_rows(30, seed=21))).sentences
    found = predictor.predict(usual)
    assert found.out_of_domain is not None
    assert found.unusual_length is not None
    # Scores of sentences like the held-out ones are nearly uniform. 300 sentences and another processor move quartiles a little.
    np.testing.assert_allclose(np.quantile(found.out_of_domain, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.2)
    assert abs(found.unusual_length.mean()) < 0.05
    odd = [" ".join(["oov"] * n) for n in (2, 12, 20)] + [" ".join(FILLERS[:3] * 9)]
    other = predictor.predict(odd)
    assert other.out_of_domain is not None
    assert (found.out_of_domain < other.out_of_domain[:3].min()).mean() > 0.8
    assert other.unusual_length is not None
    assert other.unusual_length.tolist() == [-1, 0, 0, 1]


@pytest.mark.slow
def test_scores_do_not_depend_on_the_batch_and_change_no_probability(tiny_bundle: Path, tmp_path: Path) -> None:
    texts = [str(row["text"]) for row in tiny_rows(30, seed=22)]
    predictor = Predictor(tiny_bundle, threads=2)
    together = predictor.predict(texts)
    alone = np.concatenate([predictor.predict(text).out_of_domain for text in texts[:30]])
    assert together.out_of_domain is not None
    # On some processors, other texts in a batch move a few 8-bit activations.
    np.testing.assert_allclose(alone, together.out_of_domain[:30], atol=0.05)
    assert np.abs(alone - together.out_of_domain[:30]).mean() < 5e-3
    # The same network without the output for scores, as version 0.1 exported it.
    ov = import_quietly("openvino")
    plain = Path(shutil.copytree(tiny_bundle, tmp_path / "plain"))
    network = ov.Core().read_model(str(plain / IR))
    for result in network.get_results()[1:]:
        network.remove_result(result)
    for name in (IR, WEIGHTS):
        (plain / name).unlink()
    ov.save_model(network, plain / IR, compress_to_fp16=False)
    with pytest.raises(BundleError, match="does not fit"):
        Predictor(plain, verify=False).predict(texts)
    info = json.loads((plain / INFO).read_text())
    (plain / INFO).write_text(json.dumps(info | {"limits": None}))
    old = Predictor(plain, threads=2, verify=False).predict(texts)
    assert (old.out_of_domain, old.unusual_length) == (None, None)
    np.testing.assert_array_equal(old.probabilities, together.probabilities)


@pytest.mark.slow
def test_a_model_trained_on_all_rows_is_described_by_out_of_fold_labels(tmp_path: Path, tiny_backbone: Path) -> None:
    import yaml

    from communique.selection.select import train_selected
    from communique.training.export import export
    from communique.training.recipe import Recipe

    (tmp_path / "codebook.yaml").write_text(yaml.safe_dump(CODEBOOK))
    write_rows(tmp_path / "corpus.jsonl", tiny_rows(40))
    recipe = Recipe.for_tables([tmp_path / "corpus.jsonl"], tmp_path / "codebook.yaml", "mine")
    recipe = recipe.model_copy(update={"backbone": str(tiny_backbone), "max_tokens": 32})
    train_selected(recipe, tmp_path / "mine", kind="frozen-encoder")
    stored = json.loads((tmp_path / "mine" / OUT_OF_FOLD).read_text())
    assert set(stored) == {str(row["id"]) for row in tiny_rows(40)}
    export(tmp_path / "mine", tmp_path / "bundle", force=True)
    limits = read_info(tmp_path / "bundle").limits
    assert limits is not None
    assert limits.domain is not None
    assert (limits.domain.calibrated_by, limits.domain.calibrated_on) == ("training", 400)
    # All languages have more than 100 rows, and the outer 5 % of 400 rows are too few to be scored.
    assert limits.losses == ()
    assert not (tmp_path / "bundle" / OUT_OF_FOLD).exists()
    out = run(
        "label", tmp_path / "corpus.jsonl", "--model", tmp_path / "bundle", "--out-of-domain", "-o", tmp_path / "o.csv"
    )
    assert out.exit_code == 0, out.output
