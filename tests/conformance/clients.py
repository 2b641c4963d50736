"""One of Mistral's published Python clients, unmodified, against the simulator.

Called as `clients.py BASE_URL LIMITED_URL`: the first has no limits, the second allows three requests a minute.
Prints a line for each check; the exit code is 1 if one of them failed.
"""

import importlib.metadata
import inspect
import json
import sys
import time
import traceback

VERSION = importlib.metadata.version("mistralai")
if VERSION.startswith("1."):
    from mistralai import Mistral, models
    from mistralai.models import HTTPValidationError, MistralError, SDKError
else:
    from mistralai.client import Mistral, models
    from mistralai.client.errors import HTTPValidationError, MistralError, SDKError

MODEL = "mistral-small-latest"
CHAT = "/v1/chat/completions"
SCHEMA = {
    "type": "object",
    "required": ["title", "kind", "score"],
    "additionalProperties": False,
    "properties": {
        "title": {"type": "string", "minLength": 3},
        "kind": {"enum": ["essay", "letter", "speech"]},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
    },
}
UNKNOWN = "00000000-0000-4000-8000-000000000000"

base_url, limited_url = sys.argv[1:]
client = Mistral(api_key="conformance", server_url=base_url)
checks = []


def check(name):
    def add(function):
        checks.append((name, function))
        return function

    return add


def same(found, wanted, what=""):
    assert found == wanted, f"{what}: {found!r}, wanted {wanted!r}"


def raised(kind, status, call):
    """The exception of just that class, with that status."""
    try:
        answer = call()
    except MistralError as error:
        assert type(error) is kind, f"{type(error).__name__}, wanted {kind.__name__}: {error}"
        same(error.status_code, status, "status")
        same(error.raw_response.status_code, status, "status of the raw answer")
        assert "mistral-correlation-id" in error.headers, "a refusal has an id, too"
        return error
    raise AssertionError(f"no exception, but {answer!r}")


def user(text):
    return [{"role": "user", "content": text}]


def ask(text, **more):
    return client.chat.complete(model=MODEL, messages=user(text), **more)


def schema_format(schema):
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


def lines(texts):
    return "".join(
        json.dumps({"custom_id": f"line-{at}", "body": {"messages": user(text)}}) + "\n"
        for at, text in enumerate(texts)
    ).encode()


def upload(name, content):
    return client.files.upload(file={"file_name": name, "content": content}, purpose="batch")


def download(file_id):
    return client.files.download(file_id=file_id).read()


def ended(job):
    """Polls until the job has ended, by the names of statuses that the client itself knows."""
    until = time.monotonic() + 60
    seen = {str(job.status)}
    while job.status in ("QUEUED", "RUNNING", "CANCELLATION_REQUESTED"):
        assert time.monotonic() < until, f"the job is {job.status} after a minute"
        time.sleep(0.05)
        job = client.batch.jobs.get(job_id=job.id)
        seen.add(str(job.status))
    return job, seen


# Models


@check("models: the list, with capabilities and aliases")
def _():
    listed = client.models.list()
    same(listed.object, "list")
    card = {card.id: card for card in listed.data}[MODEL]
    assert card.capabilities.completion_chat is True
    assert card.max_context_length >= 32768
    assert card.aliases and MODEL not in card.aliases
    retired = [card.id for card in listed.data if card.deprecation_replacement_model]
    assert retired, "a retired model says what replaces it"


@check("models: one, and one that is not there")
def _():
    same(client.models.retrieve(model_id=MODEL).id, MODEL)
    raised(SDKError, 404, lambda: client.models.retrieve(model_id="mistral-nobody"))


# Chat


@check("chat: a plain answer, its usage and its finish reason")
def _():
    answer = ask("Describe the river that the ferryman measured.", temperature=0.2, random_seed=7)
    same(answer.object, "chat.completion")
    assert answer.model and answer.id and answer.created > 1_700_000_000
    [choice] = answer.choices
    same((choice.index, choice.finish_reason, choice.message.role), (0, "stop", "assistant"))
    assert isinstance(choice.message.content, str) and choice.message.content
    usage = answer.usage
    assert usage.prompt_tokens > 0 and usage.completion_tokens > 0
    same(usage.prompt_tokens + usage.completion_tokens, usage.total_tokens)


