"""The page of an encounter as a PDF, in Noto Sans and, where needed, Noto Sans CJK.

Both fonts come as packages of their own (SIL Open Font License). A character that neither has is
written as its number, [U+0645], and the page says so: nothing is left out silently.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC
from importlib.resources import files
from pathlib import Path

from fpdf import FPDF, Align, XPos, YPos
from fpdf.fonts import FontFace, TTFFont

from voicemed.documents import (
    Block,
    Facts,
    Heading,
    Notice,
    Paragraph,
    Said,
    Table,
    Verbatim,
    latest,
    page,
    statement,
    title,
)
from voicemed.encounter import EncounterRecord
from voicemed.transcript import one_line, printable

_LATIN = ("fontpkg_noto_sans", "files/NotoSans[wdth,wght].ttf")
"Latin, Greek, Cyrillic."
_CJK = ("noto_cjk_sans_otc", "NotoSansCJK-Regular.ttc")
_SIMPLIFIED = 2
"Of the five regional fonts of that collection."
_SIZE, _SMALL = 10, 8
"Points."
_WHITE, _GREY = (255, 255, 255), (90, 90, 90)
_NOTICE_FILL = (255, 243, 205)


def to_pdf(record: EncounterRecord) -> bytes:
    """A PDF on A4; each page says at its foot who wrote it and who checked it."""
    pdf = _Pdf(record)
    pdf.add_page()
    for block in page(record):
        pdf.block(block)
    if pdf.missing:
        shown = " ".join(f"[U+{ord(char):04X}]" for char in sorted(pdf.missing)[:20])
        pdf.block(
            Notice(
                f"Characters that the fonts of this PDF lack are written as their Unicode "
                f"numbers ({shown}{' …' if len(pdf.missing) > 20 else ''}); the other formats of "
                "this export hold the characters themselves."
            )
        )
    return bytes(pdf.output())


class _Pdf(FPDF):
    """A4 with the fonts, and a foot on each page."""

    def __init__(self, record: EncounterRecord) -> None:
        super().__init__()
        logging.getLogger("fontTools").setLevel(logging.WARNING)
        self.missing: set[str] = set()
        "Characters that no font has."
        self._has_cjk = False
        self.set_creation_date(latest(record).astimezone(UTC))
        self.set_title(title(record))
        self.set_creator("voicemed")
        self.set_auto_page_break(True, margin=22)
        self.add_font("latin", "", _font(*_LATIN))
        self.set_font("latin", size=_SIZE)
        self._foot = f"{statement(record)} Encounter {record.id}"

    def footer(self) -> None:
        """Called by fpdf at the end of each page."""
        self.set_y(-18)
        self.set_font("latin", size=_SMALL)
        self.set_text_color(*_GREY)
        self._line(self._foot, 3.5)
        self._line(f"Page {self.page_no()}", 3.5)
        self.set_text_color(0, 0, 0)

    def block(self, block: Block) -> None:
        """Add a block of the page."""
        self.set_font("latin", size=_SIZE)
        match block:
            case Heading(level=level, text=text):
                self.ln(2)
                self.set_font("latin", size=18 if level == 1 else 14)
                self._line(text, 8)
            case Notice(text=text):
                self.set_fill_color(*_NOTICE_FILL)
                self._line(text, 5, fill=True)
                self.set_fill_color(*_WHITE)  # which tables take as well
                self.ln(2)
            case Facts(rows=rows):
                for name, value in rows:
                    self._line(f"{name}: {value}", 5)
            case Table():
                self._table(block)
            case Paragraph(text=text):
                self._line(text, 5)
            case Verbatim(text=text):
                for line in text.splitlines():
                    self._line(line, 5)
            case Said(time=time, speaker=speaker, remark=remark, text=text):
                who = f" {speaker}" if speaker else ""
                aside = f" ({remark})" if remark else ""
                self._line(f"[{time}]{who}{aside}", 4.5, size=_SMALL, colour=_GREY)
                self._line(text, 5)
                self.ln(1)

    def _line(
        self,
        text: str,
        height: float,
        *,
        fill: bool = False,
        size: int = 0,
        colour: tuple[int, int, int] = (0, 0, 0),
    ) -> None:
        """A text over the whole width, on as many lines as it takes."""
        if size:
            self.set_font("latin", size=size)
        if colour != (0, 0, 0):
            self.set_text_color(*colour)
        shown = self._shown(text)
        self.multi_cell(
            0, height, shown, align=Align.L, fill=fill, new_x=XPos.LMARGIN, new_y=YPos.NEXT
        )
        if size:
            self.set_font("latin", size=_SIZE)
        if colour != (0, 0, 0):
            self.set_text_color(0, 0, 0)

    def _table(self, table: Table) -> None:
        self.set_font("latin", size=_SMALL + 1)
        heading = FontFace(fill_color=(230, 230, 230))
        with self.table(
            col_widths=table.widths, headings_style=heading, line_height=4.5, text_align="LEFT"
        ) as rows:
            for cells in (table.header, *table.rows):
                row = rows.row()
                for cell in cells:
                    row.cell(self._shown(cell))
        self.ln(2)

    def _shown(self, text: str) -> str:
        """Text of which every character can be seen; loads the Chinese font when it is needed."""
        text = one_line(printable(text))
        if self._lacking(text) and not self._has_cjk:
            self._has_cjk = True
            self.add_font("cjk", "", _font(*_CJK), collection_font_number=_SIMPLIFIED)
            self.set_fallback_fonts(["cjk"])
        lacking = self._lacking(text)
        self.missing |= lacking
        return "".join(f"[U+{ord(char):04X}]" if char in lacking else char for char in text)

    def _lacking(self, text: Iterable[str]) -> set[str]:
        fonts = [font for font in self.fonts.values() if isinstance(font, TTFFont)]
        return {char for char in text if not any(ord(char) in font.cmap for font in fonts)}


def _font(package: str, name: str) -> Path:
    return Path(str(files(package).joinpath(name)))
