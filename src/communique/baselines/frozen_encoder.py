"""Logistic regression on the sentence vectors of a frozen encoder. Requires the extra `train`.

A sentence vector is the mean of the encoder's token vectors, centred and scaled to unit variance, because multilingual-e5 was
trained with mean pooling (Wang et al. 2024, "Multilingual E5 Text Embeddings"). The layer that `backbones.add_mean_layer` adds
computes it. Each dimension is then standardised, because the vectors of all sentences point in similar directions.

Every step is linear or a layer norm, so the result can also be saved as a standard transformers sequence classifier; see
`FrozenEncoder.network`.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..data.sentence import Sentence
from ..data.splits import split_units
from ..errors import RecipeError, require_extra
from ..io.vectors import VectorCache
from ..metrics.calibration import probabilities
from ..models.batching import batches_by_length
from ..reporting.progress import ProgressReporter
from ..training.backbones import add_mean_layer, backbone_sha256, has_mean_layer, load_backbone
from ..training.e5 import E5_SMALL
from ..training.recipe import MAX_TOKENS
from .base import Baseline, gold
from .linear import Fitted, Linear, fit_linear

if TYPE_CHECKING:
    from torch.nn import Module
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

#: Number of texts that are embedded and then written to the cache together. A run that is killed loses at most this many.
SHARD = 512

#: Tokens per batch, including padding.
BATCH_TOKENS = 4096

#: Values of C that cross-validation compares on standardised vectors.
GRID = (0.0003, 0.001, 0.003, 0.01, 0.03)

#: Factor of the mean before the residual connection adds the first token's vector, which then hardly changes the sum.
MEAN_SCALE = 20.0

#: Factor of the standardised vectors before the tanh of a standard head, which is linear there to 1 part in 30,000.
TANH_SCALE = 1e-3

#: Logit of a class that does not occur in the training data.
NEVER = -30.0


class FrozenEncoder(Baseline):
    """Logistic regression on the sentence vectors of a frozen encoder.

    Args:
        codebook: Codebook with the labels.
        seed: Seed of the folds and the solver.
        backbone: `e5-small`, a folder or a hub name of an encoder of the BERT family.
        max_tokens: Maximum input length in tokens; longer texts are truncated.
        C: Inverse strength of the L2 penalty. Default: chosen by grouped cross-validation.
        folds: Number of folds of that cross-validation, which keeps documents whole.
        precision: `auto` uses bf16 on a CPU or GPU that is faster with it, `fp32` never does. The vectors differ slightly.
        cache: A folder that stores vectors by hash of the text (never the text itself), so that later runs can reuse them.

    After `fit`: `model_`, the linear model over the standardised vectors; `mean_` and `scale_` (d,), which standardise them;
    `strengths_`, `precision_` and `notes_`.
    """

    name = "frozen-encoder"
    files = ("backbone",)

    def __init__(
        self,
        codebook: Codebook,
        *,
        seed: int = 0,
        backbone: str = E5_SMALL,
        max_tokens: int = MAX_TOKENS,
        C: float | None = None,
        folds: int = 5,
        precision: str = "auto",
        cache: str | Path | None = None,
    ) -> None:
        super().__init__(codebook, seed=seed)
        self.backbone, self.max_tokens = backbone, max_tokens
        self.C, self.folds, self.precision, self.cache = C, folds, precision, cache

    def fit(self, corpus: Corpus) -> Self:
        """Embed the sentences and fit logistic regression."""
        labels = gold(corpus, self.codebook)
        features = self.embed([s.model_text for s in corpus]).astype(np.float64)
        self.mean_, self.scale_ = features.mean(axis=0), features.std(axis=0)
        self.scale_[self.scale_ == 0] = 1
        fitted: Fitted = fit_linear(
            (features - self.mean_) / self.scale_,
            labels,
            split_units(corpus),
            self.codebook.names,
            machine="logistic",
            multilabel=self.codebook.multilabel,
            strengths=GRID if self.C is None else (self.C,),
            number=self.folds,
            seed=self.seed,
        )
        intercepts = np.maximum(fitted.model.intercepts, NEVER)
        self.model_ = Linear(fitted.model.coefficients, intercepts)
        self.strengths_, self.notes_ = fitted.strengths, fitted.notes
        self.precision_ = self._encoder().precision
        return self

    def predict_logits(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Compute logits (n, k), with columns in the codebook's order."""
        return self.model_.logits((self.embed([s.model_text for s in sentences]) - self.mean_) / self.scale_)

    def predict_proba(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Compute probabilities (n, k), with columns in the codebook's order."""
        return probabilities(self.predict_logits(sentences), multilabel=self.codebook.multilabel)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Compute sentence vectors (n, d) before standardisation."""
        return self._encoder().embed(texts, self.progress)

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer of the encoder, which is loaded on first use."""
        return self._encoder().loaded[1]

    def network(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """Build a standard sequence classifier whose logits in fp32 equal those of `predict_logits`, and its tokenizer.

        The last layer norm standardises the vectors. The dense layer of the head only scales them into the linear range of its
        tanh, and the output layer contains the coefficients.
        """
        import torch

        loaded, tokenizer = copy.deepcopy(self._encoder().loaded)
        model: Any = loaded.cpu()
        # Encoding a text changes settings of the tokenizer; the saved files must not depend on whether a text was encoded.
        if (backend := getattr(tokenizer, "backend_tokenizer", None)) is not None:
            backend.no_truncation()
            backend.no_padding()
        dense, output = _head(model)
        with torch.no_grad():
            norm = model.base_model.encoder.layer[-1].output.LayerNorm
            mean, scale = torch.from_numpy(self.mean_), torch.from_numpy(self.scale_)
            norm.weight.copy_(norm.weight / scale)
            norm.bias.copy_((norm.bias - mean) / scale)
            dense.weight.copy_(TANH_SCALE * torch.eye(len(self.mean_)))
            dense.bias.zero_()
            output.weight.copy_(torch.from_numpy(self.model_.coefficients) / TANH_SCALE)
            output.bias.copy_(torch.from_numpy(self.model_.intercepts))
        return model, tokenizer

    def _encoder(self) -> Encoder:
        if not hasattr(self, "_opened"):
            require_extra("torch", f"the baseline {self.name!r}")
            self._opened = Encoder(self.backbone, self.codebook, self.max_tokens, self.precision, self.cache)
        return self._opened


def load_frozen(backbone: str, codebook: Codebook, max_tokens: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Build a classifier with a new head, whose last encoder layer writes the sentence vector into the first token.

    Raises:
        RecipeError: The encoder does not belong to the BERT family.
    """
    import torch

    model: Any
    # New weights are random. They do not affect the logits, but the same data must produce the same files.
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, tokenizer = load_backbone(backbone, codebook, max_tokens=max_tokens)
        if has_mean_layer(backbone):
            return model.eval(), tokenizer
        add_mean_layer(model)
    attention = model.base_model.encoder.layer[-1].attention
    with torch.no_grad():
        # Without query and key, attention is uniform.
        for linear in (attention.self.query, attention.self.key):
            linear.weight.zero_()
        attention.output.dense.weight.mul_(MEAN_SCALE)
    return model.eval(), tokenizer


def _head(model: Any) -> tuple[Any, Any]:
    """Return the dense layer before the tanh of a standard head, and the output layer."""
    if getattr(model.base_model, "pooler", None) is not None:
        return model.base_model.pooler.dense, model.classifier
    if hasattr(model.classifier, "dense") and hasattr(model.classifier, "out_proj"):
        return model.classifier.dense, model.classifier.out_proj
    raise RecipeError(f"backbone: models of the type {model.config.model_type!r} are not supported. Use {E5_SMALL!r}")


class Encoder:
    """A pre-trained encoder and the sentence vectors that it has computed. The arguments are those of `FrozenEncoder`."""

    def __init__(
        self, backbone: str, codebook: Codebook, max_tokens: int, precision: str, cache: str | Path | None
    ) -> None:
        from ..training.precision import resolve_precision

        self.backbone, self.codebook, self.max_tokens = backbone, codebook, max_tokens
        self.precision = resolve_precision(precision)
        self._vectors = VectorCache()
        if cache is not None:
            digest = backbone_sha256(backbone) or _weights_digest(self.loaded[0].base_model)
            settings = f"{digest}/{max_tokens}/{MEAN_SCALE}/{self.precision}"
            self._vectors = VectorCache(Path(cache) / hashlib.sha256(settings.encode()).hexdigest()[:16])

    @cached_property
    def loaded(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """The encoder with a new head, and its tokenizer. Loading takes seconds, so it happens on first use."""
        import torch

        model: Any
        model, tokenizer = load_frozen(self.backbone, self.codebook, self.max_tokens)
        return model.to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer

    def embed(self, texts: Sequence[str], progress: ProgressReporter | None = None) -> NDArray[np.float32]:
        """Return vectors (n, d). Equal texts are embedded once, and vectors that were computed before are reused."""
        progress = progress or ProgressReporter.silent()
        new = self._vectors.missing(texts)
        for start in progress.track(range(0, len(new), SHARD), "embedding"):
            part = new[start : start + SHARD]
            self._vectors.add(part, self.compute(part))
        if not texts:
            return np.zeros((0, self.loaded[0].config.hidden_size), np.float32)
        return self._vectors.get(texts)

    def compute(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Compute vectors (n, d) without storing them."""
        import torch

        classifier, tokenizer = self.loaded
        model: Any = classifier.base_model
        ids = tokenizer(list(texts), truncation=True)["input_ids"]
        vectors = np.zeros((len(ids), model.config.hidden_size), np.float32)
        device = model.device
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            for rows in batches_by_length([len(one) for one in ids], max_tokens=BATCH_TOKENS):
                batch = tokenizer.pad({"input_ids": [ids[i] for i in rows]}, return_tensors="pt").to(device)
                vectors[rows] = model(**batch).last_hidden_state[:, 0].float().cpu().numpy()
        if not np.isfinite(vectors).all():
            raise RecipeError(
                f"backbone {self.backbone!r}: sentence vectors are not finite numbers, so its weights are damaged. Copy the model "
                "again"
            )
        return vectors


def _weights_digest(model: Module) -> str:
    """Return a hash of a model's weights, without those of the pooler, which are random in each process and not used."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if "pooler" not in name:
            digest.update(name.encode())
            digest.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
