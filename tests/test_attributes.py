"""What is said about a symptom, in the words of one sentence."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemed.attributes import (
    NAMES,
    Attribute,
    Description,
    load_attributes,
    severity_score,
)
from voicemed.lexicon import load_lexicon, tokenize


def read(text: str, *asked: str) -> dict[str, str]:
    """The attributes in a sentence that hold without a symptom beside them."""
    words = text.split()
    found = load_attributes().read(tokenize(words), asked, words)
    return {one.name: one.value for one in found if not one.beside}


def owned(text: str) -> set[tuple[str, str, str]]:
    """Attribute, value and symptom, of a sentence that names symptoms."""
    words = text.split()
    tokens = tokenize(words)
    mentions = load_lexicon().mentions(tokens)
    reader = load_attributes()
    found = reader.read(tokens, (), words, mentions)
    free = reader.free(mentions, found)
    return {
        (one.name, one.value, owner.concept.display)
        for one in found
        for owner in reader.owners(one, tokens, free) or ()
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It started two days ago.", {"onset": "two days ago"}),
        ("I've had it since yesterday.", {"onset": "yesterday"}),
        ("It came on about six months ago.", {"onset": "about six months ago"}),
        ("for the last three weeks", {"duration": "last three weeks"}),
        ("it lasts 1.5 hours", {"duration": "1.5 hours"}),
        ("It's a seven out of ten.", {"severity": "seven out of ten"}),
        ("I'd call it a 7/10.", {"severity": "7/10"}),
        ("a severe, sharp pain", {"severity": "severe", "character": "sharp"}),
        ("on the left", {"side": "left"}),
        ("both knees", {"side": "both knees"}),
        ("it comes and goes", {"frequency": "comes and goes"}),
        ("six or seven times a day", {"frequency": "six or seven times a day"}),
        ("it's getting worse", {"trend": "getting worse"}),
        ("it hasn't got any better", {"trend": "hasn't got any better"}),
        ("it goes down my left arm", {"radiation": "down my left arm"}),
        ("it's worse when I lie down", {"aggravating": "when I lie down"}),
        ("IT GETS WORSE WHEN I LIE DOWN AND", {"aggravating": "when I lie down"}),
        ("moving around makes it worse", {"aggravating": "moving around"}),
        ("Leaning forward helps.", {"relieving": "leaning forward"}),
        ("If I lie down, it helps.", {"relieving": "if I lie down"}),
        ("I took some ibuprofen and it helped", {"relieving": "ibuprofen"}),
        ("It feels like someone sitting on it", {"character": "someone sitting on it"}),
        ("It's like a band.", {"character": "a band"}),
        ("like swallowing razor blades", {"character": "swallowing razor blades"}),
        ("It feels as if I'm wearing a tie", {"character": "I'm wearing a tie"}),
        ("every time I climb the stairs", {"aggravating": "every time I climb the stairs"}),
        ("Just when I blow too hard.", {"aggravating": "when I blow too hard"}),
        ("it eased with paracetamol", {"relieving": "with paracetamol"}),
        ("It's better sitting up.", {"relieving": "sitting up"}),
        ("it started after my operation", {"onset": "after my operation"}),
        ("it's been there since Labor Day", {"onset": "labor day"}),
        ("it's becoming sharper", {"trend": "becoming sharper"}),
        ("It's brown coloured", {"character": "brown coloured"}),
        ("on two occasions", {"frequency": "two occasions"}),
        ("a few streaks in the hanky", {"amount": "a few streaks"}),
        ("right now I feel fine", {}),
        ("Three days.", {}),
        ("", {}),
    ],
)
def test_read(text: str, expected: dict[str, str]) -> None:
    found = read(text)
    assert {name: found.get(name) for name in expected} == expected
    assert expected or not found


@pytest.mark.parametrize(
    "text",
    [
        "It doesn't go anywhere.",
        "It doesn't go down my arm.",
        "Nothing makes it worse.",
        "Ibuprofen doesn't help.",
        "I tried paracetamol but it didn't help",
        "It's not sharp.",
        "It isn't constant.",
        "Can you help me?",
        "I take it to help me sleep",
        "if it gets worse I'll come back",
        "I hope it gets better",
        "at the same time",
        "an hour after lunch",
        "when I press on it",
    ],
)
def test_what_is_denied_or_only_sounds_like_one_is_none(text: str) -> None:
    assert not read(text)


@pytest.mark.parametrize(
    ("text", "asked", "expected"),
    [
        ("Three days.", "duration", {"duration": "three days"}),
        ("Three days.", "onset", {"onset": "three days"}),
        ("Since Monday.", "duration", {"onset": "monday"}),
        ("Suddenly.", "onset", {"onset": "suddenly"}),
        ("About a seven.", "severity", {"severity": "7/10"}),
        ("I'd say a seven or eight", "severity", {"severity": "7-8/10"}),
        ("Down my arm.", "radiation", {"radiation": "down my arm"}),
        ("No, nowhere.", "radiation", {}),
        ("In my lower back.", "location", {"location": "lower back"}),
        ("The left one.", "side", {"side": "left"}),
        ("Leaning forward.", "relieving", {"relieving": "leaning forward"}),
        ("Yes, ibuprofen.", "relieving", {"relieving": "ibuprofen"}),
        ("Not really, no.", "relieving", {}),
        ("No, nothing.", "aggravating", {}),
        ("I don't know.", "aggravating", {}),
        ("Okay, great.", "relieving", {}),
        ("Going upstairs.", "aggravating", {"aggravating": "going upstairs"}),
        ("Worse.", "trend", {"trend": "worse"}),
        ("About the same.", "trend", {"trend": "the same"}),
        ("Twelve.", "severity", {}),
    ],
)
def test_bare_answers_count_after_their_question(
    text: str, asked: str, expected: dict[str, str]
) -> None:
    assert read(text, asked) == expected


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("When did it start?", {"onset"}),
        ("When did your symptoms all start?", {"onset", "all"}),
        ("How long have you had it?", {"duration"}),
        ("On a scale of one to ten, how bad is it?", {"severity"}),
        ("Does it go anywhere else?", {"radiation"}),
        ("Does anything make it worse?", {"aggravating"}),
        ("Does anything make it better?", {"relieving"}),
        ("Does anything make it better or worse?", {"aggravating", "relieving"}),
        ("Is it getting better or worse?", {"trend"}),
        ("Where exactly is the pain?", {"location"}),
        ("Which side is it?", {"side"}),
        ("How often does it happen?", {"frequency"}),
        ("Is it a dry cough or a wet cough?", {"character"}),
        ("Is it there throughout the day?", {"frequency"}),
        ("Can you tell me a bit more about your cough?", {"more"}),
        ("Can you tell me a bit more about your family?", set()),
        ("How long have you been smoking?", set()),
        ("How can I help you?", set()),
        ("Any fever?", set()),
    ],
)
def test_asked(question: str, names: set[str]) -> None:
    assert load_attributes().asked(tokenize(question.split())) == names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "I've had a cough for about three weeks and a fever since Monday",
            {("duration", "about three weeks", "cough"), ("onset", "monday", "fever")},
        ),
        ("nausea and vomiting for two days", {("duration", "two days", "nausea"),
                                              ("duration", "two days", "vomiting")}),
        ("I'm a bit dizzy", {("severity", "a bit", "dizziness")}),
        ("a bit of a headache", {("severity", "a bit", "headache")}),
        (
            "a dry cough and a sharp pain in my chest",
            {("character", "dry", "cough"), ("character", "sharp", "chest pain")},
        ),
        (
            "numbness in my left hand",
            {("location", "left hand", "numbness"), ("side", "left", "numbness")},
        ),
        ("I've lost about 10 pounds", {("amount", "about 10 pounds", "weight loss")}),
        (
            "chest pain when I walk upstairs",
            {("aggravating", "when I walk upstairs", "chest pain")},
        ),
        ("a weird swelling on my elbow", {("location", "elbow", "joint swelling")}),
        ("my ankles have swollen up", {("location", "ankles", "leg swelling")}),
        (
            "stiffness and swelling in my left wrist",
            {
                (name, value, symptom)
                for name, value in (("location", "left wrist"), ("side", "left"))
                for symptom in ("joint stiffness", "joint swelling")
            },
        ),
        ("my skin's quite red", {("severity", "quite", "skin redness")}),
        ("I can't really sleep", set()),
        ("I had a headache on Monday", {("onset", "monday", "headache")}),
        (
            "short of breath going up the stairs",
            {("aggravating", "going up the stairs", "shortness of breath")},
        ),
        (
            "I was sneezing quite a bit all through the week, but that has kind of gone away now",
            {("trend", "gone away", "sneezing")},
        ),
        ("it's been going on for five days now, and I'm having trouble breathing too", set()),
        ("a pain in my stomach", set()),
        ("my neck pain is like a toothache", set()),
        ("I've been taking ibuprofen for three days for the headache", set()),
        ("a headache and a dry mouth", set()),
        ("the pain I had when I was in Spain", set()),
    ],
)  # fmt: skip
def test_owners(text: str, expected: set[tuple[str, str, str]]) -> None:
    assert owned(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "It's like a week.",
        "It's like I've had enough",
        "I have like a question",
        "it's like the thing I said",
        "It's like really a problem",
    ],
)
def test_filler_is_no_comparison_and_an_adjective_no_trend(text: str) -> None:
    assert "character" not in read(text)
    assert "trend" not in read("It gets tight.")


@pytest.mark.parametrize(
    ("text", "value", "follows"),
    [
        ("It's mostly in my lower back.", "lower back", True),
        ("My sister lives at the back", "back", False),
        ("It hurts when I breathe in", "when I breathe in", True),
        ("I work when I travel", "when I travel", False),
        ("It's thick and green.", "green", True),
    ],
)
def test_follows_where_a_pronoun_stands_for_the_symptom(
    text: str, value: str, follows: bool
) -> None:
    words = text.split()
    tokens = tokenize(words)
    reader = load_attributes()
    (found,) = [one for one in reader.read(tokens, (), words) if one.value == value]
    assert reader.follows(found, tokens, ()) == follows


def test_a_clause_about_it_is_of_what_was_talked_about() -> None:
    words = "It's been going on for five days now, and I'm having trouble breathing as well".split()
    tokens = tokenize(words)
    mentions = load_lexicon().mentions(tokens)
    reader = load_attributes()
    (found,) = reader.read(tokens, (), words, mentions)
    assert (found.name, found.value) == ("duration", "five days")
    assert reader.owners(found, tokens, mentions) is None
    assert reader.follows(found, tokens, ())


def test_distance_to_a_mention() -> None:
    found = load_attributes().read(tokenize("a cough and severe chest pain".split()))
    severe = next(one for one in found if one.name == "severity")
    assert severe.distance(1, 1) == 2
    assert severe.distance(4, 5) == 1
    assert severe.distance(0, 5) == 0


@pytest.mark.parametrize(
    ("value", "score"),
    [
        ("seven out of ten", "7"),
        ("7/10", "7"),
        ("7 or 8 out of 10", "7-8"),
        ("7-8/10", "7-8"),
        ("severe, eight out of ten", "8"),
        ("three out of five", ""),
        ("eleven out of ten", ""),
        ("a bit", ""),
    ],
)
def test_severity_score(value: str, score: str) -> None:
    assert severity_score(value) == score


def described(*said: tuple[str, str, bool], visit: date | None = None) -> dict[str, str]:
    description = Description(visit)
    for name, value, weak in said:
        adds = name == "character" or "suddenly" in value
        description.add(Attribute(name, value, 0, 0, adds=adds), weak=weak)
    return description.values()


def test_description_keeps_words_and_adds_standard_forms() -> None:
    visit = date(2026, 3, 10)
    assert described(
        ("duration", "about six weeks", False),
        ("onset", "suddenly", False),
        ("onset", "three days ago", False),
        ("severity", "7/10", False),
        visit=visit,
    ) == {
        "onset": "three days ago, suddenly",
        "onset_date": "2026-03-07",
        "duration": "about six weeks",
        "duration_iso": "P6W",
        "severity": "7/10",
        "severity_score": "7",
    }


def test_without_the_visit_there_is_no_date() -> None:
    assert described(("onset", "three days ago", False)) == {"onset": "three days ago"}


def test_first_value_stays_but_the_latest_trend_and_the_patients_word_count() -> None:
    assert described(
        ("duration", "two days", True),
        ("duration", "three days", False),
        ("duration", "four days", True),
        ("duration", "five days", False),
        ("trend", "worse", False),
        ("trend", "better now", False),
        ("character", "sharp", False),
        ("character", "burning", False),
        ("character", "sharp", False),
    ) == {
        "duration": "three days",
        "duration_iso": "P3D",
        "character": "sharp, burning",
        "trend": "better now",
    }


WORDS = st.sampled_from(
    "it helps worse when i lie down better pain my left arm goes for three days ago since 7/10 "
    "1.5 and but no not makes out of ten a bit really , . ? seven or eight chest cough if".split()
)


@given(st.lists(WORDS, max_size=14), st.sets(st.sampled_from(NAMES), max_size=3))
def test_reading_never_fails_and_stays_within_the_sentence(
    words: list[str], asked: set[str]
) -> None:
    tokens = tokenize(words)
    mentions = load_lexicon().mentions(tokens)
    reader = load_attributes()
    for one in reader.read(tokens, asked, words, mentions):
        assert one.name in NAMES
        assert one.value
        assert 0 <= one.first <= one.last < len(tokens)
        assert {*(reader.owners(one, tokens, mentions) or ())} <= {*mentions}
        reader.follows(one, tokens, asked)
