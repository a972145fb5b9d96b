//! The mail catcher: it accepts every mail that Keycloak sends, delivers none, and shows them to tests and people.
//!
//! `smtp.rs` receives mails from Keycloak, `inbox.rs` serves browsers and scripts, `message.rs` defines a caught mail. All run on a
//! separate thread, because the servers outlive the runtime of the test that made them.

mod inbox;
mod message;
mod smtp;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

pub use message::CaughtMail;

use crate::ports::Port;

/// The fault of the catcher, until another one is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailFault {
    /// No fault.
    #[default]
    None,
    /// "Try again later" to every recipient.
    Refuse450,
    /// "No such mailbox" to every recipient.
    Refuse550,
    /// The mail is accepted and kept, but the answer comes after this delay (milliseconds in JSON). The sender may have given up by then.
    #[serde(with = "as_milliseconds")]
    Delay(Duration),
    /// The mail is accepted and kept, and the connection is lost before the answer.
    AcceptThenDrop,
    /// Nothing listens.
    RefuseConnections,
}

mod as_milliseconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(delay: &Duration, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_u64(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
        u64::deserialize(input).map(Duration::from_millis)
    }
}

/// The preferred ports of the catcher; others if those are taken.
#[derive(Clone, Copy, Debug, Default)]
pub struct MailOptions {
    /// SMTP.
    pub wished_smtp_port: Option<u16>,
    /// The web inbox and the JSON API.
    pub wished_inbox_port: Option<u16>,
}

/// A running mail catcher. Dropping it stops it.
#[derive(Debug)]
pub struct Mail {
    /// Where it accepts mails.
    pub smtp_addr: SocketAddr,
    /// The web inbox, with `/api/messages` below it.
    pub inbox_url: String,
    post_office: Arc<PostOffice>,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
    _ports: [Port; 2],
}

impl Mail {
    /// Starts a catcher on free ports.
    pub async fn start() -> Result<Self> {
        Self::start_with(MailOptions::default()).await
    }

    /// Starts a catcher.
    pub async fn start_with(options: MailOptions) -> Result<Self> {
        let ports = [
            Port::free_preferring(options.wished_smtp_port)?,
            Port::free_preferring(options.wished_inbox_port)?,
        ];
        let (smtp_addr, inbox_addr) = (ports[0].address(), ports[1].address());
        let post_office = Arc::new(PostOffice::default());
        let stop = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (office, end) = (Arc::clone(&post_office), stop.clone());
        let (ready, started) = tokio::sync::oneshot::channel();
        let thread =
            std::thread::spawn(move || runtime.block_on(serve(office, smtp_addr, inbox_addr, end, ready)));
        started.await.context("the mail catcher ended at once")??;
        let inbox_url = format!("http://{inbox_addr}");
        Ok(Self { smtp_addr, inbox_url, post_office, stop, thread: Some(thread), _ports: ports })
    }

    /// All mails since the last [`Mail::clear`], oldest first.
    pub fn messages(&self) -> Vec<CaughtMail> {
        self.post_office.messages()
    }

    /// The first mail to this address (ignoring letter case), already present or arriving within `limit`.
    pub async fn wait_for_mail_to(&self, address: &str, limit: Duration) -> Result<CaughtMail> {
        match self.post_office.wait_for(address, 0, limit).await {
            Some(mail) => Ok(mail),
            None => bail!("no mail to the expected address within {limit:?}"),
        }
    }

    /// The first mail to this address that came after the mail with id `after`.
    pub async fn wait_for_mail_after(
        &self,
        address: &str,
        after: u64,
        limit: Duration,
    ) -> Result<CaughtMail> {
        match self.post_office.wait_for(address, after, limit).await {
            Some(mail) => Ok(mail),
            None => bail!("no further mail to the expected address within {limit:?}"),
        }
    }

    /// Sets the fault from now on. It is in effect when this returns.
    pub async fn set_fault(&self, fault: MailFault) -> Result<()> {
        self.post_office.set_fault(fault).await
    }

    /// Deletes all mails.
    pub fn clear(&self) {
        self.post_office.clear();
    }
}

impl Drop for Mail {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(
    office: Arc<PostOffice>,
    smtp: SocketAddr,
    inbox: SocketAddr,
    stop: CancellationToken,
    ready: tokio::sync::oneshot::Sender<Result<()>>,
) {
    let listeners =
        async { Ok::<_, std::io::Error>((TcpListener::bind(smtp).await?, TcpListener::bind(inbox).await?)) };
    match listeners.await.context("listen for mails") {
        Err(error) => drop(ready.send(Err(error))),
        Ok((smtp_listener, inbox_listener)) => {
            let _ = ready.send(Ok(()));
            tokio::select! {
                () = smtp::serve(smtp_listener, smtp, &office) => {}
                () = inbox::serve(inbox_listener, Arc::clone(&office)) => {}
                () = stop.cancelled() => {}
            }
        }
    }
}

/// What the SMTP side and the inbox share.
#[derive(Debug)]
struct PostOffice {
    mails: Mutex<Vec<CaughtMail>>,
    /// The id of the newest mail. Waiting requests check again when it changes.
    newest: watch::Sender<u64>,
    fault: watch::Sender<MailFault>,
    /// Whether the catcher is listening for mails.
    listening: watch::Sender<bool>,
}

impl Default for PostOffice {
    fn default() -> Self {
        Self {
            mails: Mutex::default(),
            newest: watch::Sender::new(0),
            fault: watch::Sender::new(MailFault::None),
            listening: watch::Sender::new(true),
        }
    }
}

impl PostOffice {
    fn lock(&self) -> MutexGuard<'_, Vec<CaughtMail>> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn messages(&self) -> Vec<CaughtMail> {
        self.lock().clone()
    }

    fn clear(&self) {
        self.lock().clear();
    }

    fn fault(&self) -> MailFault {
        *self.fault.borrow()
    }

    fn keep(&self, from: &str, to: Vec<String>, raw: &[u8]) {
        let mut mails = self.lock();
        // Ids continue after `clear`, so that "newer than" keeps its meaning.
        let id = *self.newest.borrow() + 1;
        mails.push(message::read_mail(id, from, to, raw));
        drop(mails);
        self.newest.send_replace(id);
    }

    async fn set_fault(&self, fault: MailFault) -> Result<()> {
        let mut listening = self.listening.subscribe();
        self.fault.send_replace(fault);
        let wanted = fault != MailFault::RefuseConnections;
        let in_force = tokio::time::timeout(Duration::from_secs(5), listening.wait_for(|now| *now == wanted));
        in_force
            .await
            .context("the mail catcher did not take the fault over")?
            .context("the mail catcher is gone")?;
        Ok(())
    }

    async fn wait_for(&self, address: &str, after: u64, limit: Duration) -> Option<CaughtMail> {
        let deadline = Instant::now() + limit;
        let mut newest = self.newest.subscribe();
        loop {
            newest.borrow_and_update();
            let found = self.lock().iter().find(|mail| mail.id > after && mail.is_to(address)).cloned();
            if found.is_some() {
                return found;
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            tokio::time::timeout(left, newest.changed()).await.ok()?.ok()?;
        }
    }
}
