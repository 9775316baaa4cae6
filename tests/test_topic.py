"""General words, and the symptom that they name of what is talked about."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_symptoms import extract, turns

from voicemed.assertion import Status
from voicemed.lexicon import load_lexicon, tokenize
from voicemed.topic import Topic, TopicRules, load_topics

WORDS = "any blood pain is it red in your knee ear urine cough how are a rash swollen".split()


def statuses(*lines: str) -> dict[str, str]:
    """Status of each symptom of lines such as 'D: Any blood?', without hypothetical ones."""
    return {
        one.concept.display: one.assertion.status.value
        for one in extract(turns(*lines))
        if one.assertion.status is not Status.HYPOTHETICAL
    }


NAMED = [
    (
        ["P: I've had this cough for a week.", "D: Any blood in it?", "P: No."],
        {"coughing up blood": "absent"},
        frozenset(),
    ),
    (
        ["P: I've been coughing a lot.", "D: Any blood?", "P: A little bit this morning, yes."],
        {"coughing up blood": "present"},
        frozenset(),
    ),
    (
        [
            "P: I've had a cough.",
            "D: Are you bringing anything up?",
            "P: Yeah.",
            "D: What colour is it?",
            "P: It's green.",
        ],
        {"sputum production": "present"},
        frozenset(),
    ),
    (
        ["P: I've had diarrhoea for three days.", "D: Any blood or mucus?", "P: No."],
        {"blood in stool": "absent", "mucus in stool": "absent"},
        {"coughing up blood", "abnormal bleeding"},
    ),
    (
        ["P: I've had the runs since Sunday.", "D: Is there any blood in it?", "P: Yes, a bit."],
        {"blood in stool": "present"},
        frozenset(),
    ),
    (
        ["D: How are your bowels?", "P: Fine.", "D: Any blood when you go?", "P: No."],
        {"blood in stool": "absent"},
        frozenset(),
    ),
    (
        ["P: I've been constipated.", "D: Any bleeding?", "P: No."],
        {"blood in stool": "absent"},
        {"abnormal bleeding"},
    ),
    (
        ["P: I've had loose stools.", "D: Do you have to rush?", "P: Yes."],
        {"bowel urgency": "present"},
        {"urinary urgency"},
    ),
    (
        ["P: It burns when I pee.", "D: Are you going more often?", "P: Yes."],
        {"frequent urination": "present"},
        frozenset(),
    ),
    (
        ["P: It stings when I wee.", "D: And do you have to rush?", "P: Yeah, I do."],
        {"urinary urgency": "present"},
        frozenset(),
    ),
    (
        ["P: It hurts when I pass urine.", "D: Any blood?", "P: No."],
        {"blood in urine": "absent"},
        frozenset(),
    ),
    (
        ["P: It hurts when I pass urine.", "D: Does it smell?", "P: It does, yes."],
        {"smelly urine": "present"},
        frozenset(),
    ),
    (
        ["P: It hurts when I pass urine.", "D: Is it dark?", "P: No."],
        {"dark urine": "absent"},
        frozenset(),
    ),
    (
        [
            "P: It hurts when I pass urine.",
            "D: What does it look like?",
            "P: It's not clear, like milk.",
        ],
        {"cloudy urine": "present"},
        frozenset(),
    ),
    (
        ["P: It burns when I pee.", "D: Is it cloudy at all?", "P: Yes, it is."],
        {"cloudy urine": "present"},
        frozenset(),
    ),
    (
        ["D: How are the waterworks?", "P: Okay.", "D: Any burning or stinging?", "P: No."],
        {"painful urination": "absent"},
        {"burning sensation"},
    ),
    (
        ["D: How are the waterworks?", "P: Alright.", "D: Any pain?", "P: No."],
        {"painful urination": "absent"},
        {"pain"},
    ),
    (
        ["D: Any problems with your bladder?", "P: I'm going all the time."],
        {"frequent urination": "present"},
        frozenset(),
    ),
    (
        ["D: Any problems with the waterworks?", "P: I'm up three times a night."],
        {"nighttime urination": "present"},
        frozenset(),
    ),
    (
        ["P: I've got this earache.", "D: Anything coming out of it?", "P: No."],
        {"ear discharge": "absent"},
        frozenset(),
    ),
    (
        ["P: My ear's been hurting.", "D: Any discharge?", "P: Yes, some yellow stuff."],
        {"ear discharge": "present"},
        frozenset(),
    ),
    (
        ["D: And how are the ears?", "P: Fine.", "D: Any ringing?", "P: No."],
        {"tinnitus": "absent"},
        frozenset(),
    ),
    (["P: My ear hurts.", "D: Is it itchy?", "P: A bit."], {"ear itching": "present"}, {"itching"}),
    (
        ["P: My right ear feels blocked.", "D: Any discharge or pain?", "P: No."],
        {"ear discharge": "absent", "ear pain": "absent"},
        frozenset(),
    ),
    (
        ["P: I've got a rash on my arm.", "D: Is it painful?", "P: Yes."],
        {"skin pain": "present"},
        {"pain"},
    ),
    (
        ["P: I've got a rash on my arm.", "D: Is it weeping at all?", "P: No."],
        {"skin discharge": "absent"},
        frozenset(),
    ),
    (
        ["P: I've got a rash on my arm.", "D: Does it feel hot?", "P: Yes it does."],
        {"skin warmth": "present"},
        {"fever"},
    ),
    (["P: I've got a rash.", "D: Itchy?", "P: Very."], {"itching": "present"}, frozenset()),
    (
        ["P: There's a sore on my leg.", "D: Any pus or fluid coming from it?", "P: No."],
        {"skin discharge": "absent"},
        frozenset(),
    ),
    (
        [
            "P: I've twisted my knee, it's really painful.",
            "D: Did it swell up?",
            "P: Yes, straight away.",
        ],
        {"joint swelling": "present"},
        frozenset(),
    ),
    (
        ["P: My knee hurts.", "D: Can you bend it?", "P: Not really."],
        {"reduced joint movement": "present"},
        frozenset(),
    ),
    (
        ["P: My knee hurts.", "D: Can you bend it?", "P: Yes."],
        {"reduced joint movement": "absent"},
        frozenset(),
    ),
    (
        ["P: My knee hurts.", "D: Does it give way?", "P: Sometimes."],
        {"joint instability": "present"},
        frozenset(),
    ),
    (
        ["P: My knee hurts.", "D: Does it lock or click?", "P: No."],
        {"joint locking": "absent", "joint clicking": "absent"},
        frozenset(),
    ),
    (
        ["P: My shoulder's been painful.", "D: Is it stiff?", "P: Yes."],
        {"joint stiffness": "present"},
        frozenset(),
    ),
    (
        ["P: My knee hurts.", "D: Is it red or hot?", "P: No."],
        {"skin redness": "absent", "skin warmth": "absent"},
        frozenset(),
    ),
    (
        ["D: How are your periods?", "P: Regular.", "D: Are they heavy?", "P: Yes, very."],
        {"heavy periods": "present"},
        frozenset(),
    ),
    (
        ["D: How are your periods?", "P: Regular.", "D: And painful?", "P: No."],
        {"painful periods": "absent"},
        {"pain"},
    ),
    (["D: How are your periods?", "P: Heavy."], {"heavy periods": "present"}, frozenset()),
    (
        ["D: Tell me about your periods.", "P: They come every month.", "D: Any clots?", "P: Yes."],
        {"heavy periods": "present"},
        frozenset(),
    ),
    (
        ["D: Are your periods regular?", "P: All over the place."],
        {"irregular periods": "present"},
        frozenset(),
    ),
    (
        ["D: How are things down below? Any bleeding?", "P: No."],
        {"vaginal bleeding": "absent"},
        frozenset(),
    ),
    (
        ["D: How are things down below?", "P: Alright.", "D: Any discharge?", "P: No."],
        {"vaginal discharge": "absent"},
        frozenset(),
    ),
    (
        ["D: And down below? Any itching or soreness?", "P: No."],
        {"vaginal itching": "absent", "vulvovaginal pain": "absent"},
        frozenset(),
    ),
    (
        ["P: I've got a sore throat.", "D: Does it hurt to swallow?", "P: Yes."],
        {"painful swallowing": "present"},
        frozenset(),
    ),
    (
        ["P: My throat's been sore.", "D: Can you swallow alright?", "P: Yes."],
        {"difficulty swallowing": "absent"},
        frozenset(),
    ),
    (
        ["P: My throat's killing me.", "D: Is it sore to swallow?", "P: Yes."],
        {"painful swallowing": "present"},
        frozenset(),
    ),
    (
        ["P: My eye's been bothering me.", "D: Any discharge?", "P: No."],
        {"eye discharge": "absent"},
        frozenset(),
    ),
    (
        ["P: My eye is really sore.", "D: Is it sticky?", "P: In the mornings, yes."],
        {"eye discharge": "present"},
        frozenset(),
    ),
    (
        ["P: I've got something in my eye.", "D: Is it red?", "P: Yes."],
        {"red eye": "present"},
        {"skin redness"},
    ),
    (
        ["P: My eyes hurt.", "D: Are they watering?", "P: Yes."],
        {"watery eyes": "present"},
        frozenset(),
    ),
    (
        ["P: My eye's really painful.", "D: Is it itchy?", "P: No."],
        {"itchy eyes": "absent"},
        {"itching"},
    ),
    (
        ["P: My eye's really painful.", "D: Does light bother it?", "P: Yes."],
        {"light sensitivity": "present"},
        frozenset(),
    ),
    (
        ["P: I've found a lump on my back.", "D: Is it painful?", "P: No."],
        {"pain": "absent"},
        {"back pain"},
    ),
    (
        ["P: I cut my leg and the wound looks bad.", "D: Is it red?", "P: Yes."],
        {"skin redness": "present"},
        frozenset(),
    ),
    (
        ["P: I cut my leg and the wound looks bad.", "D: Is it hot, does it hurt?", "P: Yes."],
        {"skin warmth": "present", "skin pain": "present"},
        frozenset(),
    ),
    (
        ["P: I've got this chest pain.", "D: Does it go anywhere?", "P: No."],
        {"chest pain": "present"},
        {"pain"},
    ),
    (
        ["P: My stomach's been terrible.", "D: Any pain?", "P: Yes."],
        {"abdominal pain": "present"},
        {"pain"},
    ),
    (
        ["D: How's your tummy?", "P: Not bad.", "D: Any pain?", "P: No."],
        {"abdominal pain": "absent"},
        {"pain"},
    ),
    (
        ["D: How is your chest?", "P: Fine.", "D: Any pain or tightness?", "P: No."],
        {"chest pain": "absent", "chest tightness": "absent"},
        {"pain"},
    ),
    (
        ["D: How are your feet? Any numbness or burning?", "P: No."],
        {"numbness": "absent", "burning sensation": "absent"},
        frozenset(),
    ),
    (
        ["D: How are your feet?", "P: Not too bad.", "D: Any pain?", "P: A bit."],
        {"foot pain": "present"},
        frozenset(),
    ),
    (
        ["D: How are your feet?", "P: Alright.", "D: Any swelling?", "P: No."],
        {"leg swelling": "absent"},
        frozenset(),
    ),
    (["D: And your legs? Any swelling?", "P: No."], {"leg swelling": "absent"}, frozenset()),
    (
        ["P: I'm worried about my breast.", "D: Any lump?", "P: No."],
        {"breast lump": "absent"},
        {"lump"},
    ),
    (
        ["P: I'm worried about my breast.", "D: Any discharge?", "P: No."],
        {"nipple discharge": "absent"},
        frozenset(),
    ),
    (
        ["P: My left breast.", "D: Is it painful?", "P: Yes."],
        {"breast pain": "present"},
        frozenset(),
    ),
    (
        ["P: I hit my head on the cupboard.", "D: Does it hurt?", "P: Yes, it's throbbing."],
        {"headache": "present"},
        {"pain"},
    ),
    (
        ["D: How is he with his feeds?", "P: He's not taking them."],
        {"poor feeding": "present"},
        frozenset(),
    ),
    (["D: How's the feeding going?", "P: Not great."], {"poor feeding": "present"}, frozenset()),
    (
        ["P: My nose has been terrible.", "D: Is it runny or blocked?", "P: Runny."],
        {"runny nose": "present"},
        frozenset(),
    ),
    (
        ["D: How's your nose?", "P: Okay.", "D: Any bleeding?", "P: No."],
        {"nosebleed": "absent"},
        frozenset(),
    ),
    (
        ["P: My gums are awful.", "D: Do they bleed?", "P: Yes."],
        {"gum bleeding": "present"},
        frozenset(),
    ),
    (
        ["P: I've been vomiting all night.", "D: Any blood?", "P: No."],
        {"hematemesis": "absent"},
        frozenset(),
    ),
    (
        ["P: I keep being sick.", "D: Was there any blood in it?", "P: No."],
        {"hematemesis": "absent"},
        frozenset(),
    ),
    (
        ["P: I've got a problem with my penis.", "D: Any discharge?", "P: Yes."],
        {"penile discharge": "present"},
        frozenset(),
    ),
    (
        ["P: It's my testicle, the left one.", "D: Is it painful?", "P: Yes."],
        {"testicular pain": "present"},
        frozenset(),
    ),
    (
        ["P: It's my testicle, the left one.", "D: Any lumps?", "P: Yes."],
        {"testicular lump": "present"},
        frozenset(),
    ),
    (["P: My back's gone.", "D: Is it painful?", "P: Yes."], {"back pain": "present"}, frozenset()),
    (
        ["P: There's something in my neck.", "D: Is it a lump?", "P: Yes."],
        {"neck lump": "present"},
        frozenset(),
    ),
    (
        ["P: I have piles.", "D: Are they painful?", "P: Yes."],
        {"anal pain": "present"},
        frozenset(),
    ),
    (
        [
            "D: Any chest pain?",
            "P: No.",
            "D: Do you smoke?",
            "P: Yes.",
            "D: Any pain anywhere?",
            "P: No.",
        ],
        {"pain": "absent"},
        frozenset(),
    ),
    (
        [
            "P: I've had diarrhoea.",
            "D: Do you smoke?",
            "P: No.",
            "D: Any allergies?",
            "P: No.",
            "D: And any discharge?",
            "P: No.",
        ],
        {},
        {"blood in stool"},
    ),
    (
        ["P: I've had a cough.", "D: Okay. We'll take some blood.", "P: Okay."],
        {},
        {"coughing up blood"},
    ),
    (
        ["P: My knee hurts.", "D: Do you take any blood thinners?", "P: No."],
        {},
        {"coughing up blood", "blood in stool"},
    ),
    (
        ["P: I've been constipated.", "D: Have you been going more often to the gym?", "P: No."],
        {},
        {"diarrhea", "frequent urination"},
    ),
    (["P: I have a rash.", "D: Does it get hot in your office?", "P: Yes."], {}, {"skin warmth"}),
    (
        [
            "P: I'm constipated.",
            "D: Any pain in the back passage?",
            "P: It's like passing glass.",
            "D: Any bleeding?",
            "P: There was a bit on the paper this morning.",
        ],
        {"anal pain": "present", "blood in stool": "present"},
        {"painful urination", "blood in urine", "abnormal bleeding"},
    ),
    (
        ["P: It's the waterworks.", "D: Do you get up in the night?", "P: Three times."],
        {"nighttime urination": "present"},
        frozenset(),
    ),
    (
        ["P: It burns when I pee.", "D: Do you have to run to the toilet?", "P: Yes."],
        {"urinary urgency": "present"},
        frozenset(),
    ),
    (
        ["P: I'm twelve weeks pregnant.", "D: Any pain or bleeding?", "P: No bleeding, no pain."],
        {"vaginal bleeding": "absent"},
        {"abnormal bleeding"},
    ),
    (
        ["P: It's a mole on my back.", "D: Has it bled?", "P: Just the once."],
        {"abnormal bleeding": "present"},
        {"vaginal bleeding", "blood in stool"},
    ),
    (
        ["P: My calf's sore.", "D: Any swelling in it?", "P: No."],
        {"leg swelling": "absent"},
        {"swelling"},
    ),
    (
        ["P: My ear's sore.", "D: Any discharge from it?", "P: Yes."],
        {"ear discharge": "present"},
        {"skin discharge"},
    ),
    (
        ["P: My eyes are red.", "D: Any itching or heartburn now?", "P: No."],
        {"itching": "absent"},
        {"itchy eyes"},
    ),
    (
        ["D: You're not yellow, your eyes, or itchy?", "P: No, nothing."],
        {"itching": "absent", "jaundice": "absent"},
        {"itchy eyes"},
    ),
    (
        ["D: And sleep?", "P: I can't get off. My head's going till three."],
        {"sleep disturbance": "present"},
        frozenset(),
    ),
    (
        ["D: How's your sleep?", "P: Fine.", "D: And your mood?", "P: Up and down."],
        {"sleep disturbance": "absent"},
        frozenset(),
    ),
    (
        ["D: Have you had a fever?", "P: Thirty eight on Monday night."],
        {"fever": "present"},
        frozenset(),
    ),
    (
        ["D: How's your diabetes?", "P: Thirty eight on Monday night."],
        {},
        {"fever"},
    ),
]


@pytest.mark.parametrize(("lines", "named", "wrong"), NAMED, ids=lambda one: str(one)[:60])
def test_a_general_word_names_the_symptom_of_what_is_talked_about(
    lines: list[str], named: dict[str, str], wrong: set[str]
) -> None:
    found = statuses(*lines)
    assert named.items() <= found.items()
    assert not wrong & found.keys()


def test_a_topic_fades() -> None:
    talk = ["P: I've had diarrhoea.", *["P: I see.", "D: Right."] * 3]
    assert "blood in stool" not in statuses(*talk, "D: Any blood?", "P: No.")


def test_a_topic_that_is_come_back_to_lasts() -> None:
    talk = ["P: I've had diarrhoea.", "D: Any blood?", "P: No.", "D: OK.", "P: Yeah."]
    assert statuses(*talk, "D: Any mucus?", "P: No.")["mucus in stool"] == "absent"


def test_another_subject_ends_it() -> None:
    found = statuses(
        "P: I have a cough.",
        "D: Are you allergic to anything?",
        "P: No.",
        "D: Any blood?",
        "P: No.",
    )
    assert "coughing up blood" not in found


def test_the_joint_goes_on_about_the_knee() -> None:
    found = statuses(
        "P: I twisted my knee.", "D: Is the joint swollen?", "P: Yes.", "D: Is it sore?", "P: Yes."
    )
    assert found == {"joint swelling": "present", "knee pain": "present"}


def test_sleep_is_asked_after_beside_the_knee() -> None:
    found = statuses(
        "P: My knee hurts.",
        "D: How's your sleep?",
        "P: I can't get off.",
        "D: And is it swollen?",
        "P: Yes.",
    )
    assert found["sleep disturbance"] == "present"
    assert found["joint swelling"] == "present"


def test_a_pain_named_before_is_meant_by_the_pain() -> None:
    found = statuses(
        "P: I get headaches.",
        "D: How are your ears?",
        "P: Fine.",
        "D: Is the pain sharp?",
        "P: Yes.",
    )
    assert found == {"headache": "present", "ear pain": "absent"}


def test_a_pain_in_a_place_of_its_own_is_not_that_of_the_topic() -> None:
    found = statuses("D: How are your waterworks?", "P: Fine, but I have a pain in my side.")
    assert "painful urination" not in found


def test_a_list_of_symptoms_gives_a_common_word_no_place() -> None:
    assert "skin pain" not in statuses("D: Any rash, any pain?", "P: No.")


def test_what_the_patient_does_not_see_is_absent() -> None:
    lines = ["P: It burns when I pee.", "D: Any blood?", "P: I don't see blood."]
    assert statuses(*lines)["blood in urine"] == "absent"


def test_who_was_not_hurt_says_nothing_of_the_place() -> None:
    found = statuses("D: How is your chest?", "P: A car fell on it but I was not hurt.")
    assert "chest pain" not in found


def test_it_does_not_half_smell() -> None:
    lines = ["D: How are your waterworks?", "P: It don't half smell."]
    assert statuses(*lines)["smelly urine"] == "present"


def test_a_topic_may_not_mean_an_unknown_word() -> None:
    data = {
        "classes": {},
        "ignore": [],
        "ignore_words": [],
        "ends": [],
        "predicates": {"blood": {"phrases": ["blood"]}},
        "topics": {"ear": {"concepts": [], "places": ["ear"], "means": {"bleed": "ear pain"}}},
    }
    with pytest.raises(KeyError, match="bleed"):
        TopicRules(data, load_lexicon())


@settings(deadline=None)
@given(
    st.lists(
        st.lists(
            st.sampled_from(WORDS),
            min_size=1,
            max_size=12,
        ),
        max_size=6,
    )
)
def test_mentions_stay_within_their_sentence_and_keep_their_order(talk: list[list[str]]) -> None:
    topic = Topic(load_topics())
    for turn, words in enumerate(talk):
        tokens = tokenize(words)
        read = topic.read(tokens, load_lexicon().mentions(tokens), turn)
        assert all(0 <= one.first <= one.last < len(tokens) for one in read)
        assert read == sorted(read, key=lambda one: (one.first, one.last))
