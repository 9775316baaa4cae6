"""Dialogue: pure policy. Is the assistant addressed, and what does it say?

It answers from the encounter and only from it: what was found, with the status that was found.
What it cannot answer it says so; it never guesses and never gives advice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from voicemed.assertion import Experiencer, Status
from voicemed.encounter import Encounter
from voicemed.findings import Finding
from voicemed.lexicon import Concept, load_lexicon, tokenize


@dataclass(frozen=True, slots=True)
class Reply:
    """What the assistant says."""

    text: str
    "To be spoken; empty for stop."
    kind: Literal["answer", "unknown", "repeat", "stop"]
    "unknown: it could not answer, and says so."


# --- is the assistant addressed? -----------------------------------------------------------------

_CALL = r"(?:hey|hi|ok|okay|please)"
_OPENING = rf"(?:(?:{_CALL}|so|and|now|well|um|uh|right|alright)[,\s]+)*"
_SPOKEN_OF = (
    r"(?:will|would|said|says|told|called|came|who|that|and|or|from|at|of|to|for|in|with|by|on"
    r"|doctor|nurses?|professor|manager|physicians?)"
)
"Words after which 'assistant' is a person spoken of, even at the start of a sentence."


def request_of(text: str, wake_word: str) -> str | None:
    """The request, if a turn addresses the assistant; None if it does not.

    The wake word counts at the start of the turn or of a sentence in it, and after hey, okay or
    please; not inside ordinary speech ("my assistant will call you"). At the start of the turn a
    form that Whisper writes instead ("Assistance,", "assistants") counts too, where a comma or the
    like follows. An empty request means that only the wake word was said: the next utterance is
    the request.
    """
    addressed = _address(text, wake_word)
    return addressed["request"].strip() if addressed else None


def addressed_at(text: str, wake_word: str) -> int | None:
    """Where in the text (in characters) `request_of` found the assistant addressed."""
    addressed = _address(text, wake_word)
    if addressed is None:
        return None
    return len(text) - len(text[addressed.start() :].lstrip(" .!?…"))


def _address(text: str, wake_word: str) -> re.Match[str] | None:
    wake = r"\s+".join(map(re.escape, wake_word.split()))
    if not wake:
        return None
    misheard = rf"{wake[:-1]}\w{{0,3}}(?=\s*(?:[,.:!?…]|$))"
    return re.search(
        rf"(?:^\s*{_OPENING}{misheard}"
        rf"|(?:^|[.!?…])\s*{_OPENING}{wake}\b|\b{_CALL}[,\s]+{wake}\b)"
        rf"(?!['’-]\w|\s+{_SPOKEN_OF}\b)(?:[\s,.:;!?…—-]+{wake}\b)*[\s,.:;!?…—-]*(?P<request>.*)",
        text,
        re.IGNORECASE | re.DOTALL,
    )


# --- the answer ----------------------------------------------------------------------------------

_ABILITIES = "I can read back the symptoms, or say whether one was mentioned and since when."
_POLITE = r"(?: (?:please|now|thanks|thank you|again))*"
_ASKED = r"(?:(?:please|can you|could you|would you|and|so) )*"
_STOP = re.compile(
    rf"{_ASKED}(?:stop|quiet|be quiet|shut up|silence|cancel|enough|that s enough|never mind)"
    rf"(?: (?:it|that|talking|speaking|reading))?{_POLITE}"
)
_REPEAT = re.compile(
    rf"{_ASKED}(?:repeat|repeat (?:that|it|yourself|your answer)"
    r"|say (?:that|it) (?:again|once more)|again|once more|come again|pardon"
    rf"|what did you (?:just )?say){_POLITE}"
)
_WHO = r"(?:she|he|they|we|you|the patient)"
_TAIL = (
    rf"(?: (?:so far|until now|today|back|aloud|to me|up|are there|is there|{_WHO}|of the patient"
    r"|do|does|did|has|have|had|got|been|mention(?:ed)?|report(?:ed)?|noted|found|heard|for me))*"
)
_ALL = re.compile(
    rf"{_ASKED}(?:"
    rf"(?:read|list|tell|give|say|show|repeat|summari[sz]e|what|which|go over|run through)"
    r"(?: (?:back|me|us|out|all|of|are|is|were|s|re|the|her|his|their|patient s|any))*"
    rf" (?:symptoms?|complaints?|findings?|list|summary){_TAIL}"
    rf"|(?:summari[sz]e|recap|summary|symptoms|findings|read (?:it|them|that) back|read back)"
    rf"|what (?:does|did|has|is) {_WHO} "
    rf"(?:have|got|say|complain(?:ing|ed)? (?:of|about)|report(?:ed)?|mention(?:ed)?)(?: so far)?"
    rf"){_POLITE}"
)
_WHAT = r"(?:what|which|anything|list|tell me|read)\b.*"
_GROUP_WORDS = {
    "present": r"(?:present|current)",
    "denied": r"(?:den(?:y|ies|ied|ying)|absent|negatives?|ruled out)",
    "uncertain": r"(?:uncertain|unsure|unclear|not sure)",
    "past": r"(?:in the past|past)",
}
_GROUPS = {
    name: re.compile(rf"{_ASKED}{_WHAT}\b{words}\b(?: (?:symptoms?|findings?))?{_TAIL}{_POLITE}")
    for name, words in _GROUP_WORDS.items()
}
_SINCE_WHEN = re.compile(
    r"\b(?:how long|since when|when|how many (?:hours|days|weeks|months|years))\b"
)
_STATUS_QUESTION = re.compile(
    rf"{_ASKED}(?:(?:did|does|do|has|have|had|is|are|was|were)\b|any\b|what about|how about"
    r"|(?:tell me|say|check) (?:if|whether))"
)
_MENTIONED = re.compile(
    rf"{_ASKED}(?:(?:did|does|do|has|have|had|is|are|was|were) (?:{_WHO}|there|it) )?"
    r"(?:(?:mention(?:ed)?|report(?:ed)?|ha(?:ve|d|s)|having|got|get|complain(?:ed)? of"
    r"|experienc\w+|say|describe[sd]?|any|about|what about|how about|feel(?:ing)?)\b)+"
)
_OUTSIDE = re.compile(
    r"\b(?:should|shall|could|would|might|may|why|caus\w+|treat\w*|prescri\w+|recommend\w*|advi[cs]e"
    r"|give|giving|dos(?:e|es|age)|safe|danger\w*|serious|mean\w*|need\w*|diagnos\w+|tests?|order"
    r"|medic\w+|drugs?|antibiotics?|manage\w*|normal|worr\w+|if i|likely|risk\w*|due to|because"
    r"|help\w*|refer\w*|x ray|next|best|probab\w+|related|get (?:worse|better))\b"
)
"Questions for judgement or advice, which the encounter cannot answer."


def respond(request: str, encounter: Encounter, last_reply: str = "") -> Reply:
    """The reply to a request (`request_of`); `last_reply` is what "repeat that" repeats."""
    said = " ".join(re.findall(r"\w+", request.lower()))
    if _STOP.fullmatch(said):
        return Reply("", "stop")
    if _REPEAT.fullmatch(said):
        return Reply(last_reply or "I have not said anything yet.", "repeat")
    for name, group in _GROUPS.items():
        if group.fullmatch(said):
            return Reply(_read_back(encounter.findings, only=name), "answer")
    if _ALL.fullmatch(said):
        return Reply(_read_back(encounter.findings), "answer")

    asked = _concepts_in(request)
    if not asked or _OUTSIDE.search(said):
        return Reply(_cannot(said), "unknown")
    if _SINCE_WHEN.search(said):
        answers = [_since_when(concept, encounter.findings) for concept in asked]
    elif _STATUS_QUESTION.match(said) or _is_bare(said):
        answers = [_status(concept, encounter.findings) for concept in asked]
    else:
        return Reply(_cannot(said), "unknown")
    plain = len(asked) == 1 and _MENTIONED.match(said) and _ends_with(said, asked[0])
    negated = re.search(r"\b(?:no|not|never|without)\b", said)  # "yes" would be open to both
    if plain and not negated and answers[0].startswith(_PRESENT):
        answers[0] = f"Yes: {answers[0].removeprefix(_PRESENT)}"
    return Reply(" ".join(answers), "answer")


def _concepts_in(text: str) -> tuple[Concept, ...]:
    """The symptoms that a question names, in order of mention."""
    mentions = load_lexicon().mentions(tokenize(text.split()))
    return tuple(dict.fromkeys(mention.concept for mention in mentions))


def _is_bare(said: str) -> bool:
    """ "Fever?" or "fever and chills": nothing asked but the symptom itself."""
    return len(said.split()) <= 4 and not re.match(r"(?:what|who|where|how)\b", said)


def _ends_with(said: str, concept: Concept) -> bool:
    """Whether nothing follows the symptom that would narrow the question ("… as a child")."""
    bare = re.sub(r"(?: (?:at all|so far|today|now|please|yet|then))+$", "", said)
    without_last = bare.rsplit(" ", 1)[0] if " " in bare else ""
    return concept not in _concepts_in(without_last)


def _cannot(said: str) -> str:
    if _MENTIONED.match(said) and not _OUTSIDE.search(said) and not _concepts_in(said):
        return f"I don't know that symptom by name. {_ABILITIES}"
    if _SINCE_WHEN.search(said) and not _OUTSIDE.search(said):
        return "Which symptom? Please ask again with its name."
    return f"I can't answer that. {_ABILITIES}"


# --- what the encounter says ---------------------------------------------------------------------

_PRESENT = "Present: "
_TITLES = {
    "present": "Present",
    "denied": "Denied",
    "uncertain": "Uncertain",
    "past": "In the past",
    "possible": "Only as a possibility",
    "other": "Of somebody else",
}
_GROUP_OF = {
    Status.PRESENT: "present",
    Status.ABSENT: "denied",
    Status.UNCERTAIN: "uncertain",
    Status.PAST: "past",
    Status.HYPOTHETICAL: "possible",
}


def _group(finding: Finding) -> str:
    if finding.assertion.experiencer is Experiencer.OTHER:
        return "other"
    return _GROUP_OF[finding.assertion.status]


def _read_back(findings: Iterable[Finding], only: str = "") -> str:
    """All findings, grouped by status; or one group."""
    groups: dict[str, list[str]] = {}
    for finding in findings:
        groups.setdefault(_group(finding), []).append(_described(finding))
    if only:
        groups = {only: groups.get(only, ["nothing so far"])}
    if not groups:
        return "No symptoms so far."
    return " ".join(
        f"{title}: {'; '.join(groups[name])}." for name, title in _TITLES.items() if name in groups
    )


def _status(concept: Concept, findings: Iterable[Finding]) -> str:
    """What was found of one symptom, the patient's own first."""
    found = [finding for finding in findings if _is_kind_of(finding.concept, concept)]
    if not found:
        return f"Not mentioned: {concept.display}."
    return _read_back(found)


