"""Turns -> Findings: the text classifier.

    turn -> sentences (assertion.split) -> mentions (Lexicon) + cues (Rules)
         -> a question waits for its answer; an answer, a statement or a recap becomes evidence
         -> the evidence of each symptom decides its status -> findings

`SymptomExtractor` keeps what the conversation needs to remember: the open questions, what was just
answered, whom it is about, and all evidence of each symptom, oldest first. Nothing is forgotten
when a status changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

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
from voicemed.candidates import candidate
from voicemed.classifier import Candidate
from voicemed.coreference import Referents, is_told_better
from voicemed.discourse import Persons, Roles, Stance, Stances
from voicemed.findings import Finding
from voicemed.history import (
    CONFIDENCE,
    DRY,
    Evidence,
    History,
    Strength,
    speaker_role,
)
from voicemed.lexicon import Concept, Kind, Lexicon, Mention, load_lexicon, tokenize
from voicemed.questions import (
    SOURCES,
    Heard,
    Question,
    answered_status,
    goes_on_to_symptoms,
    hedges,
    hums,
    is_bare_doubt,
    is_echo,
    is_gone,
    is_set_aside,
    is_tag,
    makes_sure,
    offers_both,
    reply_signs,
    sends_in,
    signs,
    tells_of_having,
    text,
)
from voicemed.topic import Topic, load_topics
from voicemed.transcript import Span, Turn

_QUESTION_AGE = 4
"""Turns after which an unanswered question is dropped."""
_ELLIPTIC = 8
"""Tokens up to which a sentence may name a symptom by half of its words."""
_EMPTY_STEMS = frozenset(
    "a an the my your of in on at to and or for with have be is are been feel get go come any "
    "some pain not no can cannot trouble problem difficult when up down out it that this i "
    "you".split()
)
_OF_NOW = frozenset("now today currently moment still since lately this yesterday night".split())
_DAYS = frozenset("monday tuesday wednesday thursday friday saturday sunday day days week".split())
_PLACED = 12
"Tokens up to which a sentence may only tell where the pain is."
_HALF_ANSWERS = frozenset({Reply.YES, Reply.DETAIL, Reply.GOOD, Reply.BAD, Reply.WELL})
"What is no answer in the midst of somebody else's story, unless it is a plain yes."
_ECHOED = 5
"Tokens up to which a patient's question only repeats what they were asked after."
_HEDGES = frozenset({"mostly", "fairly", "usually", "mainly", "bit", "sometimes", "not"})
_OWN_WORDS = frozenset({"i", "ive", "im", "my", "me", "id", "mine"})
_OF_ANYBODY = frozenset({"you", "your", "youre", "youd", "youve"})
_DOUBTED = 2
"Symptoms asked after, up to which 'I'm not sure' doubts what was just said of them."
_TRIGGERS = frozenset({"cough", "sneezing"})
"What is named to say when another symptom comes: 'a bit if I cough'."
_JOINING = frozenset("or and any a the your with in of some also okay right so then".split())
"Words beside names of symptoms that make no statement of them."
_MIRRORED = 8
"""Tokens up to which a doctor's sentence only puts the patient's words in other ones."""
_BARE = 2
"""Tokens up to which a yes may only begin the answer: 'Yeah. I've had some chills.'"""
_LISTED = 3
"""Symptoms in one statement of the doctor's, most of them known, that make it a recap."""


def create_symptom_extractor(visit: date | None = None) -> SymptomExtractor:
    """A new extractor for one encounter; the lexicon and the rules load once, in about 0.2 s.

    visit: the day of the consultation, from which the dates of onsets are counted.
    """
    return SymptomExtractor(load_lexicon(), load_rules(), load_attributes(), visit)


