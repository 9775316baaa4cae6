"""Dialogue: pure policy. Is the assistant addressed, and what does it say?

It answers from the encounter and only from it: what was found, with the status that was found.
What it cannot answer it says so; it never guesses and never gives advice.
"""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from voicemed.assertion import Experiencer, Status
from voicemed.encounter import Encounter
from voicemed.findings import Finding, FindingKind
from voicemed.lexicon import Concept, Match, PhraseMatcher, load_lexicon, tokenize
from voicemed.measurements import load_catalogue
from voicemed.transcript import Turn


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


# --- consent -------------------------------------------------------------------------------------

_PERSON = (
    r"(?:(?:please|now|note|record|write down|for the record|that) )*"
    r"(?P<who>(?:the )?patient|she|he|they|(?:(?:the|her|his|their) )?(?:mother|father|parents?"
    r"|wife|husband|partner|daughter|son|carer|relative|guardian))(?: (?:has|have|had|also|now))*"
)
_VISIT = r"(?:(?:the|this|our|my|a) )?(?:consultation|conversation|session|visit)"
_TO_IT = (
    rf"(?:to|with) (?:{_VISIT} |(?:the|this|our|a) )?(?:(?:be|being) )?record(?:ing|ed)"
    rf"(?: (?:of )?{_VISIT})?"
)
_AGREED = (
    r"(?:agree[sd]?|consent(?:s|ed)?|(?:gives?|gave|given) (?:(?:her|his|their) )?"
    r"(?:consent|permission|agreement))"
)
_NOT = r"(?:does not|doesn t|do not|don t|did not|didn t|not|no longer)"
_AGREES = re.compile(rf"{_PERSON} {_AGREED} {_TO_IT}")
_REFUSES = re.compile(
    rf"{_PERSON} (?:(?:{_NOT} (?:{_AGREED}|wants?)|refuse[sd]?|decline[sd]?|object(?:s|ed)?)"
    rf" {_TO_IT}"
    rf"|(?:withdraws?|withdrew|withdrawn) (?:(?:her|his|their|the) )?(?:consent|permission"
    rf"|agreement)(?: {_TO_IT})?)"
)


def consent_in(request: str) -> tuple[bool, str] | None:
    """Whether a request states that recording is agreed to or refused, and by whom.

    By the patient, a relative or a guardian; None if it says nothing of that.
    """
    said = " ".join(re.findall(r"\w+", request.lower()))
    agrees, refuses = _AGREES.fullmatch(said), _REFUSES.fullmatch(said)
    stated = agrees or refuses
    if stated is None:
        return None
    if "guardian" in stated["who"]:
        return agrees is not None, "guardian"
    patient = re.fullmatch(r"(?:the )?patient|she|he|they", stated["who"])
    return agrees is not None, "patient" if patient else "relative"


# --- the answer ----------------------------------------------------------------------------------

