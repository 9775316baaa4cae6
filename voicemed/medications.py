"""Turns -> medicines taken, stopped, denied or planned, and allergies.

turn -> sentences -> names of medicines; where an allergy is spoken of, of allergens (Pharmacy)
     -> the nearest cue gives each name its status; what was asked after waits for the reply
     -> dose, frequency, route, reason and reaction go to the name beside them, or named last
     -> the evidence of each medicine and allergy -> findings
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from voicemed.assertion import Act, Assertion, Experiencer, Reply, Rules, Sentence, Status, split
from voicemed.findings import MAX_EVIDENCE, Extractor, Finding, FindingKind
from voicemed.lexicon import Concept, Kind, Mention, Token, tokenize
from voicemed.pharmacy import (
    ADJACENT,
    ALLERGIES,
    DETAIL_REACH,
    MEDICINES,
    Cues,
    Detail,
    Pharmacy,
    Substance,
    allergic,
    load_pharmacy,
    load_words,
    longest,
)
from voicemed.quantities import tokens
from voicemed.transcript import Span, Turn

_REACH = 12
"""Tokens before a name within which a cue decides its status."""
_OVER = 8
"""Tokens after a name within which it is said to be over."""
_GENERAL = ("drug allergy", "food allergy", "allergy", "medication")
"""What can be denied as a whole, the more special first."""
_SHORT = 8
"""Tokens up to which a sentence without a name can be all about the last one."""
_QUESTION = 15
"""Tokens from what a question is about to its end."""
_MONOLOGUE = 30
"""Tokens after which a run of speech that began as a question has gone on to something else."""
_ANSWER = 12
"""Tokens up to which a sentence can answer the doctor's question in other words than asked."""
_ECHO = 3
"""Tokens up to which the doctor only repeats an answer: 'Penicillin?'"""
_TOPIC_TURNS = 4
"""Turns of the patient for which a question after medicines or allergies stays open."""
_LAST_TURNS = 3
"""Turns after which 'it' no longer means the medicine named last."""
_OPENING_TURNS = 12
"""Turns in which a parent says that the child is the patient."""
_TOPICS = ("medication", "tried", "allergy", "drug allergy", "food allergy")
"""What a doctor can ask after in general, as in medications.toml."""
_OF_MEDICINES = frozenset({"medication", "tried"})
_TOLD = ("before", "after", "makes")
"""Cues that tell of an allergy."""
_DOUBT_REACH = 6
"""Tokens before a name within which 'maybe' is about it."""
_STATED, _ANSWERED, _WEAK = 0.9, 0.8, 0.6
"""Confidence, not calibrated: named by the patient; yes or no to a question; a doctor's words."""
_MISHEARD = 0.7
"""Factor where the name was only nearly said."""
_UNKNOWN_SPEAKER = 0.9
"""Factor where the speaker had to be guessed."""


def create_medications() -> Extractor:
    """A new extractor of medicines and allergies for one encounter; the data load once."""
    return MedicationExtractor(load_pharmacy(), _load_rules())


@cache
def _load_rules() -> Rules:
    """The rules of assertion.py, with what denies a drug in place of what denies a symptom."""
    text = files("voicemed.data").joinpath("assertion.toml").read_text(encoding="utf-8")
    data = tomllib.loads(text)
    data["cues"] |= load_words()["negation"]
    data["classes"] |= load_words()["lists"]
    return Rules(data)


# --- what is known of each -----------------------------------------------------------------------


