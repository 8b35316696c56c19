"""`finetune`: what a recipe is made of, and what mistakes are told."""

import json

import pytest

import small
import trivium
from tolerance import close
from trivium.base.errors import ConfigError, DataError, ModelError
from trivium.base.types import Message
from trivium.task.finetune import finetune, plain, recipe_for, tell
from trivium.task.task import task_of
from trivium.token.template import ids, render
from trivium.token.tokenizer import Tokenizer


def test_a_low_rank_run_learns_the_head_too(tmp_path):
    folder, found = small.tuned(tmp_path, "classify", "bert", small.labelled(), ["lora.rank=4", "budget_epochs=30"])
    assert found["accuracy"] > 0.9 and (folder.parent / "adapter" / "adapter_model.safetensors").is_file()


def test_a_recipe_goes_before_the_defaults_and_words_before_both(tmp_path):
    folder, file = small.folder(tmp_path, "bert"), str(small.rows(tmp_path / "r.jsonl", small.labelled()))
    (tmp_path / "r.toml").write_text(
        'budget_steps = 3\ninit = "other"\n[optim]\nlr = 1e-2\n[data]\nlength = 32\npath = "other"\n'
    )
    made = recipe_for("classify", folder, [file], overrides=["optim.lr=1e-3"], recipe=tmp_path / "r.toml")
    assert (made.budget_steps, made.budget_epochs, made.optim.lr, made.data.length) == (3, None, 1e-3, 32)
    assert made.objective.kind == "label"
    assert (made.init, made.data.path) == (str(folder), (file,)), "a recipe's files are replaced"


def test_mistakes_are_one_clear_line(tmp_path):
    folder, file = small.folder(tmp_path, "bert"), str(small.rows(tmp_path / "r.jsonl", [{"text": "a", "label": "x"}]))
    with pytest.raises(ConfigError, match=r"task: expected one of caption, chat, classify, .*, found 'clasify'"):
        recipe_for("clasify", folder, [file])
    with pytest.raises(DataError, match=r"r\.jsonl: expected at least two labels, found x"):
        finetune("classify", recipe_for("classify", folder, [file]), tmp_path / "a")
    bad = str(small.rows(tmp_path / "bad.jsonl", [{"text": "a", "label": "x"}, {"txt": "a", "label": "y"}]))
    with pytest.raises(
        DataError, match=r"bad\.jsonl:2: expected the keys \{text\} of label rows, found \{txt, label\}"
    ):
        finetune("classify", recipe_for("classify", folder, [bad]), tmp_path / "b")
    with pytest.raises(
        ModelError, match="task classify: expected a model with a head of kind classify with several labels, found mlm"
    ):
        task_of("classify").measure(trivium.load(folder), [file])


def test_the_fields_of_a_task_are_set_before_it_is_trained(tmp_path):
    folder, file = (
        small.folder(tmp_path, "llama"),
        str(small.rows(tmp_path / "r.jsonl", [{"prompt": "a", "completion": "b"}])),
    )
    recipe = recipe_for("chat", folder, [file], [file], small.FAST)
    with pytest.raises(ConfigError, match="task: max_tokens: unknown key"):
        finetune("chat", recipe, tmp_path / "a", options=["max_tokens=3"])
    assert not (tmp_path / "a").exists()
    made, _ = finetune("chat", recipe, tmp_path / "a", options=["max_new_tokens=3"])
    assert trivium.load(made).record["generation"]["max_new_tokens"] == 3


def test_metrics_of_long_names_are_aligned(capsys):
    tell({"rows": 2, "reward_accuracy": 1.0})
    assert capsys.readouterr().out == "rows            2\nreward_accuracy 1.0000\n"
    tell({})
    assert not capsys.readouterr().out, "a fine-tuning without held-out rows has no metrics"


def test_plain_metrics_are_numbers():
    assert plain({"accuracy": 0.5, "rows": 3, "confusion": [[1]]}) == {"accuracy": 0.5, "rows": 3}


def test_new_tokens_and_a_template_of_ones_own(tmp_path, capsys):
    transformers = pytest.importorskip("transformers")
    file = str(small.rows(tmp_path / "r.jsonl", [{"prompt": "<|im_end|>", "completion": "yo"}] * 6))
    folder = small.folder(tmp_path, "llama")
    words = [*small.FAST, "template=chatml", 'tokens=["<|im_start|>","<|im_end|>"]']
    model, _ = finetune("chat", recipe_for("chat", folder, [file], [file], words), tmp_path / "run")
    assert "added 2 tokens: 386 in all, 386 rows in the embedding table" in capsys.readouterr().out
    tuned = trivium.load(model)
    assert tuned.config.vocab_size == tuned.tokenizer.size == 386 and len(tuned.record["recipe"]["tokens"]) == 2
    end = tuned.tokenizer.id_of("<|im_end|>")
    generation = json.loads((model / "generation_config.json").read_text())
    assert end in generation["eos_token_id"] and end in tuned.stop_ids
    stock = transformers.AutoModelForCausalLM.from_pretrained(model).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    talk = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]
    given = tokenizer.apply_chat_template(talk, return_tensors="pt", return_dict=True)["input_ids"]
    assert given[0].tolist() == ids(render([Message(**turn) for turn in talk], tuned.tokenizer))
    assert close(tuned.logits(given), stock(given).logits)
    with pytest.raises(ConfigError, match="the embeddings of new tokens must be trained"):
        recipe_for("chat", folder, [file], overrides=[*words, "lora.rank=4"])


def test_a_model_without_a_template_keeps_the_one_that_it_learned_by(tmp_path):
    file = str(small.rows(tmp_path / "r.jsonl", [{"translation": {"en": "one", "de": "eins"}}] * 4))
    for preset, wanted in (("llama", "<s>User:\nx\n\nAssistant:\n"), ("t5", "x</s>"), ("bart", "<s>x</s>")):
        model = small.model(preset)
        model.tokenizer = unmarked(model.tokenizer)
        folder = model.save(tmp_path / preset)
        recipe = recipe_for("translate", folder, [file], overrides=[*small.FAST, "budget_epochs=1"])
        tuned, _ = finetune("translate", recipe, tmp_path / f"run-{preset}")
        assert (tuned / "chat_template.jinja").is_file()
        tokenizer = trivium.load(tuned).tokenizer
        said = tokenizer.decode(ids(render([Message("user", "x")], tokenizer, generate=True)))
        assert said == wanted, preset


def unmarked(tokenizer):
    """The same tokenizer without markers of roles, as most models of others have it."""
    tree = json.loads(tokenizer.json.replace("<|user|>", "<|reserved_u|>"))
    return Tokenizer(json.dumps(tree), {key: value for key, value in tokenizer.config.items() if "class" not in key})


def test_what_a_run_begins_with_is_shown_once_it_is_known(tmp_path):
    file = str(small.rows(tmp_path / "r.jsonl", small.labelled()))
    seen = []
    recipe = recipe_for("classify", small.folder(tmp_path, "bert"), [file], overrides=[*small.FAST, "budget_epochs=1"])
    folder, _ = finetune("classify", recipe, tmp_path / "run", begin=lambda model, recipe: seen.append(model.config))
    assert [config.head.labels for config in seen] == [("cold", "hot")]
    assert json.loads((folder / "trivium.json").read_text())["task"] == "classify"
