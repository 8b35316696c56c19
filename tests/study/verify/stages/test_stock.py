"""The stock class reads and writes as it does, whatever we do."""

import json
from pathlib import Path
from typing import Any

from certified import SHORT, first
from trivium.study.verify.certificate import certify


def test_another_tokenizer_is_seen_by_the_stock_class(folder: Path, stages_of: Any) -> None:
    stages_of("stock transformers")
    tree = json.loads((folder / "tokenizer.json").read_text())
    assert tree["post_processor"]
    tree["post_processor"] = None  # ours puts <s> there still, and the stock class nothing
    (folder / "tokenizer.json").write_text(json.dumps(tree))
    found = first(certify(folder, **SHORT))
    assert found.stage == "stock transformers"
    assert "text 0 ('Once upon a time" in found.about and "ids read, token 0; expected '1 <s>'" in found.about
