"""load_model does to a module what safetensors' own does."""

from __future__ import annotations

import pytest
from ossmodelconnector.safetensors import load_model

torch = pytest.importorskip("torch", reason="torch is not installed: see install_torch.py")
safetensors_torch = pytest.importorskip("safetensors.torch")


class Small(torch.nn.Module):
    def __init__(self, tied=False, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.embed = torch.nn.Embedding(8, 4)
        self.body = torch.nn.Linear(4, 4)
        self.head = torch.nn.Linear(4, 8, bias=False)
        if tied:
            self.head.weight = self.embed.weight


class WithState(Small):
    def get_extra_state(self):
        return {"step": 1}

    def set_extra_state(self, state):
        raise AssertionError("it is not in the file")


def equal(one, other):
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[n], theirs[n]) for n in ours)


def file_of(module, *without, **more):
    names = {id(value): name for name, value in module.state_dict(keep_vars=True).items()}
    tensors = {name: module.state_dict()[name] for name in names.values() if name not in without}
    return safetensors_torch.save({**tensors, **more})


@pytest.fixture
def both(put, connector, tmp_path):
    """both(data, make, **arguments): the results of ours and theirs, and the two modules."""

    def both(data, make, **arguments):
        (tmp_path / "file").write_bytes(data)
        results, modules = [], []
        for load in (
            lambda module: load_model(module, put(data), connector=connector, **arguments),
            lambda module: safetensors_torch.load_model(module, tmp_path / "file", **arguments),
        ):
            modules.append(make())
            try:
                results.append(tuple(sorted(names) for names in load(modules[-1])))
            except RuntimeError as error:
                results.append(str(error))
        return *results, *modules

    return both


@pytest.mark.parametrize("tied", [False, True])
def test_module_has_the_weights_of_the_file(both, tied):
    source = Small(tied, seed=1)
    ours, theirs, one, other = both(file_of(source), lambda: Small(tied))
    assert ours == theirs == ([], [])
    assert equal(one, other)
    assert equal(one, source)
    assert (one.head.weight is one.embed.weight) == tied


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("tied", [False, True])
def test_names_that_differ_are_told_as_safetensors_tells_them(both, strict, tied):
    more = {"z": torch.zeros(2), "a": torch.zeros(2)}
    data = file_of(Small(tied, seed=1), "body.bias", "embed.weight", "head.weight", **more)
    ours, theirs, one, other = both(data, lambda: Small(tied), strict=strict)
    if strict:
        assert ours == theirs
        assert ours.startswith("Error(s) in loading state_dict for Small:\n    Missing key(s)")
        assert equal(one, Small(tied))  # nothing was received
    else:
        assert ours[1] == theirs[1] == ["a", "z"]
        assert ours[0] == theirs[0]
        assert equal(one, other)


def test_shape_that_differs_is_told_with_its_name(both):
    source = Small(seed=1)
    source.body = torch.nn.Linear(3, 3)
    ours, theirs, *_ = both(file_of(source), Small)
    assert "size mismatch for body.weight" in ours
    assert "size mismatch for body.weight" in theirs


def test_state_that_is_no_tensor_may_be_missing(put, connector):
    uri = put(file_of(Small(seed=1)))
    module = WithState()
    assert load_model(module, uri, strict=False, connector=connector) == (["_extra_state"], [])
    assert torch.equal(module.embed.weight, Small(seed=1).embed.weight)


def test_files_are_loaded_one_after_the_other(put, connector):
    source = Small(seed=1)
    state = source.state_dict()
    uris = [
        put(
            safetensors_torch.save({name: tensor for name, tensor in state.items() if name in some})
        )
        for some in ({"embed.weight", "body.bias"}, {"head.weight"}, {"body.weight"})
    ]
    module = Small()
    calls = []
    load = module.load_state_dict
    module.load_state_dict = lambda state, **more: (
        calls.append(sorted(state)),
        load(state, **more),
    )
    assert load_model(module, uris, connector=connector) == ([], [])
    assert equal(module, source)
    assert calls == [["body.bias", "embed.weight"], ["head.weight"], ["body.weight"]]


def test_names_that_differ_cost_no_tensor(put, connector, server):
    uri = put(file_of(Small(seed=1)))
    server.clear_log()
    with pytest.raises(RuntimeError, match="Unexpected key"):
        load_model(torch.nn.Sequential(), uri, connector=connector)
    assert len(server.log()) == 2  # HEAD, and the header
