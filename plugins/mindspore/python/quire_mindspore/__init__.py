"""MindSpore behind Quire's worker: nothing is imported here, so that devices can be probed and the environment set before MindSpore is."""
