//! Finds where one message ends and the next begins, for LDAP and HTTP/1.1. Pure functions.

use anyhow::{Context as _, Result, bail, ensure};

use super::plan::{Answer, Kind, Operation};

/// The protocol on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// Uninterpreted bytes: PostgreSQL, SMTP, anything under TLS.
    Bytes,
    /// LDAP without TLS.
    Ldap,
    /// HTTP/1.1 without TLS.
    Http,
}

/// A request as the proxy read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) kind: Kind,
    /// The value that identifies its answer: the message id of LDAP.
    pub(super) id: u32,
}

/// The length of the LDAP message at the start of `bytes`, if it is complete (X.690 section 8.1, definite lengths).
pub(super) fn ldap_length(bytes: &[u8]) -> Result<Option<usize>> {
    let Some((tag, rest)) = bytes.split_first() else { return Ok(None) };
    ensure!(*tag == 0x30, "no LDAP message begins with {tag:#04x}");
    let Some((head, content)) = ber_length(rest)? else { return Ok(None) };
    let whole = 1 + head + content;
    Ok((bytes.len() >= whole).then_some(whole))
}

/// How many bytes the length field takes, and its value.
fn ber_length(bytes: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(first) = bytes.first() else { return Ok(None) };
    if first & 0x80 == 0 {
        return Ok(Some((1, usize::from(*first))));
    }
    let more = usize::from(first & 0x7f);
    ensure!((1..=4).contains(&more), "a length of {more} bytes");
    let Some(digits) = bytes.get(1..=more) else { return Ok(None) };
    Ok(Some((1 + more, digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)))))
}

/// The message id and the tag of the operation in a complete LDAP message.
pub(super) fn ldap_head(message: &[u8]) -> Result<(u32, u8)> {
    let (head, _) = ber_length(message.get(1..).context("too short")?)?.context("too short")?;
    let content = message.get(1 + head..).context("too short")?;
    let [0x02, length, rest @ ..] = content else { bail!("no message id") };
    let (id, operation) = rest.split_at_checked(usize::from(*length)).context("too short")?;
    let id = id.iter().fold(0_u32, |sum, digit| sum << 8 | u32::from(*digit));
    Ok((id, *operation.first().context("no operation")?))
}

/// What a complete LDAP request asks for.
pub(super) fn ldap_asked(message: &[u8]) -> Result<Asked> {
    let (id, tag) = ldap_head(message)?;
    let operation = match tag {
        0x60 => Operation::Bind,
        0x63 => Operation::Search,
        0x66 => Operation::Modify,
        0x68 => Operation::Add,
        0x4a => Operation::Delete,
        0x6c => Operation::Rename,
        0x6e => Operation::Compare,
        0x77 => Operation::Extended,
        _ => Operation::Silent,
    };
    Ok(Asked { kind: Kind::Ldap(operation), id })
}

/// Whether more messages with the same id follow this answer: entries and references of a search.
pub(super) const fn ldap_is_partial(tag: u8) -> bool {
    matches!(tag, 0x64 | 0x73 | 0x79)
}

/// The length of the head of an HTTP message, and of its body if it is complete.
struct HttpLength {
    head: usize,
    body: Body,
}

enum Body {
    Known(usize),
    Chunked,
    UntilTheEnd,
}

fn body_of(headers: &[httparse::Header<'_>], otherwise: Body) -> Result<Body> {
    for header in headers {
        if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Ok(Body::Chunked);
        }
        if header.name.eq_ignore_ascii_case("content-length") {
            return Ok(Body::Known(std::str::from_utf8(header.value)?.trim().parse()?));
        }
    }
    Ok(otherwise)
}

fn whole(bytes: &[u8], length: &HttpLength, is_ended: bool) -> Result<Option<usize>> {
    let rest = &bytes[length.head..];
    Ok(match length.body {
        Body::Known(body) => (rest.len() >= body).then_some(length.head + body),
        Body::Chunked => chunks_length(rest)?.map(|body| length.head + body),
        Body::UntilTheEnd => is_ended.then_some(bytes.len()),
    })
}

/// The length of a chunked body with its last chunk and without trailers (RFC 9112 section 7.1).
fn chunks_length(bytes: &[u8]) -> Result<Option<usize>> {
    let mut at = 0;
    loop {
        match httparse::parse_chunk_size(&bytes[at..]) {
            Ok(httparse::Status::Complete((head, size))) => {
                at += head + usize::try_from(size)? + 2;
                if at > bytes.len() {
                    return Ok(None);
                }
                if size == 0 {
                    return Ok(Some(at));
                }
            }
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => bail!("no size of a chunk"),
        }
    }
}

/// The first HTTP request in `bytes`, if it is complete: its length and what it asks for.
pub(super) fn http_request(bytes: &[u8]) -> Result<Option<(usize, Asked)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = request.parse(bytes)? else { return Ok(None) };
    let (method, path) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    let kind = Kind::Http(method.to_owned(), path.to_owned());
    let body = body_of(request.headers, Body::Known(0))?;
    let length = whole(bytes, &HttpLength { head, body }, false)?;
    Ok(length.map(|length| (length, Asked { kind, id: 0 })))
}

