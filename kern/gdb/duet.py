"""The Duet kernel in gdb: loads the `duet` commands and what makes gdb fit the kernel.

    gdb build/vkernel/duet -x kern/gdb/duet.py
    gdb build/x86_64/duet -x kern/gdb/duet.py -ex 'target remote :1234'

docs/debugging.md shows what can be done with it. The script reads the kernel's structures, so
it lies with the kernel and changes with them.
"""

import sys
from pathlib import Path

import gdb

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

import commands  # noqa: E402
import registers  # noqa: E402

SETTINGS = (
    # Signals that are interrupts on a machine that is a process.
    "handle SIGUSR1 SIGALRM SIGCHLD nostop noprint pass",
    # That machine's user programs are other processes, which are none of gdb's business.
    "set follow-fork-mode parent",
    "set detach-on-fork on",
    "set print inferior-events off",
    "set print thread-events off",
    "set pagination off",
    "set print frame-arguments all",
)

for setting in SETTINGS:
    gdb.execute(setting, to_string=True)
registers.install()
commands.register_commands()
