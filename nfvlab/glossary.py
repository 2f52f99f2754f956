"""The words: what each unit, output, claim and term of a table or a panel means, in one line.

Units and outputs are read from the code that uses them. `terms.TERMS` are the rest: each line names, after the term,
where the code has it (`place`), so that a test can hold the two together.
"""

from collections.abc import Iterator

from nfvlab import catalog, units
from nfvlab.params import html_table
from nfvlab.terms import TERMS, Term

EXAMPLES = {  # by unit: a value to show in it; for the others SMALL
    "ns": 300 * units.ms,
    "bytes": 8 * units.GiB,
    "bytes/s": 10 * units.Gbps,
    "bit/s": 2013e6,
    "Hz": 2.3e9,
    "of 1": 0.25,
    "cycles": 6800,
    "cycles/byte": 2.5,
    "1/s": 2e5,
    "packets/s": 3.93e6,
    "pages": 2_097_152,
    "packets": 41_609,
}
SMALL = 12


class Table:
    """A titled table of words, for a notebook: `rows` of dictionaries with the same keys, nothing cut short."""

    def __init__(self, title: str, rows: list[dict[str, str]]):
        self.title, self.rows = title, rows

    def __repr__(self) -> str:
        lines = ("  ".join(row.values()) for row in self.rows)
        return "\n".join([self.title, *(f"  {line}" for line in lines)])

    def _repr_html_(self) -> str:
        return html_table(self.title, self.rows)


def unit_table() -> Table:
    """Every suffix that a name may end in: the quantity, its base unit, and an example as people read it."""
    rows = []
    for suffix, dimension in units.SUFFIXES.items():
        value = EXAMPLES.get(dimension.unit, SMALL)
        example = f"x{suffix} = {value:.10g} reads {units.human(f'x{suffix}', value)}"
        rows.append(
            {
                "suffix": suffix,
                "quantity": dimension.quantity,
                "unit": dimension.unit or "1",
                "example": example,
            }
        )
    return Table("Units: what the end of a name says", rows)


def output_table(name: str) -> Table:
    """The outputs of a built feature: name and meaning, as both its twins report them."""
    return Table(f"Outputs of {name}", [{"output": o, "meaning": text} for o, text in outputs(name).items()])


def outputs(name: str) -> dict[str, str]:
    """Output names of a built feature, with their lines."""
    feature = catalog.find(name).load()
    return dict(feature.OUTPUTS)


def term_table(section: str | None = None) -> Table:
    """The terms of one section of `TERMS`, or all of them."""
    if section is not None and section not in TERMS:
        raise KeyError(f"{section!r} is not a section of the glossary; the sections are {', '.join(TERMS)}")
    rows = [{"term": term.word, "meaning": term.meaning} for term in terms(section)]
    return Table(f"Words: {section or 'all'}", rows)


def terms(section: str | None = None) -> Iterator[Term]:
    """The terms of a section, or of all."""
    for name, listed in TERMS.items():
        if section in (None, name):
            yield from listed


def words() -> dict[str, str]:
    """Everything the glossary explains: suffixes, outputs of built features, terms; each with its line."""
    found = {row["suffix"]: row["quantity"] for row in unit_table().rows}
    for feature in catalog.FEATURES:
        if feature.built:
            found |= outputs(feature.name)
    return found | {term.word: term.meaning for term in terms()}
