"""Each file of the folder is a stage."""

from pathlib import Path

from trivium.study.verify import stage


def test_every_file_is_a_stage() -> None:
    files = [path.stem for path in (Path(stage.__file__).parent / "stages").glob("*.py") if path.stem[0] != "_"]
    found = stage.stages()
    assert len(found) == len(files) == len({one.name for one in found}) == len({one.order for one in found})
    assert found[0].name == "step by step"
    assert (
        stage.lacking("json", "no_such_module") == "no_such_module is not installed" and stage.lacking("json") is None
    )
