"""Heads of tasks against their stock classes, both ways: texts, tokens and spans, in every family that has them."""

import json

import pytest
import torch

import trivium
from tolerance import close
from trivium.base.batch import Batch, Stream
from trivium.base.config import dump, parse
from trivium.base.errors import ModelError
from trivium.infer.read import scores
from trivium.interop import heads
from trivium.interop.families import families, obstacle
from trivium.model.config import ModelConfig
from trivium.model.layer.score import PROBLEMS, pooled
from trivium.model.transformer import Transformer
from trivium.token.frame import Frame, with_frame
from trivium.token.tokenizer import Tokenizer

transformers = pytest.importorskip("transformers", reason="transformers is the oracle of these tests")
transformers.logging.set_verbosity_error()

DECODER = {
    "hidden_size": 48,
    "intermediate_size": 75,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 12,
}
ENCODER = {"hidden_size": 36, "intermediate_size": 75, "num_hidden_layers": 3, "num_attention_heads": 3}
BART = {
    "d_model": 36,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 3,
    "encoder_ffn_dim": 50,
    "decoder_ffn_dim": 75,
    "decoder_start_token_id": 2,
    "forced_eos_token_id": None,
}
T5 = {"d_model": 36, "d_kv": 12, "d_ff": 75, "num_layers": 2, "num_heads": 3, "decoder_start_token_id": 0}
SIZES = {
    "llama": DECODER,
    "mistral": DECODER,
    **dict.fromkeys(("ministral", "qwen2", "qwen3", "phi3", "smollm3", "olmo2"), DECODER),
    "distilbert": {"dim": 36, "hidden_dim": 75, "n_layers": 3, "n_heads": 3},
    "eurobert": {**ENCODER, "classifier_pooling": "mean", "mask_token_id": 3},
    "gemma2": DECODER,
    "gpt2": {"n_embd": 36, "n_layer": 2, "n_head": 3},
    "bert": ENCODER,
    **dict.fromkeys(("roberta", "xlm-roberta", "camembert"), ENCODER),
    "modernbert": {**ENCODER, "cls_token_id": 1, "sep_token_id": 2},
    "bart": BART,
    "mbart": BART,
    **dict.fromkeys(("t5", "mt5"), T5),
}
CASES = [(model, kind) for model in SIZES for kind in heads.TABLE[model]]  # pictures: families/encoder/test_vit
AUTO = {kind: f"AutoModel{end}" for kind, end in heads.ENDS.items()}
IDS = torch.tensor([[1, 9, 41, 7, 33, 2, 0, 0], [1, 88, 6, 54, 21, 90, 15, 2]])


def stock_model(model, kind, labels=None, **changes):
    torch.manual_seed(3)
    labels = labels or ({0: "no", 1: "yes", 2: "perhaps"} if kind != "span" else {0: "start", 1: "end"})
    config = transformers.AutoConfig.for_model(
        model,
        vocab_size=384,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        id2label=labels,
        label2id={name: i for i, name in labels.items()},
        **{**SIZES[model], **changes},
    )
    made = getattr(transformers, AUTO[kind]).from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return made


def ours(model, kind, ids=IDS):
    """Our scores of texts that end with padding."""
    documents = (ids != 0).long()
    positions = torch.arange(ids.shape[1]).expand_as(ids)
    stream = dec = Stream(ids, positions, documents)
    if model.config.family == "encoder_decoder":
        start = torch.full_like(ids[:, :1], model.start)
        dec = Stream(torch.cat([start, ids[:, :-1]], dim=1), positions, documents)
    enc = None if model.config.encoder is None else stream
    with torch.no_grad():
        hidden = model.transformer(Batch(enc, None if model.config.decoder is None else dec, {}))
        head = model.transformer.head
        return head(pooled(hidden, dec, head.config.pool) if kind == "classify" else hidden)


def theirs(model, kind):
    with torch.no_grad():
        out = model(input_ids=IDS, attention_mask=(IDS != 0).long())
    return torch.stack([out.start_logits, out.end_logits], dim=-1) if kind == "span" else out.logits


