"""GGUF files against llama.cpp: same ids, same log-probabilities, same greedy tokens; what it has not is told."""

import json
import random
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import trivium
from foreign import foreign
from trivium.base.errors import ConfigError, DataError, ModelError
from trivium.interop import gguf
from trivium.interop.hub import Folder
from trivium.token.frame import Frame, with_frame
from trivium.token.template import CHAT_TEMPLATE, ids, render, stop_ids
from trivium.token.tokenizer import Tokenizer

pytest.importorskip("gguf", reason="the package gguf writes these files: pip install gguf")

SAID = "the user says what abs does and returns absolute values of numbers 中文 测试 naïve café für it's 😀"
PROMPT = "the user says what abs does, and it's the absolute values of 12345 numbers returned für 中文"
SCRIPTS = {
    "hindi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है। ॐ १२३",
    "thai": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกัน ที่นี่ ๑๒๓",
    "arabic": "يُولَدُ جَمِيعُ النَّاسِ أَحْرَارًا مُتَسَاوِينَ فِي الْكَرَامَةِ ١٢٣",
    "persian": "می‌خواهم کتاب‌هایم را بخوانم",
    "bengali": "সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা ক্‌ষ",
    "tamil": "மனிதப் பிறிவியினர் சகலரும் சுதந்திரமாகவே",
    "hebrew": "בְּרֵאשִׁית בָּרָא אֱלֹהִים",
    "vietnamese": "Tâ\u0301t ca\u0309 mo\u0323i ngu\u031bo\u031b\u0300i",
    "khmer": "មនុស្សទាំងអស់ កើតមកមានសេរីភាព",
    "marks": "\u0301 x\u0301\u0301, \u093f1\u20e3 !\u0301\n\u0301a ▓\u0301b \u200d\u0301",
}
LOGPROB, MARGIN, Q8 = 1e-3, 1e-2, 0.1
"""How far log-probabilities may be off; by how much a token must lead to count; how far they may be off in 8 bits."""

LLAMA = {"layers": 3, "hidden_size": 64, "heads": 4, "kv_heads": 2, "ffn_size": 96}
LLAMA3 = {"kind": "llama3", "factor": 4.0, "low_frequency_factor": 1.0, "high_frequency_factor": 4.0}
DYNAMIC = {"kind": "dynamic", "original_context": 2048}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", LLAMA),
    "llama-mqa-tied": ("llama", {**LLAMA, "kv_heads": 1, "tie": True, "norm": {"kind": "rms", "eps": 1e-3}}),
    "llama-biased": ("llama", {**LLAMA, "bias": True, "ffn": {"kind": "glu", "bias": True}}),
    "llama-linear": ("llama", {**LLAMA, "position": {"kind": "rope", "scaling": {"kind": "linear", "factor": 3.0}}}),
    "llama-llama3": (
        "llama",
        {**LLAMA, "position": {"kind": "rope", "theta": 500.0, "scaling": {**LLAMA3, "original_context": 16}}},
    ),
    "llama-yarn": (
        "llama",
        {**LLAMA, "position": {"kind": "rope", "scaling": {"kind": "yarn", "original_context": 16}}},
    ),
    "qwen3": ("qwen3", {**LLAMA, "head_size": 24}),
    "qwen3-untied": ("qwen3", {**LLAMA, "tie": False, "kv_heads": 4, "position": {"kind": "rope", "theta": 77.0}}),
    "qwen2": ("qwen2", {**LLAMA, "tie": False}),
    "gpt2": ("gpt2", {"layers": 3, "hidden_size": 64, "heads": 4}),
    "gpt2-untied": ("gpt2", {"layers": 2, "hidden_size": 64, "heads": 2, "tie": False, "ffn_size": 96}),
}


