//! A value for an attribute that the realm requires and a person lacks: one that the attribute's own validators accept.
//!
//! Keycloak validates the whole user at each change, so a person without a required attribute could never be disabled.

use serde_json::Value;

use super::profile::{number, pattern_of};

/// The value where nothing in particular is asked for.
const PLAIN: &str = "-";

/// A value that the attribute accepts. The error names the validator that no value could be made for.
pub(super) fn placeholder(attribute: &Value) -> Result<String, String> {
    let validators = attribute.get("validations").and_then(Value::as_object);
    let of = |name: &str| validators.and_then(|validators| validators.get(name));
    let value = if let Some(options) = of("options") {
        let first = options.pointer("/options/0").and_then(Value::as_str);
        first.ok_or_else(|| "options".to_owned())?.to_owned()
    } else if let Some(range) = of("integer") {
        whole_number(range)
    } else if let Some(range) = of("double") {
        number_within(range)
    } else if of("email").is_some() {
        // RFC 2606: no mail reaches this address.
        "nobody@accolade.invalid".to_owned()
    } else if of("uri").is_some() {
        "https://accolade.invalid/".to_owned()
    } else if of("iso-date").is_some() {
        "2000-01-01".to_owned()
    } else if of("local-date").is_some() {
        return Err("local-date".to_owned());
    } else {
        padded(of("length"))
    };
    let refusing = validators.into_iter().flatten().find(|(name, config)| !accepts(name, config, &value));
    refusing.map_or(Ok(value), |(name, _)| Err(name.clone()))
}

/// Whether a validator accepts the value. An unknown one is left to Keycloak.
fn accepts(name: &str, config: &Value, value: &str) -> bool {
    let length = value.encode_utf16().count();
    match name {
        "length" => {
            number(config, "min").is_none_or(|min| length >= min)
                && number(config, "max").is_none_or(|max| length <= max)
        }
        // A pattern that can't be run here is left to Keycloak, too.
        "pattern" => pattern_of(config).is_none_or(|pattern| pattern.accepts(value)),
        "multivalued" => number(config, "min").is_none_or(|min| min <= 1),
        _ => true,
    }
}

/// Dashes, as many as the length asks for.
fn padded(length: Option<&Value>) -> String {
    let min = length.and_then(|config| number(config, "min")).unwrap_or(1);
    PLAIN.repeat(min.clamp(1, 255))
}

/// The smallest number that is allowed, or else the largest below zero, or else zero.
fn whole_number(range: &Value) -> String {
    let bound = |name: &str| match range.get(name)? {
        Value::Number(bound) => bound.as_i64(),
        Value::String(bound) => bound.trim().parse::<i64>().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let (min, max) = (bound("min"), bound("max"));
    min.or(max.filter(|max| *max < 0)).unwrap_or(0).to_string()
}

fn number_within(range: &Value) -> String {
    let bound = |name: &str| match range.get(name)? {
        Value::Number(bound) => bound.as_f64(),
        Value::String(bound) => bound.trim().parse::<f64>().ok().filter(|bound| bound.is_finite()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let (min, max) = (bound("min"), bound("max"));
    min.or(max.filter(|max| *max < 0.0)).unwrap_or(0.0).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_fits_its_validators() {
        for (validations, wanted) in [
            (json!({}), "-"),
            (json!({"options": {"options": ["blue", "red"]}}), "blue"),
            (json!({"length": {"min": 3, "max": 5}}), "---"),
            (json!({"length": {"min": "2"}}), "--"),
            (json!({"integer": {"min": 5}}), "5"),
            (json!({"integer": {"min": "-3", "max": "7"}}), "-3"),
            (json!({"integer": {"max": -9}}), "-9"),
            (json!({"integer": {}}), "0"),
            (json!({"double": {"min": 1.5}}), "1.5"),
            (json!({"double": {}}), "0"),
            (json!({"email": {}}), "nobody@accolade.invalid"),
            (json!({"email": {}, "length": {"max": 255}}), "nobody@accolade.invalid"),
            (json!({"uri": {}}), "https://accolade.invalid/"),
            (json!({"iso-date": {}}), "2000-01-01"),
            (json!({"pattern": {"pattern": "-*"}}), "-"),
            // Keycloak decides about what can't be judged here.
            (json!({"pattern": {"pattern": "(?=-)."}}), "-"),
            (json!({"club-validator": {}}), "-"),
        ] {
            assert_eq!(
                placeholder(&json!({"validations": validations})),
                Ok(wanted.to_owned()),
                "{validations}"
            );
        }
        assert_eq!(placeholder(&json!({})), Ok("-".to_owned()));
    }

    #[test]
    fn a_validator_that_nothing_fits_is_named() {
        for (validations, named) in [
            (json!({"pattern": {"pattern": "[0-9]{3}"}}), "pattern"),
            (json!({"options": {"options": []}}), "options"),
            (json!({"local-date": {}}), "local-date"),
            (json!({"multivalued": {"min": 2}}), "multivalued"),
            (json!({"length": {"min": 300}}), "length"),
            (json!({"email": {}, "length": {"max": 5}}), "length"),
        ] {
            assert_eq!(
                placeholder(&json!({"validations": validations})),
                Err(named.to_owned()),
                "{validations}"
            );
        }
    }
}
