"""Benchmarks of `cdk synth`, the drill, HAProxy and the readiness checks of nodes."""
