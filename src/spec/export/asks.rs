//! Stages that ask.

use serde_json::{Value, json};

use super::{
    super::{
        bounds::{AUTO, AUTO_BOUNDS, MOST_SLOTS},
        read_ask::{BACKOFF, BATCH, EMBED, INPUT, MAP_ASK, MAP_SUBMIT, OCR, RETRY, SUBMIT, TASKS},
        read_chat::{CHAT, PROMPT, TOOL},
        settings::{self, PREDICTION},
    },
    Property, object, one_of,
    stages::stage,
    values::{count, def, flag, holds, list, number, text, texts, unit, word},
};

pub(super) fn defs() -> Vec<(&'static str, Value)> {
    let prompt = vec![("file", text(), "The path of the file; it may include what lies beside it or below.")];
    let prediction = vec![
        ("type", word(&["content"]), "Always `content`."),
        ("content", text(), "The answer as it will mostly be."),
    ];
    vec![
        ("prompt", json!({ "anyOf": [text(), object(PROMPT, &["file"], prompt)] })),
        ("prediction", object(PREDICTION, &["content"], prediction)),
        ("tool", tool()),
        ("chat", chat()),
        ("batch", object(BATCH, &[], bounds().into_iter().chain(schedule()).collect())),
        ("asks", one_of(asks(), TASKS)),
        ("submits", submits()),
    ]
}

fn asks() -> Value {
    let mut properties = tasks();
    properties.extend([
        (
            "batch",
            def("batch"),
            "Asks in batch jobs, at half the price: short for `submit:`, `poll` and `collect:`.",
        ),
        ("concurrency", concurrency(), "Requests under way at once: a number, or `auto`. Default: 4."),
        attempts(),
        ("retry", retry(), "What happens when no answer comes (5xx, a cut connection)."),
        ("into", def("name"), "Where the result is put. Default: the stage's name."),
    ]);
    stage("map", MAP_ASK, &[], properties)
}

fn submits() -> Value {
    let properties = tasks().into_iter().chain(bounds()).collect();
    let submit = one_of(object(SUBMIT, &[], properties), TASKS);
    let properties = vec![
        ("submit", submit, "Groups requests into batch jobs: many records in, one job out."),
        ("concurrency", count(1, MOST_SLOTS), "Jobs that are sent at once. Default: 4."),
        attempts(),
    ];
    stage("map", MAP_SUBMIT, &["submit"], properties)
}

fn attempts() -> Property {
    ("attempts", count(1, 100), "How often a refused answer is asked for in all. Default: 1.")
}

fn tasks() -> Vec<Property> {
    let model = || ("model", text(), "The model.");
    let input = || ("input", def("prompt"), "The text.");
    let embed = vec![model(), input(), ("dimension", count(1, 1 << 16), "The length of the vector.")];
    let ocr = vec![
        model(),
        ("document", text(), "The address or the path of the document or picture."),
        ("pages", text(), "Pages, counted from 0: `0,2-5`. Default: all."),
    ];
    let texts = || object(INPUT, &["model", "input"], vec![model(), input()]);
    vec![
        ("chat", def("chat"), "Asks a model a question in words."),
        ("embed", object(EMBED, &["model", "input"], embed), "Makes a vector of a text."),
        ("ocr", object(OCR, &["model", "document"], ocr), "Reads the text of a document or picture."),
        ("moderate", texts(), "Tells whether a text is harmful, and how."),
        ("classify", texts(), "Tells the class of a text, by a classifier of one's own."),
    ]
}

fn chat() -> Value {
    let choice = "Whether tools are called: `auto`, `none`, `any`, `required`, or the name of one.";
    let mut properties = vec![
        ("model", text(), "The model."),
        ("system", def("prompt"), "Instructions."),
        ("prompt", def("prompt"), "The question: a template over the record, here or in a file."),
        ("images", texts(), "Pictures that go with it: templates of addresses or paths."),
        ("documents", texts(), "Documents that go with it: templates of addresses or paths."),
        ("schema", text(), "The file of the JSON Schema that the answer must fit."),
        ("tools", list(&def("tool")), "Functions that the model may call; the arguments are the answer."),
        ("tool_choice", text(), choice),
    ];
    properties.extend(settings::FIELDS.iter().map(|field| (field.name, holds(&field.holds), field.about)));
    object(CHAT, &["model", "prompt"], properties)
}

fn tool() -> Value {
    let parameters = json!({ "type": ["string", "object"] });
    let properties = vec![
        ("name", def("name"), "What the model calls it by."),
        ("description", text(), "What the model is told of it."),
        ("strict", flag(), "Whether the service holds the model to the schema."),
        ("parameters", parameters, "The JSON Schema of its arguments: a file, or the schema itself."),
    ];
    object(TOOL, &["name", "parameters"], properties)
}

fn concurrency() -> Value {
    let bounds = vec![
        ("min", count(1, MOST_SLOTS), "At least. Default: 1."),
        ("max", count(1, MOST_SLOTS), "At most. Default: 64."),
    ];
    let auto = vec![("auto", object(AUTO_BOUNDS, &[], bounds), "As many as give the most.")];
    json!({ "anyOf": [count(1, MOST_SLOTS), { "const": "auto" }, object(AUTO, &["auto"], auto)] })
}

fn retry() -> Value {
    let properties = vec![
        ("times", count(0, 100), "How often it is sent again. Default: 5."),
        ("wait", unit("span"), "The first wait; it doubles. Default: 1s."),
        ("max_wait", unit("span"), "The longest wait. Default: 60s."),
    ];
    json!({ "anyOf": [count(0, 100), object(RETRY, &[], properties)] })
}

fn bounds() -> Vec<Property> {
    vec![
        ("max_requests", count(1, 1_000_000), "Requests in a job at most. Default: 1000."),
        ("max_bytes", unit("size"), "Bytes in a job at most. Default: 100MB."),
        ("wait", unit("span"), "How long a job that is not full waits for more records. Default: 10s."),
        ("timeout_hours", count(1, 168), "How long the service may take over a job. Default: 24."),
    ]
}

pub(super) fn schedule() -> Vec<Property> {
    let backoff = vec![
        (
            "factor",
            number(1.0, 100.0),
            "Each pause is so many times as long as the one before. Default: 1.5.",
        ),
        ("max", unit("span"), "The longest pause. Default: 2min."),
    ];
    vec![
        ("every", unit("span"), "From the first check to the second. Default: 30s."),
        ("backoff", object(BACKOFF, &[], backoff), "How pauses grow."),
        ("timeout", unit("span"), "How long to go on in all. Default: 24h."),
        (
            "on_timeout",
            word(&["fail", "cancel"]),
            "Then: leave the job to the next run (`fail`, the default), or cancel it and collect what it has.",
        ),
    ]
}
