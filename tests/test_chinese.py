"""Chinese consultations: names, status across turns, evidence, and which language is heard."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemed.assertion import Experiencer, Status
from voicemed.chinese import Scripts, load_chinese_lexicon, read_script
from voicemed.extraction import create_extractor, extract
from voicemed.findings import Finding
from voicemed.lexicon import load_lexicon
from voicemed.transcript import Span, Turn, Word

LABELS = Path(__file__).parents[1] / "benchmarks" / "remedi_labels.tsv"
SPEAKERS = {"D": "doctor", "P": "patient", "?": "", "A": "doctor"}


def turns(*lines: str) -> list[Turn]:
    """Turns of lines such as 'D: 发烧吗？', a word for each character; A addresses voicemed."""
    return [
        Turn(
            number,
            SPEAKERS[line[0]],
            tuple(Word(char, 0.0, 0.0, 1.0) for char in line[3:]),
            to_assistant=line[0] == "A",
        )
        for number, line in enumerate(lines, 1)
    ]


def statuses(*lines: str) -> dict[str, str]:
    """Status of each of the patient's symptoms, without hypothetical ones."""
    return {
        finding.concept.display: finding.assertion.status.value
        for finding in extract(turns(*lines), "zh")
        if finding.assertion.experiencer is Experiencer.PATIENT
        and finding.assertion.status is not Status.HYPOTHETICAL
    }


def finding(name: str, *lines: str) -> Finding:
    return next(one for one in extract(turns(*lines), "zh") if one.concept.display == name)