@check("chat: n answers, and an answer that is cut at max_tokens")
def _():
    same([choice.index for choice in ask("Name a river.", n=3).choices], [0, 1, 2])
    cut = ask("Tell of the ferryman who measured the river every day.", max_tokens=1)
    same(cut.choices[0].finish_reason, "length")
    assert cut.usage.completion_tokens <= 1


@check("chat: json_schema, the answer fits the schema")
def _():
    for at in range(20):
        content = ask(f"Describe text {at}.", response_format=schema_format(SCHEMA)).choices[0].message.content
        if isinstance(content, list):
            content = "".join(chunk.text for chunk in content if chunk.type == "text")
        # Some good answers stand in a fence, or behind a sentence.
        value = json.loads(content[content.index("{") : content.rindex("}") + 1])
        same(set(value), {"title", "kind", "score"})
        assert value["kind"] in ("essay", "letter", "speech") and 0 <= value["score"] <= 1
        assert isinstance(value["title"], str) and len(value["title"]) >= 3


@check("chat: json_object gives JSON")
def _():
    answer = ask("Answer with JSON: what is the river about?", response_format={"type": "json_object"})
    json.loads(answer.choices[0].message.content)


@check("chat: parse() with a class of its own")
def _():
    from pydantic import BaseModel

    class Text(BaseModel):
        title: str
        pages: int

    # An answer in a fence is not for parse(): the client reads the content as it is.
    parsed = [
        client.chat.parse(response_format=Text, model=MODEL, messages=user(f"Text {at}: the river."))
        .choices[0]
        .message.parsed
        for at in range(3)
    ]
    assert all(isinstance(text, Text) and text.title for text in parsed), parsed


@check("chat: list content with a thinking chunk is read by the client's models")
def _():
    for at in range(500):
        message = ask(f"Describe the text of number {at}.", response_format=schema_format(SCHEMA)).choices[0].message
        if isinstance(message.content, list):
            thinking, text = message.content
            assert isinstance(thinking, models.ThinkChunk), type(thinking)
            assert isinstance(thinking.thinking[0], models.TextChunk), type(thinking.thinking[0])
            assert isinstance(text, models.TextChunk), type(text)
            same(set(json.loads(text.text)), {"title", "kind", "score"})
            return
    raise AssertionError("500 answers, and no list among them")


@check("chat: a tool is called, and what it gave is taken back")
def _():
    tool = {"type": "function", "function": {"name": "depth", "description": "of a river", "parameters": {
        "type": "object", "properties": {"river": {"type": "string"}}, "required": ["river"]}}}
    answer = ask("How deep is the river?", tools=[tool], tool_choice="any")
    [choice] = answer.choices
    same(choice.finish_reason, "tool_calls")
    [call] = choice.message.tool_calls
    assert isinstance(call, models.ToolCall)
    same(call.function.name, "depth")
    arguments = call.function.arguments
    assert isinstance((json.loads(arguments) if isinstance(arguments, str) else arguments)["river"], str)
    follow = user("How deep is the river?") + [
        choice.message,
        {"role": "tool", "name": "depth", "tool_call_id": call.id, "content": "3 m"},
    ]
    answer = client.chat.complete(model=MODEL, messages=follow, tools=[tool], tool_choice="auto")
    same(answer.choices[0].finish_reason, "stop")


@check("chat: a stream ends with a finish reason and usage")
def _():
    text, last = "", None
    for event in client.chat.stream(model=MODEL, messages=user("Tell of the ferryman.")):
        last = event.data
        if isinstance(last.choices[0].delta.content, str):
            text += last.choices[0].delta.content
    assert text
    same(last.choices[0].finish_reason, "stop")
    assert last.usage.total_tokens > 0


# Errors


@check("errors: a wrong key is an SDKError with 401")
def _():
    wrong = Mistral(api_key="invalid", server_url=base_url)
    error = raised(SDKError, 401, lambda: wrong.models.list())
    same(json.loads(error.body), {"detail": "Invalid API Key"})
    raised(SDKError, 401, lambda: wrong.chat.complete(model=MODEL, messages=user("Hello")))


