"""Configuration of two sites: exports of both sites, and one site's database, are copied."""

from typing import Any

from tests.support.configurations import ACCOUNT, UUID, Data, changed, twins

MAIN_REGION, SPARE_REGION = "eu-west-1", "us-east-1"
KEY = f"arn:aws:kms:{SPARE_REGION}:{ACCOUNT}:key/{UUID}"


def copied_sites(*, spare_account: str = ACCOUNT, **exports: Any) -> Data:
    """Return clusters `main` and `spare`, with exports and a copy of the database of `main`.

    Args:
        spare_account: account of `spare`; in another account, its database has no copy.
        exports: further keys of `exports`.
    """
    logins = {
        name: f"arn:aws:secretsmanager:{region}:{account}:secret:login-AbCdEf"
        for name, region, account in (
            ("main", MAIN_REGION, ACCOUNT),
            ("spare", SPARE_REGION, spare_account),
        )
    }
    data = changed(
        twins(),
        {f"clusters/{name}/exports": {"login": arn, **exports} for name, arn in logins.items()},
    )
    if spare_account != ACCOUNT:
        return changed(data, {"clusters/spare/account": spare_account, "failover/account": ACCOUNT})
    return changed(
        data,
        {
            "clusters/main/catalog": {
                "components": ["scheduler"],
                "copy": {"to": "spare", "kms_key": KEY},
            },
            "clusters/spare/catalog": {"components": ["scheduler"]},
        },
    )
