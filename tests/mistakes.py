"""Wrong command lines, hundreds of them: what people type, and what no command may take.

Every number of every option and of every field of a recipe is tried below and above its bounds and as no number at all;
words, files and folders are wrong in the ways that people get them wrong. Each line must end with exit code 2, one line
on the error stream, and nothing written. `places` makes the folder in which the lines are run.
"""

import json
import math
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from pydantic.fields import FieldInfo

import small
from trivium.base.config import Choice, Config
from trivium.base.explain import configs
from trivium.cli import app, run
from trivium.train.recipe import Recipe

Words = list[str]

RIGHT: dict[str, Words] = {
    "demo": ["-o", "new"],
    "recipes": ["-o", "new"],
    "learn": ["-o", "new", "--no-open"],
    "schema": ["-o", "new"],
    "prepare": ["text", "-o", "new"],
    "lines": ["-o", "new", "--count", "2", "--text", "text"],
    "read": ["page.png", "--model", "llama"],
    "show": ["r.toml"],
    "inspect": ["r.toml"],
    "train": ["r.toml", "-o", "new"],
    "plan": ["r.toml"],
    "finetune": ["classify", "-m", "bert", "-d", "rows.jsonl", "-o", "new"],
    "evaluate": ["llama", "-d", "data"],
    "predict": ["bert", "-i", "rows.jsonl", "--task", "classify", "-o", "new"],
    "generate": ["llama", "--prompt", "a"],
    "chat": ["llama"],
    "fill": ["bert", "a [MASK]"],
    "embed": ["bert", "--input", "lines.txt", "-o", "new.npy"],
    "import": ["llama", "-o", "new"],
    "export": ["llama", "-o", "new"],
    "push": ["llama", "me/new"],
    "trace": ["llama", "a", "--data", "data"],
    "why": ["run", "--step", "1"],
    "report": ["run", "-o", "new.html"],
    "verify": ["llama"],
    "serve": ["llama"],
    "ablate": ["r.toml", "--axis", "seed=0,1", "-o", "new"],
    "compare": ["--data", "data", "-o", "new"],
    "tokenizer train": ["text", "-o", "new"],
    "tokenizer eval": ["llama", "text"],
}
"""A command line of each command in which nothing is wrong."""

