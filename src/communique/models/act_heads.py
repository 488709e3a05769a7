"""The heads of a classifier that predict kinds, holders and targets, in torch. Requires the extra `train`.

The classifier stays a standard model of transformers. The heads are two linear layers whose weights are in a separate file of the
checkpoint. One reads the vector that the classification head reads, and scores the kinds. The other reads the token vectors that
enter the last layer, and scores the tags of `models.acts`. The last layer itself serves only the classification head, which reads
its first token, so the export can leave out all other tokens there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from transformers.modeling_outputs import SequenceClassifierOutput

from ..errors import BundleError, RecipeError
from .acts import BEGIN, INSIDE, OUTSIDE
from .info import ACT_HEADS, ActsInfo

#: Initial logit of the tag `outside`, above the other two, which gives it a probability of 0.965. For a label that holds, 95 % of
#: the tokens in `data/authored` are outside of the span of a role, so training starts near the base rates.
PRIOR = 4.0

#: Marks targets that are not known: nobody annotated them, the label does not hold, or the text was truncated. torch ignores this
#: number.
MASKED = -100

#: Standard deviation of new weights, as in BERT.
_SPREAD = 0.02


class ActHeads(torch.nn.Module):
    """Two linear layers that score kinds (n, kinds) and tags (n, t, labels x roles x 3).

    Args:
        info: Description of the outputs.
        labels: Number of labels.
    """

    def __init__(self, info: ActsInfo, labels: int) -> None:
        super().__init__()
        self.info, self.labels = info, labels
        self.kinds = torch.nn.Linear(info.width, info.n_kinds) if info.kinds else None
        self.tags = torch.nn.Linear(info.width, info.n_tags(labels))
        for head in self.children():
            assert isinstance(head, torch.nn.Linear)
            draw_weights(head)
        with torch.no_grad():
            self.tags.bias.view(-1, len(info.tags))[:, OUTSIDE] = PRIOR

    def save(self, folder: Path) -> None:
        """Write the weights into a checkpoint folder."""
        state = {name: value.detach().cpu().float().contiguous() for name, value in self.state_dict().items()}
        save_file(state, folder / ACT_HEADS)

    @classmethod
    def load(cls, folder: Path, info: ActsInfo, labels: int) -> ActHeads:
        """Read the weights from a checkpoint folder.

        Raises:
            BundleError: The file is missing, or its weights have other shapes than `bundle.json` says.
        """
        heads = cls(info, labels)
        path = folder / ACT_HEADS
        try:
            found = load_file(path)
        except Exception as error:
            raise BundleError(f"{path}: the file is missing or damaged. Copy the model folder again") from error
        expected = {name: value.shape for name, value in heads.state_dict().items()}
        if {name: value.shape for name, value in found.items()} != expected:
            raise BundleError(
                f"{path}: the weights do not have the shapes that 'acts' in bundle.json describes. Copy the model folder again"
            )
        heads.load_state_dict(found)
        return heads.eval()


class Features(NamedTuple):
    """What the heads read: the output of the classifier, its vector (n, width) and its token vectors (n, t, width)."""

    output: Any
    pooled: torch.Tensor
    tokens: torch.Tensor


def draw_weights(layer: torch.nn.Linear) -> None:
    """Initialise a linear layer as BERT does."""
    with torch.no_grad():
        layer.weight.normal_(std=_SPREAD)
        layer.bias.zero_()


def classification_head(model: Any) -> torch.nn.Linear:
    """Return the last linear layer of a standard classifier, whose outputs are the logits."""
    return [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1]


def run_features(model: Any, **inputs: Any) -> Features:
    """Run a standard classifier and return its output with the vectors that the heads read.

    Raises:
        RecipeError: The classification head does not read one vector per sentence.
    """
    read: list[torch.Tensor] = []
    handle = classification_head(model).register_forward_pre_hook(lambda _, given: read.append(given[0]))
    try:
        output = model(**inputs, output_hidden_states=True)
    finally:
        handle.remove()
    if len(read) != 1 or read[0].ndim != 2:
        raise RecipeError(
            f"acts: the classification head of {model.config.model_type!r} does not read one vector per sentence, so kinds cannot "
            "be predicted. Name an encoder such as 'e5-small', or write 'acts: false'"
        )
    return Features(output, read[0], output.hidden_states[-2])


class ActsClassifier(torch.nn.Module):
    """A standard classifier with its auxiliary heads, which are trained together.

    Args:
        model: A standard sequence classifier.
        heads: The auxiliary heads.
        acts_weight: Weight of the loss of the tags.
        kind_weight: Weight of the loss of the kinds.
    """

    def __init__(self, model: Any, heads: ActHeads, *, acts_weight: float, kind_weight: float) -> None:
        super().__init__()
        self.model, self.heads = model, heads
        self.acts_weight, self.kind_weight = acts_weight, kind_weight

    @property
    def config(self) -> Any:
        """The configuration of the classifier, which the trainer reads."""
        return self.model.config

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return torch.device(self.model.device)

    @property
    def base_model_prefix(self) -> str:
        """The start of the names of the encoder's parameters."""
        return f"model.{self.model.base_model_prefix}"

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        labels: torch.Tensor | None = None,
        kinds: torch.Tensor | None = None,
        spans: torch.Tensor | None = None,
    ) -> SequenceClassifierOutput:
        """Compute the logits of the labels and the sum of the losses of the targets that are given.

        Args:
            input_ids: Tokens (n, t).
            attention_mask: Which tokens are not padding (n, t).
            labels: Gold labels, as the classifier expects them. None: their loss is not included.
            kinds: Number of the gold kind (n, labels with kinds) within its label, or `MASKED`.
            spans: First token and the one after the last (n, labels, roles, 2) of gold spans, twice `NO_SPAN` or `MASKED`.
        """
        found = run_features(self.model, input_ids=input_ids, attention_mask=attention_mask, labels=labels)
        losses = [] if found.output.loss is None else [found.output.loss]
        if kinds is not None:
            losses.append(self.kind_weight * kind_loss(self.heads, found.pooled, kinds))
        if spans is not None:
            losses.append(self.acts_weight * tag_loss(self.heads, found.tokens, attention_mask, spans))
        loss = sum(losses[1:], losses[0]) if losses else None
        return SequenceClassifierOutput(loss=loss, logits=found.output.logits)