@dataclass(slots=True)
class _Evidence:
    """One thing said of a medicine or allergy."""

    status: Status
    confidence: float
    spans: list[Span]
    weak: bool
    "A doctor's words, which do not overrule the patient's."
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _History:
    """Everything said of one medicine or allergy of one person."""

    kind: FindingKind
    name: str
    experiencer: Experiencer
    evidence: list[_Evidence] = field(default_factory=list)

    @property
    def status(self) -> Status | None:
        """The one that holds, by the latest plain evidence; None if it was only planned."""
        current: _Evidence | None = None
        for one in self.evidence:
            if one.status is Status.HYPOTHETICAL:
                continue
            if current is None or current.weak or not one.weak:
                current = one
        return current.status if current else None

    def findings(self) -> Iterator[Finding]:
        """The status that holds, and beside a past or denied one a plan."""
        status = self.status
        planned = any(one.status is Status.HYPOTHETICAL for one in self.evidence)
        if status is not None:
            yield self._finding(status)
        if planned and status in (None, Status.PAST, Status.ABSENT):
            yield self._finding(Status.HYPOTHETICAL)

    def _concept(self) -> Concept:
        """An allergy says so in its name, so that nobody takes it for the medicine."""
        code = self.name.replace(",", "").replace(" ", "-")
        if self.kind is FindingKind.MEDICATION:
            return Concept(MEDICINES, code, self.name)
        display = self.name if self.name.endswith("allergy") else f"{self.name} allergy"
        return Concept(ALLERGIES, code, display)

    def _finding(self, status: Status) -> Finding:
        supporting = [one for one in self.evidence if one.status is status]
        attributes: dict[str, str] = {}
        for one in supporting:
            if "dose" in one.attributes:
                attributes.pop("unit", None)
            attributes |= one.attributes
        spans = tuple(dict.fromkeys(span for one in supporting for span in one.spans))
        return Finding(
            self._concept(),
            Assertion(status, self.experiencer),
            spans[:MAX_EVIDENCE],
            attributes,
            round(max(one.confidence for one in supporting), 3),
            self.kind,
        )


@dataclass(frozen=True, slots=True)
class _Question:
    """A medicine or allergy that the doctor asked after."""

    kind: FindingKind
    name: str
    experiencer: Experiencer
    span: Span
    denied: bool = False
    "Asked in the negative, so that yes and no both deny."
    over: bool = False
    "Asked whether it is still taken, so that a no means past."
    past: bool = False
    "Asked of another time, so that a yes means past."
    attributes: dict[str, str] = field(default_factory=dict)
    "Of a medicine, as asked: 'are you on 20 milligrams of it?'"


@dataclass(slots=True)
class _Topic:
    """What the doctor asked after in general."""

    kinds: frozenset[str]
    "Some of _TOPICS."
    span: Span
    further: bool
    "Asked for others than those known, so that a no denies nothing."
    past: bool
    "'Which were you on?'"
    denied: bool
    "'No allergies?'"
    asker: str = "doctor"
    "Role of who asked; where it is the patient, the labels are mixed up."
    replies: int = 0
    "Turns of the patient since."
    last_turn: int = 0
    told: bool = False
    "Something was named."
    generic: list[tuple[FindingKind, str]] = field(default_factory=list)
    "What a no denied."

    @property
    def of_allergies(self) -> bool:
        """Whether it is about allergies at all."""
        return not self.kinds <= _OF_MEDICINES

    @property
    def only_allergies(self) -> bool:
        """Whether names in the answer are allergies."""
        return not self.kinds & _OF_MEDICINES


@dataclass(frozen=True, slots=True)
class _Heard:
    """A sentence with what it names, its place and its speaker."""

    sentence: Sentence
    names: tuple[Substance, ...]
    cues: Cues
    allergic: frozenset[Substance]
    "Those of the names that an allergy is told of."
    turn: Turn
    certainty: float
    "Factor on the confidence: of the speaker's role and of the recognised words."

    @property
    def tokens(self) -> Sequence[Token]:
        """Of the sentence."""
        return self.sentence.tokens

    def span(self, first: int, last: int) -> Span:
        """Where these tokens are in the turn."""
        return Span(self.turn.id, self.tokens[first].word, self.tokens[last].word)

    def nearest(self, name: Substance, labels: Iterable[str], reach: int = _REACH) -> str:
        """The label of the cue that ends nearest before a name; of two the longer. '' if none."""
        before = [
            (last, label == "stopped", last - first, label)
            for label in labels
            for first, last in self.cues.get(label, ())
            if 0 < name.first - last <= reach
        ]
        return max(before)[-1] if before else ""

    def ends_with(self, label: str) -> bool:
        """Whether such a cue is near the end, where a run of speech asks."""
        return any(len(self.tokens) - last <= _QUESTION for _, last in self.cues.get(label, ()))

    def asks_on(self) -> bool:
        """Whether it only asks on: 'Which ones?'"""
        return len(self.tokens) <= _ECHO and self.has("asked which")

    def conditional(self, name: Substance) -> bool:
        """Whether an 'if' stands before a name."""
        return self.nearest(name, ("condition",)) != ""

    def has(self, label: str) -> bool:
        """Whether a cue of that label occurs."""
        return bool(self.cues.get(label))

    def denies(self, detail: Detail) -> bool:
        """Whether a detail is negated."""
        place = tuple(range(detail.first, detail.last + 1))
        return self.sentence.negated(Mention(Concept("", "", ""), Kind.SYMPTOM, place, len(place)))

    def changes(self, detail: Detail) -> bool:
        """Whether a dose is one to change to or from."""
        before = [
            (last, label == "change")
            for label in ("change", "report", "taking")
            for first, last in self.cues.get(label, ())
            if 0 < detail.first - last <= _REACH
        ]
        return bool(before) and max(before)[1]

    def follows(self, name: Substance, label: str) -> bool:
        """Whether such a cue comes after a name, and not before the next one."""
        following = min(
            (one.first for one in self.names if one.first > name.last),
            default=len(self.tokens) + ADJACENT,
        )
        return any(
            name.last < first <= name.last + _OVER and last + ADJACENT < following
            for first, last in self.cues.get(label, ())
        )