PRESENT, ABSENT, UNCERTAIN, PAST = "present", "absent", "uncertain", "past"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # what the patient says, as people say it
        (["P: 我这两天老是头疼，还有点恶心，昨天晚上吐了一次"],
         {"headache": PRESENT, "nausea": PRESENT, "vomiting": PRESENT}),
        (["P: 浑身没劲 拉肚子 胃口不好"],
         {"fatigue": PRESENT, "diarrhea": PRESENT, "poor appetite": PRESENT}),
        (["P: 最近心慌胸闷喘不上气手脚冰凉头昏脑胀"],
         {"palpitations": PRESENT, "chest tightness": PRESENT, "shortness of breath": PRESENT,
          "cold extremities": PRESENT, "dizziness": PRESENT}),
        (["P: 晚上要起来上三四次厕所"], {"nighttime urination": PRESENT}),
        (["P: 大姨妈两个月没来了"], {"missed period": PRESENT}),
        (["P: 肚子有点疼，头特别痛，睡不好觉"],
         {"abdominal pain": PRESENT, "headache": PRESENT, "sleep disturbance": PRESENT}),
        (["P: 没什么胃口，没有精神"], {"poor appetite": PRESENT, "fatigue": PRESENT}),
        (["P: 忍不住咳嗽，一直没好"], {"cough": PRESENT}),
        (["P: 不光头疼还恶心"], {"headache": PRESENT, "nausea": PRESENT}),
        (["P: 没有去医院，一直咳嗽"], {"cough": PRESENT}),
        (["P: 脚有点肿"], {"leg swelling": PRESENT}),
        (["P: 我今天来主要是因为腰疼"], {"back pain": PRESENT}),
        # denial and its reach
        (["P: 没有发烧、咳嗽"], {"fever": ABSENT, "cough": ABSENT}),
        (["P: 不发烧也不咳嗽"], {"fever": ABSENT, "cough": ABSENT}),
        (["P: 没有发烧有点咳嗽"], {"fever": ABSENT, "cough": PRESENT}),
        (["P: 没有发烧，咳嗽两天了"], {"fever": ABSENT, "cough": PRESENT}),
        (["P: 无发热，无咳嗽咳痰，无胸闷气短"],
         {"fever": ABSENT, "cough": ABSENT, "sputum production": ABSENT,
          "chest tightness": ABSENT, "shortness of breath": ABSENT}),
        (["P: 咳嗽，没有痰"], {"cough": PRESENT, "sputum production": ABSENT}),
        (["P: 咳嗽半年了，没有咳血"], {"cough": PRESENT, "coughing up blood": ABSENT}),
        (["P: 头不疼，就是晕"], {"headache": ABSENT, "dizziness": PRESENT}),
        (["P: 头疼发烧都没有"], {"headache": ABSENT, "fever": ABSENT}),
        (["P: 不怎么咳了"], {"cough": ABSENT}),
        (["P: 不是头疼，是头晕"], {"headache": ABSENT, "dizziness": PRESENT}),
        (["P: 我头疼", "P: 现在不疼了"], {"headache": PRESENT}),
        # questions and answers
        (["D: 发烧吗？", "P: 没有"], {"fever": ABSENT}),
        (["D: 有没有恶心？", "P: 有一点"], {"nausea": PRESENT}),
        (["D: 咳不咳嗽", "P: 不咳"], {"cough": ABSENT}),
        (["D: 发不发烧", "P: 烧，三十八度五"], {"fever": PRESENT}),
        (["D: 拉肚子没有", "P: 没拉"], {"diarrhea": ABSENT}),
        (["D: 拉不拉肚子", "P: 拉了三次了"], {"diarrhea": PRESENT}),
        (["D: 有没有尿频尿急尿痛", "P: 尿频有，尿急尿痛没有"],
         {"frequent urination": PRESENT, "urinary urgency": ABSENT, "painful urination": ABSENT}),
        (["D: 有没有恶心，呕吐，拉肚子", "P: 就是有点恶心，别的没有"],
         {"nausea": PRESENT, "vomiting": ABSENT, "diarrhea": ABSENT}),
        (["D: 痰里有没有血", "P: 没有"], {"coughing up blood": ABSENT}),
        (["P: 我咳嗽一个星期了", "D: 咳嗽有没有痰？", "P: 没有"],
         {"cough": PRESENT, "sputum production": ABSENT}),
        (["D: 没有发烧吧？", "P: 对"], {"fever": ABSENT}),
        (["D: 没有发烧吧？", "P: 没有"], {"fever": ABSENT}),
        (["D: 胃口怎么样？", "P: 不太好"], {"poor appetite": PRESENT}),
        (["D: 睡眠好吗", "P: 还行"], {"sleep disturbance": ABSENT}),
        (["D: 有没有力气", "P: 没有"], {}),
        (["D: 最近有没有发烧？"], {}),
        (["D: 有没有头晕？还有别的症状吗？", "P: 有"], {}),
        (["D: 好的，你头疼发烧两天，没有咳嗽，是吧", "P: 是的"],
         {"headache": PRESENT, "fever": PRESENT, "cough": ABSENT}),
        (["P: 我嗓子疼", "D: 疼得厉害吗", "P: 还行"], {"sore throat": PRESENT}),
        (["D: 拉肚子吗", "P: 没有。", "P: 其实有一点"], {"diarrhea": PRESENT}),
        # doubt
        (["P: 可能有点发烧"], {"fever": UNCERTAIN}),
        (["D: 有没有发烧？", "P: 没量过，不知道"], {"fever": UNCERTAIN}),
        # before
        (["P: 以前得过荨麻疹"], {"hives": PAST}),
        (["P: 小时候经常流鼻血"], {"nosebleed": PAST}),
        (["P: 去年开始头疼"], {"headache": PRESENT}),
        (["D: 以前有没有头疼？", "P: 没有"], {}),
        # supposed: fear, condition, general talk
        (["P: 如果发烧怎么办"], {}),
        (["P: 我不敢吃药，怕恶心"], {}),
        (["P: 这个药会引起头晕，恶心吗？"], {}),
        (["P: 如果吃凉的就胃疼"], {"abdominal pain": PRESENT}),
        (["D: 如果出现胸痛或者呼吸困难要马上来医院"], {}),
        (["D: 注意有没有出血"], {}),
        (["D: 这个止咳药一天三次，头晕的话就停"], {}),
        # other people
        (["P: 我头疼，我妈也头晕"], {"headache": PRESENT}),
        (["P: 我老公打呼噜很厉害，我睡不好"], {"sleep disturbance": PRESENT}),
        (["D: 家里人有没有类似的咳嗽？", "P: 没有"], {}),
        (["D: 您家里有人头疼吗", "P: 我妈有偏头疼"], {}),
        (["P: 孩子发烧两天了，咳嗽，没有吐"],
         {"fever": PRESENT, "cough": PRESENT, "vomiting": ABSENT}),
        (["P: 我女儿三岁，咳嗽好几天了，没有发烧", "D: 有没有喘", "P: 不喘"],
         {"cough": PRESENT, "fever": ABSENT, "shortness of breath": ABSENT}),
        (["P: 老人偏头痛流口水"], {"headache": PRESENT, "drooling": PRESENT}),
        # what only looks like a symptom
        (["P: 买了止咳药和退烧药，不好意思，没关系"], {}),
        (["P: 查了血常规和尿常规，血压正常"], {}),
        (["D: 有没有对什么药过敏", "P: 青霉素，打了起疹子"], {"rash": PAST}),
    ],
)  # fmt: skip
def test_status(lines: list[str], expected: dict[str, str]) -> None:
    assert statuses(*lines) == expected


def test_a_relatives_symptom_is_the_relatives() -> None:
    found = finding("dizziness", "P: 我头疼，我妈也头晕")
    assert found.assertion.experiencer is Experiencer.OTHER


def test_traditional_characters_cantonese_and_full_width_marks_read_alike() -> None:
    expected = {"headache": PRESENT, "fever": PRESENT, "cough": ABSENT}
    assert statuses("P: 頭很痛，有點發燒，沒有咳嗽") == expected
    assert statuses("P: 头很痛,有点发烧,没有咳嗽") == expected
    assert statuses("P: 冇發燒，有啲咳") == {"fever": ABSENT, "cough": PRESENT}


