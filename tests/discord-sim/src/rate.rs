//! Rate limits: one bucket for each method, route and major parameter, and a global limit for each bot.
//!
//! Discord does not publish the numbers. These are plausible defaults, which can be set for each route.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use crate::faults::matches_route;
use crate::ids::Id;

/// A number of requests in a number of milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) requests: u32,
    pub(crate) window_ms: i64,
}

/// The limit in the headers where nothing is refused.
const UNREACHED: Limit = Limit { requests: 1_000_000, window_ms: 1_000 };

#[derive(Debug)]
struct Bucket {
    left: u32,
    reset_ms: i64,
    /// The end of the time that a 429 asked to wait.
    wait_until_ms: i64,
}

/// All buckets and their limits.
#[derive(Debug)]
pub(crate) struct RateBook {
    /// Patterns of routes with their limits; the first match applies.
    pub(crate) limits: Vec<(String, Limit)>,
    pub(crate) global: Option<Limit>,
    /// If false, nothing is limited. The headers then contain a limit that nobody reaches, because clients delay their own requests.
    pub(crate) enforced: bool,
    buckets: BTreeMap<String, Bucket>,
    recent: BTreeMap<Id, VecDeque<i64>>,
    global_wait_ms: BTreeMap<Id, i64>,
}

impl Default for RateBook {
    fn default() -> Self {
        let limit = |requests, window_ms| Limit { requests, window_ms };
        Self {
            limits: vec![
                ("POST /channels/{channel}/messages".to_owned(), limit(5, 5_000)),
                ("PATCH /channels/{channel}/messages/{message}".to_owned(), limit(5, 5_000)),
                ("DELETE /channels/{channel}/messages/{message}".to_owned(), limit(5, 1_000)),
                ("* /webhooks/*".to_owned(), limit(5, 2_000)),
                ("* /guilds/{guild}/members/{user}/roles/{role}".to_owned(), limit(10, 10_000)),
                ("POST /interactions/*".to_owned(), limit(50, 1_000)),
            ],
            global: Some(limit(50, 1_000)),
            enforced: true,
            buckets: BTreeMap::new(),
            recent: BTreeMap::new(),
            global_wait_ms: BTreeMap::new(),
        }
    }
}

/// The result of the limits for one request.
#[derive(Debug)]
pub(crate) struct Judgement {
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The body of a 429, if the request exceeds a limit.
    pub(crate) refused: Option<Value>,
    pub(crate) inside_retry_after: bool,
}

impl RateBook {
    /// Counts a request. `major` is the channel, guild or webhook (with token) of the route.
    pub(crate) fn judge(
        &mut self,
        app: Id,
        route: &str,
        major: &str,
        now_ms: i64,
        exempt: bool,
    ) -> Judgement {
        let key = format!("{app} {route} {major}");
        let mut inside = self.buckets.get(&key).is_some_and(|bucket| bucket.wait_until_ms > now_ms);
        if !exempt {
            inside |= self.global_wait_ms.get(&app).is_some_and(|until| *until > now_ms);
            if let Some(wait_ms) = self.over_global(app, now_ms) {
                self.global_wait_ms.insert(app, now_ms + wait_ms);
                return refusal(wait_ms, true, inside, Vec::new());
            }
        }
        let written = self.limits.iter().find(|(pattern, _)| matches_route(pattern, route));
        let limit = match written {
            _ if !self.enforced => UNREACHED,
            Some((_, limit)) => *limit,
            None => Limit { requests: 50, window_ms: 1_000 },
        };
        let bucket = self.buckets.entry(key).or_insert(Bucket { left: 0, reset_ms: 0, wait_until_ms: 0 });
        if bucket.reset_ms <= now_ms {
            bucket.left = limit.requests;
            bucket.reset_ms = now_ms + limit.window_ms;
        }
        let over = bucket.left == 0 && self.enforced;
        bucket.left = bucket.left.saturating_sub(1);
        let wait_ms = bucket.reset_ms - now_ms;
        let headers = vec![
            ("X-RateLimit-Limit", limit.requests.to_string()),
            ("X-RateLimit-Remaining", bucket.left.to_string()),
            ("X-RateLimit-Reset", seconds(bucket.reset_ms)),
            ("X-RateLimit-Reset-After", seconds(wait_ms)),
            ("X-RateLimit-Bucket", bucket_name(route)),
        ];
        if over {
            bucket.wait_until_ms = bucket.reset_ms;
            return refusal(wait_ms, false, inside, headers);
        }
        Judgement { headers, refused: None, inside_retry_after: inside }
    }

    /// Records that an injected 429 asked all requests to wait.
    pub(crate) fn asked_all_to_wait(&mut self, app: Id, until_ms: i64) {
        self.global_wait_ms.insert(app, until_ms);
    }

    /// Records that an injected 429 asked a route to wait.
    pub(crate) fn asked_to_wait(&mut self, app: Id, route: &str, major: &str, until_ms: i64) {
        let key = format!("{app} {route} {major}");
        let bucket = self.buckets.entry(key).or_insert(Bucket { left: 0, reset_ms: 0, wait_until_ms: 0 });
        bucket.wait_until_ms = until_ms;
    }

    fn over_global(&mut self, app: Id, now_ms: i64) -> Option<i64> {
        let limit = self.global.filter(|_| self.enforced)?;
        let recent = self.recent.entry(app).or_default();
        while recent.front().is_some_and(|at| *at <= now_ms - limit.window_ms) {
            recent.pop_front();
        }
        if recent.len() >= limit.requests as usize {
            return recent.front().map(|first| (first + limit.window_ms - now_ms).max(1));
        }
        recent.push_back(now_ms);
        None
    }
}

fn refusal(wait_ms: i64, global: bool, inside: bool, mut headers: Vec<(&'static str, String)>) -> Judgement {
    // The header is in whole seconds, rounded up; the body has the fraction.
    headers.push(("Retry-After", ((wait_ms + 999) / 1000).to_string()));
    headers.push(("X-RateLimit-Scope", if global { "global" } else { "user" }.to_owned()));
    if global {
        headers.push(("X-RateLimit-Global", "true".to_owned()));
    }
    #[expect(clippy::cast_precision_loss, reason = "a wait of some seconds, in milliseconds")]
    let retry_after = wait_ms as f64 / 1000.0;
    let body =
        json!({"message": "You are being rate limited.", "retry_after": retry_after, "global": global});
    Judgement { headers, refused: Some(body), inside_retry_after: inside }
}

fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// A stable opaque name (FNV-1a), because Discord's bucket hashes are opaque too.
fn bucket_name(route: &str) -> String {
    let hash = route.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
