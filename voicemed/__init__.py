"""voicemed: a private voice assistant for doctor consultations.

The path of sound, a module for each stage:

    audio, microphone        a recording, or PortAudio        -> AudioChunk
    vad, endpointing         probability of speech, silences  -> Utterance
    asr                      the guard, partial hypotheses    -> Segment
      whisper_ct2            Whisper on CTranslate2
      whisper_torch          Whisper on PyTorch, for the GPU
    diarization              channels, doctor and patient
    transcript               Word, Turn; txt, json, srt, vtt, md
    lexicon, assertion,
    discourse, history,
    attributes, times,
    symptoms                 Turn                             -> Candidate
    encoder, classifier      sentence meaning, trained heads  -> Finding
    chinese, symptoms_zh     the same for Chinese, by rules
    quantities, measurements vital signs and their values
    pharmacy, medications    medicines and allergies
    extraction               all of these, turn by turn
    dialog                   a request and the Encounter      -> Reply
    tts, playback            text -> AudioChunk               -> loudspeaker or file

Two drivers run it: live (the streaming loop, the only module that starts threads of its own) and
batch (recordings, decoded on all cores). A third one, text_batch, takes its turns from texts
(transcript_reader). The classifier's heads come from train, which reads annotations and measures by
evaluate.

The store keeps encounters encrypted: recorder writes a live one (sealed), records reads all of them
(database, audit, edits); beside these keyfile and backups, below them crypto and codec. A live
encounter goes there through recording, after intake has asked for patient and consent. The commands
of record_cli read and correct it (access opens the store, record_view shows what is in it); it
leaves as files through documents (encounter_json, pdf, hl7v2, fhir).

Around them: encounter, note, config, weights, check, cli, ui, errors.
"""

__version__ = "0.1.0"
