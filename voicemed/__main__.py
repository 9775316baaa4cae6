"""`python -m voicemed` is `voicemed`."""

from __future__ import annotations

from voicemed.cli import main

if __name__ == "__main__":
    main()
