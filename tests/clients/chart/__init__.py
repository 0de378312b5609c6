"""The chart: what Kubernetes would be given, that it is valid and keeps its promises, and that Palisade runs with it."""
