"""What ossmodelconnector.torch shows to its users: names, signatures, docstrings."""

from __future__ import annotations

import inspect
import pickle

import ossmodelconnector.torch
import pytest


def test_names_are_sorted_and_come_at_first_use():
    names = ossmodelconnector.torch.__all__
    assert names == sorted(names)
    assert set(names) <= set(dir(ossmodelconnector.torch))
    for name in names:
        value = getattr(ossmodelconnector.torch, name)
        assert value.__module__ in ("ossmodelconnector.torch", "ossmodelconnector.torch._load")
        assert inspect.getdoc(value)
        assert pickle.loads(pickle.dumps(value)) is value
    with pytest.raises(AttributeError, match=r"module 'ossmodelconnector\.torch' has no attribute"):
        ossmodelconnector.torch.NoSuchDataset  # noqa: B018 - asking is what is tested


def test_public_methods_have_docstrings():
    for name in ossmodelconnector.torch.__all__:
        cls = getattr(ossmodelconnector.torch, name)
        for own in inspect.getmro(cls) if inspect.isclass(cls) else ():
            if own.__module__.startswith("ossmodelconnector."):
                for method, value in vars(own).items():
                    if not method.startswith("_") and callable(value):
                        assert inspect.getdoc(value), f"{name}.{method}"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ObjectDataset", {"transform": None, "connector": None, "on_error": "raise"}),
        (
            "IterableObjectDataset",
            {
                "transform": None,
                "shuffle": False,
                "seed": 0,
                "rank": None,
                "world_size": None,
                "read_ahead_bytes": None,
                "on_error": "raise",
                "connector": None,
                "uneven": "pad",
            },
        ),
        (
            "TarDataset",
            {
                "transform": None,
                "shuffle": False,
                "seed": 0,
                "rank": None,
                "world_size": None,
                "on_error": "raise",
                "connector": None,
            },
        ),
    ],
)
def test_signatures(name, expected):
    source, *options = inspect.signature(getattr(ossmodelconnector.torch, name)).parameters.values()
    assert source.name == "source"
    assert {option.name: option.default for option in options} == expected
    assert {option.kind for option in options} == {inspect.Parameter.KEYWORD_ONLY}