def same(found, wanted, kind):
    return close(found, wanted) if kind == "classify" else close(found[IDS != 0], wanted[IDS != 0])


@pytest.mark.parametrize(("model", "kind"), CASES)
def test_a_stock_folder_gives_the_same_scores_and_comes_back(model, kind, tmp_path):
    stock = stock_model(model, kind)
    stock.save_pretrained(tmp_path / "theirs")
    loaded = trivium.load(tmp_path / "theirs")
    assert loaded.config.head.kind == kind
    wanted = theirs(stock, kind)
    assert same(ours(loaded, kind), wanted, kind)
    loaded.tokenizer = Tokenizer.bytes()  # whose control ids are the stock configuration's
    loaded.save(tmp_path / "ours")
    back = getattr(transformers, AUTO[kind]).from_pretrained(tmp_path / "ours").eval()
    assert type(back) is type(stock) and back.config.id2label == stock.config.id2label
    assert same(theirs(back, kind), wanted, kind)


@pytest.mark.parametrize(("model", "kind"), CASES)
def test_a_model_of_ours_with_the_usual_head_is_a_stock_folder(model, kind, tmp_path):
    torch.manual_seed(0)
    plain = trivium.build(model, vocab_size=96, hidden_size=48, layers=2, heads=4, context=64).config
    head = heads.usual(model, kind, plain, ("no", "yes") if kind != "span" else ("start", "end"))
    config = parse(ModelConfig, {**dump(plain), "head": head}, "model")
    made = trivium.api.Model(Transformer(config).eval(), start=None)
    made.save(tmp_path / "m")
    again = trivium.load(tmp_path / "m")
    assert made.record.get("stock", "yes") and again.config.head == config.head
    names = (tmp_path / "m" / "config.json").read_text()
    assert heads.ENDS[kind] in names


@pytest.mark.parametrize("problem_type", [None, *PROBLEMS[1:]])
@pytest.mark.parametrize("model", ["bert", "llama"])
def test_one_label_gives_what_the_stock_pipeline_gives_and_is_saved_as_it_came(model, problem_type, tmp_path):
    stock = stock_model(model, "classify", {0: "only"}, problem_type=problem_type)
    stock.save_pretrained(tmp_path / "theirs")
    Tokenizer.bytes().save(tmp_path / "theirs")
    loaded = trivium.load(tmp_path / "theirs")
    loaded.equip(
        "classify", ("only",), **{key: getattr(loaded.config.head, key) for key in ("problem_type", "dropout")}
    )
    loaded.save(tmp_path / "ours")
    said = json.loads((tmp_path / "ours" / "config.json").read_text())
    assert said["problem_type"] == problem_type and said["id2label"] == {"0": "only"}
    stock = transformers.pipeline("text-classification", str(tmp_path / "ours"), tokenizer=str(tmp_path / "ours"))
    for text in ("a b", "zzz"):
        (label, score), *others = trivium.load(tmp_path / "ours").classify([text])[0].items()
        assert not others and {"label": label, "score": pytest.approx(score, abs=1e-5)} == stock(text)[0]


def test_one_label_of_one_says_nothing(tmp_path):
    stock_model("bert", "classify", {0: "only"}).save_pretrained(tmp_path)
    tree = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**tree, "problem_type": PROBLEMS[0]}))  # stock refuses it
    assert trivium.load(tmp_path).config.head.problem_type is None


def test_several_numbers_are_no_probabilities(tmp_path):
    stock_model("bert", "classify", problem_type="regression").save_pretrained(tmp_path)
    loaded = trivium.load(tmp_path)
    loaded.tokenizer = Tokenizer.bytes()
    assert loaded.config.head.regression and sum(loaded.classify(["a"])[0].values()) != pytest.approx(1)


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}}, "identity"),
        ({"sbert_ce_default_activation_function": "torch.nn.modules.activation.Sigmoid"}, "sigmoid"),
        ({"sbert_ce_default_activation_function": "torch.nn.Identity"}, "identity"),
        ({}, None),
    ],
)
def test_a_cross_encoder_says_what_it_makes_of_a_score(told, found, tmp_path):
    stock_model("bert", "classify", {0: "only"}, **told).save_pretrained(tmp_path / "theirs")
    loaded = trivium.load(tmp_path / "theirs")
    assert loaded.config.head.activation_fn == found
    loaded.save(tmp_path / "ours")
    assert trivium.load(tmp_path / "ours").config.head.activation_fn == found


