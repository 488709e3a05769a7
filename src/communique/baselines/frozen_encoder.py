"""A frozen encoder with logistic regression on its sentence embeddings. Needs the extra `train`.

Embeddings are means over tokens, of length 1, as multilingual-e5 was trained for (Wang et al. 2024, "Multilingual E5 Text
Embeddings"), then standardised: they point in similar directions, and logistic regression sees little else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..data.sentence import Sentence
from ..errors import BundleError, require_extra
from ..io.atomic import file_sha256, replacing
from ..metrics.calibration import probabilities
from ..models.batching import batches_by_length
from ..reporting.progress import ProgressReporter
from ..training.backbones import load_backbone
from ..training.e5 import E5_SMALL, e5_path
from .base import Arrays, BoolArray, Storable, document_ids, gold
from .linear import Linear, fit_linear

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

#: What E5 was trained to see before a text whose embedding serves as features.
E5_PREFIX = "query: "

#: Texts that are embedded, and then kept in the cache, together: what a killed run loses.
SHARD = 512

#: Tokens per batch, padding included.
BATCH_TOKENS = 4096

#: Values of C that are tried on standardised embeddings.
GRID = (0.0003, 0.001, 0.003, 0.01, 0.03)


class FrozenEncoder(Storable):
    """Sentence embeddings of a frozen encoder and logistic regression.

    Args:
        codebook: Labels.
        seed: Of the folds and the solver.
        backbone: `e5-small`, a folder or a hub name.
        max_tokens: Longest input; the rest is cut and flagged.
        prefix: Written before each text; where None, what E5 wants for `e5-small`, and nothing for others.
        C: Inverse strength of the L2 penalty; chosen by grouped cross-validation where None.
        folds: Of the cross-validation, which keeps documents whole.
        precision: `auto` computes in bf16 where the CPU or GPU does, `fp32` never; embeddings differ a little.
        cache: A folder that keeps embeddings by hash of the text (never the text), for runs that meet it again.

    After `fit`: `model_`, over embeddings as they come; `strengths_`, `encoder_` (a hash of its weights), `precision_`, `notes_`.
    """

    name = "frozen-encoder"
    files = ("backbone",)
    packages = ("numpy", "torch", "transformers", "tokenizers", "scikit-learn")

    def __init__(
        self,
        codebook: Codebook,
        *,
        seed: int = 0,
        backbone: str = E5_SMALL,
        max_tokens: int = 256,
        prefix: str | None = None,
        C: float | None = None,
        folds: int = 5,
        precision: str = "auto",
        cache: str | Path | None = None,
    ) -> None:
        super().__init__(codebook, seed=seed)
        self.backbone, self.max_tokens, self.prefix = backbone, max_tokens, prefix
        self.C, self.folds, self.precision, self.cache = C, folds, precision, cache

    def fit(self, corpus: Corpus) -> Self:
        """Embed the sentences and fit logistic regression."""
        labels = gold(corpus, self.codebook)
        features = self.embed([s.text for s in corpus]).astype(np.float64)
        mean, scale = features.mean(axis=0), features.std(axis=0)
        scale[scale == 0] = 1
        fitted = fit_linear(
            (features - mean) / scale,
            labels,
            document_ids(corpus),
            self.codebook.names,
            machine="logistic",
            multilabel=self.codebook.multilabel,
            strengths=GRID if self.C is None else (self.C,),
            number=self.folds,
            seed=self.seed,
        )
        # Standardisation is linear too, and becomes part of the coefficients.
        coefficients = fitted.model.coefficients / scale
        intercepts = fitted.model.intercepts - coefficients @ mean
        self.model_ = Linear(coefficients.astype(np.float32), intercepts.astype(np.float32))
        self.strengths_, self.notes_ = fitted.strengths, fitted.notes
        self.encoder_, self.precision_ = self._encoder().digest, self._encoder().precision
        return self

    def predict_proba(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Give probabilities (n, k) in the codebook's order."""
        logits = self.model_.logits(self.embed([s.text for s in sentences]))
        return probabilities(logits, multilabel=self.codebook.multilabel)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Compute embeddings (n, d) of length 1."""
        return self._encoder().embed(texts, self.progress)

    def truncated(self, sentences: Sequence[Sentence]) -> BoolArray:
        """Mark sentences (n,) with more than `max_tokens` tokens."""
        return self._encoder().truncated([s.text for s in sentences])

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Give coefficients, and the hash of the encoder, which is not copied.

        Raises:
            BundleError: The encoder is a folder or comes from a hub; another machine would not find it.
        """
        if self.backbone != E5_SMALL:
            raise BundleError(
                f"the encoder {self.backbone!r} is not copied into a baseline's folder; save one with {E5_SMALL!r}, whose "
                "weights a package carries"
            )
        content = {"strengths": self.strengths_, "notes": list(self.notes_), "encoder": self.encoder_}
        return content, {"coefficients": self.model_.coefficients, "intercepts": self.model_.intercepts}

    def restore(self, content: Mapping[str, Any], arrays: Arrays) -> Self:
        """Take what `state` gave, and hold the encoder that is installed against the one that it was trained with."""
        self.model_ = Linear(arrays["coefficients"], arrays["intercepts"])
        self.strengths_, self.notes_, self.encoder_ = content["strengths"], tuple(content["notes"]), content["encoder"]
        if self._encoder().digest != self.encoder_:
            raise ValueError(f"the weights of {self.backbone!r} are not those that it was trained with")
        return self

    def _encoder(self) -> Encoder:
        if not hasattr(self, "_opened"):
            require_extra("torch", f"the baseline {self.name!r}")
            self._opened = Encoder(
                self.backbone, self.codebook, self.max_tokens, self.prefix, self.precision, self.cache
            )
        return self._opened


