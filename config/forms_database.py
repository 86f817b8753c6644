"""What RDS and PostgreSQL take: classes, versions, names, windows."""

from typing import Annotated

from config.forms import Form

DatabaseClass = Annotated[
    str,
    Form(
        r"db\.[a-z][a-z0-9-]*\.[a-z0-9-]+",
        "is not an instance class of a database",
        "RDS has classes of its own: db, a family and a size with dots between",
        "db.t4g.medium",
        "write a class like {example}",
    ),
]
DatabaseVersion = Annotated[
    str,
    Form(
        r"1[5-8](\.[0-9]{1,2})?",
        "is not a version of PostgreSQL that is supported here",
        "from 15 to 18; before 15 everybody may create tables in a new database (PostgreSQL 15 "
        "release notes)",
        "16",
        'write a version in quotes, like "{example}" or "16.4"',
    ),
]
DatabasePrefix = Annotated[
    str,
    Form(
        r"[a-z][a-z0-9_]{0,30}",
        "is not a prefix for names in PostgreSQL",
        "a lower-case letter, then at most 30 of a-z, 0-9 and _",
        "denodo_prod_",
        "write a prefix like {example}",
    ),
]
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_DAY = r"(mon|tue|wed|thu|fri|sat|sun)"
MaintenanceWindow = Annotated[
    str,
    Form(
        rf"{_DAY}:{_CLOCK}-{_DAY}:{_CLOCK}",
        "is not a maintenance window",
        "RDS takes day and time of begin and end, UTC (AWS, Amazon RDS API, CreateDBInstance)",
        "sun:03:00-sun:04:00",
        "write a window like {example}",
    ),
]
DatabaseWindow = Annotated[
    str,
    Form(
        rf"{_CLOCK}-{_CLOCK}",
        "is not a backup window",
        "RDS takes the times of begin and end, UTC (AWS, Amazon RDS API, CreateDBInstance)",
        "01:00-02:00",
        "write a window like {example}",
    ),
]
