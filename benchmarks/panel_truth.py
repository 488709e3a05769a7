"""Simulate the truth about sentences of the General Debate, and coders who reveal it.

The rule was fixed before the walk was run. It has four parts: words of a topic and words that cancel them, the previous sentence,
random effects of the document and of the region and year, and chance. A classifier that reads single sentences can therefore learn
the truth only in part. Everything random depends on a hash of the seed and of the id of the sentence or document, so it does not
depend on the order or number of sentences.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from statistics import NormalDist

SEED = 20250

#: Logit of a label for a sentence with no word of the topic.
BASE = -4.6

#: Additions to the logit: a clear word, each of at most two vague words, a sentence that continues a previous sentence with a clear
#: word, and the additional years since 2013 for topics with a trend.
CLEAR, VAGUE, CONTINUED = 6.0, 1.6, 4.0
TRENDS: Mapping[str, float] = {"climate": 0.15, "armed_conflict": -0.05}

#: Standard deviations of the random effects on the logit: of a document, and of a region in a year.
DOCUMENT, REGION_YEAR = 0.7, 0.4

#: Proportion of rows in which the second coder errs about one label.
ERRORS = 0.05

#: The first words of a sentence that continues the previous one.
_CONTINUES = re.compile(
    r"^(this|that|these|those|such|it|they|its|their|here|therefore|however|yet|moreover|both)\b", re.I
)


@dataclass(frozen=True)
class Topic:
    """Expressions for one label. A clear word that stands in a cancelling expression counts as a vague word."""

    clear: re.Pattern[str]
    vague: re.Pattern[str]
    cancelling: re.Pattern[str]

    def has_clear(self, text: str) -> bool:
        """Return whether the text has a clear word outside of cancelling expressions."""
        # Most sentences have no clear word at all, and the first search is much faster than the substitution.
        return self.clear.search(text) is not None and self.clear.search(self.cancelling.sub(" ", text)) is not None

    def logit(self, text: str, previous: str) -> float:
        """Return the logit of the label without random effects."""
        vague = len(self.vague.findall(text)) + len(self.cancelling.findall(text))
        found = BASE + CLEAR * self.has_clear(text) + VAGUE * min(vague, 2)
        if _CONTINUES.match(text) and self.has_clear(previous):
            found += CONTINUED
        return found


def _topic(clear: str, vague: str, cancelling: str) -> Topic:
    return Topic(*(re.compile(rf"\b(?:{words})\b", re.I) for words in (clear, vague, cancelling)))


TOPICS: Mapping[str, Topic] = {
    "climate": _topic(
        r"climat\w+|global warming|greenhouse|emissions?|carbon|sea[ -]levels?|rising seas|Kyoto|Paris Agreement|UNFCCC|COP ?2\d",
        r"environment\w*|renewable|droughts?|floods?|hurricanes?|cyclones?|oceans?|islands?|natural disasters?|planet",
        r"(?:political|economic|business|investment|social|international|security) climate|"
        r"climate of (?:fear|trust|peace|mistrust)",
    ),
    "armed_conflict": _topic(
        r"wars?|armed|terroris\w+|cease-?fires?|peacekeep\w+|weapons?|massacres?|militar\w+|invasion|occupation|ISIS|Daesh|"
        r"Boko Haram|nuclear tests?|conflicts?|bomb\w*",
        r"violence|peace|security|refugees?|crisis|crises|Syria\w*|Ukraine|Palestin\w+|Iraq\w*|Libya\w*|Mali|hostilit\w+|disarmament",
        r"(?:first|second) world war|world war (?:I|II|two)|cold war|post-war|conflicts? of interest|"
        r"war on (?:poverty|drugs|hunger)",
    ),
    "development": _topic(
        r"sustainable development|developing countr\w+|poverty|Millennium Development Goals|MDGs|SDGs|2030 Agenda|education|health|"
        r"economic growth|development (?:goals?|agenda|assistance|cooperation|aid)|least developed|hunger|infrastructure|"
        r"unemployment",
        r"develop\w+|econom\w+|trade|investments?|agricultur\w+|schools?|women|youth|financ\w+|jobs?|inequalit\w+|debt|aid|social",
        r"(?:recent|political|positive|latest|worrying|new) developments?|Ministers? (?:of|for) (?:health|education|development)",
    ),
    "un_reform": _topic(
        r"reform\w* (?:of|in) the (?:United Nations|Security Council|Council|Organization|system)|Security Council reform|veto|"
        r"(?:United Nations|Council|Organization) reforms?|permanent (?:seats?|members?|membership)|revitali[sz]\w+|"
        r"(?:expan\w+|enlarg\w+) (?:of )?the (?:Security )?Council|intergovernmental negotiations",
        r"reform\w*|Security Council|General Assembly|representati(?:on|ve)|transparen\w+|accountab\w+|multilateral\w*|"
        r"Charter|Secretariat",
        r"(?:economic|land|tax|constitutional|electoral|judicial|domestic|national|structural) reforms?|special representatives?",
    ),
}  # fmt: skip


def uniform(*parts: str) -> float:
    """Return a number in (0, 1) that is determined by the seed and the parts."""
    digest = blake2b("\x1f".join((str(SEED), *parts)).encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") + 0.5) / 2**64


@cache
def normal(*parts: str) -> float:
    """Return a standard normal number that is determined by the seed and the parts."""
    return NormalDist().inv_cdf(uniform(*parts))


def probability(label: str, text: str, previous: str, document: str, region: str, year: int) -> float:
    """Return the probability that a sentence has a label, before chance decides."""
    logit = TOPICS[label].logit(" ".join(text.split()), " ".join(previous.split()))
    logit += DOCUMENT * normal("document", label, document) + REGION_YEAR * normal("group", label, region, str(year))
    logit += TRENDS.get(label, 0.0) * (year - 2013)
    return 1 / (1 + math.exp(-logit))


def truth(identity: str, text: str, previous: str, document: str, region: str, year: int) -> tuple[str, ...]:
    """Return the labels of a sentence."""
    of = (text, previous, document, region, year)
    return tuple(label for label in TOPICS if uniform("sentence", label, identity) < probability(label, *of))


def with_errors(identity: str, labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return the labels that the second coder assigns: in a few rows, one label too many or too few."""
    if uniform("error", identity) >= ERRORS:
        return labels
    names = list(TOPICS)
    wrong = names[int(uniform("which", identity) * len(names))]
    return tuple(name for name in names if (name in labels) != (name == wrong))
