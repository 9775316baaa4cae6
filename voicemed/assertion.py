"""What is said of a symptom: present, absent, uncertain, past or hypothetical; and whose it is.

A `Sentence` is read once (`Rules.read`) and then asked: is it a question, a reply, and what does it
say of a mention. The cues follow NegEx and ConText (Chapman et al. 2001, Harkema et al. 2009), with
the replies and questions of a conversation added; they are data (voicemed/data/assertion.toml).
Nothing here knows the other sentences: `symptoms.py` joins questions and answers.
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any

from voicemed.lexicon import Kind, Match, Mention, PhraseMatcher, Token

_REACH = 7
"""Words, other than of symptoms, over which a negation carries; ConText's default is a sentence."""
_SHORT = 6
"""Tokens up to which a 'no' at the end denies the whole sentence."""
_OWN_REACH = 4
_DOUBT_REACH = 5
_LONG_RUN = 12
"""Tokens without punctuation after which a text counts as unpunctuated."""


class Status(StrEnum):
    """Of a symptom at the time of the visit."""

    PRESENT = "present"
    ABSENT = "absent"
    UNCERTAIN = "uncertain"
    PAST = "past"
    HYPOTHETICAL = "hypothetical"


class Experiencer(StrEnum):
    """Whose symptom it is."""

    PATIENT = "patient"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Assertion:
    """A status and whose it is."""

    status: Status
    experiencer: Experiencer = Experiencer.PATIENT


class Act(StrEnum):
    """What a sentence does."""

    STATEMENT = "statement"
    CLOSED = "closed"
    "A question for yes or no: 'any fever?'"
    HOW_IS = "how is"
    "A question after a function: 'how's your sleep?'"
    OPEN = "open"
    "A question that takes its symptom for granted: 'when did the cough start?'"