@pytest.mark.parametrize(
    ("key", "value"),
    [("problem_type", "ranking"), ("sentence_transformers", {"activation_fn": "torch.nn.modules.activation.Tanh"})],
)
def test_a_head_that_computes_something_else_is_refused_by_name(key, value, tmp_path):
    stock_model("bert", "classify").save_pretrained(tmp_path)
    tree = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**tree, key: value}))
    with pytest.raises(ModelError, match=rf"config\.json: {key}.*is not supported; known: "):
        trivium.load(tmp_path)


@pytest.mark.parametrize("after", [(2, 77), (2,), (77, 2)])
@pytest.mark.parametrize("kind", ["classify", "span"])
def test_mbart_reads_the_last_eos_and_begins_with_the_last_id(after, kind, tmp_path):
    stock = stock_model("mbart", kind, decoder_start_token_id=1)
    stock.save_pretrained(tmp_path)
    with_frame(Tokenizer.bytes(), Frame((), after)).save(tmp_path)
    loaded, texts = trivium.load(tmp_path), ["ab", "one more"]
    layout, tokenizer = loaded.layout(), transformers.AutoTokenizer.from_pretrained(tmp_path)
    found = scores(loaded.transformer, [layout.example([loaded.tokenizer.encode(text)]) for text in texts])
    for text, score in zip(texts, found, strict=True):
        with torch.no_grad():
            out = stock(**tokenizer(text, return_tensors="pt"))
        wanted = torch.stack([out.start_logits, out.end_logits], dim=-1) if kind == "span" else out.logits
        assert close(score, wanted[0])


def test_a_mean_is_kept_by_modernbert(tmp_path):
    stock = stock_model("modernbert", "classify", classifier_pooling="mean", classifier_dropout=0.25)
    stock.save_pretrained(tmp_path)
    loaded = trivium.load(tmp_path)
    assert loaded.config.head.pool == "mean" and loaded.config.head.dropout == 0.25
    assert close(ours(loaded, "classify"), theirs(stock, "classify"))


def test_packed_texts_are_scored_as_alone():
    torch.manual_seed(0)
    config = trivium.build("bert", vocab_size=96, hidden_size=48, layers=2, heads=4, context=64).config
    for pool in ("first", "last", "mean"):
        head = {"kind": "classify", "pool": pool, "labels": ["a", "b", "c"]}
        model = trivium.api.Model(Transformer(parse(ModelConfig, {**dump(config), "head": head}, "m")).eval())
        alone = torch.cat([ours(model, "classify", IDS[:1, :6]), ours(model, "classify", IDS[1:])])
        row = torch.cat([IDS[:1, :6], IDS[1:], torch.zeros(1, 2, dtype=torch.long)], dim=1)
        positions = torch.cat([torch.arange(6), torch.arange(8), torch.zeros(2, dtype=torch.long)])[None]
        documents = torch.tensor([[1] * 6 + [2] * 8 + [0] * 2])
        stream = Stream(row, positions, documents)
        with torch.no_grad():
            hidden = model.transformer(Batch(stream, None, {}))
            assert close(model.transformer.head(pooled(hidden, stream, pool)), alone)


@pytest.mark.parametrize("change", [{"pool": "mean"}, {"dense": False}, {"bias": False}, {"activation": "relu"}])
def test_what_no_stock_class_has_says_so(change):
    config = trivium.build("bert", vocab_size=96, hidden_size=48, layers=2, heads=4).config
    head = heads.usual("bert", "classify", config, ("a", "b")) | change
    odd = parse(ModelConfig, {**dump(config), "head": head}, "m")
    assert f"head.{next(iter(change))}" in obstacle(families()["bert"], odd)
