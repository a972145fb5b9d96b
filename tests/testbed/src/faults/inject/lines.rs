//! Faults of the lines: cut, silent, corrupted, or with a made-up answer.

use std::time::Duration;

use anyhow::Result;
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::{Hand, STRIKES_WITHIN};
use crate::MailFault;
use crate::faults::Database;
use crate::faults::point::Fault;
use crate::proxy::{
    Answer, Direction, Fault as LineFault, Kind, Operation, Place, Plan, Proxy, Server, Which,
};
use crate::sandbox::product::REALM;
use crate::waiting::{comes_true, let_pass};

/// What is struck on the line to the directory, and with which weight.
const LDAP: &[(Which, u32)] = &[
    (Which::Ldap(Operation::Search), 5),
    (Which::Ldap(Operation::Add), 6),
    (Which::Ldap(Operation::Modify), 5),
    (Which::Ldap(Operation::Bind), 2),
    (Which::Ldap(Operation::Delete), 1),
    (Which::Any, 2),
];

/// The same for Keycloak.
const KEYCLOAK: &[(Which, u32)] = &[
    (Which::Http("GET", "/users?"), 6),
    (Which::Http("PUT", "execute-actions-email"), 5),
    (Which::Http("GET", "/groups"), 4),
    (Which::Http("GET", "/events"), 1),
    (Which::Http("POST", "/sync"), 1),
    (Which::Http("PUT", "/users/"), 2),
    (Which::Http("POST", "/token"), 1),
    (Which::Any, 2),
];

/// The lines, and how often each is broken. The proxy does not parse messages on the lines to Discord and PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Ldap,
    Keycloak,
    Smtp,
    Discord,
    Gateway,
    Postgres,
}

impl Line {
    const ALL: [(Self, u32); 6] = [
        (Self::Ldap, 10),
        (Self::Keycloak, 10),
        (Self::Smtp, 2),
        (Self::Discord, 6),
        (Self::Gateway, 2),
        (Self::Postgres, 10),
    ];

    /// Draws the line that a fault touches, if there are several.
    pub(super) fn drawn(random: &mut StdRng, database: Database, fault: Fault) -> Option<Self> {
        match fault {
            Fault::Cut | Fault::Stall | Fault::Corrupt => {}
            Fault::LdapCode | Fault::KillDirectory => return Some(Self::Ldap),
            Fault::HttpStatus | Fault::KillKeycloak => return Some(Self::Keycloak),
            Fault::Mail => return Some(Self::Smtp),
            // The simulator has one list for all these faults.
            Fault::Discord | Fault::Gateway | Fault::Refuse => return Some(Self::Discord),
            Fault::KillPostgres => return Some(Self::Postgres),
            Fault::Kill
            | Fault::Stop
            | Fault::Terminate
            | Fault::DiskFull
            | Fault::Locked
            | Fault::Clock
            | Fault::Profile => {
                return None;
            }
        }
        let is_possible = |line: Self| {
            (line != Self::Postgres || database == Database::Postgres)
                && (fault != Fault::Corrupt || may_be_corrupted(line))
        };
        let possible: Vec<(Self, u32)> =
            Self::ALL.into_iter().filter(|(line, _)| is_possible(*line)).collect();
        possible.choose_weighted(random, |(_, often)| *often).ok().map(|(line, _)| *line)
    }

    fn proxy<'a>(self, hand: &Hand<'a>) -> Option<&'a Proxy> {
        let (servers, env) = (&hand.stage.servers.lines, &hand.stage.env.lines);
        Some(match self {
            Self::Ldap => &servers.ldap,
            Self::Keycloak => &servers.keycloak,
            Self::Smtp => &servers.smtp,
            Self::Discord => &env.discord,
            Self::Gateway => &env.gateway,
            Self::Postgres => return servers.postgres.as_ref(),
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Ldap => "LDAP",
            Self::Keycloak => "Keycloak",
            Self::Smtp => "SMTP",
            Self::Discord => "Discord",
            Self::Gateway => "gateway",
            Self::Postgres => "PostgreSQL",
        }
    }

    fn which(self, hand: &mut Hand<'_>) -> Which {
        let table = match self {
            Self::Ldap => LDAP,
            Self::Keycloak => KEYCLOAK,
            // Each mail uses its own connection.
            Self::Smtp => return Which::Any,
            Self::Discord | Self::Gateway | Self::Postgres => return Which::NextBytes,
        };
        table.choose_weighted(&mut hand.random, |(_, often)| *often).map_or(Which::Any, |(which, _)| *which)
    }
}

