"""Whatever a kernel answers, the labs' tests come to a verdict: any other exception would count as
an error of the infrastructure, which costs no points."""

from __future__ import annotations

import importlib
import inspect
import random
import shutil
from pathlib import Path
from typing import Callable, List, Tuple

import pytest

from grader import lab as labs
from grader.labtest import Duet, Failure
from grader.machine import Running
from grader.native import Native
from grader.probe import Probe
from grader.tests.support import BUILD, OUT, ROOT, make_setup
from labs.sync.public import history as judge

# What no honest machine says, or not at that place.
JUNK = ("", "ok", "fault", "0", "-1", "0x", "\u00b2", "9" * 5000, "f" * 5000, "0x7 " * 1000)
PLACES = 3  # at how many places of a test it is tried, beside the first and the last

LabTest = Callable[[Duet], None]


def find_tests(lab: str, word: str) -> List[Tuple[str, LabTest]]:
    """The lab's tests whose source has the word."""
    found = []
    for visibility in ("public", "hidden"):
        module = importlib.import_module(f"labs.{lab}.tests.test_{visibility}")
        names = [t.name for t in labs.load(lab).tests if t.visibility == visibility]
        functions = [(name, getattr(module, f"test_{name}")) for name in names]
        found += [(f"{lab}-{name}", f) for name, f in functions if word in inspect.getsource(f)]
    return found


def verdict(test: LabTest, name: str, folder: Path) -> str:
    """Passed or failed; whatever else happens, is raised."""
    image, lab = OUT / "root.img", name.partition("-")[0]
    folder.mkdir()
    duet = Duet(ROOT, BUILD, image, "vkernel", lab, "7", 4.0, folder, name)
    try:
        test(duet)
        return "passed"
    except Failure:
        return "failed"
    finally:
        duet.close()


def try_junk(
    test: LabTest, name: str, talker: type, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run it as it is, and then with a wrong answer here and there."""
    count, wrong = 0, {}
    honest = talker._answer  # type: ignore[attr-defined]

    def answer(self: object, command: str) -> str:
        nonlocal count
        count += 1
        text: str = honest(self, command)
        return wrong.get(count, text)

    monkeypatch.setattr(talker, "_answer", answer)
    assert verdict(test, name, folder / "honest") == "passed"
    choices = random.Random(name)
    places = {1, count, *choices.sample(range(1, count + 1), min(PLACES, count))}
    for place in sorted(places):
        count, wrong = 0, {place: choices.choice(JUNK)}
        verdict(test, name, folder / f"junk-{place}")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("built")


NATIVE = find_tests("pagetable", "duet.native(")
# large_fork asks the same as others, of so much memory that it takes its time.
PROBED = find_tests("cow", "duet.probe(") + find_tests("pagetable", "duet.probe(")
PROBED = [(name, test) for name, test in PROBED if name != "cow-large_fork"]


@pytest.mark.parametrize("name, test", NATIVE, ids=[name for name, _ in NATIVE])
def test_native_programs(
    name: str, test: LabTest, tmp_path: Path, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = Native._build

    def build_once(self: Native) -> None:
        kept = built / Path(self.unit).stem
        if not kept.exists():
            build(self)
            shutil.copy2(self.program, kept)
        shutil.copy2(kept, self.program)

    monkeypatch.setattr(Native, "_build", build_once)
    try_junk(test, name, Native, tmp_path, monkeypatch)


@pytest.mark.parametrize("name, test", PROBED, ids=[name for name, _ in PROBED])
def test_probes(
    name: str, test: LabTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try_junk(test, name, Probe, tmp_path, monkeypatch)


def test_end_of_a_native_program(tmp_path: Path) -> None:
    """Its first words are no number: a failure of who wrote it."""
    native = object.__new__(Native)
    native.duet = Duet(ROOT, BUILD, BUILD, "vkernel", "pagetable", "7", 1.0, tmp_path, "first")
    for text in ("", "ok", "fault", "-1", "0x", "\u00b2", "f" * 5000):
        with pytest.raises(Failure, match="numbers from the start"):
            native._numbers("the start", text)
    assert native._numbers("the start", "0x1f 0 ffffffffffffffff") == [31, 0, (1 << 64) - 1]


RULES = [judge.draws, judge.excludes("ticket"), judge.counts, judge.has_no_race]
RULES += [judge.sleeps("mutex"), judge.wakes_one("mutex"), judge.is_first_come_first_served]
RULES += [judge.interrupts_are_off, judge.wakes_who_waits, judge.passes_values_on]
RULES += [judge.unit_counts(1), judge.readers_and_writers, judge.readers_meet(3)]
RULES += [judge.writers_have_their_turn, judge.readers_have_their_turn, judge.nobody_is_stuck]

SUBJECTS = "ticket mutex counter condvar buffer semaphore reader writer thread".split()
EVENTS = "ask draw enter leave left nested failed count race signal broadcast return".split()
EVENTS += "put take give sleep wake yield stuck end".split()


def test_histories(tmp_path: Path) -> None:
    """Events in an order, and with values, that no run has."""
    choices = random.Random(1)
    duet = Duet(ROOT, BUILD, BUILD, "vkernel", "sync", "7", 1.0, tmp_path, "history")
    failures = 0
    for _ in range(2000):
        lines = []
        for _ in range(choices.randrange(30)):
            words = [f"w{choices.randrange(4)}", choices.choice(SUBJECTS), choices.choice(EVENTS)]
            words += [choices.choice(["0", "1", "7", "9" * 19, "9" * 5000])] * choices.randrange(2)
            lines.append(" ".join(words))
        history = judge.History(duet, judge.parse("\n".join(lines)), "")
        history.stuck = [event.worker for event in history.named("thread stuck")]
        for rule in RULES:
            try:
                rule(history)
            except Failure:
                failures += 1
    assert failures > 2000


def test_status_that_is_no_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Running, "results", lambda _: "exit " + "9" * 5000)
    with Running(make_setup("vkernel", command="true")) as machine:
        outcome = machine.wait(60.0)
    assert not outcome.ended and outcome.status != 0
