"""Names of symptoms in everyday words."""

from __future__ import annotations

import csv
import tomllib
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemed.lexicon import (
    HPO,
    OWN_CODES,
    Concept,
    Kind,
    PhraseMatcher,
    load_lexicon,
    stem,
    tokenize,
)


def named(text: str) -> set[str]:
    """Names of the symptoms that a sentence mentions."""
    mentions = load_lexicon().mentions(tokenize(text.split()))
    return {one.concept.display for one in mentions if one.kind is Kind.SYMPTOM}


def test_concepts_carry_hpo_ids_or_our_own() -> None:
    concepts = load_lexicon().concepts
    assert concepts["fever"] == Concept(HPO, "HP:0001945", "fever")
    assert concepts["poor fluid intake"] == Concept(
        OWN_CODES, "poor-fluid-intake", "poor fluid intake"
    )
    assert len(concepts) == 239
    assert len({(one.system, one.code) for one in concepts.values()}) == 239


def test_every_concept_can_be_said_by_its_name_or_a_phrase() -> None:
    text = files("voicemed.data").joinpath("phrases.toml").read_text(encoding="utf-8")
    said = tomllib.loads(text)["concepts"]
    assert set(said) == set(load_lexicon().concepts)
    assert all(set(keys) - {"normal", "topic", "denial"} for keys in said.values())


