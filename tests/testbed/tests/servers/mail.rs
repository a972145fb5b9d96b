//! The mail catcher, addressed as a mail server.

use std::time::Duration;

use testbed::{CaughtMail, Mail, MailFault};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

const LETTER: &str = "From: Accounts <accounts@example.org>\r\nTo: ada@example.org\r\n\
    Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?=\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/alternative; boundary=b\r\n\r\n\
    --b\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\nFollow https://example.org/text\r\n..dotted\r\n\
    --b\r\nContent-Type: text/html; charset=UTF-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
    <p><a href=3D\"https://example.org/link?a=3D1&amp;b=3D2\">Follow</a> <a href=3D\"mailto:x@y\">mail</a></p>\r\n--b--\r\n";

/// Sends one mail and returns the last answer of the server, or the error that occurred.
async fn send(mail: &Mail, to: &str) -> std::io::Result<String> {
    let (reader, mut writer) = TcpStream::connect(mail.smtp_addr).await?.into_split();
    let mut answers = BufReader::new(reader).lines();
    let mut last = next_answer(&mut answers).await?;
    let recipient = format!("RCPT TO:<{to}>");
    for line in ["EHLO test", "MAIL FROM:<accounts@example.org>", &recipient, "DATA"] {
        writer.write_all(format!("{line}\r\n").as_bytes()).await?;
        last = next_answer(&mut answers).await?;
        if !last.starts_with(['2', '3']) {
            return Ok(last);
        }
    }
    assert!(last.starts_with("354"), "{last}");
    writer.write_all(format!("{LETTER}.\r\n").as_bytes()).await?;
    next_answer(&mut answers).await
}

/// Returns the last line of an answer: the one whose code is followed by a blank.
async fn next_answer(
    answers: &mut tokio::io::Lines<BufReader<tokio::net::tcp::OwnedReadHalf>>,
) -> std::io::Result<String> {
    loop {
        let line = answers.next_line().await?.ok_or(std::io::ErrorKind::UnexpectedEof)?;
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(line);
        }
    }
}

#[tokio::test]
async fn a_caught_mail_is_read_as_a_person_would_read_it() {
    let mail = Mail::start().await.expect("a catcher");
    assert!(send(&mail, "ada@example.org").await.expect("sent").starts_with("250"));
    let caught = mail.wait_for_mail_to("Ada@Example.org", Duration::from_secs(5)).await.expect("caught");
    assert_eq!(caught.from, "accounts@example.org");
    assert_eq!(caught.to, ["ada@example.org"]);
    assert_eq!(caught.subject, "Grüße");
    assert!(caught.text.contains("\n.dotted"), "{:?}", caught.text);
    assert_eq!(caught.links, ["https://example.org/link?a=1&b=2"]);
    assert!(mail.wait_for_mail_to("bob@example.org", Duration::from_millis(50)).await.is_err());
    mail.clear();
    assert!(mail.messages().is_empty());
}

#[tokio::test]
async fn every_fault_shows_its_own_face_and_ends_when_it_is_lifted() {
    let mail = Mail::start().await.expect("a catcher");
    let to = "ada@example.org";
    mail.set_fault(MailFault::Refuse450).await.expect("set");
    assert!(send(&mail, to).await.expect("an answer").starts_with("450"));
    mail.set_fault(MailFault::Refuse550).await.expect("set");
    assert!(send(&mail, to).await.expect("an answer").starts_with("550"));
    assert!(mail.messages().is_empty(), "a refused mail is not kept");

    mail.set_fault(MailFault::AcceptThenDrop).await.expect("set");
    assert!(send(&mail, to).await.is_err(), "the answer never comes");
    assert_eq!(mail.messages().len(), 1, "though the mail arrived");

    mail.set_fault(MailFault::Delay(Duration::from_secs(30))).await.expect("set");
    let catching =
        testbed::wait_until("the mail", Duration::from_secs(25), async || Ok(mail.messages().len() == 2));
    tokio::select! {
        answer = send(&mail, to) => panic!("the answer comes late: {answer:?}"),
        caught = catching => caught.expect("the mail arrives all the same"),
    }

    mail.set_fault(MailFault::RefuseConnections).await.expect("set");
    assert!(TcpStream::connect(mail.smtp_addr).await.is_err());
    mail.set_fault(MailFault::None).await.expect("set");
    assert!(send(&mail, to).await.expect("an answer").starts_with("250"));
    assert_eq!(mail.messages().len(), 3);
}

#[tokio::test]
async fn the_inbox_lists_shows_waits_breaks_and_forgets() {
    let mail = Mail::start().await.expect("a catcher");
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let api = format!("{}/api", mail.inbox_url);
    let waiting = http.get(format!("{api}/messages?to=ada@example.org&wait_ms=20000")).send();
    let sending = async { send(&mail, "ada@example.org").await.expect("sent") };
    let (answer, _) = tokio::join!(waiting, sending);
    let found: Vec<CaughtMail> = answer.expect("an answer").json().await.expect("mails");
    assert_eq!(found.len(), 1);

    let one = http.get(format!("{api}/messages/{}", found[0].id)).send().await.expect("an answer");
    assert_eq!(one.json::<CaughtMail>().await.expect("a mail"), found[0]);
    assert_eq!(http.get(format!("{api}/messages/999")).send().await.expect("an answer").status(), 404);

    for fault in [serde_json::json!("refuse550"), serde_json::json!({"delay": 10}), serde_json::json!("none")]
    {
        let order = serde_json::json!({ "fault": fault });
        let answer = http.post(format!("{api}/faults")).json(&order).send().await.expect("an answer");
        assert_eq!(answer.status(), 204, "{order}");
    }
    assert_eq!(http.delete(format!("{api}/messages")).send().await.expect("an answer").status(), 204);
    assert!(mail.messages().is_empty());

    let page = http.get(&mail.inbox_url).send().await.expect("the page");
    let policy = page.headers()["content-security-policy"].to_str().expect("text").to_owned();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let html = page.text().await.expect("text");
    assert!(
        html.contains("<title>Inbox</title>") && !html.contains("https://"),
        "the page loads nothing from other addresses"
    );
}