class Reply(StrEnum):
    """What a sentence answers to the question before it."""

    YES = "yes"
    NO = "no"
    UNSURE = "unsure"
    DETAIL = "detail"
    "No yes, but more about it: 'just at night'."
    GOOD = "good"
    BAD = "bad"
    WELL = "well"
    "Of a function that it is well, or as ever; after a symptom it may be no more than a thank-you."


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with its mentions and the cues around them."""

    tokens: tuple[Token, ...]
    mentions: tuple[Mention, ...]
    cues: Mapping[str, tuple[tuple[int, int], ...]]
    "First and last token of each cue, by its label in the data file."
    act: Act
    reply: Reply | None
    plain: bool
    "Replies with a bare yes or no word, which can also answer a turn late."
    asked: bool
    "Ends with a question mark or opens as a question."
    start: int
    "Index of the first token after words such as 'okay, well'."
    declarative: bool
    "A question that is built as a statement: 'you've had no fever?'"

    @property
    def words(self) -> frozenset[str]:
        """The texts of its tokens."""
        return frozenset(token.text for token in self.tokens)

    def assertion(self, mention: Mention) -> Assertion:
        """What the sentence says of the mention if a patient (or a relative for them) says it."""
        return Assertion(self._status(mention), self.experiencer(mention))

    def experiencer(self, mention: Mention) -> Experiencer:
        """Whose symptom it is; a relative who only tells ('my wife says I snore') lacks it."""
        if self.has("witness"):
            return Experiencer.PATIENT
        between = (
            {token.text for token in self.tokens[last + 1 : mention.first]}
            for _, last in self.cues["other"]
            if last < mention.first
        )
        own = _FIRST_PERSON | (_ADDRESSED if self.asked else set())
        other = any(not words & own for words in between)
        return Experiencer.OTHER if other else Experiencer.PATIENT

    def negated(self, mention: Mention) -> bool:
        """Whether the mention stands in the reach of a negation, before it or right after it."""
        return any(self._reaches(cue, mention) for cue in self.cues["negation"]) or (
            self._denied_after(mention)
        )

    def last(self, label: str, before: int) -> int:
        """First token of the last such cue that begins before a token; -1 if there is none."""
        return max((first for first, _ in self.cues[label] if first < before), default=-1)

    def has(self, label: str, *, before: int | None = None) -> bool:
        """Whether a cue of that label occurs (entirely before a token)."""
        return any(before is None or last < before for _, last in self.cues[label])

    def definite(self, mention: Mention) -> bool:
        """Whether it speaks of a known one: 'the pain', 'your cough'."""
        before = self.tokens[max(mention.first - 2, 0) : mention.first]
        return any(token.text in _DEFINITE for token in before)

    def reports(self, mention: Mention, *, advised: bool = False) -> bool:
        """Whether a doctor's statement tells it as known: 'you've had', but not 'if you've had'.

        In the midst of advice 'you feel sick' may only go on the warning; 'you said' never does.
        """
        if _CONDITION & {token.text for token in self.tokens[: mention.first]}:
            return False
        labels = ("recap",) if advised else ("recap", "recap_now")
        reported = max(self.last(label, mention.last) for label in labels)
        doubted = max(self.last(label, mention.first) for label in ("advice", "hypothetical"))
        concluded = self.last("concludes", mention.first) >= 0 > doubted
        return concluded or (reported >= 0 and reported >= doubted)

    def own(self, mention: Mention) -> bool:
        """Whether the speaker tells it of themselves: 'I've had a cough'."""
        owned = any(0 < mention.first - last <= _OWN_REACH for _, last in self.cues["own"])
        owned = owned or (mention.first > 0 and self.tokens[mention.first - 1].text in _OWNERS)
        return owned and not self.words & _NOT_OWN

    def supposes(self, mention: Mention) -> bool:
        """'If I get chest pain I ring 999': it says what would be done."""
        if not self.has("summons"):
            return False
        return bool(_CONDITION & {token.text for token in self.tokens[: mention.first]})

    def turned_to(self, mention: Mention) -> bool:
        """'I had shingles, but my back hurts': whether a 'but' parts it from all that is past."""
        turns = [at for at, token in enumerate(self.tokens) if token.text == "but"]
        return all(any(last < at < mention.first for at in turns) for _, last in self.cues["past"])

    @property
    def advises(self) -> bool:
        """Whether a doctor's statement has words of advice, explanation or possibility."""
        return self.has("advice") or self.has("hypothetical")

    def demonstrative(self, mention: Mention) -> bool:
        """Whether 'the' or 'that' points to a known one, without a word of owning."""
        before = self.tokens[max(mention.first - 1, 0) : mention.first]
        return any(token.text in ("the", "this", "that") for token in before)

    @property
    def inverted(self) -> bool:
        """'Haven't you had a fever?': asked in the negative, but a yes is a yes."""
        opening = [token.text for token in self.tokens[self.start : self.start + 2]]
        return len(opening) == 2 and opening[0].endswith("nt") and opening[1] in _SUBJECTS

    @property
    def of_past(self) -> bool:
        """Whether it tells of an earlier time, and not of what has lasted since."""
        lasting = {self.tokens[first].text for first, _ in self.cues["ongoing"]}
        if self.has("over"):
            lasting -= {"now", "since"}  # 'not now', 'never since'
        return self.has("past") and not lasting

    @property
    def past_tense(self) -> bool:
        """Whether it tells of before: 'I had', 'it was', 'I'd a cough', 'I'd be up all night'."""
        words = [token.text for token in self.tokens]
        return any(
            word in _PAST_VERBS and not (word == "got" and before in _HAVE)  # 'I've got a cough'
            for before, word in pairwise(["", *words])
        ) or any(word in _SHORT_HAD and after not in _WISHES for word, after in pairwise(words))

    @property
    def perfect(self) -> bool:
        """Whether it tells of what has lasted or counts until now: 'I've had', 'have been'."""
        words = [token.text for token in self.tokens]
        return any(
            before in _HAVE and word in ("had", "been", "noticed", "got")
            for before, word in pairwise(words)
        )

    @property
    def rising(self) -> bool:
        """Whether it ends with a question mark."""
        return bool(self.tokens) and self.tokens[-1].mark == "?"

    @property
    def denies_all(self) -> bool:
        """Opens with a 'no' that is not only of what it goes on to name."""
        opening = [token.text for token in self.tokens[self.start : self.start + 2]]
        if opening[:1] and opening[0] in _YES:
            opening.pop(0)
        return bool(opening) and opening[0] in _NO | {"none", "nothing"}

    def starts_with(self, *stems: str) -> bool:
        """Whether the first token is one of these."""
        return bool(self.tokens) and self.tokens[0].stem in stems

    def _status(self, mention: Mention) -> Status:
        denied = self.negated(mention)
        if mention.kind in (Kind.NORMAL, Kind.DENIAL):
            if not denied:
                return Status.ABSENT
        elif denied:
            exceptions = (first for first, _ in self.cues["exception"])
            excepted = any(0 < first - mention.last <= 4 for first in exceptions)
            return Status.PRESENT if excepted else Status.ABSENT
        doubted = (last for first, last in self.cues["uncertain"] if first < mention.first)
        if any(0 < mention.first - last <= _DOUBT_REACH for last in doubted):
            return Status.UNCERTAIN
        if self._is_over(mention):
            return Status.PAST
        if self._fears(mention) or self.supposes(mention):
            return Status.HYPOTHETICAL
        return Status.PRESENT

    def _fears(self, mention: Mention) -> bool:
        """Whether it is only feared or wished for; 'I'm worried because I bleed' tells why."""
        for _, last in self.cues["fear"]:
            between = {token.text for token in self.tokens[last + 1 : mention.first]}
            if last <= mention.first and not between & _REASONS:
                return True
        for _, last in self.cues["hearsay"]:
            between = {token.text for token in self.tokens[last + 1 : mention.first]}
            if last <= mention.first and not between & (_REASONS | _FIRST_PERSON | {"my"}):
                return True
        return False

    def _is_over(self, mention: Mention) -> bool:
        """Whether it is told of another time, or of a drug that did it once."""
        if self.has("reacted") or (self.of_past and not self.turned_to(mention)):
            return True
        went = any(first > mention.last for first, _ in self.cues["over"])
        stems = {token.stem for token in self.tokens}
        recent = any(last > first for first, last in self.cues["ongoing"])  # 'in the last month'
        return went and self.has("before") and not recent and not stems & _LASTING

    def _reaches(self, cue: tuple[int, int], mention: Mention) -> bool:
        _, last = cue
        if mention.first < last < mention.last and last not in mention.tokens:
            return True  # 'my neck doesn't hurt'
        if last >= mention.first or last in mention.tokens or self._only_answers(last):
            return False
        if any(last in other.tokens for other in self.mentions):
            return False  # 'I could not sleep, or it wakes me up'
        span = range(last + 1, mention.first)
        if mention.kind is Kind.NORMAL and self._lists_normal(last, mention):
            return False
        named = {at for other in self.mentions for at in other.tokens}
        ended = any(first in span and first not in named for first, _ in self.cues["terminator"])
        one = self.tokens[last + 1].text == "one"  # 'no one I know has been sick'
        if self.tokens[last].text in _NO and not one:  # 'No, what happens is that I cough'
            ended = ended or any(self.tokens[at].text in _TELLERS for at in span)
        ended = ended or any(
            self.tokens[at - 1].mark != "" and self.tokens[at].text in _SUBJECTS for at in span
        )
        return not ended and sum(at not in named for at in span) <= _REACH

    def _lists_normal(self, at: int, mention: Mention) -> bool:
        """'No cough, normal temperature': the no before it is of the symptoms, or an answer."""
        between = (one for one in self.mentions if at < one.first and one.last < mention.first)
        if any(one.kind is Kind.SYMPTOM for one in between):
            return True
        return self.tokens[at].text in _NO and self.tokens[mention.first].text == "normal"

    def _only_answers(self, at: int) -> bool:
        """Whether this 'no' answers ('No, I have a cough') rather than negates ('no cough')."""
        token = self.tokens[at]
        if token.text in ("nothing", "none"):
            return token.mark != ""  # 'Nothing, dry as a bone.'
        if token.text not in ("no", "nope", "nah"):
            return False
        following = self.tokens[at + 1].text if at + 1 < len(self.tokens) else ""
        return token.mark != "" or following in _SUBJECTS

    def _denied_after(self, mention: Mention) -> bool:
        """'Fever, no.'"""
        if len(self.tokens) <= _SHORT and self.tokens[-1].text == "no" and self.tokens[-2].mark:
            return mention.last < len(self.tokens) - 1  # 'a bleeding disorder, no'
        tail = [token.text for token in self.tokens[mention.last + 1 :]]
        while tail and tail[0] in ("at", "all", "or", "anything"):
            tail.pop(0)
        return tail[:1] in (["no"], ["none"], ["never"], ["nope"]) and (
            len(tail) == 1 or self.tokens[-len(tail)].mark != "" or tail[1] in _SUBJECTS
        )


