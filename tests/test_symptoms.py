"""Status of symptoms across the turns of a consultation, as patients and doctors say them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemed.annotations import read_annotations
from voicemed.assertion import Experiencer, Status
from voicemed.evaluate import observe, total
from voicemed.findings import Finding, FindingKind
from voicemed.symptoms import create_symptom_extractor
from voicemed.transcript import Turn, Word

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
SPEAKERS = {"D": "doctor", "P": "patient", "?": "", "A": "doctor"}


def turns(*lines: str) -> list[Turn]:
    """Turns of lines such as 'D: Any fever?'; '?' is an unknown speaker, A addresses voicemed."""
    return [
        Turn(
            number,
            SPEAKERS[line[0]],
            tuple(Word(f" {word}", 0.0, 0.0, 1.0) for word in line[3:].split()),
            to_assistant=line[0] == "A",
        )
        for number, line in enumerate(lines, 1)
    ]


def extract(consultation: Iterable[Turn], visit: date | None = None) -> tuple[Finding, ...]:
    """What the rules find, before the classifier judges it."""
    extractor = create_symptom_extractor(visit)
    findings: tuple[Finding, ...] = ()
    for turn in consultation:
        findings = extractor.update(turn)
    return findings


def statuses(*lines: str) -> dict[str, str]:
    """Status of each of the patient's symptoms, without hypothetical ones."""
    return {
        finding.concept.display: finding.assertion.status.value
        for finding in extract(turns(*lines))
        if finding.kind is FindingKind.SYMPTOM
        and finding.assertion.experiencer is Experiencer.PATIENT
        and finding.assertion.status is not Status.HYPOTHETICAL
    }


