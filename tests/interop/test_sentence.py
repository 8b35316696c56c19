"""Folders of sentence-transformers give its vectors, come back as they were, or are refused by name."""

import json
from functools import cache

import pytest
import torch
from torch.nn import functional as F

import small
import trivium
from tolerance import close
from trivium.base.errors import ConfigError, ModelError
from trivium.interop import sentence
from trivium.interop.weights.tensors import read_file, write_file
from trivium.model.layer.score import Dense

transformers = pytest.importorskip("transformers", reason="transformers is the oracle of these tests")

TEXTS = ["a b", "A Longer Text than the others, so that it may be cut", "x"]
MODULE, TANH = "sentence_transformers.models", "torch.nn.modules.activation.Tanh"
MODES = {
    "cls": lambda h: h[0],
    "max": lambda h: h.max(0).values,
    "mean": lambda h: h.mean(0),
    "mean_sqrt_len_tokens": lambda h: h.sum(0) / len(h) ** 0.5,
    "weightedmean": lambda h: (h * torch.arange(1.0, len(h) + 1)[:, None]).sum(0) / sum(range(1, len(h) + 1)),
    "lasttoken": lambda h: h[-1],
}
"""The definitions, on the states of one text [T, D]."""


@pytest.fixture(scope="module", params=["bert", pytest.param("llama", marks=pytest.mark.slow)])
def body(request, tmp_path_factory):
    """A folder of a stock class, whose tokenizer.json states its frame."""
    torch.manual_seed(0)
    made = trivium.build(request.param, vocab_size=384, context=64, tie=True, **small.SIZES[request.param])
    made.tokenizer = small.Tokenizer.bytes()
    made.equip("embed")
    made.save(tmp_path_factory.mktemp("body") / request.param)
    return tmp_path_factory.getbasetemp() / next(tmp_path_factory.getbasetemp().glob(f"body*/{request.param}"))


def theirs(body, path, pooling, steps=(), settings=None, bert=None, normalise=True):
    """Write what sentence-transformers writes beside the files of the model."""
    path.mkdir()
    for file in body.iterdir():
        if file.is_file() and file.name not in ("trivium.json", "README.md", *NAMES):
            (path / file.name).write_bytes(file.read_bytes())
    names = ["Transformer", "Pooling", *(name for name, _, _ in steps), *["Normalize"] * normalise]
    table = [
        {"idx": i, "name": str(i), "path": f"{i}_{name}" if i else "", "type": f"{MODULE}.{name}"}
        for i, name in enumerate(names)
    ]
    put(path / "modules.json", table)
    put(path / "1_Pooling" / "config.json", {"word_embedding_dimension": 32, **pooling})
    for at, (name, config, state) in enumerate(steps, start=2):
        put(path / f"{at}_{name}" / "config.json", config)
        if state:
            write_file(path / f"{at}_{name}" / "model.safetensors", state)
    if settings:
        put(path / "config_sentence_transformers.json", settings)
    put(path / "sentence_bert_config.json", bert or {"max_seq_length": 64})
    return path


NAMES = ("modules.json", "sentence_bert_config.json", "config_sentence_transformers.json")


def put(file, tree):
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(tree))


def dense(inside, outside, activation=TANH, bias=True, seed=0):
    torch.manual_seed(seed)
    state = {"linear.weight": torch.randn(outside, inside)}
    config = {"in_features": inside, "out_features": outside, "bias": bias, "activation_function": activation}
    return "Dense", config, state | ({"linear.bias": torch.randn(outside)} if bias else {})


@cache
def stock(body):
    """The stock class of the model alone, and its tokenizer."""
    model = transformers.AutoModel.from_pretrained(body).eval()
    return model, transformers.AutoTokenizer.from_pretrained(body)


def states(body, text, length=64):
    """The states of one text by the stock class."""
    model, tokenizer = stock(body)
    with torch.no_grad():
        return model(**tokenizer(text, truncation=True, max_length=length, return_tensors="pt")).last_hidden_state[0]


def vectors(body, pool, length=64):
    return torch.stack([torch.cat([MODES[mode](states(body, text, length)) for mode in pool]) for text in TEXTS])


def stays(folder, tmp_path):
    """The folder, its copy and the stock class of sentence-transformers, where there is one, say the same."""
    model = trivium.load(folder)
    found = model.embed(TEXTS)
    again = trivium.load(model.save(tmp_path / "again"))
    assert close(again.embed(TEXTS), found) and again.record["vectors"] == model.record["vectors"]
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        return found
    for one in (folder, tmp_path / "again"):
        assert close(torch.tensor(SentenceTransformer(str(one)).encode(TEXTS)), found)
    return found


@pytest.mark.parametrize("mode", MODES)
def test_every_pooling_is_its_definition(mode, body, tmp_path):
    folder = theirs(body, tmp_path / "m", {"pooling_mode": mode})
    assert close(stays(folder, tmp_path), F.normalize(vectors(body, [mode]), dim=-1))