class Encoder:
    """A pre-trained encoder without a head, and the embeddings that it made before.

    Args:
        backbone: As in `FrozenEncoder`, like all others.
    """

    def __init__(
        self,
        backbone: str,
        codebook: Codebook,
        max_tokens: int,
        prefix: str | None,
        precision: str,
        cache: str | Path | None,
    ) -> None:
        from ..training.trainer import resolve_precision

        self.backbone, self.codebook, self.max_tokens = backbone, codebook, max_tokens
        self.prefix = (E5_PREFIX if backbone == E5_SMALL else "") if prefix is None else prefix
        self.precision = resolve_precision(precision)
        self.digest = _source_digest(backbone) or _weights_digest(self._loaded[0])
        self._cache = None
        if cache is not None:
            settings = f"{self.digest}/{max_tokens}/{self.prefix}/{self.precision}"
            self._cache = EmbeddingCache(Path(cache) / hashlib.sha256(settings.encode()).hexdigest()[:16])

    @cached_property
    def _loaded(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """The encoder and its tokenizer; opening them takes seconds, which a run over known texts saves."""
        import torch

        classifier, tokenizer = load_backbone(self.backbone, self.codebook, max_tokens=self.max_tokens)
        model: Any = classifier.base_model
        return model.eval().to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer

    def embed(self, texts: Sequence[str], progress: ProgressReporter | None = None) -> NDArray[np.float32]:
        """Compute embeddings (n, d) of length 1; equal texts are embedded once."""
        progress = progress or ProgressReporter.silent()
        keys = [text_key(text) for text in texts]
        known = self._cache.vectors if self._cache else {}
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        for start in progress.track(range(0, len(new), SHARD), "embedding"):
            part = list(new)[start : start + SHARD]
            vectors = self.compute([new[key] for key in part])
            if self._cache:
                self._cache.add(part, vectors)
            else:
                known |= dict(zip(part, vectors, strict=True))
        if not keys:
            return np.zeros((0, self._loaded[0].config.hidden_size), np.float32)
        return np.stack([known[key] for key in keys]).astype(np.float32)

    def truncated(self, texts: Sequence[str]) -> BoolArray:
        """Mark texts (n,) that are cut."""
        if not texts:
            return np.zeros(0, np.bool_)
        _, tokenizer = self._loaded
        longest = tokenizer.model_max_length
        lengths = map(len, tokenizer([self.prefix + _clean(text) for text in texts])["input_ids"])
        return np.array([length > longest for length in lengths], np.bool_)

    def compute(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Compute embeddings (n, width) without the cache."""
        import torch

        model, tokenizer = self._loaded
        ids = tokenizer([self.prefix + _clean(text) for text in texts], truncation=True)["input_ids"]
        vectors = np.zeros((len(ids), model.config.hidden_size), np.float32)
        device = model.device
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            for rows in batches_by_length([len(one) for one in ids], max_tokens=BATCH_TOKENS):
                batch = tokenizer.pad({"input_ids": [ids[i] for i in rows]}, return_tensors="pt").to(device)
                hidden = model(**batch).last_hidden_state.float()
                mask = batch["attention_mask"].unsqueeze(-1)
                mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
                vectors[rows] = torch.nn.functional.normalize(mean, dim=1).cpu().numpy()
        return vectors


class EmbeddingCache:
    """Embeddings by hash of the text, in files that are only ever added: runs beside each other do not disturb one another.

    Args:
        folder: Of one encoder with one setting.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.vectors: dict[str, NDArray[np.float32]] = {}
        for path in sorted(folder.glob("*.npz")):
            with np.load(path, allow_pickle=False) as shard:
                self.vectors.update(zip(shard["keys"].tolist(), shard["vectors"], strict=True))

    def add(self, keys: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Keep embeddings (n, d)."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256("".join(keys).encode()).hexdigest()[:16]
        with replacing(self.folder / f"{name}.npz", "wb") as handle:
            np.savez(handle, allow_pickle=False, keys=np.array(keys), vectors=vectors)
        self.vectors.update(zip(keys, vectors, strict=True))


def text_key(text: str) -> str:
    """Hash a text as it is: a doubled space is another text to an encoder, unlike to `text_sha256`."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _clean(text: str) -> str:
    """Make "?" of a lone surrogate, which is not Unicode text and which tokenizers refuse."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _source_digest(backbone: str) -> str | None:
    """Hash the files of an encoder; None where it comes from a hub, whose files are elsewhere."""
    if backbone == E5_SMALL:
        return file_sha256(e5_path())
    if not Path(backbone).is_dir():
        return None
    files = sorted(
        path for path in Path(backbone).iterdir() if path.suffix in (".json", ".safetensors", ".bin", ".model")
    )
    return hashlib.sha256("".join(path.name + file_sha256(path) for path in files).encode()).hexdigest()


def _weights_digest(model: PreTrainedModel) -> str:
    """Hash a model's weights, but not those of a pooler, which is new in each process and not used."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if "pooler" not in name:
            digest.update(name.encode())
            digest.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
