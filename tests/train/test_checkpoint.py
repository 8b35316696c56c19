import json
import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import tiny
from crash import WRITING, deaths, faults, full_disk
from trivium.base.errors import ModelError, TriviumError
from trivium.model.weights import collect
from trivium.train import checkpoint as module
from trivium.train.checkpoint import FILES, checkpoints, find, load_checkpoint, save_checkpoint, set_aside

SAMPLE_AND_ALL = [3, pytest.param(30, marks=pytest.mark.slow)]


class State:
    """A model and an optimizer whose every number tells the step they are at."""

    def __init__(self, **options):
        self.model = tiny.model("gpt2", layers=1, **options)
        self.optimizer = tiny.recipe().optim.build(self.model)
        for p in self.model.parameters():
            p.grad = torch.ones_like(p)
        self.optimizer.step()

    def at(self, step):
        with torch.no_grad():
            for p in self.model.parameters():
                p.fill_(step)
            for entry in self.optimizer.state.values():
                for value in entry.values():
                    value.fill_(step)
        return self

    def save(self, root, step, keep=2):
        return save_checkpoint(root, step, self.at(step).model, self.optimizer, {"facts": {"loss": step}}, keep)

    def load(self, folder):
        """Load a checkpoint and give its step; every number must be of that step."""
        self.at(-1)
        state = load_checkpoint(folder, self.model, self.optimizer)
        numbers = {float(x.detach()) for p in self.model.parameters() for x in (p.min(), p.max())}
        numbers |= {float(x) for e in self.optimizer.state.values() for v in e.values() for x in (v.min(), v.max())}
        assert numbers == {state["step"]} and state["facts"] == {"loss": state["step"]}
        return state["step"]


@pytest.fixture(scope="module")
def state():
    return State()


def steps(root):
    return sorted(checkpoints(root))


def test_what_is_saved_is_loaded_bit_for_bit(tmp_path):
    one, other = tiny.model("gpt2"), tiny.model("gpt2", seed=1)
    first, second = (tiny.recipe().optim.build(m) for m in (one, other))
    for p in one.parameters():
        p.grad = torch.randn_like(p)
    first.step()
    folder = save_checkpoint(tmp_path, 7, one, first, {"facts": {"x": 0.1}}, keep=2)
    assert folder.name == "step-00000007" == find(tmp_path).name
    assert load_checkpoint(folder, other, second) == {"facts": {"x": 0.1}, "step": 7, "optim": {}}
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    for p, q in zip(one.parameters(), other.parameters(), strict=True):
        a, b = first.state[p], second.state[q]
        assert (
            set(a) == set(b)
            and len(a) == 3
            and all(torch.equal(a[key], b[key]) and a[key].dtype == b[key].dtype for key in a)
        )


def test_nothing_in_a_checkpoint_is_a_pickle(tmp_path, state):
    folder = state.save(tmp_path, 1)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, "manifest.json"])
    assert set(load_file(folder / "model.safetensors")) == set(collect(state.model))
    assert all(isinstance(json.loads((folder / name).read_text()), dict) for name in ("state.json", "manifest.json"))


def test_keys_carry_no_wrapper(tmp_path):
    model = tiny.model()
    plain = set(collect(model))
    model.compile(backend="eager")
    optimizer = tiny.recipe().optim.build(model)
    folder = save_checkpoint(tmp_path, 1, model, optimizer, {"facts": {}}, 1)
    found = set(load_file(folder / "model.safetensors"))
    assert found == plain and not any("_orig_mod" in key or key.startswith("module.") for key in found)


def test_a_checkpoint_of_another_optimizer_is_an_error(tmp_path, state):
    folder = state.save(tmp_path, 1)
    other = State()
    for p in list(other.model.parameters())[:3]:
        p.requires_grad_(False)
    with pytest.raises(ModelError, match=r"optim\.safetensors: .*another optimizer"):
        load_checkpoint(folder, other.model, tiny.recipe().optim.build(other.model))