/// The length of the first HTTP answer in `bytes`, if it is complete. An answer to a HEAD request has no body.
pub(super) fn http_answer_length(bytes: &[u8], asked: &Kind, is_ended: bool) -> Result<Option<usize>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = answer.parse(bytes)? else { return Ok(None) };
    let has_no_body = matches!(asked, Kind::Http(method, _) if method == "HEAD")
        || matches!(answer.code, Some(100..=199 | 204 | 304));
    let body = if has_no_body { Body::Known(0) } else { body_of(answer.headers, Body::UntilTheEnd)? };
    whole(bytes, &HttpLength { head, body }, is_ended)
}

/// The bytes of a made-up answer to `asked`, and whether the line ends after them.
pub(super) fn made_up(answer: &Answer, asked: &Asked) -> (Vec<u8>, bool) {
    match answer {
        Answer::LdapResult(code) => (ldap_result(asked, *code), false),
        Answer::LdapDisconnection => (disconnection(), true),
        Answer::HttpStatus(status) => {
            (http(*status, "application/json", r#"{"error":"made up"}"#, ""), false)
        }
        Answer::HttpPageStatus(status) => {
            (http(*status, "text/html", "<!doctype html><title>Refused</title><p>nginx", ""), false)
        }
        Answer::HttpDocument(document) => (http(200, "application/json", document, ""), false),
        Answer::HttpPage => {
            (http(200, "text/html", "<!doctype html><title>Busy</title><p>One moment", ""), false)
        }
        Answer::HttpTooMany(seconds) => {
            let retry_after = format!("Retry-After: {seconds}\r\n");
            (http(429, "application/json", r#"{"error":"made up"}"#, &retry_after), false)
        }
    }
}

fn http(status: u16, content_type: &str, body: &str, more: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status} Made-Up\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n{more}\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn ldap_result(asked: &Asked, code: u8) -> Vec<u8> {
    let tag = match asked.kind {
        Kind::Ldap(Operation::Bind) => 0x61,
        Kind::Ldap(Operation::Search) => 0x65,
        Kind::Ldap(Operation::Modify) => 0x67,
        Kind::Ldap(Operation::Add) => 0x69,
        Kind::Ldap(Operation::Delete) => 0x6b,
        Kind::Ldap(Operation::Rename) => 0x6d,
        Kind::Ldap(Operation::Compare) => 0x6f,
        Kind::Ldap(Operation::Extended | Operation::Silent) | Kind::Connection | Kind::Http(..) => 0x78,
    };
    // `resultCode`, `matchedDN` and `diagnosticMessage`; the last two are empty.
    ldap_message(asked.id, tag, &[0x0a, 1, code, 0x04, 0, 0x04, 0])
}

fn disconnection() -> Vec<u8> {
    let name = b"1.3.6.1.4.1.1466.20036";
    let mut content = vec![0x0a, 1, 52, 0x04, 0, 0x04, 0, 0x8a];
    content.push(u8::try_from(name.len()).expect("an OID of 22 letters"));
    content.extend(name);
    ldap_message(0, 0x78, &content)
}

/// A message whose content is short enough for a length of one byte.
fn ldap_message(id: u32, tag: u8, content: &[u8]) -> Vec<u8> {
    let short = |length: usize| u8::try_from(length).expect("made-up answers are short");
    let id = id.to_be_bytes();
    let mut inner = vec![0x02, short(id.len())];
    inner.extend(id);
    inner.extend([tag, short(content.len())]);
    inner.extend(content);
    let mut message = vec![0x30, short(inner.len())];
    message.extend(inner);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ldap_message_is_whole_with_its_last_byte_and_says_what_it_is() {
        let asked = Asked { kind: Kind::Ldap(Operation::Add), id: 77 };
        let message = ldap_result(&asked, 51);
        for short in 0..message.len() {
            assert_eq!(ldap_length(&message[..short]).expect("a length"), None);
        }
        assert_eq!(ldap_length(&message).expect("a length"), Some(message.len()));
        assert_eq!(ldap_head(&message).expect("a head"), (77, 0x69));
        assert!(ldap_length(b"GET / HTTP/1.1").is_err());
    }

    #[test]
    fn an_http_message_ends_with_its_length_its_last_chunk_or_the_line() {
        let post = b"POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET";
        let (length, asked) = http_request(post).expect("a request").expect("whole");
        assert_eq!(&post[length..], b"GET");
        assert_eq!(asked.kind, Kind::Http("POST".to_owned(), "/a?b=c".to_owned()));
        assert_eq!(http_request(&post[..length - 1]).expect("a request"), None);

        let get = Kind::Http("GET".to_owned(), "/".to_owned());
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nnext";
        assert_eq!(http_answer_length(chunked, &get, false).expect("an answer"), Some(chunked.len() - 4));
        let open = b"HTTP/1.1 200 OK\r\n\r\nabc";
        assert_eq!(http_answer_length(open, &get, false).expect("an answer"), None);
        assert_eq!(http_answer_length(open, &get, true).expect("an answer"), Some(open.len()));
        let none = b"HTTP/1.1 204 No Content\r\n\r\nnext";
        assert_eq!(http_answer_length(none, &get, false).expect("an answer"), Some(none.len() - 4));
    }
}
