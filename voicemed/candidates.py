"""What was said of each symptom, in the form that the classifier judges."""

from __future__ import annotations

from collections.abc import Sequence

from voicemed.assertion import Experiencer
from voicemed.classifier import Candidate, Piece
from voicemed.history import Evidence, History
from voicemed.lexicon import Concept


def candidate(concept: Concept, histories: Sequence[History]) -> Candidate:
    """What was said of a symptom, of the patient and of others."""
    decisive: Piece | None = None
    pieces: list[Piece] = []
    for history in histories:
        other = "other" if history.experiencer is Experiencer.OTHER else ""
        current = history.decisive if not other else None
        for one in history.evidence:
            piece = _piece(one, other or one.assertion.status.value)
            pieces.append(piece)
            if one is current:
                decisive = piece
        pieces += [_piece(one, other or "asked") for one in history.unanswered]
    return Candidate(concept, tuple(pieces), decisive)


def _piece(evidence: Evidence, status: str) -> Piece:
    return Piece(
        status, evidence.strength.name.lower(), evidence.signs, evidence.text, evidence.spans
    )