def kind_loss(heads: ActHeads, pooled: torch.Tensor, kinds: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy of the gold kinds, summed over labels and averaged over all n sentences.

    A sum over sentences, divided by n and not by the number of sentences with a kind, does not depend on how sentences are divided
    among processes.
    """
    assert heads.kinds is not None
    logits = heads.kinds(pooled).float()
    parts = [
        torch.nn.functional.cross_entropy(logits[:, columns], kinds[:, i], ignore_index=MASKED, reduction="sum")
        for i, columns in enumerate(heads.info.columns.values())
    ]
    return torch.stack(parts).sum() / len(pooled)


def tag_loss(heads: ActHeads, tokens: torch.Tensor, attention_mask: torch.Tensor, spans: torch.Tensor) -> torch.Tensor:
    """Return the negative log-probability of the gold tags, summed over tokens, labels and roles, averaged over sentences."""
    n, length = tokens.shape[:2]
    groups = heads.labels * len(heads.info.roles)
    logits = heads.tags(tokens).float().view(n, length, groups, len(heads.info.tags))
    flat = spans.view(n, 1, groups, 2)
    position = torch.arange(length, device=tokens.device).view(1, length, 1)
    first, after = flat[..., 0], flat[..., 1]
    tags = torch.where((position >= first) & (position < after), INSIDE, OUTSIDE)
    tags = torch.where((position == first) & (after > first), BEGIN, tags)
    unknown = (first == MASKED) | (attention_mask.view(n, length, 1) == 0)
    tags = torch.where(unknown, MASKED, tags)
    losses = torch.nn.functional.cross_entropy(
        logits.reshape(-1, len(heads.info.tags)), tags.reshape(-1), ignore_index=MASKED, reduction="sum"
    )
    return losses / n
