"""A microphone without hardware: a private PulseAudio whose default source hears its own sink."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ASOUNDRC = """\
</usr/share/alsa/alsa.conf>
pcm.!default { type pulse }
ctl.!default { type pulse }
"""


def missing() -> str:
    """Why there can be no virtual microphone here; empty where there can."""
    for program in ("pulseaudio", "paplay", "pactl"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if not any(Path("/usr/lib").rglob("alsa-lib/libasound_module_pcm_pulse.so")):
        return "libasound2-plugins is not installed"
    try:
        import sounddevice  # noqa: F401
    except OSError:
        return "PortAudio is not installed"
    return ""


class VirtualMicrophone:
    """Hears what `play` plays, at 16-bit 48 kHz; digital silence otherwise."""

    def __init__(self, home: Path) -> None:
        self._socket = home / "pulse.socket"
        self._home = home
        alsa = home / "asound.conf"
        alsa.write_text(ASOUNDRC)
        self.env = {
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(home),
            "XDG_CONFIG_HOME": str(home),
            "PULSE_SERVER": f"unix:{self._socket}",
            "PULSE_COOKIE": str(home / "cookie"),
            "ALSA_CONFIG_PATH": str(alsa),
        }
        "For the process that records: these have to be in its environment."
        self._daemon: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start the daemon, or start it again after `kill`."""
        self._socket.unlink(missing_ok=True)
        self._daemon = subprocess.Popen(
            [
                "pulseaudio", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm",
                "--use-pid-file=no", "-n",
                "-L", f"module-native-protocol-unix auth-anonymous=1 socket={self._socket}",
                "-L", "module-null-sink sink_name=room rate=48000 channels=1",
            ],
            env=self._environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for attempt in range(100):
            if self._pactl("set-default-source", "room.monitor"):
                return
            if self._daemon.poll() is not None:
                break
            time.sleep(0.05 if attempt else 0.1)
        raise RuntimeError("the private PulseAudio did not start")

    def kill(self) -> None:
        """Take the microphone away, as if its cable were pulled."""
        if self._daemon is not None:
            self._daemon.kill()
            self._daemon.wait()
            self._daemon = None

    def stall(self) -> None:
        """Let the daemon do nothing, until `go_on`."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End a stall."""
        self._signal(signal.SIGCONT)

    def play(self, wav: Path) -> subprocess.Popen[bytes]:
        """Begin to play a WAV into the microphone; wait() for the end."""
        return subprocess.Popen(["paplay", str(wav)], env=self._environment())

    def _signal(self, number: signal.Signals) -> None:
        if self._daemon is not None:
            self._daemon.send_signal(number)

    def await_listener(self) -> None:
        """Return once a program records from it; RuntimeError after 30 s."""
        for _ in range(300):
            listed = subprocess.run(
                ["pactl", "list", "short", "source-outputs"],
                env=self._environment(), capture_output=True, check=False,
            )  # fmt: skip
            if listed.stdout.strip():
                return
            time.sleep(0.1)
        raise RuntimeError("nobody records from the virtual microphone")

    def _pactl(self, *arguments: str) -> bool:
        done = subprocess.run(
            ["pactl", *arguments], env=self._environment(), capture_output=True, check=False
        )
        return done.returncode == 0

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.env}


@contextmanager
def virtual_microphone() -> Iterator[VirtualMicrophone]:
    """The machine's default microphone for this process, and for others by `.env`, while it lasts.

    Only one at a time: PortAudio and ALSA read the environment when they start.
    """
    import sounddevice

    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="mic") as home:  # short: a socket's path has a limit
        microphone = VirtualMicrophone(Path(home))
        try:
            os.environ.update(microphone.env)
            sounddevice._terminate()
            sounddevice._initialize()
            yield microphone
        finally:
            os.environ.clear()
            os.environ.update(before)
            microphone.kill()
            with contextlib.suppress(sounddevice.PortAudioError):
                sounddevice._terminate()
            sounddevice._initialize()