def finding(name: str, *lines: str) -> Finding:
    return next(one for one in extract(turns(*lines)) if one.concept.display == name)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # long forms of no, and what was asked besides
        (["D: Do you have headaches?", "P: No, I do not."], {"headache": "absent"}),
        (["D: Any fever?", "P: Yes, I do."], {"fever": "present"}),
        (["D: And other than that, have you had any nausea or vomiting?", "P: No, I haven't."],
         {"nausea": "absent", "vomiting": "absent"}),
        (["D: Anything else, like a rash?", "P: No."], {"rash": "absent"}),
        (["P: I have a cough.", "D: Anything apart from the cough?", "P: No."],
         {"cough": "present"}),
        # what the patient says
        (["P: I've had a terrible headache since yesterday."], {"headache": "present"}),
        (["P: I haven't had any fever, chills or night sweats."],
         {"fever": "absent", "chills": "absent", "night sweats": "absent"}),
        (["P: No fever, but I do have a cough."], {"fever": "absent", "cough": "present"}),
        (["P: My neck doesn't hurt."], {"neck pain": "absent"}),
        (["P: I can't keep anything down."], {"poor fluid intake": "present"}),
        (["P: I might have had a fever, I'm not sure."], {"fever": "uncertain"}),
        (["P: As a child I used to get nosebleeds."], {"nosebleed": "past"}),
        # yes and no to questions
        (["D: Any fever or chills?", "P: No."], {"fever": "absent", "chills": "absent"}),
        (["D: Any fever or chills?", "P: No, just the chills."],
         {"fever": "absent", "chills": "present"}),
        (["D: Have you had a cough?", "P: Not really."], {"cough": "absent"}),
        (["D: And are you dizzy at all?", "P: A wee bit, aye."], {"dizziness": "present"}),
        (["D: Have you been short of breath?", "P: I would say so, yeah."],
         {"shortness of breath": "present"}),
        (["D: Any blood in your stools?", "P: Mm-hmm."], {"blood in stool": "present"}),
        (["D: Any nausea?", "P: I don't know, hard to say."], {"nausea": "uncertain"}),
        (["D: Any joint pain?", "P: Just the back pain."],
         {"joint pain": "absent", "back pain": "present"}),
        (["D: Any diarrhoea?", "P: Okay."], {}),
        (["D: Any wheezing?", "D: Right, let me examine you."], {}),
        # asked in the negative
        (["D: You haven't had any chest pain, have you?", "P: No."], {"chest pain": "absent"}),
        (["D: And there was no blood in your vomit, is that right?", "P: Yeah."],
         {"hematemesis": "absent"}),
        # how a function is
        (["D: How's your appetite?", "P: It's fine."], {"poor appetite": "absent"}),
        (["D: How are you sleeping?", "P: Not great, to be honest."],
         {"sleep disturbance": "present"}),
        (["D: Are you eating normally?", "P: No."], {"poor appetite": "present"}),
        # answers that come late, or from the doctor's own mouth
        (["D: Any vomiting?", "P: Let me think about that.", "P: No."], {"vomiting": "absent"}),
        (["D: Any palpitations? No? And any ankle swelling?", "P: Yes."],
         {"palpitations": "absent", "leg swelling": "present"}),
        (["D: Any neck pain or neck stiffness?", "P: Yeah.", "P: No."],
         {"neck pain": "absent", "neck stiffness": "absent"}),
        # corrections: the final, clearest statement counts
        (["D: Any rash?", "P: No. Well, actually, a little bit."], {"rash": "present"}),
        (["D: Any fever?", "P: Yes.", "P: I haven't had a fever, sorry."], {"fever": "absent"}),
        (["P: I have vomited twice.", "D: Are you vomiting now?", "P: No."],
         {"vomiting": "present"}),
        # the doctor's recap against advice and explanation
        (["D: So you've had a sore throat and no cough."],
         {"sore throat": "present", "cough": "absent"}),
        (["D: If you get chest pain or you're short of breath, call 999."], {}),
        (["D: This medicine can cause dizziness."], {}),
        (["D: Look out for fever and vomiting.", "P: Fever, vomiting, okay."], {}),
        # exceptions
        (["P: I have no pain except when I cough."], {"pain": "present", "cough": "present"}),
        (["D: Anything else apart from the cough?", "P: No."], {}),
        # reactions to drugs are of another time
        (["D: Any allergies?", "P: Penicillin.", "D: What happens?", "P: I get hives."],
         {"hives": "past"}),
        (["D: Any allergies?", "P: Penicillin.", "D: Your blood pressure is fine today.",
          "P: Actually, I felt a bit feverish."], {"fever": "present"}),
        (["D: Any allergies?", "P: Penicillin. I did feel a bit feverish last night."],
         {"fever": "present"}),
        # answers of all kinds
        (["D: Any fever?", "P: Um, I don't think so, I haven't noticed that."],
         {"fever": "absent"}),
        (["D: Any cough?", "P: Can't say I have, no."], {"cough": "absent"}),
        (["D: Any vomiting?", "P: Thankfully not."], {"vomiting": "absent"}),
        (["D: Any chest pain?", "P: Touch wood, no."], {"chest pain": "absent"}),
        (["D: Any palpitations?", "P: That's a negative, doctor."], {"palpitations": "absent"}),
        (["D: Any constipation or diarrhoea?", "P: Both, actually."],
         {"constipation": "present", "diarrhea": "present"}),
        (["D: Any nausea?", "P: Now you mention it, yes."], {"nausea": "present"}),
        (["D: Any wheezing?", "P: On and off."], {"wheezing": "present"}),
        (["D: Are you dizzy?", "P: I suppose so."], {"dizziness": "present"}),
        (["D: Any headaches?", "P: Only when I cough."],
         {"headache": "present", "cough": "present"}),
        (["D: Any double vision?", "P: I'm covering it, so I don't know."],
         {"double vision": "uncertain"}),
        (["D: Any leg pain?", "P: It's hard to describe, yeah."], {"leg pain": "present"}),
        (["D: Any rash?", "P: Mm.", "P: No, I don't think so."], {"rash": "absent"}),
        (["D: Any trouble sleeping?", "P: Yes, it's not severe, but I have."],
         {"sleep disturbance": "present"}),
        (["D: Any difficulty swallowing?", "P: Only your tablets. No, I'm joking."],
         {"difficulty swallowing": "absent"}),
        (["D: Any chills? Any stiffness in your neck, then?", "D: Is that right?", "P: No."],
         {"chills": "absent", "neck stiffness": "absent"}),
        # lists answered in part
        (["D: Any sore throat, fever or headache?", "P: I've a headache, but other than that no."],
         {"sore throat": "absent", "fever": "absent", "headache": "present"}),
        (["D: Any nausea, vomiting or fever?", "P: I feel nauseous, but I'm not vomiting."],
         {"nausea": "present", "vomiting": "absent"}),
        (["D: Any tingling? Any weakness in the legs?",
          "P: There was no leg weakness or any other thing you mentioned."],
         {"tingling": "absent", "limb weakness": "absent"}),
        # half of its words stand for a symptom
        (["D: In summary: chest pain, loose stools and a cough.", "P: Not loose. Just often."],
         {"chest pain": "present", "cough": "present", "diarrhea": "absent"}),
        # an answer to thanks is none, nor is one that comes much later
        (["D: Any wheezing?", "D: I'll listen to your lungs.", "P: That's great."], {}),
        (["D: Any wheezing?", "P: Okay.", "D: I'll send it.", "P: Right.", "D: Okay.",
          "P: Okay.", "P: Yes."], {}),
        # taken for granted
        (["D: How long have you had this cough?", "P: Three days."], {"cough": "present"}),
        (["D: How long have you had this cough?", "P: No, I haven't got one."], {}),
        # the doctor's other words for it
        (["P: It's like ants walking.", "D: Pins and needles.", "P: Yes."],
         {"tingling": "present"}),
        (["P: I just sit there.", "D: So constipation isn't a problem.", "P: No."],
         {"constipation": "absent"}),
        # recaps
        (["P: Hello.", "D: So let me make sure I've got this. Breathless on the stairs, both legs "
          "swollen, and no fever. I'd like you to have a test. It can make you feel sick."],
         {"shortness of breath": "present", "leg swelling": "present", "fever": "absent"}),
        (["D: So, you're very thirsty, tired, and no headaches."],
         {"increased thirst": "present", "fatigue": "present", "headache": "absent"}),
        # examination findings, also without punctuation, against plan and advice
        (["D: On your knee exam there is some erythema. You have some tenderness. No bruising."],
         {"skin redness": "present", "tenderness": "present", "bruising": "absent"}),
        (["D: okay so on your skin exam i do appreciate some bruising there is no rash so let's "
          "talk about my plan i'm gon na order a test if you get a fever or chest pain call me"],
         {"bruising": "present", "rash": "absent"}),
        (["D: If it gets worse, come back. And a stiff neck, a rash, or vomiting.",
          "P: Okay, stiff neck."], {}),
        (["D: Do bear in mind what I said about fever and vomiting. Come back if you have any."],
         {}),
        # negations of something else, and words written in two
        (["P: i do n't think i 've had any tingling"], {"tingling": "absent"}),
        (["P: I can't breathe properly."], {"shortness of breath": "present"}),
        (["P: Nothing helps the headache."], {"headache": "present"}),
        (["P: I could do with some weight loss."], {}),
        # long ago
        (["D: Have you passed out?", "P: No. Well, I fainted at the parade. I was four."],
         {"loss of consciousness": "past"}),
        (["P: My seasonal allergies are back.", "D: What symptoms do you get with your allergies?",
          "P: I get itchy eyes and I sneeze."], {"itchy eyes": "present", "sneezing": "present"}),
        (["P: I have a sharp chest pain.", "D: Have you had similar pain in the past?", "P: No."],
         {"chest pain": "present"}),
        # what the pain is, is known
        (["P: My knees are swollen.", "D: Any swelling of your face?", "P: I see no swelling."],
         {"joint swelling": "present", "facial swelling": "absent"}),
        (["P: I've got pain in my tummy.", "D: Is the pain there now?", "P: No."],
         {"abdominal pain": "present"}),
    ],
)  # fmt: skip
def test_status(lines: list[str], expected: dict[str, str]) -> None:
    assert statuses(*lines) == expected


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("P: My mum had chest pain last year.", "chest pain"),
        ("P: My brother gets migraines.", "headache"),
    ],
)
def test_relatives_symptoms_are_theirs(line: str, name: str) -> None:
    assert finding(name, line).assertion.experiencer is Experiencer.OTHER


