"""The hub: data sets are streamed by the real library, here from folders of the same form as theirs."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from trivium.base.errors import DataError
from trivium.corpus.read import hub
from trivium.corpus.read.hub import Place, place
from trivium.corpus.read.reading import Reading
from trivium.corpus.read.sources import files, read, remote


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("hf:Skylion007/openwebtext", Place("Skylion007/openwebtext", None, "train", None)),
        (
            "hf:HuggingFaceFW/fineweb/sample-10BT:train:text",
            Place("HuggingFaceFW/fineweb", "sample-10BT", "train", "text"),
        ),
        ("hf:squad:validation", Place("squad", None, "validation", None)),
        ("hf:a/b::body", Place("a/b", None, "train", "body")),
    ],
)
def test_a_source_names_set_configuration_split_and_column(source: str, found: Place) -> None:
    assert place(source) == found


@pytest.mark.parametrize("source", ["hf:", "hf:a:b:c:d"])
def test_what_names_nothing_is_refused(source: str) -> None:
    with pytest.raises(DataError, match="expected hf:NAME"):
        place(source)


def folder(root: Path) -> Path:
    """What the hub keeps for a data set: shards of parquet in `data`, and here its other common form beside it."""
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pytest.importorskip("datasets")
    (root / "p" / "data").mkdir(parents=True)
    for shard in range(2):
        table = pyarrow.table({"text": [f"page {shard}{n}" for n in range(3)], "url": ["u"] * 3})
        parquet.write_table(table, root / "p" / "data" / f"train-{shard:05d}-of-00002.parquet")
    parquet.write_table(pyarrow.table({"text": ["held out"]}), root / "p" / "data" / "test-00000-of-00001.parquet")
    (root / "j").mkdir()
    (root / "j" / "train.jsonl").write_text("".join(json.dumps({"body": f"row {n}\0"}) + "\n" for n in range(3)))
    return root


def test_rows_are_streamed_as_documents(tmp_path: Path) -> None:
    root = folder(tmp_path)
    source = f"hf:{root}/p"
    assert [(d.id, d.text, d.source) for d in read([source])][::5] == [
        ("1", "page 00", source),
        ("6", "page 12", source),
    ]
    assert [d.text for d in read([f"{source}:test"])] == ["held out"]
    counts: Counter[str] = Counter()
    assert [d.text for d in read([f"hf:{root}/j:train:body"], counts=counts)] == ["row 0", "row 1", "row 2"]
    assert counts == {"NUL removed": 3} and files([source]) == []
    assert len(list(read([source], Reading(most_rows=2)))) == 2
    with pytest.raises(DataError, match=r'hf:.*/j:1: expected the key "text" or "content", found \'body\''):
        list(read([f"hf:{root}/j"]))
    with pytest.raises(DataError, match=r"hf:.*/p:valid: cannot be read: .*valid") as error:
        list(read([f"{source}:valid"]))
    assert "\n" not in str(error.value)
    with pytest.raises(DataError, match=r"hf:no/such-set: cannot be read"):
        list(read(["hf:no/such-set"]))
    with pytest.raises(DataError, match=r"hf:no/such-set: no such folder, and the hub does not answer"):
        remote(["hf:no/such-set"])


def test_the_state_of_a_folder_is_known_by_its_files(tmp_path: Path) -> None:
    source = f"hf:{folder(tmp_path)}/j"
    ((name, before),) = remote([source])
    assert name == source and remote([source]) == [(name, before)]
    (tmp_path / "j" / "train.jsonl").write_text('{"body": "other"}\n')
    assert remote([source]) != [(name, before)]


def test_without_the_library_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"hf:a/b: reading from the hub needs datasets: pip install datasets$"):
        list(read(["hf:a/b"]))


def test_an_error_of_the_network_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fails:
        @staticmethod
        def load_dataset(*arguments: Any, **options: Any) -> None:
            raise ConnectionError("Couldn't reach the Hub\nwith a long\nexplanation")

    monkeypatch.setattr(hub, "_library", lambda source: Fails)
    with pytest.raises(DataError, match=r"^hf:a/b: cannot be read: Couldn't reach the Hub$"):
        list(read(["hf:a/b"]))