def test_concepts_file_is_complete() -> None:
    text = files("voicemed.data").joinpath("concepts.tsv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE):
        assert all(row[key] for key in ("name", "zh", "definition"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I've been having, uh, diarrhoea", {"diarrhea"}),
        ("pain in my, like, um, lower stomach", {"abdominal pain"}),
        ("my tummy hurts", {"abdominal pain"}),
        ("SHORT OF BREATH WALKING UPSTAIRS", {"shortness of breath"}),
        ("I get out of breath easily", {"shortness of breath"}),
        ("chest pain", {"chest pain"}),
        ("any chest or back pain", {"chest pain", "back pain"}),
        ("pain in my left arm and leg", {"arm pain", "leg pain"}),
        ("hot and cold", {"fever", "chills"}),
        ("light-headed", {"dizziness"}),
        ("throwing up blood", {"hematemesis"}),
        ("I've had the runs", {"diarrhea"}),
        ("it burns when I pee", {"painful urination"}),
        ("when I, when I use the bathroom it stings", {"painful urination"}),
        ("pins and needles in my hands", {"tingling"}),
        ("a lump in my breast", {"breast lump"}),
        ("my ankles are swollen", {"leg swelling"}),
        ("I can't sleep", {"sleep disturbance"}),
        ("feeling really down", {"low mood"}),
        ("palpations", {"palpitations"}),
        ("diarrea and vomitting", {"diarrhea", "vomiting"}),
        # not symptoms
        ("I took some pain killers", set()),
        ("my blood pressure", set()),
        ("I'll come back next week", set()),
        ("can you hear me", set()),
        ("a glass of red wine", set()),
        ("he had a heart attack", set()),
    ],
)
def test_mentions(text: str, expected: set[str]) -> None:
    assert named(text) == expected


LAY_PHRASES = {
    "eyelid swelling": (
        "I woke up with puffy eyes",
        "one eye's swollen shut",
    ),
    "headache": (
        "my heads been sore all week",
        "I've a terrible head on me",
    ),
    "dizziness": (
        "feeling lightheaded when I stand up",
        "I feel light in the head",
    ),
    "vertigo": (
        "it's like being on a boat",
        "I feel like I'm on a merry-go-round",
    ),
    "presyncope": (
        "everything went black for a second",
        "darkness in front of my eyes",
    ),
    "loss of consciousness": (
        "did you lose consciousness",
        "I woke up on the floor",
    ),
    "seizure": (
        "he has these staring spells",
        "he had a fit",
    ),
    "confusion": (
        "he doesn't know where he is",
        "he doesn't know who I am",
    ),
    "memory problems": (
        "he forgets where he put things",
        "I can't remember people's names",
    ),
    "poor concentration": (
        "hard to pay attention in class",
        "my attention span is really short",
    ),
    "speech difficulty": (
        "I can't get my words out",
        "the words came out all jumbled",
    ),
    "numbness": (
        "I can't feel my feet",
        "I've lost the feeling in my fingers",
    ),
    "tingling": (
        "pins and needles in my hands",
        "like ants crawling up my leg",
    ),
    "burning sensation": (
        "a burning feeling in my leg",
        "my feet feel like they're on fire",
    ),
    "limb weakness": (
        "lost the use of my arm",
        "one leg's weaker than the other",
    ),
    "facial weakness": (
        "she can't smile on one side",
        "one side of his face is drooping",
    ),
    "poor balance": (
        "I'm unsteady on my feet",
        "holding on to the furniture",
    ),
    "clumsiness": (
        "I keep bumping into things",
        "can't do my buttons up",
    ),
    "difficulty walking": (
        "can't put any weight on it",
        "I struggle to get about",
    ),
    "falls": (
        "I fell three times last month",
        "I've been falling more often",
    ),
    "tremor": (
        "a shake in my right hand",
        "my hands won't stop shaking",
    ),
    "involuntary movements": (
        "my leg jumps on its own",
        "her arm moves by itself",
    ),
    "back pain": (
        "my back, it's been aching",
        "pain in my back for three days",
        "a sharp pain between my shoulder blades",
    ),
    "neck pain": (
        "my neck's sore on the left",
        "it hurts when I move my neck",
    ),
    "neck stiffness": (
        "I can't turn my head",
        "can't get my chin to my chest",
    ),
    "shoulder pain": (
        "my shoulder, it's been really sore",
        "my shoulder is killing me",
    ),
    "arm pain": (
        "it hurts when I use my arm",
        "an ache in my forearm",
    ),
    "elbow pain": (
        "my elbow hurts",
        "tennis elbow",
    ),
    "wrist pain": (
        "it hurts when I move my wrist",
        "my wrist is sore",
    ),
    "hand pain": (
        "my hands ache in the morning",
        "my thumb is throbbing",
    ),
    "hip pain": (
        "my hips ache at night",
        "my hip's playing up",
    ),
    "leg pain": (
        "there's this ache in, like, the back of my calf",
        "my calves ache when I walk",
    ),
    "knee pain": (
        "my knee, it's been really sore",
        "it hurts when I bend the knee",
    ),
    "ankle pain": (
        "my ankle hurts",
        "it hurts when I put weight on the ankle",
    ),
    "foot pain": (
        "my heel is killing me",
        "my big toe is throbbing",
    ),
    "joint pain": (
        "any problems with your joints",
        "my arthritis is playing up",
    ),
    "joint stiffness": (
        "my hips seize up",
        "takes me a while to get going in the morning",
    ),
    "joint swelling": (
        "my knee is like a balloon",
        "fluid on the knee",
    ),
    "joint instability": (
        "my knee gives way",
        "it feels like it's going to give out",
    ),
    "joint locking": (
        "my knee locks",
        "my finger catches",
    ),
    "joint clicking": (
        "it grinds when I move it",
        "my knees are crunching",
    ),
    "joint deformity": (
        "the finger is bent out of shape",
        "my finger looks crooked",
    ),
    "reduced joint movement": (
        "struggle to put my socks on",
        "I can't bend my knee",
    ),
    "muscle pain": (
        "every muscle in my body aches",
        "my whole body is sore",
    ),
    "muscle cramp": (
        "a knot in my shoulder",
        "my calf goes into spasm",
    ),
    "rash": (
        "my skin's come out in bumps",
        "spots all over my chest",
    ),
    "itching": (
        "he's been scratching a lot",
        "I'm scratching myself to bits",
    ),
    "hives": (
        "nettle rash",
        "raised itchy patches",
    ),
    "skin redness": (
        "the area looks red and angry",
        "it's all red round it",
    ),
    "dry skin": (
        "dry patches on my elbows",
        "my skin's really dry",
    ),
    "skin peeling": (
        "flaky skin",
        "scaly patches",
    ),
    "cracked skin": (
        "my heels are cracked",
        "chapped hands",
    ),
    "skin sore": (
        "I've got an ulcer on my leg",
        "a sore on my foot that won't heal",
    ),
    "blister": (
        "it's come up in a blister",
        "blisters on my heel",
    ),
    "skin discharge": (
        "yellow stuff oozing from my toe",
        "pus coming out of it",
    ),
    "bruising": (
        "it's gone purple and black",
        "black and blue",
    ),
    "skin pain": (
        "the rash is sore",
        "my skin is sore",
    ),
    "skin warmth": (
        "it feels warm to the touch",
        "your right leg feels hotter than the left",
    ),
    "skin lump": (
        "a boil on my bum",
        "cyst on my back",
    ),
    "mole change": (
        "a new mole",
        "mole's got bigger",
    ),
    "skin discoloration": (
        "my skin has gone darker",
        "change in skin colour",
    ),
    "skin thickening": (
        "hard skin on my feet",
        "the skin is really thick",
    ),
    "hair loss": (
        "there's hair all over my pillow",
        "my hair is coming out in clumps",
    ),
    "nail changes": (
        "my nails are brittle",
        "my nails keep breaking",
    ),
    "painful urination": (
        "there's a burning in my pee",
        "it burns when I wee",
    ),
    "frequent urination": (
        "are you passing water more often",
        "I'm weeing all the time",
    ),
    "urinary urgency": (
        "I have to rush to pee",
        "I'm desperate for a wee",
    ),
    "nighttime urination": (
        "getting up to wee at night",
        "I'm up twice a night for a pee",
    ),
    "increased urine volume": (
        "I'm passing loads of urine",
        "passing large amounts of urine",
    ),
    "reduced urine output": (
        "he's not had many wet nappies",
        "not passing much urine",
    ),
    "blood in urine": (
        "I saw blood in the pee",
        "there's blood in my wee",
    ),
    "dark urine": (
        "my wee is really dark",
        "wee looks like coca cola",
    ),
    "cloudy urine": (
        "my wee is cloudy",
        "milky pee",
    ),
    "smelly urine": (
        "fishy smell to my pee",
        "my wee stinks",
    ),
    "urinary incontinence": (
        "he started wetting the bed again",
        "I can't control my bladder",
    ),
    "urinary retention": (
        "I'm not able to wee",
        "I can't pass water",
    ),
    "urinary hesitancy": (
        "it takes ages to start weeing",
        "I have to strain to pee",
    ),
    "penile discharge": (
        "pus from the tip of my penis",
        "his penis is leaking",
    ),
    "penile pain": (
        "my penis is sore",
        "pain at the tip of my penis",
    ),
    "testicular pain": (
        "my testicle is sore",
        "my balls hurt",
    ),
    "testicular lump": (
        "my testicle is swollen",
        "swelling in my balls",
    ),
    "erectile dysfunction": (
        "I can't get an erection",
        "trouble getting it up",
    ),
    "low libido": (
        "I've gone off sex",
        "my sex drive has gone",
    ),
    "flank pain": (
        "my loin hurts",
        "pain in my kidneys",
    ),
    "groin pain": (
        "I've got an ache in the groin",
        "my groin hurts",
    ),
    "groin lump": (
        "bulge in the groin",
        "groin swelling",
    ),
    "pelvic pain": (
        "pain in my pelvis",
        "pain in my womb",
    ),
    "vaginal discharge": (
        "a change in my discharge",
        "any discharge down below",
    ),
    "vaginal bleeding": (
        "I bled after the menopause",
        "bleeding in between my periods",
    ),
    "heavy periods": (
        "soaking a pad every hour",
        "my periods are really heavy",
    ),
    "irregular periods": (
        "my cycle's changed",
        "my periods are all over the place",
    ),
    "missed period": (
        "I haven't had a period since June",
        "I'm three weeks late with my period",
    ),
    "painful periods": (
        "bad cramps with my period",
        "my periods are agony",
    ),
    "pain during sex": (
        "pain with intercourse",
        "it hurts when we have sex",
    ),
    "vaginal dryness": (
        "my vagina is dry",
        "dry down below",
    ),
    "vaginal itching": (
        "my vagina is itchy",
        "itchy down below",
    ),
    "vulvovaginal pain": (
        "my vagina hurts",
        "pain in my vulva",
    ),
    "genital sore": (
        "blisters down below",
        "genital ulcers",
    ),
    "vaginal prolapse": (
        "it feels like something's coming down",
        "a bulge in my vagina",
    ),
    "breast pain": (
        "my boobs are sore",
        "my nipple hurts",
    ),
    "breast lump": (
        "I found a lump in my breast",
        "a lump in my boob",
    ),
    "nipple discharge": (
        "milk leaking from my breasts",
        "my nipple is leaking",
    ),
    "low mood": (
        "she's very low at the minute",
        "I feel like there's no hope",
    ),
    "loss of interest": (
        "I can't be bothered with anything",
        "I don't enjoy anything any more",
    ),
    "tearfulness": (
        "I get emotional for no reason",
        "I burst into tears",
    ),
    "low self-esteem": (
        "I feel like a failure",
        "I feel like a burden",
    ),
    "anxiety": (
        "I feel scared all the time",
        "I worry all the time",
    ),
    "stress": (
        "I'm at the end of my tether",
        "a lot on my plate",
    ),
    "panic attack": (
        "I felt like I was going to die",
        "a wave of panic",
    ),
    "irritability": (
        "I've been narky with the kids",
        "I've got a short fuse",
    ),
    "mood swings": (
        "my mood goes up and down",
        "my moods are all over the place",
    ),
    "agitation": (
        "she's pacing up and down",
        "I can't sit still",
    ),
    "aggression": (
        "she hits people",
        "he lashes out",
    ),
    "elevated mood": (
        "I feel on top of the world",
        "my thoughts are racing",
    ),
    "obsessions or compulsions": (
        "I keep checking the door",
        "I keep having unwanted thoughts",
    ),
    "flashbacks": (
        "it keeps replaying in my head",
        "the memories come flooding back",
    ),
    "hallucinations": (
        "she's seeing things that aren't there",
        "he sees people who aren't there",
    ),
    "delusions": (
        "he thinks people are watching him",
        "the neighbours are spying on me",
    ),
    "suicidal ideation": (
        "I want to end it all",
        "have you thought of harming yourself",
    ),
    "self-harm": (
        "she took a load of tablets",
        "I hurt myself on purpose",
    ),
    "thoughts of harming others": (
        "I want to hurt someone",
        "harm yourself or anyone else",
    ),
    "social withdrawal": (
        "I don't want to see anyone",
        "I don't want to go out",
    ),
    "sleep disturbance": (
        "trouble falling asleep",
        "I can't get off to sleep",
        "I'm awake most of the night",
    ),
    "nightmares": (
        "I have horrible dreams",
        "he wakes up screaming",
    ),
}


@pytest.mark.parametrize(
    ("concept", "text"), [(one, text) for one, said in LAY_PHRASES.items() for text in said]
)
def test_lay_phrases(concept: str, text: str) -> None:
    assert concept in named(text)


@pytest.mark.parametrize(
    ("text", "concept", "kind"),
    [
        ("how's your memory", "memory problems", Kind.TOPIC),
        ("my memory's fine", "memory problems", Kind.NORMAL),
        ("how is your concentration", "poor concentration", Kind.TOPIC),
        ("are you able to walk", "difficulty walking", Kind.NORMAL),
        ("walking fine", "difficulty walking", Kind.NORMAL),
        ("able to bear weight", "difficulty walking", Kind.NORMAL),
        ("gait is normal", "difficulty walking", Kind.NORMAL),
        ("can you touch your chin to your chest", "neck stiffness", Kind.NORMAL),
        ("can you move your neck okay", "neck stiffness", Kind.NORMAL),
        ("full range of motion", "reduced joint movement", Kind.NORMAL),
        ("can you move it okay", "reduced joint movement", Kind.NORMAL),
        ("plenty of wet nappies", "reduced urine output", Kind.NORMAL),
        ("are your periods regular", "irregular periods", Kind.NORMAL),
        ("my periods are normal", "irregular periods", Kind.NORMAL),
        ("how has your mood been", "low mood", Kind.TOPIC),
        ("my mood's been fine", "low mood", Kind.NORMAL),
        ("sleeping okay", "sleep disturbance", Kind.NORMAL),
        ("I sleep like a log", "sleep disturbance", Kind.NORMAL),
        ("sleeping through", "sleep disturbance", Kind.NORMAL),
        ("are you sleeping well", "sleep disturbance", Kind.NORMAL),
        ("how's your sleep", "sleep disturbance", Kind.TOPIC),
    ],
)
def test_well_functions_and_topics(text: str, concept: str, kind: Kind) -> None:
    mentions = load_lexicon().mentions(tokenize(text.split()))
    assert (concept, kind) in {(one.concept.display, one.kind) for one in mentions}


@pytest.mark.parametrize(
    "text",
    [
        "I pop to the shops",
        "I'll pop that in the post",
        "can you click on the link",
        "I'll give you a shake",
        "shake it before use",
        "we'll keep an eye on it",
        "come back to me when you are ready",
        "go back on your tablets",
        "come back in a week",
        "at the back of the cupboard",
        "the blister pack",
        "I'm worried it might be cancer",
        "my job is stressful",
        "varus stress and valgus stress negative",
        "we'll do a stress x-ray",
        "I was angry with the receptionist",
        "I have a drink at weekends",
        "I eat a balanced diet",
        "he's got epilepsy and takes tablets for it",
        "boil the kettle",
        "I lock the door",
        "I fell off my bike yesterday",
        "I work in a warehouse lifting boxes",
        "I forgot to take my tablets",
        "I can't remember the name of the tablet",
        "can you speak up please",
        "sorry I can't talk to you now",
        "the problem we talked about last time",
        "can I speak to the doctor",
        "I'm going to go through a few questions",
        "are you following a diet",
        "we've been following your blood pressure",
        "I'll follow you up in clinic",
        "she follows up with her cardiologist",
        "blood pressure has been high",
        "my sugars have been too high",
        "the pain killers make it okay",
        "your urine test came back",
        "we need a urine sample",
        "we checked your urine and blood",
        "the tablets will go through the kidneys",
        "just a wee bit",
        "a wee while ago",
        "no red flags",
        "he fell asleep on the sofa",
        "I fell pregnant",
        "under stress test the heart was normal",
        "I don't know where to start",
        "the fall foliage is nice",
        "back in my twenties I had my appendix out",
        "I went back to work on Monday",
        "hold your arms out in front of you",
        "squeeze my fingers",
        "can you bend your knee for me",
        "lift your leg up please",
        "follow my finger",
        "smile for me",
        "I had to stop and think",
        "I twisted around to see who was there",
        "the nurse will take some blood",
        "I came back from holiday on Monday",
        "that's grand",
        "I went to the shop to get it",
        "you can put your shirt back on",
        "I take it twice a day with food",
        "my wife drove me here",
        "any medical conditions at all",
        "it's been very busy at work",
        "I'm a teacher in a primary school",
        "have a seat there",
        "I don't drink much, maybe a glass of wine",
        "the appointment was changed to Friday",
        "are you right handed",
        "raise your eyebrows",
        "push against my hand",
        "walk over to the door for me",
        "I'm going to tap your knee with this",
        "the scan was normal",
        "cut down on the smoking",
        "I run about five miles a day",
        "I play football at the weekends",
        "I hit a wall with the project",
        "we'll do an x-ray of the hand",
        "let me have a look at your back",
        "lie on your back for me",
        "how's the family",
    ],
)
def test_no_symptom_is_meant(text: str) -> None:
    assert named(text) == set()


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        ("how about dizziness or fainting spells", "presyncope"),
        ("is there a full range of motion", "reduced joint movement"),
        ("I'm HIV positive", "hives"),
        ("his stool was discolored", "skin discoloration"),
        ("my eyes are red", "skin redness"),
        ("I hurt my hand the other day", "thoughts of harming others"),
        ("it burns when I pee", "burning sensation"),
    ],
)
def test_not_this_symptom(text: str, absent: str) -> None:
    assert absent not in named(text)


