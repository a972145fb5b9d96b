//! One connection through the proxy: two pumps, and the faults that strike in them.
//!
//! The pump to the server reads the requests and decides which of them are struck. It tells the pump to the
//! client by the queue of [`Owed`] answers. A line whose protocol is not parsed has one request and one answer
//! that never end.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use rand::Rng as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::Shared;
use super::framing::{self, Asked, Speech};
use super::plan::{Direction, Fault, Hit, Kind, Place, Plan, Server};

/// An answer that the server owes.
#[derive(Clone, Debug)]
struct Owed {
    exchange: usize,
    asked: Asked,
    /// The fault that strikes it once.
    plan: Option<Plan>,
    /// How many bytes of it have passed, if it consists of several messages.
    passed: usize,
}

/// Bytes of a request or an answer, and how many of its bytes passed before them.
#[derive(Clone, Copy)]
struct Part<'a> {
    passed: usize,
    bytes: &'a [u8],
}

/// How a line continues after a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NextAction {
    Passes,
    Ends,
}

struct Line<'a> {
    shared: &'a Shared,
    to_client: tokio::sync::Mutex<OwnedWriteHalf>,
    to_server: tokio::sync::Mutex<OwnedWriteHalf>,
    owed: Mutex<VecDeque<Owed>>,
    /// The server's side was closed on purpose, and the client is not told.
    is_half_open: AtomicBool,
}

/// Carries a connection until one side or a fault ends it.
pub(super) async fn carry(shared: &Arc<Shared>, client: TcpStream, server: TcpStream) -> Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let line = Line {
        shared,
        to_client: tokio::sync::Mutex::new(to_client),
        to_server: tokio::sync::Mutex::new(to_server),
        owed: Mutex::default(),
        is_half_open: AtomicBool::new(false),
    };
    if shared.speech == Speech::Bytes {
        // Must happen before either pump runs, because the server may send first.
        let (exchange, plan) = shared.begin(&Kind::Connection);
        let asked = Asked { kind: Kind::Connection, id: 0 };
        line.owed().push_back(Owed { exchange, asked, plan, passed: 0 });
    }
    tokio::select! {
        ended = line.pump_requests(from_client) => ended,
        ended = line.pump_answers(from_server) => ended,
    }
}