def _since_when(concept: Concept, findings: Iterable[Finding]) -> str:
    found = [finding for finding in findings if _is_kind_of(finding.concept, concept)]
    present = [finding for finding in found if _group(finding) == "present"]
    if not present:
        return _status(concept, found)
    return " ".join(
        f"{_described(finding)[:1].upper()}{_described(finding)[1:]}."
        if _since(finding)
        else f"Not said since when: {finding.concept.display} is present."
        for finding in present
    )


def _is_kind_of(found: Concept, asked: Concept) -> bool:
    """Chest pain and headache are pain; nothing else stands for another symptom."""
    if asked.display == "pain":
        return found == asked or found.display.endswith((" pain", "ache"))
    return found == asked


def _described(finding: Finding) -> str:
    """ "headache, since yesterday, severe": the name, with the attributes of a present symptom."""
    if _group(finding) != "present":
        return finding.concept.display
    details = [_since(finding), finding.attributes.get("severity", "")]
    return ", ".join(filter(None, [finding.concept.display, *details]))


def _since(finding: Finding) -> str:
    """ "since yesterday", "started three days ago" or "for two weeks"; empty if it was not said."""
    onset = finding.attributes.get("onset", "").strip(" .,;")
    duration = finding.attributes.get("duration", "").strip(" .,;")
    if onset.startswith("since"):
        return onset
    if onset:
        vague = re.search(r"\bago\b|\bback$|^(?:when|at|in|on|after|during|ever|just)\b", onset)
        return f"started {onset}" if vague else f"since {onset}"
    if duration.startswith(("last", "past")):
        return f"for the {duration}"
    if duration:
        return duration if duration.startswith("for ") else f"for {duration}"
    return ""