def test_family_question_answered_with_no() -> None:
    found = finding("chest pain", "D: Does anyone in your family get chest pain?", "P: No.")
    assert found.assertion.experiencer is Experiencer.OTHER
    assert found.assertion.status is Status.ABSENT


def test_child_is_the_patient_when_the_parent_says_so() -> None:
    lines = ["P: I'm calling about my son.", "P: He has been vomiting, and my son has a rash."]
    assert statuses(*lines) == {"vomiting": "present", "rash": "present"}


def test_wife_who_only_tells() -> None:
    assert statuses("P: My wife says that I snore.") == {"snoring": "present"}


@pytest.mark.parametrize(
    ("lines", "own", "others"),
    [
        (["D: You're calling about your brother?", "P: Yes. He isn't eating and he has a rash.",
          "D: And how are you coping?", "P: I've had a headache since Sunday."],
         {"rash"}, {"headache"}),
        (["P: It's his mam. He has a fever.", "D: Is he coughing?", "P: Yes.",
          "P: His girlfriend was off school. She was dead tired."],
         {"fever", "cough"}, {"fatigue"}),
        (["P: My daughter is here to help me.", "P: I have a cough.",
          "P: My husband takes this, he has a bad headache, doctor."], {"cough"}, {"headache"}),
        (["D: Can you tell me about your daughter?", "P: She was born early.",
          "D: What brings you in today?", "P: I've been having leg pain."], {"leg pain"}, set()),
    ],
)  # fmt: skip
def test_who_has_it(lines: list[str], own: set[str], others: set[str]) -> None:
    found = [one for one in extract(turns(*lines)) if one.assertion.status is Status.PRESENT]
    people = {Experiencer.PATIENT: own, Experiencer.OTHER: others}
    for person, expected in people.items():
        theirs = {one.concept.display for one in found if one.assertion.experiencer is person}
        assert expected <= theirs
        assert not theirs & (own | others) - expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # an episode of another time that is over
        (["P: A few weeks ago I had diarrhoea. It went away."], {"diarrhea": "past"}),
        (["P: In June I get sneezing and my eyes stream. But that's the grass. Not now."],
         {"sneezing": "past", "watery eyes": "past"}),
        (["P: I had chest pain back in March but that was a different thing."],
         {"chest pain": "past"}),
        (["P: I had a bit of a rash but that's better now. That was like, since last week."],
         {"rash": "past"}),
        (["P: I had some chest tightness this morning but it's gone now."],
         {"chest tightness": "present"}),
        (["P: It started a few weeks ago, the cough, and it went down on my chest."],
         {"cough": "present"}),
        # of an earlier time of life, in the words of those who had it
        (["P: When I had covid I lost my sense of smell."], {"smell change": "past"}),
        (["P: Before the operation I had pain in the hip. Now it's just stiff."],
         {"hip pain": "past", "joint stiffness": "present"}),
        (["P: In the nineties I had a bad back."], {"back pain": "past"}),
        (["P: I was hospitalised in 2019 with chest pain."], {"chest pain": "past"}),
        (["P: When I was drinking I had blackouts."], {"loss of consciousness": "past"}),
        (["P: I had palpitations until they did the ablation."], {"palpitations": "past"}),
        (["P: It was one year ago, the operation. I lost a lot of weight after that."],
         {"weight loss": "past"}),
        (["P: I had the same chest pain in 2018 and now it's back."], {"chest pain": "present"}),
        (["P: I had an operation last year. I've got pain in my tummy."],
         {"abdominal pain": "present"}),
        (["P: I've had asthma since I was a child, wheezing every winter."],
         {"wheezing": "present"}),
        # the time in a sentence of its own, or asked for
        (["D: Have you ever had a seizure?", "P: Yes. Years ago."], {"seizure": "past"}),
        (["D: Do you get migraines?", "P: Yes. When I was younger."], {"headache": "past"}),
        (["D: Have you had chest pain before?", "P: Yes.", "D: When was that?",
          "P: About ten years ago."], {"chest pain": "past"}),
        (["D: Have your eyes ever been red?", "P: Once, last year, I had red eyes. Never since."],
         {"red eye": "past"}),
        (["D: Any back pain?", "P: Yes. It started years ago."], {"back pain": "present"}),
        (["D: Any swelling of the legs, any leg pain?",
          "P: My legs swelled up when I was pregnant. No pain."],
         {"leg swelling": "past", "leg pain": "absent"}),
        (["D: Any issue with sedation in the past?", "P: I was just sleepy afterwards."],
         {"drowsiness": "past"}),
        # what a drug once did
        (["P: Penicillin gives me a rash."], {"rash": "past"}),
        (["D: Any allergies?", "P: Peanuts. I get hives.", "P: And I have a headache today."],
         {"hives": "past", "headache": "present"}),
        (["D: Any allergies?", "P: Not that I know of. My chest is tight though."],
         {"chest tightness": "present"}),
        (["D: Are you allergic to anything?", "P: Cats. I get wheezy."], {"wheezing": "present"}),
        (["D: Any side effects from the statin before?",
          "P: It gave me leg cramps, so they changed it."],
         {"leg pain": "past", "muscle cramp": "past"}),
        (["D: Which tablets have you tried before?", "P: Amitriptyline. Dry mouth, dreadful."],
         {"dry mouth": "past"}),
        (["P: The new blood pressure tablets make me dizzy."], {"dizziness": "present"}),
        (["P: Whenever I take ibuprofen I get heartburn."], {"heartburn": "present"}),
        (["P: I stopped it because of the weight gain."], {"weight gain": "past"}),
        (["P: With my last baby I was sick the whole nine months."], {"vomiting": "past"}),
        (["P: I had a seizure at sixteen."], {"seizure": "past"}),
        # questions and fears of what is not so
        (["D: You'll call us if you get chest pain, won't you?", "P: Yes."], {}),
        (["D: If there's any vomiting you'll come straight back, okay?", "P: Yeah, okay."], {}),
        (["D: Has anyone told you that it can cause nausea?", "P: Yes."], {}),
        (["D: Have you been told about the risk of bleeding?", "P: Yes."], {}),
        (["D: Are you worried about having a fit?", "P: Yes, terrified."], {}),
        (["P: If I'm short of breath I'll call 999."], {}),
        (["P: I'd hate to end up breathless."], {}),
        (["D: Would you know what to do if you had a fever?", "P: Yes."], {}),
        (["P: I'm frightened I'll have a stroke, go numb, you know."], {}),
        (["D: Does it hurt if you cough, do you get chest pain?", "P: Yes."],
         {"chest pain": "present", "cough": "present"}),
        (["P: If I eat late I get heartburn."], {"heartburn": "present"}),
        # a temperature that was not taken, and 'not myself, but my sister'
        (["P: I haven't taken my temperature, so I'm not a hundred percent sure of a fever."],
         {"fever": "uncertain"}),
        (["D: Have you had a fever?", "P: I took my temperature and it was normal."],
         {"fever": "absent"}),
        (["D: Any history of migraines?", "P: Not myself, I've never had a migraine."],
         {"headache": "absent"}),
        (["P: I'm just not myself."], {"malaise": "present"}),
        # lists read out, and the patient who only asks what is meant
        (["D: Fevers or chills.", "P: No."], {"fever": "absent", "chills": "absent"}),
        (["D: Nausea. Vomiting. Any diarrhoea?", "P: No."],
         {"nausea": "absent", "vomiting": "absent", "diarrhea": "absent"}),
        (["P: It hurts my throat, that pain.", "D: Fevers or chills."], {"sore throat": "present"}),
        (["D: Drooling?", "P: Drooling? No."], {"drooling": "absent"}),
        (["D: Any drooling?", "P: Drooling?"], {}),
        (["D: Any photophobia?", "P: Photophobia?", "D: Does the light hurt your eyes?",
          "P: Oh. No."], {"light sensitivity": "absent"}),
        # red is of what it colours
        (["P: My throat looks really red."], {}),
        (["P: The phlegm was red."], {"sputum production": "present"}),
        (["D: Are your eyes red or sore?", "P: They're not red."], {"red eye": "absent"}),
        (["D: Have you noticed any redness?", "P: Yes, round the knee."],
         {"skin redness": "present"}),
    ],
)  # fmt: skip
def test_other_times_and_what_is_not_so(lines: list[str], expected: dict[str, str]) -> None:
    assert statuses(*lines) == expected


