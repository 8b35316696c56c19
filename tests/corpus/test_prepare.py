import json
import os
import resource
import shutil
from collections import Counter
from pathlib import Path

import pytest

from crash import WRITING, deaths, faults, full_disk
from pieces import pieces
from trivium.base.config import dump, parse
from trivium.base.errors import DataError, TriviumError
from trivium.corpus import prepare as module
from trivium.corpus.plan import units
from trivium.corpus.prepare import Preparation, prepare
from trivium.corpus.report import lines
from trivium.data.shards import Corpus, read_manifest
from trivium.token.template import CHAT_TEMPLATE
from trivium.token.tokenizer import Tokenizer

WORDS = [
    "river",
    "stone",
    "window",
    "garden",
    "letter",
    "morning",
    "winter",
    "silver",
    "bridge",
    "shadow",
    "candle",
    "harbour",
]
BYTES = Preparation(tokenizer="bytes", near=None)


def sentence(number):
    return " ".join(WORDS[(number * 5 + i * i * (number + 1)) % len(WORDS)] for i in range(9)).capitalize() + "."


def text(number):
    return "\n".join(sentence(number * 7 + i) for i in range(4)) + f"\nThis is document {number}.\n"


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number:02d}.txt").write_text(text(number))
    return folder


def tree(folder):
    """Every file of a folder by name; times are left out of the manifest."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    manifest = json.loads(found["manifest.json"])
    for step in manifest["report"]["steps"]:
        del step["seconds"]
    return {**found, "manifest.json": manifest}


def leftovers(folder):
    """What stands below a folder under a temporary name."""
    return [path.name for path in folder.rglob(".*")]


def decoded(folder, split):
    tokenizer = Tokenizer.load(folder / "tokenizer")
    return [tokenizer.decode(ids.tolist()) for ids in Corpus(folder, split).documents()]


def test_texts_become_shards_that_decode_to_them(source, tmp_path):
    manifest = prepare([source], tmp_path / "data", BYTES)
    assert manifest["fresh"]
    texts = decoded(tmp_path / "data", "train") + decoded(tmp_path / "data", "valid")
    assert sorted(t.strip() for t in texts) == sorted(text(n).strip() for n in range(30))
    assert manifest["vocab_size"] == Tokenizer.bytes().size and manifest["dtype"] == "<u2"
    assert manifest["shards"] == 1 and set(manifest["splits"]) == {"train", "valid"}


def test_shards_hold_content_alone(source, tmp_path):
    manifest = prepare([source], tmp_path / "data", BYTES)
    special = Tokenizer.load(tmp_path / "data" / "tokenizer").special
    found = {int(id) for ids in Corpus(tmp_path / "data", "train").documents() for id in ids}
    assert not found & special and manifest["special"]["bos"] in special


def test_bytes_are_those_of_the_text(source, tmp_path):
    prepare([source], tmp_path / "data", BYTES)
    size = sum(len(t.encode()) for t in decoded(tmp_path / "data", "train"))
    assert Corpus(tmp_path / "data", "train").bytes == size == Corpus(tmp_path / "data", "train").lengths.sum()


def test_a_second_run_does_nothing(source, tmp_path, monkeypatch):
    first = prepare([source], tmp_path / "data", BYTES)
    monkeypatch.setattr(module.Local, "run", lambda *_: pytest.fail("worked again"))
    second = prepare([source], tmp_path / "data", BYTES)
    assert second == {**first, "fresh": False}


@pytest.mark.parametrize(
    "change", [{"valid_share": 0.5}, {"filter": {"kind": "none"}}], ids=lambda change: next(iter(change))
)
def test_another_option_prepares_again(source, tmp_path, change):
    prepare([source], tmp_path / "data", BYTES)
    other = parse(Preparation, {**dump(BYTES), **change})
    assert prepare([source], tmp_path / "data", other)["fresh"]
    assert not prepare([source], tmp_path / "data", other)["fresh"]


def test_another_source_prepares_again(source, tmp_path):
    first = prepare([source], tmp_path / "data", BYTES)
    (source / "03.txt").write_text(text(3).replace("3", "4"))  # as long as before
    second = prepare([source], tmp_path / "data", BYTES)
    assert second["fresh"] and second["dataset_id"] != first["dataset_id"]
    (source / "99.txt").write_text(text(99))
    assert prepare([source], tmp_path / "data", BYTES)["fresh"]


def test_another_tokenizer_prepares_again(source, tmp_path):
    Tokenizer.bytes().save(tmp_path / "one")
    options = Preparation(tokenizer=str(tmp_path / "one"))
    prepare([source], tmp_path / "data", options)
    Tokenizer.train([text(n) for n in range(30)], 448).save(tmp_path / "one")
    assert prepare([source], tmp_path / "data", options)["fresh"]
    assert read_manifest(tmp_path / "data")["vocab_size"] == 448


def test_the_same_sources_give_the_same_bytes(source, tmp_path):
    options = Preparation(vocab_size=448)
    for name in ("one", "two"):
        prepare([source], tmp_path / name, options)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_the_tokenizer_is_trained_on_the_training_split_and_kept_with_its_template(source, tmp_path):
    manifest = prepare([source], tmp_path / "data", Preparation(vocab_size=448))
    tokenizer = Tokenizer.load(tmp_path / "data" / "tokenizer")
    assert tokenizer.identity == manifest["tokenizer"] and tokenizer.size == 448 == manifest["vocab_size"]
    assert tokenizer.chat_template == CHAT_TEMPLATE
    again = Tokenizer.train(decoded(tmp_path / "data", "train"), 448)
    assert again.identity == tokenizer.identity


def test_every_chat_template_of_a_tokenizer_is_kept_and_none_is_made_up(source, tmp_path):
    named, plain = pieces("bytes", template="{{ 1 }}"), pieces("bytes")
    Tokenizer(named.json, named.config, "{{ 1 }}", {"tool_use": "{{ 2 }}"}).save(tmp_path / "named")
    plain.save(tmp_path / "plain")
    manifest = prepare([source], tmp_path / "data", Preparation(tokenizer=str(tmp_path / "named"), near=None))
    read = Tokenizer.load(tmp_path / "data" / "tokenizer")
    assert (read.chat_template, read.chat_templates) == ("{{ 1 }}", {"tool_use": "{{ 2 }}"})
    assert "tokenizer/additional_chat_templates/tool_use.jinja" in manifest["files"]
    assert len(Corpus(tmp_path / "data", "train")) > 0
    prepare([source], tmp_path / "other", Preparation(tokenizer=str(tmp_path / "plain"), near=None))
    assert Tokenizer.load(tmp_path / "other" / "tokenizer").chat_template is None, "it has no markers of roles"


def test_the_split_is_by_document_and_does_not_depend_on_the_others(source, tmp_path):
    options = Preparation(tokenizer="bytes", near=None, valid_share=0.3)
    prepare([source], tmp_path / "all", options)
    for number in range(20, 30):
        (source / f"{number:02d}.txt").unlink()
    prepare([source], tmp_path / "some", options)
    everything, some = set(decoded(tmp_path / "all", "valid")), set(decoded(tmp_path / "some", "valid"))
    assert some <= everything and 3 <= len(everything) <= 16
    assert not everything & set(decoded(tmp_path / "all", "train"))


def test_a_single_document_is_cut_at_a_line_end(tmp_path):
    (tmp_path / "one.txt").write_text("".join(text(n) for n in range(20)))
    options = Preparation(tokenizer="bytes", near=None, valid_share=0.2)
    manifest = prepare([tmp_path / "one.txt"], tmp_path / "data", options)
    (train,), (valid,) = decoded(tmp_path / "data", "train"), decoded(tmp_path / "data", "valid")
    assert train.endswith("\n") and 0.15 < len(valid) / len(train + valid) < 0.3
    assert (train + valid).strip() == (tmp_path / "one.txt").read_text().strip()
    assert manifest["report"]["split"] == "one document, cut at a line end"


def test_a_single_line_is_all_trained_on(tmp_path):
    (tmp_path / "one.txt").write_text(sentence(1))
    manifest = prepare([tmp_path / "one.txt"], tmp_path / "data", BYTES)
    assert manifest["splits"]["valid"] == [] and manifest["splits"]["train"][0]["documents"] == 1


def test_without_a_share_nothing_is_held_out(source, tmp_path):
    prepare([source], tmp_path / "data", Preparation(tokenizer="bytes", near=None, valid_share=0.0))
    assert len(Corpus(tmp_path / "data", "train")) == 30 and len(Corpus(tmp_path / "data", "valid")) == 0


def test_many_shards_hold_the_same_documents(source, tmp_path):
    manifest = prepare([source], tmp_path / "many", BYTES.replace(shards=4))
    assert len(manifest["splits"]["train"]) == 4 == manifest["shards"]
    prepare([source], tmp_path / "one", BYTES)
    for split in ("train", "valid"):
        assert sorted(decoded(tmp_path / "many", split)) == sorted(decoded(tmp_path / "one", split))


def test_every_document_is_kept_or_dropped_for_a_reason(source, tmp_path):
    (source / "short.txt").write_text("tiny")
    (source / "signs.txt").write_text("12345 67890 --- " * 9)
    (source / "blank.txt").write_text(" \n \n")
    (source / "twice.txt").write_text(text(5))
    report = prepare([source], tmp_path / "data", Preparation(tokenizer="bytes"))["report"]
    steps = {step["step"]: step for step in report["steps"]}
    kept = steps["encode"]["train_documents"] + steps["encode"]["valid_documents"]
    assert steps["read"]["documents_out"] == 34 and steps["filter"]["documents_out"] == 31
    assert kept + sum(report["dropped"].values()) == 34
    wanted = Counter({"shorter than 20 characters": 1, "mostly no words": 1, "empty": 1, "exact duplicate": 1})
    assert Counter(report["dropped"]) >= wanted


def test_sentences_get_lines_of_their_own(tmp_path):
    (tmp_path / "x.txt").write_text(f"{sentence(1)} {sentence(2)}\n{sentence(3)}")
    options = Preparation(tokenizer="bytes", sentence_lines=True)
    prepare([tmp_path / "x.txt"], tmp_path / "data", options)
    lines = "".join([*decoded(tmp_path / "data", "train"), *decoded(tmp_path / "data", "valid")]).splitlines()
    assert lines == [sentence(1), sentence(2), sentence(3)]
    steps = {step["step"]: step for step in read_manifest(tmp_path / "data")["report"]["steps"]}
    assert steps["sentences"]["sentences"] == 3
    prepare([tmp_path / "x.txt"], tmp_path / "plain", options.replace(sentence_lines=False))
    assert "sentences" not in {step["step"] for step in read_manifest(tmp_path / "plain")["report"]["steps"]}


def test_paragraphs_that_stood_before_are_left_out_on_request(tmp_path):
    notice = "This notice stands at the end of every page and says the same on each of them. " * 2
    (tmp_path / "t").mkdir()
    for name in "ab":
        (tmp_path / "t" / f"{name}.txt").write_text(f"Page {name} has a text of its own.\n\n{notice}\n")
    options = {"tokenizer": "bytes", "valid_share": 0.0, "near": None}
    for wanted, paragraphs in ((2, False), (1, True)):
        prepare([tmp_path / "t"], tmp_path / f"d{wanted}", Preparation(**options, paragraphs=paragraphs))
        corpus = Corpus(tmp_path / f"d{wanted}", "train")
        texts = [
            Tokenizer.load(tmp_path / f"d{wanted}" / "tokenizer").decode(ids.tolist()) for ids in corpus.documents()
        ]
        assert sum(notice.strip() in text for text in texts) == wanted
        assert all("a text of its own" in text for text in texts)


def test_a_folder_that_is_not_ours_is_refused(source, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.doc").write_text("years of work")
    (tmp_path / "file").write_text("x")
    for name in ("mine", "file"):
        with pytest.raises(DataError, match=f"{name}: exists and is not a data folder"):
            prepare([source], tmp_path / name, BYTES)
    assert (tmp_path / "mine" / "thesis.doc").read_text() == "years of work"


def test_an_empty_folder_may_be_filled(source, tmp_path):
    (tmp_path / "data").mkdir()
    assert prepare([source], tmp_path / "data", BYTES)["fresh"]


def test_sources_without_text_are_told_with_the_reasons(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: expected files of text .* found an empty folder"):
        prepare([tmp_path / "empty"], tmp_path / "data", BYTES)
    (tmp_path / "one.txt").write_bytes(b"x")
    with pytest.raises(DataError, match=r"one\.txt: no document left of 1; shorter than 20 characters: 1"):
        prepare([tmp_path / "one.txt"], tmp_path / "data", BYTES)
    (tmp_path / "none.txt").write_bytes(b"")
    with pytest.raises(DataError, match=r"none\.txt: no document left"):
        prepare([tmp_path / "none.txt"], tmp_path / "data", BYTES)
    with pytest.raises(DataError, match="nowhere: no such file or folder"):
        prepare([tmp_path / "nowhere"], tmp_path / "data", BYTES)
    assert not (tmp_path / "data").exists()


def test_a_text_too_small_for_its_vocabulary_is_an_error(source, tmp_path):
    with pytest.raises(DataError, match="the text is too small"):
        prepare([source], tmp_path / "data", Preparation(vocab_size=8192))
    assert not (tmp_path / "data").exists() and not leftovers(tmp_path)


SAMPLE_AND_ALL = [29, pytest.param(1, marks=pytest.mark.slow)]
"""Every 29th step is hit in the fast tests, each one in the slow ones."""


@pytest.mark.parametrize("every", SAMPLE_AND_ALL)
def test_a_full_disk_at_any_step_publishes_nothing_and_the_next_run_goes_on(source, tmp_path, every):
    with faults(0, full_disk, WRITING) as steps:
        prepare([source], tmp_path / "probe", BYTES)
    clean, failed = tree(tmp_path / "probe"), 0
    for at in range(1, steps[0] + 1, every):
        folder = tmp_path / str(at)
        try:
            with faults(at, full_disk, WRITING):
                prepare([source], folder, BYTES)
        except TriviumError as error:
            assert "cannot write: No space left on device" in str(error)
            failed += 1
        assert not folder.exists() or tree(folder) == clean, f"at step {at}"
        assert not leftovers(tmp_path), f"at step {at}"
        prepare([source], folder, BYTES)
        assert tree(folder) == clean, f"at step {at}"
    assert failed > 60 / every


@pytest.mark.parametrize("at", [10, 70])
def test_a_full_disk_leaves_the_data_that_was_there(source, tmp_path, at):
    prepare([source], tmp_path / "data", BYTES, keep_work=False)
    before = tree(tmp_path / "data")
    (source / "99.txt").write_text(text(99))
    with pytest.raises(TriviumError, match="cannot write"), faults(at, full_disk, WRITING):
        prepare([source], tmp_path / "data", BYTES)
    assert tree(tmp_path / "data") == before and not leftovers(tmp_path)


def test_a_disk_that_takes_no_large_file_is_one_clear_error(source, tmp_path):
    """The kernel refuses here, not a stand-in; in a child, for the limit cannot be lifted again."""
    if (child := os.fork()) == 0:
        code = 1
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
            prepare([source], tmp_path / "data", BYTES)
        except TriviumError as error:
            code = 0 if "cannot write: File too large" in str(error) else 3
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not (tmp_path / "data").exists() and not leftovers(tmp_path)


@pytest.mark.parametrize("every", SAMPLE_AND_ALL)
def test_a_run_that_was_killed_anywhere_is_made_good_by_the_next(source, tmp_path, every):
    for path in sorted(source.iterdir())[6:]:
        path.unlink()
    prepare([source], tmp_path / "clean", BYTES)
    clean, folder = tree(tmp_path / "clean"), tmp_path / "data"

    died = 0
    for at in deaths(lambda: prepare([source], folder, BYTES), every):
        assert not folder.exists() or tree(folder) == clean, f"at step {at}"
        prepare([source], folder, BYTES)
        assert tree(folder) == clean and not leftovers(tmp_path), f"at step {at}"
        shutil.rmtree(folder)
        shutil.rmtree(tmp_path / "data.work")
        died += 1
    assert died > 60 / every


def test_sources_are_known_by_content_and_not_by_place(source, tmp_path):
    first = module.identify(units([source]))
    other = tmp_path / "moved"
    source.rename(other)
    assert module.identify(units([other])) == first
    Path(other, "00.txt").write_text("other")
    assert module.identify(units([other])) != first


def test_what_is_dropped_is_kept_apart_on_request(source, tmp_path):
    (source / "short.txt").write_text("tiny")
    (source / "twice.txt").write_text(text(5))
    manifest = prepare([source], tmp_path / "data", BYTES, tmp_path / "out")
    rows = [json.loads(line) for line in (tmp_path / "out" / "dropped.jsonl").read_text().splitlines()]
    assert Counter(row["reason"] for row in rows) == manifest["report"]["dropped"]
    assert [row["text"] for row in rows] == ["tiny", text(5).strip()]
    assert rows[1]["detail"] == f"exact duplicate of {source / '05.txt'}:1"
    before = tree(tmp_path / "data")
    assert not prepare([source], tmp_path / "data", BYTES, tmp_path / "out")["fresh"]
    (tmp_path / "out" / "dropped.jsonl").unlink()
    assert prepare([source], tmp_path / "data", BYTES, tmp_path / "out")["fresh"]
    assert tree(tmp_path / "data") == before


def test_files_whose_names_are_no_utf8_are_files_like_any_other(source, tmp_path):
    Path(os.fsdecode(bytes(source / "a") + b"\xff.png")).touch()
    Path(os.fsdecode(bytes(source / "b") + b"\xff.txt")).write_text(text(99))
    for kept in (None, tmp_path / "dropped.jsonl"):
        report = prepare([source], tmp_path / "data", BYTES, kept)["report"]
        assert report["not_read"] == {".png file": 1} and report["steps"][0]["documents_out"] == 31


def test_files_of_other_kinds_are_told_and_listed_and_read_where_asked(source, tmp_path):
    for name in ("a.py", "b.py", "c.rst", "LICENSE"):
        (source / name).write_text(text(100 + len(name) + ord(name[0])))
    manifest = prepare([source], tmp_path / "data", BYTES, tmp_path / "out")
    assert manifest["report"]["not_read"] == {".py file": 2, ".rst file": 1, "file without a suffix": 1}
    assert not manifest["report"]["mended"] and not manifest["report"]["dropped"]
    rows = [json.loads(line) for line in (tmp_path / "out" / "dropped.jsonl").read_text().splitlines()]
    assert {row["source"]: row["reason"] for row in rows} == {
        str(source / "LICENSE"): "not read: file without a suffix",
        **{str(source / name): "not read: .py file" for name in ("a.py", "b.py")},
        str(source / "c.rst"): "not read: .rst file",
    }
    told = "\n".join(lines(manifest))
    assert "warning: files of 2 kinds were not read; --as-text py,rst reads them as text" in told
    reading = {"as_text": ["py", "rst", "license"]}
    read = prepare([source], tmp_path / "all", parse(Preparation, {**dump(BYTES), "reading": reading}, "prepare"))
    assert "not_read" in read["report"] and not read["report"]["not_read"]
    assert len(decoded(tmp_path / "all", "train")) + len(decoded(tmp_path / "all", "valid")) == 34


@pytest.mark.parametrize(("share", "warned"), [(0.0001, True), (0.5, False), (0.0, False)])
def test_nothing_held_out_is_a_warning(source, tmp_path, share, warned):
    manifest = prepare([source], tmp_path / "data", BYTES.replace(valid_share=share))
    assert any("warning: no document is held out (30 in all" in line for line in lines(manifest)) == warned


def test_pages_are_trimmed_and_judged_by_the_rules_of_the_web(source, tmp_path):
    (source / "00.txt").write_text("Home\nMenu\n" + "\n".join(sentence(i) for i in range(400, 420)))
    options = parse(
        Preparation,
        {
            **dump(BYTES),
            "filter": {"kind": "web", "quality": {"min_stop_words": 0}, "repetition": None, "fineweb": None},
        },
    )
    report = prepare([source], tmp_path / "data", options)["report"]
    assert report["mended"] == {"line taken away: fewer than 3 words": 2}
    assert report["dropped"]["fewer than 50 words"] == 29


def test_languages_are_counted_and_may_be_chosen(source, tmp_path):
    (source / "zh.txt").write_text("这是一个普通的中文句子，应该保留下来，因为它有字。")
    report = prepare([source], tmp_path / "all", BYTES)["report"]
    assert report["languages"]["zh"] == {"documents": 1, "bytes": 75, "tokens": 75} and report[
        "language_by"
    ].startswith("script")
    assert sum(found["documents"] for found in report["languages"].values()) == 31
    report = prepare([source], tmp_path / "zh", parse(Preparation, {**dump(BYTES), "languages": ["zh"]}))["report"]
    assert list(report["languages"]) == ["zh"]
    assert sum(n for reason, n in report["dropped"].items() if reason.startswith("language: ")) == 30


def test_what_shares_text_with_an_evaluation_is_dropped(source, tmp_path):
    tests = tmp_path / "test.jsonl"
    tests.write_text(json.dumps({"question": f"{sentence(21)} {sentence(22)}", "answer": "stone"}) + "\n")
    options = parse(Preparation, {**dump(BYTES), "contamination": {"against": [str(tests)]}})
    manifest = prepare([source], tmp_path / "data", options, tmp_path / "dropped.jsonl")
    found = [json.loads(line) for line in (tmp_path / "dropped.jsonl").read_text().splitlines()]
    wanted = [number for number in range(30) if f"{sentence(21)} {sentence(22)}" in " ".join(text(number).split())]
    assert wanted and [row["source"] for row in found] == [str(source / f"{number:02d}.txt") for number in wanted]
    assert manifest["report"]["dropped"] == {"shares 13 words with an evaluation text": len(wanted)}
    assert not prepare([source], tmp_path / "data", options)["fresh"]
    tests.write_text(json.dumps({"question": " ".join(f"other{i}" for i in range(20))}) + "\n")
    manifest = prepare([source], tmp_path / "data", options)
    assert manifest["fresh"] and not manifest["report"]["dropped"]


def work_files(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.with_name(f"{folder.name}.work").iterdir()}


def test_a_changed_file_is_read_again_and_no_other_shard(source, tmp_path):
    options = BYTES.replace(shards=5)
    prepare([source], tmp_path / "data", options)
    before = work_files(tmp_path / "data")
    (source / "07.txt").write_text(text(7) + "One more line stands here now.\n" * 20)
    prepare([source], tmp_path / "data", options)
    after = work_files(tmp_path / "data")
    for step in ("read-", "encode-"):
        assert (
            sum(before.get(name) != when for name, when in after.items() if name.startswith(step) and ".npz" in name)
            == 1
        )
    prepare([source], tmp_path / "clean", options)
    assert sorted(decoded(tmp_path / "data", "train")) == sorted(decoded(tmp_path / "clean", "train"))


def test_another_tokenizer_reads_nothing_again(source, tmp_path):
    prepare([source], tmp_path / "data", BYTES)
    before = work_files(tmp_path / "data")
    prepare([source], tmp_path / "data", BYTES.replace(tokenizer=None, vocab_size=448))
    after = work_files(tmp_path / "data")
    assert all(before[name] == after[name] for name in before if name.startswith(("read-", "dedup-")))
    assert read_manifest(tmp_path / "data")["vocab_size"] == 448


def test_a_file_that_comes_later_moves_no_other(source, tmp_path):
    prepare([source], tmp_path / "data", BYTES.replace(shards=3))
    before = work_files(tmp_path / "data")
    (source / "00a.txt").write_text(text(50) * 9)
    manifest = prepare([source], tmp_path / "data", BYTES)
    read = [name for name in work_files(tmp_path / "data") if name.startswith("read-")]
    assert sum(name not in before for name in read) == 2 and manifest["shards"] == 3


def test_the_number_of_shards_is_kept_and_another_is_refused(source, tmp_path):
    prepare([source], tmp_path / "data", BYTES.replace(shards=3))
    for keep in (True, False):
        with pytest.raises(DataError, match="data: begun with 3 shards, found 2 asked for; ask for 3, or name another"):
            prepare([source], tmp_path / "data", BYTES.replace(shards=2))
        assert not prepare([source], tmp_path / "data", BYTES)["fresh"]
        if keep:
            shutil.rmtree(tmp_path / "data.work")


def test_an_interrupted_one_cannot_be_finished_with_another_number(source, tmp_path, monkeypatch):
    monkeypatch.setattr("trivium.corpus.stages.named", lambda name: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        prepare([source], tmp_path / "data", BYTES.replace(shards=3))
    with pytest.raises(DataError, match="begun with 3 shards"):
        prepare([source], tmp_path / "data", BYTES.replace(shards=4))


def test_nothing_is_left_of_the_work_on_request(source, tmp_path):
    prepare([source], tmp_path / "data", BYTES, keep_work=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "texts"]
    assert not prepare([source], tmp_path / "data", BYTES)["fresh"]


def test_a_damaged_shard_is_made_again(source, tmp_path):
    prepare([source], tmp_path / "data", BYTES)
    before = tree(tmp_path / "data")
    with open(tmp_path / "data" / "train-00000.tok", "r+b") as handle:  # in place: the work folder holds the same file
        handle.write(b"\xff")
    assert prepare([source], tmp_path / "data", BYTES)["fresh"]
    assert tree(tmp_path / "data") == before


def test_the_order_of_the_sources_makes_no_difference(source, tmp_path):
    (tmp_path / "more").mkdir()
    for number in (3, 40, 41):
        (tmp_path / "more" / f"{number}.txt").write_text(text(number))
    for name, order in (("one", [source, tmp_path / "more"]), ("two", [tmp_path / "more", source])):
        prepare(order, tmp_path / name, BYTES.replace(shards=2))
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_one_large_file_is_read_by_several_shards(tmp_path):
    rows = "".join(json.dumps({"text": text(number)}) + "\n" for number in range(300))
    (tmp_path / "rows.jsonl").write_text(rows)
    for name, shards in (("one", 1), ("three", 3)):
        manifest = prepare([tmp_path / "rows.jsonl"], tmp_path / name, BYTES.replace(shards=shards))
        assert len(manifest["splits"]["train"]) == shards
    assert manifest["report"]["steps"][0]["documents_out"] == 300
    for split in ("train", "valid"):
        assert sorted(decoded(tmp_path / "one", split)) == sorted(decoded(tmp_path / "three", split))


def test_every_document_knows_where_it_came_from(source, tmp_path):
    (source / "rows.jsonl").write_text("".join(json.dumps({"text": text(n)}) + "\n" for n in range(60, 70)))
    prepare([source], tmp_path / "data", BYTES.replace(shards=3))
    tokenizer, seen = Tokenizer.load(tmp_path / "data" / "tokenizer"), set()
    for split in ("train", "valid"):
        corpus = Corpus(tmp_path / "data", split)
        for at, ids in enumerate(corpus.documents()):
            file, name = corpus.address(at)
            number = 59 + int(name) if file.endswith(".jsonl") else int(Path(file).stem)
            assert tokenizer.decode(ids.tolist()) == text(number).strip()
            seen.add((file, name))
    assert len(seen) == 40


def test_two_at_once_make_one_valid_folder(source, tmp_path):
    """The second waits for the first, and finds its work done."""
    children = []
    for number in range(2):
        if (child := os.fork()) == 0:
            code = 1
            try:
                said = []
                fresh = prepare([source], tmp_path / "data", BYTES, progress=said.append, keep_work=bool(number))[
                    "fresh"
                ]
                code = 10 if fresh else 20
            finally:
                os._exit(code)
        children.append(child)
    codes = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    assert codes == [10, 20]
    prepare([source], tmp_path / "clean", BYTES)
    assert tree(tmp_path / "data") == tree(tmp_path / "clean") and not leftovers(tmp_path)


def test_a_vocabulary_that_nobody_chose_is_what_a_small_text_gives(source, tmp_path):
    manifest = prepare([source], tmp_path / "data", Preparation())
    assert 384 <= manifest["vocab_size"] < 8192
    said = f"the text is small: it gives a vocabulary of {manifest['vocab_size']} tokens, not of 8,192"
    assert any(said in line for line in lines(manifest))


def test_a_vocabulary_that_cannot_be_is_refused_before_any_work(source, tmp_path):
    with pytest.raises(DataError, match=r"vocab_size 64000: the text is too small, it gives at most \d+ tokens"):
        prepare([source], tmp_path / "data", Preparation(vocab_size=64000))
    assert not (tmp_path / "data.work").exists()


def test_other_data_take_the_place_of_data_only_by_force(source, tmp_path):
    first = prepare([source], tmp_path / "data", BYTES, force=False)
    (tmp_path / "other.txt").write_text(text(3) * 9)
    for sources, options, what in (
        ([source], BYTES.replace(valid_share=0.2), "valid_share"),
        ([tmp_path / "other.txt"], BYTES, "sources"),
    ):
        with pytest.raises(DataError, match=f"holds data of other {what}; add --force"):
            prepare(sources, tmp_path / "data", options, force=False)
    assert read_manifest(tmp_path / "data")["dataset_id"] == first["dataset_id"]
    assert prepare([source], tmp_path / "data", BYTES.replace(valid_share=0.2))["fresh"]


def test_a_failure_before_any_result_leaves_nothing(tmp_path):
    (tmp_path / "bad.jsonl").write_text("{")
    with pytest.raises(DataError, match="not JSON"):
        prepare([tmp_path / "bad.jsonl"], tmp_path / "data", BYTES)
    assert not (tmp_path / "data.work").exists()


def test_a_tokenizer_of_a_data_folder_is_compared_with_its_hash(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("some words to read and to count\n" * 40)
    prepare([tmp_path / "a.txt"], tmp_path / "data", Preparation(tokenizer="bytes"))
    given = Preparation(tokenizer=str(tmp_path / "data" / "tokenizer"))
    prepare([tmp_path / "a.txt"], tmp_path / "again", given)
    file = tmp_path / "data" / "tokenizer" / "tokenizer.json"
    file.write_text(file.read_text().replace('"</s>"', '"<end>"'))
    for place in (given, Preparation(tokenizer=str(file))):
        with pytest.raises(DataError, match=r"tokenizer.json: changed since trivium wrote it, or damaged; --no-verify"):
            prepare([tmp_path / "a.txt"], tmp_path / "third", place)