# --- the extractor -------------------------------------------------------------------------------


class MedicationExtractor:
    """Medicines and allergies, across turns. Not safe for use from several threads."""

    def __init__(self, pharmacy: Pharmacy, rules: Rules) -> None:
        self._pharmacy = pharmacy
        self._rules = rules
        self._histories: dict[tuple[FindingKind, str, Experiencer], _History] = {}
        self._open: list[_Question] = []
        self._topic: _Topic | None = None
        self._last: _History | None = None
        self._last_turn = 0
        self._detail_asked = False
        self._reacting = False
        self._relative_turn = 0
        self._proxy = False
        self._turns = 0

    def update(self, turn: Turn) -> tuple[Finding, ...]:
        """Take the next turn and return all findings so far, in order of first mention.

        Attributes of medicines: `dose` and `unit`, `frequency` ('2/d', '1/wk', 'as needed'),
        `route`, `reason` and `since`; of allergies: `reaction`.
        """
        if not turn.to_assistant:
            self._turns += 1
            for words in split(tokens(word.text for word in turn.words), self._rules):
                self._hear(words, turn)
        return tuple(f for history in self._histories.values() for f in history.findings())

    def _hear(self, words: Sequence[Token], turn: Turn) -> None:
        names = self._pharmacy.names(words)
        cues = self._pharmacy.cues(words)
        topic = self._topic
        if any(f"allergy {told}" in cues for told in _TOLD) or (topic and topic.of_allergies):
            names = longest([*names, *self._pharmacy.allergens(words)])
        sentence = self._rules.read(words, [name.mention for name in names])
        self._proxy |= self._turns <= _OPENING_TURNS and sentence.has("proxy")
        if sentence.has("other"):
            self._relative_turn = turn.id
        own = bool(names) and "own" in cues
        doctor = self._is_doctor(turn.speaker, sentence, cues) and not own
        allergies = self._allergies(words, names, cues, doctor=doctor)
        names = [one for one in names if one in allergies or not one.allergen]
        certainty = _UNKNOWN_SPEAKER if _role(turn.speaker) is None else 1.0
        heard = _Heard(sentence, tuple(names), cues, allergies, turn, certainty)
        if doctor:
            self._hear_doctor(heard)
        else:
            self._hear_patient(heard)

    def _allergies(
        self, words: Sequence[Token], names: Sequence[Substance], cues: Cues, *, doctor: bool
    ) -> frozenset[Substance]:
        """Those of the names that an allergy is told of, here or by the question before."""
        found = allergic(words, names, cues)
        if self._topic and self._topic.only_allergies and not found:
            taking = "stopped" in cues or "plan" in cues or _takes(words)
            taking = taking and not {"cant", "cannot"} & {token.text for token in words}
            if len(words) <= _ECHO or (len(words) <= _ANSWER and not taking and not doctor):
                found = frozenset(one for one in names if not _is_followed_by_for(one, words))
        if doctor and (len(words) <= _ECHO or "asked effect" in cues):
            found |= {one for one in names if self._known_allergy(one)}
        return found

    def _known_allergy(self, name: Substance) -> bool:
        """Whether it was only spoken of as an allergy."""
        found = [history.kind for history in self._histories.values() if history.name == name.name]
        return FindingKind.ALLERGY in found and FindingKind.MEDICATION not in found

    def _is_doctor(self, speaker: str, sentence: Sentence, cues: Cues) -> bool:
        """By the label, else by the words: who asks, or says 'you', is taken for the doctor."""
        role = _role(speaker)
        if role is not None:
            asker = self._topic.asker if self._topic else "doctor"
            asks = "asked person" in cues and sentence.asked
            return role == ("patient" if asks and role == "patient" else asker)
        words = sentence.words
        if "plan" in cues and words & _YOU and not words & {"me", "my"}:
            return True  # 'I'll give you some antibiotics'
        if words & _FIRST_PERSON:
            return False
        if sentence.reply is not None and not sentence.rising and (self._open or self._topic):
            return False
        return sentence.asked or bool(words & _YOU)

    # The doctor

    def _hear_doctor(self, heard: _Heard) -> None:
        asks = heard.sentence.asked and not _states(heard.tokens)
        asked = asks or (len(heard.tokens) <= _SHORT and self._asks_generally(heard))
        if heard.names:
            told = [
                self._ask(heard, name)
                if asks and (heard.sentence.rising or name.first < _MONOLOGUE)
                else self._report(heard, name)
                for name in heard.names
            ]
            self._describe(heard, [one for one in told if one is not None])
        elif not asks:
            self._deny_generally(heard, weak=True)
            self._describe(heard, [])
        if asked and not (heard.has("no allergy") and not asks):
            self._open_topic(heard)

    def _asks_generally(self, heard: _Heard) -> bool:
        return any(heard.has(f"asked {kind}") for kind in _GENERAL)

    def _open_topic(self, heard: _Heard) -> None:
        """Remember what a question is about, and forget what the one before it was about."""
        self._detail_asked = heard.has("asked detail")
        effect = heard.has("asked effect")
        if heard.has("asked illicit"):
            self._open = []
        if effect and self._last and self._last.kind is FindingKind.ALLERGY:
            self._reacting = True
            return
        kinds = self._asked_kinds(heard)
        if heard.has("asked still") and self._last and not heard.names:
            last = self._last
            span = heard.span(0, len(heard.tokens) - 1)
            self._open = [_Question(last.kind, last.name, last.experiencer, span, over=True)]
            return
        if kinds:
            self._open = [one for one in self._open if one.span.turn == heard.turn.id]
            self._topic = _Topic(
                kinds,
                heard.span(0, len(heard.tokens) - 1),
                heard.has("asked further"),
                heard.has("stopped"),
                any(heard.has(f"no {kind}") for kind in kinds),
                asker=_role(heard.turn.speaker) or "doctor",
                last_turn=heard.turn.id,
            )
            self._reacting = False
        elif self._topic and heard.has("asked further"):
            self._topic.last_turn = heard.turn.id
        elif not heard.names and self._topic and self._topic.replies and not heard.asks_on():
            self._topic = None
            self._reacting = False
            if not self._detail_asked:
                self._open = []

    def _asked_kinds(self, heard: _Heard) -> frozenset[str]:
        """What a question asks after in general."""
        kinds = {kind for kind in _TOPICS if heard.ends_with(f"asked {kind}")}
        if {"drug allergy", "food allergy"} & kinds:
            kinds &= {"drug allergy", "food allergy"}
        if heard.allergic:
            kinds -= {"allergy", "drug allergy", "food allergy"}
        of_medicines = bool(kinds & _OF_MEDICINES)
        if of_medicines and len(heard.tokens) <= _ECHO and self._asked_allergy(heard):
            return frozenset({"drug allergy"})  # 'Any allergies? Medications?'
        if heard.ends_with("asked help"):
            kinds = kinds - {"medication"} | {"tried"}
        if heard.has("asked other") or heard.has("asked illicit"):
            kinds -= _OF_MEDICINES
        return frozenset(kinds)

    def _asked_allergy(self, heard: _Heard) -> bool:
        """Whether the same turn asked after allergies just before."""
        topic = self._topic
        return topic is not None and topic.last_turn == heard.turn.id and "allergy" in topic.kinds

    def _ask(self, heard: _Heard, name: Substance) -> _History | None:
        """A question that names a medicine or allergy; its history, if it is taken for granted."""
        kind = _kind(name, heard)
        person = self._experiencer(heard, name)
        history = self._histories.get((kind, name.name, person))
        known = history is not None and history.status is Status.PRESENT
        label = heard.nearest(name, ("plan", "report", "taking"))
        if kind is FindingKind.MEDICATION:
            if heard.nearest(name, ("asked except",), ADJACENT):
                return self._note(heard, name, Status.PRESENT, weak=True)  # 'other than aspirin'
            if label == "plan" or heard.conditional(name):
                return None if known else self._note(heard, name, Status.HYPOTHETICAL, weak=True)
            nearest = heard.nearest(name, ("stopped", "report", "taking"))
            if nearest == "stopped" or (not nearest and heard.follows(name, "stopped")):
                last = any(token.text == "last" for token in heard.tokens[: name.first])
                return self._note(heard, name, Status.PAST, weak=not last)
            if heard.has("presumed") or heard.sentence.act in (Act.OPEN, Act.HOW_IS):
                open_ended = heard.sentence.act is Act.OPEN and not heard.has("presumed")
                if open_ended and label not in ("report", "taking"):
                    return history if known else None
                return self._note(heard, name, Status.PRESENT, weak=True)
        if known:
            self._last = history
            if kind is FindingKind.ALLERGY:
                return history
        span = heard.span(name.first, name.last)
        denied = heard.sentence.negated(name.mention)
        still = any(token.text == "still" for token in heard.tokens[: name.first])
        if self._open and self._open[0].span.turn != span.turn:
            self._open = []
        past = heard.has("ago") or heard.has("ever")
        self._open.append(_Question(kind, name.name, person, span, denied, still, past))
        return None

    def _report(self, heard: _Heard, name: Substance) -> _History | None:
        """A doctor's statement: what is known to be taken, else advice or a plan."""
        kind = _kind(name, heard)
        history = self._histories.get((kind, name.name, self._experiencer(heard, name)))
        known = history is not None and history.status is Status.PRESENT
        negated = heard.sentence.negated(name.mention)
        label = heard.nearest(name, ("plan", "report", "stopped", "turn"))
        label = "" if label == "turn" else label
        if self._echoes_lost_answer(heard) and label == "" and not known:
            return self._note(heard, name, Status.PRESENT, weak=True)
        if kind is FindingKind.ALLERGY:
            if heard.conditional(name) or label == "plan":
                return None
            return self._note(heard, name, Status.ABSENT if negated else Status.PRESENT, weak=True)
        if negated:
            reported = label in ("report", "stopped") and not heard.conditional(name)
            return self._note(heard, name, Status.ABSENT, weak=True) if reported else None
        if heard.conditional(name) or label in ("plan", ""):
            if known or (history is not None and label == ""):
                self._last = history
                return None
            return self._note(heard, name, Status.HYPOTHETICAL, weak=True)
        if label == "stopped" or heard.follows(name, "ago"):
            return self._note(heard, name, Status.PAST, weak=True)
        return self._note(heard, name, Status.PRESENT, weak=True)

    def _echoes_lost_answer(self, heard: _Heard) -> bool:
        """'Which medicines do you take?' (nothing was heard) 'Metformin, OK.'"""
        topic = self._topic
        return (
            topic is not None
            and not topic.replies
            and len(heard.tokens) <= _ECHO
            and not _takes(heard.tokens)
        )

    # The patient

    def _hear_patient(self, heard: _Heard) -> None:
        sentence = heard.sentence
        topic = self._topic
        if topic and topic.last_turn != heard.turn.id:
            topic.replies, topic.last_turn = topic.replies + 1, heard.turn.id
            if topic.replies > _TOPIC_TURNS:
                self._topic = topic = None
        told = [self._tell(heard, name) for name in heard.names]
        kept = [history for history in told if history is not None]
        if not heard.names and self._recent(heard):
            self._stop_last(heard)
        self._reply(heard)
        if heard.names:
            self._withdraw()
        elif (topic is None or not topic.told) and not self._deny_topic(heard):
            self._deny_generally(heard, weak=False)
        if sentence.reply is not None or heard.names:
            self._open = []
        self._describe(heard, kept)

    def _tell(self, heard: _Heard, name: Substance) -> _History | None:
        """Note what a patient says of a medicine or allergy that they name."""
        if _kind(name, heard) is FindingKind.ALLERGY:
            status = self._told_allergy(heard, name)
        else:
            status = self._told_medicine(heard, name)
        if status is None:
            return None
        return self._note(heard, name, status, weak=False)

    def _told_allergy(self, heard: _Heard, name: Substance) -> Status | None:
        sentence = heard.sentence
        if sentence.rising and not self._topic:
            return None
        if sentence.negated(name.mention):
            spoken = any(heard.has(f"allergy {label}") for label in ("before", "after"))
            return Status.ABSENT if spoken else None
        if heard.nearest(name, ("uncertain",)):
            return Status.UNCERTAIN
        if heard.conditional(name):
            return None
        return Status.PAST if heard.nearest(name, ("stopped",)) else Status.PRESENT

    def _told_medicine(self, heard: _Heard, name: Substance) -> Status | None:
        sentence = heard.sentence
        label = heard.nearest(name, ("taking", "stopped", "plan"))
        ongoing = {"start", "began", "since", "been", "still"} & {
            token.stem for token in heard.tokens[: name.first]
        }
        if heard.nearest(name, ("uncertain",), _DOUBT_REACH):
            return Status.UNCERTAIN
        if label == "stopped" and not heard.sentence.asked:
            return Status.PAST
        if sentence.negated(name.mention):
            return Status.ABSENT
        if heard.follows(name, "over") or (heard.follows(name, "ago") and not ongoing):
            return Status.PAST
        if self._topic and not label:
            return Status.PAST if self._topic.past else Status.PRESENT
        asks = sentence.rising and heard.tokens[0].text in _MODALS
        possible = heard.conditional(name) and label != "taking"
        habit = heard.has("habit") and _takes(heard.tokens)
        if asks or (label == "plan" and not habit) or possible:
            history = self._histories.get(
                (FindingKind.MEDICATION, name.name, self._experiencer(heard, name))
            )
            known = history is not None and history.status is Status.PRESENT
            return None if known else Status.HYPOTHETICAL
        return Status.PRESENT

    def _stop_last(self, heard: _Heard) -> None:
        """'I stopped it', or 'I haven't tried it' to the doctor who took it for granted."""
        last = self._last
        if last is None or last.kind is not FindingKind.MEDICATION:
            return
        granted = all(one.weak for one in last.evidence)
        if heard.has("stopped_it"):
            status = Status.PAST
        elif heard.has("not_it") and granted:
            status = Status.ABSENT
        else:
            return
        if last.status is Status.PRESENT:
            span = heard.span(0, len(heard.tokens) - 1)
            confidence = _ANSWERED * heard.certainty
            last.evidence.append(_Evidence(status, confidence, [span], weak=False))

    def _reply(self, heard: _Heard) -> None:
        """Answer the questions after single medicines that the sentence did not name."""
        reply = heard.sentence.reply
        named = {name.name for name in heard.names}
        if reply not in (Reply.YES, Reply.NO, Reply.UNSURE):
            return
        for question in self._open:
            if question.name in named or (named and reply is Reply.YES):
                continue
            status = {Reply.YES: Status.PRESENT, Reply.UNSURE: Status.UNCERTAIN}.get(reply)
            if status is None or (question.denied and not _insists(heard.tokens)):
                status = Status.PAST if question.over else Status.ABSENT
            key = question.kind, question.name, question.experiencer
            history = self._histories.setdefault(key, _History(*key))
            if question.past and status is history.status is Status.PRESENT:
                continue
            if question.past and status is Status.PRESENT:
                status = Status.PAST
            spans = [question.span, heard.span(0, len(heard.tokens) - 1)]
            confidence = _ANSWERED * heard.certainty
            attributes = question.attributes if status is Status.PRESENT else {}
            said = _Evidence(status, confidence, spans, weak=False, attributes=attributes)
            history.evidence.append(said)
            if status is Status.PRESENT:
                self._last = history

    def _deny_topic(self, heard: _Heard) -> bool:
        """A 'no' to '... any medication?' denies all; returns whether it did."""
        topic, reply = self._topic, heard.sentence.reply
        if topic is None or topic.further or topic.told or topic.replies > 1:
            return False
        if not (reply is Reply.NO or (topic.denied and reply is Reply.YES)):
            return False
        named = {kind for kind in topic.kinds if heard.has(f"no {kind}")}
        for kind in (named or topic.kinds) - {"tried"}:
            spans = [topic.span, heard.span(0, len(heard.tokens) - 1)]
            topic.generic.append(self._deny(kind, spans, _ANSWERED * heard.certainty, weak=False))
        return bool(topic.generic)

    def _deny_generally(self, heard: _Heard, *, weak: bool) -> None:
        """'I don't take any medication', 'no known drug allergies'."""
        kinds = [kind for kind in _GENERAL if heard.has(f"no {kind}")]
        if heard.has("condition") or heard.has("asked further") or (weak and heard.has("plan")):
            return
        for kind in {kind.rpartition(" ")[2]: kind for kind in reversed(kinds)}.values():
            ((first, last), *_) = heard.cues[f"no {kind}"]
            confidence = (_WEAK if weak else _STATED) * heard.certainty
            self._deny(kind, [heard.span(first, last)], confidence, weak=weak)

    def _deny(
        self, name: str, spans: list[Span], confidence: float, *, weak: bool
    ) -> tuple[FindingKind, str]:
        kind = FindingKind.MEDICATION if name == "medication" else FindingKind.ALLERGY
        key = kind, name, Experiencer.PATIENT
        history = self._histories.setdefault(key, _History(*key))
        history.evidence.append(_Evidence(Status.ABSENT, confidence, spans, weak))
        return kind, name

    def _withdraw(self) -> None:
        """'No. Well, just the ramipril.': the general no is taken back."""
        if self._topic:
            self._topic.told = True
            for kind, name in self._topic.generic:
                self._histories.pop((kind, name, Experiencer.PATIENT), None)
            self._topic.generic.clear()

    # What both share

    def _note(self, heard: _Heard, name: Substance, status: Status, *, weak: bool) -> _History:
        key = _kind(name, heard), name.name, self._experiencer(heard, name)
        history = self._histories.setdefault(key, _History(*key))
        words = [heard.turn.words[heard.tokens[at].word] for at in range(name.first, name.last + 1)]
        certainty = heard.certainty * sum(word.probability for word in words) / len(words)
        certainty *= _MISHEARD if name.misheard else 1.0
        confidence = (_WEAK if weak else _STATED) * certainty
        spans = [heard.span(name.first, name.last)]
        history.evidence.append(_Evidence(status, confidence, spans, weak))
        self._last, self._last_turn = history, heard.turn.id
        return history

    def _recent(self, heard: _Heard) -> bool:
        return self._last is not None and heard.turn.id - self._last_turn <= _LAST_TURNS

    def _experiencer(self, heard: _Heard, name: Substance) -> Experiencer:
        sentence = heard.sentence
        if self._proxy and (sentence.has("child") or not sentence.has("other")):
            return Experiencer.PATIENT
        if _role(heard.turn.speaker) == "doctor":
            yours = [first for first, _ in sentence.cues["other"] if 0 < first < name.first]
            their = any(heard.tokens[first - 1].text in _YOUR for first in yours)
            return sentence.experiencer(name.mention) if their else Experiencer.PATIENT
        before = {token.text for token in heard.tokens[: name.first]}
        told_of = self._relative_turn == heard.turn.id
        if told_of and before & _THIRD_PERSON and not before & _FIRST_PERSON:
            return Experiencer.OTHER
        return sentence.experiencer(name.mention)

    def _describe(self, heard: _Heard, told: Sequence[_History]) -> None:
        """Give the details of a sentence to the names beside them, or to the one named last."""
        histories = {one.name: one for one in told if one.kind is FindingKind.MEDICATION}
        asked = {one.name: one for one in self._open if one.span.turn == heard.turn.id}
        details = self._pharmacy.details(heard.tokens, heard.names)
        for detail in details:
            name = _owner(detail, heard.names)
            if name is not None and name.name in histories:
                self._give(heard, detail, histories[name.name])
            elif name is not None and name.name in asked:
                asked[name.name].attributes.update(detail.values)
            elif not heard.names and self._last and self._continues(heard, details):
                self._give(heard, detail, self._last)
        self._react(heard, told)

    @staticmethod
    def _give(heard: _Heard, detail: Detail, history: _History) -> None:
        """Add a detail to what was last said of a medicine, unless it is no detail of that."""
        latest = history.evidence[-1]
        now = latest.status is Status.PRESENT
        if history.kind is not FindingKind.MEDICATION or latest.status is Status.ABSENT:
            return
        if now and "dose" in detail.values and heard.changes(detail):
            return  # 'I'll increase it to 40' does not say what is taken now
        if "since" in detail.values and not now:
            return
        for key, value in detail.values.items():
            latest.attributes.setdefault(key, value)
        if not heard.names:
            latest.spans.append(heard.span(detail.first, detail.last))

    def _continues(self, heard: _Heard, details: Sequence[Detail]) -> bool:
        """Whether a sentence without a name tells more of the medicine named last."""
        if not self._recent(heard):
            return False
        covered = {at for one in details for at in range(one.first, one.last + 1)}
        pure = 2 * len(covered) >= len(heard.tokens)
        asked = self._detail_asked and len(heard.tokens) <= _ANSWER
        return pure or asked or _takes(heard.tokens)

    def _react(self, heard: _Heard, told: Sequence[_History]) -> None:
        """Note what an allergy does."""
        allergies = {one.name: one for one in told if one.kind is FindingKind.ALLERGY}
        last = self._last if self._reacting and self._recent(heard) else None
        if told:
            self._reacting = bool(allergies)
        for detail in self._pharmacy.reactions(heard.tokens):
            name = _owner(detail, heard.names)
            history = allergies.get(name.name) if name else None
            history = history or next(iter(allergies.values()), last)
            if history and history.kind is FindingKind.ALLERGY and not heard.denies(detail):
                _add_reaction(history, detail.values["reaction"], heard, detail)


