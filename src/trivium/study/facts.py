"""Facts: questions about well-known callables of the standard library, answered by their own docstrings.

Rules take the facts from the running interpreter, so nothing is downloaded; anyone can check an answer with `help()`.
They test recall of trained facts under new wording, not generalisation: every fact is in the training rows, only some
wordings of its question are not. Rows are plain dictionaries.
"""

import importlib
import inspect
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trivium.base.files import writing
from trivium.base.seeds import generator

ANSWER_CHARS = (15, 85)
CONTEXT_CHARS = 300
LIMIT = 400
HELDOUT = 200

_TABLE = """
builtins: abs all any bin bool callable chr compile divmod enumerate eval exec filter float frozenset getattr hasattr
    hash hex id input int isinstance issubclass iter len list locals map max min next oct ord pow print repr reversed
    round set setattr slice sorted staticmethod str sum tuple zip;
builtins.str:; builtins.list:; builtins.dict:;
builtins.set: add clear copy difference discard intersection isdisjoint issubset issuperset pop remove
    symmetric_difference union update;
builtins.bytes: decode fromhex hex; builtins.int: bit_count bit_length from_bytes to_bytes; os.path:;
os: chdir chmod close cpu_count getcwd getenv getpid kill listdir makedirs mkdir read remove rename replace rmdir
    scandir stat symlink system urandom walk write;
pathlib.Path: as_posix exists is_absolute is_dir is_file iterdir match mkdir read_bytes read_text rename resolve rmdir
    touch unlink with_name with_suffix write_bytes write_text;
shutil: copy copy2 copyfile copytree disk_usage move rmtree unpack_archive; json:; re:; itertools:;
functools: cache cmp_to_key lru_cache total_ordering wraps; collections: Counter OrderedDict deque namedtuple;
collections.deque: append appendleft extend extendleft pop popleft rotate; collections.Counter: most_common total;
math: acos asin ceil comb cos degrees dist exp fabs floor gcd hypot isinf isnan isqrt log10 log2 perm prod radians sin
    sqrt tan trunc;
random: choice choices randint randrange sample seed shuffle;
statistics: mean median mode multimode quantiles stdev variance; heapq:; bisect:; copy:; glob:;
fnmatch: fnmatch translate; textwrap: dedent fill indent shorten wrap; shlex: quote split; string:;
io: BytesIO StringIO open; time: ctime localtime monotonic perf_counter sleep strftime strptime time;
datetime: timedelta timezone; datetime.datetime: isoweekday now replace timestamp;
logging: basicConfig debug error getLogger; subprocess: Popen call check_output getoutput run;
subprocess.Popen: communicate kill poll wait; threading: Event Thread active_count current_thread;
threading.Thread: is_alive join start; queue.Queue: get join put;
tempfile: NamedTemporaryFile TemporaryDirectory mkdtemp mkstemp;
contextlib: ExitStack closing nullcontext redirect_stderr redirect_stdout suppress;
dataclasses: dataclass field fields make_dataclass replace; operator: contains countOf itemgetter;
urllib.parse: parse_qs unquote urlencode urlsplit; socket: create_connection gethostname; zipfile: ZipFile is_zipfile;
hashlib: file_digest sha256; base64: b64decode; gzip: open;
inspect: cleandoc getdoc getfile getmembers getsource signature; ast: dump literal_eval parse;
struct: calcsize unpack; enum: Enum unique; typing: cast get_type_hints; pprint: pprint
"""
HOMES = {home.strip(): names.strip() for home, names in (line.split(":") for line in _TABLE.split(";"))}
"""Modules and classes for beginners, each with its chosen callables; an empty choice is all public ones."""

TRAIN: tuple[str, ...] = ("What does {} do?", "Explain {}.", "What is {} for?", "Tell me about {}.", "Describe {}.")
TRAIN += ("What is the purpose of {}?", "What happens when I call {}?", "Can you explain what {} does?")
TRAIN += ("How would you describe {}?",)
UNSEEN = ("What is {} used for?", "In one sentence, what does {} do?", "Please tell me what {} does.")
"""Wordings that no training row of any fact uses."""

