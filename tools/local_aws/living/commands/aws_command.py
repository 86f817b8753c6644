"""The command `aws` of a machine: sends the calls of this project's programs to the local AWS.

This program replaces the real AWS CLI, which takes a second of CPU for each call. Options, output
and errors are those of the AWS CLI; a call that this program does not know ends with exit code 252,
as an unknown command does.
"""

import base64
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

SETTINGS = os.environ.get("LOCAL_AWS_ROOT", "") + "/etc/local-aws.json"
_TIMEOUT_S = 60.0
_MISUSE, _REFUSED = 252, 254
"""Exit codes of the AWS CLI for a wrong command line, and for an error of the service."""

Options = dict[str, str]


class RefusedError(Exception):
    """The local AWS refused a call."""


class Aws:
    """Access of this machine to the local AWS, for the account of the machine's instance."""

    def __init__(self, settings: dict[str, str], region: str) -> None:
        self._endpoint, self._account = settings["endpoint"], settings["account"]
        self.region = region or settings["region"]

    def call(
        self,
        service: str,
        operation: str,
        *,
        method: str = "POST",
        path: str = "/",
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> tuple[bytes, dict[str, str]]:
        """Send one request; return content and headers of the answer.

        Raises:
            RefusedError: the service refused the call.
        """
        scope = f"{self._account}/20260101/{self.region}/{service}/aws4_request"
        signed = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
        request = urllib.request.Request(  # noqa: S310 - the endpoint is on this machine
            f"{self._endpoint}{path}",
            data=body if method != "GET" else None,
            method=method,
            headers={"Authorization": signed, **(headers or {})},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_TIMEOUT_S) as answer:
                received = {key.lower(): value for key, value in answer.headers.items()}
                return answer.read(), received
        except urllib.error.HTTPError as error:
            code, message = _error(error.read())
            text = f"An error occurred ({code}) when calling the {operation} operation: {message}"
            raise RefusedError(text) from None
        except urllib.error.URLError:
            text = f'Could not connect to the endpoint URL: "{self._endpoint}/"'
            raise RefusedError(text) from None

    def json(self, service: str, target: str, request: dict[str, Any]) -> dict[str, Any]:
        """Call an operation of a service with JSON; `target` is the value of `X-Amz-Target`."""
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target}
        operation = target.rpartition(".")[2]
        body = json.dumps(request).encode()
        content, _ = self.call(service, operation, body=body, headers=headers)
        result: dict[str, Any] = json.loads(content or b"{}")
        return result

    def query(self, service: str, operation: str, version: str, parameters: Options) -> None:
        """Call an operation of a service with form parameters, and ignore the answer."""
        form = {"Action": operation, "Version": version, **parameters}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urllib.parse.urlencode(form).encode()
        self.call(service, operation, body=body, headers=headers)


def _error(content: bytes) -> tuple[str, str]:
    """Return code and message of an error in JSON or XML."""
    text = content.decode(errors="replace")
    try:
        data = json.loads(text)
        code = str(data.get("__type") or data.get("code") or "Unknown").rpartition("#")[2]
        return code, str(data.get("message") or data.get("Message") or "")
    except ValueError:
        pass
    try:
        values = _texts(text)
    except ElementTree.ParseError:
        return "Unknown", text[:200]
    return values.get("Code") or "Unknown", values.get("Message") or ""


def _texts(xml: str) -> dict[str, str | None]:
    """Return the texts of the elements of an answer of the local AWS, by name."""
    elements = ElementTree.fromstring(xml).iter()  # noqa: S314 - the XML is from the local AWS
    return {item.tag.rpartition("}")[2]: item.text for item in elements}


def _get_parameter(aws: Aws, options: Options, _more: list[str]) -> Any:
    request: dict[str, Any] = {"Name": options["name"]}
    if "with-decryption" in options:
        request["WithDecryption"] = True
    return aws.json("ssm", "AmazonSSM.GetParameter", request)


def _secret_value(aws: Aws, options: Options, _more: list[str]) -> Any:
    names = {"secret-id": "SecretId", "version-id": "VersionId", "version-stage": "VersionStage"}
    request = {key: options[name] for name, key in names.items() if name in options}
    return aws.json("secretsmanager", "secretsmanager.GetSecretValue", request)


def _signal_resource(aws: Aws, options: Options, _more: list[str]) -> Any:
    parameters = {
        "StackName": options["stack-name"],
        "LogicalResourceId": options["logical-resource-id"],
        "UniqueId": options["unique-id"],
        "Status": options["status"],
    }
    aws.query("cloudformation", "SignalResource", "2010-05-15", parameters)
    return None


def _put_metric_data(aws: Aws, options: Options, _more: list[str]) -> Any:
    data = (
        json.loads(options["metric-data"])
        if "metric-data" in options
        else [{"MetricName": options["metric-name"], "Value": float(options["value"])}]
    )
    parameters = {"Namespace": options["namespace"]}
    for number, item in enumerate(data, 1):
        prefix = f"MetricData.member.{number}"
        parameters[f"{prefix}.MetricName"] = item["MetricName"]
        parameters[f"{prefix}.Value"] = str(item["Value"])
        for place, dimension in enumerate(item.get("Dimensions") or [], 1):
            for key in ("Name", "Value"):
                parameters[f"{prefix}.Dimensions.member.{place}.{key}"] = dimension[key]
    aws.query("monitoring", "PutMetricData", "2010-08-01", parameters)
    return None