@pytest.mark.parametrize(
    ("lines", "own"),
    [
        (["P: My aunty had a clot in the leg after a plane. Leg swelled up big. Me, no."], {}),
        (["P: My wife, bad cough, the lot."], {}),
        (["P: The whole family has been down with it. Vomiting, diarrhoea."], {}),
        (["P: Everybody at work has it, this cough."], {}),
        (["P: There's a stomach bug at nursery. Half the class has been vomiting."], {}),
        (["P: I caught it off my kids. They were all vomiting."], {}),
        (["P: She gets the migraines, my sister. Vomits with them."], {}),
        (["D: Is anyone at home ill?", "P: The kids have been throwing up."], {}),
        (["D: Does anyone in the family have migraines?",
          "P: My mum did. Terrible headaches, sick with them."], {}),
        (["D: Anyone else at home unwell?", "P: My daughter. Runny nose and a cough.",
          "D: And you, any cough?", "P: No."], {"cough": "absent"}),
        (["D: Anyone else at home unwell?", "P: No. Cough and a fever, since Monday."],
         {"cough": "present", "fever": "present"}),
        (["P: My husband had flu first. Then a cough, and a sore throat."],
         {"cough": "present", "sore throat": "present"}),
        (["P: My little one has been coughing and now I've got a sore throat."],
         {"sore throat": "present"}),
        (["D: Thanks for bringing him in.",
          "P: My son has a fever. His brother had it last week. Vomiting and a rash."],
         {"fever": "present"}),
        (["P: My wife's fed up with this cough."], {"cough": "present"}),
    ],
)  # fmt: skip
def test_relatives_illness_told_on_without_a_name(lines: list[str], own: dict[str, str]) -> None:
    assert {name: status for name, status in statuses(*lines).items() if name in own} == own
    if not own:
        assert not statuses(*lines)