OTHERS: list[str] = [
    # numbers that fit their bounds and nothing else
    "generate llama --prompt a --max-new-tokens 100000",
    "generate llama --prompt a --max-new-tokens 65",
    "generate llama --prompt a --top-p 0",
    "generate llama --prompt a --repetition-penalty 0",
    "generate llama --prompt a --num-beams 2 --temperature 0.5",
    "generate llama --prompt a --num-beams 2 --stop x",
    "chat llama --max-new-tokens 100000",
    "chat bert",
    "generate bert --prompt a",
    "fill llama a[MASK]",
    "fill bert a",
    "fill bert a[MASK] --top 9999",
    "inspect r.toml --start 99999999",
    "inspect r.toml data.length=65",
    "train r.toml -o new data.length=65",
    "plan r.toml --device h1000",
    "plan r.toml --gpus 0",
    "plan r.toml data.length=65",
    "train r.toml -o new deterministic=true precision=auto",
    "train r.toml -o new grain_rows=2",
    "verify llama --step 1",
    "verify run --step 1",
    "verify run --step 1 --exact",
    "train r.toml -o new data.length=100000",
    "show r.toml data.length=65",
    "evaluate llama -d data --length 65",
    "evaluate llama -d data --picture new.png",
    "evaluate bert -d rows.jsonl --task classify --length 8",
    "evaluate llama",
    "evaluate llama -d data task.beam.beams=2",
    "evaluate bert -d rows.jsonl",
    "compare --data data -o new --hidden-size 100",
    "compare --data data -o new --families decoder,decodr",
    "ablate r.toml -o new",
    "ablate r.toml -o new --axis seed",
    "ablate r.toml -o new --axis seed=1",
    "ablate r.toml -o new --axis seed=0,1 --match size",
    "ablate r.toml -o new --axis seed=0,-1",
    "ablate r.toml -o new --axis model.decoder.norm=rms,layer --tune optim.lr",
    "ablate r.toml -o new --axis model.decoder.norm=rms,layer --tune optim.lr=1e-3",
    "ablate r.toml -o new --axis model.decoder.norm=rms,layer --tune optim.lr=1e-3,x",
    "ablate r.toml -o new --axis model.decoder.norm=rms,layer --tune optim.lr=1e-3,-1",
    "ablate r.toml -o new --axis model.decoder.norm=rms,layer --tune optim.lrr=1e-3,2e-3",
    "ablate r.toml -o new --axis model.decoder.norm=rms,layer --tune model.decoder.norm=1,2",
    "ablate r.toml -o new --axis seed=0,1 --tune seed=0,1",
    "show r.toml --html",
    "show",
    "show r.toml --keys model.decodr",
    "show --keys optim --attention a",
    "show r.toml seed=1 --keys optim",
    "inspect --task classify",
    "inspect",
    "inspect --task classfy -m bert -d rows.jsonl",
    "export llama -o new --to onnx",
    "export llama -o new --quantize q3",
    "export llama -o new --to page --quantize q8_0",
    "export llama -o rows.jsonl --to page",
    "prepare -o new",
    "prepare text -o new --filter webb",
    "prepare text -o new --engine slrm",
    "prepare text -o new --engine ray --workers 2",
    "prepare text -o new --vocab-size 100",
    "prepare text -o new --vocab-size 32000",
    "prepare text -o new --invalid ignore",
    "prepare text -o new --encoding utf-99",
    "prepare text -o new --encoding utf-16",
    "prepare text -o new --as-text rst,gz",
    "prepare text -o new --set filter.min_charz=3",
    "prepare text -o new --set filter.min_chars=-3",
    "prepare text -o new --set filter",
    "prepare text -o new --tokenizer nowhere",
    "prepare text -o new --tokenizer data",
    "prepare text -o new --decontaminate nowhere.jsonl",
    "prepare text -o data --valid-share 0.1",
    "prepare lines.txt -o data --tokenizer bytes --no-near --valid-share 0.3",
    "tokenizer train text -o new --vocab-size 100",
    "tokenizer train text -o new --vocab-size 65536",
    # what is there already
    "import llama -o bert",
    "import llama -o rows.jsonl",
    "tokenizer train text -o llama",
    "tokenizer train text -o data",
    "export llama -o rows.jsonl",
    "embed bert --input lines.txt -o lines.txt",
    "predict bert -i rows.jsonl --task classify -o rows.jsonl",
    "train r.toml -o run",
    "train r.toml -o data",
    "train r.toml -o llama",
    "train r.toml -o text",
    "train r.toml -o rows.jsonl",
    "train r.toml -o run --resume --force",
    "prepare text -o text",
    "prepare text -o llama",
    "prepare text -o rows.jsonl",
    "show llama --attention a --html -o rows.jsonl",
    "inspect r.toml --html -o rows.jsonl",
    # words
    "train r.toml -o new optim.lrr=1",
    "train r.toml -o new ~optim.lrr",
    "train r.toml -o new ~data.path",
    "train r.toml -o new ~budget_steps",
    "train r.toml -o new budget_steps",
    "train r.toml -o new =3",
    "train r.toml -o new ~",
    "train r.toml -o new model.preset=lama",
    "train r.toml -o new model.decoder.norm=rsm",
    "train r.toml -o new model.decoder.pattern=full",
    "train r.toml -o new model.decoder.kv_heads=3",
    "train r.toml -o new model.decoder.heads=3",
    "train r.toml -o new model.hidden_size=4000000 model.decoder.heads=1 model.decoder.head_size=64",
    "train r.toml -o new model.context=2000000000 data.length=1000000000 batch_tokens=1000000000",
    "train r.toml -o new model.vocab_size=512",
    "train r.toml -o new objective=masked",
    "train r.toml -o new objective=causall",
    "train r.toml -o new objective={kind='masked',hide=0.9,replace_share=0.5}",
    "train r.toml -o new objective=instruct",
    "train r.toml -o new loss=label",
    "train r.toml -o new init=llama",
    "train r.toml -o new init=nowhere ~model",
    "train r.toml -o new lora.targets=['x'] init=llama ~model",
    "train r.toml -o new lora.targets=['q','x']",
    "train r.toml -o new data.path=nowhere",
    "train r.toml -o new data.path=llama",
    "train r.toml -o new data.path=['data','nowhere']",
    "train r.toml -o new data.weights=[1,2]",
    "train r.toml -o new data.weights=[0]",
    "train r.toml -o new data.weights=[nan]",
    "train r.toml -o new data.packing=best",
    "train r.toml -o new data.too_long=cut",
    "train r.toml -o new imports=['nowhere.py']",
    "train r.toml -o new precision=fp8",
    "train r.toml -o new tokens=3",
    "train r.toml -o new tokens=['<x>'] lora.rank=2",
    "train r.toml -o new template=chatml3",
    "train r.toml -o new schedule=cosin",
    "train r.toml -o new optim=adam",
    "train r.toml -o new compile=yes",
    "finetune chatt -m llama -d chat.jsonl -o new",
    "finetune chat -m bert -d chat.jsonl -o new",
    "finetune tag -m t5 -d rows.jsonl -o new",
    "finetune prefer -m bert -d rows.jsonl -o new",
    "finetune classify -m bert -d nowhere.jsonl -o new",
    "finetune classify -m bert -d chat.jsonl -o new",
    "finetune classify -m bert -d bad.jsonl -o new",
    "finetune classify -m bert -d empty.jsonl -o new.npy",
    "finetune classify -m bert -d text -o new",
    "finetune classify -m bert -d rows.jsonl -o new --format labell",
    "finetune classify -m bert -d rows.jsonl -o new --format pair",
    "finetune classify -m bert -d rows.jsonl -o new --columns a,b",
    "finetune classify -m bert -d rows.jsonl -o new --train last",
    "finetune classify -m bert -d rows.jsonl -o new --encoding klingon",
    "finetune classify -m bert -d rows.jsonl -o new --recipe nowhere.toml",
    "finetune classify -m bert -d rows.jsonl -o new --recipe broken.toml",
    "finetune classify -m nowhere -d rows.jsonl -o new",
    "finetune classify -m data -d rows.jsonl -o new",
    "finetune classify -m me/nowhere -d rows.jsonl -o new",
    "finetune classify -m bert -d rows.jsonl -o new --valid nowhere.jsonl",
    "finetune classify -m bert -d rows.jsonl -o run",
    "finetune chat -m llama -d chat.jsonl -o new --too-long cut",
    "finetune chat -m llama -d chat.jsonl -o new --references most",
    "finetune chat -m llama -d chat.jsonl -o new --template nowhere",
    "predict llama -i nowhere.jsonl",
    "predict bert -i rows.jsonl",
    "predict bert -i rows.jsonl --task classfy",
    "predict llama -i chat.jsonl task.max_new_tokens=0",
    "predict llama -i chat.jsonl task.beams=2",
    "embed bert --input nowhere.txt -o new.npy",
    "embed bert --input empty.jsonl -o new.npy",
    "push text me/new",
    "recipes nothing-tiny -o new",
    "learn -o new --no-open --language fr",
    "learn -o new --no-open --run rop",
    "learn -o new --no-open --run",
    "learn -o data --no-open",
    "learn lines.txt",
    "learn --check attention nowhere.py",
    "learn --check attenton",
    "learn --check attention rows.jsonl",
    "learn -o rows.jsonl --no-open",
    "learn -o llama --run rope",
]

