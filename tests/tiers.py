"""The tiers of the test suite: quick, full (the default) and slow.

`pytest -m quick` takes under a minute on two idle cores. `pytest` runs all tests except those marked slow or gpu.
"""

import pytest

NEVER_QUICK = ("slow", "gpu", "ray", "cluster", "browser")
"""Markers of tests that train for long, or start a cluster or a browser."""
LONG: dict[str, str] = {
    "tests/e2e/": "runs whole commands",
    "tests/contracts/test_costs.py": "builds the detectors of many genotypes",
    "tests/contracts/test_one_row.py": "runs tests and a search in a copy of the project",
    "tests/contracts/test_ops.py": "builds every operator several times; the snapshots are quick",
    "tests/contracts/test_proxies.py": "trains and scores detectors",
    "tests/contracts/test_spaces.py": "samples every space many times",
    "tests/contracts/test_startup.py": "starts a process per command",
    "tests/contracts/test_strategies.py": "searches with every strategy",
    "tests/contracts/test_within.py": "searches with every strategy",
    "tests/golden/test_published.py": "computes every published figure",
    "tests/golden/test_resnet.py": "runs large networks",
    "tests/unit/detectors/test_crowded.py::test_thousands_of_objects": "starts a process per head",
    "tests/unit/detectors/test_fcos.py::test_detector_follows_the_torchvision_interface": "runs large networks",
    "tests/unit/detectors/test_foreign.py": "trains detectors",
    "tests/unit/detectors/test_retinanet.py::test_detector_follows_the_torchvision_interface": "runs large networks",
    "tests/unit/detectors/test_retinanet.py::test_a_few_steps_overfit_an_image": "trains detectors",
    "tests/unit/detectors/test_yolov3.py::test_detector_overfits_four_images": "trains a detector",
    "tests/unit/experiments/test_overfit.py": "trains detectors",
    "tests/unit/experiments/test_plain_networks.py": "runs large networks",
    "tests/unit/experiments/test_table_bench.py": "hundreds of searches",
    "tests/unit/inspect/test_draw.py": "draws large genotypes",
    "tests/unit/ops/test_asff_fusion.py::test_compiled_asff": "compiles a network",
    "tests/unit/ops/test_timm": "builds timm's backbones",
    "tests/unit/proxies/test_predictor.py": "fits predictors",
    "tests/unit/proxies/test_proxy_ranking.py": "dozens of rankings",
    "tests/unit/proxies/test_zero_cost.py": "scores detectors, also in a pool of processes",
    "tests/unit/search/test_pool_runner.py": "starts and kills processes",
    "tests/unit/search/test_ray_needs.py::test_a_search_on_which_ray_cannot_start": "imports Ray in a separate process",
    "tests/unit/search/test_resumed.py": "hundreds of searches",
    "tests/unit/search/test_retries.py": "starts and kills processes",
    "tests/unit/search/test_killed_driver.py": "starts and kills processes",
    "tests/unit/search/test_search.py::test_a_search_evaluates_the_whole_space": "hundreds of trials",
    "tests/unit/search/test_shared_study.py": "starts and kills processes",
    "tests/unit/search/test_store_faults.py": "waits for databases",
    "tests/unit/search_spaces/test_normal.py": "builds many networks",
    "tests/unit/test_latency.py": "compiles networks",
    "tests/unit/training/test_evaluation.py": "evaluates thousands of detections",
    "tests/unit/training/test_fit.py": "trains detectors",
}
"""Prefix of a test id -> why the test is not quick."""


def is_quick(item: pytest.Item) -> bool:
    return not item.nodeid.startswith(tuple(LONG)) and not any(map(item.get_closest_marker, NEVER_QUICK))
