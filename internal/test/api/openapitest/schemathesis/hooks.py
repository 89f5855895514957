"""What the document says in words, for schemathesis."""

import gzip
import json

import schemathesis
from hypothesis import strategies as st

identities = st.fixed_dictionaries({"userId": st.sampled_from(["u1", "u2", "ü"]) | st.text(min_size=1, max_size=20)})
rows = st.lists(identities, min_size=1, max_size=20)


def table(users):
    cells = ['"' + user["userId"].replace('"', '""') + '"' for user in users]
    return "\r\n".join(["userId", *cells, ""])


def lines(users):
    return "".join(json.dumps(user) + "\n" for user in users)


def encode(text):
    return text.encode("utf-8", "replace")


schemathesis.openapi.media_type("application/x-ndjson", rows.map(lines).map(encode))
schemathesis.openapi.media_type("text/csv", rows.map(table).map(encode))
schemathesis.openapi.media_type("text/tab-separated-values", rows.map(table).map(encode))


OPTIONS = ("upsert", "skipDuplicates", "sendWelcomeEmail", "dryRun", "updateOnly", "merge", "maxFailed", "label")


@schemathesis.hook
def before_call(context, case, kwargs):
    """Options of a JSON body stand in it, and a body that says so is compressed."""
    query = case.query or {}
    if case.operation.label == "POST /v1/bulk/users":
        if case.media_type == "application/json":
            for option in OPTIONS:
                query.pop(option, None)
        elif query.get("updateOnly"):
            query.pop("upsert", None)  # false and updateOnly exclude each other
    encoding = (case.headers or {}).get("Content-Encoding")
    if encoding not in ("gzip", "x-gzip"):
        return
    if isinstance(case.body, (bytes, str)):
        body = case.body.encode() if isinstance(case.body, str) else case.body
        case.body = gzip.compress(body)
    else:
        case.headers.pop("Content-Encoding")
