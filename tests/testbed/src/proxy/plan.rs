//! What goes wrong and where: the types with which a test or a campaign defines faults for the proxy.

use std::time::Duration;

/// The direction of bytes.
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
    /// Unbind, abandon, and every other request without an answer.
    Silent,
}

/// One request with its answer. On a line whose protocol the proxy does not parse, all bytes of a connection are one exchange.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A whole connection.
    Connection,
    /// An LDAP operation.
    Ldap(Operation),
    /// An HTTP call: method, and path with query.
    Http(String, String),
}

/// The exchanges that a plan strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Any exchange.
    Any,
    /// An LDAP operation.
    Ldap(Operation),
    /// An HTTP call of this method whose path and query contain the text.
    Http(&'static str, &'static str),
    /// The next bytes on a line without messages, however old its connection is. The place counts from the first of these bytes.
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

/// The place in the request or in the answer where a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before its first byte.
    Start,
    /// After this many bytes of it; after its end if it is shorter.
    Byte(usize),
    /// After its last byte, or that of its last message if an answer has several. For a request: it was sent, and the answer is lost.
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

/// Whether the server receives a call whose answer is made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// It does not, so nothing happens there.
    IsSpared,
    /// It does, and its answer is discarded.
    Acts,
}

/// A made-up answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The LDAP result that belongs to the operation, with this code and no text.
    LdapResult(u8),
    /// The notice of disconnection (RFC 4511 section 4.4.1) with `unavailable`; then the line ends.
    LdapDisconnection,
    /// An HTTP status with a small JSON body, as Keycloak answers.
    HttpStatus(u16),
    /// An HTTP status with an HTML page, as a web server in front of Keycloak answers.
    HttpPageStatus(u16),
    /// Status 200 with this JSON document.
    HttpDocument(&'static str),
    /// Status 200 with an HTML page where a program expects JSON.
    HttpPage,
    /// Status 429 with this `Retry-After` in seconds.
    HttpTooMany(u32),
}

/// The kind of fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Both sides are closed in order.
    Cut,
    /// Both sides are reset.
    Reset,
    /// Nothing more passes in this direction until [`super::Proxy::heals`].
    Stall,
    /// The server's side is closed. The client's stays open, and nothing arrives.
    HalfOpen,
    /// The rest arrives this much later.
    Latency(Duration),
    /// The rest arrives byte by byte with this pause before each.
    Drip(Duration),
    /// The byte at the place is replaced. The proxy's seed decides the new value.
    Corrupt,
    /// The client receives this instead of the server's answer. The plan's direction and place do not matter.
    Instead(Answer, Server),
}

/// One planned fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The exchanges that it may strike.
    pub which: Which,
    /// How many of those pass first.
    pub after: u32,
    /// How many it then strikes.
    pub times: u32,
    /// Whether it strikes in the request or in the answer.
    pub direction: Direction,
    /// The place in it.
    pub place: Place,
    /// The fault.
    pub fault: Fault,
}

impl Plan {
    /// Strikes the next such exchange, once.
    pub const fn once(which: Which, direction: Direction, place: Place, fault: Fault) -> Self {
        Self { which, after: 0, times: 1, direction, place, fault }
    }

    /// Answers the next such exchange with a made-up answer.
    pub const fn answer(which: Which, answer: Answer, server: Server) -> Self {
        Self::once(which, Direction::ToClient, Place::Start, Fault::Instead(answer, server))
    }
}

/// A fault that struck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The exchange.
    pub kind: Kind,
    /// Whether it struck in the request or in the answer.
    pub direction: Direction,
    /// After how many bytes of it.
    pub offset: usize,
    /// The fault.
    pub fault: Fault,
}

/// An exchange that passed or was struck, in the order of the requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The kind of exchange.
    pub kind: Kind,
    /// The length of the request.
    pub request_bytes: usize,
    /// The length of the server's answer; 0 while there is none.
    pub answer_bytes: usize,
}
