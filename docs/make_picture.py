"""Make the README's picture of a session: `python docs/make_picture.py RECORDING [SVG]`.

Runs the recording through the real loop at the pace at which it was spoken, and draws the screen
of the last moment at which somebody was speaking.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path

from voicemed import live, ui
from voicemed.config import Settings


def main(recording: str, picture: str = "docs/session.svg") -> None:
    """Draw the session of a recording."""
    loop = live.build(Settings(), input=recording, output="none", pace="realtime")
    moment = (loop.encounter, loop.status)

    def observe(_: live.Event) -> None:
        nonlocal moment
        if loop.status.committed and loop.status.listening:
            moment = (copy.deepcopy(loop.encounter), loop.status)

    loop.run(observe)
    Path(picture).write_text(ui.session_svg(*moment), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
