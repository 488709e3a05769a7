"""A stock head on the mean of all tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForSequenceClassification, DistilBertConfig
from transformers import DistilBertForSequenceClassification as DistilBert

from communique.errors import RecipeError
from communique.training.backbones import add_mean_layer


def _norm(states: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.layer_norm(states, states.shape[-1:])


def test_the_first_token_reads_the_mean_of_the_tokens_that_are_there(tiny_backbone: Path) -> None:
    torch.manual_seed(0)
    bare = AutoModel.from_pretrained(tiny_backbone).eval()
    model = AutoModelForSequenceClassification.from_pretrained(tiny_backbone).eval()
    add_mean_layer(model)
    ids = torch.tensor([[0, 5, 6, 7, 2, 1, 1], [0, 8, 9, 10, 11, 12, 2]])
    mask = (ids != 1).long()
    with torch.no_grad():
        before = bare(input_ids=ids, attention_mask=mask).last_hidden_state
        after = model.base_model(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0]
    mean = (before * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    expected, unmasked = (_norm(_norm(before[:, 0] + one)) for one in (mean, before.mean(1)))
    # Attention begins nearly uniform, not exactly: weights that are all zero could not learn.
    assert (after - expected).norm() < 0.05 * expected.norm()
    assert (after[0] - unmasked[0]).norm() > 2 * (after[0] - expected[0]).norm()


def test_the_model_stays_a_stock_one(tiny_backbone: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(tiny_backbone).eval()
    layers = model.config.num_hidden_layers
    add_mean_layer(model)
    model.save_pretrained(tmp_path)
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    assert again.config.num_hidden_layers == layers + 1
    ids = torch.tensor([[0, 5, 6, 7, 2]])
    with torch.no_grad():
        np.testing.assert_allclose(model(ids).logits, again(ids).logits, rtol=1e-5)


def test_another_architecture_is_refused() -> None:
    model = DistilBert(DistilBertConfig(vocab_size=20, dim=8, n_layers=1, n_heads=2, hidden_dim=8))
    with pytest.raises(RecipeError, match=r"'distilbert'.*'first'"):
        add_mean_layer(model)
