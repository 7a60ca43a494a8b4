"""`make package LAB=NAME FORMAT=... TO=FOLDER`: an autograder for a platform, ready to upload.

What all packages have in common is the folder duet/: the lab's handout, so without its solution,
with the hidden tests in it. A script sets it up once (tools, root image, pristine kernel), and a
script judges one submission and writes the result where the platform looks for it. The
scripts find the platform's folders in a variable, so that they can be tried anywhere.

    gradescope      a zip file with setup.sh and run_autograder
    autolab         autograde.tar and autograde-Makefile, and a Dockerfile for its virtual machines
    prairielearn    a question: info.json, question.html, and a Dockerfile for the image
    github          a workflow for GitHub Classroom, and the grader's repository
    plain           a folder with setup and grade, for your own machines
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tarfile
import tempfile
import uuid
import zipfile
from pathlib import Path
from typing import Callable, Dict, Sequence

from grader import handout
from grader.lab import Lab, LabError, load

PACKAGES = "gcc libc6-dev make mawk e2fsprogs python3 python3-pytest python3-tomli bubblewrap"
EMULATOR = " qemu-system-x86"

SETUP = """\
#!/bin/sh
# Install what the grader needs, and build what all submissions share.
set -e
cd "$(dirname "$0")/duet"
if [ -z "$DUET_NO_INSTALL" ]; then
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {packages}
fi
make -s root-image
exec /usr/bin/python3 -m grader grade --lab {lab} --machine '{machine}' --prepare
"""

JUDGE = """/usr/bin/python3 -m grader grade --lab {lab} --machine '{machine}' """

RUN_GRADESCOPE = """\
#!/bin/sh
# Judge /autograder/submission. No results.json means that the infrastructure failed.
base=${{AUTOGRADER:-/autograder}}
cd "$base/source/duet" && mkdir -p "$base/results"
{judge}--submission "$base/submission" --write gradescope:"$base/results/results.json"
[ -s "$base/results/results.json" ]
"""

RUN_AUTOLAB = """\
#!/bin/sh
# Judge the hand-in; Autolab reads the last line of the output.
cd "$(dirname "$0")/duet" || exit 1
{judge}--quiet --submission "$1" --write autolab:../autolab.out
cat ../autolab.out
"""

AUTOLAB_MAKEFILE = """\
# Autolab puts the hand-in beside this file under the name that the assessment gives it.
HANDIN ?= handin.tar

all:
\t@tar xf autograde.tar
\t@DUET_NO_INSTALL=1 ./setup >setup.log 2>&1 || {{ cat setup.log; exit 1; }}
\t@./run "$(CURDIR)/$(HANDIN)"
"""

RUN_PRAIRIELEARN = """\
#!/bin/sh
# Judge /grade/student and write /grade/results/results.json.
base=${{GRADE:-/grade}}
cd "$(dirname "$0")/duet" && mkdir -p "$base/results"
{judge}--submission "$base/student" --write prairielearn:"$base/results/results.json"
[ -s "$base/results/results.json" ]
"""

QUESTION = """\
<pl-question-panel>
  <p>Hand in your files of the lab <em>{title}</em>.</p>
  <pl-file-upload file-names="{names}"></pl-file-upload>
</pl-question-panel>
<pl-submission-panel>
  <pl-external-grader-results></pl-external-grader-results>
  <pl-file-preview></pl-file-preview>
</pl-submission-panel>
"""

DOCKERFILE = """\
FROM debian:12
COPY . /opt/grader/
RUN chmod -R go-rwx /opt/grader && /opt/grader/setup
"""

RUN_GITHUB = """\
#!/bin/sh
# Judge a student's repository, given as an argument, in a step of a workflow. What the student's
# kernel prints must not be taken for commands of the workflow.
submission=$(cd "$1" && pwd)
cd "$(dirname "$0")/duet" || exit 1
token=stop-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \\n')
echo "::stop-commands::$token"
{judge}--submission "$submission" --write github:../github.out
echo "::$token::"
cat ../github.out >> "$GITHUB_OUTPUT"
"""

WORKFLOW = """\
# Copy this to .github/workflows/classroom.yml of the template repository. The folder grader/ of the
# package goes to a private repository, named in the organisation's variable DUET_GRADER and read
# with the secret DUET_GRADER_TOKEN, so that hidden tests stay hidden.
name: Autograding
on: [push, workflow_dispatch]
permissions: {{checks: write, actions: read, contents: read}}
jobs:
  grade:
    runs-on: ubuntu-latest
    if: github.actor != 'github-classroom[bot]'
    steps:
      - uses: actions/checkout@v4
        with: {{path: submission, persist-credentials: false}}
      - uses: actions/checkout@v4
        with:
          repository: ${{{{ vars.DUET_GRADER }}}}
          token: ${{{{ secrets.DUET_GRADER_TOKEN }}}}
          path: grader
          persist-credentials: false
      - run: sudo grader/setup
      - id: duet
        run: sudo --preserve-env=GITHUB_OUTPUT grader/run submission
      - uses: classroom-resources/autograding-grading-reporter@v1
        env: {{DUET_RESULTS: "${{{{ steps.duet.outputs.result }}}}"}}
        with: {{runners: duet}}