def test_a_denial_with_an_exception_affirms() -> None:
    asked = "D: Do you feel dizzy?"
    assert statuses(asked, "P: No. Only when I stand up.") == {"dizziness": "present"}
    assert statuses(asked, "P: No. Only my tablets.") == {"dizziness": "absent"}


def test_past_and_not_now() -> None:
    lines = ["D: Any headaches?", "P: I used to get them, headaches. But no, not now."]
    found = [one.assertion.status for one in extract(turns(*lines))]
    assert found == [Status.ABSENT, Status.PAST]


def test_swapped_labels_are_noticed() -> None:
    lines = [
        "P: Thanks for coming in. How are you feeling, and what brings you in today?",
        "D: I was coughing a lot last week and I had a fever.",
        "P: Do you have any chest pain?",
        "D: No.",
    ]
    expected = {"cough": "present", "fever": "present", "chest pain": "absent"}
    assert statuses(*lines) == expected


def test_an_answer_within_the_doctors_turn() -> None:
    line = "D: Have you any vomiting? I feel nauseous but I'm not vomiting. Okay. Any fever? No."
    assert statuses(line) == {"vomiting": "absent", "nausea": "present", "fever": "absent"}


def test_past_beside_present() -> None:
    found = extract(turns("P: I used to get heartburn as a child.", "P: I have heartburn again."))
    assert [one.assertion.status for one in found] == [Status.PRESENT, Status.PAST]


def test_hypothetical_gives_way_to_present() -> None:
    lines = ["D: This can cause dizziness.", "P: Oh, I am dizzy already."]
    assert finding("dizziness", lines[0]).assertion.status is Status.HYPOTHETICAL
    assert [one.assertion.status for one in extract(turns(*lines))] == [Status.PRESENT]


def test_turns_to_the_assistant_are_no_evidence() -> None:
    assert extract(turns("A: Assistant, did she have a fever?", "P: Yes.")) == ()


def test_question_and_answer_in_one_turn_without_speakers() -> None:
    line = "?: Any fever? No. Any cough? Yes, a dry one."
    assert statuses(line) == {"fever": "absent", "cough": "present"}
    bare = re.sub(r"[^\w\s:?]", "", line[3:]).replace("?", "").upper()
    assert statuses(f"?: {bare}") == {"fever": "absent", "cough": "present"}


def test_speakers_guessed_across_turns() -> None:
    lines = ["?: Have you had any chest pain?", "?: No, nothing like that.", "?: I feel dizzy."]
    assert statuses(*lines) == {"chest pain": "absent", "dizziness": "present"}


def test_guessed_speaker_lowers_confidence() -> None:
    known = finding("cough", "P: I have a cough.").confidence
    assert finding("cough", "?: I have a cough.").confidence < known


def test_doubtful_words_lower_confidence() -> None:
    (turn,) = turns("P: I have a cough.")
    doubted = Turn(1, "patient", tuple(Word(w.text, 0, 0, 0.5) for w in turn.words))
    assert extract([doubted])[0].confidence == pytest.approx(extract([turn])[0].confidence / 2)


def test_evidence_names_question_and_answer_words() -> None:
    found = finding("chills", "P: Hello.", "D: Okay. Any fever or chills?", "P: Um, no.")
    question, answer = found.evidence
    assert (question.turn, question.first, question.last) == (2, 4, 4)
    assert answer.turn == 3
    assert (answer.first, answer.last) == (1, 1)


def test_attributes() -> None:
    found = finding(
        "chest pain",
        "P: I've had a sharp pain in my chest for three days.",
        "D: How bad is it, on a scale of one to ten?",
        "P: About 7 out of 10.",
    )
    assert found.attributes["duration"] == "three days"
    assert found.attributes["character"] == "sharp"
    assert found.attributes["severity"] == "7 out of 10"


def test_onset_answered_to_the_question() -> None:
    found = finding("cough", "P: I have a cough.", "D: When did it start?", "P: Two days ago.")
    assert found.attributes["onset"] == "two days ago"


def test_time_of_something_else_is_no_attribute() -> None:
    lines = ["P: I have a cough.", "D: How long have you been smoking?", "P: For ten years."]
    assert "duration" not in finding("cough", *lines).attributes


def test_changed_status_keeps_its_place() -> None:
    extractor = create_symptom_extractor()
    said = turns(
        "D: Any fever?", "P: No.", "P: I have a cough.", "P: I did have a fever last night."
    )
    shown = [extractor.update(turn) for turn in said]
    assert [one.concept.display for one in shown[2]] == ["fever", "cough"]
    assert [one.concept.display for one in shown[3]] == ["fever", "cough"]
    assert shown[2][0].assertion.status is Status.ABSENT
    assert shown[3][0].assertion.status is Status.PRESENT


WORDS = st.sampled_from(
    """no yes any fever? cough, chills. pain my chest you have if not really okay um um, the but
    mum used to . ? -- … ’ 5 don't I've blood in urine 你好 mm-hmm stomach hurts, sleeping well
    how is your what when back a bit actually well, three-day ALLERGIC""".split()
)
TURNS = st.lists(
    st.tuples(
        st.sampled_from(["doctor", "patient", "", "speaker 1"]),
        st.lists(st.one_of(WORDS, st.text(max_size=6)), max_size=25),
        st.booleans(),
    ),
    max_size=8,
)


def as_turns(said: list[tuple[str, list[str], bool]]) -> list[Turn]:
    return [
        Turn(number, speaker, tuple(Word(w, 0.0, 0.0, 1.0) for w in words), to_assistant=mute)
        for number, (speaker, words, mute) in enumerate(said, 1)
    ]


