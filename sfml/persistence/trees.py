"""scikit-learn's compiled trees as plain arrays, and back, once every node was looked at.

A tree is walked by compiled code that believes its nodes: an index beyond the arrays reads foreign
memory, and children that point back make it run for ever. So no tree is made before all of its
nodes are known to lie within it, to have one parent each, and to ask for features that exist.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sfml.persistence.checks import expect

_LEAF = -1
_NODE_FIELDS = {
    "children_left": "left_child",
    "children_right": "right_child",
    "feature": "feature",
    "threshold": "threshold",
    "impurity": "impurity",
    "n_node_samples": "n_node_samples",
    "weighted_n_node_samples": "weighted_n_node_samples",
    "missing_go_to_left": "missing_go_to_left",
}
"""Our names of a node's fields, those of `Tree`, and scikit-learn's within its node."""


def state_of(tree: Any) -> dict[str, Any]:
    """Take a fitted tree of a regressor apart."""
    state = tree.__getstate__()
    if set(state) != {"max_depth", "node_count", "nodes", "values"} or set(
        state["nodes"].dtype.names
    ) != set(_NODE_FIELDS.values()):
        raise TypeError(
            "is a tree of a version of scikit-learn that this version of sfml does not know."
        )
    if np.any(np.asarray(tree.n_classes) != 1):
        raise TypeError("is a tree of a classifier, which is not saved.")
    n = state["node_count"]
    nodes = {
        name: state["nodes"][field][:n].astype(_portable(state["nodes"].dtype[field]))
        for name, field in _NODE_FIELDS.items()
    }
    return {
        "n_features": int(tree.n_features),
        "max_depth": int(state["max_depth"]),
        "values": np.array(state["values"][:n, :, 0]),
        **nodes,
    }


def make_tree(state: dict[str, Any]) -> Any:
    """Put a tree together, after checking every node.

    Raises
    ------
    ValueError
        If a node has children or a feature that do not exist, or does not hang in the tree.
    """
    from sklearn.tree._tree import NODE_DTYPE, Tree

    check_tree(state)
    values = state["values"]
    n_nodes, n_outputs = values.shape
    nodes = np.zeros(n_nodes, dtype=NODE_DTYPE)
    expect(
        set(nodes.dtype.names or ()) == set(_NODE_FIELDS.values()),
        "scikit-learn's trees have other nodes here than this version of sfml knows",
    )
    for name, field in _NODE_FIELDS.items():
        nodes[field] = state[name]
    tree = Tree(state["n_features"], np.ones(n_outputs, dtype=np.intp), n_outputs)
    tree.__setstate__(
        {
            "max_depth": state["max_depth"],
            "node_count": n_nodes,
            "nodes": nodes,
            "values": np.ascontiguousarray(values[:, :, np.newaxis]),
        }
    )
    return tree


def check_tree(state: dict[str, Any]) -> None:
    """Check that nodes make one binary tree, whose children come after their parents."""
    n_nodes, n_outputs = state["values"].shape
    expect(n_nodes > 0 and n_outputs > 0, "a tree needs a node and an output")
    for name in _NODE_FIELDS:
        expect(len(state[name]) == n_nodes, f"{name} must have {n_nodes} entries")
    left, right = state["children_left"], state["children_right"]
    leaf = left == _LEAF
    expect(np.array_equal(leaf, right == _LEAF), "a node has one child only")
    inner = np.flatnonzero(~leaf)
    for children in (left[inner], right[inner]):
        expect(np.all((children > inner) & (children < n_nodes)), "a child is none of the nodes")
    n_parents = np.bincount(np.concatenate([left[inner], right[inner]]), minlength=n_nodes)
    expect(n_parents[0] == 0 and (n_parents[1:] == 1).all(), "a node has not one parent")
    feature = state["feature"][inner]
    expect(np.all((feature >= 0) & (feature < state["n_features"])), "a node asks for no feature")
    expect(not np.isnan(state["threshold"][inner]).any(), "a threshold is NaN")
    expect(np.isin(state["missing_go_to_left"], (0, 1)).all(), "missing_go_to_left is not 0 or 1")
    expect(np.isfinite(state["values"]).all(), "values must be finite")
    expect(_depth(left, right) == state["max_depth"], "max_depth is not the tree's depth")


def _depth(left: np.ndarray, right: np.ndarray) -> int:
    depth, level = 0, np.array([0])
    while True:
        level = level[left[level] != _LEAF]
        if not len(level):
            return depth
        level = np.concatenate([left[level], right[level]])
        depth += 1


def _portable(dtype: np.dtype) -> type:
    """Type that is the same on every machine: integers are wider on some than on others."""
    return {"i": np.int64, "u": np.uint8, "f": np.float64}[dtype.kind]
