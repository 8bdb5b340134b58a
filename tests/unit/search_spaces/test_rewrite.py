"""Rewriting changes the named operators only."""

import pytest

from search_spaces.ops import GenotypeError, op
from search_spaces.rewrite import rewrite, with_activation, with_padding
from search_spaces.zoo import zoo


def test_padding_changes_stem_and_edges_and_can_be_reverted() -> None:
    genotype = zoo("spinenet-49").genotype
    same = with_padding(genotype, "same")
    assert same.stem == op("resnet_stem", padding="same")
    edges = [edge.op for node in same.nodes for edge in node.inputs if edge.op.name == "spinenet"]
    assert len(edges) == 30
    assert set(edges) == {op("spinenet", padding="same")}
    assert with_padding(same, "symmetric") == genotype


def test_only_relu_is_replaced() -> None:
    genotype = zoo("fpn").genotype
    assert with_activation(genotype, "silu").by_name["p3"] == genotype.by_name["p3"]  # p3 has no activation
    assert with_activation(genotype, "silu").by_name["c3"].block["act"] == "silu"


def test_an_unknown_value_is_refused() -> None:
    with pytest.raises(GenotypeError, match="valid"):
        with_padding(zoo("spinenet-49").genotype, "valid")


def test_an_identity_rewrite_gives_the_same_genotype() -> None:
    genotype = zoo("fpn-msfm").genotype
    assert rewrite(genotype, lambda operator: operator) == genotype
