//! What goes wrong, where: the words in which a test or a campaign tells the proxy its faults.

use std::time::Duration;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The request.
    ToServer,
    /// The answer.
    ToClient,
}

/// What an LDAP request asks for (RFC 4511 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `BindRequest`.
    Bind,
    /// `SearchRequest`.
    Search,
    /// `ModifyRequest`.
    Modify,
    /// `AddRequest`.
    Add,
    /// `DelRequest`.
    Delete,
    /// `ModifyDNRequest`.
    Rename,
    /// `CompareRequest`.
    Compare,
    /// `ExtendedRequest`: `StartTLS`, "Who am I?".
    Extended,
    /// Unbind, abandon, and whatever has no answer.
    Silent,
}

/// One request with its answer. On a line whose language the proxy does not read, all bytes of a connection are one exchange.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A whole connection.
    Connection,
    /// An LDAP operation.
    Ldap(Operation),
    /// An HTTP call: method, and path with query.
    Http(String, String),
}

/// Which exchanges a plan strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Whatever comes next.
    Any,
    /// An LDAP operation.
    Ldap(Operation),
    /// An HTTP call of this method whose path and query contain the text.
    Http(&'static str, &'static str),
    /// The bytes that come next on a line without messages, however old its connection is; the place counts from their beginning.
    NextBytes,
}

impl Which {
    pub(super) fn is_met_by(&self, kind: &Kind) -> bool {
        match (self, kind) {
            (Self::Any, _) => true,
            (Self::Ldap(wanted), Kind::Ldap(operation)) => wanted == operation,
            (Self::Http(wanted, part), Kind::Http(method, path)) => wanted == method && path.contains(*part),
            (Self::Ldap(_) | Self::Http(..) | Self::NextBytes, _) => false,
        }
    }
}

/// Where in the request or in the answer a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before its first byte.
    Start,
    /// After this many bytes of it; behind its end where it is shorter.
    Byte(usize),
    /// Behind its last byte, of its last message where an answer has several. For a request: it was sent, and the answer is lost.
    End,
}

impl Place {
    pub(super) fn offset_in(self, length: usize) -> usize {
        match self {
            Self::Start => 0,
            Self::Byte(offset) => offset.min(length),
            Self::End => length,
        }
    }
}

/// Whether the server hears of a call whose answer is made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// It does not: nothing happens there.
    IsSpared,
    /// It does, and what it answers is thrown away.
    Acts,
}

/// A made-up answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The LDAP result that belongs to the operation, with this code and no text.
    LdapResult(u8),
    /// The notice of disconnection (RFC 4511 section 4.4.1) with `unavailable`, and the end of the line.
    LdapDisconnection,
    /// An HTTP status with a small body of JSON.
    HttpStatus(u16),
    /// Status 200 with this document of JSON.
    HttpDocument(&'static str),
    /// Status 200 with a page for people where a program expects JSON.
    HttpPage,
    /// Status 429 with this `Retry-After` in seconds.
    HttpTooMany(u32),
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Both lines are closed in order.
    Cut,
    /// Both lines are reset.
    Reset,
    /// Nothing more comes on this way until [`super::Proxy::heals`].
    Stall,
    /// The server's line is closed; the client's stays open, and nothing comes.
    HalfOpen,
    /// The rest comes this much later.
    Latency(Duration),
    /// The rest comes byte by byte with this pause before each.
    Drip(Duration),
    /// The byte at the place is another one, by the proxy's seed.
    Corrupt,
    /// The client reads this instead of the server's answer. The plan's direction and place do not matter.
    Instead(Answer, Server),
}

/// One planned fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Which exchange.
    pub which: Which,
    /// How many of those pass first.
    pub after: u32,
    /// How many it strikes then.
    pub times: u32,
    /// In the request or in the answer.
    pub direction: Direction,
    /// Where in it.
    pub place: Place,
    /// What happens.
    pub fault: Fault,
}

impl Plan {
    /// Strikes the next such exchange, once.
    pub const fn once(which: Which, direction: Direction, place: Place, fault: Fault) -> Self {
        Self { which, after: 0, times: 1, direction, place, fault }
    }

    /// The next such exchange reads a made-up answer.
    pub const fn answer(which: Which, answer: Answer, server: Server) -> Self {
        Self::once(which, Direction::ToClient, Place::Start, Fault::Instead(answer, server))
    }
}

/// A fault that struck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// In which exchange.
    pub kind: Kind,
    /// In the request or in the answer.
    pub direction: Direction,
    /// After how many bytes of it.
    pub offset: usize,
    /// What happened.
    pub fault: Fault,
}

/// An exchange that passed or was struck, in the order of the requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// What it was.
    pub kind: Kind,
    /// The length of the request.
    pub request_bytes: usize,
    /// The length of the answer as the server gave it; 0 while there is none.
    pub answer_bytes: usize,
}
