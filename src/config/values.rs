//! Parsers of single values, with the error that an operator reads if a value is invalid.
//!
//! Each parser sees the text of one key. Rules about several keys are in `sections`.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use url::Url;

use super::diagnostic::ValueError;
use super::model::{Flavour, LogFormat};
use crate::domain::dn::Dn;
use crate::domain::eligibility::{Approval, GroupName, RuleName};
use crate::domain::matching::attribute_key;
use crate::net;

type Parsed<T> = Result<T, ValueError>;

/// Any non-blank text on one line.
pub(super) fn line(text: &str) -> Parsed<String> {
    if text.trim().is_empty() {
        return Err(ValueError::new("is empty", "give it a value"));
    }
    if text.chars().any(char::is_control) {
        return Err(ValueError::new("has a control character in it", "write it on one line"));
    }
    Ok(text.to_owned())
}

/// One of Discord's ids.
pub(super) fn snowflake<T: FromStr>(text: &str) -> Parsed<T> {
    text.parse().map_err(|_| {
        ValueError::new(
            "is not a Discord id",
            "turn on developer mode in Discord, right-click the thing and choose `Copy ID`: a number of 17 to 20 digits",
        )
    })
}

/// A duration such as `14d` or `1h 30m`. Months and years are rejected, because their length is not fixed.
pub(super) fn span(text: &str) -> Parsed<Duration> {
    let fix = "write it like `14d`, `12h`, `1h 30m` or `5s`";
    let has_vague_unit = text
        .split(|c: char| !c.is_ascii_alphabetic())
        .any(|unit| matches!(unit, "M" | "month" | "months" | "y" | "yr" | "yrs" | "year" | "years"));
    if has_vague_unit {
        return Err(ValueError::new("months and years have no fixed length", "write it in days, like `30d`"));
    }
    let span = humantime::parse_duration(text).map_err(|_| ValueError::new("is not a span of time", fix))?;
    if span > LONGEST_SPAN {
        return Err(ValueError::new("is longer than 3650 days", "write a shorter span"));
    }
    Ok(span)
}

/// Ten years. A longer span is a typing error, and this limit keeps sums of times far from overflow.
const LONGEST_SPAN: Duration = Duration::from_hours(87600);

/// A duration greater than zero.
pub(super) fn positive_span(text: &str) -> Parsed<Duration> {
    let parsed = span(text)?;
    if parsed.is_zero() {
        return Err(ValueError::new("is zero", "write a span like `14d`, `12h` or `5s`"));
    }
    Ok(parsed)
}

/// How long a job may wait before that is reported. Attempts are up to a minute apart, so a shorter wait means nothing.
pub(super) fn report_delay(text: &str) -> Parsed<Duration> {
    let parsed = span(text)?;
    if parsed < Duration::from_mins(1) {
        return Err(ValueError::new("would report waits that are usual", "write 1m or more, like `5m`"));
    }
    Ok(parsed)
}

/// The lifespan of a mailed link. A link gives access to the account, and 72 h covers a weekend.
pub(super) fn link_lifespan(text: &str) -> Parsed<Duration> {
    let parsed = positive_span(text)?;
    if parsed > Duration::from_hours(72) {
        return Err(ValueError::new("a mailed link would live too long", "write 72h or less"));
    }
    if parsed < Duration::from_mins(1) {
        return Err(ValueError::new("a mailed link would end before it is read", "write 1m or more"));
    }
    Ok(parsed)
}

/// The interval between two reads of Keycloak's events.
pub(super) fn poll_span(text: &str) -> Parsed<Duration> {
    let parsed = span(text)?;
    if parsed < Duration::from_millis(100) || parsed > Duration::from_mins(10) {
        return Err(ValueError::new("is out of range", "write a span from 100ms to 10m"));
    }
    Ok(parsed)
}

/// An address with a port.
pub(super) fn socket(text: &str) -> Parsed<SocketAddr> {
    text.parse()
        .map_err(|_| ValueError::new("is not an address with a port", "write it like `127.0.0.1:9464`"))
}

/// A loopback address with a port.
pub(super) fn loopback_socket(text: &str) -> Parsed<SocketAddr> {
    let address = socket(text)?;
    if !address.ip().is_loopback() {
        let fix = "leave `endpoint` out to use Discord itself, or name an address like `127.0.0.1:8701`";
        return Err(ValueError::new("another place than Discord is accepted on loopback only", fix));
    }
    Ok(address)
}