/// Cuts a line, silences it, or corrupts its bytes.
pub(super) async fn break_line(hand: &mut Hand<'_>, fault: Fault, line: Line) -> Result<Vec<String>> {
    let Some(proxy) = line.proxy(hand) else { return Ok(Vec::new()) };
    if fault == Fault::Cut && hand.random.random_bool(0.1) {
        // Refuses connections for a moment, as if the server were down.
        let away = hand.span(10, 400);
        let steps = hand.steps().await;
        proxy.refuses().await?;
        let_pass(away).await;
        proxy.heals().await?;
        return Ok(steps);
    }
    let which = line.which(hand);
    let plan = if fault == Fault::Corrupt {
        corruption(hand, line, which)
    } else {
        let [one, other] = if fault == Fault::Stall {
            [LineFault::Stall, LineFault::HalfOpen]
        } else {
            [LineFault::Cut, LineFault::Reset]
        };
        let happens = if hand.random.random_bool(0.5) { one } else { other };
        Plan::once(which, direction(hand), place(hand), happens)
    };
    let lasts = if fault == Fault::Stall { hand.span(50, 900) } else { Duration::ZERO };
    let struck = is_struck(proxy, plan).await?;
    let_pass(if struck.is_empty() { Duration::ZERO } else { lasts }).await;
    proxy.heals().await?;
    Ok(struck.iter().map(|kind| step_of(line, kind)).collect())
}

/// Corruption could turn a value inside an unencrypted answer into another valid one, which nothing could detect; TLS exists to prevent
/// that. So the line to Discord, which uses TLS, is corrupted anywhere, and the plain lines only where the message becomes invalid.
fn may_be_corrupted(line: Line) -> bool {
    matches!(line, Line::Ldap | Line::Keycloak | Line::Discord)
}

fn corruption(hand: &mut Hand<'_>, line: Line, which: Which) -> Plan {
    if line == Line::Keycloak && hand.random.random_bool(0.4) {
        return Plan::answer(which, Answer::HttpPage, spared_or_not(hand));
    }
    let (direction, place) = if line == Line::Discord {
        (direction(hand), place(hand))
    } else if line == Line::Ldap {
        // The tag of the sequence.
        (Direction::ToClient, Place::Start)
    } else {
        // Within `HTTP/1.1`.
        (Direction::ToClient, Place::Byte(hand.random.random_range(0..8)))
    };
    Plan::once(which, direction, place, LineFault::Corrupt)
}

fn direction(hand: &mut Hand<'_>) -> Direction {
    if hand.random.random_bool(0.3) { Direction::ToServer } else { Direction::ToClient }
}

fn place(hand: &mut Hand<'_>) -> Place {
    match hand.random.random_range(0..4) {
        0 => Place::Start,
        1 => Place::End,
        _ => Place::Byte(hand.random.random_range(1..600)),
    }
}

fn spared_or_not(hand: &mut Hand<'_>) -> Server {
    if hand.random.random_bool(0.5) { Server::IsSpared } else { Server::Acts }
}

/// Plans a fault and waits until it has struck. If it does not strike in time, the plan is removed.
async fn is_struck(proxy: &Proxy, plan: Plan) -> Result<Vec<Kind>> {
    let before = proxy.hits().len();
    proxy.plans(plan);
    comes_true(STRIKES_WITHIN, async || Ok(proxy.hits().len() > before)).await?;
    let struck: Vec<Kind> = proxy.hits().split_off(before).into_iter().map(|hit| hit.kind).collect();
    if struck.is_empty() {
        // This also resumes a line that fell silent, but nothing struck here.
        proxy.heals().await?;
    }
    Ok(struck)
}