def test_spaces_between_words_and_between_clauses() -> None:
    assert read_script(["我 头 疼 三 天 了"]).text == "我头疼三天了"
    assert read_script(["尿频尿急 晚上睡不着觉 没有发烧"]).text == "尿频尿急,晚上睡不着觉,没有发烧"
    assert read_script(["体温37.6"]).text == "体温37点6"


def test_a_folded_question_keeps_its_words() -> None:
    script = read_script([*"你咳不咳嗽"])
    assert (script.text, script.words, [*script.asked]) == ("你咳嗽", (0, 3, 4), [1])


def test_without_speakers_the_words_tell_who_speaks() -> None:
    assert statuses(
        "?: 您哪里不舒服", "?: 我肚子疼", "?: 拉肚子吗", "?: 没有", "?: 发烧吗", "?: 有一点"
    ) == {"abdominal pain": PRESENT, "diarrhea": ABSENT, "fever": PRESENT}


def test_evidence_is_the_words_of_question_and_answer() -> None:
    words = ("你", "发烧", "吗", "？")
    question = Turn(1, "doctor", tuple(Word(word, 0.0, 0.0, 1.0) for word in words))
    answer = Turn(2, "patient", (Word("没有", 0.0, 0.0, 0.5),))
    (found,) = extract([question, answer], "zh")
    assert found.evidence == (Span(1, 1, 1), Span(2, 0, 0))
    assert found.confidence == pytest.approx(0.4)


def test_attributes() -> None:
    found = finding("abdominal pain", "P: 右边肚子疼了三天，一阵一阵的，疼得厉害")
    assert found.attributes["duration"] == "三天"
    assert found.attributes["side"] == "右边"
    assert found.attributes["severity"] == "厉害"
    asked = finding("cough", "P: 我咳嗽", "D: 多长时间了？", "P: 两个多月")
    assert asked.attributes["duration"] == "两个多月"
    assert finding("headache", "P: 昨天开始头疼").attributes["onset"] == "昨天"


def test_what_is_said_to_the_assistant_is_no_evidence() -> None:
    assert extract(turns("A: 她发烧吗？", "P: 有"), "zh") == ()


@pytest.mark.parametrize(
    ("text", "chinese"),
    [
        ("我头疼两天了", True),
        ("我吃了 ibuprofen，不管用", True),
        ("I have had a headache", False),
        ("OK", False),
        ("頭が痛いです", False),
        ("", False),
    ],
)
def test_script_tells_the_language(text: str, chinese: bool) -> None:
    scripts = Scripts()
    scripts.add(text)
    assert scripts.chinese is chinese


@pytest.mark.models
def test_turns_before_the_language_showed_are_heard_again() -> None:
    lines = ["D: Hello hello, OK.", "P: 头疼", "P: 我发烧两天了，没有咳嗽"]
    extractor = create_extractor()
    live: tuple[Finding, ...] = ()
    for turn in turns(*lines):
        live = extractor.update(turn)
    assert live == extract(turns(*lines), "zh")
    assert {one.concept.display for one in live} == {"headache", "fever", "cough"}


@pytest.mark.models
def test_a_given_language_is_kept() -> None:
    assert extract(turns("P: 我头疼"), "en") == ()
    assert len(extract(turns("P: 我头疼"), "yue")) == 1


PHRASES = [
    "发烧吗",
    "没有",
    "有一点",
    "我头疼",
    "fever",
    "I have a cough",
    "咳不咳",
    "，",
    "？",
    " ",
]


@pytest.mark.models
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("DP?"), st.lists(st.sampled_from(PHRASES))), max_size=6))
def test_live_and_batch_agree_and_evidence_lies_in_the_turns(
    said: list[tuple[str, list[str]]],
) -> None:
    consultation = turns(*(f"{speaker}: {''.join(texts)}" for speaker, texts in said))
    extractor = create_extractor()
    live: tuple[Finding, ...] = ()
    for turn in consultation:
        live = extractor.update(turn)
    assert live == extract(consultation)
    for span in (span for one in live for span in one.evidence):
        assert 0 <= span.first <= span.last < len(consultation[span.turn - 1].words)


@settings(deadline=None)
@given(st.lists(st.text(max_size=8), max_size=8))
def test_any_text_reads_with_its_words(words: list[str]) -> None:
    script = read_script(words)
    assert len(script.text) == len(script.words)
    assert list(script.words) == sorted(script.words)
    assert all(0 <= index < len(words) for index in script.words)


def test_every_concept_is_known_by_its_chinese_name() -> None:
    lexicon = load_chinese_lexicon()
    named = {mention.concept.display for mention in lexicon.mentions("发热、晕厥、里急后重")}
    assert named == {"fever", "loss of consciousness", "tenesmus"}


def test_the_benchmarks_labels_name_concepts() -> None:
    concepts = load_lexicon().concepts
    with LABELS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    named = {one for row in rows for one in row["concepts"].split("; ")}
    assert {one.lstrip("!") for one in named if not one.startswith("?")} <= concepts.keys()