PATHS: list[tuple[str, str, str]] = [
    ("show", "r.toml", "nowhere.toml broken.toml text lines.txt"),
    ("inspect", "r.toml", "nowhere.toml broken.toml text lines.txt run"),
    ("train", "r.toml", "nowhere.toml broken.toml text lines.txt run data"),
    ("ablate", "r.toml", "nowhere.toml broken.toml text"),
    ("evaluate", "llama", "nowhere me/nowhere data text rows.jsonl broken"),
    ("evaluate", "data", "nowhere text llama run nowhere.jsonl"),
    ("predict", "bert", "nowhere me/nowhere data text rows.jsonl broken"),
    ("generate", "llama", "nowhere me/nowhere data text rows.jsonl broken"),
    ("chat", "llama", "nowhere me/nowhere data text rows.jsonl broken"),
    ("fill", "bert", "nowhere me/nowhere data text rows.jsonl broken"),
    ("embed", "bert", "nowhere me/nowhere data text rows.jsonl broken"),
    ("import", "llama", "nowhere me/nowhere data text rows.jsonl broken"),
    ("export", "llama", "nowhere me/nowhere data text rows.jsonl broken bert"),
    ("push", "llama", "nowhere data text rows.jsonl"),
    ("compare", "data", "nowhere text llama"),
    ("prepare", "text", "nowhere nowhere.txt bad.jsonl"),
    ("tokenizer train", "text", "nowhere nowhere.txt bad.jsonl"),
    ("tokenizer eval", "llama", "nowhere me/nowhere text rows.jsonl"),
    ("tokenizer eval", "text", "nowhere nowhere.txt"),
]
"""(command, the word of its right line, what stands in its place instead)."""


def every() -> list[Words]:
    """All wrong command lines."""
    found = [*usage(), *options(), *fields(), *paths(), *(line.split() for line in OTHERS)]
    return [list(words) for words in dict.fromkeys(map(tuple, found))]


