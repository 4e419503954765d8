"""The example project, in processes of its own."""

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from functools import partial

from django.conf import settings

from tests.support import forks

SETTINGS = ["example_project.settings", "example_project.settings_custom_user"]

# The lines of a settings module with a fast password hasher.
FAST = 'PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]\n'

# What the demo says at the end, once it serves.
SERVES = "Ctrl-C stops the server"


def environment(data_dir, module):
    """Return the environment of a manage.py whose data, and perhaps settings module, are in `data_dir`."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": module,
        "EXAMPLE_DATA_DIR": str(data_dir),
        "PYTHONPATH": os.pathsep.join([str(data_dir), os.environ.get("PYTHONPATH", "")]),
        "PYTHONWARNINGS": "error",
    }


def manage(data_dir, module, *arguments):
    """Run manage.py and return the completed process."""
    own = environment(data_dir, module)
    return forks.run("manage.py", *arguments, cwd=settings.BASE_DIR, environment=own, apart=True)


def write_settings(data_dir, line, module=SETTINGS[0]):
    """Write a settings module into `data_dir`, one of the example project's with one more line, and return its name."""
    (data_dir / "changed_settings.py").write_text(f"from {module} import *\n{line}\n")
    return "changed_settings"


@contextmanager
def demo(data_dir, module, *arguments, until, stdin=subprocess.DEVNULL):
    """Run the demo in the block; the value is the process, and its output up to the words `until`."""
    with subprocess.Popen(
        [sys.executable, "manage.py", "demo", *arguments],
        cwd=settings.BASE_DIR,
        env=environment(data_dir, module),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Processes in the background of a shell may ignore Ctrl-C.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            yield process, read(process, until)
        finally:
            process.terminate()


def read(process, until):
    said = ""
    while until not in said and (character := process.stdout.read(1)):
        said += character
    assert until in said, said
    return said


def passwords_of(output):
    return dict(re.findall(r"^   (alice|bob|admin) +(\S+)$", output, re.MULTILINE))


def port_of(output):
    return int(re.search(r"http://(?:127\.0\.0\.1|localhost):(\d+)/", output)[1])
