"""LaunchDarkly's REST API for flags, as far as it is used; what is changed here is streamed by the server given."""

import json
import threading
import uuid
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.flags.launchdarkly_server import Server

TOKEN, PROJECT, ENVIRONMENT = "api-test-token", "agents", "production"
Json = dict[str, Any]


class Api:
    """One project with one environment."""

    def __init__(self, stream: Server) -> None:
        self.stream = stream
        self.flags: dict[str, Json] = {}
        self.comments: list[str] = []
        self.trouble: list[int] = []  # statuses to answer with, once each
        self.reads = self.writes = 0
        self._lock = threading.Lock()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                api.serve(self)

            def do_POST(self) -> None:
                api.serve(self)

            def do_PATCH(self) -> None:
                api.serve(self)

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"] or 0))
        with self._lock:
            status, value = self._answer(request, json.loads(body or b"{}"))
        told = json.dumps(value).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(told)))
        if status == 429:
            request.send_header("Retry-After", "0")
        request.end_headers()
        request.wfile.write(told)

    def _answer(self, request: BaseHTTPRequestHandler, body: Json) -> tuple[int, Json]:
        if request.headers["Authorization"] != TOKEN:
            return 401, {"message": "invalid authorization"}
        if self.trouble:
            return self.trouble.pop(0), {"message": "trouble"}
        _, _, _, kind, project, *rest = request.path.split("/")
        assert (kind, project, request.headers["LD-API-Version"]) == ("flags", PROJECT, "20240415")
        match request.command, rest:
            case "GET", [key]:
                self.reads += 1
                return (200, self.flags[key]) if key in self.flags else (404, {"message": "Unknown flag key"})
            case "POST", []:
                self.writes += 1
                return self._make(body)
            case "PATCH", [key]:
                self.writes += 1
                assert "domain-model=launchdarkly.semanticpatch" in request.headers["Content-Type"]
                return self._patch(self.flags[key], body)
            case _:
                return 405, {"message": "no"}

    def _make(self, body: Json) -> tuple[int, Json]:
        if body["key"] in self.flags:
            return 409, {"message": "flag key already exists"}
        variations = body.get("variations")
        if body.get("purpose") == "migration":
            assert variations is None and body["migrationSettings"]["contextKind"] == "sandbox"
            stages = ("off", "dualwrite", "shadow", "live", "rampdown", "complete")
            variations = [{"value": stage} for stage in stages]
        assert variations is not None
        defaults = body.get("defaults", {"onVariation": 0, "offVariation": 0})
        here = {"on": False, "rules": [], "targets": [], "offVariation": defaults["offVariation"], "salt": "s",
                "fallthrough": {"variation": defaults["onVariation"]}, "version": 1}  # fmt: skip
        flag = {
            **{name: body[name] for name in ("key", "name")},
            "purpose": body.get("purpose", ""),
            "variations": [{**each, "_id": str(uuid.uuid4())} for each in variations],
            "environments": {ENVIRONMENT: here},
        }
        self.flags[body["key"]] = flag
        self._publish(flag)
        return 201, flag

    def _patch(self, flag: Json, body: Json) -> tuple[int, Json]:
        assert body["environmentKey"] == ENVIRONMENT
        here = flag["environments"][ENVIRONMENT]
        for each in body["instructions"]:
            match each["kind"]:
                case "turnFlagOn":
                    here["on"] = True
                case "removeRule":
                    assert any(rule["_id"] == each["ruleId"] for rule in here["rules"])
                    here["rules"] = [rule for rule in here["rules"] if rule["_id"] != each["ruleId"]]
                case "addRule":
                    clauses = [{**clause, "_id": str(uuid.uuid4()), "negate": False} for clause in each["clauses"]]
                    rule = {"_id": str(uuid.uuid4()), "description": each.get("description", ""), "clauses": clauses}
                    here["rules"].append({**rule, **self._served(flag, each)})
                case "updateFallthroughVariationOrRollout":
                    here["fallthrough"] = self._served(flag, each)
                case kind:
                    return 400, {"message": f"unknown instruction {kind}"}
        here["version"] += 1
        self.comments.append(body["comment"])
        self._publish(flag)
        return 200, flag

    def _served(self, flag: Json, each: Mapping[str, Any]) -> Json:
        ids = [variation["_id"] for variation in flag["variations"]]
        if "variationId" in each:
            assert flag["purpose"] != "migration", "migration flags take rollouts only"
            return {"variation": ids.index(each["variationId"])}
        weights = each["rolloutWeights"]
        assert set(weights) == set(ids) and sum(weights.values()) == 100_000
        parts = [{"variation": ids.index(id), "weight": weight} for id, weight in weights.items()]
        return {"rollout": {"contextKind": each["rolloutContextKind"], "variations": parts}}

    def _publish(self, flag: Json) -> None:
        """As the SDK gets it."""
        here = flag["environments"][ENVIRONMENT]
        told = ("clauses", "variation", "rollout")
        rules = [{"id": rule["_id"], **{name: rule[name] for name in rule if name in told}} for rule in here["rules"]]
        self.stream.put({
            "key": flag["key"], "version": here["version"], "on": here["on"], "salt": here["salt"], "rules": rules,
            "variations": [each["value"] for each in flag["variations"]], "offVariation": here["offVariation"],
            "fallthrough": here["fallthrough"], "targets": [], "contextTargets": [], "prerequisites": [],
        })  # fmt: skip
