"""Weights that do not fit are refused by name and change nothing."""

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
    """A stem, two bottlenecks, a block of two parents, an endpoint."""
    edge = Edge("stem2", op("identity"))
    nodes = (
        Node("b0", 2, 64, (edge,), block=op("bottleneck", repeats=2)),
        Node("b1", 3, 128, (Edge("b0", op("spinenet")),), op("sum", act="relu"), op("residual")),
        Node("p3", 3, None, (Edge("b1", op("identity")),), block=op("conv", kernel=1)),
    )
    return decode(Genotype(op("resnet_stem"), nodes, ("p3",), op("fcos")), scale)


@pytest.fixture
def arrays() -> Arrays:
    """The variables of another network of the same topology, named as TensorFlow does."""
    torch.manual_seed(1)
    made: Arrays = {}
    for i, slot in enumerate(creation_order(network())):
        values = torch.rand(slot.tensor.shape)
        values = values.permute(2, 3, 1, 0) if slot.role == "kernel" else values
        made[f"layer_{i}/{slot.role}:0"] = values.contiguous().numpy()
    return made


def written(path: Path, arrays: Arrays) -> Path:
    np.savez(path / "weights.npz", **arrays)
    return path / "weights.npz"


def test_every_weight_is_taken(tmp_path: Path, arrays: Arrays) -> None:
    made = network()
    import_weights(made, read_variables(written(tmp_path, arrays)))
    for slot, (name, values) in zip(creation_order(made), arrays.items(), strict=True):
        taken = slot.tensor.permute(2, 3, 1, 0) if slot.role == "kernel" else slot.tensor
        assert np.array_equal(taken.detach().numpy(), values), name


def test_the_shortcut_was_created_before_its_body() -> None:
    names = [slot.name for slot in creation_order(network()) if slot.role == "kernel"]
    assert [name.split(".", 2)[2] for name in names if "node_b0" in name][:2] == [
        "block.0.shortcut.0.weight",
        "block.0.body.0.0.weight",
    ]


def without(arrays: Arrays) -> Arrays:
    return {name: values for name, values in arrays.items() if name != "layer_10/kernel:0"}


def more(arrays: Arrays) -> Arrays:
    return {**arrays, "head/kernel:0": np.zeros((3, 3, 8, 8), np.float32)}


def wider(arrays: Arrays) -> Arrays:
    return {**arrays, "layer_0/kernel:0": np.zeros((7, 7, 3, 65), np.float32)}


def listed(arrays: Arrays) -> Arrays:
    """The file's own list names what it lacks, and not what it has."""
    return {**without(more(arrays)), "var_order": np.array(list(arrays))}


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (without, ["1 missing, first a kernel", "node_b0"]),
        (more, ["1 unexpected, first 'head/kernel:0'"]),
        (wider, ["1 mis-shaped, first 'layer_0/kernel:0' is (7, 7, 3, 65), stem.conv.0.weight takes (7, 7, 3, 64)"]),
        (listed, ["1 missing, first 'layer_10/kernel:0'", "1 unexpected, first 'head/kernel:0'"]),
        (lambda arrays: wider(more(arrays)), ["unexpected", "mis-shaped"]),
        (lambda arrays: {}, ["missing"]),
    ],
)
def test_a_misfit_is_named_and_changes_nothing(
    spoil: Callable[[Arrays], Arrays], says: list[str], tmp_path: Path, arrays: Arrays
) -> None:
    made = network()
    before = {name: values.clone() for name, values in made.state_dict().items()}
    with pytest.raises(Misfit) as refusal:
        import_weights(made, read_variables(written(tmp_path, spoil(arrays))))
    assert all(part in str(refusal.value) for part in says), refusal.value
    assert all(torch.equal(values, before[name]) for name, values in made.state_dict().items())


def test_variables_out_of_order_are_said_to_be_so(tmp_path: Path, arrays: Arrays) -> None:
    """As `np.savez(path, **dict(sorted(...)))` leaves them; a list of their order mends it."""
    shuffled = dict(sorted(arrays.items()))
    with pytest.raises(Misfit, match="not in their order of creation: list the names in that order in 'var_order'"):
        import_weights(network(), read_variables(written(tmp_path, shuffled)))
    import_weights(network(), read_variables(written(tmp_path, {**shuffled, "var_order": np.array(list(arrays))})))


@pytest.mark.parametrize("scope", ["retina_net_head/", "retinanet_head/", "model/retina_net_head_1/"])
@pytest.mark.parametrize("listed", [False, True])
def test_a_head_s_variables_are_left_out(scope: str, listed: bool, tmp_path: Path, arrays: Arrays) -> None:
    name = f"{scope}classnet_0/kernel:0"
    more = {**arrays, name: np.zeros((3, 3, 8, 8), np.float32)}
    order = {"var_order": np.array(list(more))} if listed else {}
    variables = read_variables(written(tmp_path, {**more, **order}))
    assert variables.head == (name,)
    import_weights(network(), variables)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_named(value: float, tmp_path: Path, arrays: Arrays) -> None:
    arrays["layer_7/gamma:0"] = np.full_like(arrays["layer_1/gamma:0"], value)
    with pytest.raises(CheckpointError, match="'layer_7/gamma:0' holds NaN or infinity"):
        read_variables(written(tmp_path, arrays))


@pytest.mark.parametrize(
    ("notes", "says"),
    [
        ("{norm_epsilon: 1}", "'config_json' is not JSON"),
        ('{"norm_epsilon": "small"}', "norm_epsilon is 'small': give a number between 0 and 1"),
        ('{"norm_epsilon": -1}', "norm_epsilon is -1"),
    ],
)
def test_notes_that_cannot_be_read_are_named(notes: str, says: str, tmp_path: Path, arrays: Arrays) -> None:
    with pytest.raises(CheckpointError, match=says):
        read_variables(written(tmp_path, {**arrays, "config_json": np.array(notes)}))


def test_another_scale_is_all_misshaped(tmp_path: Path, arrays: Arrays) -> None:
    """At a width of 1/4 a bottleneck has the stem's 64 channels, and its shortcut no convolution."""
    with pytest.raises(Misfit, match=r"5 unexpected, .* mis-shaped, first") as refusal:
        import_weights(network(Scale(width=0.25, output_width=8)), read_variables(written(tmp_path, arrays)))
    assert "missing" not in str(refusal.value)
    with pytest.raises(Misfit, match="mis-shaped, first") as refusal:
        import_weights(network(Scale(width=0.5, output_width=8)), read_variables(written(tmp_path, arrays)))
    assert "missing" not in str(refusal.value)
    assert "unexpected" not in str(refusal.value)


def test_a_network_of_other_modules_is_refused(tmp_path: Path, arrays: Arrays) -> None:
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
        import_weights(decode(genotype, SCALE), read_variables(written(tmp_path, arrays)))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"\x80\x04."])
def test_what_is_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x\.npz"):
        read_variables(path)


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    path = written(tmp_path, {"layer/kernel:0": np.array([{"a": 1}], dtype=object)})
    with pytest.raises(CheckpointError, match="allow_pickle"):
        read_variables(path)


def test_a_missing_file_and_a_single_array_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(3))
    for name, says in (("none.npz", "no such file"), ("x.npy", "archive of named variables")):
        with pytest.raises(CheckpointError, match=says):
            read_variables(tmp_path / name)


def test_whole_numbers_are_no_weights(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="floats"):
        read_variables(written(tmp_path, {"layer/kernel:0": np.zeros((1, 1, 1, 1), np.int64)}))