_SIGNATURE = re.compile(r"[\w.]+\(.*\)(\s*-+>\s*\S+(\s+\S+){0,3})?")
_RESULT = re.compile(r"^[\w.]+\([^>]*\)\s*-+>\s*(?:(?:None\.|\w,)\s+)?")
_MARKUP = (
    (re.compile(r"`{1,2}([^`]+)`{1,2}"), r"\1"),
    (re.compile(r":\w+:(?=\w)"), ""),
    (re.compile(r"(?<![\w*(])\*([A-Za-z_][\w ]*)\*(?!\w)"), r"\1"),
)
_STOP = re.compile(r"(?<!\.)(?<!e\.g)(?<!i\.e)(?<!\betc)(?<!\bvs)\.(?=\s|$)")
_UNFIT = re.compile(r"^(If|This|Typical|Without)\b|->|--|:\.?$|::|>>>|`|deprecated|obsolete|\b[A-Z]\.\w", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fact:
    """The usual name of a callable, one sentence about it, and the start of its docstring, which begins with it."""

    name: str
    answer: str
    context: str


class Questions(NamedTuple):
    """Rows to fine-tune on, and rows that ask for the same facts in other wordings."""

    train: list[dict[str, Any]]
    heldout: list[dict[str, Any]]


def collect(limit: int = LIMIT) -> list[Fact]:
    """Return the first `limit` facts in the order of `HOMES`, without a second callable with the same answer."""
    facts: dict[str, Fact] = {}
    for name, thing in _callables():
        sentences = _sentences(inspect.getdoc(thing) or "")
        if sentences and _fits(sentences[0]) and sentences[0] not in facts:
            facts[sentences[0]] = Fact(name, sentences[0], _opening(sentences))
    return list(facts.values())[:limit]


def rows(facts: list[Fact], seed: int) -> Questions:
    """Return rows that ask for every fact in each training wording, in all row formats, and for some in unseen ones.

    The pairs of wording and format change with the fact, so a wording does not reveal a format.
    """
    train: list[dict[str, Any]] = []
    for index, fact in enumerate(facts):
        other = facts[(index + 1 + int(generator(seed, index).integers(max(1, len(facts) - 1)))) % len(facts)]
        turn = [TRAIN[(index + step) % len(TRAIN)] for step in range(len(TRAIN))]
        ask = [phrasing.format(fact.name) for phrasing in turn]
        train.append({"question": ask[0], "context": fact.context, "answer": fact.answer})
        train += [{"question": question, "context": "", "answer": fact.answer} for question in ask[1:5]]
        train.append(_dialogue([(turn[8].format(other.name), other.answer)], ask[5], fact.answer))
        train.append(_dialogue([], ask[6], fact.answer))
        train += [{"instruction": question, "input": "", "outputs": _references(fact)} for question in ask[7:]]
    chosen = np.sort(generator(seed).permutation(len(facts))[:HELDOUT])
    heldout = [
        {"instruction": UNSEEN[n % len(UNSEEN)].format(facts[i].name), "input": "", "outputs": _references(facts[i])}
        for n, i in enumerate(chosen)
    ]
    return Questions(train, heldout)


def write(folder: str | Path, facts: list[Fact], seed: int) -> Questions:
    """Write `train.jsonl` and `heldout.jsonl` into a folder; return their rows."""
    questions = rows(facts, seed)
    for name, part in questions._asdict().items():
        with writing(Path(folder) / f"{name}.jsonl", "w") as handle:
            handle.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in part)
    return questions


def _references(fact: Fact) -> list[str]:
    """Return every form of the answer in training, the plain sentence first."""
    return [fact.answer, f"{fact.name}: {fact.answer}"]


def _dialogue(before: Iterable[tuple[str, str]], question: str, answer: str) -> dict[str, Any]:
    turns = [turn for asked, said in before for turn in (("user", asked), ("assistant", said))]
    spoken = [{"speaker": speaker, "text": text} for speaker, text in [*turns, ("user", question)]]
    return {"dialogue": spoken, "response": answer}


def _callables() -> Iterator[tuple[str, Any]]:
    """Yield (usual name, callable) of the public callables of `HOMES`, shorter names first, without exceptions."""
    for home, wanted in HOMES.items():
        owner = _resolve(home)
        if inspect.isclass(owner):
            public = [name for name in dir(owner) if not name.startswith("_")]
        else:
            public = [name for name, thing in vars(owner).items() if _owned(thing, owner, name)]
        for name in sorted(set(public) & set(wanted.split() or public), key=lambda name: (len(name), name)):
            thing = getattr(owner, name)
            if inspect.isroutine(thing) or (inspect.isclass(thing) and not issubclass(thing, BaseException)):
                yield f"{home}.{name}".removeprefix("builtins."), thing


def _resolve(home: str) -> Any:
    try:
        return importlib.import_module(home)
    except ModuleNotFoundError:
        module, _, name = home.rpartition(".")
        return getattr(importlib.import_module(module), name)


def _owned(thing: Any, module: Any, name: str) -> bool:
    """Return whether a module defines a name itself, or names it in `__all__`."""
    if names := getattr(module, "__all__", None):
        return name in names
    return not name.startswith("_") and (getattr(thing, "__module__", None) or "").strip("_") == module.__name__


def _sentences(doc: str) -> list[str]:
    """Return the sentences of the first prose paragraphs, each on one line, without signatures and markup."""
    found: list[str] = []
    for paragraph in re.split(r"\n\s*\n", doc.strip()):
        lines = paragraph.splitlines()
        while lines and _SIGNATURE.fullmatch(lines[0].strip()):
            del lines[0]
        if not lines or lines[0].startswith((" ", ">>>")):
            if found:
                break
            continue
        text, spoken = _RESULT.subn("", " ".join(" ".join(lines).split()))
        for pattern, plain in _MARKUP:
            text = pattern.sub(plain, text)
        text = text[:1].upper() + text[1:] if spoken else text
        if len(text.split()) > 2:
            parts = (part.strip() for part in _STOP.split(text))
            found += [part if part.endswith((".", ".)")) else f"{part}." for part in parts if part]
        if len(found) > 3:
            break
    return found


def _fits(answer: str) -> bool:
    """Return whether a sentence can be an answer by itself."""
    low, high = ANSWER_CHARS
    whole = answer.count("(") == answer.count(")") and answer[:1].isupper() and len(answer.split()) > 2
    return whole and low <= len(answer) <= high and answer.isascii() and not _UNFIT.search(answer)


def _opening(sentences: list[str]) -> str:
    """Return as many whole sentences as fit `CONTEXT_CHARS`."""
    text = sentences[0]
    for sentence in sentences[1:]:
        if len(text) + 1 + len(sentence) > CONTEXT_CHARS:
            break
        text += " " + sentence
    return text
