"""The example project, in processes of its own."""

import os
import subprocess
import sys

from django.conf import settings

SETTINGS = ["example_project.settings", "example_project.settings_custom_user"]


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
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR,
        env=environment(data_dir, module),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def write_settings(data_dir, line):
    """Write a settings module into `data_dir`, the example project's with one more line, and return its name."""
    (data_dir / "changed_settings.py").write_text(f"from example_project.settings import *\n{line}\n")
    return "changed_settings"
