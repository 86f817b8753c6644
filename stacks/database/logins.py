"""The logins that a cluster's components have at their databases."""

import json
from collections.abc import Mapping

from aws_cdk import RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.model.catalog import Component

_LENGTH = 32
"""Letters and digits only, so that the password needs no quoting anywhere: 190 bits."""


class Logins(Construct):
    """A secret for each component, with a generated password.

    Secrets Manager makes a new password when what is said here changes, so nothing is said that
    ever changes: `denodo-ha catalog init` adds the server's address, `denodo-ha catalog rotate`
    puts another user and password. The names are fixed, so that nodes which are made before the
    database know where to look.

    Attributes:
        secrets: the secrets by component.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: str,
        cluster: str,
        databases: Mapping[Component, str],
        key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, id_)
        self.secrets: dict[Component, secretsmanager.Secret] = {
            component: secretsmanager.Secret(
                self,
                component,
                secret_name=node_metadata.secret_name(environment, cluster, component),
                description=f"Login of {component} at the metadata database of {cluster}",
                generate_secret_string=secretsmanager.SecretStringGenerator(
                    secret_string_template=json.dumps(
                        {"dbname": database, "username": node_metadata.database_users(database)[0]}
                    ),
                    generate_string_key="password",
                    exclude_punctuation=True,
                    password_length=_LENGTH,
                ),
                encryption_key=key,
                removal_policy=RemovalPolicy.DESTROY,
            )
            for component, database in sorted(databases.items())
        }
