from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from helpers import CODEBOOK, TINY

from communique import baselines
from communique.baselines.lexicon import DEFAULT, Lexicon, LexiconClassifier, normalize
from communique.data.codebook import Codebook
from communique.data.corpus import Corpus
from communique.data.sentence import Sentence
from communique.errors import RecipeError

CRITICISM, POLICY, PLEDGE = 0, 1, 2


def sentence(text: str, language: str = "en", labels: tuple[str, ...] | None = None, number: int = 0) -> Sentence:
    return Sentence(id=f"s{number}", text=text, document=f"d{number}", language=language, labels=labels)


def fitted(codebook: Codebook = TINY, **options: Any) -> LexiconClassifier:
    classifier = baselines.make("lexicon", codebook, **options)
    assert isinstance(classifier, LexiconClassifier)
    return classifier.fit(
        Corpus((sentence("a", labels=(codebook.names[0],)), sentence("b", labels=(codebook.names[1],), number=1)))
    )


#: One sentence per label and one without labels, by language. They were written for this test.
SENTENCES = {
    "en": (
        "The ministry condemned the shelling of the harbour as a flagrant violation of the truce.",
        "Water tariffs must remain within reach of every household.",
        "We stand ready to share our tide forecasts with the islands.",
        "The delegation landed in Nairobi on Tuesday evening.",
    ),
    "fr": (
        "Nous condamnons avec force cette agression inacceptable.",
        "Il faut que chaque port dispose d'un plan d'évacuation.",
        "Nous sommes prêts à accueillir les pourparlers dès le mois prochain.",
        "La ministre est arrivée à Genève mardi soir.",
    ),
    "es": (
        "Rechazamos las medidas coercitivas unilaterales contra los pescadores.",
        "Los tribunales deben publicar sus sentencias en todas las lenguas.",
        "Seguiremos trabajando con los vecinos y estamos dispuestos a compartir los datos.",
        "La reunión empezó a las nueve de la mañana en Quito.",
    ),
    "de": (
        "Wir verurteilen den Überfall auf die Fähre auf das Schärfste.",
        "Jede Gemeinde sollte ihre Deiche selbst prüfen.",
        "Wir sind bereit, die Nachbarn beim Deichbau zu unterstützen.",
        "Am Abend kam der Minister in Oslo an.",
    ),
    "ru": (
        "Мы решительно осуждаем обстрел порта и нарушение перемирия.",
        "Необходимо вернуть рыбакам доступ к заливу.",
        "Наша страна готова оказать соседям помощь и будет сотрудничать с ними.",
        "Министр прибыл в Астану поздно вечером.",
    ),
    "uk": (
        "Ми засуджуємо обстріл порту.",
        "Кожна громада повинна мати чисту воду.",
        "Ми готові допомогти сусідам і будемо працювати разом з ними.",
        "Міністр прибув до Риги пізно ввечері.",
    ),
    "sv": (
        "Vi fördömer den oacceptabla attacken mot färjan.",
        "Alla kommuner måste ha tillgång till rent vatten.",
        "Sverige är redo att stödja grannländerna och ska bidra med fartyg.",
        "Statsministern landade i Oslo på tisdagskvällen.",
    ),
    "zh": (
        "我们强烈谴责袭击港口的暴行。",
        "各国应当尊重渔民的权利。",
        "中方愿同沿岸国家加强合作，继续为岛国提供帮助。",
        "代表团星期二晚上抵达内罗毕。",
    ),
    "ar": (
        "نُدين بشدة هذا العدوان على الميناء.",
        "يجب أن تبقى المياه في متناول كل أسرة.",
        "سنواصل العمل مع الجيران، ونحن على استعداد لتقديم الدعم.",
        "وصل الوفد إلى نيروبي مساء الثلاثاء.",
    ),
}


def test_the_lexicon_covers_all_languages_of_the_examples_and_all_labels() -> None:
    lexicon = Lexicon.load(DEFAULT)
    assert set(lexicon.languages) == set(SENTENCES)
    assert lexicon.missing(TINY) is None
    assert all(len(entries) >= 8 for lists in lexicon.languages.values() for entries in lists.labels.values())


@pytest.mark.parametrize("language", SENTENCES)
def test_each_label_is_found_in_its_example_and_not_in_the_others(language: str) -> None:
    hits = fitted().count([sentence(text, language) for text in SENTENCES[language]])
    assert hits[0, CRITICISM] > 0
    assert hits[1, POLICY] > 0
    assert hits[2, PLEDGE] > 0
    assert hits[1, CRITICISM] == hits[2, CRITICISM] == 0
    assert hits[0, PLEDGE] == hits[1, PLEDGE] == 0
    assert hits[3].tolist() == [0, 0, 0]


@pytest.mark.parametrize("language", SENTENCES)
def test_every_entry_can_match(language: str) -> None:
    """An entry that cannot match any text has a mistake in its notation. Each entry must match the words that it consists of."""
    lists = Lexicon.load(DEFAULT).languages[language]
    for label, entries in lists.labels.items():
        for entry in entries:
            # Take the first alternative of each group, starting with the innermost group, until no group is left.
            text = re.sub(r"\([^()]*\)\?", "", entry)
            while "(" in text:
                text = re.sub(r"\(([^()|]*)[^()]*\)", r"\1", text)
            text = text.replace(" ... ", " " if lists.whole_words else "").replace("*", "")
            alone = lists.model_copy(update={"labels": {label: (entry,)}}).compile(label)
            assert alone is not None
            assert alone.search(normalize(text)), f"{language}/{label}: {entry} does not find {text}"