/// An `http://` or `https://` base URL without credentials, query or fragment.
pub(super) fn web_url(text: &str) -> Parsed<Url> {
    let url = Url::parse(text)
        .map_err(|_| ValueError::new("is not a URL", "write it like `https://id.example.org`"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(ValueError::new("is not a web address", "write it like `https://id.example.org`"));
    }
    no_credentials(&url)?;
    no_link_local(&url)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(ValueError::new("has a query or a fragment", "leave out everything from `?` or `#` on"));
    }
    Ok(url)
}

/// The redirect URI of a mailed link. It must be exact, because Keycloak compares it with the client's list.
pub(super) fn redirect_uri(text: &str) -> Parsed<Url> {
    if text.contains('*') {
        let fix = "write the one exact address, as it stands in the client's valid redirect URIs";
        return Err(ValueError::new("has a wildcard", fix));
    }
    let url = Url::parse(text)
        .map_err(|_| ValueError::new("is not a URL", "write it like `https://www.example.org/welcome`"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(ValueError::new(
            "is not a web address",
            "write it like `https://www.example.org/welcome`",
        ));
    }
    no_credentials(&url)?;
    if url.fragment().is_some() {
        return Err(ValueError::new("has a fragment", "leave out everything from `#` on"));
    }
    Ok(url)
}

/// The community's name in a mail. Keycloak would read braces as places for its own values.
pub(super) fn community_name(text: &str) -> Parsed<String> {
    let name = line(text)?.trim().to_owned();
    if name.chars().count() > 60 {
        return Err(ValueError::new("is too long for the subject of a mail", "write 60 characters or less"));
    }
    if name.contains(['{', '}', '<', '>', '"']) {
        return Err(ValueError::new(
            "has a brace, an angle bracket or a quotation mark in it",
            "leave it out",
        ));
    }
    Ok(name)
}

/// An `ldaps://` or `ldap://` URL with nothing but a host and port.
pub(super) fn ldap_url(text: &str) -> Parsed<Url> {
    let fix = "write it like `ldaps://ldap.example.org` or `ldap://ldap.example.org` with `start_tls = true`";
    let url = Url::parse(text).map_err(|_| ValueError::new("is not a URL", fix))?;
    if !matches!(url.scheme(), "ldap" | "ldaps") || url.host_str().is_none_or(str::is_empty) {
        return Err(ValueError::new("is not an LDAP address", fix));
    }
    no_credentials(&url)?;
    no_link_local(&url)?;
    if !matches!(url.path(), "" | "/") || url.query().is_some() {
        return Err(ValueError::new(
            "names more than the server",
            "leave out everything after the host and port",
        ));
    }
    Ok(url)
}

/// The URL of the database.
pub(super) fn store_url(text: &str) -> Parsed<Url> {
    let fix =
        "write `sqlite:///var/lib/accolade/accolade.sqlite` or `postgres://accolade@db.example.org/accolade`";
    let url = Url::parse(text).map_err(|_| ValueError::new("is not a URL", fix))?;
    match url.scheme() {
        "sqlite" => sqlite_url(text, url),
        "postgres" | "postgresql" => postgres_url(url),
        _ => Err(ValueError::new("is neither SQLite nor PostgreSQL", fix)),
    }
}

fn sqlite_url(text: &str, url: Url) -> Parsed<Url> {
    let fix = "write three slashes and an absolute path, like `sqlite:///var/lib/accolade/accolade.sqlite`";
    let has_path = text.starts_with("sqlite:///") && url.path().len() > 1 && !url.path().ends_with('/');
    if !has_path || url.path().contains(":memory:") {
        return Err(ValueError::new("names no absolute path", fix));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(ValueError::new(
            "has options",
            "leave out everything from `?` on; Accolade sets what it needs",
        ));
    }
    Ok(url)
}

fn postgres_url(url: Url) -> Parsed<Url> {
    let carries_password = url.password().is_some() || url.query_pairs().any(|(key, _)| key == "password");
    if carries_password {
        let fix =
            "take it out, put it into a file and name that in `store.password_file`; change the password too";
        return Err(ValueError::new("holds a password", fix));
    }
    let mode = url.query_pairs().find(|(key, _)| key == "sslmode").map(|(_, value)| value.into_owned());
    let is_remote = url.host_str().is_some_and(|host| !host.is_empty()) && !net::is_loopback(&url);
    if is_remote && mode.as_deref().is_some_and(|mode| mode != "verify-full") {
        return Err(ValueError::new("the server would not be verified", "write `sslmode=verify-full`"));
    }
    Ok(url)
}

fn no_credentials(url: &Url) -> Parsed<()> {
    if url.password().is_some() || !url.username().is_empty() {
        return Err(ValueError::new("holds a name or a password", "take it out; secrets come from files"));
    }
    Ok(())
}

fn no_link_local(url: &Url) -> Parsed<()> {
    if net::literal_address(url).is_some_and(net::is_link_local) {
        let fix = "name the server by its own address; no server of yours has this one";
        return Err(ValueError::new("the address is that of a cloud's or network's own services", fix));
    }
    Ok(())
}

/// The name of a realm.
pub(super) fn realm(text: &str) -> Parsed<String> {
    let name = line(text)?;
    if name.eq_ignore_ascii_case("master") {
        let fix = "make a realm for your members; `accolade setup keycloak` does it";
        return Err(ValueError::new("`master` is the realm of Keycloak's administrators", fix));
    }
    if name.contains(['/', '?', '#', '%', '\\', ' ']) {
        return Err(ValueError::new(
            "has a character that no realm can have",
            "use letters, digits, `-` and `_`",
        ));
    }
    Ok(name)
}

/// A component id, as printed by `accolade setup keycloak`.
pub(super) fn component_id(text: &str) -> Parsed<String> {
    if text.trim().is_empty() {
        return Err(ValueError::new("is empty", "run `accolade setup keycloak --apply`: it prints the id"));
    }
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) {
        return Err(ValueError::new(
            "is not a component id",
            "run `accolade setup keycloak`: it prints the id",
        ));
    }
    Ok(text.to_owned())
}

