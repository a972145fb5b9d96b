//! What Discord refuses in messages and modals: lengths, counts, uniqueness. These functions are pure.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::rest::ApiError;

/// The flag of messages with Components V2.
const IS_COMPONENTS_V2: u64 = 1 << 15;

/// Collects the `errors` tree of a 50035 error.
#[derive(Debug, Default)]
pub(crate) struct FormErrors {
    tree: Map<String, Value>,
}

impl FormErrors {
    /// Adds an error at a path such as `embeds.0.title`.
    pub(crate) fn add(&mut self, path: &str, code: &str, message: &str) {
        let mut node = &mut self.tree;
        for part in path.split('.').filter(|part| !part.is_empty()) {
            let next = node.entry(part).or_insert_with(|| json!({}));
            let Value::Object(inner) = next else { return };
            node = inner;
        }
        let list = node.entry("_errors").or_insert_with(|| json!([]));
        if let Value::Array(faults) = list {
            faults.push(json!({"code": code, "message": message}));
        }
    }

    /// Checks that a text has at most `max` (and at least `min`) characters.
    pub(crate) fn length(&mut self, path: &str, value: &Value, min: usize, max: usize) {
        let Some(text) = value.as_str() else {
            if !value.is_null() {
                self.add(path, "STRING_TYPE_CONVERT", "Could not interpret as string.");
            }
            return;
        };
        let count = text.chars().count();
        if count > max {
            self.add(path, "BASE_TYPE_MAX_LENGTH", &format!("Must be {max} or fewer in length."));
        } else if count < min {
            self.add(path, "BASE_TYPE_BAD_LENGTH", &format!("Must be between {min} and {max} in length."));
        }
    }

    /// Like `length`, but the field is required.
    pub(crate) fn required_length(&mut self, path: &str, value: &Value, min: usize, max: usize) {
        if value.is_null() || (min > 0 && value.as_str() == Some("")) {
            self.add(path, "BASE_TYPE_REQUIRED", "This field is required");
        } else {
            self.length(path, value, min, max);
        }
    }

    pub(crate) fn count(&mut self, path: &str, count: usize, min: usize, max: usize) {
        if count > max || count < min {
            self.add(path, "BASE_TYPE_BAD_LENGTH", &format!("Must be between {min} and {max} in length."));
        }
    }

    pub(crate) fn finish(self) -> Result<(), ApiError> {
        if self.tree.is_empty() { Ok(()) } else { Err(ApiError::form(Value::Object(self.tree))) }
    }
}

/// The list of a field; empty when it is absent or null.
pub(crate) fn list<'a>(body: &'a Value, key: &str) -> &'a [Value] {
    body[key].as_array().map_or(&[], Vec::as_slice)
}

/// Checks a message that is created, or edited if `exists` contains the current one.
pub(crate) fn check_message(body: &Value, exists: Option<&crate::state::Message>) -> Result<(), ApiError> {
    let mut errors = FormErrors::default();
    errors.length("content", &body["content"], 0, 2000);
    check_embeds(&mut errors, list(body, "embeds"));
    let flags = body["flags"].as_u64().unwrap_or(0) | exists.map_or(0, |message| message.flags);
    if flags & IS_COMPONENTS_V2 != 0 {
        check_v2(&mut errors, body);
    } else {
        check_rows(&mut errors, list(body, "components"));
    }
    check_nonce(&mut errors, body);
    check_allowed_mentions(&mut errors, &body["allowed_mentions"]);
    errors.finish()?;
    let kept = |key: &str, had: bool| {
        if body.get(key).is_some_and(|v| !v.is_null()) || exists.is_none() { full(&body[key]) } else { had }
    };
    let has_content = match exists {
        Some(_) if body.get("content").is_some_and(Value::is_null) => false,
        other => kept("content", other.is_some_and(|m| !m.content.trim().is_empty())),
    };
    let has_something = has_content
        || kept("embeds", exists.is_some_and(|m| !m.embeds.is_empty()))
        || kept("components", exists.is_some_and(|m| !m.components.is_empty()))
        || full(&body["sticker_ids"])
        || kept("attachments", exists.is_some_and(|m| !m.attachments.is_empty()))
        || body["poll"].is_object();
    if has_something { Ok(()) } else { Err(ApiError::bad(50006, "Cannot send an empty message")) }
}

fn full(value: &Value) -> bool {
    value
        .as_str()
        .map_or_else(|| value.as_array().is_some_and(|list| !list.is_empty()), |t| !t.trim().is_empty())
}

