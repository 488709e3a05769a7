"""Label text on a CPU with a bundle, without torch, transformers or a network connection."""

from __future__ import annotations

import ctypes
import os
import threading
import unicodedata
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.inputs import as_texts
from ..data.sentence import Sentence
from ..errors import BundleError
from ..text.cleaning import for_model
from .batching import batches_by_length
from .domain import Domain
from .folder import read_codebook, read_info, reading, require_acts, verify_files
from .info import ACTS_OUTPUT, DEFAULT_MODEL, INFO, IR, KINDS_OUTPUT, TOKENIZER, VECTOR_OUTPUT, ModelInfo
from .openvino import import_quietly
from .outputs import NetworkOutputs
from .predictions import Predictions

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

#: Environment variable that names the folder of another default model.
MODEL_VARIABLE = "COMMUNIQUE_MODEL"

#: Tokens per batch, including padding, and requests per thread. While one request of a thread is computed, the second waits in
#: line, so that no thread waits for a batch to be prepared. Measured with 400 real sentences on two AVX-512 cores: with batches of
#: 512, 1,024 and 2,048 tokens, 334, 318 and 290 sentences per second with one request per thread, 338, 332 and 308 with two.
BATCH_TOKENS = 512
REQUESTS = 2

#: Batches are padded to a multiple of this number of tokens. OpenVINO caches kernels for every input shape; fewer shapes need less
#: memory: 742 MB instead of 1,150 MB after 4,096 texts of real lengths, at the same speed (348 and 341 sentences/s; train/LOG.md).
LENGTH_STEP = 8

#: Cached properties that contain a compiled network.
_NETWORKS = ("_network", "_acts_network")

#: Number of texts that are tokenized and sorted by length together.
CHUNK = 16_384


