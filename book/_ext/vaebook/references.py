"""What a plain notebook, which has no bibliography, shows for a citation: names, year and the paper."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pybtex.database import BibliographyData, Entry, parse_file


@dataclass(frozen=True)
class Bibliography:
    entries: BibliographyData

    @classmethod
    def read(cls, path: Path) -> Bibliography:
        return cls(parse_file(str(path)))

    def link(self, key: str, words: str = "") -> str | None:
        """`[Kingma and Welling (2014)](https://arxiv.org/abs/1312.6114)`; None for another key."""
        if key not in self.entries.entries:
            return None
        entry = self.entries.entries[key]
        words = words or f"{names(entry)} ({entry.fields['year']})"
        target = address(entry)
        return f"[{words}]({target})" if target else words


def names(entry: Entry) -> str:
    parts = [person.rich_prelast_names + person.rich_last_names for person in entry.persons["author"]]
    family = [" ".join(map(str, of_one)) for of_one in parts]
    if len(family) > 2:
        return f"{family[0]} et al."
    return " and ".join(family)


def address(entry: Entry) -> str | None:
    """Where the paper is, as far as its entry says."""
    fields = entry.fields
    if "doi" in fields:
        return f"https://doi.org/{fields['doi']}"
    if "eprint" in fields:
        return f"https://arxiv.org/abs/{fields['eprint']}"
    return fields.get("url")