/// A distinguished name.
pub(super) fn dn(text: &str) -> Parsed<Dn> {
    let fix = "write it like `ou=people,dc=example,dc=org`";
    Dn::parse(&line(text)?).ok_or_else(|| ValueError::new("is not a distinguished name", fix))
}

fn is_attribute(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// The name of an attribute or of an object class (RFC 4512 section 1.4: `descr`).
pub(super) fn attribute(text: &str) -> Parsed<String> {
    if is_attribute(text) {
        return Ok(text.to_owned());
    }
    Err(ValueError::new(
        "is not a name of the schema",
        "use letters, digits and `-`, beginning with a letter",
    ))
}

/// An attribute that Accolade may use for its own values.
pub(super) fn own_attribute(text: &str) -> Parsed<String> {
    const TAKEN: [&str; 9] =
        ["uid", "cn", "sn", "givenname", "mail", "userpassword", "objectclass", "member", "entryuuid"];
    let name = attribute(text)?;
    if TAKEN.contains(&attribute_key(&name).as_str()) {
        let fix = "choose one that nothing else uses, such as `employeeNumber` or `description`";
        return Err(ValueError::new("this attribute has another purpose", fix));
    }
    Ok(name)
}

/// The `cn` of a group.
pub(super) fn group(text: &str) -> Parsed<GroupName> {
    GroupName::new(line(text)?).ok_or_else(|| ValueError::new("is empty", "write the group's `cn`"))
}

/// The name of a rule.
pub(super) fn rule_name(text: &str) -> Parsed<RuleName> {
    let name = line(text)?;
    if name.chars().count() > 64 {
        return Err(ValueError::new(
            "is longer than 64 characters",
            "write a short name: it stands on every card",
        ));
    }
    Ok(RuleName::new(name))
}

/// The kind of approval.
pub(super) fn approval(text: &str) -> Parsed<Approval> {
    match text {
        "automatic" => Ok(Approval::Automatic),
        "moderators" => Ok(Approval::Moderators),
        _ => Err(ValueError::new("is not a kind of approval", "write `moderators` or `automatic`")),
    }
}

/// The kind of directory server.
pub(super) fn flavour(text: &str) -> Parsed<Flavour> {
    text.parse().map_err(|_| ValueError::new("is not a directory that Accolade knows", "write `openldap`"))
}

/// The format of the log.
pub(super) fn log_format(text: &str) -> Parsed<LogFormat> {
    text.parse().map_err(|_| ValueError::new("is not a log format", "write `json` or `text`"))
}

/// A list of levels, each for all targets or for one: `info,accolade::store=debug`.
pub(super) fn log_filter(text: &str) -> Parsed<String> {
    let is_level = |level: &str| {
        ["off", "error", "warn", "info", "debug", "trace"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(level))
    };
    let is_target = |target: &str| {
        !target.is_empty() && target.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'))
    };
    let is_directive = |part: &str| match part.split_once('=') {
        Some((target, level)) => is_target(target) && is_level(level),
        None => is_level(part),
    };
    if text.split(',').all(|part| is_directive(part.trim())) {
        return Ok(text.to_owned());
    }
    Err(ValueError::new("is not a log filter", "write it like `info` or `info,accolade=debug`"))
}
