//! The faults that a test injects. A fault is used up by the requests and events that match it.

use serde::{Deserialize, Serialize};

/// One fault. `times` counts down; a fault at zero is removed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fault {
    /// Method (or `*`) and route, such as `POST /channels/{channel}/messages`, `POST /webhooks/*` or `*`. The
    /// names of placeholders do not matter; a final `*` matches any rest. Gateway faults ignore it.
    #[serde(default = "any_route")]
    pub route: String,
    /// The effect.
    #[serde(flatten)]
    pub effect: Effect,
    /// How many requests or events it affects; 1 when absent.
    #[serde(default = "once")]
    pub times: u32,
}

/// The effect of a fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Effect {
    /// 429; without `retry_after` (seconds) the answer has neither header nor body field with a time.
    RateLimit {
        /// Seconds to wait.
        #[serde(default)]
        retry_after: Option<f64>,
        /// Whether it claims to be the global limit.
        #[serde(default)]
        global: bool,
    },
    /// An HTTP status such as 500 or 502, with an HTML body as a proxy sends it.
    Status {
        /// The status.
        status: u16,
    },
    /// A refusal in Discord's own form, such as 403 40003 for direct messages that are opened too fast.
    Refuse {
        /// The status.
        status: u16,
        /// Discord's code.
        code: i64,
    },
    /// Answers later, in real milliseconds.
    Latency {
        /// How much later.
        ms: u64,
    },
    /// Lets some requests pass, and holds each later one until all faults are removed.
    Hold {
        /// The number of requests that pass.
        #[serde(default)]
        after: u32,
    },
    /// Closes the connection without an answer.
    Cut {
        /// Whether the request takes effect before the connection is closed.
        #[serde(default)]
        after_effect: bool,
    },
    /// Answers a follow-up with 404 10015 although the interaction was answered in time.
    UnknownWebhook,
    /// Closes gateway connections with a code, at once.
    GatewayClose {
        /// The close code.
        code: u16,
    },
    /// Refuses new gateway connections with 503.
    GatewayRefuse,
    /// Answers IDENTIFY and RESUME by closing with a code.
    IdentifyRefuse {
        /// The close code.
        code: u16,
    },
    /// Answers IDENTIFY with nothing until all faults are removed. Then READY is sent, and every event since.
    ReadyHeld,
    /// Sends READY and its guilds a second time, as after a repeated delivery.
    ReadyTwice,
    /// Sends READY with HELLO, before the client can send its IDENTIFY: the fastest answer that a client can ever meet.
    ReadyAtOnce,
    /// Asks clients to reconnect (op 7), at once.
    Reconnect,
    /// Tells clients that their session is invalid (op 9), at once.
    InvalidSession {
        /// Whether it may be resumed.
        resumable: bool,
    },
    /// Leaves a heartbeat without an ACK.
    MissAck,
    /// Sends an interaction `copies` more times.
    DeliverAgain {
        /// How many more times.
        copies: u32,
    },
}

fn any_route() -> String {
    "*".to_owned()
}

fn once() -> u32 {
    1
}

/// The faults that have not been used up.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    waiting: Vec<Fault>,
    /// How many requests the newest [`Effect::Hold`] has held so far.
    held: usize,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        if matches!(fault.effect, Effect::Hold { .. }) {
            self.held = 0;
        }
        self.waiting.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    pub(crate) fn waiting(&self) -> &[Fault] {
        &self.waiting
    }

    /// How many requests the newest [`Effect::Hold`] has held so far.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Whether requests of this route are held.
    pub(crate) fn holds(&self, route: &str) -> bool {
        let is_hold = |fault: &Fault| matches!(fault.effect, Effect::Hold { .. });
        self.waiting.iter().any(|fault| is_hold(fault) && matches_route(&fault.route, route))
    }

    /// Uses up one count of the first fault that `wanted` selects for this route.
    pub(crate) fn take(&mut self, route: &str, wanted: impl Fn(&Effect) -> bool) -> Option<Effect> {
        let found = self
            .waiting
            .iter_mut()
            .find(|fault| fault.times > 0 && wanted(&fault.effect) && matches_route(&fault.route, route))?;
        if found.effect == Effect::ReadyHeld {
            return Some(Effect::ReadyHeld);
        }
        if let Effect::Hold { after } = &mut found.effect {
            if *after > 0 {
                *after -= 1;
                return None;
            }
            self.held += 1;
            return Some(found.effect.clone());
        }
        found.times -= 1;
        let effect = found.effect.clone();
        self.waiting.retain(|fault| fault.times > 0);
        Some(effect)
    }
}

/// Whether a fault's pattern covers a route such as `POST /channels/{channel}/messages`.
pub(crate) fn matches_route(pattern: &str, route: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let (Some((method, path)), Some((of_method, of_path))) = (pattern.split_once(' '), route.split_once(' '))
    else {
        return false;
    };
    if method != "*" && !method.eq_ignore_ascii_case(of_method) {
        return false;
    }
    let mut parts = of_path.split('/');
    for wanted in path.split('/') {
        let Some(part) = parts.next() else {
            return wanted == "*";
        };
        if wanted == "*" && path.ends_with("/*") && !path.trim_end_matches("/*").contains('*') {
            return true;
        }
        if !(wanted == part || wanted == "*" || (wanted.starts_with('{') && part.starts_with('{'))) {
            return false;
        }
    }
    parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::matches_route;

    #[test]
    fn a_pattern_covers_its_routes_and_no_others() {
        let post = "POST /channels/{channel}/messages";
        for pattern in ["*", "POST /channels/{c}/messages", "* /channels/*", "POST /channels/*/messages"] {
            assert!(matches_route(pattern, post), "{pattern}");
        }
        for pattern in ["GET /channels/{c}/messages", "POST /channels/{c}", "POST /webhooks/*", "POST"] {
            assert!(!matches_route(pattern, post), "{pattern}");
        }
    }
}
