"""What is written on a node: folders and files, users, options of Java."""

from typing import Annotated

from config.forms import Form

FolderPath = Annotated[
    str,
    Form(
        r"(/[A-Za-z0-9_+@=][A-Za-z0-9._+@=-]*)+",
        "is not the absolute path of a folder",
        "it is used on every node: slashes and names of letters, digits and . _ + @ = -, no slash "
        "at its end",
        "/opt/denodo/denodo_platform_8_0",
        "write a path like {example}",
    ),
]
LinuxUser = Annotated[
    str,
    Form(
        r"(?!root$)[A-Za-z_][A-Za-z0-9_.-]{0,31}",
        "is not the name of a Linux user for Denodo",
        "names begin with a letter or _, and have at most 32 letters, digits and . _ -; nothing "
        "runs as root",
        "denodo",
        "write a name like {example}",
    ),
]
JvmOptions = Annotated[
    str,
    Form(
        r"[\x21-\x7e]([\x20-\x7e]{0,998}[\x21-\x7e])?",
        "is not a line of options",
        "it becomes one line of a file: up to 1000 printable ASCII characters, no blank at either "
        "end",
        "-Xmx8192m",
        "write options like {example}",
    ),
]
HomePath = Annotated[
    str,
    Form(
        r"(?=.{1,256}$)(?!(.*/)?\.\.?(/|$))[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*",
        "is not a file below DENODO_HOME",
        "nothing else on the node is changed",
        "conf/data-catalog/DataCatalogBackend.properties",
        "write a path like {example}",
    ),
]