"""

RUN_PLAIN = """\
#!/bin/sh
# ./grade SUBMISSION [RESULT.json]: judge a folder, an archive or a repository.
[ $# -ge 1 ] || {{ echo "usage: $0 SUBMISSION [RESULT.json]" >&2; exit 2; }}
submission=$(realpath "$1"); result=$(realpath -m "${{2:-result.json}}")
cd "$(dirname "$0")/duet" || exit 1
{judge}--submission "$submission" --json "$result"
"""


def put(path: Path, text: str, is_program: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.chmod(path, 0o755 if is_program else 0o644)


def write_tree(lab: Lab, tree: Path) -> None:
    """The lab's handout, with the hidden tests."""
    handout.write_handout(lab, tree)
    shutil.copytree(lab.folder / "tests", tree / "labs" / lab.name / "tests", dirs_exist_ok=True)
    shutil.copy2(lab.folder / "lab.toml", tree / "labs" / lab.name)
    for folder in tree.rglob("__pycache__"):
        shutil.rmtree(folder)


def write_common(lab: Lab, folder: Path, machine: str, run: str, name: str = "run") -> None:
    """duet/, the setup, and the script that judges."""
    write_tree(lab, folder / "duet")
    packages = PACKAGES + (EMULATOR if machine != "vkernel" else "")
    put(folder / "setup", SETUP.format(packages=packages, lab=lab.name, machine=machine), True)
    put(folder / name, run.format(judge=JUDGE.format(lab=lab.name, machine=machine)), True)


def gradescope(lab: Lab, machine: str, target: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_common(lab, folder, machine, RUN_GRADESCOPE, "run_autograder")
        (folder / "setup").rename(folder / "setup.sh")
        with zipfile.ZipFile(target / f"{lab.name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.rglob("*")):
                archive.write(path, path.relative_to(folder))


def autolab(lab: Lab, machine: str, target: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_common(lab, folder, machine, RUN_AUTOLAB)
        with tarfile.open(target / "autograde.tar", "w") as archive:
            for name in ("duet", "setup", "run"):
                archive.add(folder / name, name)
    put(target / "autograde-Makefile", AUTOLAB_MAKEFILE.format())
    packages = PACKAGES + (EMULATOR if machine != "vkernel" else "")
    install = f"apt-get update && apt-get install -y --no-install-recommends {packages}"
    put(target / "Dockerfile", f"FROM debian:12\nRUN {install}\n")


def prairielearn(lab: Lab, machine: str, target: Path) -> None:
    write_common(lab, target / "image", machine, RUN_PRAIRIELEARN)
    put(target / "image" / "Dockerfile", DOCKERFILE)
    options = {"enabled": True, "image": f"duet-{lab.name}", "timeout": 600}
    options["entrypoint"] = "/opt/grader/run"
    info = {"uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"duet/{lab.name}")), "type": "v3"}
    table = {**info, "title": lab.title, "topic": "Operating systems", "gradingMethod": "External"}
    question = {**table, "externalGradingOptions": options}
    put(target / "question" / "info.json", json.dumps(question, indent=4) + "\n")
    names = ", ".join(Path(name).name for name in lab.files)
    put(target / "question" / "question.html", QUESTION.format(title=lab.title, names=names))


def github(lab: Lab, machine: str, target: Path) -> None:
    write_common(lab, target / "grader", machine, RUN_GITHUB)
    put(target / "classroom.yml", WORKFLOW.format())


def plain(lab: Lab, machine: str, target: Path) -> None:
    write_common(lab, target, machine, RUN_PLAIN, "grade")


FORMATS: Dict[str, Callable[[Lab, str, Path], None]] = {
    "gradescope": gradescope,
    "autolab": autolab,
    "prairielearn": prairielearn,
    "github": github,
    "plain": plain,
}


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="grader package", description=__doc__)
    parser.add_argument("--lab", required=True)
    parser.add_argument("--format", required=True)
    parser.add_argument("--machine", default="vkernel")
    parser.add_argument("--to", type=Path, required=True)
    options = parser.parse_args(words)
    try:
        if options.format not in FORMATS:
            raise LabError(f"FORMAT={options.format}: must be one of {', '.join(FORMATS)}")
        if options.to.exists() and any(options.to.iterdir()):
            raise LabError(f"{options.to} is there already, and not empty")
        options.to.mkdir(parents=True, exist_ok=True)
        FORMATS[options.format](load(options.lab), options.machine, options.to)
    except (LabError, handout.HandoutError) as error:
        print(f"package: {error}", file=sys.stderr)
        return 2
    print(f"The {options.format} package of lab {options.lab} is in {options.to}.")
    return 0
