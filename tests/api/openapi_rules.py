"""What schemathesis cannot know of this API: which rules a schema cannot say, and that nothing leaves this machine."""

import os
import re

import schemathesis

REGISTRY = os.environ["RULES_REGISTRY"]
# Ids of tokens that are not to be revoked: with its own gone, a run would be refused everything and find nothing.
TOKENS = set(os.environ["RULES_TOKENS"].split(","))
HOST = re.compile(r"^(https?://)?[A-Za-z0-9.:\[\]-]+/?$")
SERVER = re.compile(r"^https://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(?=/|$)")

# A request that fits its schema may still be refused with 422, but only by a rule that is about more than its shape.
BEYOND_SHAPE = {
    # What the server gave before, and nobody can make up.
    "cursor-invalid",
    "idempotency-key-reused",
    # One field decides about another.
    "connection-missing",
    "execution-missing",
    "connection-unclear",
    "plain-http-with-ca",
    "in-the-past",
    "too-late",
    # Documents inside a text.
    "not-a-kubeconfig",
    "ca-invalid",
    # How things are.
    "application-not-bound",
    "application-differs",
    "name-differs",
    "expected-artifact-unknown",
    "form-not-met",
    "image-not-in-registry",
    "no-stages",
    "unsupported-stage-type",
    "id-elsewhere",
    "name-taken",
    "run-as-not-allowed",
    # Names of another database than ours.
    "time-zone-unknown",
}
# The graph of a pipeline hangs together, or does not; its name, which the address may say, is counted in bytes.
GRAPH = {"requisite-unknown", "ref-id-twice", "ref-id-missing", "cycle", "id-twice", "name-twice", "name-invalid"}
# These say that a request is not even of the right shape.
SHAPELESS = {400, 405, 406, 408, 413, 414, 415, 431}


def whole_fraction(error):
    """To JSON Schema 1.0 is an integer; here, as in most typed languages, it is none."""
    return error["code"] == "type-differs" and re.match(r"invalid type: floating point `[0-9]+\.0`", error["message"])


@schemathesis.check
def refused_for_a_reason(ctx, response, case):
    """In place of `positive_data_acceptance`, which knows no rules beyond a schema."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    label = case.operation.label
    if response.status_code in SHAPELESS:
        raise AssertionError(f"{label} fits its schema and is refused with {response.status_code}")
    if response.status_code != 422:
        # 412 and 428 are about the versions of things, 403, 404 and 409 about how things are.
        return
    saves = label.startswith("PUT ") and "/pipelines/" in label or label.startswith("POST ") and label.endswith("/pipelines")
    allowed = BEYOND_SHAPE | (GRAPH if saves else set())
    codes = {error["code"] for error in response.json().get("errors", []) if not whole_fraction(error)}
    if not codes <= allowed:
        raise AssertionError(f"{label} fits its schema and is refused by rules a schema could say: {sorted(codes - allowed)}")


@schemathesis.hook
def before_call(ctx, case, kwargs):
    """Accounts are of servers on this machine, since what is registered is connected to; and who asks stays known."""
    if case.operation.label == "DELETE /api/tokens/{id}" and case.path_parameters.get("id") in TOKENS:
        case.path_parameters["id"] = "0"
    body = case.body
    if not isinstance(body, dict):
        return
    address, server = body.get("address"), body.get("server")
    if isinstance(address, str) and HOST.match(address):
        body["address"] = REGISTRY
        if body.get("plainHttp") is False:
            body["plainHttp"] = None
    if isinstance(server, str):
        # What comes after the host stays, and with it whatever is wrong with it.
        body["server"] = SERVER.sub("https://127.0.0.1:1", server)
