"""An example of each block of the configuration, for the reference page.

Each example is a part of a file with the keys above the block. Every path of
`reference_page.SECTIONS` has an example, and a test validates the example by the block's model.
"""

from typing import Final

_SECRET: Final = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:denodo"  # noqa: S105 - start of an ARN

_CLUSTER: Final = """\
clusters:
  main:
    account: "111122223333"
    region: eu-west-1
    network: {cidr: 10.30.0.0/16, zones: [eu-west-1a, eu-west-1b]}
    instance: {type: m7i.xlarge, image: ami-0123456789abcdef0}
    nodes:
      node1: {zone: eu-west-1a}
      node2: {zone: eu-west-1b}
    balancer: {kind: nlb, clients: [10.0.0.0/8]}
"""

EXAMPLES: Final[dict[str, str]] = {
    "NAME.yaml": """
name: denodo-prod
denodo: {version: "8.0"}
services: {jdbc: 9999, odbc: 9996, web: 9090}
"""
    + _CLUSTER,
    "denodo": """
denodo:
  version: "8.0"
  servers: [vdp, data-catalog, scheduler]
  heap_gib: 8
  start_limit: 1800
""",
    "denodo.jvm": """
denodo:
  jvm: {vdp: -Xmx8192m -XX:+UseG1GC, web: -Xmx2048m}
""",
    "denodo.tls": f"""
denodo:
  tls: {{secret: "{_SECRET}/tls-AbCdEf"}}
""",
    "denodo.metadata": f"""
denodo:
  metadata:
    source: export
    uri: s3://denodo-metadata/export.vql
    login: {_SECRET}/admin-AbCdEf
""",
    "solution_manager": """
solution_manager: {host: sm.example.com, cidrs: [10.30.9.0/24]}
""",
    "license_manager": """
license_manager: {host: lm.example.com, tls: true}
""",
    "alarms": """
alarms:
  email: [denodo-operators@example.com]
  nodes: true
""",
    "alarms.topics": """
alarms:
  topics:
    urgent: {eu-west-1: "arn:aws:sns:eu-west-1:111122223333:denodo-urgent"}
    notice: new
""",
    "accept.FINDING": """
accept:
  one-node: {why: a test environment, until: 2027-06-30}
""",
    "services.NAME": """
services:
  jdbc: {port: 9999, idle_timeout: 1200}
  web: {port: 9090, sticky: cookie}
  odbc: 9996                              # short for {port: 9996}
""",
    "services.NAME.health": """
services:
  jdbc: {port: 9999, health: {protocol: tcp, interval: 10, timeout: 5}}
""",
    "clusters.NAME": "\n"
    + _CLUSTER
    + """    capacity: {reserve: running}
""",
    "clusters.NAME.network": """
clusters:
  main:
    network:
      cidr: 10.30.0.0/16                  # a new VPC
      zones: [eu-west-1a, eu-west-1b]
      nat: regional
""",
    "clusters.NAME.network.zones.ZONE": """
clusters:
  main:
    network:
      vpc: vpc-0a9b8c7d6e5f40312          # an existing VPC
      zones:
        eu-west-1a: {nodes: subnet-03333333333333333, balancer: subnet-04444444444444444}
        eu-west-1b: {nodes: subnet-05555555555555555, balancer: subnet-06666666666666666}
""",
    "clusters.NAME.network.egress[]": """
clusters:
  main:
    network:
      egress:
        - {to: pl-6da54004, ports: [443]}                # S3 of the region
        - {to: 10.20.0.0/16, ports: [5432, 8020-8040]}   # data sources
""",
    "clusters.NAME.network.node_zone_vpcs[]": """
clusters:
  main:
    network:
      node_zone_vpcs:
        - {vpc: vpc-0123456789abcdef0, region: eu-central-1}
""",
    "clusters.NAME.instance": """
clusters:
  main:
    instance:
      type: m7i.xlarge
      image: ami-0123456789abcdef0
      data_disk_gib: 200
      data_disk_path: /data
""",
    "clusters.NAME.nodes.NAME": """
clusters:
  main:
    nodes:
      node1: {zone: eu-west-1a, auxiliary_port: 19997}
      node2: {zone: eu-west-1b, auxiliary_port: 29997}
""",
    "clusters.NAME.nodes.NAME.instance": """
clusters:
  main:
    nodes:
      node1: {zone: eu-west-1a, instance: {type: m7i.2xlarge}}
""",
    "clusters.NAME.balancer": """
clusters:
  main:
    balancer:
      kind: nlb
      clients: [10.0.0.0/8]
      deletion_protection: true
""",
    "clusters.NAME.capacity": """
clusters:
  main:
    capacity: {reserve: running}
""",
    "clusters.NAME.catalog": """
clusters:
  main:
    catalog:
      components: [scheduler, data-catalog]
      storage_gib: 50
      maintenance_window: sun:03:00-sun:04:00
""",
    "clusters.NAME.catalog.existing": f"""
clusters:
  main:
    catalog:
      existing: {{host: postgres.example.com, secret: "{_SECRET}/postgres-AbCdEf"}}
""",
    "clusters.NAME.catalog.copy": """
clusters:
  main:
    catalog:
      copy:
        to: dr
        kms_key: arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab
""",
    "clusters.NAME.catalog.settings.COMPONENT": """
clusters:
  main:
    catalog:
      settings:
        data-catalog:
          file: conf/data-catalog/DataCatalogBackend.properties
          entries: {spring.datasource.url: "{url}"}
""",
    "clusters.NAME.exports": f"""
clusters:
  main:
    exports: {{login: "{_SECRET}/admin-AbCdEf", every: 43200}}
""",
    "clusters.NAME.balancer.haproxy": """
clusters:
  main:
    balancer:
      kind: haproxy
      clients: [10.0.0.0/8]
      haproxy:
        instance: {type: c7i.large, image: ami-0aabbccddeeff0011}
        maxconn: 50000
""",
    "clusters.NAME.balancer.haproxy.instance": """
clusters:
  main:
    balancer:
      haproxy:
        instance: {type: c7i.large, image: ami-0aabbccddeeff0011, count: 3}
""",
    "clusters.NAME.balancer.haproxy.timeouts": """
clusters:
  main:
    balancer:
      haproxy:
        timeouts: {http: 1800, tcp: 43200}
""",
    "clusters.NAME.balancer.haproxy.checks": """
clusters:
  main:
    balancer:
      haproxy:
        checks: {interval: 2, fall: 3}
""",
    "clusters.NAME.balancer.haproxy.tls": f"""
clusters:
  main:
    balancer:
      haproxy:
        tls:
          mode: terminate
          certificate: {_SECRET}/clients-AbCdEf
""",
    "failover": """
failover:
  primary: main
  secondary: dr
  zone: {id: Z0123456789ABCDEFGHIJ, name: example.com}
  record: denodo                          # clients connect to denodo.example.com
""",
    "failover.zone": """
failover:
  zone: {id: Z0123456789ABCDEFGHIJ, name: example.com}
""",
    "NAME.pins.yaml: CLUSTER.NODE": """
main:
  node1: {image: ami-0123456789abcdef0, type: m7i.xlarge, disk_gib: 100}
""",
}
"""Example of each block, as YAML, by the block's first path in `reference_page.SECTIONS`."""
