"""The symptom concepts, their names and codes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Concept:
    """A symptom of the inventory, as a FHIR Coding."""

    system: str
    "HPO's URI where the concept has an HPO id, else this project's own code system."
    code: str
    display: str
    "The `name` of the inventory (voicemed/data/concepts.tsv)."
