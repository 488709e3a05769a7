"""A language model behind a chat endpoint, prompted with the codebook. It is not trained.

Any server that implements OpenAI's chat completions API works. With a local server the texts stay on the machine; a remote
server receives every sentence.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..data.sentence import Sentence
from ..errors import DataError
from .answers import AnswerCache
from .asking import Questioner, Reply, in_parallel
from .base import Baseline, gold
from .endpoint import ChatEndpoint, key_from

logger = logging.getLogger(__name__)


class ChatClassifier(Baseline):
    """A language model that receives the codebook and one sentence, and answers with labels.

    Args:
        codebook: The prompt contains its unit, rules, definitions, inclusions, exclusions and examples.
        seed: Sent with each request. Servers that do not support seeds ignore it.
        base_url: Address of the API, such as `http://localhost:8000/v1`.
        model: The model's name on that server.
        key_variable: Environment variable that contains the API key. If it is not set, no key is sent.
        temperature: Sampling temperature.
        concurrency: Maximum number of simultaneous requests.
        timeout: An attempt fails if the whole answer has not arrived after this number of seconds.
        retries: Further attempts after a time-out, a lost connection, or HTTP 408, 409, 425, 429, 500, 502, 503, 504 or 529.
        pause: Seconds before the second attempt, doubled before each further attempt, unless the server sends a waiting time.
        asked: Maximum number of requests for a sentence whose answers cannot be read.
        most_invalid: Maximum proportion of unreadable answers; a larger proportion is an error.
        cache: A file that stores answers by hash of the question, so that a run that was killed can be resumed.

    Probabilities are 0 and 1, because an answer is a decision. A sentence without a readable answer gets the proportions of the
    labels in the training data as probabilities. `invalid_` maps the id of each such sentence to the last answer.
    """

    name = "chat"

    def __init__(
        self,
        codebook: Codebook,
        *,
        seed: int = 0,
        base_url: str,
        model: str,
        key_variable: str = "OPENAI_API_KEY",
        temperature: float = 0.0,
        concurrency: int = 4,
        timeout: float = 60.0,
        retries: int = 5,
        pause: float = 1.0,
        asked: int = 2,
        most_invalid: float = 0.05,
        cache: str | Path | None = None,
    ) -> None:
        super().__init__(codebook, seed=seed)
        self.base_url, self.model, self.key_variable, self.temperature = base_url, model, key_variable, temperature
        self.concurrency, self.timeout, self.retries, self.pause = concurrency, timeout, retries, pause
        self.asked, self.most_invalid, self.cache = asked, most_invalid, cache

    def fit(self, corpus: Corpus) -> Self:
        """Compute the proportion of each label, which replaces unreadable answers. The language model learns nothing."""
        self.share_ = gold(corpus, self.codebook).mean(axis=0).astype(np.float32)
        self.invalid_: dict[str, str] = {}
        self.notes_ = ()
        return self

    def predict_proba(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Return decisions (n, k) as probabilities 0 and 1, or the proportions in training where an answer cannot be read.

        Raises:
            UnreachableError: The server does not answer, or rejects a request.
            DataError: The proportion of unreadable answers exceeds `most_invalid`.
        """
        endpoint = ChatEndpoint(
            self.base_url, key=key_from(self.key_variable), timeout=self.timeout, retries=self.retries, pause=self.pause
        )
        cache = AnswerCache(None if self.cache is None else Path(self.cache))
        questioner = Questioner(
            self.codebook,
            endpoint,
            cache,
            base_url=self.base_url,
            model=self.model,
            temperature=self.temperature,
            seed=self.seed,
            asked=self.asked,
        )
        texts = list(dict.fromkeys(s.model_text for s in sentences))
        try:
            replies = in_parallel(
                questioner.ask,
                texts,
                threads=self.concurrency,
                endpoint=endpoint,
                track=lambda futures: self.progress.track(futures, f"asking {self.model}"),
            )
        finally:
            cache.close()
        answers: dict[str, Reply] = dict(zip(texts, replies, strict=True))
        rows = [answers[s.model_text] for s in sentences]
        self.invalid_ = {s.id: row.last for s, row in zip(sentences, rows, strict=True) if row.labels is None}
        if self.invalid_:
            self._tell(len(sentences))
        readable = [
            self.share_ if row.labels is None else [name in row.labels for name in self.codebook.names] for row in rows
        ]
        return np.array(readable, np.float32).reshape(len(rows), len(self.codebook.names))

    def _tell(self, n: int) -> None:
        first, answer = next(iter(self.invalid_.items()))
        line = (
            f"{self.base_url}: {len(self.invalid_)} of {n} answers from {self.model!r} could not be read (first: id {first!r}: "
            f"{answer[:80]!r})"
        )
        if len(self.invalid_) > self.most_invalid * n:
            raise DataError(f"{line}; allowed: {self.most_invalid:.0%}. Use another model, or increase most_invalid")
        logger.warning("%s. These sentences get the label proportions of the training data as probabilities", line)