def texts() -> list[str]:
    """Fifty texts that tell two tokenizers apart, and one of each script that writes marks."""
    draw = random.Random(3)
    alphabet = "abc XYZ'st12345\r\n\t .,-_é\u0301ñß中文、。😀👩‍👧\u00a0\u200b\ufeffقขעשDŽ½"
    plain = [
        PROMPT,
        " ",
        "  ",
        "\n",
        "\n\n a",
        "a\r\n\r\n b\t\tc  ",
        "it's IT'S WE'LL they've",
        "1234567 12.5e-3 x1y22z333",
        "def f(x):\n    return abs(x)  # |x|\n",
        "</s>",
        "<|user|>hi<|end|>",
        "<extra_id_0> <mask>",
        "<s><s>",
        "中文，测试。",
        "e\u0301 é",
        "!!!??? ...",
        "http://a.b/c?d=e&f",
        "naïve café für",
        "   leading",
        "trailing   ",
        "tab\tand\u00a0nbsp",
        "'s 't 'RE",
        "x" * 100,
        "😀😀 👩‍👩‍👧",
        "\u2028line\u2029para",
    ]
    mixed = ["".join(draw.choices(alphabet, k=draw.randrange(1, 40))) for _ in range(50 - len(plain))]
    return plain + mixed + list(SCRIPTS.values())


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    words = SAID.split()
    lines = [" ".join(words[(i * 7 + j * j) % len(words)] + "s" * (i % 3) for j in range(12)) for i in range(400)]
    code = "def f(x1y22z333):\r\n\r\n    return abs(x);\n\t.abc XYZ 12345 1234567 it's IT'S WE'LL http://a.b/c ..."
    made = Tokenizer.train([*lines, *[code] * 50, *SCRIPTS.values(), *SCRIPTS.values()], 1024)
    return Tokenizer(made.json, made.config, CHAT_TEMPLATE)


def model(name: str, tokenizer: Tokenizer, spare: int = 0, scale: float = 0.2, **changes: Any) -> trivium.Model:
    """A random model in which nothing is a default, with `spare` more ids than the tokenizer has."""
    preset, fields = CASES[name]
    made = trivium.build(preset, **{"vocab_size": tokenizer.size + spare, "context": 128, **fields, **changes})
    draw = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for key, parameter in made.transformer.named_parameters():
            noise = torch.randn(parameter.shape, generator=draw)
            norm = parameter.dim() == 1 and key.endswith("weight")
            parameter.copy_(1 + 0.3 * noise if norm else scale * noise)
    return trivium.Model(made.transformer, tokenizer)


def write(file: Path, made: trivium.Model, quantize: str | None = None) -> Path:
    return gguf.write(file, Folder(made.transformer, made._tokenizer, made.stop_ids), quantize)


SERVE = """
import sys, time, xllamacpp
options = xllamacpp.CommonParams()
options.model.path, options.n_ctx, options.n_parallel = sys.argv[1], 128, 1
options.warmup = options.fit_params = False
options.cpuparams.n_threads = options.cpuparams_batch.n_threads = 1
options.cache_type_k = options.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
options.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
options.verbosity = 0
server = xllamacpp.Server(options)
print("listening", server.listening_address, flush=True)
time.sleep(120)
"""


class Server:
    """llama.cpp with a file loaded, its keys and values in float32 (it keeps float16, which costs 1e-2 here).

    It runs in a process of its own that is killed in the end: its own way of stopping now and then waits for ever.
    """

    def __init__(self, file: Path) -> None:
        pytest.importorskip("xllamacpp", reason="xllamacpp is llama.cpp, the oracle of these tests")
        self.process = subprocess.Popen([sys.executable, "-c", SERVE, str(file)], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        words = next((line.split() for line in self.process.stdout if line.startswith("listening")), None)
        assert words is not None, "llama.cpp did not load the file"
        self.address = words[1]
        self.open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def __del__(self) -> None:
        self.process.kill()
        self.process.communicate()

    def ask(self, path: str, **body: Any) -> dict[str, Any]:
        """Post to an endpoint of its web server, which listens on this machine alone."""
        kind = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, json.dumps(body).encode(), kind)
        with self.open(request, timeout=60) as reply:
            return json.load(reply)

    def tokenize(self, text: str, special: bool = False) -> list[int]:
        return self.ask("/tokenize", content=text, add_special=special, parse_special=special)["tokens"]

    def complete(self, prompt: list[int], count: int, size: int) -> tuple[torch.Tensor, list[int]]:
        """The log-probabilities of the first new token, and the greedy tokens."""
        options = {"prompt": prompt, "temperature": 0, "cache_prompt": False, "return_tokens": True}
        # A token that is half a character would be left out, so a whole one is forced; that leaves probabilities alone.
        whole = [[self.tokenize("a")[0], 1000.0]]
        said = self.ask("/completion", n_predict=1, n_probs=size, logit_bias=whole, **options)
        table = torch.full((size,), torch.nan)
        for entry in said["completion_probabilities"][0]["top_logprobs"]:
            table[entry["id"]] = entry["logprob"]
        assert not table.isnan().any()
        tokens = self.ask("/completion", n_predict=count, **options)["tokens"]
        return table, tokens


