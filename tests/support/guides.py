"""
A reader who follows pages of the documentation in one project, exactly and one after another.

A block of a page says what the reader does with it: `<!-- test: PROJECT STEP -->`. PROJECT is a word for the project,
"guide" for the one in which all guides are followed, "reports" for the other server; these are the steps:

- a path, such as `mysite/settings.py`: append the block to this file;
- `new` and a path: make the block the whole content of this file;
- `bash`: run it in a terminal; lines such as `# {"hello":"alice"}` are the answers, in which `...` may be anything.
  Every command must succeed, and what a command of this app asks is answered with "yes". `path/to/checkout` is this
  checkout;
- `refused`: the same, and the last command must fail;
- `shell`: type it into `manage.py shell`. Later blocks find its names, until a file changes;
- `console`: the server's console has shown these lines, once each;
- `by hand`: nobody does it here.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import takewhile
from pathlib import Path

from tests.support import ROOT
from tests.support.clients import PASSWORD
from tests.support.docs import BLOCKS, Block
from tests.support.projects import Project

_STEPS = Path(__file__).with_name("guide_steps.py")

# curl's answers don't end with a line break. Functions last from one block to the next, as in a terminal.
_BEFORE = """
set -eo pipefail
test ! -e .functions || . ./.functions
curl() { command curl "$@" && echo; }
cat() { command cat "$@" && echo; }
"""
_AFTER = "\ndeclare -f > .functions\n"


class Reader:
    """
    Follows pages in `project`; the server runs when a page needs it, with the settings of that moment.

    Args:
        name: the word for the project.
        address: where the pages say that its server runs.
        other: the reader who follows the same pages in another project.
    """

    def __init__(
        self, project: Project, name: str, *, address: str = "localhost:8000", other: "Reader | None" = None
    ) -> None:
        self.project, self.name, self.address = project, name, address
        self._readers = [self, *filter(None, [other])]
        for reader in self._readers:
            reader._readers = self._readers
        self._steps: list[tuple[str, str, str]] = []  # for the next process
        self._changed: list[str] = []  # the blocks that changed a file which no process has read yet
        self._page_begins: int | None = None  # the step before which another page begins, if none of it was taken
        self._stack = ExitStack()
        self._host = ""

    def follow(self, *pages: Path) -> None:
        """Do what each block of the pages says, in their order."""
        try:
            for number, page in enumerate(pages):
                self._page_begins = len(self._steps) if number else None
                self._follow_blocks(block for block in BLOCKS if block.page == page)
            for reader in self._readers:
                reader._take_steps()
        finally:
            for reader in self._readers:
                reader._stop()

    def write_first_files(self, page: Path, name: str) -> None:
        """Write the files of the page in the project `name`, until the page has something to run."""
        steps = ((block, block.step_in(name)) for block in BLOCKS if block.page == page)
        for block, step in takewhile(lambda found: found[1] not in ("bash", "shell"), steps):
            if step:
                self._do(block, step)

    def _follow_blocks(self, blocks: Iterable[Block]) -> None:
        for block in blocks:
            for reader in self._readers:
                if step := block.step_in(reader.name):
                    reader._do(block, step)

    def _do(self, block: Block, step: str) -> None:
        if step == "shell":
            self._steps.append((str(block), "shell", block.code))
        elif step == "bash" and _only_commands(block.code):
            self._steps.append((str(block), "manage", block.code))
        elif step in ("bash", "refused"):
            self._type(block, step == "refused")
        elif step == "console":
            _compare(block, self.project.console.read_text().splitlines(), block.code.splitlines())
        elif step != "by hand":
            if self._steps:
                self._take_steps()
            self._stop()
            self._write(step, block.code)
            self._changed.append(str(block))

    def _write(self, step: str, code: str) -> None:
        path = step.removeprefix("new ")
        if path != step:
            (self.project.root / path).write_text("")
        self.project.append(path, self._at_real_addresses(code))

    def _take_steps(self) -> None:
        """Take the steps that wait, in one process; Django's checks are the first one if a file has changed."""
        if self._page_begins is not None and (self._steps or self._changed):
            self._steps.insert(self._page_begins, ("another page", "later", ""))
            self._page_begins = None
        if self._changed:
            check = (", ".join(self._changed), "manage", "python manage.py check --fail-level WARNING")
            self._steps.insert(0, check)
        if self._steps:
            given, self._steps, self._changed = json.dumps(self._steps), [], []
            told = self.project.run(sys.executable, str(_STEPS), given=given, TYPED_PASSWORD=PASSWORD)
            assert told.endswith("All steps were taken.\n"), told

    def _type(self, block: Block, refused: bool) -> None:
        code = self._at_real_addresses(block.code).replace("path/to/checkout", str(ROOT))
        self._take_steps()
        if refused:
            code = f"if {{\n{code}\n}}; then exit 1; fi"
        try:
            shown = self.project.bash(_BEFORE + code + _AFTER)
        except AssertionError as error:
            raise AssertionError(f"{block}: {error}") from None
        expected = [line[2:] for line in block.code.splitlines() if line.startswith("# {")]
        _compare(block, [line for line in shown.splitlines() if line.startswith("{")], expected)

    def _at_real_addresses(self, code: str) -> str:
        """Return `code` with the addresses of the servers that it names, which run from now on."""
        for reader in self._readers:
            if reader.address in code:
                code = code.replace(reader.address, reader._started())
        return code

    def _started(self) -> str:
        """Return the host and port of the server. When it starts, it runs Django's checks."""
        if not self._host:
            if self._steps:
                self._take_steps()
            self._host = self._stack.enter_context(self.project.serving())
            told = self.project.console.read_text().rpartition("Performing system checks...")[2]
            assert "System check identified no issues" in told, f"{self._changed}: {told}"
            self._changed = []
        return self._host

    def _stop(self) -> None:
        self._stack.close()
        self._host = ""


def _only_commands(code: str) -> bool:
    """Return whether the block has only commands of Django, and their output goes to a file at most."""
    lines = [re.sub("(^| )#.*", "", line) for line in code.replace("\\\n", "").splitlines()]
    return all(re.fullmatch(r"python manage\.py [^|<>$;&]*(> [\w.]+)?", line) for line in lines if line)


def _compare(block: Block, shown: Sequence[str], expected: Sequence[str]) -> None:
    """Compare lines that were shown with those of a page."""
    found = [line for line in shown if any(_fits(line, pattern) for pattern in expected)]
    assert len(found) == len(expected), f"{block}: {shown} is not {expected}"
    assert all(map(_fits, found, expected)), f"{block}: {shown} is not {expected}"


def _fits(line: str, pattern: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("..."))), line) is not None


def pages_in_order() -> Iterator[Path]:
    """Yield the tutorial, and the guides in the order of the overview."""
    overview = ROOT / "docs" / "README.md"
    targets = re.findall(r"\]\(((?:tutorial|how-to/[\w-]+)\.md)", overview.read_text())
    for target in dict.fromkeys(targets):
        yield overview.parent / target
