"""Questions and what answers them, as the symptom extractor remembers them.

A `Question` is a symptom that the doctor asked after, with all that the answer is read by; `Heard`
is a sentence with its place. `answered_status` says what a reply says of the symptom, and `signs`
and `reply_signs` what a classifier should know of either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from voicemed.assertion import Experiencer, Reply, Sentence, Status
from voicemed.history import Strength, speaker_role
from voicemed.lexicon import Concept, Kind, Mention, Token
from voicemed.transcript import Span, Turn

_TAG = 4
"""Words up to which a question only asks for assent: 'Is that right?'"""
_SET_ASIDE = 5
"""Tokens after 'apart from' within which a symptom is the one that is not asked after."""
_EXAMPLES = frozenset({"any", "such", "including"})
"Words that go on to what is asked after: 'besides the pain, any numbness?'"
_GONE = 10
"Tokens up to which a sentence may only say that it is over."
_DOUBT = 6
"Tokens up to which a sentence only doubts what was said before it."
_POINTERS = frozenset({"that", "this", "it", "these", "those", "them", "what"})


@dataclass(frozen=True, slots=True)
class Question:
    """A symptom that the doctor asked after."""

    concept: Concept
    span: Span
    experiencer: Experiencer
    denied: bool
    "Asked in the negative ('you haven't had a fever?'), so that yes and no both deny."
    kind: Kind
    past: bool
    earlier: bool
    "Asked of the time before this illness, so that a no says nothing of now."
    signs: frozenset[str]
    text: str
    words: frozenset[str]
    "Stems of the words that name it, one of which may stand for it in the answer."
    diverted: bool = False
    "Another question followed at once, to which a 'yes' belongs."
    assumed: bool = False
    "Stated by the doctor, for the patient to agree or not."
    presupposed: bool = False
    "Taken for granted: 'how long have you had the cough?'"
    told_past: bool = False
    "Answered for an earlier time, so that only a plain no still speaks of now."
    ever: bool = False
    "Asked of all times: 'have you ever had a seizure?'"
    made_sure: bool = False
    "Asked once more, to hear that it is not so: 'so no sneezing?'"
    of_now: bool = False
    "Asked only of now: 'no cough any more?'"
    sorted_out: bool = False
    "Asked whether a function is well, before symptoms: 'is he eating alright, any vomiting?'"


@dataclass(frozen=True, slots=True)
class Heard:
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


def answered_status(question: Question, reply: Reply) -> Status | None:
    """What a reply says of the symptom; None if nothing."""
    if reply is Reply.UNSURE:
        return Status.UNCERTAIN
    if question.diverted and reply in (Reply.YES, Reply.DETAIL):
        return None
    if question.assumed and reply in (Reply.GOOD, Reply.WELL):
        return None  # 'fine' only goes along with what the doctor says
    if question.kind is Kind.TOPIC:
        told = {Reply.GOOD: Status.ABSENT, Reply.WELL: Status.ABSENT, Reply.BAD: Status.PRESENT}
        return told.get(reply)
    if question.kind is Kind.NORMAL:
        well = reply in (Reply.YES, Reply.GOOD, Reply.WELL, Reply.DETAIL)
        if question.denied:  # 'So you're not sleeping well?' 'No.'
            well = reply in (Reply.GOOD, Reply.WELL)
        if question.sorted_out:  # the 'no' is of the symptoms
            well = reply is not Reply.BAD
            return Status.ABSENT if well and reply is not Reply.YES else None
        return Status.ABSENT if well else Status.PRESENT
    if reply is Reply.WELL or (question.earlier and reply in (Reply.NO, Reply.GOOD)):
        return None
    if reply in (Reply.NO, Reply.GOOD) or question.denied:
        return Status.ABSENT
    return Status.PAST if question.past or question.earlier else Status.PRESENT


SOURCES = MappingProxyType(
    {Strength.WEAK: "recap", Strength.ANSWERED: "answer", Strength.STATED: "told"}
)


def signs(source: str, heard: Heard, mention: Mention) -> frozenset[str]:
    """What of a sentence may decide whether its mention is to be believed."""
    sentence = heard.sentence
    signs = {
        source,
        f"kind {mention.kind}",
        f"act {sentence.act}",
        f"weight {min(mention.weight, 4)}",
        f"length {min(len(sentence.tokens) // 6, 4)}",
        f"speaker {speaker_role(heard.turn.speaker)}",
        "phrase " + " ".join(sentence.tokens[at].stem for at in mention.tokens),
    }
    signs |= {f"cue {label}" for label, places in sentence.cues.items() if places}
    signs |= {
        f"cue {label} before"
        for label, places in sentence.cues.items()
        if any(0 <= mention.first - last <= 6 for _, last in places)
    }
    if sentence.reply is not None:
        signs.add(f"{source} opens with {sentence.reply}")
    if sentence.definite(mention):
        signs.add("definite")
    if mention.referred:
        signs.add("of the topic")
    if sentence.past_tense:
        signs.add("past tense")
    return frozenset(f"{source}: {sign}" for sign in signs)


def reply_signs(sentence: Sentence, asked: int, late: int) -> frozenset[str]:
    """The same of an answer."""
    return frozenset(
        {
            f"reply {sentence.reply}",
            f"reply of {min(len(sentence.tokens) // 4, 4)}",
            f"reply to {min(asked, 4)}",
            f"reply late {min(late, 2)}",
            f"reply plain {sentence.plain}",
        }
    )


def text(sentence: Sentence) -> str:
    """Its words, without the fillers."""
    return " ".join(token.text + token.mark for token in sentence.tokens)


def is_set_aside(sentence: Sentence, mention: Mention) -> bool:
    """Whether it is asked for others than the one named: 'anything apart from the cough?'"""
    return any(
        0 < mention.first - last <= _SET_ASIDE
        and sentence.tokens[last + 1].text not in _POINTERS
        and not {token.text for token in sentence.tokens[last + 1 : mention.first]} & _EXAMPLES
        for _, last in sentence.cues["anything_else"]
    )


def is_tag(sentence: Sentence) -> bool:
    """A last question that leaves the one before it open: 'Is that right?'"""
    return sentence.has("attached") and len(sentence.tokens) - sentence.start <= _TAG


def is_echo(sentence: Sentence) -> bool:
    """The doctor's 'No. OK.' after a question: an answer that was seen or heard by them alone."""
    return sentence.starts_with("no", "none", "nope") and len(sentence.tokens) <= 2


