"""What the documentation says is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from conftest import ROOT

SECURITY = (ROOT / "docs" / "security.md").read_text("utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", SECURITY)))


def functions_of(file: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
    }


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_what_the_security_page_names_exists(file: str, test: str) -> None:
    path = ROOT / file
    assert path.is_file()
    assert not test or test in functions_of(path)


def test_the_security_page_names_every_script_of_faults() -> None:
    scripts = {path.name for path in (ROOT / "tests" / "faults").glob("*.py")}
    shared = {path for path in scripts if path.startswith("sample_")}
    named = {Path(file).name for file, _ in NAMED if file.startswith("tests/faults/")}
    assert named == scripts - shared


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").glob("*.md")))
def test_links_to_files_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        assert (page.parent / target.replace("\\_", "_")).exists(), target
