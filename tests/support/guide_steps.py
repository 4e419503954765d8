"""
Take steps of a guide in the project of the current directory: one process for all steps that need no new one.

The steps are JSON on the standard input: [[block, kind, code], ...]; see tests/support/guides.py.
"""

import getpass
import json
import os
import shlex
import sys
from contextlib import redirect_stdout
from datetime import timedelta
from pathlib import Path

import django
from django.core.management import ManagementUtility
from django.db.models import F

from tests.support.commands import Terminal


def take(kind, code, names):
    if kind == "shell":
        exec(compile(code, "the shell", "exec"), names)
        return
    if kind == "later":
        let_time_pass()
        return
    for line in code.replace("\\\n", "").splitlines():
        arguments = shlex.split(line, comments=True)[1:]
        if ">" in arguments:
            *arguments, _, file = arguments
            with Path(file).open("w") as output, redirect_stdout(output):
                run(arguments)
        elif arguments:
            run(arguments)


def let_time_pass():
    """Put what was revoked for everybody back by more than LEEWAY: a person needs longer for a page than we do."""
    from jwt_auth.models import RevocationEvent

    # A client's tokens are refused until LEEWAY after a cutoff, because its clock may be ahead.
    RevocationEvent.objects.filter(scope="all").update(cutoff=F("cutoff") - timedelta(minutes=1))


def run(arguments):
    sys.stdin = Terminal("yes\n")  # the answer to whatever the command asks
    ManagementUtility(arguments).execute()


def main():
    django.setup()
    steps, names = json.load(sys.stdin), {"__name__": "__main__"}
    getpass.getpass = lambda *args, **kwargs: os.environ["TYPED_PASSWORD"]
    for block, kind, code in steps:
        sys.stdout.write(f"{block}:\n")  # an error follows its block
        sys.stdout.flush()
        take(kind, code, names)
    sys.stdout.write("All steps were taken.\n")


if __name__ == "__main__":
    sys.path.insert(0, "")
    main()
