"""A child process that renders foreign chat templates, with limits on time, memory and output.

A chat template is a program from a foreign folder. Jinja's immutable sandbox keeps it from reaching Python; the limits
keep it from running for ever or filling the memory. The conventions are those of transformers: `raise_exception`,
`strftime_now`, `tojson` without HTML escapes, `break` and `continue`, `{% generation %}`.

Template and variables go in, text comes out, one JSON line each way.
"""

import json
import os
import re
import sys
import threading
from collections.abc import Collection, Mapping
from datetime import datetime
from subprocess import DEVNULL, PIPE, Popen
from typing import IO, Any, ClassVar, NamedTuple

from trivium.base.errors import DataError

SECONDS = 3.0
MEMORY_BYTES = 512 << 20
OUTPUT_CHARACTERS = 1 << 20


class TemplateError(DataError):
    """A template that cannot be rendered, with the reason."""


class Shape(NamedTuple):
    """What the run of a template depends on: the roles, which messages have a reasoning, and the tools as JSON."""

    roles: tuple[str, ...]
    thinking: tuple[int, ...] = ()
    tools: str = "null"

    def before(self, turn: int) -> "Shape":
        """Return the shape of the conversation before a turn."""
        return Shape(self.roles[:turn], tuple(i for i in self.thinking if i < turn), self.tools)


class Veil:
    """Texts in JSON that do not pass through a template: each has a mark, and comes back into what was rendered.

    A plain word that is no special token needs none, so a template may ask for a key or a type.
    """

    MARK: ClassVar = re.compile("\ue0f2(\\d+)\ue0f2")

    def __init__(self, control: Collection[str]) -> None:
        """`control` are the names of the special tokens."""
        self.control, self.texts = control, list[str]()

    def hide(self, value: Any) -> Any:
        """Return a JSON value with marks in place of texts."""
        if isinstance(value, str) and (not re.fullmatch(r"\w+", value) or any(name in value for name in self.control)):
            self.texts.append(json.dumps(value, ensure_ascii=False)[1:-1])
            return f"\ue0f2{len(self.texts) - 1}\ue0f2"
        if isinstance(value, Mapping):
            return {self.hide(key): self.hide(one) for key, one in value.items()}
        return [self.hide(one) for one in value] if isinstance(value, list | tuple) else value

    def lift(self, text: str) -> str:
        """Return a rendered text with the texts in place of their marks, as they stand in JSON."""
        return self.MARK.sub(lambda mark: self.texts[int(mark[1])], text)


class Sandbox:
    """Render templates in a child process, which starts on the first call and again after it was killed."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._child: Popen[str] | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def render(self, template: str, variables: Mapping[str, Any]) -> str:
        """Return the rendered text; a TemplateError if the template refuses, or exceeds the time or memory."""
        with self._lock:
            child = self._running()
            assert child.stdin is not None and child.stdout is not None
            late = threading.Timer(self.seconds, child.kill)
            late.start()
            try:
                child.stdin.write(json.dumps({"template": template, "variables": variables}) + "\n")
                child.stdin.flush()
                line = child.stdout.readline()
            except OSError:
                line = ""
            finally:
                late.cancel()
        if not line:
            self._child = None
            limits = f"it took more than {self.seconds:g} s, or more than {MEMORY_BYTES >> 20} MiB of memory"
            raise TemplateError(f"the chat template was ended: {limits}")
        answer = json.loads(line)
        if "error" in answer:
            raise TemplateError(f"the chat template: {answer['error']}")
        return str(answer["text"])

    def _running(self) -> Popen[str]:
        if self._child is None or self._owner != os.getpid() or self._child.poll() is not None:
            code = "from trivium.token.sandbox import serve; import sys; serve(sys.stdin, sys.stdout)"
            command, env = [sys.executable, "-c", code], {**os.environ, "PYTHONIOENCODING": "utf-8"}
            self._child = Popen(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, encoding="utf-8", env=env)
            self._owner = os.getpid()
            assert self._child.stdout is not None
            if not self._child.stdout.readline():  # the ready line: the template's time starts after it
                raise TemplateError("the chat template: no process for it could be started; see `ulimit -a`")
        return self._child


def serve(requests: IO[str], answers: IO[str]) -> None:
    """Answer requests until there are no more; this runs in the child."""
    import jinja2

    _limit()
    environment = _environment()
    compiled: dict[str, jinja2.Template] = {}
    print("{}", file=answers, flush=True)
    for line in requests:
        asked = json.loads(line)
        try:
            text = asked["template"]
            template = compiled.setdefault(text, environment.from_string(text))
            size, pieces = 0, []
            for piece in template.generate(**asked["variables"]):
                size += len(piece)
                if size > OUTPUT_CHARACTERS:
                    raise ValueError(f"writes more than {OUTPUT_CHARACTERS:,} characters")
                pieces.append(piece)
            answer = {"text": "".join(pieces)}
        except jinja2.TemplateSyntaxError as wrong:
            answer = {"error": f"line {wrong.lineno}: {wrong.message}"}
        except MemoryError:
            answer = {"error": f"takes more than {MEMORY_BYTES >> 20} MiB of memory"}
        except Exception as wrong:  # a template may raise anything
            answer = {"error": " ".join(str(wrong).split())[:300] or type(wrong).__name__}
        print(json.dumps(answer), file=answers, flush=True)


def _limit() -> None:
    try:
        import resource
    except ImportError:  # this system has no such limits; the parent still limits the time
        return
    # The limit of the processor's time is for a child whose parent has died. Nobody may raise a limit of the user.
    for kind, most in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CPU, 600)):
        hard = resource.getrlimit(kind)[1]
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (limit, limit))


def _environment() -> Any:
    import jinja2
    from jinja2 import ext, nodes, parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(ext.Extension):
        """`{% generation %}` marks the answer of the model; it is dropped here: `jinja` finds answers itself."""

        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: parser.Parser) -> list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def raise_exception(message: str) -> None:
        raise jinja2.TemplateError(message)

    def tojson(
        x: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
    ) -> str:
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )
    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return made
