//! What a test breaks on purpose. A fault is used up by the requests and events that meet it.

use serde::{Deserialize, Serialize};

/// One fault. `times` counts down; a fault at zero is gone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fault {
    /// `POST /channels/{channel}/messages`, `POST /webhooks/*`, `*`: method (or `*`) and route.
    /// Placeholders match whatever their names; a final `*` matches any rest. Ignored by gateway faults.
    #[serde(default = "any_route")]
    pub route: String,
    /// What happens.
    #[serde(flatten)]
    pub effect: Effect,
    /// How often; 1 when absent.
    #[serde(default = "once")]
    pub times: u32,
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Effect {
    /// 429; without `retry_after` (seconds) there is neither header nor body field to obey.
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
    /// Answers later, in real milliseconds.
    Latency {
        /// How much later.
        ms: u64,
    },
    /// Lets some requests pass, and holds each later one until everything is healed.
    Hold {
        /// How many pass.
        #[serde(default)]
        after: u32,
    },
    /// Cuts the connection without an answer.
    Cut {
        /// Whether the request has its effect before the cut.
        #[serde(default)]
        after_effect: bool,
    },
    /// 404 10015 on a follow-up although the interaction was answered in time.
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
    /// Asks clients to reconnect (op 7), at once.
    Reconnect,
    /// Tells clients that their session is invalid (op 9), at once.
    InvalidSession {
        /// Whether it may be resumed.
        resumable: bool,
    },
    /// Leaves a heartbeat without ACK.
    MissAck,
    /// Sends an interaction `copies` times more.
    DeliverAgain {
        /// How many more.
        copies: u32,
    },
}

fn any_route() -> String {
    "*".to_owned()
}

fn once() -> u32 {
    1
}

/// The faults that still wait for their requests.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    waiting: Vec<Fault>,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.waiting.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    pub(crate) fn waiting(&self) -> &[Fault] {
        &self.waiting
    }

    /// Whether requests of this route are held.
    pub(crate) fn holds(&self, route: &str) -> bool {
        let is_hold = |fault: &Fault| matches!(fault.effect, Effect::Hold { .. });
        self.waiting.iter().any(|fault| is_hold(fault) && matches_route(&fault.route, route))
    }

    /// Takes one use of every fault that `wanted` picks for this route.
    pub(crate) fn take(&mut self, route: &str, wanted: impl Fn(&Effect) -> bool) -> Option<Effect> {
        let found = self
            .waiting
            .iter_mut()
            .find(|fault| fault.times > 0 && wanted(&fault.effect) && matches_route(&fault.route, route))?;
        if let Effect::Hold { after } = &mut found.effect {
            if *after > 0 {
                *after -= 1;
                return None;
            }
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