@check("errors: a request that is wrong is an HTTPValidationError with its places")
def _():
    error = raised(HTTPValidationError, 422, lambda: ask("Hello", temperature=2.5))
    [detail] = error.data.detail
    same(list(detail.loc), ["body", "temperature"])
    same(detail.type, "less_than_equal")
    assert "1.5" in detail.msg, detail.msg
    error = raised(HTTPValidationError, 422, lambda: client.chat.complete(model=MODEL, messages=[]))
    assert ["body", "messages"] in [list(detail.loc) for detail in error.data.detail], error.data


@check("errors: a model that is not there is an SDKError with 400 and the code 1500")
def _():
    error = raised(SDKError, 400, lambda: client.chat.complete(model="mistral-smol", messages=user("Hello")))
    body = json.loads(error.body)
    same((body["object"], body["type"], str(body["code"])), ("error", "invalid_model", "1500"))
    assert "mistral-smol" in body["message"]


@check("errors: above the limit is an SDKError with 429, and the headers tell of it")
def _():
    limited = Mistral(api_key=f"limited-{VERSION}", server_url=limited_url)
    answers = [limited.chat.complete(model=MODEL, messages=user(f"Hello {at}")) for at in range(3)]
    same(len({answer.id for answer in answers}), 3)
    shapes = set()
    for at in range(12):
        error = raised(
            SDKError, 429, lambda: limited.chat.complete(model=MODEL, messages=user(f"Hello again {at}"))
        )
        same(error.headers["x-ratelimit-limit-req-minute"], "3")
        same(error.headers["x-ratelimit-remaining-req-minute"], "0")
        body = json.loads(error.body)
        assert "rate limit" in body["message"].lower(), body
        shapes.add(str(body.get("code")))
    same(shapes, {"1300", "None"}, "both shapes")


# The other endpoints


@check("embeddings: one vector for each text, the same for the same")
def _():
    answer = client.embeddings.create(model="mistral-embed", inputs=["river", "judge", "river"])
    same([item.index for item in answer.data], [0, 1, 2])
    vectors = [item.embedding for item in answer.data]
    same({len(vector) for vector in vectors}, {1024})
    assert vectors[0] == vectors[2] != vectors[1]
    assert answer.usage.prompt_tokens > 0


@check("OCR: pages, chosen pages, an annotation, an uploaded file")
def _():
    link = {"type": "document_url", "document_url": "https://example.org/a.pdf"}
    answer = client.ocr.process(model="mistral-ocr-latest", document=link)
    same([page.index for page in answer.pages], list(range(len(answer.pages))))
    assert answer.pages and all(page.markdown for page in answer.pages)
    same(answer.usage_info.pages_processed, len(answer.pages), "pages billed")
    answer = client.ocr.process(
        model="mistral-ocr-latest", document=link, pages=[1], document_annotation_format=schema_format(SCHEMA)
    )
    same([page.index for page in answer.pages], [1])
    same(set(json.loads(answer.document_annotation)), {"title", "kind", "score"})
    text = b"The ferryman measured the river. " * 50
    file = client.files.upload(file={"file_name": "river.txt", "content": text}, purpose="ocr")
    answer = client.ocr.process(model="mistral-ocr-latest", document={"type": "file", "file_id": file.id})
    assert answer.pages[0].markdown.startswith("The ferryman measured the river.")
    client.files.delete(file_id=file.id)


@check("moderation: texts and chats")
def _():
    model = "mistral-moderation-latest"
    answer = client.classifiers.moderate(model=model, inputs=["a calm river", "I will kill you"])
    calm, threat = answer.results
    assert threat.categories["violence_and_threats"] and not calm.categories["violence_and_threats"]
    same(set(threat.categories), set(threat.category_scores))
    answer = client.classifiers.moderate_chat(model=model, inputs=user("I will kill you"))
    [threat] = answer.results
    assert threat.categories["violence_and_threats"]