def _put_log_events(aws: Aws, options: Options, _more: list[str]) -> Any:
    if options.get("cli-input-json") != "file:///dev/stdin":
        raise KeyError("cli-input-json")
    return aws.json("logs", "Logs_20140328.PutLogEvents", json.load(sys.stdin))


def _create_log_stream(aws: Aws, options: Options, _more: list[str]) -> Any:
    names = {"log-group-name": "logGroupName", "log-stream-name": "logStreamName"}
    request = {key: options[name] for name, key in names.items()}
    return aws.json("logs", "Logs_20140328.CreateLogStream", request)


def _get_object(aws: Aws, options: Options, more: list[str]) -> Any:
    path = f"/{options['bucket']}/{urllib.parse.quote(options['key'])}"
    if "version-id" in options:
        path += f"?versionId={urllib.parse.quote(options['version-id'])}"
    headers = {"Range": options["range"]} if "range" in options else {}
    content, received = aws.call("s3", "GetObject", method="GET", path=path, headers=headers)
    with open(more[0], "wb") as file:  # noqa: PTH123 - pathlib takes time to import
        file.write(content)
    return {"ContentLength": len(content), "VersionId": received.get("x-amz-version-id", "")}


def _put_object(aws: Aws, options: Options, _more: list[str]) -> Any:
    with open(options["body"], "rb") as file:  # noqa: PTH123 - pathlib takes time to import
        content = file.read()
    path = f"/{options['bucket']}/{urllib.parse.quote(options['key'])}"
    _, received = aws.call("s3", "PutObject", method="PUT", path=path, body=content)
    version = received.get("x-amz-version-id", "")
    return {"ETag": received.get("etag", ""), **({"VersionId": version} if version else {})}


def _copy(aws: Aws, _options: Options, more: list[str]) -> Any:
    source, target = more
    bucket, _, key = source.removeprefix("s3://").partition("/")
    _get_object(aws, {"bucket": bucket, "key": key}, [target])
    return None


def _identity(aws: Aws, _options: Options, _more: list[str]) -> Any:
    parameters = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    body = urllib.parse.urlencode(parameters).encode()
    content, _ = aws.call("sts", "GetCallerIdentity", body=body, headers=headers)
    values = _texts(content.decode())
    return {key: values.get(key) for key in ("UserId", "Account", "Arn")}


CALLS: dict[tuple[str, str], Callable[[Aws, Options, list[str]], Any]] = {
    ("ssm", "get-parameter"): _get_parameter,
    ("secretsmanager", "get-secret-value"): _secret_value,
    ("cloudformation", "signal-resource"): _signal_resource,
    ("cloudwatch", "put-metric-data"): _put_metric_data,
    ("logs", "put-log-events"): _put_log_events,
    ("logs", "create-log-stream"): _create_log_stream,
    ("s3api", "get-object"): _get_object,
    ("s3api", "put-object"): _put_object,
    ("s3", "cp"): _copy,
    ("sts", "get-caller-identity"): _identity,
}
_FLAGS = ("no-progress", "with-decryption", "no-cli-pager", "no-paginate")


def parse(arguments: list[str]) -> tuple[Options, list[str]]:
    """Return the options, and the arguments that are not options."""
    options: Options = {}
    more: list[str] = []
    words = iter(arguments)
    for word in words:
        if not word.startswith("--"):
            more.append(word)
            continue
        name, separator, value = word[2:].partition("=")
        options[name] = value if separator else "" if name in _FLAGS else next(words, "")
    return options, more


def selected(answer: Any, query: str) -> Any:
    """Return the value at a path of names, the only form of `--query` that is supported."""
    for name in query.split(".") if query else ():
        answer = answer.get(name) if isinstance(answer, dict) else None
    return answer


def main(arguments: list[str]) -> int:
    """Make the AWS call that the arguments name, and return the exit code."""
    call = CALLS.get((arguments[0], arguments[1])) if len(arguments) > 1 else None
    if call is None:
        command = f"`aws {' '.join(arguments[:2])}`"
        sys.stderr.write(f"aws: the machines of the local AWS do not support {command}\n")
        return _MISUSE
    options, more = parse(arguments[2:])
    with open(SETTINGS) as file:  # noqa: PTH123 - pathlib takes time to import
        settings = json.load(file)
    region = options.get("region") or os.environ.get("AWS_DEFAULT_REGION", "")
    try:
        answer = call(Aws(settings, region), options, more)
    except RefusedError as error:
        sys.stderr.write(f"\n{error}\n")
        return _REFUSED
    except (KeyError, IndexError) as error:
        sys.stderr.write(f"aws: the option {error} is missing\n")
        return _MISUSE
    if answer is None:
        return 0
    answer = selected(answer, options.get("query", ""))
    text = options.get("output") == "text" and isinstance(answer, str)
    if isinstance(answer, bytes):
        answer = base64.b64encode(answer).decode()
    sys.stdout.write(f"{answer if text else json.dumps(answer, indent=4)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
