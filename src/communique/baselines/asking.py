"""Ask a language model for the labels of texts: one question per text, several at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

from ..data.codebook import Codebook
from .answers import AnswerCache, question_key
from .endpoint import ChatEndpoint, Completion, RefusedError
from .prompt import FORMS, instructions, read_answer, response_format

ResultT = TypeVar("ResultT")

#: Default for the maximum number of tokens in an answer, which is a short JSON object with label names.
ANSWER_TOKENS = 200

#: Bytes of UTF-8 per token, for servers that do not report tokens. English has about four, and most other languages have fewer.
BYTES_PER_TOKEN = 3

#: The name of the limit on an answer that newer models of OpenAI require instead of `max_tokens`.
_NEWER_LIMIT = "max_completion_tokens"


@dataclass(frozen=True)
class Reply:
    """The labels of a text, or None and the last answer if no answer could be read."""

    labels: tuple[str, ...] | None
    last: str = ""


class Questioner:
    """Ask for the labels of single texts. It can be used by several threads at the same time.

    Args:
        codebook: The prompt contains it as a whole.
        endpoint: The server.
        cache: Receives every answer that can be read, and counts the tokens.
        base_url: Address of the server. Answers of different servers are not mixed.
        model: The model's name on that server.
        temperature: Sampling temperature. If it is None, none is sent and the server's own applies.
        seed: Sent with each request. Servers that do not support seeds ignore it.
        asked: Maximum number of requests for a text whose answers cannot be read.
        answer_tokens: Maximum number of tokens in an answer.
        permit: Returns a context for each request, which ends once its tokens are counted. An exception that it raises prevents
            the request.
    """

    def __init__(
        self,
        codebook: Codebook,
        endpoint: ChatEndpoint,
        cache: AnswerCache,
        *,
        base_url: str,
        model: str,
        temperature: float | None,
        seed: int,
        asked: int,
        answer_tokens: int = ANSWER_TOKENS,
        permit: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.codebook, self.endpoint, self.cache = codebook, endpoint, cache
        self.base_url, self.model, self.temperature, self.seed = base_url, model, temperature, seed
        self.asked, self.answer_tokens, self.permit = asked, answer_tokens, permit
        self.prompt = instructions(codebook)
        self._form = FORMS[0]
        self._limit = "max_tokens"

    def ask(self, text: str) -> Reply:
        """Return the labels of a text, from the stored answers if possible.

        Raises:
            RefusedError: The server rejects the request permanently.
            UnreachableError: The server does not answer.
        """
        last = ""
        bodies = [self._body(text, self.seed + attempt) for attempt in range(self.asked)]
        questions = [question_key(self.base_url, body) for body in bodies]
        # Only usable answers are stored. If a later question got one, the earlier ones must not be asked again: they would cost
        # tokens, and could change labels that are already in an output.
        for kept in map(self.cache.get, questions):
            if kept is not None and (labels := read_answer(kept, self.codebook)) is not None:
                return Reply(labels)
        for body, question in zip(bodies, questions, strict=True):
            last = self._answer(body)
            if (labels := read_answer(last, self.codebook)) is not None:
                self.cache.put(question, last)
                return Reply(labels)
        return Reply(None, last)

    def _answer(self, body: dict[str, Any]) -> str:
        """Send a request with the strictest response format that the server supports.

        A looser format is kept for later requests only after it was successful, because some servers also reject single texts,
        such as violent ones, with the same status.
        """
        form = self._form
        while True:
            try:
                with self.permit():
                    completion = self.endpoint.complete(self._limited(body) | response_format(form, self.codebook))
                    self._count(body, completion)
            except RefusedError as error:
                if error.status not in (400, 422):
                    raise
                if _NEWER_LIMIT in str(error) and self._limit != _NEWER_LIMIT:
                    self._limit = _NEWER_LIMIT
                elif form == FORMS[-1]:
                    raise
                else:
                    form = FORMS[FORMS.index(form) + 1]
                continue
            # Another thread may have moved on to a looser format in the meantime.
            self._form = max(self._form, form, key=FORMS.index)
            return completion.text

    def _limited(self, body: dict[str, Any]) -> dict[str, Any]:
        return {self._limit if name == "max_tokens" else name: value for name, value in body.items()}

    def _count(self, body: dict[str, Any], completion: Completion) -> None:
        known = completion.tokens_in is not None and completion.tokens_out is not None
        sent = sum(estimated_tokens(message["content"]) for message in body["messages"])
        self.cache.count(
            sent if completion.tokens_in is None else completion.tokens_in,
            estimated_tokens(completion.text) if completion.tokens_out is None else completion.tokens_out,
            estimated=not known,
        )

    def _body(self, text: str, seed: int) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "temperature": self.temperature,
            "seed": seed,
            "max_tokens": self.answer_tokens,
            "messages": [{"role": "system", "content": self.prompt}, {"role": "user", "content": text}],
        }
        return {name: value for name, value in body.items() if value is not None}


def estimated_tokens(text: str) -> int:
    """Estimate the number of tokens of a text from its length."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


def in_parallel(
    work: Callable[[str], ResultT],
    texts: Sequence[str],
    *,
    threads: int,
    endpoint: ChatEndpoint,
    track: Callable[[Sequence[Future[ResultT | None]]], Iterable[Future[ResultT | None]]],
) -> list[ResultT]:
    """Return the results of a function for each text. After the first exception, no further request is sent.

    Args:
        work: The function.
        texts: Its arguments.
        threads: Maximum number of calls at the same time.
        endpoint: The server, which does not repeat failed requests after an exception.
        track: Passes on the calls in order, and reports how many are done.
    """
    stopped = threading.Event()

    def guarded(text: str) -> ResultT | None:
        if stopped.is_set():  # A server that rejected one request would reject the others too.
            return None
        try:
            return work(text)
        except BaseException:
            stopped.set()
            endpoint.stopped.set()
            raise

    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(guarded, text) for text in texts]
        try:
            found = [future.result() for future in track(futures)]
        except BaseException:
            stopped.set()
            endpoint.stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    # Without an exception, no call was left out.
    return [result for result in found if result is not None]
