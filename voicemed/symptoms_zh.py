"""Chinese Turns -> Findings.

    turn -> sentences (chinese.read_script) -> mentions (ChineseLexicon) + cues (ChineseRules)
         -> a question waits for its answer; an answer, a statement or a recap becomes evidence
         -> the evidence of each symptom decides its status (history) -> findings

The same model as in symptoms.py, with the ways of Chinese: a question's verb is its answer
('aches?' 'aches not'), questions are asked by particles or by 'have-not-have', and a parent or a
son or daughter often speaks for the patient.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from voicemed.assertion import Assertion, Experiencer, Reply, Status
from voicemed.chinese import (
    ChineseLexicon,
    ChineseRules,
    Sentence,
    load_chinese_lexicon,
    load_chinese_rules,
    read_script,
)
from voicemed.findings import Extractor, Finding
from voicemed.history import CONFIDENCE, GENERIC, Evidence, History, Strength, speaker_role
from voicemed.lexicon import Concept, Kind, Mention
from voicemed.transcript import Span, Turn

_QUESTION_AGE = 2
"""Turns of the patient after which an unanswered question is dropped."""
_PAINFUL = ("painful periods", "pain during sex")
"""Of which 'it hurts' may also speak."""
_OPENING_TURNS = 12
"""Turns in which it shows that somebody else than the speaker is the patient."""
_UNKNOWN_SPEAKER = 0.9
"""Factor on the confidence where the speaker had to be guessed."""
_AFTER_REPLY = re.compile(
    r"$|[.?,、]|[啊呀呢吧的了哦哈嘛噢]|我|就|但|不过|只|现在|目前|今天|昨天|偶尔|一直|平时|晚上|早上|医生|这|那"
)
"""What may follow a reply: its end, a particle, or a new sentence where no mark stands."""
_ECHO = (
    r"(?:{listening})?(?P<no>(?:也|都|倒|并|从来)*(?:不|没|没有)(?:怎么|太|大|是很|会|再)?)?"
    r"(?:有点|有一点|很|挺|还|会|是|有时候?|经常|一直|特别|比较|非常|偶尔|也|都|就|蛮|好)*"
    r"[{verb}]{{1,3}}(?:[了过]?[一两二三四五六七八九十几好\d]+次)?(?:的|了|啊|过|呢|着|吧|得很|得厉害|的厉害|一点|一点点|几次)*(?:$|[.?,])"
)
"""'Coughs?' '(A little) coughs.' / 'Coughs not.'"""
_LISTENING = "嗯|恩|哦|噢|啊|呃|那|就|好像|感觉"
_NOTHING_ELSE = re.compile(r"(?:别的|其他的?|其它的?|其余的?|剩下的)(?:症状)?(?:倒|也|就|都)*没有?")
_TRAILING_NO = re.compile(r"(?<!有)(?:都没有|没有过|没有)[.]?$")
_FINAL_NO = re.compile(r"(?:没有|没|不)[.?,]*$")


def create_chinese_symptom_extractor() -> Extractor:
    """A new extractor for one Chinese encounter; the lexicon and the rules load once."""
    return ChineseSymptomExtractor(load_chinese_lexicon(), load_chinese_rules())


@dataclass(frozen=True, slots=True)
class _Question:
    """A symptom that the doctor asked after."""

    concept: Concept
    kind: Kind
    experiencer: Experiencer
    span: Span
    said: str
    "The characters that name it."
    denied: bool
    "Asked in the negative ('no fever, right?'), so that yes and no both deny."
    past: bool
    diverted: bool = False
    "Another question followed, to which a 'yes' belongs."


@dataclass(frozen=True, slots=True)
class _Heard:
    """A sentence with its place and speaker."""

    sentence: Sentence
    turn: Turn
    certainty: float
    "Factor on the confidence: of the speaker's role and of the recognised words."

    @property
    def span(self) -> Span:
        """Where the sentence is in the turn."""
        words = self.sentence.script.words
        return Span(self.turn.id, words[0], words[-1])

    def mention_span(self, mention: Mention) -> Span:
        """Where the mention is in the turn."""
        words = self.sentence.script.words
        return Span(self.turn.id, words[mention.first], words[mention.last])


class ChineseSymptomExtractor:
    """Findings by lexicon and rules, across turns. Not safe for use from several threads."""

    def __init__(self, lexicon: ChineseLexicon, rules: ChineseRules) -> None:
        self._lexicon = lexicon
        self._rules = rules
        self._histories: dict[tuple[Concept, Experiencer], History] = {}
        self._open: list[_Question] = []
        self._earlier: list[_Question] = []
        self._age = 0
        self._answered: list[_Question] = []
        self._topic: History | None = None
        self._topic_turn = 0
        self._asked_attribute = ""
        self._subjects: set[str] = set()
        self._spoke_of_self = self._asked_around = self._reaction = False
        self._turns = 0

    def update(self, turn: Turn) -> tuple[Finding, ...]:
        """Take the next turn and return all findings so far, in order of first mention."""
        if not turn.to_assistant:
            self._turns += 1
            self._hear(turn)
        return tuple(f for history in self._histories.values() for f in history.findings())

    def _hear(self, turn: Turn) -> None:
        replied = False
        for script in read_script(word.text for word in turn.words).sentences():
            sentence = self._rules.read(script, self._lexicon.mentions(script.text))
            certainty = _UNKNOWN_SPEAKER if speaker_role(turn.speaker) is None else 1.0
            words = [turn.words[word].probability for word in script.words]
            heard = _Heard(sentence, turn, certainty * sum(words) / len(words))
            if self._is_doctor(turn.speaker, sentence):
                self._hear_doctor(heard)
            else:
                self._hear_patient(heard)
                replied = True
        self._age += replied

    def _is_doctor(self, speaker: str, sentence: Sentence) -> bool:
        """By the label, else by the words: who asks, or says 'you', is taken for the doctor."""
        role = speaker_role(speaker)
        if role is not None:
            return role == "doctor"
        if sentence.has("doctor"):
            return True
        if sentence.has("patient"):
            return False
        if self._open and self._rules.reply(sentence.text)[0] and not sentence.asks:
            return False
        return sentence.asks

    # The doctor

    def _hear_doctor(self, heard: _Heard) -> None:
        sentence = heard.sentence
        if self._turns <= _OPENING_TURNS and sentence.has("child") and not self._told_of_patient():
            self._subjects |= {*sentence.words_of("child")}
        if not (sentence.asks or (sentence.mentions and _FINAL_NO.search(sentence.text))):
            self._recap(heard)
            return
        self._answered.clear()
        self._asked_around = sentence.has("around")
        if self._age and (sentence.mentions or self._age >= _QUESTION_AGE):
            self._earlier, self._open = self._open, []
        self._asked_attribute = self._rules.asked_attribute(sentence.text)
        self._reaction = sentence.has("reaction")
        takes_for_granted = sentence.open and not sentence.has("how")
        if takes_for_granted or self._asked_attribute == "severity":
            self._presuppose(heard)
        elif sentence.mentions:
            self._ask(heard)
        else:
            self._open = [replace(question, diverted=True) for question in self._open]

    def _ask(self, heard: _Heard) -> None:
        """Open a question for each symptom asked after; an earlier unanswered one stays open."""
        sentence = heard.sentence
        asked = sentence.asked_mentions()
        for mention in asked:
            if mention.kind is Kind.TOPIC and not sentence.has("how"):
                continue
            if sentence.excepted(mention):
                continue
            concept = self._resolve(mention)
            person = self._experiencer(sentence, mention)
            history = self._histories.get((concept, person))
            known = history is not None and history.status is Status.PRESENT
            if known and (len(asked) > 1 or concept != mention.concept):
                self._topic = history  # 'the cough, is there phlegm?', 'does it hurt on eating?'
                continue
            said = "".join(sentence.text[at] for at in mention.tokens)
            denied, past = sentence.denied(mention), sentence.tells_past(mention)
            span = heard.mention_span(mention)
            self._open.append(_Question(concept, mention.kind, person, span, said, denied, past))
        self._age = 0

    def _presuppose(self, heard: _Heard) -> None:
        """'Since when the cough?': a known cough is what the talk is about."""
        for mention in heard.sentence.mentions:
            person = self._experiencer(heard.sentence, mention)
            history = self._histories.get((self._resolve(mention), person))
            if history is not None and history.status is Status.PRESENT:
                self._topic = history

    def _recap(self, heard: _Heard) -> None:
        """A doctor's statement: a recap of what the patient has, else advice or explanation."""
        sentence = heard.sentence
        for mention in sentence.mentions:
            if mention.kind is not Kind.SYMPTOM:
                continue
            status: Status | None = Status.HYPOTHETICAL
            if sentence.before("recap", mention.first) and not sentence.before(
                "advice", mention.first
            ):
                status = sentence.status(mention)
            if status is not None:
                person = self._experiencer(sentence, mention)
                self._note(heard, self._resolve(mention), person, status, Strength.WEAK, mention)

    # The patient

    def _hear_patient(self, heard: _Heard) -> None:
        sentence = heard.sentence
        self._notice_subject(sentence)
        questions = list(self._open)
        told = self._tell(heard)
        self._earlier = [
            question
            for question in self._earlier
            if question.concept not in told and not self._echoed(question, heard)
        ]
        if questions:
            self._answer_open(heard, questions, told)
        elif self._answered and not told:
            self._correct(heard)
        self._describe(heard)

    def _notice_subject(self, sentence: Sentence) -> None:
        """Whom the first complaint is about is the patient, also where a relative speaks."""
        if self._turns > _OPENING_TURNS or self._spoke_of_self or self._asked_around:
            return
        children = sentence.words_of("child")
        if self._turns == 1 and not sentence.speaks_of_self:
            self._subjects |= {*children}
        for mention in sentence.mentions:
            if sentence.status(mention) not in (Status.PRESENT, Status.UNCERTAIN):
                continue
            subject = sentence.subject(mention)
            alone = not self._told_of_patient() and not sentence.speaks_of_self
            if subject and (subject in children or alone):
                self._subjects.add(subject)
            self._spoke_of_self |= sentence.speaks_of_self
            return

    def _told_of_patient(self) -> bool:
        return any(
            person is Experiencer.PATIENT and history.status is Status.PRESENT
            for (_, person), history in self._histories.items()
        )

    def _tell(self, heard: _Heard) -> list[Concept]:
        """Note what the patient says of each symptom that they name; returns the symptoms."""
        sentence = heard.sentence
        told: list[Concept] = []
        for mention in sentence.mentions:
            concept = self._resolve(mention)
            asked = any(question.concept == concept for question in self._open)
            status = sentence.status(mention)
            if status is None or mention.kind is Kind.TOPIC:
                continue
            if mention.kind is Kind.NORMAL and status is Status.ABSENT and not asked:
                continue  # that somebody eats well is news only where the appetite is the question
            person = self._experiencer(sentence, mention)
            known = self._histories.get((concept, person))
            pointed = concept != mention.concept and known is not None
            vague = concept == mention.concept and concept.display in GENERIC
            elsewhere = vague or (pointed and not sentence.resolved(mention))
            if elsewhere and status is Status.ABSENT and not asked:
                continue  # 'no pain elsewhere'
            if self._reaction and known is None and status is Status.PRESENT:
                status = Status.PAST
            self._note(heard, concept, person, status, Strength.STATED, mention)
            told.append(concept)
            if person is Experiencer.PATIENT and status is Status.PRESENT:
                self._topic = self._histories[concept, person]
        return told

    def _answer_open(
        self, heard: _Heard, questions: Sequence[_Question], told: Sequence[Concept]
    ) -> None:
        """Answer the open questions that the sentence did not answer by name."""
        for question in questions:
            if question.concept in told:
                self._note_question(question)
        self._open = [question for question in questions if question.concept not in told]
        self._open = [question for question in self._open if not self._echoed(question, heard)]
        reply = self._reply_of(heard.sentence)
        if reply is None or not self._open:
            return
        if told and len(self._open) < len(questions) and reply is not Reply.NO:
            self._open.clear()  # 'Yes, the chills': of the rest nothing was said
            return
        weak = reply is Reply.YES and len(self._open) > 2
        strength = Strength.WEAK if weak else Strength.ANSWERED
        for question in self._open:
            self._note_answer(question, reply, heard, strength)
        self._answered, self._open = self._open, []

    def _reply_of(self, sentence: Sentence) -> Reply | None:
        """The yes or no at the start of a sentence, or a 'no' that ends one without symptoms."""
        label, end = self._rules.reply(sentence.text)
        rest = sentence.text[end:]
        if _NOTHING_ELSE.search(sentence.text):
            return Reply.NO
        if (
            label
            and _AFTER_REPLY.match(rest)
            and (label == "no" or not sentence.asks or not rest.strip(",."))
        ):
            return Reply(label)
        if self._age == 0 and not sentence.mentions and _TRAILING_NO.search(sentence.text):
            return Reply.NO
        return None

    def _echoed(self, question: _Question, heard: _Heard) -> bool:
        """'Aches?' 'Aches not.': the verb of the question answers it."""
        verb = re.escape(question.said)
        match = re.match(_ECHO.format(listening=_LISTENING, verb=verb), heard.sentence.text)
        if match is None:
            return False
        reply = Reply.NO if match["no"] else Reply.YES
        self._note_answer(question, reply, heard, Strength.ANSWERED)
        return True

    def _note_answer(
        self, question: _Question, reply: Reply, heard: _Heard, strength: Strength
    ) -> None:
        status = _answered_status(question, reply)
        if status is None:
            return
        history = self._history(question.concept, question.experiencer)
        history.evidence.append(
            Evidence(
                Assertion(status, question.experiencer),
                strength,
                (question.span, heard.span),
                CONFIDENCE[strength] * heard.certainty,
            )
        )
        if status is Status.PRESENT and question.experiencer is Experiencer.PATIENT:
            self._topic = history

    def _correct(self, heard: _Heard) -> None:
        """'No. Oh wait, a little.' takes the last answer back."""
        sentence = heard.sentence
        last = max((last for first, last in sentence.cues["correction"] if first < 3), default=-1)
        if last < 0 or len(self._answered) != 1:
            return
        label, _ = self._rules.reply(sentence.text[last + 1 :].lstrip(",、."))
        if label in ("yes", "no", "unsure"):
            self._note_answer(self._answered[0], Reply(label), heard, Strength.STATED)
            self._answered = []

    def _describe(self, heard: _Heard) -> None:
        """Give the attributes said to the nearest symptom, or to the one that the talk is about."""
        told = [
            (mention, history)
            for mention in heard.sentence.mentions
            if (history := self._histories.get((self._resolve(mention), Experiencer.PATIENT)))
            and history.status is Status.PRESENT
        ]
        follows = self._asked_attribute != "" or self._topic_turn == heard.turn.id
        found = self._rules.attributes(heard.sentence.text, self._asked_attribute)
        for name, (value, place) in found.items():
            if told:
                nearest = min(told, key=lambda one: abs(one[0].first - place))[1]
            elif self._topic is not None and follows:
                nearest = self._topic
            else:
                continue
            nearest.attributes.setdefault(name, value)
        if told:
            self._topic_turn = heard.turn.id

    # What both share

    def _experiencer(self, sentence: Sentence, mention: Mention) -> Experiencer:
        subject = sentence.subject(mention)
        other = subject != "" and subject not in self._subjects
        return Experiencer.OTHER if other else Experiencer.PATIENT

    def _resolve(self, mention: Mention) -> Concept:
        """The concept meant: bare 'pain' is the pain that the conversation is about."""
        endings = GENERIC.get(mention.concept.display)
        if endings is None:
            return mention.concept
        endings += _PAINFUL
        asked = [q.concept for q in self._open if q.concept.display.endswith(endings)]
        if asked:
            return asked[-1]
        known = [
            history
            for history in self._histories.values()
            if history.status is Status.PRESENT and history.concept.display.endswith(endings)
        ]
        if self._topic is not None and self._topic in known:
            return self._topic.concept
        return known[-1].concept if known else mention.concept

    def _history(self, concept: Concept, person: Experiencer) -> History:
        return self._histories.setdefault((concept, person), History(concept, person))

    def _note(
        self,
        heard: _Heard,
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
            heard.sentence.resolved(mention),
        )
        self._history(concept, person).evidence.append(evidence)

    def _note_question(self, question: _Question) -> None:
        """Put the question before the answer that named its symptom."""
        history = self._histories.get((question.concept, question.experiencer))
        if history is not None and history.evidence:
            last = history.evidence[-1]
            history.evidence[-1] = replace(last, spans=(question.span, *last.spans))


def _answered_status(question: _Question, reply: Reply) -> Status | None:
    """What a reply says of the symptom; None if nothing."""
    if reply is Reply.UNSURE:
        return Status.UNCERTAIN
    if question.diverted and reply is Reply.YES:
        return None
    if question.kind in (Kind.TOPIC, Kind.NORMAL):
        well = {Reply.GOOD: True, Reply.BAD: False}
        if question.kind is Kind.NORMAL and not question.denied:
            well |= {Reply.YES: True, Reply.NO: False}
        return None if reply not in well else Status.ABSENT if well[reply] else Status.PRESENT
    if reply in (Reply.NO, Reply.GOOD) or question.denied:
        return None if question.past else Status.ABSENT
    return Status.PAST if question.past else Status.PRESENT
