"""Which symptom a general word means: 'the pain' is the one that the conversation is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from voicemed.assertion import Sentence, Status
from voicemed.history import GENERIC, Evidence, History
from voicemed.lexicon import Concept, Kind, Lexicon, Mention, tokenize

_SWELLS: Mapping[str, str] = MappingProxyType(
    {
        f"{place} pain": "joint swelling"
        for place in ("knee", "elbow", "wrist", "hip", "shoulder", "ankle", "joint")
    }
    | {"leg pain": "leg swelling"}
)
"""What 'swelling' without a place means while the talk is of a pain in a place."""

_IN_PART: Mapping[str, str] = MappingProxyType(
    {"generalized weakness": "limb weakness", "excessive sweating": "night sweats"}
)
"""Of what 'no weakness' is said after a question for the other: 'any weakness in your arms?'"""

_BARE = frozenset({"pain", "swelling", "lump"})
"""Symptoms that nobody has without a place, so that the name alone tells less than another one."""


class Referents:
    """Resolves the general words of a sentence against what is known and asked."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon

    def resolve(
        self,
        mention: Mention,
        histories: Iterable[History],
        topic: History | None,
        asked: Sequence[Concept],
        *,
        denied: bool = False,
    ) -> Concept:
        """The concept meant by a mention; `asked`: what a question that is open names."""
        part = _IN_PART.get(mention.concept.display)
        if denied and len(mention.tokens) == 1:
            for concept in asked:
                if concept.display == part:
                    return concept
        endings = GENERIC.get(mention.concept.display)
        if endings is None or len(mention.tokens) > 1:
            return mention.concept
        known = [
            history
            for history in histories
            if history.status is Status.PRESENT and history.concept.display.endswith(endings)
        ]
        named = [concept for concept in asked if concept.display.endswith(endings)]
        if named and denied:
            return named[-1]
        if topic is not None and topic in known:
            return topic.concept
        candidates = named or [history.concept for history in known]
        if candidates:
            return candidates[-1]
        pain = topic.concept.display if topic is not None else ""
        if mention.concept.display == "swelling" and pain in _SWELLS:
            return self._lexicon.concepts[_SWELLS[pain]]
        return mention.concept

    def placed(self, sentence: Sentence) -> list[Mention]:
        """'In my lower back.' after 'where does it hurt?': what the place says is painful."""
        pain, where = tokenize(["pain", "in"])
        shift = 2
        found = self._lexicon.mentions([pain, where, *sentence.tokens])
        return [
            replace(mention, tokens=tuple(at - shift for at in mention.tokens if at >= shift))
            for mention in found
            if mention.first == 0 and mention.last >= shift and mention.kind is Kind.SYMPTOM
            if mention.concept.display.endswith(GENERIC["pain"])
        ]


def is_told_better(history: History, histories: Iterable[History]) -> bool:
    """Whether it is only the general word for what is known by its place.

    A pain that the patient has is one of those with a place, if there are any; and "no pain" said
    beside one that they have was said of a moment or of another place.
    """
    endings = GENERIC.get(history.concept.display, ())
    if history.concept.display not in _BARE or not all(map(_is_bare, history.evidence)):
        return False
    return any(
        other.status is Status.PRESENT and other.experiencer is history.experiencer
        for other in histories
        if other.concept.display.endswith(endings)
    )


def _is_bare(evidence: Evidence) -> bool:
    """Whether the name is one word or two, so that it holds no place: 'my hand is swollen'."""
    named = evidence.spans[0]
    return named.last - named.first <= 1