@check("classification: texts and chats")
def _():
    model = "ft:classifier:ministral-3b:simulated"
    answer = client.classifiers.classify(model=model, inputs=["a calm river", "a wild one"])
    for result in answer.results:
        [target] = result.values()
        assert isinstance(target, models.ClassificationTargetResult)
        assert abs(sum(target.scores.values()) - 1) < 1e-6
    same(len(answer.results), 2)
    name = "input" if "input" in inspect.signature(client.classifiers.classify_chat).parameters else "inputs"
    answer = client.classifiers.classify_chat(model=model, **{name: {"messages": user("a calm river")}})
    same(len(answer.results), 1)


# Files


@check("files: upload, list, retrieve, download, link, delete")
def _():
    content = lines(["one", "two", "three"])
    file = upload("three.jsonl", content)
    same((file.object, file.filename, file.purpose), ("file", "three.jsonl", "batch"))
    same((file.size_bytes, file.num_lines, file.source), (len(content), 3, "upload"))
    same(file.sample_type, "batch_request")
    listed = client.files.list(purpose="batch", page_size=50)
    assert file.id in [other.id for other in listed.data]
    assert listed.total >= 1
    kept = client.files.retrieve(file_id=file.id)
    same((kept.id, kept.size_bytes, kept.deleted), (file.id, len(content), False))
    same(download(file.id), content)
    assert client.files.get_signed_url(file_id=file.id).url.startswith("http")
    gone = client.files.delete(file_id=file.id)
    same((gone.id, gone.deleted), (file.id, True))
    raised(SDKError, 404, lambda: client.files.retrieve(file_id=file.id))
    assert file.id not in [other.id for other in client.files.list(page_size=1000).data]


@check("files: a bad line makes the upload a 422, an id that is none too")
def _():
    bad = lines(["one"]) + b'{"custom_id": "x", "body": {"messages": []}}\n'
    raised(SDKError, 422, lambda: upload("bad.jsonl", bad))
    raised(SDKError, 422, lambda: client.files.retrieve(file_id="x"))


# Batch jobs


@check("batch: by file, from create through polling to the results")
def _():
    texts = [f"The river of number {at}." for at in range(20)]
    file = upload("twenty.jsonl", lines(texts))
    job = client.batch.jobs.create(
        endpoint=CHAT, model=MODEL, input_files=[file.id], metadata={"run": f"file-{VERSION}"}, timeout_hours=48
    )
    same((job.object, job.status, job.input_files, job.endpoint), ("batch", "QUEUED", [file.id], CHAT))
    same((job.total_requests, job.output_file, job.metadata), (0, None, {"run": f"file-{VERSION}"}))
    job, seen = ended(job)
    same(job.status, "SUCCESS")
    assert "QUEUED" in seen and job.created_at <= job.started_at <= job.completed_at, (seen, job)
    counts = (job.total_requests, job.completed_requests, job.succeeded_requests, job.failed_requests)
    same(counts, (20, 20, 20, 0))
    same((job.errors, job.error_file), ([], None))
    rows = [json.loads(line) for line in download(job.output_file).splitlines()]
    same({row["custom_id"] for row in rows}, {f"line-{at}" for at in range(20)}, "the ids join")
    for row in rows:
        same((row["error"], row["response"]["status_code"]), (None, 200))
        answer = models.ChatCompletionResponse.model_validate(row["response"]["body"])
        assert answer.choices[0].message.content
    same(client.files.retrieve(file_id=job.output_file).num_lines, 20)
    client.files.delete(file_id=job.output_file)
    raised(SDKError, 404, lambda: client.files.download(file_id=job.output_file))


@check("batch: inline, with a line that is refused")
def _():
    requests = [{"custom_id": f"inline-{at}", "body": {"messages": user(f"River {at}?")}} for at in range(4)]
    requests.append({"custom_id": "bad", "body": {"messages": user("River?"), "seed": 1}})
    job = client.batch.jobs.create(endpoint=CHAT, model=MODEL, requests=requests)
    same(job.input_files, [])
    job, _ = ended(job)
    same((job.status, job.succeeded_requests, job.failed_requests), ("SUCCESS", 4, 1))
    same(sum(error.count for error in job.errors), 1)
    done = [json.loads(line)["custom_id"] for line in download(job.output_file).splitlines()]
    refused = [json.loads(line)["custom_id"] for line in download(job.error_file).splitlines()]
    same((sorted(done), refused), ([f"inline-{at}" for at in range(4)], ["bad"]))
    if "inline" in inspect.signature(client.batch.jobs.get).parameters:
        same(len(client.batch.jobs.get(job_id=job.id, inline=True).outputs), 4, "outputs within the job")


