#!/usr/bin/env bash
# Expected: write_graphml(..., named_key_ids=True) names each GraphML key after its attribute, and the file reads back
#   as the same graph, as it does without the option.
# Happens: a node attribute and an edge attribute of one name get two <key> elements of one id (an id must be unique in
#   GraphML). On reading, the later key rules both: the edge's number 3 comes back as the text '3'.
# Source: networkx/readwrite/graphml.py (GraphMLWriter.get_key), release 3.6.1, and its docstring of named_key_ids.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check networkx==3.6.1
cat > "$work/check.py" <<'PY'
import io
import re

import networkx as nx

print("networkx", nx.__version__)
graph = nx.DiGraph()
graph.add_node("a", size="small")
graph.add_edge("a", "b", size=3)


def written(named):
    file = io.BytesIO()
    nx.write_graphml_xml(graph, file, named_key_ids=named)
    return file.getvalue()


for named, expected in ((False, 3), (True, "3")):
    document = written(named)
    ids = re.findall(rb'<key id="(\w+)"', document)
    (edge,) = nx.read_graphml(io.BytesIO(document)).edges(data=True)
    print(f"named_key_ids={named}: key ids {ids}, the edge reads back as {edge}")
    assert edge[2]["size"] == expected and type(edge[2]["size"]) is type(expected), "the edge's size has changed"
    assert len(set(ids)) == (1 if named else 2), "the keys' ids have changed"
PY
"$work/venv/bin/python" "$work/check.py"