_OPENERS = {
    "closed": Act.CLOSED,
    "declarative": Act.CLOSED,
    "open": Act.OPEN,
    "how_is": Act.HOW_IS,
}
_TELLERS = frozenset({"i", "ive", "im", "he", "hes", "she", "shes"})
_FIRST_PERSON = frozenset({"i", "ive", "im", "me", "id"})
_ADDRESSED = frozenset({"you", "youre", "youve"})
_SUBJECTS = frozenset(
    [
        "i",
        "ive",
        "im",
        "id",
        "he",
        "hes",
        "she",
        "shes",
        "they",
        "theyve",
        "it",
        "its",
        "we",
        "weve",
        "you",
        "youve",
        "youre",
        "there",
        "theres",
        "thats",
    ]
)
_OWNERS = frozenset({"i", "ive", "im", "my"})
_NOT_OWN = frozenset({"you", "your", "youre", "see", "hear", "patients", "patient", "people"})
_HAVE = frozenset({"ive", "have", "has", "hes", "shes", "youve", "weve", "theyve"})
_PAST_VERBS = frozenset(
    "had was were did got lost felt went came became threw fainted vomited passed coughed bled "
    "fell put gave made woke collapsed kept ended couldnt wasnt werent swelled burned ached".split()
)
_SHORT_HAD = frozenset({"id", "hed", "shed", "theyd"})
_WISHES = frozenset("say like rather love hate guess think suppose prefer want better".split())
"What 'I'd' goes on with where it is 'I would', of now."
_ARTICLES = frozenset({"a", "an", "the", "my", "some", "his", "her"})
_DEFINITE = frozenset({"the", "this", "that", "these", "those", "your", "my"})
_PLAIN = frozenset(
    [
        "no",
        "nope",
        "nah",
        "none",
        "not",
        "nothing",
        "yes",
        "yeah",
        "yep",
        "yup",
        "mhm",
        "definitely",
    ]
)
_NO = frozenset({"no", "nope", "nah"})
_YES = frozenset({"yes", "yeah", "yep", "yup", "aye"})
_CONDITION = frozenset({"if", "unless", "should", "whether", "case", "until"})
_REASONS = frozenset({"because", "cause", "cos", "since"})
_LASTING = frozenset({"start", "began", "begin", "still"})