@pytest.mark.parametrize(
    ("pooling", "pool"),
    [
        ({"pooling_mode": ["lasttoken", "cls"]}, ["lasttoken", "cls"]),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, ["cls", "mean"]),
        ({"pooling_mode_cls_token": False}, ["mean"]),
    ],
)
def test_several_poolings_stand_one_behind_the_other(pooling, pool, body, tmp_path):
    folder = theirs(body, tmp_path / "m", pooling, normalise=False)
    assert close(stays(folder, tmp_path), vectors(body, pool))


def test_dense_layers_follow_the_pooling(body, tmp_path):
    steps = [dense(64, 24), dense(24, 8, "torch.nn.modules.linear.Identity", bias=False, seed=1)]
    folder = theirs(body, tmp_path / "m", {"pooling_mode": ["cls", "mean"]}, steps)
    (_, _, first), (_, _, second) = steps
    wanted = (vectors(body, ["cls", "mean"]) @ first["linear.weight"].T + first["linear.bias"]).tanh()
    assert close(stays(folder, tmp_path), F.normalize(wanted @ second["linear.weight"].T, dim=-1))
    kept = read_file(tmp_path / "again" / "3_Dense" / "model.safetensors")
    assert torch.equal(kept["linear.weight"], second["linear.weight"]) and "linear.bias" not in kept
    assert trivium.load(folder).config.head.dense == (Dense(size=24, activation="tanh"), Dense(size=8, bias=False))


def test_texts_are_cut_as_the_files_say(body, tmp_path):
    folder = theirs(body, tmp_path / "m", {"pooling_mode": "mean"}, bert={"max_seq_length": 9, "do_lower_case": False})
    assert close(stays(folder, tmp_path), F.normalize(vectors(body, ["mean"], 9), dim=-1))
    put(folder / "sentence_bert_config.json", {})
    told = json.loads((folder / "tokenizer_config.json").read_text())
    put(folder / "tokenizer_config.json", {**told, "model_max_length": 7})
    assert close(trivium.load(folder).embed(TEXTS), F.normalize(vectors(body, ["mean"], 7), dim=-1))


def test_texts_are_read_in_small_letters_where_the_files_say_it(body, tmp_path):
    folder = theirs(body, tmp_path / "m", {"pooling_mode": "mean"}, bert={"max_seq_length": 64, "do_lower_case": True})
    model = trivium.load(folder)
    assert close(stays(folder, tmp_path), model.embed([text.lower() for text in TEXTS]))
    assert not close(model.embed(TEXTS), model.embed(TEXTS, lower=False))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("included", [True, False])
def test_a_prompt_stands_in_front_of_each_text(mode, included, body, tmp_path):
    settings = {"prompts": {"query": "q: ", "document": ""}, "default_prompt_name": "query"}
    folder = theirs(body, tmp_path / "m", {"pooling_mode": mode, "include_prompt": included}, settings=settings)
    weights = torch.arange(4.0, 100)[:, None]
    own = (
        MODES if mode != "weightedmean" else {mode: lambda h: (h * weights[: len(h)]).sum(0) / weights[: len(h)].sum()}
    )
    begin = 0 if included else 3 + int(trivium.load(folder).layout().frame.before != ())
    if included:
        own, begin = MODES, 0
    elif mode == "weightedmean":
        weights = weights + begin - 3
    wanted = torch.stack([own[mode](states(body, "q: " + text)[begin:]) for text in TEXTS])
    assert close(stays(folder, tmp_path), F.normalize(wanted, dim=-1))
    model = trivium.load(folder)
    assert close(model.embed(["a"], "document"), F.normalize(MODES[mode](states(body, "a")), dim=-1)[None])
    with pytest.raises(ConfigError, match="prompt 'passage': the model has no such prompt; known: query, document"):
        model.embed(["a"], "passage")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pooling": {"pooling_mode": "attention"}}, r"1_Pooling/config\.json: pooling_mode: 'attention' is not supp"),
        ({"pooling": {"pooling_mode_attention": True}}, r"pooling_mode: 'pooling_mode_attention' is not supported"),
        ({"steps": [("LayerNorm", {"dimension": 32}, None)]}, r"modules\.json: LayerNorm is not supported"),
        (
            {"steps": [("Normalize", {}, None), dense(32, 8)]},
            r"modules\.json: Dense is not supported here; expected Nor",
        ),
        (
            {"steps": [dense(32, 8, "torch.nn.modules.activation.Mish")]},
            r"2_Dense/config\.json: activation_function: 'tor",
        ),
        (
            {"steps": [("Dense", {**dense(32, 8)[1], "use_residual": True}, None)]},
            "use_residual: True is not supported",
        ),
        ({"steps": [("Dense", {"in_features": 32}, dense(32, 8)[2])]}, r"modules\.json: dense.*size"),
        ({"steps": [dense(24, 8)]}, r"head\.dense\.0\.weight: expected the shape \[8, 32\]"),
        ({"steps": [("Dense", dense(32, 8)[1], None)]}, r"2_Dense/model\.safetensors: no such file"),
        ({"settings": {"default_prompt_name": "query"}}, "prompt 'query': the model has no such prompt"),
        ({"settings": {"prompts": ["query"]}}, "prompts: expected an object"),
        ({"bert": {"max_seq_length": -1}}, "length: "),
    ],
)
def test_what_we_do_not_have_is_refused_by_name(changes, said, body, tmp_path):
    folder = theirs(body, tmp_path / "m", **{"pooling": {"pooling_mode": "mean"}, **changes})
    with pytest.raises(ModelError, match=said):
        trivium.load(folder)
    for name in NAMES:
        (folder / name).unlink(missing_ok=True)
    assert "vectors" not in trivium.load(folder).record, "the model loads alone"


