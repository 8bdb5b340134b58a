"""The fidelity of proxies: how well they rank candidates, compared with a long training at several seeds."""
