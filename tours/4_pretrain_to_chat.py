"""Tour 4: from text to a model that answers, step by step. Run it: python tours/4_pretrain_to_chat.py

The text is some hundred docstrings of Python's own types. A small LLaMA first learns to continue them, then to answer
questions about them in three formats of rows. It is too small to learn anything else.

    1. text to data                     clean, split, train a tokenizer, encode
    2. pretraining                      predict the next token, at each position
    3. rows to ids and loss mask        render a conversation and mask it in one step
    4. fine-tuning                      predict the next token of answers and their end tokens only
    5. before and after                 ask both models the same questions, and compute a metric
    6. the folder                       stock transformers reads it: it is a Hugging Face folder
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import trivium
from trivium.base.config import parse
from trivium.corpus.prepare import Preparation, prepare
from trivium.rows.read import read_conversations
from trivium.task.finetune import finetune, recipe_for
from trivium.task.predict import evaluate_files
from trivium.task.run import run
from trivium.token.template import ids, render, stop_ids
from trivium.train.recipe import Recipe

PRETRAIN_STEPS, TUNE_EPOCHS = (int(word) for word in (*sys.argv[1:], "100", "30")[:2])
here = Path(tempfile.mkdtemp(prefix="trivium-tour-"))


def title(text: str) -> None:
    """Print the heading of a step."""
    print(f"\n{'=' * 100}\n{text}\n")


def first(text: str) -> str:
    """Return the first sentence of a docstring."""
    return " ".join(text.split("\n\n")[0].split()).split(". ")[0].rstrip(".") + "."


title("1. Text to data")
docs = {
    f"{kind.__name__}.{name}": getattr(kind, name).__doc__ or ""
    for kind in (str, list, dict, set, bytes, int)
    for name in dir(kind)
    if not name.startswith("_")
}
text = [{"text": f"{name}: {doc}", "id": name} for name, doc in docs.items() if len(doc) > 40]
(here / "text.jsonl").write_text("".join(json.dumps(row) + "\n" for row in text))
manifest = prepare([here / "text.jsonl"], here / "data", Preparation(vocab_size=512, near=None, valid_share=0.1))
print(
    f"{len(text)} docstrings give {manifest['splits']['train'][0]['tokens']:,} training tokens, "
    f"with a vocabulary of {manifest['vocab_size']}"
)

title("2. Pretraining: predict the next token, at each position")
tree = {
    "data": {"path": [str(here / "data")], "length": 128},
    "model": {"preset": "llama", "depth": 2, "hidden_size": 128, "context": 128, "vocab_size": manifest["vocab_size"]},
    "optim": {"lr": 3e-3},
    "budget_steps": PRETRAIN_STEPS,
    "batch_tokens": 1024,
    "eval_every_steps": PRETRAIN_STEPS,
    "save_every_steps": 1000,
    "log_every_steps": max(1, PRETRAIN_STEPS // 5),
}
base = run(parse(Recipe, tree), here / "pretrain")
print(f"generated: 'Return a copy of' -> {trivium.load(base).generate('Return a copy of', max_new_tokens=12)!r}")

title("3. Rows to ids and loss mask: the loss is on what stands between « and »")
facts = {name: first(doc) for name, doc in docs.items() if name.startswith("str.is") and doc}
rows = []
for at, (name, answer) in enumerate(facts.items()):
    asked = f"What does {name} do?"
    rows.append(
        [
            {"question": asked, "context": "", "answer": answer},
            {"instruction": "Say what this does.", "input": name, "outputs": [answer]},
            {
                "dialogue": [
                    {"speaker": "user", "text": "Hi."},
                    {"speaker": "assistant", "text": "Hello."},
                    {"speaker": "user", "text": asked},
                ],
                "response": answer,
            },
        ][at % 3]
    )
file = here / "rows.jsonl"
file.write_text("".join(json.dumps(row) + "\n" for row in rows))
tokenizer = trivium.load(base).tokenizer
for where, conversation in list(read_conversations([file]))[:3]:
    parts = render(conversation.complete(), tokenizer)
    shown = "".join(f"«{tokenizer.decode(p.ids)}»" if p.train else tokenizer.decode(p.ids) for p in parts)
    print(f"{where.rsplit('/')[-1]}  {shown!r}")
forged = ids(render(next(read_conversations([file]))[1].messages, tokenizer)) + tokenizer.encode("<|end|>")
print(
    f"\nThe text '<|end|>' becomes {len(tokenizer.encode('<|end|>'))} ordinary tokens, not the control token: "
    f"there {'is' if forged.count(stop_ids(tokenizer)[0]) == 1 else 'IS NOT'} only the template's"
)

title("4. Fine-tuning: predict the next token of answers and their end tokens only")
words = [f"budget_epochs={TUNE_EPOCHS}", "batch_tokens=512", "optim.lr=2e-3", "log_every_steps=20", "data.packing=pad"]
tuned, _ = finetune("chat", recipe_for("chat", base, [str(file)], overrides=words), here / "tune")

title("5. Before and after: the model recalls what was trained, and no more")
models = {"before": trivium.load(base), "after": trivium.load(tuned)}
for name in list(facts)[:4]:
    print(f"> What does {name} do?")
    for when, model in models.items():
        said = model.chat([{"role": "user", "content": f"What does {name} do?"}], max_new_tokens=40)
        print(f"  {when:7} {said!r}")
for when, folder in (("before", base), ("after", tuned)):
    found = evaluate_files(folder, [file], "chat")
    print(f"{when:7} ROUGE-L {found['rouge_l']:.3f}, loss on the answers {found['loss']:.3f}")

title("6. The folder")
print("\n".join(sorted(path.name for path in tuned.iterdir())))
try:
    import transformers
except ImportError:
    print("\n(transformers is not installed: no comparison)")
else:
    transformers.utils.logging.disable_progress_bar()
    stock = transformers.AutoModelForCausalLM.from_pretrained(tuned)
    talk = [{"role": "user", "content": f"What does {next(iter(facts))} do?"}]
    given = transformers.AutoTokenizer.from_pretrained(tuned).apply_chat_template(
        talk, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    theirs = stock.generate(**given, max_new_tokens=40, do_sample=False)[0, given["input_ids"].shape[1] :]
    said = tokenizer.decode([i for i in theirs.tolist() if i not in tokenizer.special])
    same = said == models["after"].chat(talk, max_new_tokens=40)
    print(f"\nstock transformers generates {said!r}, which is {'the same' if same else 'ANOTHER ANSWER'}")
shutil.rmtree(here)