fn check_nonce(errors: &mut FormErrors, body: &Value) {
    let nonce = &body["nonce"];
    if nonce.as_str().is_some_and(|text| text.chars().count() > 25) {
        errors.add("nonce", "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.");
    }
}

fn check_allowed_mentions(errors: &mut FormErrors, value: &Value) {
    for (index, kind) in list(value, "parse").iter().enumerate() {
        if !matches!(kind.as_str(), Some("users" | "roles" | "everyone")) {
            let path = format!("allowed_mentions.parse.{index}");
            errors.add(&path, "BASE_TYPE_CHOICES", "Value must be one of ('everyone', 'users', 'roles').");
        }
    }
    for key in ["users", "roles"] {
        errors.count(&format!("allowed_mentions.{key}"), list(value, key).len(), 0, 100);
        if !list(value, key).is_empty() && list(value, "parse").iter().any(|kind| kind == key) {
            let text = "parse and the explicit list are mutually exclusive.";
            errors.add("allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", text);
        }
    }
}

fn check_embeds(errors: &mut FormErrors, embeds: &[Value]) {
    if embeds.len() > 10 {
        errors.add("embeds", "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.");
    }
    let mut total = 0;
    for (index, embed) in embeds.iter().enumerate() {
        let at = |rest: &str| format!("embeds.{index}.{rest}");
        for (key, max) in [("title", 256), ("description", 4096)] {
            errors.length(&at(key), &embed[key], 0, max);
            total += chars(&embed[key]);
        }
        for (key, inner, max) in [("footer", "text", 2048), ("author", "name", 256)] {
            if embed[key].is_object() {
                errors.required_length(&at(&format!("{key}.{inner}")), &embed[key][inner], 1, max);
                total += chars(&embed[key][inner]);
            }
        }
        check_embed_parts(errors, &at, embed);
        let fields = list(embed, "fields");
        if fields.len() > 25 {
            errors.add(&at("fields"), "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.");
        }
        for (number, field) in fields.iter().enumerate() {
            for (key, max) in [("name", 256), ("value", 1024)] {
                errors.required_length(&at(&format!("fields.{number}.{key}")), &field[key], 1, max);
                total += chars(&field[key]);
            }
        }
        if embed["color"].as_i64().is_some_and(|color| !(0..=0xff_ffff).contains(&color)) {
            errors.add(
                &at("color"),
                "NUMBER_TYPE_MAX",
                "int value should be less than or equal to 16777215.",
            );
        }
    }
    if total > 6000 {
        let text = "The total length of all embeds must be 6000 or fewer.";
        errors.add("embeds", "MAX_EMBED_SIZE_EXCEEDED", text);
    }
}

/// Addresses and the time of an embed.
fn check_embed_parts(errors: &mut FormErrors, at: &impl Fn(&str) -> String, embed: &Value) {
    let urls = [
        ("url", &embed["url"]),
        ("author.icon_url", &embed["author"]["icon_url"]),
        ("author.url", &embed["author"]["url"]),
        ("footer.icon_url", &embed["footer"]["icon_url"]),
        ("thumbnail.url", &embed["thumbnail"]["url"]),
        ("image.url", &embed["image"]["url"]),
    ];
    for (path, url) in urls {
        let Some(url) = url.as_str() else { continue };
        if !["http://", "https://", "attachment://"].iter().any(|scheme| url.starts_with(scheme)) {
            let text = "Scheme must be one of ('http', 'https').";
            errors.add(&at(path), "URL_TYPE_INVALID_SCHEME", text);
        }
        errors.length(&at(path), &url.into(), 0, 2048);
    }
    if embed["timestamp"].as_str().is_some_and(|time| !is_iso(time)) {
        errors.add(&at("timestamp"), "DATE_TIME_TYPE_PARSE", "Could not parse. Should be ISO8601.");
    }
}

/// Whether a text is an instant such as `2026-11-23T12:00:00Z`.
fn is_iso(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape.strip_prefix("0000-00-00T00:00:00").is_some_and(|rest| {
        let rest = rest.strip_prefix('.').map_or(rest, |rest| rest.trim_start_matches('0'));
        matches!(rest, "Z" | "+00:00" | "-00:00")
    })
}

fn chars(value: &Value) -> usize {
    value.as_str().map_or(0, |text| text.chars().count())
}

