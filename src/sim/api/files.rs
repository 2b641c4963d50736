//! `/v1/files`

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Multipart, Path, RawQuery, State, multipart::MultipartError},
    http::{
        HeaderMap, StatusCode,
        header::{CONTENT_TYPE, HOST},
    },
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    mistral::wire::FileObject,
    sim::{
        api::{Caller, aside, query::Query, uuid},
        batch::check_lines,
        check::complaint,
        reply::Refusal,
        server::Server,
        state::{files::StoredFile, stats::add},
    },
};

const PURPOSES: &[&str] = &["fine-tune", "batch", "ocr"];

pub(crate) async fn upload(
    State(server): State<Arc<Server>>,
    Caller(owner): Caller,
    mut form: Multipart,
) -> Result<Json<Value>, Refusal> {
    let mut purpose = "fine-tune".to_owned();
    let mut file: Option<(String, Bytes)> = None;
    while let Some(field) = form.next_field().await.map_err(unreadable)? {
        match field.name() {
            Some("file") => {
                let name = field.file_name().unwrap_or("file").to_owned();
                file = Some((name, field.bytes().await.map_err(unreadable)?));
            }
            Some("purpose") => purpose = field.text().await.map_err(unreadable)?,
            // Visibility and expiry have no effect within the duration of a test.
            _ => drop(field.bytes().await.map_err(unreadable)?),
        }
    }
    let Some((filename, content)) = file else {
        let reported = complaint("missing", vec![json!("file")], "Field required", &Value::Null);
        return Err(Refusal::complaints(vec![reported]));
    };
    if !PURPOSES.contains(&purpose.as_str()) {
        let wanted = "Input should be 'fine-tune', 'batch' or 'ocr'";
        return Err(Refusal::complaints(vec![complaint(
            "enum",
            vec![json!("purpose")],
            wanted,
            &json!(purpose),
        )]));
    }
    if content.len() as u64 > server.config.batch.largest_file {
        return Err(too_large());
    }
    aside(server, move |server| {
        let num_lines = if purpose == "batch" { Some(check_lines(&content)?) } else { None };
        let object = FileObject {
            id: String::new(),
            object: "file".to_owned(),
            bytes: Some(content.len() as u64),
            created_at: server.clock.seconds(server.clock.now()),
            filename,
            sample_type: (purpose == "batch").then(|| "batch_request".to_owned()),
            purpose,
            source: Some("upload".to_owned()),
            num_lines,
        };
        add(&server.stats.uploads, 1);
        Ok(Json(server.files.keep(server.config.seed, StoredFile { owner, object, content }).view()))
    })
    .await
}

fn too_large() -> Refusal {
    Refusal::detail(StatusCode::PAYLOAD_TOO_LARGE, "File size exceeds the limit of 512 MB")
}

#[expect(clippy::needless_pass_by_value, reason = "this is how `map_err` passes it")]
fn unreadable(error: MultipartError) -> Refusal {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => Refusal::detail(StatusCode::BAD_REQUEST, "There was an error parsing the body"),
    }
}

pub(crate) async fn list(
    State(server): State<Arc<Server>>,
    Caller(owner): Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Refusal> {
    let query = Query::of(query.as_deref());
    let page = query.page()?;
    let among = |name: &str, value: Option<&str>| {
        let mut wanted = query.all(name).peekable();
        wanted.peek().is_none() || wanted.any(|wanted| Some(wanted) == value)
    };
    let fits = |file: &StoredFile| {
        let object = &file.object;
        among("purpose", Some(&object.purpose))
            && among("sample_type", object.sample_type.as_deref())
            && among("source", object.source.as_deref())
            && query.get("search").is_none_or(|part| object.filename.contains(part))
    };
    let found: Vec<StoredFile> = server.files.list(&owner).into_iter().filter(fits).collect();
    let total = (query.get("include_total") != Some("false")).then_some(found.len());
    let data: Vec<Value> = page.of(found).iter().map(StoredFile::view).collect();
    Ok(Json(json!({ "data": data, "object": "list", "total": total })))
}

fn found(server: &Server, owner: &str, id: &str) -> Result<StoredFile, Refusal> {
    uuid(id, "file_id")?;
    server.files.get(owner, id).ok_or_else(missing)
}

fn missing() -> Refusal {
    Refusal::detail(StatusCode::NOT_FOUND, "File not found")
}

pub(crate) async fn one(
    State(server): State<Arc<Server>>,
    Caller(owner): Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let mut view = found(&server, &owner, &id)?.view();
    view["deleted"] = Value::from(false);
    Ok(Json(view))
}

pub(crate) async fn delete(
    State(server): State<Arc<Server>>,
    Caller(owner): Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    uuid(&id, "file_id")?;
    if !server.files.delete(&owner, &id) {
        return Err(missing());
    }
    add(&server.stats.deletes, 1);
    Ok(Json(json!({ "id": id, "object": "file", "deleted": true })))
}

pub(crate) async fn content(
    State(server): State<Arc<Server>>,
    Caller(owner): Caller,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    Ok(octets(found(&server, &owner, &id)?))
}

fn octets(file: StoredFile) -> Response {
    ([(CONTENT_TYPE, "application/octet-stream")], file.content).into_response()
}

/// A download link that needs no key.
pub(crate) async fn link(
    State(server): State<Arc<Server>>,
    Caller(owner): Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    let file = found(&server, &owner, &id)?;
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1");
    Ok(Json(json!({ "url": format!("http://{host}/sim/files/{id}/{}", signature(&server, &file)) })))
}

pub(crate) async fn linked(
    State(server): State<Arc<Server>>,
    Path((id, signed)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let found = server.files.find(|file| file.object.id == id && signature(&server, file) == signed);
    found.map(octets).ok_or_else(|| Refusal::detail(StatusCode::FORBIDDEN, "Forbidden"))
}

fn signature(server: &Server, file: &StoredFile) -> String {
    let signed = format!("{} {} {}", server.config.seed, file.owner, file.object.id);
    blake3::hash(signed.as_bytes()).to_hex()[..16].to_owned()
}
