#!/usr/bin/env bash
# Expected: a Gaussian process on PairwiseKernel(metric="precomputed"), fitted to a kernel matrix K, factorises
#   K + alpha I, and predicts as the same process with the kernel computed from the points.
# Happens: the kernel returns the stored training matrix itself, fit adds alpha to its diagonal in place, and does so
#   twice: it factorises K + 2 alpha I, so that means are off, and the matrix that it keeps has changed as well.
#   predict(K, return_std=True) raises ValueError, since the kernel's diagonal asks for one column.
# Source: sklearn/gaussian_process/_gpr.py (fit), kernels.py (PairwiseKernel), release 1.9.1.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check scikit-learn==1.9.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import numpy as np
import sklearn
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, PairwiseKernel

print("scikit-learn", sklearn.__version__)
points = np.random.default_rng(0).normal(size=(6, 3))
K = RBF(1.0)(points)
target = points[:, 0]
exact = K @ np.linalg.solve(K + np.eye(6), target)

by_points = GaussianProcessRegressor(RBF(1.0), alpha=1.0, optimizer=None).fit(points, target)
print("from points: largest error of the means", abs(by_points.predict(points) - exact).max())
assert np.allclose(by_points.predict(points), exact)

by_matrix = GaussianProcessRegressor(PairwiseKernel(metric="precomputed"), alpha=1.0, optimizer=None).fit(K, target)
factorised = by_matrix.L_ @ by_matrix.L_.T
print("from the matrix: diagonal", factorised[0, 0], "largest error", abs(by_matrix.predict(K) - exact).max())
assert np.isclose(factorised[0, 0], 3.0), "alpha is no longer added twice"
assert not np.allclose(by_matrix.predict(K), exact)
try:
    by_matrix.predict(K, return_std=True)
except ValueError as error:
    print("return_std=True:", error)
else:
    raise AssertionError("return_std=True no longer fails")
PY
"$work/venv/bin/python" "$work/check.py"
