"""The reference: the forward of training, all texts packed into one row, without a cache, a step or an engine.

The greedy text is drafted by the engine, and each of its ids is taken only where the reference chooses it too. So the
reference needs one pass where both agree, and one more for each id where they do not.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise

from torch import Tensor
from torch.nn import functional as F

from trivium.base.batch import Stream, collate
from trivium.base.types import Example
from trivium.infer.generate import generate
from trivium.model.device import evaluating, place
from trivium.model.layer.head import Hidden
from trivium.model.layer.score import LabelHead, SentenceEmbedding, pooled
from trivium.model.vectors import Vectors, usual_pool
from trivium.study.verify.subject import Reply, Subject


def replies(subject: Subject) -> list[Reply]:
    """Return what the trainer's forward says about each text."""
    if not subject.writes:
        return read(subject, [[subject.example(at) for at in range(len(subject.texts))]])
    drafts = [list(one.ids) for one in generate(subject.model.transformer, subject.request())]
    while True:
        hidden, _ = states(subject, [[subject.example(at, draft) for at, draft in enumerate(drafts)]])
        with evaluating(subject.model.transformer):
            logits = [subject.model.transformer.logits(some) for some in hidden]
        checked = [_checked(subject, at, draft, logits[at]) for at, draft in enumerate(drafts)]
        if checked == drafts:
            break
        drafts = checked
    decode, found = subject.model.tokenizer.decode, zip(subject.read, hidden, logits, drafts, strict=True)
    return [Reply(ids, some, table, ids=new, text=decode(new, skip_special=True)) for ids, some, table, new in found]


def _checked(subject: Subject, at: int, draft: list[int], logits: Tensor) -> list[int]:
    """Return the ids of a draft as far as the logits choose them too, then the id that they choose instead."""
    request, prompt = subject.request([at]), subject.prompt(at)
    stops = frozenset(request.stop_ids)
    for made in range(subject.new_tokens):
        scores = logits[None, len(prompt) + made - 1, : request.vocabulary]
        bound = request.decoding.bound(scores, [[*prompt, *draft[:made]]], made, subject.new_tokens, stops)
        best = int(bound.argmax())
        if best in stops:
            return draft[:made]
        if made == len(draft) or best != draft[made]:
            return [*draft[:made], best]
    return draft


def read(subject: Subject, rows: Sequence[Sequence[Example]]) -> list[Reply]:
    """Return what a model that does not write says about the texts of rows, row by row, in one pass."""
    transformer, kind = subject.model.transformer, subject.model.config.head
    parts, whole = states(subject, rows)
    found = [Reply(states=some.float()) for some in parts]
    pool, name = getattr(kind, "pool", None), "scores" if isinstance(kind, LabelHead | SentenceEmbedding) else "logits"
    with evaluating(transformer):
        each = transformer.head(pooled(*whole, pool, getattr(kind, "eos", None)) if pool else whole[0]).float()
        if not isinstance(kind, Hidden):
            for reply, scores in zip(found, each if pool else _parts(each, rows), strict=True):
                setattr(reply, name, scores)
        for reply, vector in zip(found, _vectors(subject, each, *whole), strict=False):
            reply.vector = vector
    return found


def _vectors(subject: Subject, scores: Tensor, hidden: Tensor, stream: Stream) -> list[Tensor]:
    """Return the vectors of the texts of a pass; none where other ids or states than these become vectors."""
    how, config = Vectors.of(subject.model.record), subject.model.config
    if how.lower or how.prefix(None) or config.family == "encoder_decoder":
        return []
    own = isinstance(config.head, SentenceEmbedding)
    found = scores if own else pooled(hidden.float(), stream, how.pool or usual_pool(config))
    return list(F.normalize(found, dim=-1) if how.normalise else found)


def states(subject: Subject, rows: Sequence[Sequence[Example]]) -> tuple[list[Tensor], tuple[Tensor, Stream]]:
    """Return the last hidden states [T, D] of each example of some rows, and of the whole pass with its places."""
    transformer = subject.model.transformer
    with evaluating(transformer):
        batch = place(collate(rows, pad=0), transformer.tokens.weight.device)
        hidden = transformer(batch)
    return _parts(hidden, rows), (hidden, batch.read)


def _parts(table: Tensor, rows: Sequence[Sequence[Example]]) -> list[Tensor]:
    """Return the part [T, ...] of each example of a table [B, T, ...]."""
    ends = (pairwise(accumulate(map(len, row), initial=0)) for row in rows)
    return [part[begin:end] for part, places in zip(table, ends, strict=True) for begin, end in places]