def usage() -> Iterator[Words]:
    """Words that no command has, and commands without the words that they need."""
    yield from ([word] for word in ("trainn", "x", "--levitate", "Train", "finetune-chat", "-x"))
    for name, words in RIGHT.items():
        command = name.split()
        yield [*command, *words, "--levitate"]
        yield [*command, *words, "--quiet=maybe"]
        yield [*command, *words, "--log-file"]
        yield [*command, *words, "--log-file", "nowhere/run.log", "--levitate=3"]
        if name not in ("demo", "recipes", "learn", "schema", "show", "inspect"):
            yield command
    for name in ("generate", "chat", "fill", "demo", "import", "export", "push", "compare"):
        yield [*name.split(), *RIGHT[name], "one", "two"]
    yield from (["tokenizer", word] for word in ("evl", "--levitate"))


def options() -> Iterator[Words]:
    """Every option that is a number, below and above its bounds and as no number."""
    for name, command in commands():
        for parameter in command.params:
            option = max(parameter.opts, key=len)
            kind = parameter.type_descriptor.annotation
            if kind not in (int, float) or not option.startswith("--") or parameter.hidden:
                continue
            least, most = parameter.min, parameter.max
            values = ["x", "", "1e", "1,5", "nan", "inf", "-inf", "-1e300", "9" * 5000]
            values += ["1.5"] if kind is int else []
            values += [] if least is None else [str(least - 1)]
            values += [] if most is None else [str(most * 2 + 1)]
            for value in values:
                if value == "9" * 5000 and most is None:
                    continue
                yield [*name.split(), *RIGHT[name], f"{option}={value}"]


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its name."""
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        yield from [(f"{name} {one}", found) for one, found in inner.items()] if inner else [(name, command)]


def fields(cls: type[Config] = Recipe, path: str = "", seen: frozenset[type] = frozenset()) -> Iterator[Words]:
    """Every number of a recipe below and above its bounds and as no number; in each kind of each family."""
    for name, field in cls.model_fields.items():
        where = f"{path}{name}"
        for word in wrong_values(field):
            yield ["show", "r.toml", f"{where}={word}"]
        for inner in configs(field.annotation):
            if inner in seen or where in ("lora", "model.encoder", "template"):
                continue
            if not issubclass(inner, Choice):
                yield from fields(inner, f"{where}.", seen | {inner})
                continue
            for kind, made in inner.kinds.items():
                if kind in ("and", "or", "jinja") or not made.__module__.startswith("trivium."):
                    continue
                for key, its in made.model_fields.items():
                    for word in wrong_values(its):
                        table = f'{{kind="{kind}",{key}={word if word != "x" else chr(34) + word + chr(34)}}}'
                        yield ["show", "r.toml", f"{where}={table}"]


def wrong_values(field: FieldInfo) -> Iterator[str]:
    """TOML values that a field does not take; none for one that is no number."""
    options_ = {field.annotation, *typing.get_args(field.annotation)}
    if isinstance(field.annotation, types.GenericAlias) or not options_ & {int, float}:
        return
    yield from ("x", "true", "nan", "inf")
    for one in field.metadata:
        for bound, beyond in (("ge", -1), ("gt", 0), ("le", 1), ("lt", 0)):
            if (limit := getattr(one, bound, None)) is not None:
                value = limit + beyond if bound in ("ge", "le") else limit
                yield str(int(value)) if isinstance(value, int) or math.trunc(value) == value else str(value)


def paths() -> Iterator[Words]:
    """Files and folders that are not there, damaged, or something else than what is asked for."""
    for name, word, others in PATHS:
        for other in others.split():
            yield [*name.split(), *(other if one == word else one for one in RIGHT[name])]


def places(folder: Path) -> Path:
    """Fill a folder with what the lines name."""
    for name in "abcdefgh":
        (folder / "text").mkdir(exist_ok=True)
        (folder / "text" / f"{name}.txt").write_text(f"The {name} fox jumps over the lazy {name} dog.\n" * 40)
    small.rows(folder / "rows.jsonl", small.labelled(8))
    small.rows(folder / "chat.jsonl", [{"question": "q", "answer": "a"}])
    (folder / "bad.jsonl").write_text('{"text": \n')
    (folder / "empty.jsonl").write_text("")
    (folder / "lines.txt").write_text("one\ntwo\n")
    (folder / "broken.toml").write_text("a = \n")
    (folder / "r.toml").write_text(
        "budget_steps = 2\nbatch_tokens = 64\n[data]\npath = 'data'\nlength = 32\n"
        "[model]\npreset = 'llama'\ndepth = 1\ncontext = 64\n"
    )
    for preset in ("llama", "bert", "t5"):
        small.folder(folder, preset)
    (folder / "broken").mkdir()
    (folder / "broken" / "config.json").write_text(json.dumps({"model_type": "llama", "hidden_size": "wide"}))
    assert run(["prepare", "text", "-o", "data", "--tokenizer", "bytes", "--no-near", "--valid-share", "0.3"]) == 0
    assert run(["train", "r.toml", "-o", "run"]) == 0
    return folder
