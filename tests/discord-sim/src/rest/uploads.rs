//! Files that a bot attaches: multipart bodies, their limits, and the attachments of the message.

use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::ApiError;
use crate::ids::Id;
use crate::limits::{FormErrors, list};
use crate::state::SimState;

/// The maximum size of all files of a message together, for bots on a server without boosts.
const MOST_BYTES: usize = 10 * 1024 * 1024;

/// The maximum number of files of a message.
const MOST_FILES: usize = 10;

/// A smaller number is an index of the request's files and not a snowflake.
const SMALLEST_SNOWFLAKE: u64 = 1 << 22;

/// A file of the request: `files[n]`.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    index: u64,
    filename: String,
    kind: String,
    bytes: Vec<u8>,
}

/// A body with its files.
#[derive(Debug, Clone, Default)]
pub(super) struct Body {
    pub(super) json: Value,
    pub(super) files: Vec<Upload>,
}

/// JSON, or multipart with its `payload_json` part and files. An empty body is null.
pub(super) fn read_body(headers: &HeaderMap, bytes: &[u8]) -> Result<Body, ApiError> {
    let kind = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let broken = || ApiError::bad(50109, "The request body contains invalid JSON.");
    let Some(boundary) = kind.split("boundary=").nth(1) else {
        if bytes.is_empty() {
            return Ok(Body::default());
        }
        let json = serde_json::from_slice(bytes).map_err(|_| broken())?;
        return Ok(Body { json, files: Vec::new() });
    };
    let boundary = boundary.split(';').next().unwrap_or_default().trim().trim_matches('"');
    let mut body = Body::default();
    for (head, content) in parts(bytes, boundary) {
        let name = parameter(&head, "name").unwrap_or_default();
        if name == "payload_json" {
            body.json = serde_json::from_slice(content).map_err(|_| broken())?;
        }
        let index = name.strip_prefix("files[").and_then(|rest| rest.strip_suffix(']'));
        if let (Some(index), Some(filename)) =
            (index.and_then(|n| n.parse().ok()), parameter(&head, "filename"))
        {
            let kind = header(&head, "content-type").unwrap_or_else(|| kind_of(&filename).to_owned());
            body.files.push(Upload { index, filename, kind, bytes: content.to_vec() });
        }
    }
    Ok(body)
}

/// The parts of a multipart body (RFC 2046): the text of the head, and the bytes.
fn parts<'a>(bytes: &'a [u8], boundary: &str) -> Vec<(String, &'a [u8])> {
    let delimiter = ["--", boundary].concat();
    let mut found = Vec::new();
    let mut rest = bytes;
    while let Some(start) = find(rest, delimiter.as_bytes()) {
        rest = &rest[start + delimiter.len()..];
        let end = find(rest, ["\r\n", &delimiter].concat().as_bytes()).unwrap_or(rest.len());
        let part = &rest[..end];
        if let Some(split) = find(part, b"\r\n\r\n") {
            found.push((String::from_utf8_lossy(&part[..split]).into_owned(), &part[split + 4..]));
        }
        rest = &rest[end..];
    }
    found
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// A quoted parameter of `Content-Disposition`.
fn parameter(head: &str, name: &str) -> Option<String> {
    let disposition = header(head, "content-disposition")?;
    let (_, rest) = disposition.split_once(&format!("; {name}=\""))?;
    Some(rest.split('"').next().unwrap_or_default().to_owned())
}

fn header(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

fn kind_of(filename: &str) -> &'static str {
    match filename.rsplit('.').next() {
        Some("csv") => "text/csv",
        Some("json") => "application/json",
        Some("txt") => "text/plain",
        _ => "application/octet-stream",
    }
}

/// Stores the files and writes the message's attachments into the body: new ones in full, older ones by their ids.
pub(super) fn settle(state: &mut SimState, app: Option<Id>, body: &mut Body) -> Result<(), ApiError> {
    if body.files.iter().map(|file| file.bytes.len()).sum::<usize>() > MOST_BYTES {
        return Err(ApiError::new(413, 40005, "Request entity too large"));
    }
    // A first answer has its message in `data`.
    let is_answer = body.json["type"].is_u64() && body.json["data"].is_object();
    let message = if is_answer { &mut body.json["data"] } else { &mut body.json };
    let named = list(message, "attachments").to_vec();
    if named.is_empty() && body.files.is_empty() {
        return Ok(());
    }
    let mut errors = FormErrors::default();
    errors.count("attachments", named.len().max(body.files.len()), 0, MOST_FILES);
    let mut settled = Vec::new();
    for (place, entry) in named.iter().enumerate() {
        let at = format!("attachments.{place}");
        errors.length(&format!("{at}.filename"), &entry["filename"], 1, 1024);
        errors.length(&format!("{at}.description"), &entry["description"], 0, 1024);
        let id = Id::of(&entry["id"]);
        match id.map(|id| (id, body.files.iter().find(|file| file.index == id.0))) {
            Some((_, Some(file))) => settled.push(keep(state, app, file, entry["filename"].as_str())),
            Some((id, None)) if id.0 >= SMALLEST_SNOWFLAKE => settled.push(json!({"id": id})),
            _ => errors.add(&format!("{at}.id"), "ATTACHMENT_NOT_FOUND", "There is no such file."),
        }
    }
    errors.finish()?;
    let indexes: Vec<Option<Id>> = named.iter().map(|entry| Id::of(&entry["id"])).collect();
    let is_named = |file: &&Upload| indexes.contains(&Some(Id(file.index)));
    let unnamed: Vec<&Upload> = body.files.iter().filter(|file| !is_named(file)).collect();
    settled.extend(unnamed.into_iter().map(|file| keep(state, app, file, None)));
    message["attachments"] = Value::Array(settled);
    Ok(())
}

fn keep(state: &mut SimState, app: Option<Id>, file: &Upload, filename: Option<&str>) -> Value {
    let id = state.new_id();
    state.files.insert(id, file.bytes.clone());
    let (app, filename) = (app.unwrap_or(Id(0)), filename.unwrap_or(&file.filename));
    let path = format!("ephemeral-attachments/{app}/{id}/{filename}");
    json!({
        "id": id, "filename": filename, "size": file.bytes.len(), "content_type": file.kind,
        "url": format!("https://cdn.discordapp.com/{path}"), "proxy_url": format!("https://media.discordapp.net/{path}"),
    })
}

/// The attachments of a message whose body has been settled: new ones in full, and the older ones that the body names.
pub(super) fn of_body(body: &Value, before: &[Value]) -> Vec<Value> {
    let one = |entry: &Value| {
        if entry["url"].is_string() {
            return Some(entry.clone());
        }
        before.iter().find(|old| old["id"] == entry["id"]).cloned()
    };
    list(body, "attachments").iter().filter_map(one).collect()
}
