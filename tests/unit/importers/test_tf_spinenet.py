"""Import of TensorFlow weights of SpineNet: weights that do not fit are named and leave the network unchanged."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nas.decode import Backbone, decode
from nas.importers.tf_spinenet import Misfit, creation_order, import_weights
from nas.importers.variables import read_variables
from nas.training.errors import CheckpointError
from search_spaces.genotype import Edge, Genotype, Node, Scale
from search_spaces.ops import op

SCALE = Scale(width=0.125, output_width=8)
Arrays = dict[str, Any]


def network(scale: Scale = SCALE) -> Backbone:
    """A stem, a node of two bottlenecks, a residual block and an endpoint."""
    edge = Edge("stem2", op("identity"))
    nodes = (
        Node("b0", 2, 64, (edge,), block=op("bottleneck", repeats=2)),
        Node("b1", 3, 128, (Edge("b0", op("spinenet")),), op("sum", act="relu"), op("residual")),
        Node("p3", 3, None, (Edge("b1", op("identity")),), block=op("conv", kernel=1)),
    )
    return decode(Genotype(op("resnet_stem"), nodes, ("p3",), op("fcos")), scale)


@pytest.fixture
def arrays() -> Arrays:
    """Random variables of the same topology, with names as in TensorFlow."""
    torch.manual_seed(1)
    made: Arrays = {}
    for i, slot in enumerate(creation_order(network())):
        values = torch.rand(slot.tensor.shape)
        values = values.permute(2, 3, 1, 0) if slot.role == "kernel" else values
        made[f"layer_{i}/{slot.role}:0"] = values.contiguous().numpy()
    return made


def saved(path: Path, arrays: Arrays) -> Path:
    np.savez(path / "weights.npz", **arrays)
    return path / "weights.npz"


def test_import_copies_every_weight(tmp_path: Path, arrays: Arrays) -> None:
    made = network()
    import_weights(made, read_variables(saved(tmp_path, arrays)))
    for slot, (name, values) in zip(creation_order(made), arrays.items(), strict=True):
        taken = slot.tensor.permute(2, 3, 1, 0) if slot.role == "kernel" else slot.tensor
        assert np.array_equal(taken.detach().numpy(), values), name


def test_creation_order_has_the_shortcut_before_the_body() -> None:
    names = [slot.name for slot in creation_order(network()) if slot.role == "kernel"]
    assert [name.split(".", 2)[2] for name in names if "node_b0" in name][:2] == [
        "block.0.shortcut.0.weight",
        "block.0.body.0.0.weight",
    ]


def one_missing(arrays: Arrays) -> Arrays:
    return {name: values for name, values in arrays.items() if name != "layer_10/kernel:0"}


def one_extra(arrays: Arrays) -> Arrays:
    return {**arrays, "head/kernel:0": np.zeros((3, 3, 8, 8), np.float32)}


def one_misshaped(arrays: Arrays) -> Arrays:
    return {**arrays, "layer_0/kernel:0": np.zeros((7, 7, 3, 65), np.float32)}


def wrong_var_order(arrays: Arrays) -> Arrays:
    """`var_order` lists a variable that is missing, and not one that is present."""
    return {**one_missing(one_extra(arrays)), "var_order": np.array(list(arrays))}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (one_missing, ["1 missing, first a kernel", "node_b0"]),
        (one_extra, ["1 unexpected, first 'head/kernel:0'"]),
        (
            one_misshaped,
            ["1 mis-shaped, first 'layer_0/kernel:0' is (7, 7, 3, 65), stem.conv.0.weight takes (7, 7, 3, 64)"],
        ),
        (wrong_var_order, ["1 missing, first 'layer_10/kernel:0'", "1 unexpected, first 'head/kernel:0'"]),
        (lambda arrays: one_misshaped(one_extra(arrays)), ["unexpected", "mis-shaped"]),
        (lambda arrays: {}, ["missing"]),
    ],
)
def test_misfit_is_named_and_leaves_the_network_unchanged(
    spoil: Callable[[Arrays], Arrays], message: list[str], tmp_path: Path, arrays: Arrays
) -> None:
    made = network()
    before = {name: values.clone() for name, values in made.state_dict().items()}
    with pytest.raises(Misfit) as refusal:
        import_weights(made, read_variables(saved(tmp_path, spoil(arrays))))
    assert all(part in str(refusal.value) for part in message), refusal.value
    assert all(torch.equal(values, before[name]) for name, values in made.state_dict().items())


def test_variables_out_of_order_need_a_list_of_their_order(tmp_path: Path, arrays: Arrays) -> None:
    """`np.savez(path, **dict(sorted(...)))` writes them in another order; `var_order` restores it."""
    shuffled = dict(sorted(arrays.items()))
    with pytest.raises(Misfit, match="not in their order of creation: list the names in that order in 'var_order'"):
        import_weights(network(), read_variables(saved(tmp_path, shuffled)))
    import_weights(network(), read_variables(saved(tmp_path, {**shuffled, "var_order": np.array(list(arrays))})))


@pytest.mark.parametrize("scope", ["retina_net_head/", "retinanet_head/", "model/retina_net_head_1/"])
@pytest.mark.parametrize("listed", [False, True])
def test_head_variables_are_left_out(scope: str, listed: bool, tmp_path: Path, arrays: Arrays) -> None:
    name = f"{scope}classnet_0/kernel:0"
    more = {**arrays, name: np.zeros((3, 3, 8, 8), np.float32)}
    order = {"var_order": np.array(list(more))} if listed else {}
    variables = read_variables(saved(tmp_path, {**more, **order}))
    assert variables.head == (name,)
    import_weights(network(), variables)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_weights_are_named(value: float, tmp_path: Path, arrays: Arrays) -> None:
    arrays["layer_7/gamma:0"] = np.full_like(arrays["layer_1/gamma:0"], value)
    with pytest.raises(CheckpointError, match="'layer_7/gamma:0' holds NaN or infinity"):
        read_variables(saved(tmp_path, arrays))


@pytest.mark.parametrize(
    ("notes", "message"),
    [
        ("{norm_epsilon: 1}", "'config_json' is not JSON"),
        ('{"norm_epsilon": "small"}', "norm_epsilon is 'small': give a number between 0 and 1"),
        ('{"norm_epsilon": -1}', "norm_epsilon is -1"),
    ],
)
def test_invalid_config_json_is_refused(notes: str, message: str, tmp_path: Path, arrays: Arrays) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_variables(saved(tmp_path, {**arrays, "config_json": np.array(notes)}))


def test_weights_of_another_scale_are_misshaped(tmp_path: Path, arrays: Arrays) -> None:
    """At width 1/4, a bottleneck has the 64 channels of the stem, so its shortcut has no convolution."""
    with pytest.raises(Misfit, match=r"5 unexpected, .* mis-shaped, first") as refusal:
        import_weights(network(Scale(width=0.25, output_width=8)), read_variables(saved(tmp_path, arrays)))
    assert "missing" not in str(refusal.value)
    with pytest.raises(Misfit, match="mis-shaped, first") as refusal:
        import_weights(network(Scale(width=0.5, output_width=8)), read_variables(saved(tmp_path, arrays)))
    assert "missing" not in str(refusal.value)
    assert "unexpected" not in str(refusal.value)


def test_network_with_other_modules_is_refused(tmp_path: Path, arrays: Arrays) -> None:
    genotype = Genotype(
        op("resnet_stem"),
        (
            Node("a", 3, 8, (Edge("stem2", op("spinenet")),)),
            Node("b", 3, 8, (Edge("stem2", op("spinenet")), Edge("a", op("identity"))), op("fast")),
        ),
        ("b",),
        op("fcos"),
    )
    with pytest.raises(Misfit, match=r"node_b\.fuse\.weight"):
        import_weights(decode(genotype, SCALE), read_variables(saved(tmp_path, arrays)))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"\x80\x04."])
def test_file_that_is_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x\.npz"):
        read_variables(path)


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, {"layer/kernel:0": np.array([{"a": 1}], dtype=object)})
    with pytest.raises(CheckpointError, match="allow_pickle"):
        read_variables(path)


def test_missing_file_and_single_array_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(3))
    for name, message in (("none.npz", "no such file"), ("x.npy", "archive of named variables")):
        with pytest.raises(CheckpointError, match=message):
            read_variables(tmp_path / name)


def test_integer_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="floats"):
        read_variables(saved(tmp_path, {"layer/kernel:0": np.zeros((1, 1, 1, 1), np.int64)}))