def compare(made: trivium.Model, server: Server, tolerance: float) -> float:
    """Check the first log-probabilities and the greedy tokens; give the largest difference."""
    prompt = [1, *made.tokenizer.encode(PROMPT)]
    assert len(prompt) > 24, "beyond the original context of what is stretched"
    found, tokens = server.complete(prompt, 32, made.config.vocab_size)
    logits = made.logits([prompt + tokens])[0, len(prompt) - 1 :]
    off = float((found - logits[0].log_softmax(-1)).abs().max())
    assert off <= tolerance, off
    counted = 0
    for row, token in zip(logits, tokens, strict=False):
        best = row.topk(2)
        if float(best.values[0] - best.values[1]) > max(MARGIN, 2 * tolerance):
            counted += 1
            assert token == int(best.indices[0])
    assert counted >= 4
    return off


@pytest.mark.parametrize("name", CASES)
def test_llama_cpp_computes_the_same(name: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    # llama.cpp looks GELU up in a table of float16, which large activations would show.
    made = model(name, tokenizer, spare=5, scale=0.07 if name.startswith("gpt2") else 0.2)
    print(f"{name}: {compare(made, Server(write(tmp_path / 'm.gguf', made)), LOGPROB):.1e}")


@pytest.mark.parametrize("name", ["llama", "qwen3", "gpt2"])
def test_eight_bits_are_close(name: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    made = model(name, tokenizer, scale=0.07)
    whole, small = write(tmp_path / "m.gguf", made), write(tmp_path / "small.gguf", made, "q8_0")
    assert small.stat().st_size < 0.5 * whole.stat().st_size
    print(f"{name}: {compare(made, Server(small), Q8):.1e}")


BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}


def splits(tokenizer: Tokenizer) -> Iterator[tuple[str, Tokenizer]]:
    """Tokenizers that cut text in each of the ways that have a name."""

    def cut(pattern: str, **model: Any) -> Tokenizer:
        tree = json.loads(tokenizer.json)
        tree["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = pattern
        tree["model"].update(model)
        return Tokenizer(json.dumps(tree), tokenizer.config)

    yield "qwen35", tokenizer
    yield "gpt-2", Tokenizer.bytes()
    yield "dbrx", cut(gguf.CL100K)
    # With these merges few words are what their merges make of them.
    reverse = json.loads(tokenizer.json)["model"]["merges"][::-1]
    yield "llama-bpe", cut(gguf.CL100K, ignore_merges=True, merges=reverse)
    yield "qwen2", cut(gguf.CL100K.replace("{1,3}", ""))
    digits = json.loads(tokenizer.json)
    steps = [{"type": "Digits", "individual_digits": True}, {**BYTES, "use_regex": True}]
    digits["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": steps}
    yield "smollm", Tokenizer(json.dumps(digits), tokenizer.config)
    older = json.loads(tokenizer.json)
    older["pre_tokenizer"] = {**BYTES, "use_regex": True}
    yield "gpt-2", Tokenizer(json.dumps(older), tokenizer.config)


def test_llama_cpp_reads_the_same_ids(tokenizer: Tokenizer, tmp_path: Path) -> None:
    from gguf import GGUFReader

    for name, other in splits(tokenizer):
        file = write(tmp_path / f"{name}.gguf", model("gpt2", other, layers=1, hidden_size=32, heads=1))
        assert GGUFReader(file).get_field("tokenizer.ggml.pre").contents() == name
        server = Server(file)
        different = [text for text in texts() if server.tokenize(text) != other.encode(text)]
        assert not different, f"{name}: {different}"
        assert server.tokenize("the user", special=True) == [1, *other.encode("the user")], "BOS, no EOS"
        named = [server.tokenize(other.token(index), special=True)[1:] for index in sorted(other.special)]
        assert named == [[index] for index in sorted(other.special)], "each control token is one id"
    assert len(texts()) == 50 + len(SCRIPTS)


@pytest.mark.parametrize("ends", ["", "bos", "bos eos"])
def test_llama_cpp_adds_bos_and_eos_where_the_tokenizer_does(ends, tmp_path: Path) -> None:
    from gguf import GGUFReader

    other = foreign("mistral")
    known = {"bos": (other.vocabulary.bos,), "eos": (other.vocabulary.eos,)}
    before, after = (known[name] if name in ends else () for name in known)
    made = model("llama", with_frame(other, Frame(before, after)) if ends else other)
    file = write(tmp_path / "m.gguf", made)
    fields = [GGUFReader(file).get_field(f"tokenizer.ggml.add_{name}_token").contents() for name in known]
    assert fields == [bool(before), bool(after)]
    assert Server(file).tokenize("the user", special=True) == made.encode("the user")


def test_what_llama_cpp_cannot_put_around_a_text_is_named(tokenizer: Tokenizer, tmp_path: Path) -> None:
    made = model("llama", with_frame(tokenizer, Frame((1, 5))))
    with pytest.raises(ModelError, match=r"tokenizer\.json: puts <s>, <\|system\|> around a text, llama\.cpp only BOS"):
        write(tmp_path / "m.gguf", made)


def test_every_chat_template_is_in_the_file(tokenizer: Tokenizer, tmp_path: Path) -> None:
    from gguf import GGUFReader

    several = Tokenizer(tokenizer.json, tokenizer.config, CHAT_TEMPLATE, {"tool_use": "{{ 1 }}"})
    reader = GGUFReader(write(tmp_path / "m.gguf", model("llama", several)))
    assert reader.get_field("tokenizer.chat_template").contents() == CHAT_TEMPLATE
    assert reader.get_field("tokenizer.chat_template.tool_use").contents() == "{{ 1 }}"


def test_llama_cpp_renders_the_same_conversation(tokenizer: Tokenizer, tmp_path: Path) -> None:
    made = model("llama", tokenizer)
    server = Server(write(tmp_path / "m.gguf", made))
    said = [{"role": "user", "content": "what does abs do"}, {"role": "assistant", "content": "absolute values"}]
    said += [{"role": "user", "content": "für numbers"}]
    prompt = server.ask("/apply-template", messages=said)["prompt"]
    messages = [trivium.base.types.Message(**message) for message in said]
    assert server.tokenize(prompt, special=True) == ids(render(messages, tokenizer, generate=True))


def test_what_ends_a_text_is_in_the_file(tokenizer: Tokenizer, tmp_path: Path) -> None:
    from gguf import GGUFReader

    reader = GGUFReader(write(tmp_path / "m.gguf", model("llama", tokenizer)))
    keys = {"bos": "bos", "eos": "eos", "eot": "eot", "pad": "padding", "mask": "mask", "unk": "unknown"}
    found = {name: reader.get_field(f"tokenizer.ggml.{key}_token_id") for name, key in keys.items()}
    known = tokenizer.vocabulary
    assert {name: value.contents() for name, value in found.items() if value} == {
        "bos": known.bos,
        "eos": known.eos,
        "eot": tokenizer.id_of("<|end|>"),
        "pad": known.pad,
        "mask": known.mask,
        "unk": tokenizer.id_of("<unk>"),
    }
    assert set(stop_ids(tokenizer)) == {found["eos"].contents(), found["eot"].contents()}


@pytest.mark.parametrize(
    ("preset", "changes", "message"),
    [
        ("bert", {}, "stacks: encoder, LlamaForCausalLM has decoder"),
        ("mistral", {}, "decoder.pattern.0: window, LlamaForCausalLM has causal"),
        ("llama", {"norm": "layer"}, "decoder.norm: layer, LlamaForCausalLM has rms"),
        ("llama", {"ffn": {"kind": "glu", "activation": "gelu"}}, "decoder.ffn.activation gelu: .* llama of llama.cpp"),
        ("llama", {"position": {"kind": "rope", "scaling": DYNAMIC}}, "decoder.position.scaling dynamic: "),
        ("llama", {"position": {"kind": "rope", "scaling": "longrope"}}, "decoder.position.scaling longrope: "),
        ("gpt2", {"score_decay": True}, "decoder.score_decay: .* gpt2"),
        ("qwen3", {"position": {"kind": "rope", "scaling": "yarn"}}, "decoder.position.scaling yarn: .* qwen3"),
        ("qwen3", {"bias": True}, "decoder.bias: .* qwen3"),
        ("qwen3", {"pattern": {"kind": "window", "size": 4}}, "decoder.pattern window: .* qwen3"),
        ("gpt2", {"score_scale": 1.0}, "decoder.score_scale 1.0: .* gpt2"),
        ("gpt2", {"ffn": {"kind": "mlp", "activation": "gelu"}}, "decoder.ffn.activation gelu: .* gpt2"),
    ],
)
def test_what_llama_cpp_has_not_is_named(preset: str, changes: dict, message: str, tokenizer, tmp_path: Path) -> None:
    made = trivium.build(preset, **{"layers": 1, "hidden_size": 32, "heads": 2, "vocab_size": 448, **changes})
    with pytest.raises(ModelError, match=message):
        gguf.write(tmp_path / "m.gguf", Folder(made.transformer, tokenizer))
    assert not list(tmp_path.iterdir())


def test_qwens_composed_letters_are_told(tokenizer: Tokenizer, tmp_path: Path, capsys) -> None:
    other = Tokenizer(json.dumps({**json.loads(tokenizer.json), "normalizer": {"type": "NFC"}}), tokenizer.config)
    gguf.write(tmp_path / "m.gguf", Folder(model("qwen2", tokenizer).transformer, other))
    assert "llama.cpp does not compose letters and marks (NFC)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"normalizer": {"type": "NFKC"}}, "normalizer cannot be written to GGUF"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "pre_tokenizer cannot be written"),
        ({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True}}, "pre_tokenizer"),
        ({"model": {"type": "WordLevel", "vocab": {"a": 0, "[UNK]": 1}, "unk_token": "[UNK]"}}, "model WordLevel"),
    ],
)
def test_a_tokenizer_that_llama_cpp_has_not_is_named(changes: dict, message: str, tokenizer, tmp_path: Path) -> None:
    other = Tokenizer(json.dumps({**json.loads(tokenizer.json), "added_tokens": [], **changes}), {})
    with pytest.raises(ModelError, match=message):
        gguf.write(tmp_path / "m.gguf", Folder(model("gpt2", tokenizer).transformer, other))
    strange = Tokenizer(tokenizer.json.replace(r"|\\p{N}|", r"|\\p{N}{1,2}|"), tokenizer.config)
    assert strange.json != tokenizer.json
    with pytest.raises(ModelError, match="no name that is known here for the split"):
        gguf.write(tmp_path / "m.gguf", Folder(model("gpt2", tokenizer).transformer, strange))


