"""The drill: what every single failure would do, read off templates before a deploy.

A pure library: it reads CloudFormation templates and applies AWS's documented rules. It has no
account, no network and no CDK.

    template  -> resolve -> build -> model        what stands there
    scenarios -> engine (view, health, rules)     what each failure does to it
    timing, policies, report, against             what to say about it
"""