def test_a_language_code_with_a_region_uses_the_list_of_the_language() -> None:
    classifier = fitted()
    text = "Nous condamnons cette agression."
    assert classifier.count([sentence(text, "fr-CA")]).tolist() == classifier.count([sentence(text, "fr")]).tolist()
    assert classifier.count([sentence("我们强烈谴责暴行", "zh-Hans")])[0, CRITICISM] == 2


def test_the_language_determines_the_list_and_an_unknown_language_uses_all_lists() -> None:
    classifier = fitted()
    text = "Wir verurteilen den Überfall."
    found = [classifier.count([sentence(text, language)])[0, CRITICISM] for language in ("de", "en", "und", "is")]
    assert found[0] > 0
    assert found[1] == 0
    assert found[2] == found[3] == found[0]


def test_spelling_variants_count_as_the_same_word() -> None:
    classifier = fitted()
    for language, one, other in (
        ("fr", "Nous nous engageons, c'est l’engagement de s’abstenir : doit s’abstenir", "doit s'abstenir"),
        ("ar", "نُدِينُ العُدْوَان", "ندين العدوان"),
        ("ar", "إدانة", "ادانة"),
        ("fr", "de\u0301nonc\u0327ons", "dénonçons"),
        ("en", "CONDEMN", "condemn"),
    ):
        assert classifier.count([sentence(one, language)])[0, CRITICISM] > 0, one
        assert classifier.count([sentence(other, language)])[0, CRITICISM] > 0, other


def test_entries_match_whole_words_with_or_without_proclitics() -> None:
    classifier = fitted()
    assert classifier.count([sentence("The mustard and the shoulder.", "en")])[0, POLICY] == 0
    assert classifier.count([sentence("والعدوان", "ar")])[0, CRITICISM] == 1


def lexicon_file(path: Path, **languages: dict[str, object]) -> Path:
    path.write_text(yaml.safe_dump({"languages": languages}, allow_unicode=True), encoding="utf-8")
    return path


def test_each_part_of_the_notation_matches_as_documented(tmp_path: Path) -> None:
    labels = {
        "criticism": ["stop (now|here)", "ver* bad", "go ... away", "(very )?odd"],
        "policy_claim": [],
        "cooperation_pledge": [],
    }
    classifier = fitted(file=lexicon_file(tmp_path / "l.yaml", en={"labels": labels}))
    for text, hits in (
        ("stop  now", 1),
        ("stop there", 0),
        ("veriest bad", 1),
        ("go far away", 1),
        ("go away", 1),
        ("go one, two three away", 1),
        ("go one two three four away", 0),
        ("very odd, odd", 2),
        ("stop now, stop here, stop now", 2),  # At most two hits are counted.
        ("oddly", 0),
    ):
        assert classifier.count([sentence(text)]).tolist() == [[hits, 0, 0]], text


@pytest.mark.parametrize(
    ("entry", "problem"),
    [("a (b", "unterminated"), ("what?", "`?` does not follow"), ("...", "no word"), ("a|(b", "unterminated")],
)
def test_the_error_for_an_invalid_entry_names_the_entry(tmp_path: Path, entry: str, problem: str) -> None:
    labels = {"criticism": [entry], "policy_claim": [], "cooperation_pledge": []}
    with pytest.raises(RecipeError) as error:
        fitted(file=lexicon_file(tmp_path / "mine.yaml", en={"labels": labels}))
    assert "mine.yaml: languages.en.labels: criticism" in str(error.value)
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


def test_another_codebook_requires_its_own_lexicon(tmp_path: Path) -> None:
    labels = [{"name": name, "definition": "."} for name in ("hope", "fear")]
    other = Codebook.model_validate(CODEBOOK | {"name": "moods", "labels": labels})
    with pytest.raises(
        RecipeError, match=r"no list for en: 'hope' of moods. Provide your own lexicon with the option file"
    ):
        fitted(other)
    path = lexicon_file(tmp_path / "moods.yaml", en={"labels": {"hope": ["hop*"], "fear": ["fear*"]}})
    assert fitted(other, file=path).count([sentence("We hope and fear no fears.")]).tolist() == [[1, 2]]
    path = lexicon_file(tmp_path / "half.yaml", en={"labels": {"hope": ["hop*"]}})
    with pytest.raises(RecipeError, match=r"half\.yaml: no list for en: 'fear'"):
        fitted(other, file=path)


def test_probabilities_are_proportions_by_number_of_hits() -> None:
    rows = [("We condemn it.", True)] * 30 + [("We condemn it.", False)] * 10 + [("Good day.", False)] * 60
    rows += [("We condemn and condemn it.", True)] * 2
    data = Corpus(
        tuple(sentence(text, labels=("criticism",) if yes else (), number=i) for i, (text, yes) in enumerate(rows))
    )
    classifier = baselines.make("lexicon", TINY).fit(data)
    p = classifier.predict_proba(
        [sentence("Good day."), sentence("We condemn it."), sentence("We condemn and condemn it.")]
    )
    prevalence = 32 / 102
    # Each proportion is smoothed with two sentences at the label's prevalence.
    expected = [(0 + 2 * prevalence) / 62, (30 + 2 * prevalence) / 42, (2 + 2 * prevalence) / 4]
    np.testing.assert_allclose(p[:, CRITICISM], expected, rtol=1e-5)


def test_languages_without_a_list_are_noted() -> None:
    data = Corpus((sentence("a", "is", ("criticism",)), sentence("b", "en", (), 1)))
    assert "no list for 1 language of" in baselines.make("lexicon", TINY).fit(data).notes_[0]
