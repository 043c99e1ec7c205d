"""The tests of `make k8s-test`: the trial in a namespace of its own on the cluster that KUBECONFIG names."""
