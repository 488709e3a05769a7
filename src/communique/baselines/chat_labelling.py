"""Label text with a language model behind a chat endpoint, in place of a trained model.

The labels of a language model are decisions. A probability of a token in the answer is not the probability of a label, because
an answer contains several labels and is written from left to right. Therefore no probabilities are computed.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.inputs import as_texts
from ..data.sentence import Sentence
from ..errors import DataError
from ..models.info import ModelInfo, TrainingData
from ..models.predictions import Predictions
from ..reporting.format import counted, one_line
from ..text.cleaning import for_model
from .answers import AnswerCache, Usage
from .asking import ANSWER_TOKENS, Questioner, Reply, estimated_tokens, in_parallel
from .budget import Budget, money
from .endpoint import ChatEndpoint, RefusedError, key_from
from .prompt import instructions

#: If this many texts in a row cannot be labelled, and most texts of the run could not, the run stops. The model is unsuitable.
GIVE_UP = 20

#: HTTP statuses with which servers reject single texts, for example because a filter considers them violent or they are too long.
_REFUSES_TEXT = (400, 413, 422)

#: Number of characters of an unusable answer that are kept as the reason.
_SHOWN = 120


@dataclass(frozen=True)
class ChatSettings:
    """Where and how a language model is asked. All attributes affect the labels except the last six.

    Attributes:
        base_url: Address of the API, such as `http://localhost:8000/v1`.
        model: The model's name on that server.
        temperature: Sampling temperature. If it is None, none is sent and the server's own applies.
        seed: Sent with each request. Servers that do not support seeds ignore it.
        answer_tokens: Maximum number of tokens in an answer.
        asked: Maximum number of requests for a text whose answers cannot be read.
        key_variable: Environment variable that contains the API key. If it is not set, no key is sent.
        parallel: Maximum number of simultaneous requests.
        timeout: An attempt fails if the whole answer has not arrived after this number of seconds.
        retries: Further attempts after a transient failure.
        pause: Seconds before the second attempt, doubled before each further attempt.
        option: Name of the option with the address, for messages.
    """

    base_url: str
    model: str
    temperature: float | None = 0.0
    seed: int = 0
    answer_tokens: int = ANSWER_TOKENS
    asked: int = 2
    key_variable: str = "OPENAI_API_KEY"
    parallel: int = 4
    timeout: float = 60.0
    retries: int = 5
    pause: float = 1.0
    option: str = "base_url"

    def endpoint(self) -> ChatEndpoint:
        """Return the client. It does not connect before the first request.

        Raises:
            RecipeError: The address is not an HTTP address, or the key contains characters that cannot be sent.
        """
        key = key_from(self.key_variable)
        return ChatEndpoint(
            self.base_url, key=key, timeout=self.timeout, retries=self.retries, pause=self.pause, option=self.option
        )

    def describe(self, codebook: Codebook) -> dict[str, Any]:
        """Return everything that affects the labels, as plain values. Of the address, it contains only the host."""
        return {
            "model": self.model,
            "endpoint": self.endpoint().host,
            "temperature": self.temperature,
            "seed": self.seed,
            "answer_tokens": self.answer_tokens,
            "asked": self.asked,
            "prompt_sha256": hashlib.sha256(instructions(codebook).encode()).hexdigest(),
        }


class ChatLabeler:
    """A language model in the role of a `Classifier`. Its predictions contain decisions; their probabilities are NaN.

    Args:
        codebook: The prompt contains it as a whole.
        settings: Where and how the model is asked.
        cache: Receives the answers. Texts whose answers are stored there cost nothing.
        budget: Prices and limits. Default: none.
        earlier: Number of rows that an earlier part of the same run finished. They show that the model is suitable.
        report: Called with a description of the state after each text.
    """

    def __init__(
        self,
        codebook: Codebook,
        settings: ChatSettings,
        cache: AnswerCache,
        *,
        budget: Budget | None = None,
        earlier: int = 0,
        report: Callable[[str], None] | None = None,
    ) -> None:
        self.codebook, self.settings, self.cache, self.report = codebook, settings, cache, report
        self.budget = budget or Budget()
        self.info = chat_info(codebook, settings)
        self._endpoint = settings.endpoint()
        self._questioner = Questioner(
            codebook,
            self._endpoint,
            cache,
            base_url=settings.base_url,
            model=settings.model,
            temperature=settings.temperature,
            seed=settings.seed,
            asked=settings.asked,
            answer_tokens=settings.answer_tokens,
            permit=self._permit,
        )
        self._lock = threading.Lock()
        self._before = cache.usage
        self._failed_in_a_row = self._failed = self._waiting = 0
        self._labelled = earlier

    @property
    def prompt(self) -> str:
        """The instructions that are sent with every text."""
        return self._questioner.prompt

    @property
    def used(self) -> Usage:
        """What this run has used, without earlier runs."""
        return self.cache.usage - self._before

    def predict(
        self, texts: str | Iterable[str] | Iterable[Sentence], *, languages: Sequence[str] | None = None
    ) -> Predictions:
        """Label texts. `errors` of the result has the reason for each text that got no usable answer.

        Args:
            texts: Texts in any form that `data.inputs.as_texts` accepts.
            languages: Ignored.

        Raises:
            UnreachableError: The server does not answer, or rejects every request.
            LimitReachedError: A limit of the budget is reached. Answers received so far are stored.
            DataError: The answers to many texts in a row, or to all texts so far, cannot be used.
        """
        given = [for_model(text) for text in as_texts(texts)]
        distinct = list(dict.fromkeys(given))
        self._endpoint.stopped.clear()
        replies = in_parallel(
            self._ask, distinct, threads=self.settings.parallel, endpoint=self._endpoint, track=self._track
        )
        if replies and not self._labelled:
            raise self._unsuitable(len(replies), replies[-1].last)
        found = dict(zip(distinct, replies, strict=True))
        rows = [found[text] for text in given]
        names = self.codebook.names
        decisions = np.array([[name in (row.labels or ()) for name in names] for row in rows], np.bool_)
        decisions = decisions.reshape(len(rows), len(names))
        errors = tuple(row.last if row.labels is None else None for row in rows)
        nothing = np.full(decisions.shape, np.nan, np.float32)
        return Predictions(names, nothing, decisions, np.zeros(len(rows), np.bool_), errors)

    def predict_proba(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Return the decisions (n, k) as 0 and 1, with columns in the codebook's order. They are not probabilities."""
        return self.predict(sentences).decisions.astype(np.float32)

    def progress(self, proportion: float) -> str:
        """Describe what this run has used, and what it will use in all if the rest of the input is similar.

        Args:
            proportion: Proportion of the work of this run that is done.
        """
        text = self.budget.describe(self.used)
        if not 0 < proportion < 1:
            return text
        cost = self.budget.cost(self.used)
        if cost is not None:
            return f"{text}; estimate for the whole run: {money(cost / proportion)}"
        return f"{text}; estimate for the whole run: {self.used.tokens / proportion:,.0f} tokens"

    def summary(self) -> list[str]:
        """Return lines that report what was asked and what it cost."""
        used, total = self.used, self.cache.usage
        where = f"{self.settings.model} at {self._endpoint.host}"
        lines = [f"{where}: {counted(used.requests, 'request')}, {self.budget.describe(used)}"]
        if total.requests != used.requests:
            lines.append(f"with earlier runs: {counted(total.requests, 'request')}, {self.budget.describe(total)}")
        if total.estimated:
            lines.append(
                f"the server did not report the tokens of {counted(total.estimated, 'request')}; they were estimated from the "
                "length of the texts"
            )
        return lines

    def _ask(self, text: str) -> Reply:
        """Ask for the labels of a text. If there are none, `last` of the reply is the reason."""
        try:
            reply = self._questioner.ask(text)
        except RefusedError as error:
            if error.status not in _REFUSES_TEXT:
                raise
            reply = Reply(None, f"the server refused the text: {one_line(error.reason)}")
        else:
            if reply.labels is None:
                asked = counted(self.settings.asked, "request")
                reply = Reply(None, f"no usable answer after {asked} (last answer: {one_line(reply.last[:_SHOWN])!r})")
        with self._lock:
            if reply.labels is not None:
                self._labelled, self._failed_in_a_row = self._labelled + 1, 0
                return reply
            self._failed, self._failed_in_a_row = self._failed + 1, self._failed_in_a_row + 1
            if self._failed_in_a_row >= GIVE_UP and self._failed > self._labelled:
                raise self._unsuitable(self._failed_in_a_row, reply.last)
        return reply

    def _unsuitable(self, n: int, reason: str) -> DataError:
        texts = "the text" if n == 1 else f"{n} texts in a row"
        return DataError(
            f"{self._endpoint.host}: {self.settings.model!r} could not label {texts} ({reason}). Use another model, or "
            "correct the codebook"
        )

    def _track(self, futures: Sequence[Future[Reply | None]]) -> Iterator[Future[Reply | None]]:
        for number, future in enumerate(futures, 1):
            yield future
            if self.report is not None:
                text = f"{number} of {counted(len(futures), 'text')} of this part"
                self.report(f"{text}, {self.budget.describe(self.used)}")

    @contextmanager
    def _permit(self) -> Iterator[None]:
        """Allow a request only if the limits leave room for it and for those that are under way."""
        with self._lock:
            self._check_budget()
            self._waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1

    def _check_budget(self) -> None:
        used = self.cache.usage
        if n := used.requests:
            expected = Usage(1, -(-used.tokens_in // n), -(-used.tokens_out // n))
        else:
            expected = Usage(1, estimated_tokens(self.prompt), 0)
        self.budget.check(used, expected, self._waiting + 1)


def chat_info(codebook: Codebook, settings: ChatSettings) -> ModelInfo:
    """Describe a language model as a model. Equal settings have equal descriptions, so that a run can be resumed."""
    described = settings.describe(codebook)
    return ModelInfo(
        kind="baseline",
        name=settings.model,
        version=described["endpoint"],
        description="A language model behind a chat endpoint. What it was trained on is not known.",
        license="unknown",
        labels=codebook.names,
        task=codebook.task,
        codebook_name=codebook.name,
        codebook_version=codebook.version,
        codebook_sha256=codebook.sha256,
        thresholds=(0.5,) * len(codebook.names) if codebook.multilabel else None,
        temperature=1.0,
        bias=None,
        max_tokens=0,
        recipe={"baseline": "chat", **described},
        training=TrainingData(
            sentences=0,
            documents=0,
            by_language={},
            by_source={},
            by_label={},
            files={},
            document_hashes=(),
            text_hashes=(),
        ),
        training_seconds=0.0,
        precision="unknown",
        classifier="chat",
        tuned_on=0,
        versions={},
        commit=None,
        created="",
    )