_UNKNOWN_SPEAKER = 0.9
"""Factor on the confidence where the speaker had to be guessed."""


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
        self._histories: dict[tuple[Concept, Experiencer], History] = {}
        self._open: list[Question] = []
        self._heard_since_open = 0
        self._told_since_open = False
        self._said_since_open: list[str] = []
        self._spans_since_open: list[Span] = []
        self._answered: list[Question] = []
        self._questioned: set[Concept] = set()
        "What the doctor asked after in the turn of the last question."
        self._questioned_turn = self._hedged_turn = self._read_turn = 0
        self._recapped: list[Question] = []
        self._weakly = self._barely = False
        self._topic: History | None = None
        self._on_topic = self._earlier = self._affirmed = False
        self._asked: frozenset[str] = frozenset()
        self._asked_turn = 0
        self._offered: list[Attribute] = []
        self._offered_with: Sentence | None = None
        self._subject = Topic(load_topics())
        self._roles, self._persons, self._stances = Roles(), Persons(), Stances()
        self._referents = Referents(lexicon)
        self._reaction = self._seasonal = False
        self._past_turn = self._advised_turn = self._where_turn = 0
        self._asked_past = False
        self._answered_turn = 0
        self._asked_when: int | None = None
        "Turn of the answer of which the doctor asks when that was."
        self._told_with: dict[str, tuple[int, int]] = {}
        "Turn and first word of the last sentence of the patient's with such a cue."
        self._patient_spoke = False
        self._turns = 0

    def update(self, turn: Turn) -> tuple[Finding, ...]:
        """Take the next turn and return all findings so far, in order of first mention."""
        if not turn.to_assistant:
            self._turns += 1
            self._hear(turn)
        return tuple(
            finding
            for history in self._told()
            if history.evidence
            for finding in history.findings()
        )

    def candidates(self) -> list[Candidate]:
        """All that has been said of each symptom so far, whatever the rules make of it."""
        people: dict[Concept, list[History]] = {}
        for history in self._told():
            people.setdefault(history.concept, []).append(history)
        return [candidate(concept, histories) for concept, histories in people.items()]

    def _told(self) -> list[History]:
        """What was spoken of, without the general words for what is known by its place."""
        histories = list(self._histories.values())
        return [history for history in histories if not is_told_better(history, histories)]

    def _hear(self, turn: Turn) -> None:
        tokens = tokenize(word.text for word in turn.words)
        sentences = split(tokens, self._rules)
        replied = False
        if self._open and turn.id - self._open[-1].span.turn > _QUESTION_AGE:
            self._give_up(self._open)
            self._open = []
        for tokens in sentences:
            mentions = self._subject.read(tokens, self._lexicon.mentions(tokens), turn.id)
            sentence = self._rules.read(tokens, mentions)
            doctor = self._roles.is_doctor(turn, sentence, awaited=bool(self._open))
            self._meet(sentence, turn, doctor=doctor)
            certainty = _UNKNOWN_SPEAKER if speaker_role(turn.speaker) is None else 1.0
            words = [turn.words[token.word].probability for token in tokens]
            heard = Heard(sentence, turn, certainty * sum(words) / len(words))
            if doctor:
                self._heard_since_open += replied
                replied = False
                self._hear_doctor(heard)
                self._patient_spoke &= sentence.act is Act.STATEMENT and self._mirrors(sentence)
            else:
                self._patient_spoke = not sentence.asked
                if self._open:
                    self._said_since_open.append(text(sentence))
                    self._spans_since_open.append(heard.span(sentence.tokens))
                self._hear_patient(heard)
                replied |= len(tokens) > sentence.start
        self._heard_since_open += replied

    def _meet(self, sentence: Sentence, turn: Turn, *, doctor: bool) -> None:
        """Learn whose symptoms are told; what was said before of 'him' is then the patient's."""
        before = self._persons.spoken_for
        self._persons.hear(sentence, turn, doctor=doctor, turns=self._turns)
        if before or not self._persons.spoken_for:
            return
        for history in [one for key, one in self._histories.items() if key[1] is Experiencer.OTHER]:
            del self._histories[history.concept, Experiencer.OTHER]
            own = self._history(history.concept, Experiencer.PATIENT)
            own.evidence += [
                replace(one, assertion=Assertion(one.assertion.status)) for one in history.evidence
            ]

    # The doctor

    def _hear_doctor(self, heard: Heard) -> None:
        sentence = heard.sentence
        if is_echo(sentence) and self._open:
            self._answer(Reply.NO, heard, Strength.WEAK)
            return
        self._stances.hear(sentence, heard.turn)
        self._ask_attributes(heard)
        if self._lists_asked(heard):
            sentence = replace(sentence, act=Act.CLOSED, asked=True)
            heard = replace(heard, sentence=sentence)
        if sentence.advises:
            self._advised_turn = heard.turn.id
        if sentence.act is Act.STATEMENT or self._tells(heard):
            self._reaction &= len(sentence.tokens) <= _ECHOED  # 'I see.' leaves the subject
            self._recap(heard)
            return
        self._answered.clear()
        self._note_where(heard)
        self._asked_past = sentence.has("asks_history") or (
            sentence.act is Act.CLOSED and sentence.has("past")
        )
        self._asked_when = self._answered_turn if sentence.has("when_was") else None
        self._open = [question for question in self._open if not question.assumed]
        self._seasonal = self._is_seasonal(sentence)
        self._reaction = (sentence.has("reaction") and not self._seasonal) or (
            self._reaction and sentence.has("reaction_follow")
        )
        if self._heard_since_open and (sentence.mentions or self._heard_since_open >= 2):
            self._give_up(self._open)
            self._open = []
        if sentence.act is Act.OPEN:
            self._presuppose(heard)
        elif sentence.mentions:
            self._ask(heard)
        elif sentence.act is Act.CLOSED and not is_tag(sentence):
            self._open = [replace(question, diverted=True) for question in self._open]

    def _note_where(self, heard: Heard) -> None:
        """Whether the doctor asks for the place of a pain that has none so far."""
        words = heard.sentence.words
        if not words & {"where", "whereabouts"}:
            return
        named = {one.concept.display for one in heard.sentence.mentions}
        known = self._topic.concept.display if self._topic is not None else ""
        if named == {"pain"} or (not named and known == "pain"):
            self._where_turn = heard.turn.id

    def _lists_asked(self, heard: Heard) -> bool:
        """'Fevers or chills.': nothing but names, which a doctor reads out to be answered."""
        sentence = heard.sentence
        if sentence.asked:
            return False
        named = {at for mention in sentence.mentions for at in mention.tokens}
        rest = {token.text for at, token in enumerate(sentence.tokens) if at not in named}
        advised = self._advised_turn == heard.turn.id  # 'Come back. And a rash, or vomiting.'
        if not named or not rest <= _JOINING or advised:
            return False
        stances = {self._stances.of(sentence, one, heard.turn) for one in sentence.mentions}
        return stances == {Stance.REMARK} and ("or" in rest or not self._patient_spoke)

    def _tells(self, heard: Heard) -> bool:
        """Whether what is built as a statement, and may be a question, belongs to a finding."""
        sentence = heard.sentence
        if sentence.has("summary") and not sentence.rising:
            return True  # 'So what I'm hearing is ...'
        if sentence.starts_with("or") and sentence.has("advice") and not sentence.rising:
            return True  # 'Or if your neck gets stiff, come back.'
        if sentence.starts_with("any") and sends_in(sentence):
            return True  # 'Any numbness, straight to casualty.'
        stances = {self._stances.of(sentence, one, heard.turn) for one in sentence.mentions}
        stated = sentence.declarative or sentence.starts_with("no")
        told = bool(stances) and stances <= {Stance.EXAM, Stance.RECAP}
        return told and stated and not sentence.rising

    def _ask(self, heard: Heard) -> None:
        """Open a question for each symptom asked after; an earlier unanswered one stays open."""
        sentence = heard.sentence
        if not self._open:
            self._heard_since_open = 0
            self._said_since_open, self._spans_since_open = [], []
        if self._questioned_turn != heard.turn.id:
            self._questioned.clear()
        self._questioned_turn = heard.turn.id
        for mention in sentence.mentions:
            supposed = sentence.has("supposed", before=mention.first) or sentence.has("summons")
            if is_set_aside(sentence, mention) or supposed:
                continue
            if mention.kind is Kind.TOPIC and sentence.act is not Act.HOW_IS:
                continue
            concept = self._resolve(mention)
            person = self._persons.experiencer(sentence, mention)
            history = self._histories.get((concept, person))
            known = history is not None and history.status is Status.PRESENT
            if history is not None and known and sentence.definite(mention):
                self._topic = history
                continue
            if known and sentence.declarative and history is not None:
                self._note(heard, concept, person, Status.PRESENT, Strength.WEAK, mention)
                continue
            self._open.append(self._question(heard, mention))
            self._questioned.add(concept)
        self._heard_since_open = 0
        self._told_since_open = False

    def _question(self, heard: Heard, mention: Mention) -> Question:
        """The question that the doctor's sentence puts, or may be taken for."""
        sentence = heard.sentence
        return Question(
            self._resolve(mention),
            heard.mention_span(mention),
            self._persons.experiencer(sentence, mention),
            sentence.negated(mention) and not sentence.inverted,
            Kind.TOPIC if offers_both(sentence, mention) else mention.kind,
            sentence.has("past"),
            sentence.has("earlier"),
            signs("asked", heard, mention),
            text(sentence),
            frozenset(sentence.tokens[at].stem for at in mention.tokens) - _EMPTY_STEMS,
            assumed=sentence.act is Act.STATEMENT,
            presupposed=sentence.act is Act.OPEN,
            ever=sentence.has("past") or "ever" in sentence.words,
            of_now=sentence.has("resolved"),
            made_sure=makes_sure(sentence, mention),
            sorted_out=mention.kind is Kind.NORMAL and goes_on_to_symptoms(sentence, mention),
        )

    def _presuppose(self, heard: Heard) -> None:
        """'When did the cough start?': a cough is taken for granted."""
        for mention in heard.sentence.mentions:
            concept = self._resolve(mention)
            person = self._persons.experiencer(heard.sentence, mention)
            history = self._histories.get((concept, person))
            if mention.kind is not Kind.SYMPTOM:
                continue
            if history is not None and history.status is Status.PRESENT:
                self._topic = history
                self._note(heard, concept, person, Status.PRESENT, Strength.WEAK, mention)
            elif self._takes_for_granted(heard.sentence, mention):
                self._open.append(self._question(heard, mention))

    @staticmethod
    def _takes_for_granted(sentence: Sentence, mention: Mention) -> bool:
        """'When did the cough start?', 'Where are you having numbness?'"""
        granted = sentence.definite(mention) or sentence.has("granted", before=mention.first)
        return granted and not sentence.advises

    def _recap(self, heard: Heard) -> None:
        """A doctor's statement: a recap of what the patient has, else advice or explanation."""
        sentence = heard.sentence
        if self._lists_known(sentence):
            self._stances.list_recap(heard.turn)
        for mention in sentence.mentions:
            if mention.kind is Kind.TOPIC:
                continue
            concept = self._resolve(mention)
            person = self._persons.experiencer(sentence, mention)
            known = self._histories.get((concept, person))
            status = self._recapped_status(heard, mention, known.status if known else None)
            self._note(heard, concept, person, status, Strength.WEAK, mention)
            if status is Status.PRESENT:
                self._topic = self._histories[concept, person]
            if status is not Status.HYPOTHETICAL:
                self._recapped.append(self._question(heard, mention))
                if self._mirrors(sentence):
                    self._open.append(self._recapped[-1])
                    self._heard_since_open = 0
        if any(map(sentence.reports, sentence.mentions)):
            words = [word.text for word in heard.turn.words]
            for found in self._attributes.read(sentence.tokens, (), words, sentence.mentions):
                owners = self._attributes.owners(found, sentence.tokens, sentence.mentions)
                self._give(heard, found, owners or (), weak=True)

    def _lists_known(self, sentence: Sentence) -> bool:
        """Whether it goes through several symptoms, most of them as the patient told them."""
        named = {
            self._resolve(mention): sentence.assertion(mention).status
            for mention in sentence.mentions
            if mention.kind is not Kind.TOPIC
        }
        known = sum(
            history.status is status
            for concept, status in named.items()
            if (history := self._histories.get((concept, Experiencer.PATIENT)))
        )
        begun = "so" in {token.text for token in sentence.tokens[: sentence.start]}
        enough = known * 2 > len(named) or begun
        return len(named) >= _LISTED and enough and not sentence.has("advice")

    def _recapped_status(self, heard: Heard, mention: Mention, known: Status | None) -> Status:
        """What a doctor's statement says of the mention: hypothetical unless it reports."""
        sentence = heard.sentence
        said = sentence.assertion(mention).status
        stance = self._stances.of(sentence, mention, heard.turn)
        if sentence.reports(mention, advised=stance is Stance.ADVICE):
            return said
        if stance is Stance.ADVICE:
            return Status.HYPOTHETICAL
        if stance is not Stance.REMARK or self._mirrors(sentence):
            return said
        echoes = said is known or (known is None and said is Status.ABSENT)
        return said if echoes and not sentence.advises else Status.HYPOTHETICAL

    def _mirrors(self, sentence: Sentence) -> bool:
        """'Pins and needles.', 'So it's blurred.': the patient's words in the doctor's."""
        opinion = {"i", "im", "id"} & sentence.words
        short = len(sentence.tokens) - sentence.start <= _MIRRORED
        return self._patient_spoke and short and not opinion and not sentence.advises

    # The patient

    def _hear_patient(self, heard: Heard) -> None:
        sentence = heard.sentence
        answers = sentence.plain and not sentence.rising  # 'No, I do not.'
        if self._echoes(sentence) or (sentence.rising and hums(sentence)):
            return
        if sentence.asked and not answers and self._asks_back(sentence):
            return
        if sentence.of_past or sentence.has("reacted"):
            self._past_turn = heard.turn.id
            self._put_back(heard)
        self._put_back_since(heard)
        self._seasonal = self._is_seasonal(sentence)
        denied = sentence.plain and sentence.reply is Reply.NO  # of allergies
        self._reaction |= sentence.has("reaction")
        self._reaction &= not self._seasonal and not denied
        self._note_reading(sentence, heard.turn)
        self._grant(heard)
        questions, topic = list(self._open), self._topic
        self._affirmed = False
        stated = self._tell(heard)
        if questions:
            self._reply(heard, questions, stated)
            self._told_since_open |= bool(stated)
            self._open += [
                # 'As a child I did.' leaves open whether now, as in 'But no, not now.'
                replace(question, told_past=True)
                for question in questions
                if question.concept in stated
                and not question.ever
                and self._told_past(question, heard)
            ]
        elif self._answered and not stated:
            self._correct(heard)
        elif self._answered:
            self._narrow(heard, stated)
        self._take_back(heard)
        if not stated:
            self._on_topic |= self._affirmed
            topic = self._topic
        self._describe(heard, topic)

    def _note_reading(self, sentence: Sentence, turn: Turn) -> None:
        """'I've read about that. You get hooked': what follows is what was read."""
        if sentence.has("hearsay") and not sentence.mentions:
            self._read_turn = turn.id
        elif sentence.words & _OWN_WORDS:
            self._read_turn = 0

    def _take_back(self, heard: Heard) -> None:
        """What this sentence says of those before it: not mine, no more than anybody, not sure."""
        sentence, turn = heard.sentence, heard.turn.id
        if self._disowns(heard):
            self._give_to_others(turn)
            if self._open:
                self._answer(Reply.NO, heard, Strength.STATED)
        elif sentence.mentions:
            return
        elif sentence.has("ordinary"):
            self._restate(turn, Status.PRESENT, Status.ABSENT)
        elif sentence.reply is Reply.UNSURE and self._hedged_turn == turn:
            self._restate(turn, Status.ABSENT, Status.UNCERTAIN)
        elif is_bare_doubt(sentence) and len(self._questioned) <= _DOUBTED:
            self._restate(turn, Status.PRESENT, Status.UNCERTAIN)

    def _disowns(self, heard: Heard) -> bool:
        """'My boy is the one for that. Sneezing. Me, I've never had it.'"""
        sentence = heard.sentence
        ends = any(last == len(sentence.tokens) - 1 for _, last in sentence.cues["disowns"])
        own = not self._persons.spoken_for and bool(sentence.words & _OWN_WORDS)
        told = self._persons.tells_of_others(heard.turn) or sentence.starts_with("me", "myself")
        told = told or bool(self._denied_now(heard.turn.id))
        return ends and own and told

    def _give_to_others(self, turn: int) -> None:
        """What was told in this turn without an 'I' is somebody else's."""
        for (concept, person), history in list(self._histories.items()):
            if person is Experiencer.OTHER:
                continue
            theirs = [
                one
                for one in history.evidence
                if one.spans[-1].turn == turn
                and one.strength is Strength.STATED
                and one.assertion.status in (Status.PRESENT, Status.PAST)
                and one.text.split(maxsplit=1)[0] not in _OWN_WORDS
            ]
            history.evidence = [one for one in history.evidence if one not in theirs]
            if theirs:
                other = self._history(concept, Experiencer.OTHER)
                other.evidence += [
                    replace(one, assertion=Assertion(one.assertion.status, Experiencer.OTHER))
                    for one in theirs
                ]

    def _restate(self, turn: int, said: Status, meant: Status) -> None:
        """Change what was said in this turn of what the doctor asked after."""
        for concept in self._questioned:
            history = self._history(concept, Experiencer.PATIENT)
            history.evidence = [
                replace(one, assertion=Assertion(meant))
                if one.spans[-1].turn == turn and one.assertion.status is said
                else one
                for one in history.evidence
            ]

    def _echoes(self, sentence: Sentence) -> bool:
        """'Drooling?': the patient only asks what the doctor means."""
        asked = {question.concept for question in self._open}
        named = {mention.concept for mention in sentence.mentions}
        own = {"i", "ive", "im", "my"} & sentence.words
        short = len(sentence.tokens) <= _ECHOED
        return sentence.rising and short and not own and bool(named) and named <= asked

    def _grant(self, heard: Heard) -> None:
        """Who tells how long they have had the cough has a cough."""
        granted = [question for question in self._open if question.presupposed]
        if not granted or len(heard.sentence.tokens) <= heard.sentence.start:
            return
        self._open = [question for question in self._open if not question.presupposed]
        if heard.sentence.reply not in (Reply.NO, Reply.UNSURE):
            self._answer_with(Status.PRESENT, granted, heard, Strength.WEAK)

    def _told_past(self, question: Question, heard: Heard) -> bool:
        last = self._history(question.concept, question.experiencer).evidence[-1:]
        here = heard.span(heard.sentence.tokens)
        return any(
            one.assertion.status is Status.PAST
            and one.spans[-1].turn == here.turn
            and here.first <= one.spans[-1].first <= here.last
            for one in last
        )

    def _put_back(self, heard: Heard) -> None:
        """'I fainted at the parade. I was four.': what was just told is long over."""
        sentence = heard.sentence
        if sentence.mentions or len(sentence.tokens) > _ELLIPTIC:
            return
        reacted = sentence.has("reacted")  # '... so the GP swapped it'
        if reacted or sentence.starts_with("i", "that", "it", "this", "we"):
            self._make_past(heard.turn.id)
        self._make_past(heard.turn.id, strength=Strength.ANSWERED)  # 'Yes. Years ago.'
        if self._asked_when is not None:
            self._make_past(self._asked_when, strength=Strength.ANSWERED)

    def _put_back_since(self, heard: Heard) -> None:
        """'In June my eyes stream. Not now.': of the sentence with a time, and those after it."""
        sentence = heard.sentence
        here = heard.turn.id, sentence.tokens[0].word
        short = len(sentence.tokens) <= _ELLIPTIC and not sentence.mentions and not sentence.rising
        for cue, other in (("over", "before"), ("before", "over")):
            told = self._told_with.get(other)
            if short and sentence.has(cue) and told is not None and told[0] == heard.turn.id:
                self._make_past(*told)
            if sentence.has(cue):
                self._told_with[cue] = here

    def _make_past(self, turn: int, since: int = 0, strength: Strength = Strength.STATED) -> None:
        """Take what the patient told in this turn, from a word on, for long over."""
        for history in self._histories.values():
            for at, one in enumerate(history.evidence):
                told = one.spans[-1].turn == turn and one.spans[-1].first >= since
                if told and one.strength is strength and one.assertion.status is Status.PRESENT:
                    past = Assertion(Status.PAST, one.assertion.experiencer)
                    history.evidence[at] = replace(one, assertion=past)

    def _is_seasonal(self, sentence: Sentence) -> bool:
        """Whether allergies that are felt now are the subject, after this sentence."""
        if sentence.has("seasonal") or (self._reaction and sentence.has("airborne")):
            return True
        return self._seasonal and not sentence.has("ingested")

    def _asks_back(self, sentence: Sentence) -> bool:
        """A patient's own question ('could it be a fever?') tells nothing."""
        words = sentence.words
        if words & {"you", "your", "youre"} and not words & {"i", "ive", "im", "my", "me"}:
            return True
        opening = {token.text for token in sentence.tokens[:3]}
        return bool(
            opening & {"could", "can", "should", "will", "would", "what", "do", "is", "how"}
        )

    def _tell(self, heard: Heard) -> list[Concept]:
        """Note what the patient says of each symptom that they name; returns the symptoms."""
        sentence = heard.sentence
        told: list[Concept] = []
        for mention in (*sentence.mentions, *self._elliptic(heard), *self._placed(heard)):
            concept = self._resolve(mention, denied=sentence.negated(mention))
            person = self._persons.experiencer(sentence, mention)
            status = self._told_status(heard, mention, self._histories.get((concept, person)))
            if status is None:
                continue
            self._note(heard, concept, person, status, Strength.STATED, mention)
            asked = {one.experiencer for one in self._open if one.concept == concept}
            if person is Experiencer.PATIENT or person in asked or not asked:
                told.append(concept)  # 'My sister had one' leaves it open for the patient
            if person is Experiencer.PATIENT and status is Status.PRESENT:
                self._topic = self._histories[concept, person]
        return told

    def _elliptic(self, heard: Heard) -> list[Mention]:
        """One word for a symptom just asked after or recapped: 'Not sticky.', 'Just the chills.'"""
        sentence = heard.sentence
        if len(sentence.tokens) > _ELLIPTIC:
            return self._dry(sentence)
        recent = [one for one in self._recapped if heard.turn.id - one.span.turn <= 2]
        named = {at for mention in sentence.mentions for at in mention.tokens}
        found: dict[Concept, Mention] = {}
        for at, token in enumerate(sentence.tokens):
            meant = {one.concept: one for one in (*self._open, *recent) if token.stem in one.words}
            if at in named or len(meant) != 1:
                continue
            (question,) = meant.values()
            mention = Mention(question.concept, question.kind, (at,), 1)
            chosen = sentence.starts_with("just", "only") and at <= 2
            if question.kind is Kind.SYMPTOM and (chosen or sentence.negated(mention)):
                found.setdefault(question.concept, mention)
        told = [one for one in found.values() if one.concept not in _concepts(sentence)]
        return told + self._dry(sentence)

    def _placed(self, heard: Heard) -> list[Mention]:
        """The place of a pain of which none was known: 'Where does it hurt?' 'In my back.'"""
        sentence = heard.sentence
        recent = self._where_turn > 0 and heard.turn.id - self._where_turn <= 1
        bare = self._topic is not None and self._topic.concept.display == "pain"
        at_once = sentence.starts_with("it", "its", "in", "just", "here") and bare
        if sentence.mentions or sentence.asked or not (recent or at_once):
            return []
        short = len(sentence.tokens) <= _PLACED and sentence.reply is not Reply.NO
        return self._referents.placed(sentence) if short else []

    def _dry(self, sentence: Sentence) -> list[Mention]:
        """'Is it dry, or do you bring anything up?' 'It's dry.'"""
        known = self._histories.get((self._lexicon.concepts[DRY], Experiencer.PATIENT))
        if known is not None and known.status is Status.PRESENT:
            return []  # 'It's drier now' takes nothing back
        asked = any(question.concept.display == DRY for question in self._open)
        cough = self._topic is not None and self._topic.concept.display == "cough"
        hedged = sentence.words & _HEDGES
        if sentence.mentions or hedged or not (asked or cough):
            return []
        dry = [at for at, token in enumerate(sentence.tokens) if token.text == "dry"]
        return [Mention(self._lexicon.concepts[DRY], Kind.DENIAL, (at,), 1) for at in dry[:1]]

    def _describe(self, heard: Heard, topic: History | None) -> None:
        """Give the attributes said to the symptoms beside them, or to the one talked about."""
        sentence, reader = heard.sentence, self._attributes
        self._accept_offer(heard)
        if sentence.asked and {"you", "your"} & sentence.words:
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

    def _topics(self, found: Attribute, topic: History | None) -> list[History]:
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
        self, heard: Heard, found: Attribute, owners: Sequence[Mention], *, weak: bool = False
    ) -> None:
        """Give an attribute to those of the mentions that the sentence says are present."""
        for mention in owners:
            history = self._told_present(heard, mention)
            if history is not None:
                history.description.add(found, weak=weak)

    def _told_present(self, heard: Heard, mention: Mention) -> History | None:
        """The history of a mention that the sentence says the patient has; None if it does not."""
        if mention.kind is not Kind.SYMPTOM:
            return None
        history = self._histories.get((self._resolve(mention), Experiencer.PATIENT))
        said = heard.sentence.assertion(mention)
        person = self._persons.experiencer(heard.sentence, mention)
        if person is not Experiencer.PATIENT or said.status is not Status.PRESENT:
            return None
        return history if history and history.status is Status.PRESENT else None

    def _ask_attributes(self, heard: Heard) -> None:
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

    def _accept_offer(self, heard: Heard) -> None:
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
        self, heard: Heard, mention: Mention, history: History | None
    ) -> Status | None:
        """What a patient's sentence says of the mention; None if nothing."""
        sentence = heard.sentence
        status = sentence.assertion(mention).status
        asked = any(question.concept == mention.concept for question in self._open)
        if mention.kind is Kind.TOPIC or (
            mention.kind is Kind.NORMAL and status is Status.ABSENT and not asked
        ):
            return None  # that somebody eats well is news only where the appetite is the question
        if self._repeats_advice(heard, mention.concept) or self._is_trigger(sentence, mention):
            return None
        if history is not None:
            pointed = history.concept != mention.concept or sentence.demonstrative(mention)
            if (
                pointed
                and not history.recapped_only
                and status is Status.ABSENT
                and history.status is Status.PRESENT
            ):
                return None  # 'it did nothing for the pain', 'no pain elsewhere'
        if status is Status.PRESENT and asked and sentence.has("ordinary"):
            return Status.ABSENT  # 'I have a bruise here and there, but no more than normal.'
        turned = sentence.of_past and sentence.turned_to(mention)
        if status is Status.PRESENT and not turned and self._is_of_before(heard, history):
            return Status.PAST
        if status is Status.PRESENT and self._tells_after_no(heard, mention.concept):
            self._past_turn = heard.turn.id
            return Status.PAST
        if status is Status.PRESENT and self._is_read(heard):
            return Status.HYPOTHETICAL
        if asked and status is Status.PRESENT and self._contradicts_itself(sentence, mention):
            return Status.UNCERTAIN
        return status

    def _is_of_before(self, heard: Heard, history: History | None) -> bool:
        """Whether the sentences around it tell of an earlier time, or of what a drug once did."""
        known = history is not None and history.status is Status.PRESENT
        words = heard.sentence.words
        if self._reaction and not known and not words & _OF_NOW:
            return True
        if not heard.sentence.past_tense or words & {"since", "still"}:
            return False
        asked = self._asked_past and not known and not heard.sentence.perfect
        asked = asked and not words & _OF_NOW
        return self._past_turn == heard.turn.id or asked

    def _is_trigger(self, sentence: Sentence, mention: Mention) -> bool:
        """'Any leaking?' 'A bit if I cough.' tells of no cough."""
        before = sentence.tokens[max(mention.first - 2, 0) : mention.first]
        led = [token.text for token in before] == ["if", "i"]
        asked = {question.concept for question in self._open}
        other = bool(asked) and mention.concept not in asked
        return led and other and mention.concept.display in _TRIGGERS

    def _tells_after_no(self, heard: Heard, concept: Concept) -> bool:
        """'Any migraines?' 'No. I'd years of them': what was just denied is told of before."""
        sentence = heard.sentence
        words = sentence.words
        if self._answered_turn != heard.turn.id or not sentence.past_tense or sentence.perfect:
            return False
        if self._hedged_turn == heard.turn.id and not sentence.has("over"):
            return False  # 'Not to us. He did throw a plate.'
        recent = words & (_OF_NOW | _DAYS) or sentence.has("correction") or sentence.has("ongoing")
        denied = self._denied_now(heard.turn.id)
        told = concept in denied or (bool(denied) and sentence.has("over"))
        return told and not (recent and not sentence.of_past)

    def _is_read(self, heard: Heard) -> bool:
        """'You get hooked and then you're hallucinating': told of anybody, after 'I've read'."""
        words = heard.sentence.words
        of_anybody = bool(words & _OF_ANYBODY) and not words & _OWN_WORDS
        return of_anybody and self._read_turn == heard.turn.id

    def _denied_now(self, turn: int) -> set[Concept]:
        """What the patient has denied in this turn, in answer to the last question."""
        return {
            question.concept
            for question in self._answered
            for last in self._history(question.concept, question.experiencer).evidence[-1:]
            if last.spans[-1].turn == turn and last.assertion.status is Status.ABSENT
        }

    def _contradicts_itself(self, sentence: Sentence, mention: Mention) -> bool:
        """'No, I have lost weight': a "haven't" misheard; 'No, I have a migraine' is plain."""
        turned = sentence.has("terminator") or sentence.has("correction")
        words = {sentence.tokens[at].stem for at in mention.tokens}
        repeated = any(words & question.words for question in self._open)
        return repeated and sentence.tokens[0].text in {"no", "nope", "nah"} and not turned

    def _repeats_advice(self, heard: Heard, concept: Concept) -> bool:
        """The patient only says after the doctor what to look out for."""
        said = [
            one.evidence[-1]
            for person in Experiencer
            if (one := self._histories.get((concept, person))) and one.evidence
        ]
        advice = any(
            last.assertion.status is Status.HYPOTHETICAL
            and heard.turn.id - last.spans[-1].turn <= 2
            for last in said
        )
        own = {"i", "ive", "im", "my", "id"} & heard.sentence.words
        return advice and not own

    def _reply(self, heard: Heard, questions: Sequence[Question], told: Sequence[Concept]) -> None:
        """Answer the open questions that the sentence did not answer by name."""
        reply = heard.sentence.reply
        for question in questions:
            if question.concept in told:
                self._note_question(question)
        if told:  # 'As a child. No pain.' denies the pain only
            questions = [question for question in questions if not question.told_past]
        partial = any(question.concept in told for question in questions)
        plain = heard.sentence.plain
        conditional = heard.sentence.has("condition")  # 'Only when I cough' tells when
        if reply is Reply.DETAIL and told and heard.sentence.starts_with("just", "only"):
            if not conditional:
                reply = Reply.NO  # 'Any pain in your joints?' 'Just the back pain'
        elif told and heard.sentence.has("rest") and not (reply is Reply.YES and plain):
            reply = Reply.NO  # 'I have a cough, but none of the others'
        elif partial and reply is Reply.NO and not heard.sentence.denies_all:
            reply = None  # 'I'm not vomiting' says nothing of the fever
        elif told and not partial and len(questions) > 1 and tells_of_having(heard.sentence):
            reply = Reply.DETAIL  # 'Fever or chills?' 'I had diarrhea' tells of something else
        more = reply is Reply.DETAIL and (told or self._told_since_open)
        untold = not told and not self._told_since_open
        untold = untold and all(one.kind is Kind.SYMPTOM for one in questions)
        if not plain and untold and is_gone(heard.sentence):
            reply = Reply.NO  # 'It was, but it's cleared.'
        if not plain and reply in _HALF_ANSWERS and self._persons.tells_of_others(heard.turn):
            reply = None  # 'My uncle had TB. I was small then.'
        if reply is None or (more and not conditional):
            self._open = [question for question in questions if question.concept not in told]
            return
        if self._heard_since_open and not plain:
            return  # too late for anything but a plain yes or no
        self._open = [question for question in questions if question.concept not in told]
        if partial and reply not in (Reply.NO, Reply.UNSURE):
            self._give_up(self._open)  # 'Yes, the chills': of the rest nothing was said
            self._open = []
            return
        if reply is Reply.DETAIL and len({question.concept for question in self._open}) > 1:
            return
        weak = reply is Reply.DETAIL or (reply is Reply.YES and len(self._open) > 2)
        self._answer(reply, heard, Strength.WEAK if weak else Strength.ANSWERED)

    def _answer(self, reply: Reply, heard: Heard, strength: Strength) -> None:
        """Note the reply for every open question, and close them."""
        if reply is Reply.YES and heard.sentence.has("contrary"):
            self._open = [replace(question, denied=False) for question in self._open]
        statuses = [(answered_status(question, reply), question) for question in self._open]
        statuses = [(s, q) for s, q in statuses if not (q.past and self._is_present(q))]
        sentence = heard.sentence
        over = sentence.has("before") and sentence.has("over")
        if sentence.of_past or over:  # 'Oh yes, back then I did.'
            statuses = [(Status.PAST if s is Status.PRESENT else s, q) for s, q in statuses]
        for status in dict.fromkeys(status for status, _ in statuses if status is not None):
            same = [question for answered, question in statuses if answered is status]
            self._answer_with(status, same, heard, strength)
        self._answered_turn = heard.turn.id
        if reply is Reply.NO and hedges(sentence):
            self._hedged_turn = heard.turn.id
        self._answered, self._open = self._open, []
        hum = reply is Reply.YES and len(heard.sentence.tokens) == 1
        self._weakly = reply is Reply.DETAIL or hum
        self._barely = reply is Reply.YES and len(heard.sentence.tokens) <= _BARE

    def _is_present(self, question: Question) -> bool:
        """Whether the patient has it now, whatever they say of 'similar pain in the past'."""
        history = self._histories.get((question.concept, question.experiencer))
        return history is not None and history.status is Status.PRESENT

    def _answer_with(
        self, status: Status, questions: Sequence[Question], heard: Heard, strength: Strength
    ) -> None:
        """Note the status that the sentence gives to each of the questions."""
        sentence = heard.sentence
        for question in questions:
            told = strength
            if question.made_sure and status is Status.ABSENT and sentence.reply is Reply.NO:
                told = Strength.STATED  # 'So no sneezing?' 'No.'
            said = Evidence(
                Assertion(status, question.experiencer),
                told,
                (question.span, heard.span(sentence.tokens)),
                CONFIDENCE[told] * heard.certainty,
                question.of_now,
                signs=question.signs
                | reply_signs(sentence, len(questions), self._heard_since_open),
                text=f"{question.text} / {text(sentence)}",
            )
            history = self._history(question.concept, question.experiencer)
            history.evidence.append(said)
            if status is Status.PRESENT and question.experiencer is Experiencer.PATIENT:
                self._topic, self._affirmed = history, len(self._open) == 1

    def _correct(self, heard: Heard) -> None:
        """'No. Well, actually, a bit.' takes the last answer back."""
        sentence = heard.sentence
        bare = sentence.reply is Reply.NO and sentence.plain and len(sentence.cues["negation"]) < 2
        if bare and self._weakly:
            reply = Reply.NO  # the 'yeah' before it only meant: I'm listening, or was a joke
        elif (
            len(self._answered) == 1
            and min((start for start, _ in sentence.cues["correction"]), default=2) < 2
            and sentence.reply in (Reply.YES, Reply.DETAIL, Reply.UNSURE)
        ):
            reply = Reply.YES
        elif (
            len(self._answered) == 1
            and sentence.has("condition")
            and sentence.starts_with("just", "only")
        ):
            reply = Reply.YES  # 'No. Only when I lie down.'
        else:
            return
        self._open, self._answered = self._answered, []
        strength = Strength.ANSWERED if reply is Reply.NO else Strength.STATED
        self._answer(reply, heard, strength)

    def _narrow(self, heard: Heard, told: Sequence[Concept]) -> None:
        """'Any fever, chills or rash?' 'Yeah. I've had chills.': the yes was of the chills."""
        named = (
            self._histories.get((question.concept, question.experiencer))
            for question in self._answered
            if question.concept in told
        )
        affirmed = any(one is not None and one.status is Status.PRESENT for one in named)
        if not self._barely or self._answered_turn != heard.turn.id or not affirmed:
            return
        rest = [question for question in self._answered if question.concept not in told]
        for question in rest:
            evidence = self._history(question.concept, question.experiencer).evidence
            last = evidence[-1] if evidence else None
            if last and last.spans[0] == question.span and last.assertion.status is Status.PRESENT:
                evidence.pop()
                self._give_up([question])
        self._answered = [question for question in self._answered if question not in rest]

    def _give_up(self, questions: Sequence[Question]) -> None:
        """Remember what was asked but not answered, as far as it was understood."""
        for question in questions:
            said = " ".join(self._said_since_open)
            unanswered = Evidence(
                Assertion(Status.HYPOTHETICAL, question.experiencer),
                Strength.WEAK,
                (question.span, *self._spans_since_open),
                CONFIDENCE[Strength.WEAK],
                signs=question.signs | {"unanswered"},
                text=f"{question.text} / {said}",
            )
            history = self._history(question.concept, question.experiencer)
            history.unanswered.append(unanswered)

    # What both share

    def _resolve(self, mention: Mention, *, denied: bool = False) -> Concept:
        """The concept meant: bare 'pain' is the pain that the conversation is about."""
        if mention.referred:
            return mention.concept
        return self._referents.resolve(
            mention,
            self._histories.values(),
            self._topic,
            [question.concept for question in self._open],
            denied=denied,
        )

    def _history(self, concept: Concept, person: Experiencer) -> History:
        new = History(concept, person, description=Description(self._visit))
        return self._histories.setdefault((concept, person), new)

    def _note(
        self,
        heard: Heard,
        concept: Concept,
        person: Experiencer,
        status: Status,
        strength: Strength,
        mention: Mention,
    ) -> None:
        evidence = Evidence(
            Assertion(status, person),
            strength,
            (heard.mention_span(mention),),
            CONFIDENCE[strength] * heard.certainty,
            heard.sentence.has("resolved") or self._is_finding(heard, mention),
            signs(SOURCES[strength], heard, mention),
            text(heard.sentence),
        )
        self._history(concept, person).evidence.append(evidence)

    def _is_finding(self, heard: Heard, mention: Mention) -> bool:
        """Whether an examination tells it: 'no tenderness' may be of another place."""
        return self._stances.of(heard.sentence, mention, heard.turn) is Stance.EXAM

    def _note_question(self, question: Question) -> None:
        """Put the question before the answer that named its symptom."""
        history = self._histories.get((question.concept, question.experiencer))
        if history is not None and history.evidence:
            last = history.evidence[-1]
            history.evidence[-1] = replace(last, spans=(question.span, *last.spans))


def _concepts(sentence: Sentence) -> set[Concept]:
    return {mention.concept for mention in sentence.mentions if mention.concept.display != "pain"}
