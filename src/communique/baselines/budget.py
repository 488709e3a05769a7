"""What the tokens of a language model cost, and limits on them."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import LimitReachedError
from .answers import Usage


@dataclass(frozen=True)
class Budget:
    """Prices per million tokens, and limits on what a run may use. None means that there is no price or limit.

    The limits apply to all runs that write the same output, including earlier ones that were stopped.
    """

    price_in: float | None = None
    price_out: float | None = None
    max_cost: float | None = None
    max_tokens: int | None = None

    def cost(self, usage: Usage) -> float | None:
        """Return the cost in the currency of the prices, or None if there are no prices."""
        if self.price_in is None or self.price_out is None:
            return None
        return (usage.tokens_in * self.price_in + usage.tokens_out * self.price_out) / 1e6

    def check(self, used: Usage, expected: Usage, n: int = 1) -> None:
        """Check that the limits leave room for more requests.

        Args:
            used: What was used so far.
            expected: What one request is expected to use.
            n: Number of requests, including those that are under way.

        Raises:
            LimitReachedError: They do not. The message does not name the remedy.
        """
        if self.max_tokens is not None and used.tokens + n * expected.tokens > self.max_tokens:
            raise LimitReachedError(f"{used.tokens:,} tokens were used, and the limit is {self.max_tokens:,}")
        cost, more = self.cost(used), self.cost(expected)
        if self.max_cost is not None and cost is not None and more is not None and cost + n * more > self.max_cost:
            raise LimitReachedError(f"requests for {money(cost)} were sent, and the limit is {money(self.max_cost)}")

    def describe(self, usage: Usage) -> str:
        """Return the tokens and, if there are prices, the cost."""
        about = "about " if usage.estimated else ""
        text = f"{about}{usage.tokens_in:,} tokens in, {usage.tokens_out:,} out"
        cost = self.cost(usage)
        return text if cost is None else f"{text}, cost {about}{money(cost)}"


def money(amount: float) -> str:
    """Format an amount of money: with two decimals, or with four if it is small."""
    return f"{amount:,.2f}" if amount >= 1 else f"{amount:.4f}"
