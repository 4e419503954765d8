"""
The process from which other Python processes are forked; see tests/support/forks.py.

It has imported libraries, but nothing of this app, and nothing that reads a setting: it has no settings, so such an
import fails here. A process that is forked sets Django up by itself, and reads the files of its project anew.

Each line of its standard input is a request as JSON, and each line of its standard output the answer to one.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from types import ModuleType

_LIBRARIES = (
    *("cryptography.fernet", "cryptography.hazmat.primitives.asymmetric.dh", "inflection", "jwt", "requests"),
    *("cryptography.hazmat.primitives.asymmetric.ed25519", "cryptography.hazmat.primitives.asymmetric.rsa"),
    *("cryptography.hazmat.primitives.asymmetric.padding", "cryptography.hazmat.primitives.kdf.hkdf"),
    *("cryptography.x509", "pygments.formatters.html", "pygments.lexers.special", "uritemplate", "yaml"),
    *("django.conf.urls", "django.contrib.admin.templatetags.admin_list", "django.contrib.admin.views.main"),
    *("django.contrib.admindocs.views", "django.contrib.auth.apps", "django.contrib.auth.password_validation"),
    *("django.contrib.auth.tokens", "django.contrib.contenttypes.apps", "django.contrib.messages.apps"),
    *("django.contrib.messages.middleware", "django.contrib.postgres.forms", "django.contrib.postgres.search"),
    *("django.contrib.sessions.apps", "django.contrib.sessions.middleware", "django.contrib.sites.shortcuts"),
    *("django.contrib.staticfiles.apps", "django.core.cache.backends.db", "django.core.cache.backends.locmem"),
    *("django.core.management.commands.makemigrations", "django.core.management.commands.migrate"),
    *("django.core.management.commands.runserver", "django.core.management.commands.startproject"),
    *("django.core.servers.basehttp", "django.core.wsgi", "django.db.backends.sqlite3.base"),
    *("django.middleware.clickjacking", "django.middleware.common", "django.middleware.security"),
    *("django.template.defaulttags", "django.template.loader_tags", "django.templatetags.cache"),
    *("django.templatetags.i18n", "django.templatetags.l10n", "django.templatetags.tz", "django.test.client"),
    *("django.utils.translation.reloader", "django.views.csrf", "django.views.debug", "django.views.defaults"),
)


def _serve() -> dict | None:
    """Answer requests. Return None at their end, and in a process that was forked the request for it."""
    running = set()
    for line in os.fdopen(os.dup(0)):
        request = json.loads(line)
        if "command" in request:
            answer = os.fork()
            if not answer:
                return request
            running.add(answer)
        else:
            pid, status = os.waitpid(request["pid"], request["options"])
            answer = os.waitstatus_to_exitcode(status) if pid else None
            running -= {pid}
        print(json.dumps(answer), flush=True)  # noqa: T201  # the pipe to the process that asked
    for pid in running:
        os.kill(pid, signal.SIGTERM)
    return None


def _become(request: dict) -> None:
    """Run the command of the request, as `python` runs it."""
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for number, (path, flags) in enumerate(request["files"]):
        file = os.open(path, flags, 0o600)
        os.dup2(file, number)
        os.close(file)
    # The readers of the files see each line at once.
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", 1, closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    signal.alarm(request["seconds"])  # ends a process that hangs; 0 is none
    if action := os.environ.get("PYTHONWARNINGS"):
        warnings.simplefilter(action)
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    own = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    how, *rest = request["command"]
    is_file = how not in ("-c", "-m")
    rest_of_path = (each for each in _PATH if each not in own)  # a directory of an editable install may be in both
    sys.path[:] = [str(Path(how).resolve().parent) if is_file else "", *filter(None, own), *rest_of_path]
    sys.argv[:] = [how, *rest] if is_file else [how, *rest[1:]]
    if how == "-c":
        sys.modules["__main__"] = main = ModuleType("__main__")
        exec(compile(rest[0], "<string>", "exec"), vars(main))
    elif how == "-m":
        sys.path[0] = str(Path.cwd())
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(how, run_name="__main__")


_PATH = sys.path[1:]  # without this directory

if __name__ == "__main__":
    for name in _LIBRARIES:
        with suppress(ImportError):  # an optional one
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # nobody has to look at all this again
    if asked := _serve():
        _become(asked)