_ABILITIES = (
    "I can read back the symptoms, medications, allergies and measurements, or say whether one was "
    "mentioned."
)
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
_MEDICATION = r"(?:medications?|medicines?|meds|drugs|tablets|pills|medication list)"
_TAKES = rf"(?: (?:is|are|does|do|did|has|was|s|{_WHO}|on|taking|takes?|taken|using|use|been))*"
_MEDICATIONS = re.compile(
    rf"{_ASKED}(?:(?:(?:what|which|any|list|read|tell|give|show|repeat|go over|run through)"
    r"(?: (?:back|me|us|out|all|of|are|is|were|s|re|the|her|his|their|patient s|any|other|current"
    rf"|regular|about))* )?{_MEDICATION}{_TAKES}{_TAIL}"
    rf"|(?:is|are|does|do|did|has|have) {_WHO}(?: (?:on|taking|take|have|use|using|been|mention"
    rf"|mentioned|any|other|regular|current))* {_MEDICATION}(?: currently| now)?{_TAIL}"
    rf"|what (?:is|s|does|are|do) {_WHO} (?:on|taking|take)(?: currently| now)?){_POLITE}"
)
_ALLERGY = r"(?:(?:known|drug|food|medication|other) )*allerg(?:y|ies)"
_ALLERGIES = re.compile(
    rf"{_ASKED}(?:(?:(?:what|which|any|list|read|tell|give|show|repeat)"
    r"(?: (?:back|me|us|out|all|of|are|is|were|s|re|the|her|his|their|patient s|any|about))* )?"
    rf"{_ALLERGY}{_TAIL}"
    rf"|(?:does|do|did|has|have) {_WHO}(?: (?:have|has|had|got|mention|mentioned|report|any))*"
    rf" {_ALLERGY}{_TAIL}"
    rf"|(?:is|are|was) {_WHO} allergic(?: to (?:anything|something|any (?:drugs?|medications?)))?"
    rf"|what (?:is|s|are|was) {_WHO} allergic to){_POLITE}"
)
_SUBSTANCES = r"(?:the |a |any )?SUBSTANCE(?:(?: (?:and|or))? (?:the |a |any )?SUBSTANCE)*"
_ALLERGIC_TO = re.compile(
    rf"{_ASKED}(?:(?:is|are|was) {_WHO} (?:allergic|intolerant|sensitive) to {_SUBSTANCES}"
    rf"|(?:(?:does|do|did|has|have) {_WHO}(?: (?:have|has|had|got|mention|mentioned|report|any"
    rf"|an?))*|any|what about|how about)(?: the| her| his)? {_ALLERGY} to {_SUBSTANCES}"
    rf"|SUBSTANCE {_ALLERGY}){_TAIL}{_POLITE}"
)
_ABOUT_SUBSTANCES = re.compile(
    rf"{_ASKED}(?:(?:(?:did|does|do|has|have|had|is|are|was|were) {_WHO}"
    rf"|(?:tell me|say|check) (?:if|whether) {_WHO}|any|what about|how about|was there|is there)"
    r"(?: (?:mention(?:ed|s)?|report(?:ed)?|sa(?:y|id)|take[ns]?|taking|took|us(?:ed?|ing)|on"
    r"|ha[sd]|have|got?|been|ever|still|currently|now|also|some|her|his|their|about|prescribed|given))*"
    rf" )?{_SUBSTANCES}{_TAIL}{_POLITE}"
)
_DOSE = re.compile(
    rf"{_ASKED}(?:(?:what|which)(?: (?:is|was|s))?(?: (?:the|her|his|their))?"
    r"(?: SUBSTANCE)? (?:dose|dosage|strength)(?: of)?(?: (?:the|her|his|their))?(?: SUBSTANCE)?"
    r"|how (?:much|often|many)(?: times)?(?: of)?(?: the)?(?: SUBSTANCE)?)"
    rf" (?:is|does|do|did|was) {_WHO} (?:on|tak(?:e|ing)|us(?:e|ing))(?: the)?(?: SUBSTANCE)?"
    rf"{_POLITE}"
)
_MEASUREMENTS = re.compile(
    rf"{_ASKED}(?:(?:what|which|any|list|read|tell|give|show|repeat)?"
    r"(?: (?:back|me|us|out|all|of|are|is|were|s|re|the|her|his|their|patient s|any|about))* )?"
    rf"(?:vitals?|vital signs|measurements|observations){_TAIL}{_POLITE}"
)
_VALUE = re.compile(
    rf"{_ASKED}(?:what|how)(?: (?:is|was|were|are|s|much|high|does|did|the|her|his|their|patient s"
    rf"|last|latest|current|{_WHO}))* MEASURE(?: and(?: the| her| his)? MEASURE)*"
    rf"(?: (?:like|reading|value|level))?{_TAIL}{_POLITE}"
)
_ABOUT_MEASURE = re.compile(
    rf"{_ASKED}(?:(?:(?:did|does|do|has|have|was|is) (?:{_WHO}|there)|any|what about|how about)"
    r"(?: (?:mention(?:ed)?|sa(?:y|id)|measured?|ta(?:ke|ken)|checked?|have|got|a|any|the|her|his"
    rf"|their|about))* )?MEASURE(?: (?:reading|value|level)s?)?{_TAIL}{_POLITE}"
)
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
    symptoms = _of(FindingKind.SYMPTOM, encounter)
    for name, group in _GROUPS.items():
        if group.fullmatch(said):
            return Reply(_read_back(symptoms, only=name), "answer")
    if _ALL.fullmatch(said):
        only_symptoms = re.search(r"symptom|complain", said)
        return Reply(_read_back(symptoms) if only_symptoms else _summary(encounter), "answer")
    if answer := _of_substances(said, encounter) or _of_measurements(said, encounter):
        return Reply(answer, "answer")

    asked = _concepts_in(request)
    if not asked or _OUTSIDE.search(said):
        return Reply(_cannot(said), "unknown")
    if _SINCE_WHEN.search(said):
        answers = [_since_when(concept, symptoms) for concept in asked]
    elif _STATUS_QUESTION.match(said) or _is_bare(said):
        answers = [_status(concept, symptoms) for concept in asked]
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