def _add_reaction(history: _History, reaction: str, heard: _Heard, detail: Detail) -> None:
    latest = history.evidence[-1]
    known = latest.attributes.get("reaction", "")
    if latest.status is not Status.ABSENT and reaction not in known.split(", "):
        latest.attributes["reaction"] = f"{known}, {reaction}" if known else reaction
        latest.spans.append(heard.span(detail.first, detail.last))


def _kind(name: Substance, heard: _Heard) -> FindingKind:
    return FindingKind.ALLERGY if name in heard.allergic else FindingKind.MEDICATION


def _is_followed_by_for(name: Substance, words: Sequence[Token]) -> bool:
    """'Claritin for the allergies'."""
    return name.last + 1 < len(words) and words[name.last + 1].text == "for"


def _states(words: Sequence[Token]) -> bool:
    """Whether it only looks like a question: 'No known allergies.', 'You're allergic to it.'"""
    return words[0].text in ("no", "not", "youre") and words[-1].mark == "."


def _insists(words: Sequence[Token]) -> bool:
    """'Yes, I am', which to 'You're not taking it?' means that it is taken."""
    texts = [token.text for token in words[:4]]
    return texts[1:3] in (["i", "am"], ["i", "do"], ["i", "have"]) and texts[3:] != ["not"]


