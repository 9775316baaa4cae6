"""Names of symptoms in everyday words."""

from __future__ import annotations

import csv
import re
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemed.lexicon import (
    HPO,
    OWN_CODES,
    Concept,
    Kind,
    PhraseMatcher,
    load_lexicon,
    stem,
    tokenize,
)

DATA = Path(__file__).parents[2] / "shared" / "data"


def named(text: str) -> set[str]:
    """Names of the symptoms that a sentence mentions."""
    mentions = load_lexicon().mentions(tokenize(text.split()))
    return {one.concept.display for one in mentions if one.kind is Kind.SYMPTOM}


def test_concepts_carry_hpo_ids_or_our_own() -> None:
    concepts = load_lexicon().concepts
    assert concepts["fever"] == Concept(HPO, "HP:0001945", "fever")
    assert concepts["poor fluid intake"] == Concept(
        OWN_CODES, "poor-fluid-intake", "poor fluid intake"
    )
    assert len(concepts) == 239
    assert len({(one.system, one.code) for one in concepts.values()}) == 239


def test_concepts_carry_icd10_codes_and_chinese_names() -> None:
    concepts = load_lexicon().concepts
    assert (concepts["fever"].icd10, concepts["fever"].display_zh) == ("R50.9", "发热")
    assert concepts["panic attack"].icd10 == ""  # F41.0 is a diagnosis
    for concept in concepts.values():
        assert re.fullmatch(r"([A-Z]\d[0-9A-Z](\.[0-9A-Z]{1,4})?)?", concept.icd10), concept
        assert re.search(r"[\u4e00-\u9fff]", concept.display_zh), concept


@pytest.mark.shared_data
def test_icd10_codes_exist_and_are_billable() -> None:
    rows = (DATA / "lexicons" / "icd10cm" / "codes.tsv").read_text(encoding="utf-8")
    codes = [row.split("\t")[0] for row in rows.splitlines()]
    used = {one.icd10 for one in load_lexicon().concepts.values()} - {""}
    assert used <= set(codes)
    assert not [code for code in codes for one in used if code != one and code.startswith(one)]


def test_every_concept_can_be_said_by_its_name_or_a_phrase() -> None:
    text = files("voicemed.data").joinpath("phrases.toml").read_text(encoding="utf-8")
    said = tomllib.loads(text)["concepts"]
    assert set(said) == set(load_lexicon().concepts)
    assert all(set(keys) - {"normal", "topic", "denial"} for keys in said.values())


def test_concepts_file_is_complete() -> None:
    text = files("voicemed.data").joinpath("concepts.tsv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE):
        assert all(row[key] for key in ("name", "zh", "definition"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I've been having, uh, diarrhoea", {"diarrhea"}),
        ("pain in my, like, um, lower stomach", {"abdominal pain"}),
        ("my tummy hurts", {"abdominal pain"}),
        ("SHORT OF BREATH WALKING UPSTAIRS", {"shortness of breath"}),
        ("I get out of breath easily", {"shortness of breath"}),
        ("chest pain", {"chest pain"}),
        ("any chest or back pain", {"chest pain", "back pain"}),
        ("pain in my left arm and leg", {"arm pain", "leg pain"}),
        ("hot and cold", {"fever", "chills"}),
        ("light-headed", {"dizziness"}),
        ("throwing up blood", {"hematemesis"}),
        ("I've had the runs", {"diarrhea"}),
        ("it burns when I pee", {"painful urination"}),
        ("when I, when I use the bathroom it stings", {"painful urination"}),
        ("pins and needles in my hands", {"tingling"}),
        ("a lump in my breast", {"breast lump"}),
        ("my ankles are swollen", {"leg swelling"}),
        ("I can't sleep", {"sleep disturbance"}),
        ("feeling really down", {"low mood"}),
        ("palpations", {"palpitations"}),
        ("diarrea and vomitting", {"diarrhea", "vomiting"}),
        # not symptoms
        ("I took some pain killers", set()),
        ("my blood pressure", set()),
        ("I'll come back next week", set()),
        ("can you hear me", set()),
        ("a glass of red wine", set()),
        ("he had a heart attack", set()),
    ],
)
def test_mentions(text: str, expected: set[str]) -> None:
    assert named(text) == expected


@pytest.mark.parametrize(
    "text", ["Sore throat, runny nose and a bad cough.", "Any fever, night sweats or weight loss?"]
)
def test_case_and_punctuation_do_not_matter(text: str) -> None:
    bare = "".join(letter for letter in text if letter.isalpha() or letter == " ").upper()
    assert named(bare) == named(text) != set()


def test_the_well_function_is_a_kind_of_its_own() -> None:
    (mention,) = load_lexicon().mentions(tokenize(["eating", "fine"]))
    assert (mention.concept.display, mention.kind) == ("poor appetite", Kind.NORMAL)


@pytest.mark.parametrize(
    ("left", "right"),
    [("ache", "aching"), ("vomit", "vomited"), ("cough", "coughs"), ("felt", "feeling"),
     ("rashes", "rash"), ("throbbing", "throb"), ("diarrhoea", "diarrhea")],
)  # fmt: skip
def test_inflections_share_a_stem(left: str, right: str) -> None:
    assert stem(left) == stem(right)


def test_a_spine_does_not_spin() -> None:
    assert stem("spine") != stem("spinning")


@pytest.mark.parametrize(
    ("word", "token"),
    [(" Mm-hmm.", "mhm"), ("Uh-huh", "mhm"), ("Uh-uh,", "no"), ("I'll", "will"), ("don’t", "dont")],
)
def test_tokens_of_a_word(word: str, token: str) -> None:
    assert [one.text for one in tokenize([word])] == [token]


def test_fillers_and_stammers_are_left_out() -> None:
    tokens = tokenize("Um, I, I have, you know, kind of a, a cough.".split())
    assert [one.text for one in tokens] == ["i", "have", "a", "cough"]
    assert tokens[-1].mark == "."
    assert tokens[-1].word == 10


def test_repeated_no_is_kept() -> None:
    assert [one.text for one in tokenize(["No,", "no", "fever"])] == ["no", "no", "fever"]


def test_pattern_notation() -> None:
    classes = {"size": ["big", "very big"]}
    matcher = PhraseMatcher([("dog", "(a)? {size} .. dog|hound")], classes)
    found = list(matcher.find(tokenize("a very big brown old hound".split())))
    assert [match.tokens for match in found if match.weight == 4] == [(1, 2, 5)]
    assert not list(matcher.find(tokenize("a small dog".split())))


@given(st.lists(st.text(max_size=12), max_size=30))
def test_any_words_give_mentions_inside_them(words: list[str]) -> None:
    tokens = tokenize(words)
    assert all(0 <= token.word < len(words) for token in tokens)
    for mention in load_lexicon().mentions(tokens):
        assert 0 <= mention.first <= mention.last < len(tokens)