@pytest.mark.parametrize("tree", [[], {}, ["a"], [{"type": "sentence_transformers.models.CLIPModel", "path": ""}]])
def test_modules_that_are_none_are_named(tree, body, tmp_path):
    folder = theirs(body, tmp_path / "m", {})
    put(folder / "modules.json", tree)
    with pytest.raises(ModelError, match=r"modules\.json: "):
        trivium.load(folder)


def test_older_folders_keep_the_model_in_a_folder_of_its_own(body, tmp_path):
    folder = theirs(body, tmp_path / "m", {"pooling_mode_cls_token": True})
    (tmp_path / "old" / "0_Transformer").mkdir(parents=True)
    for file in folder.iterdir():
        inside = file.is_file() and file.name != "modules.json"
        file.rename(tmp_path / "old" / ("0_Transformer" if inside else "") / file.name)
    steps = json.loads((tmp_path / "old" / "modules.json").read_text())
    put(tmp_path / "old" / "modules.json", [{**steps[0], "path": "0_Transformer"}, *steps[1:]])
    wanted = F.normalize(vectors(body, ["cls"]), dim=-1)
    assert close(stays(tmp_path / "old", tmp_path), wanted)


def test_a_cross_encoder_of_version_6_says_what_it_makes_of_a_score(tmp_path):
    model = small.model("bert")
    model.equip("classify", ("LABEL_0",), problem_type=None)
    folder = model.save(tmp_path / "m")
    (folder / "trivium.json").unlink()
    put(folder / "modules.json", [{"idx": 0, "path": "", "type": "sentence_transformers.base.modules.Transformer"}])
    said = {"model_type": "CrossEncoder", "activation_fn": "torch.nn.modules.linear.Identity", "prompts": {}}
    put(folder / "config_sentence_transformers.json", {**said, "default_prompt_name": "query"})
    with pytest.raises(ModelError, match="default_prompt_name: a prompt of a cross-encoder is not supported"):
        trivium.load(folder)
    put(folder / "config_sentence_transformers.json", said)
    loaded = trivium.load(folder)
    assert loaded.config.head.activation_fn == "identity" and "vectors" not in loaded.record
    assert loaded.score(["x"])[0] == pytest.approx(torch.tensor(model.score(["x"])).logit().item(), abs=1e-5)


def test_the_layers_after_pooling_are_trained_on(body, tmp_path):
    made = [{"anchor": f"{w} 1", "positive": f"2 {w}"} for w in ("aa", "bb", "cc", "dd")]
    folder = theirs(body, tmp_path / "m", {"pooling_mode": "mean"}, [dense(32, 8)], bert={"max_seq_length": 12})
    file = str(small.rows(tmp_path / "rows.jsonl", made))
    recipe = small.recipe_for("embed", folder, [file], [file], [*small.FAST, "budget_epochs=1"])
    kept, found = small.finetune("embed", recipe, tmp_path / "run")
    before, after = trivium.load(folder), trivium.load(kept)
    weights = [one.transformer.head.dense[0].weight for one in (before, after)]
    assert not torch.equal(*weights) and after.embed(["a"]).shape == (1, 8) and found["rows"] == 4
    assert after.record["vectors"] == before.record["vectors"]
    assert sentence.read(kept).head == before.config.head
    with pytest.raises(ConfigError, match=r"objective\.pool: the model's layers after pooling read mean"):
        small.finetune("embed", small.recipe_for("embed", folder, [file], [], ["objective.pool=first"]), tmp_path / "b")


def test_another_head_takes_the_place_of_the_layers_after_pooling(body, tmp_path):
    folder = theirs(body, tmp_path / "m", {"pooling_mode": "mean"}, [dense(32, 8)])
    model = trivium.load(folder)
    model.equip("classify", ("a", "b"))
    again = trivium.load(model.save(tmp_path / "again"))
    assert again.classify(TEXTS)[0] == pytest.approx(model.classify(TEXTS)[0], abs=1e-6)
    assert json.loads((tmp_path / "again" / "trivium.json").read_text())["stock"].endswith("ForSequenceClassification")
    assert not (tmp_path / "again" / "modules.json").exists()