class Rules:
    """The cues of the data file, ready to read sentences."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        classes: Mapping[str, Sequence[str]] = data["classes"]

        def matcher(section: str) -> PhraseMatcher[str]:
            return PhraseMatcher(
                ((label, pattern) for label, said in data[section].items() for pattern in said),
                classes,
            )

        self._cues, self._replies = matcher("cues"), matcher("reply")
        self._questions = matcher("question")

    def read(self, tokens: Sequence[Token], mentions: Sequence[Mention]) -> Sentence:
        """The sentence of these tokens, which hold these mentions."""
        cues: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for matcher in (self._cues, self._questions):
            for match in matcher.find(tokens):
                cues[match.label].append((match.tokens[0], match.tokens[-1]))
        masked = {at for first, last in cues["pseudo"] for at in range(first, last + 1)}
        cues["negation"] = [cue for cue in cues["negation"] if cue[0] not in masked]
        start = self._content_start(tokens)
        act, declarative = self._act(tokens, start)
        rising = bool(tokens) and tokens[-1].mark == "?"
        rising = rising or (len(tokens) > 1 and tokens[-1].text == "or")  # 'Tremors or ...'
        asked = rising or act is not Act.STATEMENT
        reply = self._reply(tokens)
        return Sentence(
            tuple(tokens),
            tuple(mentions),
            defaultdict(tuple, {label: tuple(spans) for label, spans in cues.items()}),
            Act.CLOSED if asked and act is Act.STATEMENT else act,
            reply,
            reply is not None and start < len(tokens) and tokens[start].text in _PLAIN,
            asked,
            start,
            declarative or (rising and act is Act.STATEMENT),
        )

    def boundary(self, tokens: Sequence[Token], *, after: str) -> bool:
        """Whether an unpunctuated text most likely begins a sentence with the first token."""
        found = {match.label for match in self._questions.find(tokens[:4]) if match.tokens[0] == 0}
        return ("boundary" in found and after not in _LINKS) or (
            "turn" in found and after not in _LINKS | _SUBORDINATORS
        )

    def _content_start(self, tokens: Sequence[Token]) -> int:
        """Index of the first token after words such as 'okay, and'."""
        start = 0
        for match in self._replies.find(tokens):
            if match.label == "listening" and match.tokens[0] == start:
                start = match.tokens[-1] + 1
        return start

    def _act(self, tokens: Sequence[Token], start: int) -> tuple[Act, bool]:
        """What the opening says that it does, and whether only as a statement might."""
        opening = {
            match.label: match.weight
            for match in sorted(self._questions.find(tokens), key=lambda match: match.weight)
            if match.tokens[0] == start and match.label in _OPENERS
        }
        mark = tokens[-1].mark if tokens else ""
        if mark == ".":
            opening.pop("declarative", None)
        named = tokens[start].text == "your" if start < len(tokens) else False
        if named and mark != "?" and len(tokens) - start > _SHORT:
            opening.pop("how_is", None)  # 'your lungs are clear and ...'
        for label, act in _OPENERS.items():
            if label in opening and opening[label] == max(opening.values()):
                return act, label == "declarative"
        return Act.STATEMENT, False

    def _reply(self, tokens: Sequence[Token]) -> Reply | None:
        """By the longest reply at the start, else by a yes or no at the end.

        'Yeah, no' is a no and 'no, yeah' a yes; 'no, well, a bit' is a yes.
        """
        found = [match for match in self._replies.find(tokens) if match.label != "listening"]
        start, reply = self._content_start(tokens), None
        while here := [
            match for match in found if match.tokens[0] == start and match.label != "turning"
        ]:
            best = max(here, key=lambda match: (match.weight, match.label == "unsure"))
            if best.label == "yes" and _tells_of_a_thing(tokens, best):
                return _reply_at_end(tokens)
            if reply is not None and best.label not in ("yes", "no"):
                return reply
            if reply is not None and tokens[start].text.startswith("it"):
                return reply  # 'Yes, it's not severe, but ...', 'No, it comes and goes'
            reply, start = Reply(best.label), best.tokens[-1] + 1
            if reply is Reply.YES and best.weight == 1 and tokens[-1].text == "no":
                return Reply.NO
            if reply not in (Reply.YES, Reply.NO) or best.weight > 1:
                return reply
            start = self._turned(tokens, start, found)
        return reply if reply is not None else _reply_at_end(tokens)

    @staticmethod
    def _turned(tokens: Sequence[Token], start: int, found: Sequence[Match[str]]) -> int:
        """Where a plain answer that takes back the one before begins, else `start` itself."""
        at = start
        while turning := [m for m in found if m.label == "turning" and m.tokens[0] == at]:
            at = turning[-1].tokens[-1] + 1
        plain = at < len(tokens) and tokens[at].text in _PLAIN | {"a", "sometimes", "occasionally"}
        return at if plain else start


def _tells_of_a_thing(tokens: Sequence[Token], match: Match[str]) -> bool:
    """'They did an X-ray.': opens as a short 'they did' would, and tells something else."""
    end = match.tokens[-1]
    if tokens[match.tokens[0]].text not in _SUBJECTS or end + 1 == len(tokens) or tokens[end].mark:
        return False
    return tokens[end].text in ("did", "was") and tokens[end + 1].text in _ARTICLES


def _reply_at_end(tokens: Sequence[Token]) -> Reply | None:
    """'I wouldn't say so, no.', 'My thighs, actually, yeah.'"""
    if len(tokens) < 2:
        return None
    last = tokens[-1].text
    if last in ("know", "sure") and tokens[-2].text in ("dont", "not"):
        return Reply.UNSURE
    if not (tokens[-2].mark or tokens[-2].text in ("so", "but", "me")):
        return None
    return Reply.NO if last in _NO else Reply.YES if last in _YES else None


