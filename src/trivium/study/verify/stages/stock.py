"""The stock class of `transformers`: its tokenizer, one pass, then its own way of writing."""

import json
from typing import Any

import torch

from trivium.base.plugin import extra
from trivium.interop.hub import OWN
from trivium.model.layer.score import SentenceEmbedding
from trivium.study.verify.stage import ParityStage, lacking
from trivium.study.verify.subject import Reply, Subject


def refusal(subject: Subject) -> str | None:
    """Return why no stock class is asked."""
    if (missing := lacking("transformers")) is not None:
        return missing
    if not (subject.folder / "config.json").is_file():
        return "the folder is an adapter, and stock classes read whole models"
    if _config(subject).get("model_type") == OWN:
        return "no stock class computes this model"
    return "its vectors are those of sentence-transformers" * isinstance(subject.model.config.head, SentenceEmbedding)


def replies(subject: Subject) -> list[Reply]:
    """Return what the stock class says about each text."""
    transformers = extra("transformers", "a stock class")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    kind = getattr(transformers, _config(subject)["architectures"][0])
    tokenizer = transformers.AutoTokenizer.from_pretrained(subject.folder)
    model = kind.from_pretrained(subject.folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        return [_reply(subject, at, model, _ids(subject, at, tokenizer)) for at in range(len(subject.texts))]


def _config(subject: Subject) -> dict[str, Any]:
    return dict(json.loads((subject.folder / "config.json").read_text(encoding="utf-8")))


def _ids(subject: Subject, at: int, tokenizer: Any) -> list[int]:
    if subject.templated:
        asked = [{"role": "user", "content": subject.model.record.get("prefix", "") + subject.texts[at]}]
        found = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=True)
    else:
        found = tokenizer(subject.texts[at])
    return [int(index) for index in found["input_ids"]]


def _reply(subject: Subject, at: int, model: Any, ids: list[int]) -> Reply:
    reply, table = Reply(read=ids), torch.tensor([ids])
    if ids != subject.read[at]:
        return reply
    if not subject.writes:
        return _read(subject, at, model, reply)
    new = subject.expected[at].ids or []
    if subject.both:
        decoder = torch.tensor([[*subject.prompt(at), *new]])
        reply.logits = model(input_ids=table, decoder_input_ids=decoder).logits[0].float()
    else:
        reply.logits = model(input_ids=torch.tensor([[*ids, *new]])).logits[0].float()
    ones, stops = torch.ones_like(table), list(subject.request([at]).stop_ids) or None
    options = {"max_new_tokens": subject.new_tokens, "do_sample": False, "num_beams": 1, "eos_token_id": stops}
    said = model.generate(input_ids=table, attention_mask=ones, **options)[0].tolist()[len(subject.prompt(at)) :]
    reply.ids = until(said, stops or ())
    return reply


def _read(subject: Subject, at: int, model: Any, reply: Reply) -> Reply:
    example = subject.example(at)
    ids = example.enc if example.enc is not None else example.dec
    options: dict[str, Any] = {"input_ids": torch.as_tensor(ids)[None]}
    if example.types is not None:
        options["token_type_ids"] = torch.as_tensor(example.types)[None]
    said = model(**options, output_hidden_states=True)
    if "logits" in said:
        name = "logits" if subject.expected[at].logits is not None else "scores"
        setattr(reply, name, said.logits[0].float())
    elif "start_logits" in said:
        reply.scores = torch.stack([said.start_logits[0], said.end_logits[0]], dim=-1).float()
    else:
        reply.states = said.last_hidden_state[0].float()
    return reply


def until(ids: list[int], stops: list[int] | tuple[int, ...]) -> list[int]:
    """Return the ids before the first stop id."""
    return ids[: next((k for k, index in enumerate(ids) if index in stops), len(ids))]


STAGE = ParityStage("stock transformers", 5, replies, refusal)