@settings(max_examples=150, deadline=None)
@given(TURNS)
def test_any_turns_give_findings_with_valid_evidence(
    said: list[tuple[str, list[str], bool]],
) -> None:
    consultation = as_turns(said)
    extractor = create_symptom_extractor()
    live: tuple[Finding, ...] = ()
    for turn in consultation:
        live = extractor.update(turn)
    assert live == extract(consultation)
    keys = [(one.concept, one.assertion) for one in live]
    assert len(keys) == len(set(keys))
    for one in live:
        assert one.evidence
        assert 0 < one.confidence <= 1
        for span in one.evidence:
            turn = consultation[span.turn - 1]
            assert not turn.to_assistant
            assert 0 <= span.first <= span.last < len(turn.words)


@pytest.mark.shared_data
@pytest.mark.parametrize(("name", "least"), [("primock57", 0.80), ("osce", 0.85)])
def test_development_consultations(name: str, least: float) -> None:
    if not (DATA / name / "gold").is_dir():
        pytest.skip("development data is not here")
    outcomes = [observe(one, create_symptom_extractor()) for one in read_annotations([DATA / name])]
    assert total(one.score() for one in outcomes).f1 >= least


def test_bare_denials_without_speakers_are_statements() -> None:
    found = statuses("?: I have a cough.", "?: No fever.", "?: No nausea or vomiting.")
    assert found == {
        "cough": "present",
        "fever": "absent",
        "nausea": "absent",
        "vomiting": "absent",
    }


def test_sleeping_badly_is_no_denial_of_what_follows() -> None:
    found = statuses("?: How are you sleeping?", "?: Not well, the pain wakes me up at night.")
    assert found == {"sleep disturbance": "present", "pain": "present"}


def test_a_no_that_the_same_sentence_contradicts_is_uncertain() -> None:
    asked = "D: Have you lost any weight?"
    assert statuses(asked, "P: No, I have it lost weight.") == {"weight loss": "uncertain"}
    assert statuses(asked, "P: No, well actually I lost weight.") == {"weight loss": "present"}
    assert statuses(asked, "P: No, I haven't lost weight.") == {"weight loss": "absent"}


@pytest.mark.parametrize(
    ("lines", "changes"),
    [
        (["P: I have a fever."], [("present", 1)]),
        (["D: Any fever?", "P: No.", "P: I have a fever."], [("absent", 2), ("present", 3)]),
        (["D: Any fever?", "P: No.", "P: No fever."], [("absent", 2)]),
        (["P: I have a fever.", "D: Any fever at night?", "P: No."], [("present", 1)]),
        (
            ["D: If you get a fever, call us.", "P: I have a fever.", "D: Or if the fever rises."],
            [("hypothetical", 1), ("present", 2)],
        ),
        (
            ["P: I might have a fever.", "D: Any fever?", "P: No.", "P: Actually I have a fever."],
            [("uncertain", 1), ("absent", 3), ("present", 4)],
        ),
    ],
)
def test_a_finding_keeps_the_statuses_it_had(
    lines: list[str], changes: list[tuple[str, int]]
) -> None:
    (fever,) = [one for one in extract(turns(*lines)) if one.concept.display == "fever"]
    assert [(change.status, change.turn) for change in fever.history] == changes
    assert fever.history[-1].status is fever.assertion.status


def test_a_past_episode_beside_the_current_one_has_its_own_history() -> None:
    found = extract(turns("P: I have a rash.", "P: Years ago I had a rash."))
    histories = {str(one.assertion.status): one.history for one in found}
    assert [change.turn for change in histories["present"]] == [1]
    assert [(change.status, change.turn) for change in histories["past"]] == [("past", 2)]


def attributes(name: str, *lines: str, visit: date | None = None) -> dict[str, str]:
    """The attributes of one finding of a consultation."""
    found = extract(turns(*lines), visit)
    return dict(next(one for one in found if one.concept.display == name).attributes)


def test_each_attribute_is_read_from_its_answer() -> None:
    assert attributes(
        "chest pain",
        "P: I've been having this chest pain.",
        "D: When did it start?",
        "P: About three days ago.",
        "D: Where exactly is it?",
        "P: Right in the middle of my chest.",
        "D: And does it go anywhere else?",
        "P: Down my left arm.",
        "D: Can you describe the pain?",
        "P: It's like a tight squeezing feeling.",
        "D: On a scale of one to ten, how bad is it?",
        "P: About a seven.",
        "D: Does anything make it worse?",
        "P: Walking up stairs.",
        "D: And does anything make it better?",
        "P: Leaning forward helps.",
        "D: Is it there all the time?",
        "P: No, it comes and goes. Each time it lasts about ten minutes.",
        "D: Is it getting better or worse?",
        "P: Worse.",
        visit=date(2026, 3, 10),
    ) == {
        "onset": "about three days ago",
        "onset_date": "2026-03-07",
        "duration": "about ten minutes",
        "duration_iso": "PT10M",
        "frequency": "comes and goes",
        "severity": "7/10",
        "severity_score": "7",
        "character": "tight, squeezing",
        "location": "middle of my chest",
        "radiation": "down my left arm",
        "aggravating": "walking up stairs",
        "relieving": "leaning forward",
        "trend": "worse",
    }


def test_attributes_without_punctuation() -> None:
    assert attributes(
        "headache",
        "P: I've had a headache since Monday and I've been sick twice",
        "D: Which side is the headache",
        "P: The right side",
        "D: Does it go anywhere",
        "P: No it doesn't go anywhere",
        "D: Anything make it worse",
        "P: No nothing makes it worse",
        "D: Anything make it better",
        "P: Paracetamol takes the edge off",
    ) == {"onset": "monday", "side": "right", "relieving": "paracetamol"}


def test_numbers_of_several_words_are_one() -> None:
    lines = ("P: I get headaches.", "D: How long do they last?")
    said = "P: Usually, it's about one and a half to two and a half hours every day."
    assert "two and a half hours" in attributes("headache", *lines, said)["duration"]


