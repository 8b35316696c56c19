"""The bridge to lm-evaluation-harness: its likelihoods are ours, and a local task runs offline."""

import json
import math
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch

import trivium
from trivium.base.errors import ConfigError, DataError, ModelError
from trivium.task.harness import bridge, likelihoods, run
from trivium.token.tokenizer import Tokenizer

TASK = """\
task: capitals
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: "{{{{label}}}}"
metric_list: [{{metric: acc}}]
"""
WRITE = """\
task: copies
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: ["\\n"], max_gen_toks: 4}}
metric_list: [{{metric: exact_match}}]
"""


def build(preset="llama", **options):
    torch.manual_seed(0)
    model = trivium.build(
        preset, vocab_size=384, hidden_size=32, layers=2, heads=4, context=48, init="scaled", **options
    )
    with torch.no_grad():
        for parameter in model.transformer.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.tokenizer = Tokenizer.bytes()
    return model


def test_a_likelihood_is_the_sum_over_what_follows():
    model = build()
    context, text = model.encode("ab"), model.tokenizer.encode("cde")
    (nats, greedy), (other, _) = likelihoods(model, [(context, text), (context, text[:1])], 48)
    logp = model.logits([[*context, *text]]).log_softmax(-1)[0]
    by_hand = [float(logp[len(context) - 1 + i, token]) for i, token in enumerate(text)]
    assert math.isclose(nats, sum(by_hand), abs_tol=1e-4) and math.isclose(other, by_hand[0], abs_tol=1e-4)
    best = model.generate([context], max_new_tokens=3)[0]
    assert not greedy and likelihoods(model, [(context, best)], 48)[0][1]


def test_a_context_that_does_not_fit_loses_its_beginning():
    model = build()
    long, text = list(range(30, 130)), [200, 201]
    assert likelihoods(model, [(long, text)], 48) == likelihoods(model, [(long[-47:], text)], 48)


def test_an_encoder_decoder_reads_the_context():
    model = build("t5")
    pair = (model.tokenizer.encode("ab"), model.tokenizer.encode("cd"))
    (nats, _), (other, _) = likelihoods(model, [pair, (model.tokenizer.encode("xy"), pair[1])], 48)
    logits = model.logits([model.frame(pair[0])], decoder_input_ids=[[0, pair[1][0]]]).log_softmax(-1)[0]
    assert math.isclose(nats, sum(float(logits[i, token]) for i, token in enumerate(pair[1])), abs_tol=1e-4)
    assert nats != other


@pytest.mark.slow
def test_local_tasks_run_offline(tmp_path, monkeypatch):
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness is 400 MB: pip install lm_eval")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    model = build()
    rows = [{"question": f"question {i}", "choices": ["a", "bb", "c"]} for i in range(4)]
    for row in rows:
        pairs = [(model.encode(row["question"]), model.tokenizer.encode(f" {choice}")) for choice in row["choices"]]
        scores = [nats for nats, _ in likelihoods(model, pairs, 48)]
        row["label"] = scores.index(max(scores))  # what the model says is right
        row["answer"] = model.generate(row["question"], max_new_tokens=4, stop="\n")
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "capitals.yaml").write_text(TASK.format(data=data))
    (tmp_path / "copies.yaml").write_text(WRITE.format(data=data))
    found = run(model, ["capitals", "copies"], tmp_path)
    assert found["capitals"]["acc"] == 1.0 and found["copies"]["exact_match"] == 1.0
    with pytest.raises(ConfigError, match="nowhere"):
        run(model, ["nowhere"], tmp_path)


class Stand:
    """What the bridge needs of the harness's own model."""


@pytest.fixture
def harness(monkeypatch):
    """The harness's modules as the bridge imports them, so that the bridge is tested without the harness."""
    names = ("lm_eval", "lm_eval.api", "lm_eval.api.model", "lm_eval.utils")
    for name in names:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["lm_eval.api.model"].TemplateLM = Stand
    # The windows of the harness, over texts that fit one of them.
    utils = sys.modules["lm_eval.utils"]
    utils.get_rolling_token_windows = lambda ids, prefix, longest, context_len: [([prefix], list(ids))]
    utils.make_disjoint_window = lambda window: window


def test_the_bridge_answers_in_the_harness_terms(harness):
    model = build()
    asked = bridge(model)
    context, text = asked.tok_encode("ab", add_special_tokens=True), asked.tok_encode("cd", add_special_tokens=False)
    assert context == [1, *model.tokenizer.encode("ab")] and text == model.tokenizer.encode("cd")
    assert asked._loglikelihood_tokens([(None, context, text)]) == likelihoods(model, [(context, text)], 48)
    rolled = asked.loglikelihood_rolling([SimpleNamespace(args=("abcd",))])
    assert rolled == [likelihoods(model, [([1], model.tokenizer.encode("abcd"))], 48)[0][0]]
    said = asked.generate_until([SimpleNamespace(args=("ab", {"until": ["\n"], "max_gen_toks": 3}))])
    assert said == [model.generate("ab", max_new_tokens=3, stop="\n")]


def test_what_cannot_be_asked_is_one_clear_line(monkeypatch):
    with pytest.raises(ModelError, match="writes"):
        bridge(build("bert"))
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(DataError, match=r"--harness needs lm_eval: pip install lm_eval$"):
        run(build(), ["arc_easy"])