/// The bot's name of the step to which an exchange belongs.
fn step_of(line: Line, kind: &Kind) -> String {
    let step = match kind {
        Kind::Connection => return format!("{} bytes", line.name()),
        Kind::Ldap(Operation::Bind) => "bind",
        Kind::Ldap(Operation::Search) => "look",
        Kind::Ldap(Operation::Add) => "entry",
        Kind::Ldap(Operation::Modify) => "groups or lock",
        Kind::Ldap(Operation::Delete) => "remove",
        Kind::Ldap(_) => "LDAP, other",
        Kind::Http(method, path) => step_of_call(method, path),
    };
    step.to_owned()
}

fn step_of_call(method: &str, path: &str) -> &'static str {
    let below = path.split_once(REALM).map_or(path, |(_, below)| below);
    match method {
        "PUT" if below.contains("execute-actions-email") => "mail",
        "PUT" => "disable",
        "POST" if below.contains("/token") => "token",
        "POST" if below.contains("/logout") => "end_sessions",
        "POST" if below.contains("/sync") => "await_group_sync",
        "GET" if below.contains("/groups") => "await_group_sync",
        "GET" if below.contains("/events") => "activation",
        "GET" if below.contains("/users") => "await_import",
        _ => "Keycloak, other",
    }
}

/// Result codes that a directory may return. Whether it still performed the operation is drawn separately.
const CODES: &[u8] = &[51, 52, 53, 50, 19, 68, 80, 3];

pub(super) async fn answer_with_ldap_code(hand: &mut Hand<'_>) -> Result<Vec<String>> {
    let which = Line::Ldap.which(hand);
    let code = *CODES.choose(&mut hand.random).unwrap_or(&51);
    let answer =
        if hand.random.random_bool(0.15) { Answer::LdapDisconnection } else { Answer::LdapResult(code) };
    let plan = Plan::answer(which, answer, spared_or_not(hand));
    strike_with(hand, Line::Ldap, plan).await
}

pub(super) async fn answer_with_status(hand: &mut Hand<'_>) -> Result<Vec<String>> {
    let which = Line::Keycloak.which(hand);
    let answer = match hand.random.random_range(0..10) {
        0 => Answer::HttpTooMany(hand.random.random_range(1..5)),
        1 => Answer::HttpPage,
        _ => {
            let statuses = [401, 401, 403, 404, 409, 429, 500, 500, 502, 503];
            Answer::HttpStatus(*statuses.choose(&mut hand.random).unwrap_or(&500))
        }
    };
    // These statuses mean that nothing was done, and the bot refunds a mail's quota for them. No server performs the call and then answers
    // so.
    let says_undone = matches!(answer, Answer::HttpStatus(401 | 403 | 404));
    let effect = if says_undone { Server::IsSpared } else { spared_or_not(hand) };
    let plan = Plan::answer(which, answer, effect);
    strike_with(hand, Line::Keycloak, plan).await
}

async fn strike_with(hand: &mut Hand<'_>, line: Line, plan: Plan) -> Result<Vec<String>> {
    let Some(proxy) = line.proxy(hand) else { return Ok(Vec::new()) };
    let struck = is_struck(proxy, plan).await?;
    Ok(struck.iter().map(|kind| step_of(line, kind)).collect())
}

/// The mail server fails until a mail has been affected.
pub(super) async fn trouble_mail(hand: &mut Hand<'_>) -> Result<Vec<String>> {
    let faults = [
        MailFault::Refuse450,
        MailFault::Refuse550,
        MailFault::AcceptThenDrop,
        MailFault::RefuseConnections,
        MailFault::Delay(Duration::from_millis(1300)),
    ];
    let fault = *faults.choose(&mut hand.random).unwrap_or(&MailFault::Refuse450);
    let mail = &hand.stage.servers.real.mail;
    // Every sender of mail uses this line.
    let line = &hand.stage.servers.lines.smtp;
    let before = line.exchanges().len();
    mail.set_fault(fault).await?;
    let has_struck = comes_true(STRIKES_WITHIN, async || Ok(line.exchanges().len() != before)).await?;
    let lasts = hand.span(50, 300);
    let_pass(if has_struck { lasts } else { Duration::ZERO }).await;
    mail.set_fault(MailFault::None).await?;
    Ok(if has_struck { vec!["mail".to_owned()] } else { Vec::new() })
}
