"""The local AWS's own calls, under `/_local/`: who it is, and what no AWS has a call for.

GET    /_local/identity                 who answers
POST   /_local/given                    make what a configuration takes as given
GET    /_local/stand-ins                where instances are on this machine
PUT    /_local/stand-ins/INSTANCE       {"address": "127.0.0.2", "ports": {"9999": 40123}}
DELETE /_local/stand-ins/INSTANCE
PUT    /_local/pace                     {"pace": 100}: how fast time passes
PUT    /_local/signals                  {"mode": "manual"}: who signals creation
POST   /_local/checkpoint               write the state now
"""

import json
import os
from dataclasses import dataclass
from typing import Any

from tools.local_aws.emulator import checkpoint, creation_policy, emulator, given, stand_ins
from tools.local_aws.emulator.clock import CLOCK
from tools.local_aws.emulator.faults import FaultError, MalformedError

PREFIX = "/_local/"
NAME = "denodo-ha local AWS"


@dataclass(frozen=True)
class Answer:
    """Status and content of an answer."""

    status: int
    content: dict[str, Any]


class Control:
    """Answers the local AWS's own calls."""

    def __init__(self, *, clone: str, kept: checkpoint.Checkpoint) -> None:
        self._clone, self._kept = clone, kept

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """Answer one call."""
        name, _, rest = path.removeprefix(PREFIX).partition("/")
        call = getattr(self, f"_{method.lower()}_{name.replace('-', '_')}", None)
        if call is None:
            return Answer(404, {"error": f"there is no {method} {path}"})
        try:
            told = json.loads(body or b"{}")
            return Answer(200, call(rest, told))
        except (FaultError, MalformedError, ValueError, KeyError, TypeError) as wrong:
            return Answer(400, {"error": getattr(wrong, "message", "") or str(wrong)})

    def _get_identity(self, _rest: str, _told: Any) -> dict[str, Any]:
        return {
            "name": NAME,
            "clone": self._clone,
            "pid": os.getpid(),
            "pace": CLOCK.pace,
            "in_progress": checkpoint.in_progress(),
        }

    def _post_given(self, _rest: str, told: dict[str, Any]) -> dict[str, Any]:
        with emulator.acting_for(told["account"], told["region"]):
            made = [one["id"] for one in told["resources"] if given.make(one)]
        return {"made": made}

    def _get_stand_ins(self, _rest: str, _told: Any) -> dict[str, Any]:
        return dict(stand_ins.STORE)

    def _put_stand_ins(self, instance_id: str, told: Any) -> dict[str, Any]:
        return stand_ins.put(instance_id, told)

    def _delete_stand_ins(self, instance_id: str, _told: Any) -> dict[str, Any]:
        return {"gone": stand_ins.STORE.pop(instance_id, None) is not None}

    def _put_pace(self, _rest: str, told: dict[str, Any]) -> dict[str, Any]:
        pace = float(told["pace"])
        if pace <= 0:
            message = "pace is how many of AWS's seconds pass in a real one: more than 0"
            raise MalformedError(message)
        CLOCK.pace = pace
        return {"pace": pace}

    def _put_signals(self, _rest: str, told: dict[str, Any]) -> dict[str, Any]:
        creation_policy.MODE.set(str(told["mode"]))
        return {"mode": creation_policy.MODE.name}

    def _post_checkpoint(self, _rest: str, _told: Any) -> dict[str, Any]:
        return {"written": self._kept.write()}
