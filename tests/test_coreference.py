"""What the general words of a consultation mean, and whom a story is about."""

from __future__ import annotations

import pytest
from test_symptoms import extract, statuses, turns

from voicemed.assertion import Experiencer


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # the place is told later, or asked for
        (["P: I have a pain. It's in my stomach."], {"abdominal pain": "present"}),
        (["P: It hurts.", "D: Where does it hurt?", "P: In my lower back."],
         {"back pain": "present"}),
        (["D: Have you got any pain?", "P: Yes.", "D: Whereabouts?", "P: My chest."],
         {"chest pain": "present"}),
        (["P: I have a pain.", "D: Does it go anywhere?", "P: It's there all day."],
         {"pain": "present"}),
        (["P: I have a cough.", "D: Where do you live?", "P: In my mum's back room."],
         {"cough": "present"}),
        # a bare word is not reported beside the one that has a place
        (["P: I'm in pain.", "D: What is it?", "P: I've got knee pain."],
         {"knee pain": "present"}),
        (["P: My knee hurts.", "D: Did it swell up?", "P: Yeah, that night."],
         {"knee pain": "present", "joint swelling": "present"}),
        (["P: My hand is swollen and my knee is swollen."],
         {"swelling": "present", "joint swelling": "present"}),
        (["D: Any pain?", "P: No."], {"pain": "absent"}),
        # weakness of the limbs that were asked after
        (["D: Any weakness in your arms or legs?", "P: No, no weakness."],
         {"limb weakness": "absent"}),
        (["D: Any weakness in your arms?", "P: No, I just feel weak."],
         {"limb weakness": "absent", "generalized weakness": "present"}),
    ],
)  # fmt: skip
def test_a_general_word_means_what_is_known_by_its_place(
    lines: list[str], expected: dict[str, str]
) -> None:
    assert statuses(*lines) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # earlier illnesses, and what the doctor asks of them
        (["P: I did have a UTI and some blood in my urine."], {"blood in urine": "past"}),
        (["P: I had kidney stones, I was vomiting with them."], {"vomiting": "past"}),
        (["P: I had pneumonia and I'm still coughing."], {"cough": "present"}),
        (["P: I had shingles last year, but my back hurts."], {"back pain": "present"}),
        (["D: Any other medical problems?", "P: I had chest pain with my nerves."],
         {"chest pain": "past"}),
        (["D: Any other medical problems?", "P: I've had chest pain."],
         {"chest pain": "present"}),
        (["D: Has this happened before?", "P: No, I just had chest pain this morning."],
         {"chest pain": "present"}),
        (["D: Any other medical problems?", "P: I had some diarrhoea yesterday."],
         {"diarrhea": "present"}),
        (["D: Have you been well otherwise?", "P: I had a bit of a fever last week."],
         {"fever": "present"}),
        (["D: Did you have it in the pregnancy?", "P: No, I was throwing up."],
         {"vomiting": "past"}),
        (["P: I was a martyr to migraines before the menopause."], {"headache": "past"}),
        (["P: When I broke my leg I had terrible swelling in my leg."],
         {"leg swelling": "past"}),
        (["P: When I broke my leg I had terrible swelling, but this is just sore."],
         {"leg swelling": "past", "leg pain": "present"}),
        (["D: Any blood in your stool?", "P: I had some a while back, they banded them."],
         {"blood in stool": "past"}),
        (["P: It gave him the runs the last time."], {"diarrhea": "past"}),
        (["P: It made me dizzy and I got a dry mouth so the GP swapped it."],
         {"dizziness": "past", "dry mouth": "past"}),
        (["P: The other tablet, I was itching all over. They changed it."],
         {"itching": "past"}),
        (["P: I've had a two-week history of headaches."], {"headache": "present"}),
        (["D: He presents with a two-week history of dizziness."], {"dizziness": "present"}),
        # what is only told, read or warned of
        (["P: I read on a forum that it makes your hair fall out."], {}),
        (["P: They said at the pharmacy I might feel sick on it."], {}),
        (["P: I looked on the internet, and it said you get night sweats."], {}),
        (["P: I read the leaflet because I was dizzy."], {"dizziness": "present"}),
        (["P: I heard a pop and my knee hurts."],
         {"joint clicking": "present", "knee pain": "present"}),
        (["D: The tablets can make people feel dizzy.", "P: Right, I'll watch for dizziness."], {}),
        (["D: Any weakness in the legs, or numbness, straight to A and E.", "P: Yes, okay."], {}),
        # figures of speech, and words that only stand side by side
        (["P: My boss is a pain in the neck."], {}),
        (["P: I've got a pain in the neck."], {"neck pain": "present"}),
        (["D: Any sore throat or itchy eyes?", "P: No."],
         {"sore throat": "absent", "itchy eyes": "absent"}),
        (["P: No bowel or bladder incontinence."],
         {"fecal incontinence": "absent", "urinary incontinence": "absent"}),
        # what is normal in a list of denials
        (["P: No cough, normal temperature, no rash."], {"cough": "absent", "rash": "absent"}),
        (["D: Any fever?", "P: No normal temperature."], {"fever": "absent"}),
        (["D: Without a rash, normal temperature."], {"rash": "absent", "fever": "absent"}),
        # whom a dictation is about
        (["D: This is a 60 year old woman. Her sister had a stroke. She has been coughing."],
         {"cough": "present"}),
    ],
)  # fmt: skip
def test_what_frames_a_story(lines: list[str], expected: dict[str, str]) -> None:
    assert statuses(*lines) == expected


@pytest.mark.parametrize(
    ("lines", "name", "person"),
    [
        (["P: There's this girl on the telly, she was losing her hair."], "hair loss", "other"),
        (["P: I've had a cough.", "P: I've had a fever.", "P: He's forever sneezing."],
         "sneezing", "other"),
        (["P: My mother had a bad heart. Her lips went blue."], "cyanosis", "other"),
        (["P: My son has had a fever.", "D: And Tom, does your tummy hurt?",
          "P: I've got a tummy ache."], "abdominal pain", "patient"),
        (["P: My son has had a fever.", "D: Have you noticed a rash?", "P: No, I was just tired."],
         "fatigue", "other"),
    ],
)  # fmt: skip
def test_whose_it_is(lines: list[str], name: str, person: str) -> None:
    found = [one for one in extract(turns(*lines)) if one.concept.display == name]
    assert [one.assertion.experiencer for one in found] == [Experiencer(person)]