/// Checks the rows of a legacy message: at most five rows, with five buttons or one select in each.
fn check_rows(errors: &mut FormErrors, rows: &[Value]) {
    if rows.len() > 5 {
        errors.add("components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.");
    }
    let mut ids = BTreeSet::new();
    for (index, row) in rows.iter().enumerate() {
        let at = format!("components.{index}");
        if row["type"] != 1 {
            errors.add(
                &format!("{at}.type"),
                "BASE_TYPE_CHOICES",
                "Value of field \"type\" must be one of (1,).",
            );
            continue;
        }
        let inner = list(row, "components");
        errors.count(&format!("{at}.components"), inner.len(), 1, 5);
        let selects = inner.iter().filter(|c| is_select(c)).count();
        if selects > 1 || (selects == 1 && inner.len() > 1) {
            let text = "The specified component exceeds the maximum width";
            errors.add(&format!("{at}.components"), "COMPONENT_LAYOUT_WIDTH_EXCEEDED", text);
        }
        for (number, component) in inner.iter().enumerate() {
            check_interactive(errors, &format!("{at}.components.{number}"), component, &mut ids);
        }
    }
}

fn is_select(component: &Value) -> bool {
    matches!(component["type"].as_u64(), Some(3 | 5..=8))
}

fn check_interactive(errors: &mut FormErrors, at: &str, component: &Value, ids: &mut BTreeSet<String>) {
    match component["type"].as_u64() {
        Some(2) => check_button(errors, at, component, ids),
        Some(3 | 5..=8) => check_select(errors, at, component, ids),
        _ => errors.add(&format!("{at}.type"), "BASE_TYPE_CHOICES", "This component does not belong here."),
    }
}

fn check_button(errors: &mut FormErrors, at: &str, button: &Value, ids: &mut BTreeSet<String>) {
    let label = format!("{at}.label");
    errors.length(&label, &button["label"], 0, 80);
    let style = button["style"].as_u64().unwrap_or(0);
    match style {
        1..=4 => {
            if chars(&button["label"]) == 0 && !button["emoji"].is_object() {
                errors.add(at, "BUTTON_COMPONENT_EMPTY", "A button must have a label or an emoji.");
            }
            check_custom_id(errors, at, button, ids);
            if !button["url"].is_null() {
                errors.add(at, "COMPONENT_CUSTOM_ID_AND_URL", "A custom id and url cannot both be specified");
            }
        }
        5 => {
            errors.required_length(&format!("{at}.url"), &button["url"], 1, 512);
            if !button["custom_id"].is_null() {
                errors.add(at, "COMPONENT_CUSTOM_ID_AND_URL", "A custom id and url cannot both be specified");
            }
            let url = button["url"].as_str().unwrap_or("https://");
            if !["http://", "https://", "discord://"].iter().any(|scheme| url.starts_with(scheme)) {
                errors.add(
                    &format!("{at}.url"),
                    "URL_TYPE_INVALID_SCHEME",
                    "Scheme must be http, https, discord.",
                );
            }
        }
        _ => errors.add(
            &format!("{at}.style"),
            "BASE_TYPE_CHOICES",
            "Value must be one of {1, 2, 3, 4, 5, 6}.",
        ),
    }
}

fn check_select(errors: &mut FormErrors, at: &str, select: &Value, ids: &mut BTreeSet<String>) {
    check_custom_id(errors, at, select, ids);
    errors.length(&format!("{at}.placeholder"), &select["placeholder"], 0, 150);
    let (min, max) = (select["min_values"].as_u64().unwrap_or(1), select["max_values"].as_u64().unwrap_or(1));
    if min > 25 {
        errors.add(&format!("{at}.min_values"), "NUMBER_TYPE_MAX", "int value should be at most 25.");
    }
    if !(1..=25).contains(&max) || (max < min && min <= 25) {
        errors.add(
            &format!("{at}.max_values"),
            "NUMBER_TYPE_MAX",
            "int value should be 1 to 25 and not below min.",
        );
    }
    if select["type"] != 3 {
        return;
    }
    let options = list(select, "options");
    errors.count(&format!("{at}.options"), options.len(), 1, 25);
    let mut values = BTreeSet::new();
    for (index, option) in options.iter().enumerate() {
        let at = format!("{at}.options.{index}");
        errors.required_length(&format!("{at}.label"), &option["label"], 1, 100);
        errors.required_length(&format!("{at}.value"), &option["value"], 1, 100);
        errors.length(&format!("{at}.description"), &option["description"], 0, 100);
        if !values.insert(option["value"].as_str().unwrap_or_default().to_owned()) {
            errors.add(
                &format!("{at}.value"),
                "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED",
                "The value is already used.",
            );
        }
    }
}

