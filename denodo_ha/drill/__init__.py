"""Drill: the effect of each single failure on clients, worked out from templates before a deploy.

The drill reads CloudFormation templates and applies AWS's documented rules. It needs no AWS
account, no network and no CDK.

    templates -> reading -> model             the clusters, balancers, checks and records
    scenarios -> engine -> outcomes           the outcome of each failure
    policies, comparison                      the verdicts, the difference from other templates
    text_report, json_report                  the reports
"""