def _takes(words: Sequence[Token]) -> bool:
    """Whether the sentence is about taking something."""
    return any(token.stem in _TAKING for token in words)


_FIRST_PERSON = frozenset({"i", "im", "ive", "me", "my"})
_YOU = frozenset({"you", "your", "youre", "youve", "youll"})
_THIRD_PERSON = frozenset({"he", "hes", "she", "shes"})
_MODALS = frozenset(["should", "can", "could", "would", "will", "shall", "is", "do", "may"])
_YOUR = frozenset({"your", "his", "her"})
_TAKING = frozenset(token.stem for token in tokenize(["take", "taking", "use", "using", "dose"]))


def _role(speaker: str) -> str | None:
    """doctor or patient; None where the label does not tell."""
    known = {"doctor": "doctor", "clinician": "doctor", "patient": "patient", "parent": "patient"}
    return known.get(speaker.lower())


def _owner(detail: Detail, names: Sequence[Substance]) -> Substance | None:
    """The name that a detail goes with: '500 mg of X', else the one before it."""
    before = [one for one in names if one.first <= detail.last]
    if "dose" in detail.values and not (before and detail.first - before[-1].last <= ADJACENT):
        for name in names:
            if 0 < name.first - detail.last <= ADJACENT:
                return name
    reach = ADJACENT if "route" in detail.values else DETAIL_REACH
    if before and detail.first - before[-1].last <= reach:
        return before[-1]
    return None