def tells_of_having(sentence: Sentence) -> bool:
    """'I had diarrhea': opens as a short 'I have' would, and goes on."""
    opening = [token.text for token in sentence.tokens[sentence.start : sentence.start + 2]]
    return opening in (["i", "have"], ["i", "had"])


def sends_in(sentence: Sentence) -> bool:
    """'..., ring 999.': ends with what to do about the symptoms that it names."""
    last = max((mention.last for mention in sentence.mentions), default=-1)
    cues = (*sentence.cues["advice"], *sentence.cues["summons"])
    return sentence.tokens[-1].mark == "." and any(0 <= last < first for first, _ in cues)


def hums(sentence: Sentence) -> bool:
    """'Huh?': the question was not heard."""
    return [token.stem for token in sentence.tokens] == ["mhm"]


def is_bare_doubt(sentence: Sentence) -> bool:
    """'I'm not certain.', 'I really couldn't say.': nothing but a doubt."""
    ends = sentence.tokens[-1].text in ("sure", "certain", "say", "tell", "swear")
    return ends and sentence.reply is Reply.UNSURE and len(sentence.tokens) <= _DOUBT


def is_gone(sentence: Sentence) -> bool:
    """'It's gone now.': all that it says is that it is over."""
    told = sentence.has("before") or sentence.has("pseudo")  # 'I had some a while back.'
    if not sentence.has("over") or told or len(sentence.tokens) > _GONE:
        return False
    first, last = max(sentence.cues["over"])
    before = {token.text for token in sentence.tokens[:first]}
    after = {token.text for token in sentence.tokens[last + 1 :]}
    begun = sentence.tokens[first].text
    denied = begun in ("not", "never") or begun.endswith("nt")
    denied = denied or any(begin < first for begin, _ in sentence.cues["negation"])
    back = before & {"if", "when", "until", "hasnt", "havent"} or after & {"but", "then", "back"}
    return not denied and not back


def hedges(sentence: Sentence) -> bool:
    """'Not that I've seen.': a no that leaves something open; 'not really' leaves nothing."""
    opening = [token.text for token in sentence.tokens[sentence.start : sentence.start + 2]]
    return opening in (["not", "that"], ["not", "to"], ["not", "as"])


def makes_sure(sentence: Sentence, mention: Mention) -> bool:
    """'So no sneezing?', not 'so no other pain?'."""
    words = [token.text for token in sentence.tokens[: mention.first]]
    begun = "so" in words[: sentence.start] and words[sentence.start :][:1] == ["no"]
    return begun and "other" not in words


def goes_on_to_symptoms(sentence: Sentence, mention: Mention) -> bool:
    """'Is he eating alright, any vomiting?': a yes or no is of what is named last."""
    return any(
        other.kind is Kind.SYMPTOM
        and "any" in {token.text for token in sentence.tokens[mention.last : other.first]}
        for other in sentence.mentions
        if other.first > mention.last
    )


def offers_both(sentence: Sentence, mention: Mention) -> bool:
    """'Is it a dry cough, or do you bring up phlegm?': no bare yes or no answers that."""
    kinds = {one.kind for one in sentence.mentions if one.concept == mention.concept}
    return {Kind.DENIAL, Kind.SYMPTOM} <= kinds and "or" in {t.text for t in sentence.tokens}
