"""`make check-grader-table`: what check-grader has found, into docs/instructor.md.

The part between the two marks is written anew from build/check-grader/ (grader/check_grader.py).
A case that was not judged since it was changed, on a machine, has no points there but a dash.
"""

from __future__ import annotations

import sys
from typing import List, Sequence

from grader.check_grader import Case, all_cases, compare, kept, outcome_text, row
from grader.lab import ROOT, Lab, LabError, all_names, load
from grader.result import GRADED, points_text, write_whole

GUIDE = ROOT / "docs" / "instructor.md"
BEGIN = "<!-- written by make check-grader-table, down to the next mark -->"
END = "<!-- the end of what make check-grader-table has written -->"
UNKNOWN = "-"


def points(case: Case, machines: Sequence[str]) -> List[str]:
    found = [case.results.get(machine) for machine in machines]
    return [UNKNOWN if result is None else points_text(result.earned) for result in found]


def lab_rows(lab: Lab, cases: Sequence[Case]) -> List[str]:
    """The reference, the skeleton and the mutants."""
    lines = [row(["submission", "what is wrong with it", *lab.machines, "loses"])]
    lines += ["|" + "---|" * (3 + len(lab.machines))]
    for case in cases:
        texts = [outcome_text(case.results[name], lab) for name in case.results]
        same = texts[0] if len(set(texts)) == 1 else " / ".join(texts) or UNKNOWN
        lines.append(row([case.name, case.why, *points(case, lab.machines), same]))
    return lines


def attack_rows(labs: Sequence[Lab], attacks: Sequence[Sequence[Case]]) -> List[str]:
    """A line an attack, with its points in each lab on each machine."""
    heads = [f"{lab.name}, {machine}" for lab in labs for machine in lab.machines]
    lines = [row(["attack", "what it does", *heads, "is"]), "|" + "---|" * (3 + len(heads))]
    for same in zip(*attacks):
        cells = [points(case, lab.machines) for lab, case in zip(labs, same)]
        statuses = {result.status for case in same for result in case.results.values()}
        texts = [cell for of_lab in cells for cell in of_lab]
        how = ", ".join(sorted(statuses)).replace(GRADED, "judged") or UNKNOWN
        lines.append(row([same[0].name, same[0].why, *texts, how]))
    return lines


def known_cases(lab: Lab) -> List[Case]:
    cases = all_cases(lab)
    for case in cases:
        for machine in lab.machines:
            result = kept(lab, machine, case)
            if result is not None:
                compare(case, machine, result, lab)
    return cases


def section(labs: Sequence[Lab], cases: Sequence[Sequence[Case]]) -> str:
    parts = []
    for lab, of_lab in zip(labs, cases):
        rows = lab_rows(lab, [case for case in of_lab if case.kind != "attack"])
        parts += [f"**{lab.name}** ({lab.title})", "\n".join(rows)]
    attacks = [[case for case in of_lab if case.kind == "attack"] for of_lab in cases]
    parts += ["**Attacks**, each on a lab's skeleton:", "\n".join(attack_rows(labs, attacks))]
    return "\n\n".join(parts)


def replaced(text: str, new: str) -> str:
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise LabError(f"{GUIDE}: the two marks are not there")
    return f"{head}{BEGIN}\n\n{new}\n\n{END}{tail}"


def main(words: Sequence[str]) -> int:
    if words:
        print(__doc__, file=sys.stderr)
        return 2
    labs = [load(name) for name in all_names()]
    cases = [known_cases(lab) for lab in labs]
    complaints = [text for of_lab in cases for case in of_lab for text in case.complaints]
    write_whole(GUIDE, replaced(GUIDE.read_text(encoding="utf-8"), section(labs, cases)))
    for complaint in complaints:
        print(f"check-grader-table: {complaint}", file=sys.stderr)
    return 1 if complaints else 0
