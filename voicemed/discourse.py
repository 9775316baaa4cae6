"""What the conversation says of a sentence: who speaks it, about whom, and to what end.

`Roles` tells doctor from patient, also where labels are missing or mixed up. `Persons` knows
whether a relative speaks for the patient. `Stances` tells a doctor's recap and examination
findings, which report, from advice and explanation, which do not. Each keeps what it needs of the
sentences before; the words are data (voicemed/data/assertion.toml).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

from voicemed.assertion import Act, Experiencer, Reply, Sentence
from voicemed.history import speaker_role
from voicemed.lexicon import Mention
from voicemed.transcript import Turn

_MANNERS_KEPT = 10
_SWAPPED_AT = 3
"""By how much the last sentences must sound like the other person before labels are swapped."""
_OPENING_TURNS = 12
"""Turns in which it becomes clear that somebody speaks for the patient."""
_EXAM_TURNS = 6
_ADVICE_REACH = 12
"""Words, other than of symptoms, over which a word of advice carries in a finding or recap."""
_FIRST_PERSON = frozenset({"i", "ive", "im", "my", "me", "mine", "id"})
_SECOND_PERSON = frozenset({"you", "your", "youre", "youve", "youll"})
_THIRD_PERSON = frozenset({"he", "hes", "hed", "she", "shes", "shed"})
_BACK = frozenset({"then", "now", "since", "still"})
"Words that lead back from a relative to the patient."
_BRINGS = frozenset({"bring", "bringing", "brought"})
_WITNESSING = frozenset({"notice", "noticed", "seen", "see", "saw", "checked", "worried", "feel"})
"What a doctor asks those who tell of somebody else."
_HE = frozenset({"he", "hes", "hed", "him", "his"})
_SHE = frozenset({"she", "shes", "shed", "her"})
_POSSESSIVES = frozenset({"his", "her", "hers", "their"})
_SUBJECTS = _THIRD_PERSON | {"i", "ive", "im", "id", "you", "youve", "youre", "we", "they"}
_THIRD_PERSONS = _THIRD_PERSON | {"him", "his", "her"}


class Roles:
    """Who speaks: the label, unless the words plainly contradict it; without a label, the words."""

    def __init__(self) -> None:
        self._manners: deque[tuple[bool, int]] = deque(maxlen=_MANNERS_KEPT)
        self._questioned_turn = 0

    def is_doctor(self, turn: Turn, sentence: Sentence, *, awaited: bool) -> bool:
        """Whether the doctor speaks; `awaited`: a question waits for its answer."""
        role = speaker_role(turn.speaker)
        labelled = None if role is None else role == "doctor"
        doctor = (
            self._guess(sentence, awaited)
            if labelled is None
            else self._checked(labelled, turn, sentence)
        )
        if doctor and sentence.asked:
            self._questioned_turn = turn.id
        return doctor

    def _checked(self, labelled: bool, turn: Turn, sentence: Sentence) -> bool:
        """The label's word, but two turns run together and two swapped labels are noticed."""
        manner = _manner(sentence)
        if manner:
            self._manners.append((labelled, manner))
        contrary = sum(-manner if label else manner for label, manner in self._manners)
        doctor = not labelled if contrary >= _SWAPPED_AT else labelled
        if doctor and self._questioned_turn == turn.id and _answers_for_self(sentence):
            return False
        return doctor

    @staticmethod
    def _guess(sentence: Sentence, awaited: bool) -> bool:
        """Who asks, or says 'you', is taken for the doctor."""
        words = sentence.words
        addressed = bool(words & _SECOND_PERSON)
        if sentence.has("plan") or (addressed and sentence.has("advice")):
            return True
        if words & (_FIRST_PERSON - {"mine", "id"}):
            return False
        stated = sentence.tokens[-1].mark == "."  # 'No fever.' without a question before it
        if sentence.reply is not None and not sentence.rising and (awaited or stated):
            return False
        return sentence.asked or addressed


def _manner(sentence: Sentence) -> int:
    """Above 0 where only a doctor talks so, below where only a patient does, else 0."""
    words = sentence.words
    if sentence.has("greets"):
        return 2
    if sentence.has("exam") or sentence.has("plan"):
        return 1
    asks = sentence.act is not Act.STATEMENT and not words & _FIRST_PERSON
    if asks and words & _SECOND_PERSON and not sentence.has("asks_back"):
        return 1
    own = sum(sentence.own(mention) for mention in sentence.mentions)
    return 0 if words & _SECOND_PERSON else -min(own, 2)


def _answers_for_self(sentence: Sentence) -> bool:
    """'Yes, my father had them': what nobody says after a question of their own."""
    words = sentence.words
    if not words & _FIRST_PERSON or sentence.asked or words & {"your", "youre"}:
        return False
    if any(sentence.own(mention) for mention in sentence.mentions):
        return True
    return sentence.plain and sentence.reply in (Reply.YES, Reply.NO)


