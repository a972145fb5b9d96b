//! The part of SMTP (RFC 5321) that a sender needs, with limits and with the faults of [`MailFault`].

use std::net::SocketAddr;

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
};

use super::{MailFault, PostOffice};

const LONGEST_LINE: u64 = 8 * 1024;
const LONGEST_MAIL: usize = 2 * 1024 * 1024;
const MOST_RECIPIENTS: usize = 100;
const WHAT_WE_CAN: &str = "250-localhost\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 2097152";

/// Accepts mails until the future is dropped. While connections are refused, nothing listens.
pub(super) async fn serve(first: TcpListener, address: SocketAddr, office: &std::sync::Arc<PostOffice>) {
    let mut faults = office.fault.subscribe();
    let mut sessions = JoinSet::new();
    let mut listener = Some(first);
    loop {
        let refuses = *faults.borrow_and_update() == MailFault::RefuseConnections;
        if refuses {
            listener = None;
            sessions.abort_all();
        } else if listener.is_none() {
            listener = TcpListener::bind(address).await.ok();
        }
        office.listening.send_replace(listener.is_some());
        tokio::select! {
            changed = faults.changed() => if changed.is_err() { return },
            Some(_) = sessions.join_next() => {}
            Some(stream) = accept(listener.as_ref()) => {
                let office = std::sync::Arc::clone(office);
                sessions.spawn(async move {
                    // A sender that disconnects in the middle is not an error here.
                    let _ = Session::new(stream).run(&office).await;
                });
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> Option<TcpStream> {
    listener?.accept().await.ok().map(|(stream, _)| stream)
}

struct Session {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    from: Option<String>,
    to: Vec<String>,
}

/// What happens after an answer.
enum Next {
    Continue,
    HangUp,
}

impl Session {
    fn new(stream: TcpStream) -> Self {
        let (reader, writer) = stream.into_split();
        Self { reader: BufReader::new(reader), writer, from: None, to: Vec::new() }
    }

    async fn run(mut self, office: &PostOffice) -> std::io::Result<()> {
        self.say("220 localhost mail catcher").await?;
        while let Some(line) = self.read_line().await? {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            match self.obey(&line, office).await? {
                Next::Continue => {}
                Next::HangUp => break,
            }
        }
        Ok(())
    }

    async fn obey(&mut self, line: &str, office: &PostOffice) -> std::io::Result<Next> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => self.say(WHAT_WE_CAN).await?,
            "HELO" => self.say("250 localhost").await?,
            "MAIL" => {
                self.forget_mail();
                self.from = Some(address_in(rest));
                self.say("250 ok").await?;
            }
            "RCPT" => self.add_recipient(rest, office).await?,
            "DATA" => return self.take_mail(office).await,
            "RSET" => {
                self.forget_mail();
                self.say("250 ok").await?;
            }
            "NOOP" => self.say("250 ok").await?,
            "QUIT" => {
                self.say("221 bye").await?;
                return Ok(Next::HangUp);
            }
            _ => self.say("502 not known here").await?,
        }
        Ok(Next::Continue)
    }

    async fn add_recipient(&mut self, rest: &str, office: &PostOffice) -> std::io::Result<()> {
        match office.fault() {
            MailFault::Refuse450 => return self.say("450 4.2.0 try again later").await,
            MailFault::Refuse550 => return self.say("550 5.1.1 no such mailbox").await,
            MailFault::None
            | MailFault::Delay(_)
            | MailFault::AcceptThenDrop
            | MailFault::RefuseConnections => {}
        }
        if self.from.is_none() {
            self.say("503 MAIL first").await
        } else if self.to.len() >= MOST_RECIPIENTS {
            self.say("452 too many recipients").await
        } else {
            self.to.push(address_in(rest));
            self.say("250 ok").await
        }
    }

    async fn take_mail(&mut self, office: &PostOffice) -> std::io::Result<Next> {
        let (Some(from), false) = (self.from.clone(), self.to.is_empty()) else {
            self.say("503 MAIL and RCPT first").await?;
            return Ok(Next::Continue);
        };
        self.say("354 end with a dot on a line of its own").await?;
        let Some(mail) = self.read_mail().await? else {
            self.say("552 the mail is too long").await?;
            return Ok(Next::HangUp);
        };
        office.keep(&from, std::mem::take(&mut self.to), &mail);
        self.forget_mail();
        match office.fault() {
            MailFault::AcceptThenDrop => return Ok(Next::HangUp),
            MailFault::Delay(delay) => crate::waiting::let_pass(delay).await,
            MailFault::None | MailFault::Refuse450 | MailFault::Refuse550 | MailFault::RefuseConnections => {}
        }
        self.say("250 kept").await?;
        Ok(Next::Continue)
    }

    /// The mail up to the lone dot, with dots unstuffed (RFC 5321 section 4.5.2); `None` if it is too long or incomplete.
    async fn read_mail(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let mut mail = Vec::new();
        while let Some(line) = self.read_line().await? {
            match line.as_slice() {
                b".\r\n" | b".\n" => return Ok(Some(mail)),
                [b'.', rest @ ..] => mail.extend_from_slice(rest),
                whole => mail.extend_from_slice(whole),
            }
            if mail.len() > LONGEST_MAIL {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// One line with its line end; `None` at the end of the connection or for an endless line.
    async fn read_line(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        (&mut self.reader).take(LONGEST_LINE).read_until(b'\n', &mut line).await?;
        Ok(line.ends_with(b"\n").then_some(line))
    }

    async fn say(&mut self, answer: &str) -> std::io::Result<()> {
        self.writer.write_all(format!("{answer}\r\n").as_bytes()).await
    }

    fn forget_mail(&mut self) {
        self.from = None;
        self.to.clear();
    }
}

/// Extracts `a@b` from `TO:<a@b> SIZE=1`.
fn address_in(rest: &str) -> String {
    let start = rest.find('<').map_or(0, |at| at + 1);
    let end = rest.find('>').unwrap_or(rest.len());
    rest.get(start..end).unwrap_or_default().to_owned()
}
