"""Test that training only the embeddings of occurring tokens has the same result as training all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers import TINY


def _load(backbone: Path) -> Any:
    from communique.training.backbones import load_backbone

    model: Any = load_backbone(str(backbone), TINY, max_tokens=32)[0]
    return model.eval()


@pytest.fixture
def model(tiny_backbone: Path) -> Any:
    return _load(tiny_backbone)


def _step(model: Any, ids: Any) -> None:
    """Run two steps of AdamW without weight decay."""
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    for _ in range(2):
        optimizer.zero_grad()
        model(input_ids=ids, attention_mask=(ids != model.config.pad_token_id).long()).logits.square().sum().backward()
        optimizer.step()


def test_a_step_changes_the_rows_as_a_step_on_all_rows_does(model: Any, tiny_backbone: Path) -> None:
    import torch

    from communique.training.partial_embeddings import used_embeddings

    other = _load(tiny_backbone)
    other.load_state_dict(model.state_dict())
    before = model.get_input_embeddings().weight.detach().clone()
    pad = model.config.pad_token_id
    ids = torch.tensor([[5, 9, 7, 9], [11, 6, pad, pad]])
    whole = model.get_input_embeddings()
    with used_embeddings(model, ids.flatten().tolist()):
        part = model.get_input_embeddings().weight
        assert len(part) == len({5, 6, 7, 9, 11, pad})
        _step(model, ids)
    _step(other, ids)
    assert model.get_input_embeddings() is whole
    torch.testing.assert_close(whole.weight, other.get_input_embeddings().weight, rtol=0, atol=1e-6)
    changed = (whole.weight != before).any(dim=1)
    assert set(changed.nonzero().flatten().tolist()) == {5, 6, 7, 9, 11} - {pad}


def test_rows_are_written_back_if_training_fails(model: Any) -> None:
    import torch

    from communique.training.partial_embeddings import used_embeddings

    whole = model.get_input_embeddings()

    def train() -> None:
        with used_embeddings(model, [4]), torch.no_grad():
            model.get_input_embeddings().weight[:] = 7.0
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()
    assert model.get_input_embeddings() is whole
    assert (whole.weight[4] == 7.0).all()
    assert not (whole.weight[5] == 7.0).any()


def test_the_padding_token_of_the_tokenizer_is_included(model: Any) -> None:
    import torch

    from communique.training.columns import used_tokens
    from communique.training.partial_embeddings import used_embeddings

    model.get_input_embeddings().padding_idx = None
    rows: Any = {"input_ids": [[5, 9], [6]]}
    tokens = used_tokens((rows, None), 1)
    assert tokens == [1, 5, 6, 9]
    with used_embeddings(model, tokens):
        model(input_ids=torch.tensor([[5, 9], [6, 1]]))


@pytest.mark.parametrize("special", ["subclass", "max_norm"])
def test_embeddings_that_are_more_than_a_table_are_not_replaced(model: Any, special: str) -> None:
    import torch

    from communique.training.partial_embeddings import used_embeddings

    class Scaled(torch.nn.Embedding):
        """Imitates the embeddings of other models."""

    old = model.get_input_embeddings()
    if special == "subclass":
        model.set_input_embeddings(Scaled(old.num_embeddings, old.embedding_dim))
    else:
        old.max_norm = 1.0
    whole = model.get_input_embeddings()
    with used_embeddings(model, [4]):
        assert model.get_input_embeddings() is whole


def test_shared_embeddings_are_not_replaced(model: Any) -> None:
    import torch

    from communique.training.partial_embeddings import used_embeddings

    whole = model.get_input_embeddings()
    model.decoder = torch.nn.Linear(whole.embedding_dim, whole.num_embeddings, bias=False)
    model.decoder.weight = whole.weight
    with used_embeddings(model, [4]):
        assert model.get_input_embeddings() is whole