def test_a_file_appears_whole_or_not_at_all(tokenizer: Tokenizer, tmp_path: Path) -> None:
    made = model("llama", tokenizer, hidden_size=36, heads=3, kv_heads=1)
    file = write(tmp_path / "m.gguf", made)
    before = file.read_bytes()
    with pytest.raises(ModelError, match=r"token_embd.weight: q8_0 needs rows of a multiple of 32 numbers, found 36"):
        write(file, made, "q8_0")
    with pytest.raises(ModelError, match="no tokenizer"):
        gguf.write(file, Folder(made.transformer))
    with pytest.raises(ConfigError, match="quantize: expected one of q8_0, found 'q3'"):
        write(file, made, "q3")
    with pytest.raises(ConfigError, match="found a folder"):
        write(tmp_path, made)
    assert file.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["m.gguf"]


def test_without_the_package_it_is_named(tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gguf", None)
    with pytest.raises(DataError, match=r"writing GGUF needs gguf: pip install gguf$"):
        write(tmp_path / "m.gguf", model("gpt2", tokenizer))


def test_the_command_exports_a_folder(tokenizer: Tokenizer, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from trivium.cli import app

    made = model("llama", tokenizer)
    made.save(tmp_path / "model")
    told = CliRunner().invoke(app, ["export", str(tmp_path / "model"), "--to", "gguf", "-o", str(tmp_path / "m.gguf")])
    assert told.exit_code == 0, told.output
    compare(made, Server(tmp_path / "m.gguf"), LOGPROB)
    wrong = CliRunner().invoke(app, ["export", str(tmp_path / "model"), "--to", "onnx", "-o", "x"])
    assert isinstance(wrong.exception, ConfigError) and "expected gguf, ctranslate2 or page, found 'onnx'" in str(
        wrong.exception
    )
