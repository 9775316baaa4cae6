"""Turns -> Findings: the text classifier.

    turn -> sentences (assertion.split) -> mentions (Lexicon) + cues (Rules)
         -> a question waits for its answer; an answer, a statement or a recap becomes evidence
         -> the evidence of each symptom decides its status -> findings

`SymptomExtractor` keeps what the conversation needs to remember: the open questions, what was just
answered, whom it is about, and all evidence of each symptom, oldest first. Nothing is forgotten
when a status changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import IntEnum
from types import MappingProxyType

from voicemed.assertion import (
    Act,
    Assertion,
    Experiencer,
    Reply,
    Rules,
    Sentence,
    Status,
    load_rules,
    split,
)
from voicemed.attributes import Attribute, AttributeReader, Description, load_attributes
from voicemed.findings import Extractor, Finding
from voicemed.lexicon import Concept, Kind, Lexicon, Mention, Token, load_lexicon, tokenize
from voicemed.transcript import Span, Turn

_MAX_EVIDENCE = 8
_QUESTION_AGE = 4
"""Turns of the patient after which an unanswered question is dropped."""
_OPENING_TURNS = 12
"""Turns in which a parent says that the child is the patient."""


def create_symptom_extractor(visit: date | None = None) -> Extractor:
    """A new extractor for one encounter; the lexicon and the rules load once, in about 0.2 s.

    visit: the day of the consultation, from which the dates of onsets are counted.
    """
    return SymptomExtractor(load_lexicon(), load_rules(), load_attributes(), visit)


class Strength(IntEnum):
    """How plainly something was said; the weaker does not overrule the plainer."""

    WEAK = 1
    "A doctor's recap, a hum, an answer that only implies a yes."
    ANSWERED = 2
    "Yes or no to the doctor's question."
    STATED = 3
    "The patient names it."


_CONFIDENCE = MappingProxyType({Strength.WEAK: 0.6, Strength.ANSWERED: 0.8, Strength.STATED: 0.9})
"""Rough, not calibrated: guesses at how often evidence of each kind is right."""
_THIRD_PERSON = frozenset({"he", "hes", "she", "shes"})
_PAINS = (" pain", "ache", "sore throat", "painful urination", "painful swallowing")
_GENERIC: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "pain": _PAINS,
        "muscle cramp": _PAINS,
        "burning sensation": _PAINS,
        "skin pain": _PAINS,
        "swelling": (" swelling", "neck lump", "swollen tonsils"),
        "lump": (" lump",),
    }
)
"""Concepts that in one word ('cramp') mean a known, more specific one, by the endings of those."""
_UNKNOWN_SPEAKER = 0.9
"""Factor on the confidence where the speaker had to be guessed."""


@dataclass(frozen=True, slots=True)
class _Evidence:
    """One thing said of one symptom."""

    assertion: Assertion
    strength: Strength
    spans: tuple[Span, ...]
    confidence: float
    resolved: bool = False
    "A denial of now only ('no longer'), which leaves the current episode standing."


@dataclass(slots=True)
class _History:
    """Everything said of a symptom of one person."""

    concept: Concept
    experiencer: Experiencer
    description: Description
    evidence: list[_Evidence] = field(default_factory=list)

    @property
    def status(self) -> Status | None:
        """The final, clearest one for the time of the visit; None if only past or hypothetical."""
        decisive = self._decisive()
        return decisive.assertion.status if decisive else None

    def findings(self) -> list[Finding]:
        """The current status, and beside it a past one; a hypothetical only if there is neither."""
        decisive = self._decisive()
        kinds = [decisive.assertion.status] if decisive else []
        if any(one.assertion.status is Status.PAST for one in self.evidence):
            kinds.append(Status.PAST)
        return [self._finding(status) for status in kinds or [Status.HYPOTHETICAL]]

    def _decisive(self) -> _Evidence | None:
        current: _Evidence | None = None
        for one in self.evidence:
            if one.assertion.status in (Status.PAST, Status.HYPOTHETICAL):
                continue
            if current is None or _overrules(one, current):
                current = one
        return current

    def _finding(self, status: Status) -> Finding:
        supporting = [one for one in self.evidence if one.assertion.status is status]
        spans = tuple(dict.fromkeys(span for one in supporting for span in one.spans))
        return Finding(
            self.concept,
            Assertion(status, self.experiencer),
            spans[:_MAX_EVIDENCE],
            self.description.values() if status is Status.PRESENT else {},
            round(max(one.confidence for one in supporting), 3),
        )


def _overrules(new: _Evidence, old: _Evidence) -> bool:
    """Whether later evidence replaces the status that holds so far."""
    if old.assertion.status is Status.UNCERTAIN:
        return True
    if new.assertion.status is Status.UNCERTAIN:
        return old.strength is Strength.WEAK
    if old.assertion.status is Status.PRESENT and new.assertion.status is Status.ABSENT:
        plain = new.strength is Strength.STATED or old.strength is Strength.WEAK
        return plain and not new.resolved
    return new.strength >= old.strength


@dataclass(frozen=True, slots=True)
class _Question:
    """A symptom that the doctor asked after."""

    concept: Concept
    span: Span
    experiencer: Experiencer
    denied: bool
    "Asked in the negative ('you haven't had a fever?'), so that yes and no both deny."
    kind: Kind
    past: bool
    diverted: bool = False
    "Another question followed at once, to which a 'yes' belongs."


@dataclass(frozen=True, slots=True)
class _Heard:
    """A sentence with its place and speaker."""

    sentence: Sentence
    turn: Turn
    certainty: float
    "Factor on the confidence: of the speaker's role and of the recognised words."

    def span(self, tokens: Sequence[Token]) -> Span:
        """Where these tokens are in the turn."""
        return Span(self.turn.id, tokens[0].word, tokens[-1].word)

    def mention_span(self, mention: Mention) -> Span:
        """Where the mention is in the turn."""
        return self.span(self.sentence.tokens[mention.first : mention.last + 1])


class SymptomExtractor:
    """Findings by lexicon and rules, across turns. Not safe for use from several threads."""

    def __init__(
        self,
        lexicon: Lexicon,
        rules: Rules,
        attributes: AttributeReader,
        visit: date | None = None,
    ) -> None:
        self._lexicon = lexicon
        self._rules = rules
        self._attributes = attributes
        self._visit = visit
        self._histories: dict[tuple[Concept, Experiencer], _History] = {}
        self._open: list[_Question] = []
        self._heard_since_open = 0
        self._answered: list[_Question] = []
        self._hummed = False
        self._topic: _History | None = None
        self._on_topic = self._earlier = self._affirmed = False
        self._asked: frozenset[str] = frozenset()
        self._asked_turn = 0
        self._offered: list[Attribute] = []
        self._offered_with: Sentence | None = None
        self._proxy = False
        self._relative_known = False
        self._reaction = False
        self._past_turn = self._summary_turn = 0
        self._turns = 0

    def update(self, turn: Turn) -> tuple[Finding, ...]:
        """Take the next turn and return all findings so far, in order of first mention."""
        if not turn.to_assistant:
            self._turns += 1
            self._hear(turn)
        return tuple(f for history in self._histories.values() for f in history.findings())

    def _hear(self, turn: Turn) -> None:
        tokens = tokenize(word.text for word in turn.words)
        sentences = split(tokens, self._rules)
        replied = False
        for tokens in sentences:
            sentence = self._rules.read(tokens, self._lexicon.mentions(tokens))
            doctor = self._is_doctor(turn.speaker, sentence)
            certainty = _UNKNOWN_SPEAKER if _role(turn.speaker) is None else 1.0
            words = [turn.words[token.word].probability for token in tokens]
            heard = _Heard(sentence, turn, certainty * sum(words) / len(words))
            if doctor:
                self._hear_doctor(heard)
            else:
                self._hear_patient(heard)
                replied = True
        self._heard_since_open += replied

    def _is_doctor(self, speaker: str, sentence: Sentence) -> bool:
        """By the label, else by the words: who asks, or says 'you', is taken for the doctor."""
        role = _role(speaker)
        if role is not None:
            return role == "doctor"
        words = {token.text for token in sentence.tokens}
        if words & {"i", "ive", "im", "my", "me"}:
            return False
        stated = sentence.tokens[-1].mark == "."  # 'No fever.' without a question before it
        if sentence.reply is not None and not sentence.rising and (self._open or stated):
            return False
        if sentence.asked:
            return True
        return bool(words & {"you", "your", "youre", "youve", "youll"})

    # The doctor

    def _hear_doctor(self, heard: _Heard) -> None:
        sentence = heard.sentence
        if _is_echo(sentence) and self._open:
            self._answer(Reply.NO, heard, Strength.WEAK)
            return
        self._ask_attributes(heard)
        if sentence.act is Act.STATEMENT:
            self._recap(heard)
            return
        self._answered.clear()
        self._reaction = sentence.has("reaction") or (
            self._reaction and sentence.has("reaction_follow")
        )
        if self._heard_since_open and (sentence.mentions or self._heard_since_open >= 2):
            self._open.clear()
        if sentence.act is Act.OPEN:
            self._presuppose(heard)
        elif sentence.mentions:
            self._ask(heard)
        elif sentence.act is Act.CLOSED and not sentence.has("attached"):
            self._open = [replace(question, diverted=True) for question in self._open]

    def _ask(self, heard: _Heard) -> None:
        """Open a question for each symptom asked after; an earlier unanswered one stays open."""
        sentence = heard.sentence
        if not self._open:
            self._heard_since_open = 0
        for mention in sentence.mentions:
            if sentence.has("anything_else", before=mention.first):
                continue
            if mention.kind is Kind.TOPIC and sentence.act is not Act.HOW_IS:
                continue
            concept = self._resolve(mention)
            person = self._experiencer(sentence, mention)
            history = self._histories.get((concept, person))
            known = history is not None and history.status is Status.PRESENT
            if history is not None and known and sentence.definite(mention):
                self._topic = history
                continue
            question = _Question(
                concept,
                heard.mention_span(mention),
                person,
                sentence.negated(mention),
                mention.kind,
                sentence.has("past"),
            )
            self._open.append(question)
        self._heard_since_open = 0

    def _presuppose(self, heard: _Heard) -> None:
        """'When did the cough start?': a cough is taken for granted."""
        for mention in heard.sentence.mentions:
            concept = self._resolve(mention)
            person = self._experiencer(heard.sentence, mention)
            history = self._histories.get((concept, person))
            if mention.kind is not Kind.SYMPTOM:
                continue
            if history is not None and history.status is Status.PRESENT:
                self._topic = history
                self._note(heard, concept, person, Status.PRESENT, Strength.WEAK, mention)

    def _recap(self, heard: _Heard) -> None:
        """A doctor's statement: a recap of what the patient has, else advice or explanation."""
        sentence = heard.sentence
        if sentence.has("summary"):
            self._summary_turn = heard.turn.id
        for mention in sentence.mentions:
            if mention.kind is Kind.TOPIC:
                continue
            concept = self._resolve(mention)
            person = self._experiencer(sentence, mention)
            known = self._histories.get((concept, person))
            status = self._recapped_status(heard, mention, known.status if known else None)
            self._note(heard, concept, person, status, Strength.WEAK, mention)
            if status is Status.PRESENT:
                self._topic = self._histories[concept, person]
        if any(map(sentence.reports, sentence.mentions)):
            words = [word.text for word in heard.turn.words]
            for found in self._attributes.read(sentence.tokens, (), words, sentence.mentions):
                owners = self._attributes.owners(found, sentence.tokens, sentence.mentions)
                self._give(heard, found, owners or (), weak=True)

    def _recapped_status(self, heard: _Heard, mention: Mention, known: Status | None) -> Status:
        """What a doctor's statement says of the mention: hypothetical unless it reports."""
        sentence = heard.sentence
        said = sentence.assertion(mention).status
        advises = sentence.has("hypothetical")
        if sentence.reports(mention) or (self._summary_turn == heard.turn.id and not advises):
            return said
        echoes = said is known or (known is None and said is Status.ABSENT)
        return said if echoes and not advises else Status.HYPOTHETICAL

    # The patient

    def _hear_patient(self, heard: _Heard) -> None:
        sentence = heard.sentence
        self._proxy |= self._turns <= _OPENING_TURNS and sentence.has("proxy")
        if sentence.asked and sentence.act is not Act.STATEMENT and self._asks_back(sentence):
            return
        self._relative_known |= sentence.has("other")
        if sentence.has("past"):
            self._past_turn = heard.turn.id
        self._reaction |= sentence.has("reaction")
        questions, topic = list(self._open), self._topic
        self._affirmed = False
        stated = self._tell(heard)
        if questions:
            self._reply(heard, questions, stated)
        elif self._answered and not stated:
            self._correct(heard)
        if not stated:
            self._on_topic |= self._affirmed
            topic = self._topic
        self._describe(heard, topic)

    def _asks_back(self, sentence: Sentence) -> bool:
        """A patient's own question ('could it be a fever?') tells nothing."""
        words = {token.text for token in sentence.tokens[:3]}
        return bool(words & {"could", "can", "should", "will", "would", "what", "do", "is", "how"})

    def _tell(self, heard: _Heard) -> list[Concept]:
        """Note what the patient says of each symptom that they name; returns the symptoms."""
        sentence = heard.sentence
        told: list[Concept] = []
        for mention in sentence.mentions:
            concept = self._resolve(mention)
            person = self._experiencer(sentence, mention)
            status = self._told_status(heard, mention, self._histories.get((concept, person)))
            if status is None:
                continue
            self._note(heard, concept, person, status, Strength.STATED, mention)
            told.append(concept)
            if person is Experiencer.PATIENT and status is Status.PRESENT:
                self._topic = self._histories[concept, person]
        return told

    def _describe(self, heard: _Heard, topic: _History | None) -> None:
        """Give the attributes said to the symptoms beside them, or to the one talked about."""
        sentence, reader = heard.sentence, self._attributes
        self._accept_offer(heard)
        if sentence.asked and {"you", "your"} & {token.text for token in sentence.tokens}:
            return  # a question, whoever asks it
        if reader.earlier(sentence.tokens):
            self._on_topic, self._earlier = False, True
            return
        words = [word.text for word in heard.turn.words]
        said = reader.read(sentence.tokens, self._asked, words, sentence.mentions)
        mentions = reader.free(sentence.mentions, said)
        for found in said:
            owners = reader.owners(found, sentence.tokens, mentions)
            if owners is not None:
                self._give(heard, found, owners)
                continue
            if not self._on_topic or not reader.follows(
                found, sentence.tokens, self._asked, answers=self._affirmed
            ):
                continue
            for history in self._topics(found, topic):
                if reader.suits(found, history.concept.display):
                    history.description.add(found)
        if len(sentence.tokens) > 2:  # what makes it better is said at once or not at all
            self._asked -= {"aggravating", "relieving"}
        if any(self._told_present(heard, one) for one in sentence.mentions):
            self._on_topic, self._earlier = True, False

    def _topics(self, found: Attribute, topic: _History | None) -> list[_History]:
        """The present symptom that an attribute without a name beside it is of; empty if none.

        The answer to 'when did it all start?' is of the complaint that came first.
        """
        first = "all" in self._asked and found.name in ("onset", "duration")
        present = [
            history
            for history in (self._histories.values() if first else filter(None, [topic]))
            if history.status is Status.PRESENT and history.experiencer is Experiencer.PATIENT
        ]
        return present[:1]

    def _give(
        self, heard: _Heard, found: Attribute, owners: Sequence[Mention], *, weak: bool = False
    ) -> None:
        """Give an attribute to those of the mentions that the sentence says are present."""
        for mention in owners:
            history = self._told_present(heard, mention)
            if history is not None:
                history.description.add(found, weak=weak)

    def _told_present(self, heard: _Heard, mention: Mention) -> _History | None:
        """The history of a mention that the sentence says the patient has; None if it does not."""
        if mention.kind is not Kind.SYMPTOM:
            return None
        history = self._histories.get((self._resolve(mention), Experiencer.PATIENT))
        said = heard.sentence.assertion(mention)
        person = self._experiencer(heard.sentence, mention)
        if person is not Experiencer.PATIENT or said.status is not Status.PRESENT:
            return None
        return history if history and history.status is Status.PRESENT else None

    def _ask_attributes(self, heard: _Heard) -> None:
        """Remember what a doctor's sentence asks after, and what a 'yes' to it would say."""
        sentence, reader = heard.sentence, self._attributes
        asked = reader.asked(sentence.tokens)
        if not sentence.asked and not asked - {"aggravating", "relieving"}:
            return
        if self._asked_turn != heard.turn.id:
            self._asked, self._offered = frozenset(), []
        self._asked_turn = heard.turn.id
        named = [self._resolve(one) for one in sentence.mentions if one.kind is Kind.SYMPTOM]
        known = self._topic is not None and self._topic.concept in named
        if named and asked and not known:
            history = self._histories.get((named[0], Experiencer.PATIENT))
            known = history is not None and history.status is Status.PRESENT
            self._topic = history if known else self._topic
        self._earlier &= not known
        words = [word.text for word in heard.turn.words]
        offered = reader.read(sentence.tokens, (), words, sentence.mentions)
        alone = len({one.name for one in offered}) == len(offered) and sentence.asked
        plain = alone and not reader.asks_elsewhere(sentence.tokens) and "severity" not in asked
        self._offered = offered if plain and sentence.act is not Act.OPEN else []
        follows = bool(asked or (self._offered and self._on_topic))
        self._asked |= asked
        self._on_topic = known or (follows and not named and not self._earlier)
        if not self._on_topic:
            self._asked = frozenset()
        self._offered_with = sentence

    def _accept_offer(self, heard: _Heard) -> None:
        """A 'yes' to 'is it worse when you lie down?' says that it is."""
        offered, question = self._offered, self._offered_with
        self._offered = []
        if heard.sentence.reply is not Reply.YES or question is None:
            return
        for found in offered:
            owners = self._attributes.owners(found, question.tokens, question.mentions)
            follows = owners is None and self._on_topic and not found.beside
            histories = [self._topic] if follows else []
            for mention in owners or ():
                key = self._resolve(mention), Experiencer.PATIENT
                histories.append(self._histories.get(key))
            for history in histories:
                if history is None or history.status is not Status.PRESENT:
                    continue
                if self._attributes.suits(found, history.concept.display):
                    history.description.add(found)

    def _told_status(
        self, heard: _Heard, mention: Mention, history: _History | None
    ) -> Status | None:
        """What a patient's sentence says of the mention; None if nothing."""
        sentence = heard.sentence
        status = sentence.assertion(mention).status
        asked = any(question.concept == mention.concept for question in self._open)
        if mention.kind is Kind.TOPIC or (
            mention.kind is Kind.NORMAL and status is Status.ABSENT and not asked
        ):
            return None  # that somebody eats well is news only where the appetite is the question
        if history is not None:
            if self._repeats_advice(heard, history):
                return None
            pointed = history.concept != mention.concept or sentence.demonstrative(mention)
            if pointed and status is Status.ABSENT and history.status is Status.PRESENT:
                return None  # 'it did nothing for the pain', 'no pain elsewhere'
        earlier = self._past_turn == heard.turn.id and sentence.past_tense
        if status is Status.PRESENT and (earlier or (self._reaction and history is None)):
            return Status.PAST
        if asked and status is Status.PRESENT and self._contradicts_itself(sentence):
            return Status.UNCERTAIN
        return status

    @staticmethod
    def _contradicts_itself(sentence: Sentence) -> bool:
        """'No, I have lost weight': a "haven't" misheard, or a "no" to something else."""
        turned = sentence.has("terminator") or sentence.has("correction")
        return sentence.tokens[0].text in {"no", "nope", "nah"} and not turned

    def _repeats_advice(self, heard: _Heard, history: _History) -> bool:
        """The patient only says after the doctor what to look out for."""
        last = history.evidence[-1]
        advice = last.assertion.status is Status.HYPOTHETICAL
        recent = heard.turn.id - last.spans[-1].turn <= 2
        own = {"i", "ive", "im", "my", "id"} & {token.text for token in heard.sentence.tokens}
        return advice and recent and not own

    def _reply(
        self, heard: _Heard, questions: Sequence[_Question], told: Sequence[Concept]
    ) -> None:
        """Answer the open questions that the sentence did not answer by name."""
        reply = heard.sentence.reply
        for question in questions:
            if question.concept in told:
                self._note_question(question)
        if reply is Reply.DETAIL and told and heard.sentence.starts_with("just", "only"):
            reply = Reply.NO  # 'Any pain in your joints?' 'Just the back pain'
        if reply is None or (reply is Reply.DETAIL and told):
            self._open = [question for question in questions if question.concept not in told]
            return
        if self._heard_since_open and not heard.sentence.plain:
            return  # too late for anything but a plain yes or no
        partial = any(question.concept in told for question in questions)
        self._open = [question for question in questions if question.concept not in told]
        if partial and reply not in (Reply.NO, Reply.UNSURE):
            self._open.clear()  # 'Yes, the chills': of the rest nothing was said
            return
        if reply is Reply.DETAIL and len(self._open) > 1:
            return
        weak = reply is Reply.DETAIL or (reply is Reply.YES and len(self._open) > 2)
        self._answer(reply, heard, Strength.WEAK if weak else Strength.ANSWERED)

    def _answer(self, reply: Reply, heard: _Heard, strength: Strength) -> None:
        """Note the reply for every open question, and close them."""
        tokens = heard.sentence.tokens
        for question in self._open:
            status = _answered_status(question, reply)
            if status is None:
                continue
            said = _Evidence(
                Assertion(status, question.experiencer),
                strength,
                (question.span, heard.span(tokens)),
                _CONFIDENCE[strength] * heard.certainty,
            )
            history = self._history(question.concept, question.experiencer)
            history.evidence.append(said)
            if status is Status.PRESENT and question.experiencer is Experiencer.PATIENT:
                self._topic, self._affirmed = history, len(self._open) == 1
        self._answered, self._open = self._open, []
        self._hummed = reply is Reply.YES and len(tokens) == 1

    def _correct(self, heard: _Heard) -> None:
        """'No. Well, actually, a bit.' takes the last answer back."""
        sentence = heard.sentence
        if sentence.reply is Reply.NO and sentence.plain and self._hummed:
            reply = Reply.NO  # the 'yeah' before it only meant: I'm listening
        elif (
            len(self._answered) == 1
            and min((start for start, _ in sentence.cues["correction"]), default=2) < 2
            and sentence.reply in (Reply.YES, Reply.DETAIL, Reply.UNSURE)
        ):
            reply = Reply.YES
        else:
            return
        self._open, self._answered = self._answered, []
        self._answer(reply, heard, Strength.STATED)

    # What both share

    def _experiencer(self, sentence: Sentence, mention: Mention) -> Experiencer:
        person = sentence.experiencer(mention)
        if self._proxy and sentence.has("child"):
            return Experiencer.PATIENT
        subject = {
            token.text for token in sentence.tokens[max(mention.first - 4, 0) : mention.first]
        }
        if self._relative_known and not self._proxy and subject & _THIRD_PERSON:
            return Experiencer.OTHER
        return person

    def _resolve(self, mention: Mention) -> Concept:
        """The concept meant: bare 'pain' is the pain that the conversation is about."""
        endings = _GENERIC.get(mention.concept.display)
        if endings is None or len(mention.tokens) > 1:
            return mention.concept
        known = [
            history
            for history in self._histories.values()
            if history.status is Status.PRESENT and history.concept.display.endswith(endings)
        ]
        if self._topic is not None and self._topic in known:
            return self._topic.concept
        asked = [q.concept for q in self._open if q.concept.display.endswith(endings)]
        candidates = asked or [history.concept for history in known]
        return candidates[-1] if candidates else mention.concept

    def _history(self, concept: Concept, person: Experiencer) -> _History:
        return self._histories.setdefault(
            (concept, person), _History(concept, person, Description(self._visit))
        )

    def _note(
        self,
        heard: _Heard,
        concept: Concept,
        person: Experiencer,
        status: Status,
        strength: Strength,
        mention: Mention,
    ) -> None:
        evidence = _Evidence(
            Assertion(status, person),
            strength,
            (heard.mention_span(mention),),
            _CONFIDENCE[strength] * heard.certainty,
            heard.sentence.has("resolved"),
        )
        self._history(concept, person).evidence.append(evidence)

    def _note_question(self, question: _Question) -> None:
        """Put the question before the answer that named its symptom."""
        history = self._histories.get((question.concept, question.experiencer))
        if history is not None:
            last = history.evidence[-1]
            history.evidence[-1] = replace(last, spans=(question.span, *last.spans))


def _answered_status(question: _Question, reply: Reply) -> Status | None:
    """What a reply says of the symptom; None if nothing."""
    if reply is Reply.UNSURE:
        return Status.UNCERTAIN
    if question.diverted and reply in (Reply.YES, Reply.DETAIL):
        return None
    if question.kind is Kind.TOPIC:
        return {Reply.GOOD: Status.ABSENT, Reply.BAD: Status.PRESENT}.get(reply)
    if question.kind is Kind.NORMAL:
        well = reply in (Reply.YES, Reply.GOOD, Reply.DETAIL)
        return Status.PRESENT if well == question.denied else Status.ABSENT
    if reply in (Reply.NO, Reply.GOOD) or question.denied:
        return Status.ABSENT
    return Status.PAST if question.past else Status.PRESENT


def _role(speaker: str) -> str | None:
    """doctor or patient; None where the label does not tell."""
    known = {"doctor": "doctor", "clinician": "doctor", "patient": "patient", "parent": "patient"}
    return known.get(speaker.lower())


def _is_echo(sentence: Sentence) -> bool:
    """The doctor's 'No. OK.' after a question: an answer that was seen or heard by them alone."""
    return sentence.starts_with("no", "none", "nope") and len(sentence.tokens) <= 2