class Persons:
    """Whose symptom it is, when relatives are talked of or do the talking."""

    def __init__(self) -> None:
        self.spoken_for = False
        "A relative speaks for the patient, who is 'he' or 'she'."
        self._relative_known = False
        self._relative_turn = 0
        self._asked_teller = False
        "The doctor's last question took who speaks for the patient: 'what brings you in?'"
        self._asked_others = 0
        "Turn of the doctor's last question, if it was after other people."
        self._others_turn = 0
        "Turn in which the last sentence told of somebody else's illness."
        self._told_others = 0
        "Turn of the patient's that last told of it, also where they came back to themselves."
        self._they = self._named = False
        "Whether 'they' are the people whom the sentence before, or this one, named."
        self._goes_on = False
        "Whether the present sentence may go on about them without naming anybody."
        self._tells_on = False
        "Whether the next one may."
        self._patient_words: frozenset[str] = frozenset()
        self._patient_pronouns: frozenset[str] = frozenset()
        self._own_told = 0
        "Sentences in which the patient told symptoms of their own; then 'he' is somebody else."
        self._addressed_turn = 0
        "Number of the turn in which the doctor asked whoever is 'you' for a symptom."
        self._dictated = False
        "The doctor speaks of the patient as 'he' or 'she' to somebody else."
        self._turns = 0

    def hear(self, sentence: Sentence, turn: Turn, *, doctor: bool, turns: int) -> None:
        """Learn who the patient is from the next sentence; `turns` counts those heard so far."""
        self._turns = turns
        words = sentence.words
        if doctor and sentence.asked:
            self._asked_teller = sentence.has("greets")
            direct = words & _SECOND_PERSON and not words & (_THIRD_PERSONS | _WITNESSING)
            if direct and sentence.mentions and not sentence.has("other"):
                self._addressed_turn = turns
        self._follow(sentence, turn, doctor=doctor)
        self._dictated = doctor and (self._dictated or sentence.has("dictated"))
        proxy = sentence.has("proxy") and not sentence.has("company") and not self._goes_on
        of_self = any(map(sentence.own, sentence.mentions)) and not words & _BRINGS
        proxy = proxy and not of_self
        if self._turns <= _OPENING_TURNS and proxy:
            self.spoken_for = True
            self._patient_words |= {
                sentence.tokens[at].stem
                for first, last in (*sentence.cues["other"], *sentence.cues["child"])
                for at in range(first, last + 1)
            }
        elif doctor and sentence.asked and words & _THIRD_PERSONS and not words & _SECOND_PERSON:
            told_of_relative = sentence.has("other") or turn.id - self._relative_turn <= 1
            self.spoken_for |= self._turns <= _OPENING_TURNS and not told_of_relative
            if not self._patient_pronouns and not told_of_relative:
                self._patient_pronouns = _HE if words & _HE else _SHE
        own_child = self.spoken_for and self._names_patient(sentence)
        self._others_turn = turn.id if self._tells_on and not own_child else 0
        self._own_told += of_self and not doctor and not words & _THIRD_PERSONS
        if sentence.has("other"):
            self._relative_known, self._relative_turn = True, turn.id

    def _follow(self, sentence: Sentence, turn: Turn, *, doctor: bool) -> None:
        """'My aunt had a clot. Leg swelled up.', 'Are any of them ill?' 'Coughing, yes.'"""
        words = sentence.words
        own = words & (_FIRST_PERSON - {"my"} | _SECOND_PERSON) - _my(sentence)
        told = sentence.has("other") and not sentence.has("witness")
        ill = sentence.has("ailing") or bool(sentence.mentions)
        self._they = self._named
        self._named = told and not sentence.mentions and not doctor
        if doctor:
            self._goes_on = self._tells_on = False
            if sentence.asked:
                self._asked_others = turn.id if told and (not own or sentence.has("ailing")) else 0
            return
        asked = 0 < self._asked_others == turn.id - 1
        back = words & _BACK or (asked and sentence.reply is Reply.NO)
        self._goes_on = not own and not back and (self._others_turn == turn.id or asked)
        self._asked_others = self._asked_others if self._goes_on else 0
        self._tells_on = self._goes_on or (told and ill and not own)
        self._told_others = turn.id if self._tells_on else self._told_others

    def experiencer(self, sentence: Sentence, mention: Mention) -> Experiencer:
        """Whose the mention is."""
        if self.spoken_for:
            return self._told_by_relative(sentence, mention)
        person = sentence.experiencer(mention)
        subject = _subject(sentence, mention, _SUBJECTS | _POSSESSIVES | {"my", "your", "me"})
        third = subject in _THIRD_PERSON | _POSSESSIVES
        dictated = self._dictated and third and not sentence.has("other")
        somebody = self._relative_known or self._own_told > 1 or self._just_addressed()
        told = somebody and third and not dictated
        told = told or (self._goes_on and subject in ("", "they"))
        told = told or (self._they and subject == "they")
        return Experiencer.OTHER if told else person

    def _told_by_relative(self, sentence: Sentence, mention: Mention) -> Experiencer:
        subject = _subject(sentence, mention)
        before = {token.text for token in sentence.tokens[: mention.first]}
        of_self = sentence.own(mention) and not before & _THIRD_PERSONS
        if of_self and self._just_addressed():
            return Experiencer.PATIENT  # 'And Tom, does your tummy hurt?' 'I've got a tummy ache.'
        if of_self and not self._asked_teller:
            return Experiencer.OTHER  # 'I got nervous, so I brought him in'
        if self._patient_pronouns and subject in _THIRD_PERSON - self._patient_pronouns:
            return Experiencer.OTHER  # 'His girlfriend was off school. She was dead tired.'
        if self._names_patient(sentence):
            return Experiencer.PATIENT
        if self._goes_on and not subject:
            return Experiencer.OTHER
        return sentence.experiencer(mention)

    def _just_addressed(self) -> bool:
        """Whether the doctor has just asked whoever is 'you' for a symptom."""
        return 0 < self._addressed_turn == self._turns - 1

    def tells_of_others(self, turn: Turn) -> bool:
        """Whether the turn has told of somebody else's illness so far."""
        return turn.id in (self._others_turn, self._told_others)

    def _names_patient(self, sentence: Sentence) -> bool:
        stems = {token.stem for token in sentence.tokens}
        return sentence.has("child") or bool(stems & self._patient_words)


