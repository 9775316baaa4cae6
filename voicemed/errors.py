"""The exceptions of voicemed: what a user can cause, and nothing else.

VoicemedError
├── ConfigError          a setting is wrong: unknown key, bad value, unreadable file
├── AudioError           sound that cannot be used
│   ├── AudioFileError   a recording is missing, empty, damaged or in an unknown format
│   └── DeviceError      a microphone or loudspeaker is missing, busy or was lost
├── ModelError           weights that cannot be used
│   ├── ModelMissing     not downloaded yet: says the command that fetches them
│   ├── ModelDamaged     a size or sha256 differs from the manifest
│   └── DownloadError    no source could deliver: no network, no space, wrong content
├── EngineError          an engine is not installed or failed while it ran
├── TranscriptError      a transcript file is not in a format that we read
├── StoreError           the encrypted record cannot be used
│   ├── StoreMissing     there is none yet: says the command that makes one
│   ├── StoreBusy        another process has it open
│   ├── WrongPassphrase  the passphrase or recovery key is not the one of this store
│   └── StoreDamaged     a file was changed, cut, swapped or lost
├── ConsentMissing       nobody said that the patient agrees to be recorded
└── OutputError          a result could not be written: no permission, disk full

Each message is one line that names the file or setting, says what is wrong and what to do. It never
holds what was said in a consultation: messages end up in logs.
"""


class VoicemedError(Exception):
    """The base of all errors that a user can cause; the command line prints its one line."""


class ConfigError(VoicemedError):
    """A setting is wrong."""


class AudioError(VoicemedError):
    """Sound cannot be used."""


class AudioFileError(AudioError):
    """A recording is missing, empty, damaged or in an unknown format."""


class DeviceError(AudioError):
    """A microphone or loudspeaker is missing, busy or was lost."""


class ModelError(VoicemedError):
    """Weights cannot be used."""


class ModelMissing(ModelError):  # noqa: N818 - reads as the state it names
    """Weights have not been downloaded yet."""


class ModelDamaged(ModelError):  # noqa: N818
    """A model file's size or sha256 differs from the manifest."""


class DownloadError(ModelError):
    """No source could deliver a model."""


class EngineError(VoicemedError):
    """An engine is not installed or failed while it ran."""


class TranscriptError(VoicemedError):
    """A transcript file is not in a format that we read."""


class StoreError(VoicemedError):
    """The encrypted record cannot be used."""


class StoreMissing(StoreError):  # noqa: N818
    """There is no store in that folder."""


class StoreBusy(StoreError):  # noqa: N818
    """Another process has the store open."""


class WrongPassphrase(StoreError):  # noqa: N818
    """The passphrase or recovery key is not the one of this store."""


class StoreDamaged(StoreError):  # noqa: N818
    """A file of the store was changed, cut, swapped or lost."""


class ConsentMissing(VoicemedError):  # noqa: N818
    """Nobody said that the patient agrees to be recorded."""


class OutputError(VoicemedError):
    """A result could not be written."""