# --- medications, allergies, measurements --------------------------------------------------------


@cache
def _spoken_of() -> Mapping[str, Any]:
    text = files("voicemed.data").joinpath("medications.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def _substances() -> PhraseMatcher[str]:
    """Drugs, kinds of drugs and allergens by the names that people say."""
    drugs = csv.DictReader(
        files("voicemed.data").joinpath("drugs.tsv").read_text(encoding="utf-8").splitlines(),
        delimiter="\t",
        quoting=csv.QUOTE_NONE,
    )
    said = [(row["name"], [row["name"], *(row["said"] or "").split("|")]) for row in drugs]
    said += [*_spoken_of()["groups"].items(), *_spoken_of()["allergens"].items()]
    patterns = ((name, form) for name, forms in said for form in forms if form and "," not in form)
    return PhraseMatcher(patterns, _spoken_of()["lists"])


def _replaced(said: str, matches: Iterable[Match[str]], by: str) -> tuple[str, tuple[str, ...]]:
    """The question with a placeholder for each name, the longest ones first; and these names."""
    words = said.split()
    taken: dict[int, str] = {}
    for match in sorted(matches, key=lambda match: -match.weight):
        if match.label and taken.keys().isdisjoint(match.tokens):
            taken |= dict.fromkeys(match.tokens, match.label)
    places = [token.word for token in tokenize(words)]
    names = {places[at]: name for at, name in sorted(taken.items())}
    text = " ".join(by if at in names else word for at, word in enumerate(words))
    return re.sub(rf"{by}(?: {by})+", by, text), tuple(dict.fromkeys(names.values()))


def _of_substances(said: str, encounter: Encounter) -> str:
    """The answer to a question about medications or allergies; empty if it is none."""
    medications = _of(FindingKind.MEDICATION, encounter)
    allergies = _of(FindingKind.ALLERGY, encounter)
    if _MEDICATIONS.fullmatch(said):
        return _read_back(medications, _TAKEN) if medications else "Not mentioned: medications."
    if _ALLERGIES.fullmatch(said):
        return _read_back(allergies, _ALLERGIC) if allergies else "Not mentioned: allergies."
    found = _substances().find(tokenize(said.split()))
    question, names = _replaced(said, found, "SUBSTANCE")
    if not names:
        return ""
    if _ALLERGIC_TO.fullmatch(question):
        return _allergy_to(names, allergies)
    if _ABOUT_SUBSTANCES.fullmatch(question) or _DOSE.fullmatch(question):
        return " ".join(_substance(name, encounter) for name in names)
    return ""


def _allergy_to(names: Sequence[str], allergies: Sequence[Finding]) -> str:
    """What was found of these allergies; where one was not mentioned, all others too."""
    missing = [name for name in names if not _named(name, allergies)]
    if not missing:
        named = [one for one in allergies if any(_named(name, [one]) for name in names)]
        return _read_back(named, _ALLERGIC)
    answer = f"Not mentioned: allergy to {' or '.join(missing)}."
    return f"{answer} {_read_back(allergies, _ALLERGIC)}" if allergies else answer


def _substance(name: str, encounter: Encounter) -> str:
    """What was found of a substance as a medication and as what causes an allergy."""
    kinds = (FindingKind.MEDICATION, FindingKind.ALLERGY)
    found = [(_of(kind, encounter), _TITLES_OF[kind]) for kind in kinds]
    told = [_read_back(of, titles) for all_, titles in found if (of := _named(name, all_))]
    if told:
        return " ".join(told)
    if _is_said(name, encounter.turns):
        return f"Spoken of, but nothing noted: {name}."
    if name in _spoken_of()["groups"]:  # whether a drug is of that kind is for the doctor to say
        told = [_read_back(all_, titles) for all_, titles in found if all_]
        return " ".join([f"Not mentioned by that name: {name}.", *told])
    told = [_read_back(of, titles) for all_, titles in found if (of := _denied(all_))]
    return " ".join([f"Not mentioned: {name}.", *told])


def _denied(findings: Iterable[Finding]) -> list[Finding]:
    """What is denied as a whole: 'no medications', 'no known allergies'."""
    whole = ("medication", "allergy", "drug allergy")
    return [one for one in findings if one.concept.display in whole and _group(one) == "denied"]


def _is_said(substance: str, turns: Iterable[Turn]) -> bool:
    """Whether somebody names it, other than to the assistant."""
    return any(
        match.label == substance
        for turn in turns
        if not turn.to_assistant
        for match in _substances().find(tokenize(word.text for word in turn.words))
    )


def _of_measurements(said: str, encounter: Encounter) -> str:
    """The answer to a question about measurements; empty if it is none."""
    measured = _of(FindingKind.MEASUREMENT, encounter)
    if _MEASUREMENTS.fullmatch(said):
        return _read_back(measured, _MEASURED) if measured else "Not mentioned: measurements."
    found = load_catalogue().names(tokenize(said.split()))
    question, names = _replaced(said, found, "MEASURE")
    about = _ABOUT_MEASURE.fullmatch(question) and not _concepts_in(said)  # "a temperature": fever
    if not names or not (_VALUE.fullmatch(question) or about):
        return ""
    return " ".join(
        _read_back(named, _MEASURED)
        if (named := [one for one in measured if one.concept.display == name])
        else f"Not mentioned: {name}."
        for name in names
    )


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
_TAKEN = _TITLES | {
    "present": "Taking",
    "denied": "Not taking",
    "past": "Taken in the past",
    "other": "Taken by somebody else",
}
_ALLERGIC = _TITLES | {"present": "Allergic to"}
_MEASURED = _TITLES | {"present": "Measured"}
_TITLES_OF = {
    FindingKind.SYMPTOM: _TITLES,
    FindingKind.MEDICATION: _TAKEN,
    FindingKind.ALLERGY: _ALLERGIC,
    FindingKind.MEASUREMENT: _MEASURED,
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


def _of(kind: FindingKind, encounter: Encounter) -> list[Finding]:
    return [finding for finding in encounter.findings if finding.kind is kind]


def _named(substance: str, findings: Iterable[Finding]) -> list[Finding]:
    """The findings about a substance, by their own name or as a part of it."""
    return [
        finding
        for finding in findings
        if finding.concept.display.casefold() == substance.casefold()
        or any(
            match.label == substance
            for match in _substances().find(tokenize(finding.concept.display.split()))
        )
    ]


def _read_back(
    findings: Iterable[Finding], titles: Mapping[str, str] = _TITLES, only: str = ""
) -> str:
    """All findings, grouped by status; or one group."""
    groups: dict[str, list[str]] = {}
    for finding in findings:
        groups.setdefault(_group(finding), []).append(_described(finding))
    if only:
        groups = {only: groups.get(only, ["nothing so far"])}
    if not groups:
        return "No symptoms so far."
    return " ".join(
        f"{title}: {'; '.join(groups[name])}." for name, title in titles.items() if name in groups
    )


def _summary(encounter: Encounter) -> str:
    """Findings of every kind, the symptoms first."""

    def parts() -> Iterator[str]:
        for kind in FindingKind:
            found = _of(kind, encounter)
            if found or kind is FindingKind.SYMPTOM:
                yield _read_back(found, _TITLES_OF[kind])

    return " ".join(parts())


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
        if finding.since
        else f"Not said since when: {finding.concept.display} is present."
        for finding in present
    )


def _is_kind_of(found: Concept, asked: Concept) -> bool:
    """Chest pain and headache are pain; nothing else stands for another symptom."""
    if asked.display == "pain":
        return found == asked or found.display.endswith((" pain", "ache"))
    return found == asked


def _described(finding: Finding) -> str:
    """ "headache, since yesterday, severe", "metformin, 500 mg" or "blood pressure 140/90 mmHg"."""
    name = finding.concept.display
    if finding.kind is FindingKind.MEASUREMENT:
        return f"{name} {finding.details}".rstrip()
    if finding.kind is FindingKind.ALLERGY and finding.details:
        return f"{name}, reaction {finding.details}"
    if finding.kind is not FindingKind.SYMPTOM:
        return ", ".join(filter(None, [name, finding.details]))
    if _group(finding) != "present":
        return name
    return ", ".join(filter(None, [name, finding.since, finding.attributes.get("severity", "")]))