class Predictor:
    """Label text on a CPU with a bundle.

    Args:
        folder: The bundle folder.
        threads: Number of CPU threads. Default: all cores.
        verify: Whether to verify the files against their hashes first, which takes 0.1 s.
        info: The content of `bundle.json`. Default: read from the folder.

    Raises:
        BundleError: The folder is not a complete bundle of a known format.
    """

    def __init__(
        self, folder: str | Path, *, threads: int | None = None, verify: bool = True, info: ModelInfo | None = None
    ) -> None:
        self.folder = Path(folder)
        self.info = info or read_info(folder, "bundle")
        if verify:
            verify_files(folder, self.info)
        self.codebook: Codebook = read_codebook(folder, self.info)
        self.threads = threads or _cores()

    @classmethod
    def load(cls, folder: str | Path | None = None, *, threads: int | None = None) -> Predictor:
        """Load a bundle.

        Args:
            folder: The folder, or `communique-small` for the shipped bundle. Default: the folder in the environment variable
                COMMUNIQUE_MODEL, or else the shipped bundle.
            threads: Number of CPU threads. Default: all cores.
        """
        return cls(model_folder(folder), threads=threads)

    def __getstate__(self) -> dict[str, Any]:
        # A loaded network cannot be copied or sent to another process, so it is left out and loaded again there. The remaining
        # state is the same before and after use. `datasets.map` needs that, because it caches results by the hash of the function.
        left_out = (*_NETWORKS, "_process", "tokenizer", "_pad_id", "_domain")
        return {name: value for name, value in self.__dict__.items() if name not in left_out}

    def _open(self, *, acts: bool) -> tuple[Tokenizer, Any]:
        """Return the tokenizer and the network, with or without its auxiliary outputs, loaded in this process."""
        if self.__dict__.setdefault("_process", os.getpid()) != os.getpid():
            # A forked child does not have the threads of its parent's network: using that network would wait forever, and freeing
            # it would crash. An additional reference prevents Python from freeing it.
            for name in _NETWORKS:
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.__dict__.pop(name, None)))
            self.__dict__.pop("tokenizer", None)
            self.__dict__["_process"] = os.getpid()
        network = self._acts_network if acts else self._network
        return self.tokenizer, network

    @cached_property
    def _network(self) -> Any:
        """The network without auxiliary outputs."""
        return self._compile(acts=False)

    @cached_property
    def _acts_network(self) -> Any:
        """The network with all of its outputs."""
        return self._compile(acts=True)

    def _compile(self, *, acts: bool) -> Any:
        """Return the network, which is compiled while the tokenizer is read.

        Reading the tokenizer holds the GIL all the time, whereas OpenVINO needs the GIL only to start compiling. Reading
        therefore begins when the compilation is about to start.
        """
        core = import_quietly("openvino").Core()
        started = threading.Event()

        def compile_network() -> Any:
            started.set()
            with reading(self.folder / IR):
                network = core.read_model(str(self.folder / IR))
                self._check(network)
                if not acts:
                    remove_act_outputs(network)
                return core.compile_model(network, "CPU", self._settings)

        with ThreadPoolExecutor(1, thread_name_prefix="communique-network") as pool:
            network = pool.submit(compile_network)
            started.wait()
            _ = self.tokenizer
            return network.result()

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, which truncates texts at the bundle's token limit."""
        from tokenizers import Tokenizer

        with reading(self.folder / TOKENIZER):
            tokenizer = Tokenizer.from_file(str(self.folder / TOKENIZER))
            tokenizer.enable_truncation(self.info.max_tokens)
            tokenizer.encode("probe")
        tokenizer.no_padding()
        return tokenizer

    def count_longer(self, texts: Sequence[str], max_tokens: int) -> int:
        """Return the number of texts that have more tokens than a limit, which may differ from that of the bundle."""
        read = [for_model(text) for text in texts]
        # A token stands for at least one byte, except the first ones and the last one. Reading the tokenizer takes seconds.
        long = [text for text in read if len(unicodedata.normalize("NFKC", text).encode()) > max_tokens - 3]
        if not long:
            return 0
        self.tokenizer.enable_truncation(max_tokens)
        try:
            return sum(bool(one.overflowing) for one in self.tokenizer.encode_batch(long))
        finally:
            self.tokenizer.enable_truncation(self.info.max_tokens)

    def _check(self, network: Any) -> None:
        """Check that a network has the expected inputs, one output per label, and the auxiliary outputs of `bundle.json`.

        Raises:
            BundleError: The inputs or the number of outputs differ.
        """
        inputs = {name for one in network.inputs for name in one.get_names()}
        k, acts, domain = len(self.codebook.names), self.info.acts, self.info.domain
        fits = {"input_ids", "attention_mask"} <= inputs and _has_width(network.output(0), k)
        expected = {} if domain is None else {VECTOR_OUTPUT: domain.width}
        if acts is not None:
            expected |= {ACTS_OUTPUT: acts.n_tags(k)} | ({KINDS_OUTPUT: acts.n_kinds} if acts.kinds else {})
        by_name = {name: one for one in network.outputs for name in one.get_names()}
        fits = fits and all(name in by_name and _has_width(by_name[name], width) for name, width in expected.items())
        if not fits:
            raise BundleError(
                f"{self.folder / IR}: the network does not fit the {k} labels in {self.folder / INFO}. Copy the "
                "model's folder again"
            )

    @property
    def _settings(self) -> dict[str, Any]:
        # On CPUs with bf16, OpenVINO would use it by default, and results would depend on the machine. The same holds for dynamic
        # quantization of products with 8-bit weights, with which some models cannot be compiled on CPUs without AVX-512.
        return {
            "INFERENCE_PRECISION_HINT": "f32",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
            "INFERENCE_NUM_THREADS": self.threads,
            "NUM_STREAMS": self.threads,
        }

    def predict(
        self,
        texts: str | Iterable[str] | Iterable[Sentence],
        *,
        languages: Sequence[str] | None = None,
        acts: bool = False,
    ) -> Predictions:
        """Label texts.

        Args:
            texts: One text, or several texts or sentences as a list, an iterator, a pandas or polars column, or an Arrow array.
            languages: Ignored. The network needs no language codes.
            acts: Whether to also predict kinds, holders and targets (`Predictions.acts`). Without it, they are not computed.

        Returns:
            Predictions in the order of the texts.

        Raises:
            BundleError: `acts` is set, but the model was trained without these outputs.
        """
        given = as_texts(texts)
        info = require_acts(self.folder, self.info) if acts else None
        found = NetworkOutputs.empty(len(given), len(self.codebook.names), info)
        domain = self._domain
        scores = None if domain is None else np.zeros(len(given), np.float32)
        for start in range(0, len(given), CHUNK):
            part = found[start : start + CHUNK].with_vectors(0 if domain is None else len(domain.mean))
            self._fill(part, given[start : start + CHUNK])
            if domain is not None and scores is not None:
                scores[start : start + CHUNK] = domain.scores(part.vectors)
        return replace(found.predictions(self.info), out_of_domain=scores)

    def predict_logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Compute the network's logits (n, k), before temperature and biases. An export is tuned on these."""
        found = NetworkOutputs.empty(len(texts), len(self.codebook.names), None)
        self._fill(found, texts)
        return found.logits

    def predict_vectors(self, texts: Sequence[str], width: int) -> NDArray[np.float32]:
        """Compute sentence vectors (n, width), from which out-of-domain scores are computed. The export describes them."""
        found = NetworkOutputs.empty(len(texts), len(self.codebook.names), None).with_vectors(width)
        self._fill(found, texts)
        return found.vectors

    @cached_property
    def _domain(self) -> Domain | None:
        """The description of the training sentences, if the folder has one."""
        described = self.info.domain
        return None if described is None else Domain.load(self.folder, described)

    def predict_proba(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Compute probabilities (n, k), with columns in the codebook's order."""
        return self.predict(sentences).probabilities

    def _fill(self, found: NetworkOutputs, texts: Sequence[str]) -> None:
        """Compute the outputs for texts, in batches of similar length that run in parallel."""
        tokenizer, network = self._open(acts=found.acts is not None)
        encodings = tokenizer.encode_batch([for_model(text) for text in texts])
        found.truncated[:] = [bool(encoding.overflowing) for encoding in encodings]
        found.lengths[:] = [len(encoding) for encoding in encodings]
        self._run(network, found, texts, encodings)

    def _run(self, network: Any, found: NetworkOutputs, texts: Sequence[str], encodings: Sequence[Encoding]) -> None:
        """Compute the outputs of a compiled network for tokenized texts."""
        # AsyncInferQueue is not used, because its callbacks need the GIL in OpenVINO's threads: freeing a model at that moment
        # would wait for such a thread forever.
        lengths, longest = [len(encoding) for encoding in encodings], self.info.max_tokens
        batches = list(batches_by_length(lengths, max_tokens=BATCH_TOKENS, padded=lambda n: _padded(n, longest)))
        requests = [network.create_infer_request() for _ in range(min(REQUESTS * self.threads, len(batches)))]
        running: list[list[int]] = [[] for _ in requests]

        def collect(turn: int) -> None:
            if running[turn]:
                requests[turn].wait()
                found.collect(requests[turn], running[turn], texts, encodings)
                running[turn] = []

        for number, rows in enumerate(batches):
            turn = number % len(requests)
            inputs = _inputs([encodings[i] for i in rows], self._pad_id, longest)
            collect(turn)
            requests[turn].start_async(inputs)
            running[turn] = rows
        for turn in range(len(requests)):
            collect(turn)

    @cached_property
    def _pad_id(self) -> int:
        return self.tokenizer.token_to_id("<pad>") or self.tokenizer.token_to_id("[PAD]") or 0


def remove_act_outputs(network: Any) -> None:
    """Remove the auxiliary outputs of an OpenVINO model, so that what only they need is not computed."""
    for result in network.get_results():
        if result.input_value(0).get_names() & {KINDS_OUTPUT, ACTS_OUTPUT}:
            network.remove_result(result)


def _has_width(output: Any, width: int) -> bool:
    """Return whether the last dimension of an output has a size, or may have it."""
    shape = output.get_partial_shape()
    last = shape[len(shape) - 1]
    return not last.is_static or last.get_length() == width


def _padded(length: int, longest: int) -> int:
    """Round a length up to a multiple of `LENGTH_STEP`, but not beyond the model's longest input."""
    return min(-(-length // LENGTH_STEP) * LENGTH_STEP, longest)


def _inputs(encodings: Sequence[Encoding], pad_id: int, longest: int) -> dict[str, NDArray[np.int64]]:
    length = _padded(max(len(encoding) for encoding in encodings), longest)
    ids = np.full((len(encodings), length), pad_id, np.int64)
    mask = np.zeros_like(ids)
    for row, encoding in enumerate(encodings):
        ids[row, : len(encoding)] = encoding.ids
        mask[row, : len(encoding)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def _cores() -> int:
    """Count the cores that this process may use, which a container can limit."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_model() -> Path:
    """Find the folder of the default model: the one that COMMUNIQUE_MODEL names, or else the shipped one.

    Raises:
        BundleError: The folder contains no model.
    """
    if named := os.environ.get(MODEL_VARIABLE):
        folder = model_folder(named)
        if not (folder / INFO).is_file():
            raise BundleError(
                f"{named}: there is no model in this folder, which the environment variable {MODEL_VARIABLE} names. Set the "
                "variable to a model folder, or unset it to use the shipped model"
            )
        return folder
    return _shipped_model()


def model_folder(named: str | Path | None = None) -> Path:
    """Return the folder of a model that a user named.

    Args:
        named: A folder, or `communique-small` for the shipped model if there is no folder of this name. Default: the folder in the
            environment variable COMMUNIQUE_MODEL, or else the shipped model.

    Raises:
        BundleError: There is no default model.
    """
    if not named:
        return default_model()
    folder = Path(named)
    if str(named) == DEFAULT_MODEL and not folder.exists():
        # If it is not installed, the error that names the folder says what to do.
        with suppress(BundleError):
            return _shipped_model()
    return folder


def _shipped_model() -> Path:
    package = Path(__file__).parents[1]
    # A wheel carries the model inside the package; a clone has it in models/ next to src/.
    places = [package / "shipped" / DEFAULT_MODEL, package.parents[1] / "models" / DEFAULT_MODEL]
    for place in places:
        if (place / INFO).exists():
            return place
    raise BundleError(
        f"{places[-1]}: there is no model in this folder. Name one with --model, or train one with `make train`"
    )
