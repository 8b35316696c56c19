"""The page of a data folder holds every number of its report, and no text of it as markup."""

import json
import re

from trivium.corpus.prepare import Preparation, prepare
from trivium.lab.corpus import write_page


def test_the_page_tells_the_report_and_escapes_the_texts(tmp_path):
    texts = [f"A text with the number {number} in it." for number in range(40)]
    texts += ["<b>12345</b> 67890 --- 5678", "tiny", "A text with\0 NUL in it.", texts[3]]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    manifest = prepare([tmp_path / "a.jsonl"], tmp_path / "data", Preparation(tokenizer="bytes", near=None))
    page = write_page(tmp_path / "data").read_text()
    for reason, count in [*manifest["report"]["dropped"].items(), ("NUL removed", 1)]:
        assert f"<td>{reason}</td><td>{count}</td>" in page
    assert "&lt;b&gt;12345&lt;/b&gt;" in page and "<b>" not in page and "<script" not in page
    for step in manifest["report"]["steps"]:
        assert f"<td>{step['step']}</td>" in page
    assert "<td>read</td><td></td><td>44</td>" in page and "a.jsonl:44, exact duplicate of" in page
    assert len(re.findall('class="bar"', page)) == sum(map(len, manifest["report"]["lengths"].values()))
    assert "bestfit" in page and "concat" in page