def _my(sentence: Sentence) -> frozenset[str]:
    """'Me mum': where 'me' only says whose relative it is."""
    relatives = {first for first, _ in sentence.cues["other"]}
    said = [at for at, token in enumerate(sentence.tokens) if token.text == "me"]
    return frozenset({"me"} if said and all(at + 1 in relatives for at in said) else ())


def _subject(sentence: Sentence, mention: Mention, subjects: frozenset[str] = _SUBJECTS) -> str:
    """The last of the pronouns before the mention, or 'his' in it; '' if there is none."""
    words = (token.text for token in reversed(sentence.tokens[: mention.first]))
    return next((word for word in words if word in subjects), "")


class Stance(StrEnum):
    """To what end a doctor states something."""

    REMARK = "remark"
    RECAP = "recap"
    "Sums up what the patient has told."
    EXAM = "exam"
    "Tells what the examination finds."
    ADVICE = "advice"
    "Plans, explains or warns."


_STANCES = {
    "summary": Stance.RECAP,
    "dictated": Stance.RECAP,
    "exam": Stance.EXAM,
    "plan": Stance.ADVICE,
}


@dataclass(slots=True)
class Stances:
    """The end of a doctor's sentences, which often only the first of several tells."""

    _current: Stance = Stance.REMARK
    _turn: int = 0

    def hear(self, sentence: Sentence, turn: Turn) -> None:
        """Take the stance that the doctor's sentence ends with."""
        cues = self._cues(sentence)
        if cues:
            self._current, self._turn = cues[-1][1], turn.id
        elif sentence.act is not Act.STATEMENT and self._current is not Stance.EXAM:
            self._current = Stance.REMARK

    def list_recap(self, turn: Turn) -> None:
        """Take it that the doctor goes through what is known."""
        self._current, self._turn = Stance.RECAP, turn.id

    def of(self, sentence: Sentence, mention: Mention, turn: Turn) -> Stance:
        """The stance at the mention; a word of advice right before it outdoes a recap."""
        stance = self._carried(turn)
        if stance is Stance.RECAP and sentence.advises:
            stance = Stance.REMARK
        for first, named in self._cues(sentence):
            stance = named if first <= mention.first else stance
        if stance is Stance.EXAM and self._reached(sentence, mention, "hypothetical"):
            return Stance.REMARK
        return Stance.ADVICE if self._reached(sentence, mention, "advice") else stance

    def _reached(self, sentence: Sentence, mention: Mention, label: str) -> bool:
        """Whether a cue before the mention reaches it, past others of a list."""
        named = {at for other in sentence.mentions for at in other.tokens}
        spans = [span for name in _STANCES for span in sentence.cues[name]]
        begun = max((last + 1 for _, last in spans if last < mention.first), default=0)
        return any(
            sum(at not in named for at in range(last + 1, mention.first)) <= _ADVICE_REACH
            for first, last in sentence.cues[label]
            if begun <= first < mention.first
        )

    def _carried(self, turn: Turn) -> Stance:
        reach = {Stance.RECAP: 2, Stance.EXAM: _EXAM_TURNS, Stance.ADVICE: 2}
        recent = turn.id - self._turn <= reach.get(self._current, 0)
        return self._current if recent else Stance.REMARK

    @staticmethod
    def _cues(sentence: Sentence) -> list[tuple[int, Stance]]:
        return sorted(
            (first, stance)
            for label, stance in _STANCES.items()
            for first, _ in sentence.cues[label]
        )
