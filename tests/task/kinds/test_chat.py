"""Text to text: an encoder-decoder model learns every task in words."""

import json
import math

import pytest
import tokenizers
import torch
from tokenizers import decoders, models, pre_tokenizers, processors, trainers

import small
import trivium
from trivium.rows.read import RowReading
from trivium.task.finetune import finetune, recipe_for
from trivium.task.kinds.chat import ChatTask, answer_loss
from trivium.task.metric import overlap as metric
from trivium.task.predict import predict_file
from trivium.token.tokenizer import Tokenizer


@pytest.mark.parametrize(
    ("task", "row"),
    [
        ("translate", {"source": "one", "target": "eins"}),
        ("summarize", {"document": "long text", "summary": ["short"]}),
    ],
)
def test_text_to_text_is_how_an_encoder_decoder_learns(tmp_path, task, row):
    pytest.importorskip("sacrebleu")
    folder, found = small.tuned(tmp_path, task, "t5", [row] * 24, ["optim.lr=2e-2", "budget_epochs=35"])
    assert found[{"translate": "exact_match", "summarize": "rouge_l"}[task]] == 1.0 and found["loss"] < 0.5
    asked = {key: value for key, value in row.items() if key not in ("target", "summary")}
    predict_file(folder, small.rows(tmp_path / "in.jsonl", [asked]), tmp_path / "out.jsonl")
    said = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])["answer"]
    assert said == {"translate": "eins", "summarize": "short"}[task]


NUMBERS = {"one": "eins", "two": "zwei", "three": "drei"}
MARKED = ["template=trivium"]


@pytest.mark.parametrize(
    ("preset", "words"),
    [
        ("t5", []),
        ("bart", MARKED),
        pytest.param("t5", MARKED, marks=pytest.mark.slow),
        pytest.param("bart", [], marks=pytest.mark.slow),
    ],
)
def test_a_tuned_model_is_asked_as_it_was_tuned_on_every_path(preset, words, tmp_path, capsys):
    """`predict`, `Model.generate`, `Model.chat` and both halves of the card give the same answers."""
    pytest.importorskip("transformers")
    made = [{"translation": {"en": source, "de": target}} for source, target in NUMBERS.items()] * 6
    learn = ["optim.lr=1e-2", "budget_epochs=40", *words]
    folder, _ = small.tuned(tmp_path, "translate", preset, made, learn)
    predict_file(folder, small.rows(tmp_path / "in.jsonl", made[:3]), tmp_path / "out.jsonl")
    said = [json.loads(line)["answer"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert sum(one == right for one, right in zip(said, NUMBERS.values(), strict=True)) >= 2, (
        "a model that knows nothing would show little"
    )

    model, prefix = trivium.load(folder), "translate en to de: "
    plain = [[*model.tokenizer.encode(prefix + source), 2] for source in NUMBERS]
    frames = [model.tokenizer.vocabulary.bos] * (preset == "bart")
    assert ([model.encode(source) for source in NUMBERS] == [[*frames, *ids] for ids in plain]) is (not words)
    assert model.record["prefix"] == prefix and model.record["generation"] == {"max_new_tokens": 128, "num_beams": 4}
    told = {"max_new_tokens": model.config.context, "num_beams": 4}
    assert model.generate([*NUMBERS], **told) == model.generate([prefix + one for one in NUMBERS], **told) == said
    greedy = model.generate([*NUMBERS])
    assert [model.chat([{"role": "user", "content": one}]) for one in NUMBERS] == greedy
    card = (folder / "README.md").read_text()
    assert "pipeline_tag: translation" in card and ("apply_chat_template" in card) is bool(words)
    for source, answer in zip(NUMBERS, said, strict=True):
        capsys.readouterr()
        small.use(folder, source)
        assert capsys.readouterr().out == f"{answer}\n" * 2


FRAMES = {
    "t5": "$A </s>",
    "bart": "<s> $A </s>",
    "marian": "$A </s>",
    "mbart": "$A </s> en_XX",
    "mbart-50": "en_XX $A </s>",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FRAMES)
def test_models_of_others_are_asked_as_their_tokenizers_frame_a_text(name, tmp_path, capsys):
    """Tokenizers of others without role markers, with the special tokens of their kind around a text."""
    pytest.importorskip("transformers")
    preset = name.removesuffix("-50")
    torch.manual_seed(0)
    model = trivium.build(preset, vocab_size=120, context=64, **small.SIZES["bart"])
    model.tokenizer = metaspace(FRAMES[name])
    if preset == "mbart":
        model.start = model.forced["first"] = model.tokenizer.id_of("de_DE")
    base, made = model.save(tmp_path / "base"), [{"translation": {"en": a, "de": b}} for a, b in NUMBERS.items()]
    rows, asked = small.rows(tmp_path / "r.jsonl", made * 6), small.rows(tmp_path / "in.jsonl", made)
    learn = [*small.FAST, "optim.lr=1e-2", "budget_epochs=40"]
    folder, _ = finetune("translate", recipe_for("translate", base, [str(rows)], overrides=learn), tmp_path / "run")
    predict_file(folder, asked, tmp_path / "out.jsonl")
    said = [json.loads(line)["answer"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert sum(one == right for one, right in zip(said, NUMBERS.values(), strict=True)) >= 2
    assert trivium.load(folder).generate([*NUMBERS], 64, num_beams=4) == said
    for source, answer in zip(NUMBERS, said, strict=True):
        capsys.readouterr()
        small.use(folder, source)
        assert capsys.readouterr().out == f"{answer}\n" * 2


def metaspace(frame):
    """A tokenizer of pieces with the mark of a space, as SentencePiece's are, and this frame."""
    made = tokenizers.Tokenizer(models.Unigram())
    made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    special = ["<pad>", "<s>", "</s>", "<unk>", "<mask>", "en_XX", "de_DE"]
    words = [" ".join([*NUMBERS, *NUMBERS.values(), "abcdefghijklmnopqrstuvwxyz"])] * 20
    trainer = trainers.UnigramTrainer(vocab_size=120, special_tokens=special, unk_token="<unk>", show_progress=False)
    made.train_from_iterator(words, trainer)
    used = [(one, made.token_to_id(one)) for one in special]
    made.post_processor = processors.TemplateProcessing(single=frame, pair=f"{frame} $B", special_tokens=used)
    roles = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    return Tokenizer(made.to_str(), {"tokenizer_class": "PreTrainedTokenizerFast", **roles})


def test_the_loss_is_that_of_the_answers_alone(tmp_path):
    model = small.model("gpt2")
    model.transformer.tokens.weight.data.zero_()  # tied: every token is as likely as any other
    file = small.rows(tmp_path / "r.jsonl", [{"prompt": "q", "completion": ["a", "bb", "b"]}])
    assert answer_loss(model, [file], RowReading()) == pytest.approx(math.log(384), abs=1e-4)


def test_without_sacrebleu_a_finished_run_still_tells_the_rest(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(metric, "find_spec", lambda name: None)
    file = small.rows(tmp_path / "r.jsonl", [{"prompt": "q", "completion": "a"}])
    found = ChatTask(max_new_tokens=2).measure(small.model("llama"), [file])
    assert {"exact_match", "rouge_l", "loss"} <= found.keys() and "chrf" not in found
    assert "chrf: not measured without sacrebleu" in capsys.readouterr().out
