"""A client's resolver keeps an answer for the answer's TTL, or for a fixed time."""

from tests.support.servers.dns import dns_server
from tools.local_aws.rehearsal.resolver import CachingResolver, ask


def test_an_answer_is_kept_for_its_ttl() -> None:
    now = [0.0]
    with dns_server() as dns:
        dns.addresses["one.example"] = ("192.0.2.1",)
        names = CachingResolver(("127.0.0.1", dns.port), clock=lambda: now[0])
        assert names.addresses("one.example") == ("192.0.2.1",)
        ttl = ask(("127.0.0.1", dns.port), "one.example").ttl
        dns.addresses["one.example"] = ("192.0.2.2",)
        now[0] = ttl - 0.1
        assert names.addresses("one.example") == ("192.0.2.1",)
        now[0] = ttl
        assert names.addresses("one.example") == ("192.0.2.2",)


def test_a_client_with_a_cache_of_its_own_keeps_an_answer_longer() -> None:
    now = [0.0]
    with dns_server() as dns:
        dns.addresses["one.example"] = ("192.0.2.1",)
        names = CachingResolver(("127.0.0.1", dns.port), keeps=1e9, clock=lambda: now[0])
        names.addresses("one.example")
        dns.addresses["one.example"] = ("192.0.2.2",)
        now[0] = 1e6
        assert names.addresses("one.example") == ("192.0.2.1",)


def test_a_name_that_does_not_exist_has_no_address() -> None:
    with dns_server() as dns:
        response = ask(("127.0.0.1", dns.port), "missing.example")
        assert (response.code, response.addresses) == ("NXDOMAIN", ())
