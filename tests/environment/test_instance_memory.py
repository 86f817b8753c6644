"""Memory of an instance type, derived from its name, and the share of Denodo's heap."""

import pytest

from denodo_ha.environment.facts.instance_memory import heap_gib, memory_gib, virtual_cpus


@pytest.mark.parametrize(
    ("instance_type", "memory"),
    [
        ("m5.large", 8),
        ("m5.xlarge", 16),
        ("m5.4xlarge", 64),
        ("m5.24xlarge", 384),
        ("m6i.xlarge", 16),
        ("m6gd.2xlarge", 32),
        ("m7a.48xlarge", 768),
        ("m7i-flex.large", 8),
        ("m8g.xlarge", 16),
        ("c5.9xlarge", 72),
        ("c5.large", 4),
        ("c7i-flex.xlarge", 8),
        ("r5.2xlarge", 64),
        ("r5b.large", 16),
        ("r7iz.32xlarge", 1024),
    ],
)
def test_of_the_usual_families(instance_type: str, memory: int) -> None:
    assert memory_gib(instance_type) == memory
    assert heap_gib(instance_type) == memory // 2


@pytest.mark.parametrize(
    "instance_type",
    [
        # In generations before 5, memory does not follow from the size.
        *("m4.xlarge", "c4.xlarge", "r4.large", "m3.medium"),
        "c5n.xlarge",  # memory does not follow from the size: 10.5 GiB
        *("t3.xlarge", "x2idn.16xlarge", "u-6tb1.56xlarge", "z1d.large", "i4i.large", "mac1.metal"),
        *("m5.metal", "m7g.medium", "m5.2large", "m5", "m5.xlarge ", "am5.xlarge"),
    ],
)
def test_of_others_nothing_is_known(instance_type: str) -> None:
    assert memory_gib(instance_type) is None
    assert heap_gib(instance_type) is None


@pytest.mark.parametrize(
    ("instance_type", "cpus"),
    [
        ("m5.large", 2),
        ("c5n.xlarge", 4),
        ("r7iz.32xlarge", 128),
        ("m5.metal", None),
        ("t3.large", None),
    ],
)
def test_virtual_cpus(instance_type: str, cpus: int | None) -> None:
    assert virtual_cpus(instance_type) == cpus
