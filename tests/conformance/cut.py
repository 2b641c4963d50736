"""Makes of the published document one that Prism can hold the traffic against: `cut.py DOCUMENT OUT [--as-published]`.

The whole of it does not load in Prism. What is left are the operations that `etl run` uses, with all that they
refer to. Where document and service disagree the service is right (design notes, and recorded traffic), and the
document is loosened, unless it is wanted `--as-published`. These are all the places; whatever is not named here is
as published. (Prism takes a single `status` in the query of jobs for no list; `etl` asks for none.)
"""

import sys

import yaml

OPERATIONS = {
    "/v1/models": ["get"],
    "/v1/files": ["post"],
    "/v1/files/{file_id}": ["get", "delete"],
    "/v1/files/{file_id}/content": ["get"],
    "/v1/batch/jobs": ["get", "post"],
    "/v1/batch/jobs/{job_id}": ["get"],
    "/v1/batch/jobs/{job_id}/cancel": ["post"],
    "/v1/chat/completions": ["post"],
}


def loosen(document):
    schemas = document["components"]["schemas"]
    # The document wants `data` in the answer of a chat; no answer has it.
    schemas["ChatCompletionResponse"]["allOf"][1]["required"].remove("data")
    # `usage` is closed; the service puts more into it, such as `prompt_tokens_details`.
    schemas["UsageInfo"]["additionalProperties"] = True


def references(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value.removeprefix("#/components/schemas/")
            elif key == "mapping":
                yield from (name.removeprefix("#/components/schemas/") for name in value.values())
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def main(source, to, *options):
    with open(source, encoding="utf-8") as file:
        document = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    paths = document["paths"]
    document["paths"] = {
        path: {method: paths[path][method] for method in methods} for path, methods in OPERATIONS.items()
    }
    document.pop("tags", None)
    if "--as-published" not in options:
        loosen(document)
    schemas, kept = document["components"]["schemas"], {}
    wanted = list(references(document["paths"]))
    while wanted:
        name = wanted.pop()
        if name not in kept:
            kept[name] = schemas[name]
            wanted.extend(references(schemas[name]))
    document["components"]["schemas"] = kept
    with open(to, "w", encoding="utf-8") as file:
        yaml.safe_dump(document, file, sort_keys=False)


main(*sys.argv[1:])
