"""A cluster, simulated with moto, whose metadata database is a real PostgreSQL server."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.commands.account.cloud import Cloud
from tests.commands.account.cloudformation import Deployed
from tests.commands.account.postgres import ADMIN, HOST, PASSWORD, Managed
from tests.support.assembly import Template
from tests.support.configurations import ACCOUNT, Data, changed, minimal

REGION = "eu-west-1"
STACK = "test-main-catalog"
_SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:"


def configuration() -> Data:
    """Return a configuration of two nodes that share an existing database server."""
    return changed(
        minimal(),
        {
            "clusters/main/catalog": {
                "components": ["scheduler", "data-catalog"],
                "existing": {"host": HOST, "secret": f"{_SECRET}admin-AbCdEf"},
            },
            "clusters/main/exports": {"login": f"{_SECRET}login-AbCdEf"},
        },
    )


@dataclass
class Catalog:
    """Deployed cluster with its database server.

    Attributes:
        cloud: the account.
        server: the database server.
        config: path of the configuration.
    """

    cloud: Cloud
    server: Managed
    config: Path

    @property
    def arguments(self) -> list[str]:
        """Return the options with which every command finds the configuration."""
        return ["-c", str(self.config)]

    @property
    def reach(self) -> list[str]:
        """Return the options of commands that connect to the database server."""
        return [*self.arguments, "--through", f"127.0.0.1:{self.server.port}"]

    @property
    def secrets(self) -> Any:
        """Return a client of Secrets Manager."""
        return self.cloud.client("secretsmanager", REGION)

    def value(self, component: str) -> dict[str, Any]:
        """Return the value of the secret of a component: `scheduler` or `data-catalog`."""
        name = f"denodo/test/main/catalog/{component}"
        text = self.secrets.get_secret_value(SecretId=name)["SecretString"]
        value: dict[str, Any] = json.loads(text)
        return value

    def versions(self) -> dict[str, str]:
        """Return the current version of the secret of Scheduler and Data Catalog, by component."""
        versions = {}
        for component in ("scheduler", "data-catalog"):
            name = f"denodo/test/main/catalog/{component}"
            versions[component] = self.secrets.get_secret_value(SecretId=name)["VersionId"]
        return versions

    def connect(self, component: str, dbname: str = "") -> Any:
        """Connect to the server with the login of a component: `scheduler` or `data-catalog`."""
        value = self.value(component)
        return self.server.connect(value["username"], value["password"], dbname or value["dbname"])


def deploy(cloud: Cloud, server: Managed, config: Path, template: Template) -> Catalog:
    """Deploy the metadata stack: generate its secrets, and set its outputs."""
    client = cloud.client("secretsmanager", REGION)
    admin = client.create_secret(
        Name="admin", SecretString=json.dumps({"username": ADMIN, "password": PASSWORD})
    )["ARN"]
    stack = Deployed(STACK, ACCOUNT, REGION, template)
    stack.outputs = {
        "CatalogHost": HOST,
        "CatalogPort": "5432",
        "CatalogAdminSecret": admin,
        "ExportBucket": template["Outputs"]["ExportBucket"]["Value"],
    }
    for id_, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::SecretsManager::Secret":
            generated = properties["GenerateSecretString"]
            value = json.loads(generated["SecretStringTemplate"])
            value[generated["GenerateStringKey"]] = (
                f"generated-{properties['Name'].rpartition('/')[2]}"
            )
            made = client.create_secret(Name=properties["Name"], SecretString=json.dumps(value))
            stack.physical_ids[id_] = made["ARN"]
        if resource["Type"] == "AWS::S3::Bucket":
            _bucket(cloud, properties["BucketName"])
            stack.physical_ids[id_] = properties["BucketName"]
    for name, output in template["Outputs"].items():
        if name.startswith("CatalogSecret"):
            stack.outputs[name] = stack.physical_ids[output["Value"]["Ref"]]
    cloud.stacks.all.append(stack)
    return Catalog(cloud, server, config)


def _bucket(cloud: Cloud, name: str) -> None:
    client = cloud.client("s3", REGION)
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