fn check_custom_id(errors: &mut FormErrors, at: &str, component: &Value, ids: &mut BTreeSet<String>) {
    let path = format!("{at}.custom_id");
    errors.required_length(&path, &component["custom_id"], 1, 100);
    if let Some(id) = component["custom_id"].as_str()
        && !ids.insert(id.to_owned())
    {
        errors.add(&path, "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated");
    }
}

/// Checks Components V2: at most 40 in all, no other content, and unique custom ids at every depth.
fn check_v2(errors: &mut FormErrors, body: &Value) {
    for key in ["content", "embeds", "poll", "sticker_ids"] {
        if full(&body[key]) || body[key].is_object() {
            let text = format!("The '{key}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2");
            errors.add(key, "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", &text);
        }
    }
    let mut ids = BTreeSet::new();
    let mut total = 0;
    for (index, component) in list(body, "components").iter().enumerate() {
        total += walk_v2(errors, &format!("components.{index}"), component, &mut ids);
    }
    if total > 40 {
        errors.add("components", "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED", "The total must be 40 or fewer.");
    }
}

fn walk_v2(errors: &mut FormErrors, at: &str, component: &Value, ids: &mut BTreeSet<String>) -> usize {
    let kind = component["type"].as_u64();
    if kind == Some(2) || is_select(component) {
        check_interactive(errors, at, component, ids);
    }
    if kind == Some(10) {
        errors.required_length(&format!("{at}.content"), &component["content"], 1, 4000);
    }
    let mut total = 1;
    for (index, inner) in list(component, "components").iter().enumerate() {
        total += walk_v2(errors, &format!("{at}.components.{index}"), inner, ids);
    }
    if component["accessory"].is_object() {
        total += walk_v2(errors, &format!("{at}.accessory"), &component["accessory"], ids);
    }
    total
}

/// Checks a modal: title, custom id, and one to five rows with one text input each, or Labels.
pub(crate) fn check_modal(data: &Value) -> Result<(), ApiError> {
    let mut errors = FormErrors::default();
    errors.required_length("data.title", &data["title"], 1, 45);
    errors.required_length("data.custom_id", &data["custom_id"], 1, 100);
    let rows = list(data, "components");
    errors.count("data.components", rows.len(), 1, 5);
    let mut ids = BTreeSet::new();
    for (index, row) in rows.iter().enumerate() {
        let at = format!("data.components.{index}");
        match row["type"].as_u64() {
            Some(1) => {
                let inner = list(row, "components");
                errors.count(&format!("{at}.components"), inner.len(), 1, 1);
                for (number, input) in inner.iter().enumerate() {
                    let at = format!("{at}.components.{number}");
                    errors.required_length(&format!("{at}.label"), &input["label"], 1, 45);
                    check_input(&mut errors, &at, input, &mut ids);
                }
            }
            Some(18) => {
                errors.required_length(&format!("{at}.label"), &row["label"], 1, 45);
                errors.length(&format!("{at}.description"), &row["description"], 0, 100);
                check_input(&mut errors, &format!("{at}.component"), &row["component"], &mut ids);
            }
            Some(10) => errors.required_length(&format!("{at}.content"), &row["content"], 1, 4000),
            _ => errors.add(&format!("{at}.type"), "BASE_TYPE_CHOICES", "Value must be one of {1, 10, 18}."),
        }
    }
    errors.finish()
}

fn check_input(errors: &mut FormErrors, at: &str, input: &Value, ids: &mut BTreeSet<String>) {
    if input["type"] != 4 {
        if is_select(input) {
            return check_select(errors, at, input, ids);
        }
        return errors.add(
            &format!("{at}.type"),
            "BASE_TYPE_CHOICES",
            "This component does not belong here.",
        );
    }
    check_custom_id(errors, at, input, ids);
    errors.length(&format!("{at}.placeholder"), &input["placeholder"], 0, 100);
    errors.length(&format!("{at}.value"), &input["value"], 0, 4000);
    let min = input["min_length"].as_i64().unwrap_or(0);
    let max = input["max_length"].as_i64().unwrap_or(4000);
    if !(0..=4000).contains(&min) {
        errors.add(&format!("{at}.min_length"), "NUMBER_TYPE_MAX", "int value should be between 0 and 4000.");
    }
    if !(1..=4000).contains(&max) || max < min {
        errors.add(&format!("{at}.max_length"), "NUMBER_TYPE_MAX", "int value should be between 1 and 4000.");
    }
    if !input["style"].is_null() && !matches!(input["style"].as_u64(), Some(1 | 2)) {
        errors.add(&format!("{at}.style"), "BASE_TYPE_CHOICES", "Value must be one of {1, 2}.");
    }
}
