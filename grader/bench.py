"""`make bench`: what the basic operations cost, side by side, in one run.

The same static program (user/bench/bench.c) runs natively, under User-mode Linux where there is
one, and on release builds of Duet's machines. Medians, with ratios to native Linux; then the
times that a person feels: start to prompt, a build, an edit to the verdict of a test.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Dict, Optional

from grader import image as images
from grader.machine import Setup, run
from grader.processes import cpu_seconds
from grader.terminal import Terminal

OUT = Path("build")
RELEASE = OUT / "release"
BENCH = OUT / "user" / "bench" / "bench"
BOOTS = 7
IDLE_SECONDS = 4.0
SEEDED_ROUNDS = 7
SEEDED_WORK = """
i=0
while [ $i -lt 30 ]; do
    ls -l /bin | sort > /tmp/list; cat /tmp/list | grep e | wc -l > /tmp/count; mkdir /tmp/folder
    mv /tmp/list /tmp/folder/; rm -r /tmp/folder; i=$((i + 1))
done
"""
UML_SECONDS = 300.0

Column = Dict[str, float]


def parse(text: str) -> Column:
    """The lines `NAME VALUE ns` of the program."""
    found = re.findall(r"^(\S+) ([\d.]+) ns\r?$", text, re.MULTILINE)
    return {name: float(value) for name, value in found}


def natively(scratch: Path) -> Column:
    done = subprocess.run(
        [str(BENCH.resolve())], cwd=scratch, stdout=subprocess.PIPE, text=True, check=True
    )
    return parse(done.stdout)


def on_uml(scratch: Path) -> Column:
    """The program as process 1 of User-mode Linux, which panics when that ends: so be it."""
    image = bench_image(scratch, "/bench")
    command = ["linux.uml", "mem=128M", f"ubd0={image}", "root=/dev/ubda", "rw", "quiet"]
    command += ["init=/bench", "con=null", "con0=null,fd:1", "ssl=null"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=UML_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return {}
    return parse(done.stdout.decode("utf-8", "replace"))


def bench_image(scratch: Path, guest: str) -> Path:
    image = images.copy(OUT / "root.img", scratch / "bench.img")
    images.put(image, BENCH, guest)
    return image


def on_duet(machine: str, cpus: int, scratch: Path) -> Column:
    image = bench_image(scratch, "/bin/bench")
    setup = Setup(machine=machine, image=image, writable=True, build=RELEASE, cpus=cpus)
    outcome = run(setup.with_(command="cd /tmp && bench"), timeout=300.0)
    if outcome.status != 0:
        print(f"{machine} -n {cpus} failed: {outcome.errors}{outcome.panic_report()}")
    return parse(outcome.text)


def median_time(action: Callable[[], None], times: int) -> float:
    """The median of what `action` takes, in seconds."""
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        spent.append(time.perf_counter() - start)
    return statistics.median(spent)


def time_to_prompt(machine: str) -> float:
    def boot() -> None:
        setup = Setup(machine=machine, image=OUT / "root.img", build=RELEASE)
        with Terminal(setup) as terminal:
            terminal.expect("# ")

    return median_time(boot, BOOTS)


def idle_share(machine: str) -> float:
    """How much of a core a guest takes that waits at its prompt."""
    with Terminal(Setup(machine=machine, image=OUT / "root.img", build=RELEASE)) as terminal:
        terminal.expect("# ")
        time.sleep(1.0)
        process = terminal.machine.process.pid
        before, start = cpu_seconds(process), time.perf_counter()
        time.sleep(IDLE_SECONDS)
        return (cpu_seconds(process) - before) / (time.perf_counter() - start)


def seeded_cost() -> float:
    """What a shell session with a seed takes, of what it takes without; both on one CPU."""
    setup = Setup("vkernel", OUT / "root.img", SEEDED_WORK, cpus=1, build=RELEASE)

    def work(seed: Optional[int]) -> None:
        outcome = run(setup.with_(seed=seed), timeout=300.0)
        assert outcome.status == 0, outcome.errors + outcome.panic_report()

    ratios = []
    for _ in range(SEEDED_ROUNDS):
        free = median_time(lambda: work(None), 1)
        ratios.append(median_time(lambda: work(1), 1) / free)
    return statistics.median(ratios)


def make(*words: str, stdout: Optional[int] = subprocess.DEVNULL) -> None:
    hidden = ("MAKE", "MFLAGS", "RELEASE")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
    subprocess.run(["make", "-s", *words], stdout=stdout, env=environment, check=True)


def clean_build_time() -> float:
    with tempfile.TemporaryDirectory(prefix="duet-") as folder:
        return median_time(lambda: make(f"-j{os.cpu_count()}", f"OUT={folder}/out"), 1)


def edit_to_verdict() -> float:
    """Change a file of the kernel (its time, that is), and run one test on the vkernel."""

    def edit_and_test() -> None:
        os.utime("kern/syscall.c")
        make("boot", "MACHINE=vkernel", "CMD=/tests/breaks")

    edit_and_test()
    return median_time(edit_and_test, 5)


def print_table(columns: Dict[str, Column]) -> None:
    native = columns["native"]
    print(f"{'':18}" + "".join(f"{name:>22}" for name in columns))
    for row in native:
        cells = []
        for column in columns.values():
            if row not in column:
                cells.append(f"{'-':>22}")
                continue
            ratio = column[row] / native[row]
            cells.append(f"{column[row]:>11,.0f} ns {ratio:>6.4g}x"[:22].rjust(22))
        print(f"{row:18}" + "".join(cells))


def print_ratios(columns: Dict[str, Column]) -> None:
    """What is promised as a ratio of two columns."""
    one, two, four = (columns[f"vkernel -n {n}"] for n in (1, 2, 4))
    uml = columns.get("User-mode Linux", {})
    if uml:
        print("\nvkernel -n 1, times faster than User-mode Linux:")
        print("  " + ", ".join(f"{row} {uml[row] / one[row]:.1f}" for row in uml if row in one))
    print("throughput of four processes (1.0: as with -n 1):")
    for row in ("null-call-by-4", "computation-by-4"):
        if row in one and row in two and row in four:
            print(f"  {row}: -n 2 {one[row] / two[row]:.2f}, -n 4 {one[row] / four[row]:.2f}")
    native = columns["native"]
    if "computation-by-4" in native:
        scale = native["computation"] / native["computation-by-4"]
        print(f"  computation-by-4: {scale:.2f} is what the host itself has over one process")


def main() -> int:
    columns: Dict[str, Column] = {}
    with tempfile.TemporaryDirectory(prefix="duet-") as folder:
        scratch = Path(folder)
        columns["native"] = natively(scratch)
        if shutil.which("linux.uml"):
            columns["User-mode Linux"] = on_uml(scratch)
        columns["vkernel -n 1"] = on_duet("vkernel", 1, scratch)
        columns["vkernel -n 2"] = on_duet("vkernel", 2, scratch)
        columns["vkernel -n 4"] = on_duet("vkernel", 4, scratch)
        columns["x86_64 on TCG"] = on_duet("x86_64", 1, scratch)
    print_table(columns)
    print_ratios(columns)
    for machine in ("vkernel", "x86_64"):
        print(f"\n{machine}: start to prompt  {time_to_prompt(machine) * 1000:8.1f} ms")
        print(f"{machine}: idle at a prompt {idle_share(machine) * 100:8.2f} % of a core")
    print(f"\nvkernel -n 1 with a seed: {seeded_cost():.2f} times what it takes without")
    print(f"\nclean build, -j{os.cpu_count()}:    {clean_build_time():8.2f} s")
    print(f"edit to verdict:      {edit_to_verdict():8.3f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