impl Line<'_> {
    fn owed(&self) -> std::sync::MutexGuard<'_, VecDeque<Owed>> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pump_requests(&self, mut from_client: OwnedReadHalf) -> Result<()> {
        if self.shared.speech == Speech::Bytes {
            return self.pump_bytes(from_client, Direction::ToServer).await;
        }
        let mut bytes = Vec::new();
        loop {
            while let Some((length, asked)) = self.first_request(&bytes)? {
                let request: Vec<u8> = bytes.drain(..length).collect();
                if self.pass_request(request, asked).await? == NextAction::Ends {
                    return Ok(());
                }
            }
            if from_client.read_buf(&mut bytes).await? == 0 {
                // The client sends no more, but still receives the answers that it is owed.
                self.to_server.lock().await.shutdown().await?;
                return std::future::pending().await;
            }
        }
    }

    fn first_request(&self, bytes: &[u8]) -> Result<Option<(usize, Asked)>> {
        if self.shared.speech == Speech::Http {
            return framing::http_request(bytes);
        }
        let Some(length) = framing::ldap_length(bytes)? else { return Ok(None) };
        Ok(Some((length, framing::ldap_asked(&bytes[..length])?)))
    }

    async fn pass_request(&self, request: Vec<u8>, asked: Asked) -> Result<NextAction> {
        let (exchange, plan) = self.shared.begin(&asked.kind);
        self.shared.count(exchange, Direction::ToServer, request.len());
        let is_for_request = plan.as_ref().is_some_and(|plan| {
            plan.direction == Direction::ToServer && !matches!(plan.fault, Fault::Instead(..))
        });
        if let Some(Plan { fault: Fault::Instead(answer, Server::IsSpared), .. }) = &plan {
            let (bytes, is_last) = framing::made_up(answer, &asked);
            self.note(&asked.kind, plan.as_ref().context("it is there")?, 0);
            self.to_client.lock().await.write_all(&bytes).await?;
            return Ok(if is_last { NextAction::Ends } else { NextAction::Passes });
        }
        let kind = asked.kind.clone();
        let (now, later) = if is_for_request { (plan, None) } else { (None, plan) };
        self.owed().push_back(Owed { exchange, asked, plan: later, passed: 0 });
        match now {
            None => {
                self.to_server.lock().await.write_all(&request).await?;
                Ok(NextAction::Passes)
            }
            Some(plan) => {
                let part = Part { passed: 0, bytes: &request };
                self.strike(&kind, &plan, part, &self.to_server).await
            }
        }
    }

    async fn pump_answers(&self, mut from_server: OwnedReadHalf) -> Result<()> {
        if self.shared.speech == Speech::Bytes {
            return self.pump_bytes(from_server, Direction::ToClient).await;
        }
        let mut bytes = Vec::new();
        let mut is_ended = false;
        loop {
            while let Some((length, owed)) = self.first_answer(&bytes, is_ended)? {
                let answer: Vec<u8> = bytes.drain(..length).collect();
                if self.pass_answer(&answer, owed).await? == NextAction::Ends {
                    return Ok(());
                }
            }
            if is_ended {
                // The remaining bytes are no complete message. They are passed to the client unchanged.
                self.to_client.lock().await.write_all(&bytes).await?;
                return Ok(());
            }
            is_ended = from_server.read_buf(&mut bytes).await? == 0;
            if is_ended && self.is_half_open.load(Ordering::Relaxed) {
                return std::future::pending().await;
            }
        }
    }

    /// The first answer in `bytes` and the request that it answers; `None` for a message that was not requested.
    fn first_answer(&self, bytes: &[u8], is_ended: bool) -> Result<Option<(usize, Option<Owed>)>> {
        let mut owed = self.owed();
        if self.shared.speech == Speech::Http {
            if bytes.is_empty() {
                return Ok(None);
            }
            let Some(first) = owed.front() else { return Ok(Some((bytes.len(), None))) };
            let Some(length) = framing::http_answer_length(bytes, &first.asked.kind, is_ended)? else {
                return Ok(None);
            };
            return Ok(Some((length, owed.pop_front())));
        }
        let Some(length) = framing::ldap_length(bytes)? else { return Ok(None) };
        let (id, tag) = framing::ldap_head(&bytes[..length])?;
        let Some(at) = owed.iter().position(|owed| owed.asked.id == id) else {
            return Ok(Some((length, None)));
        };
        if !framing::ldap_is_partial(tag) {
            return Ok(Some((length, owed.remove(at))));
        }
        // If the answer has several messages, the plan strikes in the message that contains its place; the others pass.
        let strikes_later = owed[at].plan.as_ref().is_some_and(|plan| match (&plan.fault, plan.place) {
            (Fault::Instead(..), _) | (_, Place::Start) => false,
            (_, Place::Byte(offset)) => offset >= owed[at].passed + length,
            (_, Place::End) => true,
        });
        let message = Owed { plan: None, ..owed[at].clone() };
        let plan = if strikes_later { None } else { owed[at].plan.take() };
        owed[at].passed += length;
        Ok(Some((length, Some(Owed { plan, ..message }))))
    }

    async fn pass_answer(&self, answer: &[u8], owed: Option<Owed>) -> Result<NextAction> {
        if let Some(owed) = &owed {
            self.shared.count(owed.exchange, Direction::ToClient, answer.len());
        }
        let Some((asked, plan, passed)) = owed.and_then(|owed| Some((owed.asked, owed.plan?, owed.passed)))
        else {
            self.to_client.lock().await.write_all(answer).await?;
            return Ok(NextAction::Passes);
        };
        if let Fault::Instead(answer, _) = &plan.fault {
            let (bytes, is_last) = framing::made_up(answer, &asked);
            self.note(&asked.kind, &plan, 0);
            self.to_client.lock().await.write_all(&bytes).await?;
            return Ok(if is_last { NextAction::Ends } else { NextAction::Passes });
        }
        self.strike(&asked.kind, &plan, Part { passed, bytes: answer }, &self.to_client).await
    }

    /// Passes bytes without message boundaries. The place of a fault counts from the beginning of the connection.
    async fn pump_bytes(&self, mut from: OwnedReadHalf, direction: Direction) -> Result<()> {
        let to = if direction == Direction::ToServer { &self.to_server } else { &self.to_client };
        let (exchange, mut plan) = self.part_of_connection(direction)?;
        let (mut passed, mut chunk) = (0, Vec::new());
        loop {
            chunk.clear();
            if from.read_buf(&mut chunk).await? == 0 {
                if self.is_half_open.load(Ordering::Relaxed) {
                    return std::future::pending().await;
                }
                to.lock().await.shutdown().await?;
                return if direction == Direction::ToServer { std::future::pending().await } else { Ok(()) };
            }
            self.shared.count(exchange, direction, chunk.len());
            if plan.is_none() {
                plan = self.shared.begin_bytes(direction).map(|sudden| {
                    let offset = passed + sudden.place.offset_in(chunk.len());
                    Plan { place: Place::Byte(offset), ..sudden }
                });
            }
            let strikes =
                plan.as_ref().is_some_and(|plan| plan.place.offset_in(usize::MAX) <= passed + chunk.len());
            match plan.take_if(|_| strikes) {
                None => to.lock().await.write_all(&chunk).await?,
                Some(plan) => {
                    let part = Part { passed, bytes: &chunk };
                    if self.strike(&Kind::Connection, &plan, part, to).await? == NextAction::Ends {
                        return Ok(());
                    }
                }
            }
            passed += chunk.len();
        }
    }

    /// The exchange that a connection of bytes counts as, and its fault if it strikes in this direction.
    fn part_of_connection(&self, direction: Direction) -> Result<(usize, Option<Plan>)> {
        let mut owed = self.owed();
        let connection = owed.front_mut().context("it was begun with the line")?;
        let plan = connection.plan.take_if(|plan| plan.direction == direction);
        Ok((connection.exchange, plan))
    }

    fn note(&self, kind: &Kind, plan: &Plan, offset: usize) {
        let hit = Hit { kind: kind.clone(), direction: plan.direction, offset, fault: plan.fault.clone() };
        self.shared.note(hit);
    }

    /// Writes the bytes before the place of the fault, applies the fault, and writes the rest if there is any.
    async fn strike(
        &self,
        kind: &Kind,
        plan: &Plan,
        part: Part<'_>,
        to: &tokio::sync::Mutex<OwnedWriteHalf>,
    ) -> Result<NextAction> {
        let offset = plan.place.offset_in(part.passed + part.bytes.len());
        let (before, rest) = part.bytes.split_at(offset.saturating_sub(part.passed));
        let mut to = to.lock().await;
        // The hit is recorded first, because the recipient of these bytes may read the record at once.
        self.note(kind, plan, offset);
        to.write_all(before).await?;
        match &plan.fault {
            // Both halves are dropped when this line's future ends, which closes them in order.
            Fault::Cut => return Ok(NextAction::Ends),
            Fault::Reset => {
                drop(to);
                for half in [&self.to_client, &self.to_server] {
                    half.lock().await.as_ref().set_zero_linger().context("reset a line")?;
                }
                return Ok(NextAction::Ends);
            }
            Fault::Stall => {
                self.shared.healed().await;
                to.write_all(rest).await?;
            }
            Fault::HalfOpen => {
                drop(to);
                self.is_half_open.store(true, Ordering::Relaxed);
                self.to_server.lock().await.shutdown().await?;
                self.shared.healed().await;
                return Ok(NextAction::Ends);
            }
            Fault::Latency(pause) => {
                crate::waiting::let_pass(*pause).await;
                to.write_all(rest).await?;
            }
            Fault::Drip(pause) => {
                for byte in rest {
                    crate::waiting::let_pass(*pause).await;
                    to.write_all(&[*byte]).await?;
                }
            }
            Fault::Corrupt => to.write_all(&self.corrupt(rest)).await?,
            // This fault replaces a whole answer and never strikes inside one.
            Fault::Instead(..) => to.write_all(rest).await?,
        }
        Ok(NextAction::Passes)
    }

    /// Replaces the first byte with another value.
    fn corrupt(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        if let Some(first) = bytes.first_mut() {
            *first ^= self.shared.state().random.random_range(1..=u8::MAX);
        }
        bytes
    }
}