@check("batch: embeddings in a job")
def _():
    requests = [{"custom_id": f"e{at}", "body": {"input": f"river {at}"}} for at in range(3)]
    job, _ = ended(client.batch.jobs.create(endpoint="/v1/embeddings", model="mistral-embed", requests=requests))
    rows = [json.loads(line) for line in download(job.output_file).splitlines()]
    answers = [models.EmbeddingResponse.model_validate(row["response"]["body"]) for row in rows]
    same([len(answer.data[0].embedding) for answer in answers], [1024] * 3)


@check("batch: cancel, and the job ends as cancelled")
def _():
    requests = [{"custom_id": str(at), "body": {"messages": user(f"Sea {at}?")}} for at in range(2000)]
    job = client.batch.jobs.create(endpoint=CHAT, model=MODEL, requests=requests)
    told = client.batch.jobs.cancel(job_id=job.id)
    same(told.id, job.id)
    assert told.status in ("CANCELLATION_REQUESTED", "CANCELLED"), told.status
    job, _ = ended(told)
    same(job.status, "CANCELLED")


@check("batch: list by metadata, by status, by page, oldest first")
def _():
    name = f"list-{VERSION}"
    request = [{"custom_id": "0", "body": {"messages": user("Lake?")}}]
    made = [
        client.batch.jobs.create(endpoint=CHAT, model=MODEL, requests=request, metadata={"run": name, "part": part})
        for part in ("a", "b", "b")
    ]
    ids = [job.id for job in made]
    same(len(set(ids)), 3)
    for job in made:
        ended(job)

    def listed(**query):
        answer = client.batch.jobs.list(**query)
        same(answer.object, "list")
        return answer.total, [job.id for job in answer.data]

    same(listed(metadata={"run": name}), (3, ids[::-1]), "newest first")
    same(listed(metadata={"run": name}, order_by="created"), (3, ids), "oldest first")
    same(listed(metadata={"run": name, "part": "b"}), (2, [ids[2], ids[1]]))
    same(listed(metadata={"run": name}, page=1, page_size=2), (3, [ids[0]]))
    same(listed(metadata={"run": name}, status=["SUCCESS"])[0], 3)
    same(listed(metadata={"run": name}, status=["QUEUED", "FAILED"])[0], 0)
    same(listed(metadata={"run": "nobody's"}), (0, []))


@check("batch: delete")
def _():
    if not hasattr(client.batch.jobs, "delete"):
        return "this client has no call for it"
    request = [{"custom_id": "0", "body": {"messages": user("Pond?")}}]
    job, _ = ended(client.batch.jobs.create(endpoint=CHAT, model=MODEL, requests=request))
    gone = client.batch.jobs.delete(job_id=job.id)
    same((gone.id, gone.object, gone.deleted), (job.id, "batch", True))
    raised(SDKError, 404, lambda: client.batch.jobs.get(job_id=job.id))


@check("batch: what is wrong with a job is told")
def _():
    raised(SDKError, 404, lambda: client.batch.jobs.get(job_id=UNKNOWN))
    raised(SDKError, 422, lambda: client.batch.jobs.create(endpoint=CHAT, model=MODEL))
    raised(SDKError, 422, lambda: client.batch.jobs.create(
        endpoint=CHAT, model=MODEL, requests=[{"body": {"messages": user("x")}}], timeout_hours=200))


failed = 0
for name, function in checks:
    try:
        skipped = function()
        print(f"  ok      {name}" if skipped is None else f"  skipped {name}: {skipped}")
    except Exception:
        failed += 1
        print(f"  FAILED  {name}")
        traceback.print_exc(limit=-2, file=sys.stdout)
    sys.stdout.flush()
print(f"mistralai {VERSION}: {len(checks)} checks, {failed} failed")
sys.exit(1 if failed else 0)