@pytest.mark.parametrize(
    "text", ["Sore throat, runny nose and a bad cough.", "Any fever, night sweats or weight loss?"]
)
def test_case_and_punctuation_do_not_matter(text: str) -> None:
    bare = "".join(letter for letter in text if letter.isalpha() or letter == " ").upper()
    assert named(bare) == named(text) != set()


def test_the_well_function_is_a_kind_of_its_own() -> None:
    (mention,) = load_lexicon().mentions(tokenize(["eating", "fine"]))
    assert (mention.concept.display, mention.kind) == ("poor appetite", Kind.NORMAL)


@pytest.mark.parametrize(
    ("left", "right"),
    [("ache", "aching"), ("vomit", "vomited"), ("cough", "coughs"), ("felt", "feeling"),
     ("rashes", "rash"), ("throbbing", "throb"), ("diarrhoea", "diarrhea")],
)  # fmt: skip
def test_inflections_share_a_stem(left: str, right: str) -> None:
    assert stem(left) == stem(right)


def test_a_spine_does_not_spin() -> None:
    assert stem("spine") != stem("spinning")


@pytest.mark.parametrize(
    ("word", "token"),
    [(" Mm-hmm.", "mhm"), ("Uh-huh", "mhm"), ("Uh-uh,", "no"), ("I'll", "will"), ("don’t", "dont")],
)
def test_tokens_of_a_word(word: str, token: str) -> None:
    assert [one.text for one in tokenize([word])] == [token]


def test_fillers_and_stammers_are_left_out() -> None:
    tokens = tokenize("Um, I, I have, you know, kind of a, a cough.".split())
    assert [one.text for one in tokens] == ["i", "have", "a", "cough"]
    assert tokens[-1].mark == "."
    assert tokens[-1].word == 10


def test_repeated_no_is_kept() -> None:
    assert [one.text for one in tokenize(["No,", "no", "fever"])] == ["no", "no", "fever"]


def test_pattern_notation() -> None:
    classes = {"size": ["big", "very big"]}
    matcher = PhraseMatcher([("dog", "(a)? {size} .. dog|hound")], classes)
    found = list(matcher.find(tokenize("a very big brown old hound".split())))
    assert [match.tokens for match in found if match.weight == 4] == [(1, 2, 5)]
    assert not list(matcher.find(tokenize("a small dog".split())))


@given(st.lists(st.text(max_size=12), max_size=30))
def test_any_words_give_mentions_inside_them(words: list[str]) -> None:
    tokens = tokenize(words)
    assert all(0 <= token.word < len(words) for token in tokens)
    for mention in load_lexicon().mentions(tokens):
        assert 0 <= mention.first <= mention.last < len(tokens)
