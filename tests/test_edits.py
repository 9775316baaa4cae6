"""Corrections: words keep their times, evidence follows them."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
import sample_store
from hypothesis import given
from hypothesis import strategies as st

from voicemed import edits
from voicemed.assertion import Status
from voicemed.encounter import Edit
from voicemed.errors import StoreError
from voicemed.transcript import Span, Turn

CONTENT = edits.Content(
    (sample_store.turn(1), sample_store.turn(2)), (sample_store.finding(1),), ""
)


def edit(what: str, after: str) -> Edit:
    return Edit(datetime.now(UTC), "me", what, edits.value(CONTENT, what), after)


def evidence(content: edits.Content) -> list[str]:
    turns = {turn.id: turn for turn in content.turns}
    return [
        "".join(word.text for word in turns[span.turn].words[span.first : span.last + 1]).strip()
        for span in content.findings[0].evidence
    ]


def test_a_turn_is_reworded_and_its_evidence_follows() -> None:
    assert evidence(CONTENT) == ["cough"]
    changed = edits.applied(
        CONTENT, [edit("turn 1 text", "For three days I have had a dry cough.")]
    )
    turn = changed.turns[0]
    assert turn.text == "For three days I have had a dry cough."
    assert [one.text for one in changed.turns[1:]] == [CONTENT.turns[1].text]
    assert evidence(changed)[0].startswith(("cough", "dry cough"))
    before = {word.text: word for word in CONTENT.turns[0].words}
    kept = [word for word in turn.words if word.text == " have"]
    assert kept == [before[" have"]]


def test_evidence_that_is_corrected_away_is_none() -> None:
    changed = edits.applied(CONTENT, [edit("turn 1 text", "I have had a for three days.")])
    assert changed.findings[0].evidence == ()
    assert edits.applied(CONTENT, [edit("turn 1 text", "")]).turns[0].words == ()


words = st.lists(st.sampled_from("I have had a cough for three days no rash".split()), max_size=9)


@given(words, words)
def test_times_stay_in_order_and_places_within(before: list[str], after: list[str]) -> None:
    turn = sample_store.turn(1, " ".join(before))
    new, places = edits.reworded(turn, " ".join(after))
    assert new.text == " ".join(after)
    assert len(places) == len(turn.words)
    assert all(0 <= first <= end <= len(new.words) for first, end in places)
    assert all(word.start <= word.end for word in new.words)
    assert all(one.start <= other.start for one, other in pairwise(new.words))


def test_speaker_status_and_note_are_corrected() -> None:
    changed = edits.applied(
        CONTENT,
        [
            edit("turn 2 speaker", "doctor"),
            edit("finding 1 status", "absent"),
            edit("note", "# New"),
        ],
    )
    assert changed.turns[1].speaker == "doctor"
    assert changed.note == "# New"
    finding = changed.findings[0]
    assert finding.assertion.status is Status.ABSENT
    assert finding.confidence == 1.0
    assert [one.status for one in finding.history] == [Status.PRESENT, Status.ABSENT]


@pytest.mark.parametrize("what", ["turn 3 text", "turn 0 speaker", "finding 2 status",
                                  "finding 0 status"])  # fmt: skip
def test_what_is_not_there_is_refused(what: str) -> None:
    with pytest.raises(StoreError, match="none of that number"):
        edits.value(CONTENT, what)


def test_findings_lose_evidence_that_is_not_there() -> None:
    finding = sample_store.finding(1)
    turns = [Turn(1, "", CONTENT.turns[0].words[:4])]
    assert edits.within([finding], CONTENT.turns) == (finding,)
    assert edits.within([finding], turns)[0].evidence == ()
    assert edits.within([sample_store.finding(9)], turns)[0].evidence == ()
    assert finding.evidence == (Span(1, 4, 4),)
