"""Train the word embeddings of the tokens that occur, as if they were all there are. Needs the extra `train`.

A multilingual vocabulary has hundreds of thousands of tokens, of which a corpus uses a tenth. The others get no gradient, yet an
optimizer reads and writes them, their gradients and its two averages at each step: at 250,000 tokens this costs a CPU as
much as the whole encoder does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


class _UsedRows(torch.nn.Module):
    """Rows of an embedding that is larger, addressed by the same token ids. Ids of other rows are an error."""

    row: torch.Tensor

    def __init__(self, whole: torch.nn.Embedding, used: torch.Tensor) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(whole.weight.detach()[used].clone())
        row = torch.full((whole.num_embeddings,), len(used), dtype=torch.long, device=whole.weight.device)
        row[used] = torch.arange(len(used), device=row.device)
        # A checkpoint of the steps does without it: a run resumes with the same tokens only.
        self.register_buffer("row", row, persistent=False)
        self.padding = None if whole.padding_idx is None else int(row[whole.padding_idx])

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.embedding(self.row[ids], self.weight, padding_idx=self.padding)


@contextmanager
def used_embeddings(model: Any, token_ids: Iterable[int]) -> Iterator[None]:
    """Put the rows of some tokens in the place of a model's word embeddings, and write them back at the end.

    Rows of other tokens stay as they are, to the bit: weight decay does not reach them. A model whose embeddings are more than
    a table, or whose rows other weights share, is left alone.

    Args:
        model: A model of transformers.
        token_ids: Every token that it will be given meanwhile, padding included.
    """
    whole = model.get_input_embeddings()
    shared = sum(parameter is whole.weight for _, parameter in model.named_parameters(remove_duplicate=False)) > 1
    if type(whole) is not torch.nn.Embedding or whole.max_norm is not None or shared:
        yield
        return
    # The padding of the table need not be the tokenizer's, and its row must be known to stay without a gradient.
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