def test_the_last_few_are_kept(tmp_path, state):
    for step in (1, 2, 9, 10, 11):
        state.save(tmp_path, step, keep=2)
    assert steps(tmp_path) == [10, 11]
    state.save(tmp_path, 12, keep=1)
    assert steps(tmp_path) == [12]


def test_nothing_is_removed_before_the_new_one_verifies(tmp_path, state, monkeypatch):
    for step in (1, 2):
        state.save(tmp_path, step)

    def broken(folder):
        raise ModelError("broken")

    monkeypatch.setattr(module, "verify", broken)
    with pytest.raises(ModelError):
        state.save(tmp_path, 3)
    assert {1, 2} <= set(steps(tmp_path))


def test_other_names_are_no_checkpoints(tmp_path):
    for name in ("step-1", ".step-00000009.tmp-1", "left-step-00000003", "best", "step-00000004x"):
        (tmp_path / name).mkdir()
    assert steps(tmp_path) == [] == steps(tmp_path / "nowhere") and find(tmp_path) is None


# Damage


def flip(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 4
    path.write_bytes(raw)


DAMAGE = {
    "flip": flip,
    "truncate": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "empty": lambda path: path.write_bytes(b""),
    "delete": lambda path: path.unlink(),
    "grow": lambda path: path.write_bytes(path.read_bytes() + b"!"),
}


@pytest.mark.parametrize("damage", sorted(DAMAGE))
@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_a_damaged_newest_is_set_aside_for_the_one_before(tmp_path, state, capsys, name, damage):
    state.save(tmp_path, 1)
    folder = state.save(tmp_path, 2)
    DAMAGE[damage](folder / name)
    found = find(tmp_path)
    assert state.load(found) == 1
    assert not folder.exists() and (tmp_path / "damaged-step-00000002").is_dir()
    assert "renamed to damaged-step-00000002" in capsys.readouterr().err
    assert find(tmp_path) == found and steps(tmp_path) == [1]


def test_any_bit_of_any_file_is_harmless_or_seen(tmp_path, state):
    """A flip may hit what says nothing (a space of the manifest); then the checkpoint must load as it was."""
    rng = random.Random(0)
    state.save(tmp_path, 1)
    whole = {path.name: path.read_bytes() for path in state.save(tmp_path, 2).iterdir()}
    for _ in range(60):
        name = rng.choice(list(whole))
        at, bit = rng.randrange(len(whole[name])), 1 << rng.randrange(8)
        raw = bytearray(whole[name])
        raw[at] ^= bit
        (tmp_path / "step-00000002" / name).write_bytes(raw)
        step = state.load(find(tmp_path))
        if step == 1:
            (tmp_path / "damaged-step-00000002").rename(tmp_path / "step-00000002")
        (tmp_path / "step-00000002" / name).write_bytes(whole[name])


def test_where_all_are_damaged_nothing_begins_anew(tmp_path, state):
    for step in (1, 2):
        flip(state.save(tmp_path, step) / "state.json")
    for _ in range(2):  # also when they have their new names already
        with pytest.raises(ModelError, match=r"no valid checkpoint is left .*damaged-step-00000001, damaged-step-00"):
            find(tmp_path)
    assert steps(tmp_path) == []


def test_a_second_damaged_one_of_the_same_step_takes_its_place(tmp_path, state):
    for _ in range(2):
        flip(state.save(tmp_path, 1) / "state.json")
        with pytest.raises(ModelError):
            find(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["damaged-step-00000001"]


def test_an_older_one_is_found_by_its_step(tmp_path, state):
    for step in (4, 8, 12):
        state.save(tmp_path, step, keep=3)
    assert state.load(find(tmp_path, 8)) == 8
    with pytest.raises(ModelError, match=r"--from-step 9: .* no checkpoint of this step; it has: 4, 8, 12"):
        find(tmp_path, 9)
    flip(tmp_path / "step-00000004" / "state.json")
    with pytest.raises(ModelError, match=r"step-00000004.state\.json: missing or damaged"):
        find(tmp_path, 4)
    assert steps(tmp_path) == [4, 8, 12]


def test_those_after_an_older_one_are_renamed_not_lost(tmp_path, state, capsys):
    for step in (4, 8, 12):
        state.save(tmp_path, step, keep=3)
    set_aside(tmp_path, 4)
    assert steps(tmp_path) == [4] and state.load(tmp_path / "left-step-00000012") == 12
    assert "step-00000008: renamed to left-step-00000008" in capsys.readouterr().out


# Death in the middle of a save


def naive_save(root, step, state):
    """What one writes first: in place, no temporary name, the pointer at the end."""
    folder = root / "step-00000001"
    folder.mkdir(exist_ok=True)
    state.at(step)
    raw = {}
    for name, content in (("model", collect(state.model)), ("optim", module._flatten(state.optimizer)[0])):
        save_file(content, root / "scratch")
        raw[f"{name}.safetensors"] = (root / "scratch").read_bytes()
    raw["state.json"] = json.dumps({"facts": {"loss": step}, "optim": {}, "step": step}).encode()
    for name, content in raw.items():
        with open(folder / name, "wb") as handle:
            handle.write(content)
    hashes = {name: module.xxh3(folder / name) for name in FILES}
    with open(folder / "manifest.json", "w") as handle:
        handle.write(json.dumps({"format": 1, "step": step, "xxh3_128": hashes}))


def survivors(root, state, action):
    """The step that can be loaded after each death of `action`; None where there is none."""
    found = []
    for _ in deaths(action):
        try:
            newest = find(root)
        except ModelError:
            newest = None
        found.append(None if newest is None else state.load(newest))
    return found


def test_death_at_any_step_of_a_save_leaves_the_one_before(tmp_path, state):
    state.save(tmp_path, 1)
    found = survivors(tmp_path, state, lambda: state.save(tmp_path, 2, keep=1))
    assert len(found) >= 25 and set(found) == {1, 2}
    assert found == sorted(found)  # once the new one is there it stays


def test_the_same_deaths_lose_what_a_naive_saver_had(tmp_path, state):
    naive_save(tmp_path, 1, state)
    assert state.load(find(tmp_path)) == 1
    assert None in survivors(tmp_path, state, lambda: naive_save(tmp_path, 2, state))


def test_what_the_dead_left_is_gone_after_the_next_save_of_that_step(tmp_path, state):
    for _ in deaths(lambda: state.save(tmp_path, 2)):
        pass
    state.save(tmp_path, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000002"]


def test_a_full_disk_at_any_step_of_a_save_keeps_the_one_before(tmp_path, state):
    state.save(tmp_path, 1)
    with faults(0, full_disk, WRITING) as count:
        state.save(tmp_path / "probe", 2)
    for at in range(1, count[0] + 1):
        with suppress(TriviumError), faults(at, full_disk, WRITING):
            state.save(tmp_path, 2, keep=2)
        assert state.load(find(tmp_path)) in (1, 2), f"at step {at}"
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")], f"at step {at}"
    assert state.save(tmp_path, 3) and state.load(find(tmp_path)) == 3  # there is space again


@pytest.mark.parametrize("kills", SAMPLE_AND_ALL)
def test_kill_at_a_random_moment_leaves_a_whole_checkpoint(tmp_path, state, kills):
    """A child saves without pause; the kernel ends it. Every number loaded is of one step, and no step is lost."""
    rng, last = random.Random(kills), 0
    for _ in range(kills):
        if (child := os.fork()) == 0:
            try:
                for step in range(last + 1, last + 10_000):
                    state.save(tmp_path, step)
                    Path(tmp_path, "published").write_text(str(step))
            finally:
                os._exit(1)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and max(checkpoints(tmp_path), default=0) <= last:
            time.sleep(0.01)
        time.sleep(0.2 * rng.random())
        os.kill(child, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        found = state.load(find(tmp_path))
        assert found > last, "the child was killed before it saved anything: nothing was tested"
        text = Path(tmp_path, "published").read_text()
        assert found >= int(text or 0)
        last = found
