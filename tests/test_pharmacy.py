"""Names of medicines: brands, everyday words, and what a recogniser makes of them."""

from __future__ import annotations

import csv
import string
from collections import defaultdict
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemed.pharmacy import load_pharmacy
from voicemed.quantities import tokens


def named(text: str) -> list[str]:
    return [name.name for name in load_pharmacy().names(tokens(text.split()))]


def details(text: str) -> dict[str, str]:
    words = tokens(text.split())
    pharmacy = load_pharmacy()
    found: dict[str, str] = {}
    for detail in pharmacy.details(words, pharmacy.names(words)):
        found |= detail.values
    return found


def rows() -> list[dict[str, str]]:
    text = files("voicemed.data").joinpath("drugs.tsv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))


LONG_NAMES = [row["name"] for row in rows() if len(row["name"]) >= 8 and row["name"].isalpha()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the ramipril", ["ramipril"]),
        ("paracetamol and Nurofen", ["acetaminophen", "ibuprofen"]),
        ("Tylenol and Advil", ["acetaminophen", "ibuprofen"]),
        ("CO-CODAMOL", ["acetaminophen and codeine"]),
        ("Frusemide", ["furosemide"]),
        ("water tablets", ["diuretic"]),
        ("my blue inhaler", ["inhaler"]),
        ("I'm on the pill", ["oral contraceptive"]),
        ("blood pressure tablets", ["antihypertensive"]),
        ("a spray for my nose", ["nasal spray"]),
        ("multi vitamins", ["multivitamin"]),
        ("E45", ["emollient"]),
        ("I take iron", ["iron supplement"]),
    ],
)
def test_names(text: str, expected: list[str]) -> None:
    assert named(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "I had to iron my shirt",
        "my iron levels were low",
        "the pill box is empty",
        "it is seasonal",
        "an autoimmune disease",
        "to regain strength",
        "recreational drugs",
        "Hello Yasmin",
        "insulin resistance",
        "the adrenaline was pumping",
        "I ate fish and nuts and an egg",
        "it is vertical",
    ],
)
def test_other_words_are_no_medicines(text: str) -> None:
    assert named(text) == []


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("atorvastatan", "atorvastatin"),
        ("metformine", "metformin"),
        ("lisinipril", "lisinopril"),
        ("lisino pril", "lisinopril"),
        ("levothyroxin", "levothyroxine"),
        ("clarithromicin", "clarithromycin"),
    ],
)
def test_long_names_are_understood_misheard(heard: str, meant: str) -> None:
    assert named(f"I take {heard}") == [meant]


@pytest.mark.parametrize(
    "other", ["cycloserine", "pentobarbital", "dapoxetine", "methylprednisone", "streptomycin"]
)
def test_one_drug_is_not_turned_into_another(other: str) -> None:
    assert named(f"I take {other}") == []


@settings(deadline=None)  # the names load with the first example
@given(st.sampled_from(LONG_NAMES), st.data())
def test_a_slip_of_one_letter_never_gives_another_drug(name: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(1, len(name) - 1))
    letter = data.draw(st.sampled_from(["", *string.ascii_lowercase]))
    assert named(f"{name[:at]}{letter}{name[at + 1 :]}") in ([], [name])


def test_every_drug_is_known_by_its_own_name() -> None:
    for row in rows():
        assert row["name"] in named(f"I take {row['name']}"), row["name"]


def test_no_name_stands_for_two_drugs() -> None:
    drugs: dict[str, set[str]] = defaultdict(set)
    for row in rows():
        for name in [row["name"], *filter(None, row["said"].split("|"))]:
            drugs[name].add(row["name"])
    assert {name: found for name, found in drugs.items() if len(found) > 1} == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metformin 500 twice a day", {"dose": "500", "unit": "mg", "frequency": "2/d"}),
        ("two puffs of my inhaler", {"dose": "2", "unit": "puffs"}),
        ("lisinopril 20 milligrams a day", {"dose": "20", "unit": "mg", "frequency": "1/d"}),
        ("ibuprofen every six to eight hours", {"frequency": "3-4/d"}),
        ("methotrexate once a week", {"frequency": "1/wk"}),
        ("ibuprofen when I need it", {"frequency": "as needed"}),
        ("amlodipine for my blood pressure", {"reason": "blood pressure"}),
        ("ibuprofen for the back pain", {"reason": "back pain"}),
        ("I've been on sertraline since 2019", {"since": "2019"}),
        ("I've been on sertraline for two years", {"since": "for two years"}),
        ("25 micrograms of levothyroxine", {"dose": "25", "unit": "mcg"}),
        ("ibuprofen 200 to 400 milligrams", {"dose": "200-400", "unit": "mg"}),
        ("metformin for 3 days", {}),
        ("metformin 37", {}),
        ("took ibuprofen 3 times", {}),
    ],
)
def test_details(text: str, expected: dict[str, str]) -> None:
    found = details(text)
    assert {key: found[key] for key in found if key != "route"} == expected
