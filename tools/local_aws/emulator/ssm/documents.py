"""Documents, associations and commands of Systems Manager, which MiniStack lacks."""

import json
import uuid
from collections.abc import Callable
from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation import resource_types
from tools.local_aws.emulator.cloudformation.resource_types import Made, Properties
from tools.local_aws.emulator.errors import AwsError
from tools.local_aws.emulator.ssm import commands

DOCUMENT = "AWS::SSM::Document"
ASSOCIATION = "AWS::SSM::Association"

documents = ministack.AccountRegionScopedDict()
associations = ministack.AccountRegionScopedDict()

_AWS_OWN = ("AWS-", "Amazon")


def _fault(code: str, message: str) -> AwsError:
    return AwsError(code, message, service="Ssm")


def _document(name: str) -> ministack.Record:
    record: ministack.Record | None = documents.get(name)
    if record is None:
        raise _fault("InvalidDocument", f"Document with name {name} does not exist.")
    return record


def _create_document(logical_id: str, properties: Properties, stack: str) -> Made:
    name = properties.get("Name") or ministack.physical_name(stack, logical_id)
    if name in documents:
        message = f"Document with same name {name} already exists"
        raise _fault("DocumentAlreadyExists", message)
    documents[name] = {"Name": name, "Version": 0}
    return _put_document(name, properties)


def _put_document(name: str, properties: Properties) -> Made:
    content = properties["Content"]
    known = documents[name]
    known.update(
        Content=content if isinstance(content, str) else json.dumps(content),
        DocumentType=properties.get("DocumentType", "Command"),
        DocumentFormat=properties.get("DocumentFormat", "JSON"),
        TargetType=properties.get("TargetType", ""),
        Version=known["Version"] + 1,
        Tags=resource_types.tags(properties),
    )
    return name, {"Name": name}


def _update_document(name: str, _old: Properties, new: Properties, _stack: str) -> Made:
    return _put_document(name, new)


def _delete_document(name: str, _properties: Properties) -> None:
    used = [item["AssociationId"] for item in associations.values() if item["Name"] == name]
    if used:
        message = f"Document {name} is used by the association {used[0]}"
        raise _fault("AssociatedInstances", message)
    documents.pop(name, None)


def _create_association(_logical_id: str, properties: Properties, _stack: str) -> Made:
    return _put_association(str(uuid.uuid4()), properties)


def _put_association(id_: str, properties: Properties) -> Made:
    name = properties["Name"]
    if not name.startswith(_AWS_OWN):
        _document(name)
    associations[id_] = {
        "AssociationId": id_,
        "Name": name,
        "AssociationName": properties.get("AssociationName", ""),
        "Targets": properties.get("Targets") or [],
        "Parameters": properties.get("Parameters") or {},
        "ScheduleExpression": properties.get("ScheduleExpression", ""),
    }
    return id_, {"AssociationId": id_}


def _update_association(id_: str, _old: Properties, new: Properties, _stack: str) -> Made:
    return _put_association(id_, new)


def _delete_association(id_: str, _properties: Properties) -> None:
    associations.pop(id_, None)


def _described(known: ministack.Record) -> dict[str, Any]:
    return {
        "Name": known["Name"],
        "DocumentType": known["DocumentType"],
        "DocumentFormat": known["DocumentFormat"],
        "DocumentVersion": str(known["Version"]),
        "TargetType": known["TargetType"],
        "Tags": known["Tags"],
        "Owner": ministack.account(),
    }


def _get_document(asked: dict[str, Any]) -> dict[str, Any]:
    known = _document(asked["Name"])
    return {**_described(known), "Content": known["Content"], "Status": "Active"}


def _describe_document(asked: dict[str, Any]) -> dict[str, Any]:
    return {"Document": {**_described(_document(asked["Name"])), "Status": "Active"}}


def _list_documents(_asked: dict[str, Any]) -> dict[str, Any]:
    return {"DocumentIdentifiers": [_described(item) for item in documents.values()]}


def _describe_association(asked: dict[str, Any]) -> dict[str, Any]:
    known = associations.get(asked.get("AssociationId", ""))
    if known is None:
        raise _fault("AssociationDoesNotExist", "The specified association does not exist.")
    return {"AssociationDescription": dict(known)}


def _list_associations(_asked: dict[str, Any]) -> dict[str, Any]:
    return {"Associations": [dict(item) for item in associations.values()]}


def _send_command(asked: dict[str, Any]) -> dict[str, Any]:
    return commands.send(asked, _document(asked["DocumentName"]))


_CALLS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "GetDocument": _get_document,
    "DescribeDocument": _describe_document,
    "ListDocuments": _list_documents,
    "DescribeAssociation": _describe_association,
    "ListAssociations": _list_associations,
    "SendCommand": _send_command,
    "GetCommandInvocation": commands.show,
}


def install() -> None:
    """Declare the types of documents and associations, and answer Systems Manager's calls."""
    resource_types.declare(
        DOCUMENT, create=_create_document, update=_update_document, delete=_delete_document
    )
    resource_types.declare(
        ASSOCIATION,
        create=_create_association,
        update=_update_association,
        delete=_delete_association,
    )
    others = ministack.ssm.handle_request

    async def answered(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Any:
        call = _CALLS.get(headers.get("x-amz-target", "").rpartition(".")[2])
        if call is None:
            return await others(method, path, headers, body, query)
        kind = {"Content-Type": "application/x-amz-json-1.1"}
        try:
            return 200, kind, json.dumps(call(json.loads(body or b"{}"))).encode()
        except AwsError as refused:
            details = {"__type": refused.code, "message": refused.message}
            return refused.status, kind, json.dumps(details).encode()

    ministack.replace(ministack.ssm, "handle_request", answered)