def test_yes_takes_over_what_the_doctor_offers() -> None:
    complaint = "P: I have tummy pain."
    asked = ("D: Is it worse when you eat?", "D: Does it radiate to your back?")
    yes = attributes("abdominal pain", complaint, asked[0], "P: Yes.", asked[1], "P: Yes it does.")
    assert yes == {"aggravating": "when you eat", "radiation": "to your back"}
    assert attributes("abdominal pain", complaint, asked[0], "P: No.", asked[1], "P: No.") == {}
    either = ("D: Is it sharp or dull?", "P: Yes.")
    assert attributes("abdominal pain", complaint, *either) == {}


def test_answer_to_a_question_after_the_symptom_describes_it() -> None:
    asked = "D: Any shortness of breath?"
    assert attributes("shortness of breath", asked, "P: A little bit, when I climb stairs.") == {
        "severity": "a little bit",
        "aggravating": "when I climb stairs",
    }


def test_times_of_other_things_are_no_attributes() -> None:
    assert (
        attributes(
            "headache",
            "P: I have a headache.",
            "D: Do you smoke?",
            "P: Yes, for twenty years.",
            "D: Do you take anything?",
            "P: I've been taking ramipril for three months.",
            "D: Do you normally get headaches?",
            "P: I had a similar one a few weeks ago.",
            "D: How long did it last?",
            "P: A couple of days.",
        )
        == {}
    )


def test_worse_when_coughing_belongs_to_the_pain() -> None:
    lines = ("P: I have chest pain.", "D: What makes it worse?", "P: It's worse when I cough.")
    assert attributes("chest pain", *lines) == {"aggravating": "when I cough"}


def test_swelling_is_of_the_place_that_hurts() -> None:
    assert statuses("P: My knee hurts.", "D: Any swelling?", "P: Just a little bit.") == {
        "knee pain": "present",
        "joint swelling": "present",
    }
    assert statuses("P: My back hurts.", "D: Any swelling?", "P: No.")["swelling"] == "absent"


def test_that_is_it_denies_what_was_not_named() -> None:
    said = statuses("D: Any dizziness or fever?", "P: I've had a fever, but yeah that's it.")
    assert said == {"fever": "present", "dizziness": "absent"}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # what is no answer, or answers something else
        (["D: Any headache?", "P: Huh?"], {}),
        (["D: Any rash or itching?", "P: I had vomiting all week."], {"vomiting": "present"}),
        (["D: Any cramps, vomiting or fever?", "P: Yeah. I've had some vomiting."],
         {"vomiting": "present"}),
        (["D: Was there a rash right away?", "P: Not right away."], {"rash": "present"}),
        (["D: Was this the first time that you fainted?", "P: No."], {}),
        (["P: I'm wheezing.", "D: Did you have chest pain prior to this?", "P: No."],
         {"wheezing": "present"}),
        (["P: I have a cough.", "D: Is it a dry cough or is there phlegm?", "P: No, there's some."],
         {"cough": "present"}),
        (["P: I have a cough.", "D: Do you bring up phlegm?", "P: No no, it's dry."],
         {"cough": "present", "sputum production": "absent"}),
        (["D: You haven't had a fever, have you?", "P: Yes, actually. On Sunday."],
         {"fever": "present"}),
        # what is asked
        (["D: Where are you getting tingling?", "P: In my toes."], {"tingling": "present"}),
        (["D: I'm wondering if you had any rashes.", "P: No."], {"rash": "absent"}),
        (["D: Tell me, any cramps at all?", "P: No."], {"muscle cramp": "absent"}),
        (["D: Besides the cough, any wheezing?", "P: Nope."], {"wheezing": "absent"}),
        # the reach of no
        (["P: No, what happened is last night he didn't sleep at all."],
         {"sleep disturbance": "present"}),
        (["P: I could not sleep, or it wakes me up at night."], {"sleep disturbance": "present"}),
        (["P: I can't sit without back pain."], {"back pain": "present"}),
        # when
        (["P: I've lost ten pounds in the past two months."], {"weight loss": "present"}),
        (["P: The fatigue is bad, I can't do things like I used to."], {"fatigue": "present"}),
        (["P: I'm a bit worried because he had a fever."], {"fever": "present"}),
        (["P: I'm worried it might be a fever."], {}),
        # no vomiting, and no symptom at all
        (["D: Have you been sick recently?", "P: No."], {}),
        (["D: Have you been sick at all?", "P: Twice."], {"vomiting": "present"}),
        (["P: I'm trying to lose some weight."], {}),
        (["D: Any temperature changes in the foot?", "P: No."], {"skin warmth": "absent"}),
        (["P: I try to stay fit with all the running."], {}),
        (["D: Watch for red flags including incontinence.", "P: Okay."],
         {}),
    ],
)  # fmt: skip
def test_as_people_turned_out_to_say_it(lines: list[str], expected: dict[str, str]) -> None:
    assert statuses(*lines) == expected


@pytest.mark.parametrize(
    ("lines", "own"),
    [
        (["P: It feels like someone is stabbing my knee.", "P: My knee hurts."], {"knee pain"}),
        (["P: I'm bringing my one year old daughter in because she has a fever."], {"fever"}),
        (["P: My son has a rash. I got nervous and brought him in."], {"rash"}),
        (["P: Hi. He's just six weeks old. Since Monday there is a rash."], {"rash"}),
        (["P: My grandkids stayed with us.", "D: Okay, did they have a cough?", "P: Yes."], set()),
        (["D: After you go out with your friends, do you get diarrhea?", "P: Yes."], {"diarrhea"}),
    ],
)
def test_whose_it_turned_out_to_be(lines: list[str], own: set[str]) -> None:
    found = {
        one.concept.display
        for one in extract(turns(*lines))
        if one.assertion.experiencer is Experiencer.PATIENT
    }
    assert found == own