def split(tokens: Sequence[Token], rules: Rules) -> list[list[Token]]:
    """Sentences by punctuation; where it is missing, by questions and answers that begin."""
    sentences: list[list[Token]] = [[]]
    bare = _longest_run(tokens) > _LONG_RUN or not any(token.mark for token in tokens)
    for at, token in enumerate(tokens):
        current = sentences[-1]
        if bare and current and _begins(tokens, at, rules):
            sentences.append([])
        sentences[-1].append(token)
        if token.mark in (".", "?", "!"):
            sentences.append([])
    return [sentence for sentence in sentences if sentence]


def _longest_run(tokens: Sequence[Token]) -> int:
    longest = run = 0
    for token in tokens:
        run = 0 if token.mark else run + 1
        longest = max(longest, run)
    return longest


_ANSWERS = frozenset({"no", "nope", "yes", "yeah", "yep", "yup"})
_LINKS = frozenset(
    [
        "and",
        "be",
        "is",
        "its",
        "doing",
        "feeling",
        "or",
        "if",
        "what",
        "when",
        "where",
        "how",
        "why",
        "that",
        "so",
        "i",
        "not",
        "no",
        "dont",
        "didnt",
        "havent",
        "without",
        "than",
        "long",
        "many",
        "often",
        "bad",
        "because",
    ]
)

_SUBORDINATORS = frozenset(
    "and but or if when whenever while because cause cos since although though unless until that "
    "which who where than as before after like so the a my your this it i you we they he she know "
    "think say said guess mean sure feel felt about with for to of in at on by from every time all "
    "is was are were be been am not do did does have had has".split()
)


def _begins(tokens: Sequence[Token], at: int, rules: Rules) -> bool:
    """Whether an unpunctuated text begins a new sentence at this token."""
    token, previous = tokens[at], tokens[at - 1]
    following = tokens[at + 1].text if at + 1 < len(tokens) else ""
    if token.text in _ANSWERS:
        return token.text != "no" or following in _SUBJECTS | _ANSWERS | {"", "okay", "any", "not"}
    if previous.text in _ANSWERS and (token.text in _SUBJECTS or token.text == "any"):
        return True
    return rules.boundary(tokens[at : at + 4], after=previous.text)


@cache
def load_rules() -> Rules:
    """The rules of the package; loaded once."""
    text = files("voicemed.data").joinpath("assertion.toml").read_text(encoding="utf-8")
    return Rules(tomllib.loads(text))
