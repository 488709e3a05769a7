"""Train only the word embeddings of tokens that occur in the data. Requires the extra `train`.

A multilingual vocabulary has hundreds of thousands of tokens, but a corpus uses only about a tenth of them. The other embeddings
get no gradient, yet at each step an optimizer reads and writes them, their gradients and its two averages. With 250,000 tokens,
this costs a CPU as much time as the whole encoder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


class _UsedRows(torch.nn.Module):
    """Some rows of a larger embedding, addressed by the same token ids. Ids of other rows raise an error."""

    row: torch.Tensor

    def __init__(self, whole: torch.nn.Embedding, used: torch.Tensor) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(whole.weight.detach()[used].clone())
        row = torch.full((whole.num_embeddings,), len(used), dtype=torch.long, device=whole.weight.device)
        row[used] = torch.arange(len(used), device=row.device)
        # Checkpoints do not store this table, because a run resumes only with the same tokens.
        self.register_buffer("row", row, persistent=False)
        self.padding = None if whole.padding_idx is None else int(row[whole.padding_idx])

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.embedding(self.row[ids], self.weight, padding_idx=self.padding)


@contextmanager
def used_embeddings(model: Any, token_ids: Iterable[int]) -> Iterator[None]:
    """Replace a model's word embeddings by the rows of some tokens inside the block, and write these rows back at the end.

    The rows of other tokens do not change at all, not even by weight decay. The block has no effect on a model whose embeddings
    are more than a table or share their weights with another layer.

    Args:
        model: A model of transformers.
        token_ids: All tokens that the model reads inside the block, including padding.
    """
    whole = model.get_input_embeddings()
    shared = sum(parameter is whole.weight for _, parameter in model.named_parameters(remove_duplicate=False)) > 1
    if type(whole) is not torch.nn.Embedding or whole.max_norm is not None or shared:
        yield
        return
    # The padding id of the table can differ from the tokenizer's. Its row must be included, so that it gets no gradient.
    used = {*token_ids, *(() if whole.padding_idx is None else (whole.padding_idx,))}
    rows = torch.tensor(sorted(used), device=whole.weight.device)
    part = _UsedRows(whole, rows)
    model.set_input_embeddings(part)
    try:
        yield
    finally:
        whole.to(part.weight.device)
        with torch.no_grad():
            whole.weight[rows.to(part.weight.device)] = part.weight
        model.set_input_embeddings(whole)