def test_no_one_reaches_past_the_speaker() -> None:
    said = statuses("P: Of the ones at the club no one I know of has a fever.")
    assert said.get("fever") != "present"


def test_a_question_about_what_was_only_thought_of_does_not_stop_it() -> None:
    """Once an IndexError: the symptom had been looked up, and nothing been said of it."""
    lines = ["D: NOSE BLOCKED", "P: I", "D: YOU GET SINUS TROUBLE", "P: CHILDREN NOSE BLOCKED"]
    assert statuses(*lines) == {}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # a plain no, and the story told with it
        (["D: Any double vision?", "P: No. I'd double vision when I was carrying my second."],
         {"double vision": ["absent", "past"]}),
        (["D: Do you get migraines?", "P: No. Migraines, God, I'd years of them."],
         {"headache": ["absent", "past"]}),
        (["D: Any headaches?", "P: Not really. I had some headaches on it, but they passed."],
         {"headache": ["absent", "past"]}),
        (["D: Any fever?", "P: No. I had a fever last night, though."], {"fever": ["present"]}),
        (["D: Any vomiting?", "P: Not to us. He did vomit at the nursery."],
         {"vomiting": ["present"]}),
        (["D: Any cough?", "P: I'd a cough all through the winter. It's away now.",
          "D: So no cough now?", "P: No."], {"cough": ["absent", "past"]}),
        (["D: Any cough?", "P: When I smoked I coughed every morning, now nothing."],
         {"cough": ["past"]}),
        # somebody else's
        (["D: Any hay fever?", "P: My boy's the one for that. Sneezing. Me, I've never had it."],
         {}),
        (["D: Any fever?", "P: My sister had one, she was burning up. I've not had one."],
         {"fever": ["absent"]}),
        (["D: Any fever or diarrhoea?", "P: No. Zak's had diarrhoea. But I've not got it."],
         {"fever": ["absent"], "diarrhea": ["absent"]}),
        (["D: Any night sweats?", "P: My uncle had TB. I was small then. Me, no sweats."],
         {"night sweats": ["absent"]}),
        (["P: I was lifting a resident and my back is sore."], {"back pain": ["present"]}),
        # no more than anybody
        (["D: Do you bruise easily?", "P: I have a bruise now and then, but no more than normal."],
         {"bruising": ["absent"]}),
        (["D: Any tiredness?", "P: Tired, well, I've a four year old. Not more than normal."],
         {"fatigue": ["absent"]}),
        # gone
        (["D: Is your nose blocked?", "P: It was, but it's cleared."],
         {"nasal congestion": ["absent"]}),
        (["D: Any heartburn?", "P: It's settled."], {"heartburn": ["absent"]}),
        (["D: Any heartburn?", "P: It hasn't settled."], {"heartburn": ["present"]}),
        (["D: Have you got a fever?", "P: It went down but it's back."], {}),
        # numbers and descriptions
        (["D: Have you had a fever?", "P: Thirty eight on Monday night."], {"fever": ["present"]}),
        (["D: Have you had a fever?", "P: Thirty six five."], {}),
        (["D: Have you had any falls?", "P: Three this fortnight."], {"falls": ["present"]}),
        (["D: Any leaking of urine?", "P: A small bit if I cough."],
         {"urinary incontinence": ["present"]}),
        (["D: Is he swallowing alright, any coughing?", "P: No, he eats like a horse."],
         {"difficulty swallowing": ["absent"], "cough": ["absent"]}),
        (["D: And the cough, anything coming up with it?", "P: Nothing, no, dry as a bone."],
         {"sputum production": ["absent"]}),
        # not known
        (["D: Are your stools black?", "P: I don't look."], {"black stool": ["uncertain"]}),
        (["D: Any weakness in your legs?", "P: Not that I've seen. I don't know what to look for."],
         {"limb weakness": ["uncertain"]}),
        (["D: Has he had a fever?", "P: I've not checked."], {"fever": ["uncertain"]}),
        # read, feared, concluded
        (["P: I've read about that. You get hooked and then you're hallucinating."], {}),
        (["P: I've read about that. I'm hallucinating."], {"hallucinations": ["present"]}),
        (["P: It says you get clots, and your ankles swell."], {}),
        (["P: I keep thinking he'll go down and choke."], {}),
        (["P: I can't be shaking at the wheel."], {}),
        (["D: I think this is a bug, and you're a bit dehydrated."], {"dehydration": ["present"]}),
        (["D: You may feel sick on it, and you're a bit dehydrated then."], {}),
        (["D: Because you've lost some weight, I want you to have a camera test."],
         {"weight loss": ["present"]}),
        # an earlier time
        (["P: Before in Manila I took mefenamic and my lips are swelling."],
         {"lip swelling": ["past"]}),
        (["D: How old is she?", "P: Four.",
          "P: When she was a baby she had very dry skin. It's gone now."], {"dry skin": ["past"]}),
        (["P: I was in the navy. In Malta I was covered in blisters."], {"blister": ["past"]}),
    ],
)  # fmt: skip
def test_answers_with_a_story(lines: list[str], expected: dict[str, list[str]]) -> None:
    told: dict[str, list[str]] = {}
    for one in extract(turns(*lines)):
        hypothetical = one.assertion.status is Status.HYPOTHETICAL
        if one.assertion.experiencer is Experiencer.PATIENT and not hypothetical:
            told.setdefault(one.concept.display, []).append(one.assertion.status.value)
    assert told == expected
