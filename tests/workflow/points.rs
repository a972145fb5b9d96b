//! One provisioning runs with the directory and Keycloak behind fault proxies. The connection breaks at every
//! message boundary, and at every byte of the LDAP Add and of the mail call, in both directions. Every result
//! code and status is returned where it does the most harm. After each fault the same worker continues as time
//! passes, the account must be made once, and the checker examines all five stores.
//!
//! In one case many people ask, one for each point, because setting up servers and a guild takes long. The
//! short form tests all boundaries and some of the bytes; with [`SWEEP`] every byte of every call is a point.
//! The tests in `clients` always break an Add at each byte, and show that the client itself makes one entry.

use std::time::Duration;

use accolade::background::Background;
use accolade::domain::retry::{ErrorClass, HTTP, LDAP};
use testbed::proxy::{
    Answer, Direction, Exchange, Fault, Kind, Operation, Place, Plan, Proxy, Server, Which,
};

use harness::{AUTOMATIC, Database, MODERATORS, Proxies, StepEnv, shared};

/// Set this to break the connection at every byte of every call (`./dev test --sweep`).
const SWEEP: &str = "ACCOLADE_SWEEP";

/// How many people ask in one case, one after the other.
const PEOPLE: usize = 100;

/// Longer than any pause between two attempts.
const A_WHILE: Duration = Duration::from_mins(2);

/// How often time passes before an unfinished job counts as stuck.
const ROUNDS: usize = 6;

const ADD: Which = Which::Ldap(Operation::Add);
const MAIL: Which = Which::Http("PUT", "/execute-actions-email");

/// In the short form, only every n-th byte is a point. The strides are primes, so that the points don't always
/// hit a field at the same place.
const STRIDE_OF_THE_ADD: usize = 5;
const STRIDE_OF_THE_MAIL: usize = 47;

/// Returns the stride of the short form, or 1 with [`SWEEP`].
fn stride(short: usize) -> usize {
    if is_sweep() { 1 } else { short }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Directory,
    Keycloak,
}

/// Where the connection breaks, once.
#[derive(Clone, Debug)]
struct Point {
    line: Line,
    plan: Plan,
    /// The most mails that may be sent. A mail can't be looked up, so a break in its own call may cost one more.
    most_mails: usize,
    /// Whether the call is made only when a worker starts: the bind, the token.
    is_first: bool,
}

/// Parts of paths that distinguish the calls to Keycloak.
const PATHS: [&str; 5] = ["/token", "/users?", "/groups?", "/execute-actions-email", "/sync?"];

/// Returns the filter that matches calls of this kind and no other.
fn which_of(kind: &Kind) -> Which {
    match kind {
        Kind::Ldap(operation) => Which::Ldap(*operation),
        Kind::Http(method, path) => {
            let part = PATHS.into_iter().find(|part| path.contains(part)).expect("a call that is known here");
            let method = ["GET", "POST", "PUT"].into_iter().find(|known| known == method).expect("a method");
            Which::Http(method, part)
        }
        Kind::Connection => Which::Any,
    }
}

impl Point {
    /// A place in one call of several.
    fn new(
        line: Line,
        calls: &[Exchange],
        at: usize,
        (direction, place, fault): (Direction, Place, Fault),
    ) -> Self {
        let which = which_of(&calls[at].kind);
        let alike = calls[..at].iter().filter(|call| which_of(&call.kind) == which).count();
        let after = u32::try_from(alike).expect("a few calls");
        let plan = Plan { after, ..Plan::once(which, direction, place, fault) };
        let most_mails = if which == MAIL { 2 } else { 1 };
        let is_first = matches!(which, Which::Ldap(Operation::Bind) | Which::Http("POST", "/token"));
        Self { line, plan, most_mails, is_first }
    }
}

fn is_sweep() -> bool {
    #[expect(clippy::disallowed_methods, reason = "a test's own switch, not the product's configuration")]
    std::env::var_os(SWEEP).is_some()
}

/// Returns a name of the same length for each number, so that every call has the same number of bytes.
fn name_of(env: &StepEnv, number: usize) -> String {
    format!("p{number:03}{}", env.mark)
}

/// Lets time pass until the job of `username` is neither open nor being undone. Returns the states of the job and of the account.
async fn runs_on(env: &StepEnv, worker: &Background, username: &str) -> String {
    for _ in 0..ROUNDS {
        let [state, _, account] = job_of(env, username).await;
        if !matches!(state.as_str(), "" | "open" | "undoing") {
            return [state, account].join(" ");
        }
        env.clock.push(A_WHILE);
        worker.drain_once().await.expect("the store answers");
    }
    panic!("the job for {username} is stuck: {:?}", job_of(env, username).await);
}

/// State and error code of the newest job for an account, and the account's state. All are empty while there is no account.
async fn job_of(env: &StepEnv, username: &str) -> [String; 3] {
    let sql = format!(
        "SELECT job.state || ' ' || coalesce(job.error_code, '-') || ' ' || account.state FROM job \
         JOIN account ON account.id = job.account_id WHERE account.username = '{username}' \
         ORDER BY job.seq DESC LIMIT 1"
    );
    let text = env.text(&sql).await;
    let mut words = text.split(' ').map(str::to_owned);
    [words.next(), words.next(), words.next()].map(Option::unwrap_or_default)
}

/// The calls of one provisioning to the directory and Keycloak, from the bind and the token to the last read.
fn calls() -> [(Line, Vec<Exchange>); 2] {
    let mut calls = [(Line::Directory, Vec::new()), (Line::Keycloak, Vec::new())];
    StepEnv::plays(Database::Sqlite, AUTOMATIC, async |env| {
        let lines = Proxies::start().await;
        let name = name_of(env, 0);
        env.asks_as(&env.guild.newcomer(&name).with_role("member").joins(), &name).await;
        let worker = env.worker_behind(&lines);
        worker.drain_once().await.expect("the store answers");
        assert_eq!(runs_on(env, &worker, &name).await, "done invited");
        calls[0].1 = lines.directory.exchanges();
        calls[1].1 = lines.keycloak.exchanges();
    });
    for (_, calls) in &mut calls {
        calls.retain(|call| call.kind != Kind::Ldap(Operation::Silent));
        assert!(calls.len() > 5, "hardly any call was recorded: {calls:?}");
    }
    calls
}

/// Provisions one person for each point. The connection breaks there, and the account must be made
/// nevertheless.
#[expect(clippy::print_stderr, reason = "shown only where a point fails: which one it was")]
fn survives(points: &[Point]) {
    assert!(!points.is_empty(), "no points");
    for street in points.chunks(PEOPLE) {
        StepEnv::plays(Database::Sqlite, AUTOMATIC, async |env| {
            let lines = Proxies::start().await;
            let mut worker = env.worker_behind(&lines);
            for (number, point) in street.iter().enumerate() {
                eprintln!("{point:?}");
                if point.is_first {
                    worker = env.worker_behind(&lines);
                }
                is_survived(env, &lines, &worker, (&name_of(env, number), point)).await;
            }
            let mails = shared().servers.mail.messages();
            for (number, point) in street.iter().enumerate() {
                let address = [&name_of(env, number), "@people.example"].concat();
                let count = mails.iter().filter(|mail| mail.is_to(&address)).count();
                assert!((1..=point.most_mails).contains(&count), "{count} mails after {point:?}");
            }
            let outside = env.outside().await;
            let made = (outside.entries.len(), outside.memberships.len(), outside.users.len());
            assert_eq!(made, (street.len(), street.len(), street.len()), "each account once");
        });
    }
}

async fn is_survived(env: &StepEnv, lines: &Proxies, worker: &Background, (name, point): (&str, &Point)) {
    env.asks_as(&env.guild.newcomer(name).with_role("member").joins(), name).await;
    lines.forgets();
    match point.line {
        Line::Directory => lines.directory.plans(point.plan.clone()),
        Line::Keycloak => lines.keycloak.plans(point.plan.clone()),
    }
    worker.drain_once().await.expect("the store answers");
    assert_eq!(lines.hits().len(), 1, "the call was not made");
    assert_eq!(runs_on(env, worker, name).await, "done invited");
}

/// Before each request, after it (the effect is there, and the answer is lost), and after each answer.
fn boundaries((line, calls): &(Line, Vec<Exchange>)) -> Vec<Point> {
    let places = [
        (Direction::ToServer, Place::Start),
        (Direction::ToServer, Place::End),
        (Direction::ToClient, Place::End),
    ];
    // A close and a reset alternate, so that each call gets both.
    let faults = [Fault::Cut, Fault::Reset].into_iter().cycle();
    let each = (0..calls.len()).flat_map(|at| places.map(|place| (at, place)));
    let point = |((at, (direction, place)), fault)| Point::new(*line, calls, at, (direction, place, fault));
    each.zip(faults).map(point).collect()
}

/// Every byte of one of the calls in both directions, or one byte in `stride`.
fn bytes((line, calls): &(Line, Vec<Exchange>), at: usize, stride: usize) -> Vec<Point> {
    let call = &calls[at];
    assert!(call.request_bytes > 0 && call.answer_bytes > 0, "{call:?}");
    let request = (0..=call.request_bytes).map(|byte| (Direction::ToServer, byte));
    let answer = (0..=call.answer_bytes).map(|byte| (Direction::ToClient, byte));
    let chosen = request.chain(answer).step_by(stride);
    let point = |(direction, byte)| Point::new(*line, calls, at, (direction, Place::Byte(byte), Fault::Cut));
    chosen.map(point).collect()
}

/// The bytes of the first call that matches `wanted`.
fn bytes_of(calls: &(Line, Vec<Exchange>), wanted: Which, stride: usize) -> Vec<Point> {
    let at = calls.1.iter().position(|call| which_of(&call.kind) == wanted);
    bytes(calls, at.expect("a provisioning makes this call"), stride)
}

/// Breaks at the message boundaries, and with [`SWEEP`] also at every byte of every call.
#[test]
fn a_line_that_breaks_at_any_message_boundary_of_a_provisioning_costs_nothing() {
    let mut points = Vec::new();
    for calls in &calls() {
        points.extend(boundaries(calls));
        let swept = if is_sweep() { calls.1.len() } else { 0 };
        points.extend((0..swept).flat_map(|at| bytes(calls, at, 1)));
    }
    survives(&points);
}

#[test]
fn a_line_that_breaks_within_the_add_leaves_one_entry() {
    let [directory, _] = calls();
    survives(&bytes_of(&directory, ADD, stride(STRIDE_OF_THE_ADD)));
}

#[test]
fn a_line_that_breaks_inside_the_mail_call_costs_at_most_one_more_mail() {
    let [_, keycloak] = calls();
    survives(&bytes_of(&keycloak, MAIL, stride(STRIDE_OF_THE_MAIL)));
}

/// Creates a person whose account is approved and whose job has not begun.
async fn approved(env: &StepEnv, number: usize) -> String {
    let name = name_of(env, number);
    let request = env.asks_as(&env.guild.newcomer(&name).with_role("member").joins(), &name).await;
    env.approves(&request).await;
    name
}

/// What a job does after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The job waits with this code, and the call is made again.
    Again(&'static str),
    /// The job waits for an operator with this code.
    Operator(&'static str),
    /// The same as `Operator`, and the account is in conflict.
    Conflict(&'static str),
}

impl Then {
    /// Returns what the error class of a row requires, where the answer's own code says no more.
    const fn of(
        class: ErrorClass,
        down: &'static str,
        refused: &'static str,
        conflict: &'static str,
    ) -> Self {
        match class {
            ErrorClass::Fine | ErrorClass::AlreadyDone | ErrorClass::Retry => Self::Again(down),
            ErrorClass::Conflict => Self::Conflict(conflict),
            ErrorClass::Operator | ErrorClass::Absent | ErrorClass::Defect => Self::Operator(refused),
        }
    }

    /// Checks the job after the answer was given to the last of `so_far` calls of `which`. The call is made again only with
    /// [`Then::Again`].
    async fn happens(self, env: &StepEnv, worker: &Background, name: &str, call: (&Proxy, Which, usize)) {
        let (proxy, which, so_far) = call;
        let found = job_of(env, name).await;
        match self {
            // A pause lasts between zero and one second, so it may be over already.
            Self::Again(code) => assert!(found[0] == "done" || found[..2] == ["open", code], "{found:?}"),
            Self::Operator(code) => assert_eq!(found, ["needs_operator", code, "creating"]),
            Self::Conflict(code) => assert_eq!(found, ["needs_operator", code, "conflict"]),
        }
        if let Self::Again(_) = self {
            assert_eq!(runs_on(env, worker, name).await, "done invited");
        }
        let calls = proxy.exchanges().iter().filter(|call| which_of(&call.kind) == which).count();
        assert_eq!(calls > so_far, matches!(self, Self::Again(_)), "{calls} calls of {which:?}");
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "shown only where a row fails: which one it was")]
fn the_job_does_what_the_row_of_each_ldap_result_code_says_when_the_add_is_answered_with_it() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        let lines = Proxies::start().await;
        let worker = env.worker_behind(&lines);
        for (number, (code, meaning, class)) in LDAP.iter().copied().enumerate() {
            eprintln!("{code} {meaning}");
            let name = approved(env, number).await;
            lines.forgets();
            let answer = Answer::LdapResult(u8::try_from(code).expect("a code of the table"));
            lines.directory.plans(Plan::answer(ADD, answer, Server::IsSpared));
            worker.drain_once().await.expect("the store answers");
            assert_eq!(lines.hits().len(), 1);
            let then = match (code, class) {
                // If the Add succeeds without an entry, someone else is the cause, and the bot claims nothing.
                (0, _) => Then::Conflict("directory_conflict"),
                (_, ErrorClass::Fine | ErrorClass::AlreadyDone) => Then::Again("directory_refused"),
                (_, class) => Then::of(class, "directory_down", "directory_refused", "directory_conflict"),
            };
            then.happens(env, &worker, &name, (&lines.directory, ADD, 1)).await;
            if matches!(code, 0 | 2 | 50) {
                // Test one code of each kind: a job that an operator retries must finish.
                env.is_let_go_on().await;
                assert_eq!(runs_on(env, &worker, &name).await, "done invited");
            }
        }
    });
}

/// The rows of the table that an answer can have. Each row is tested with its first status.
fn statuses() -> impl Iterator<Item = (u16, ErrorClass)> {
    HTTP.iter().filter(|row| *row.0.start() >= 200).map(|row| (*row.0.start(), row.2))
}

#[test]
#[expect(clippy::print_stderr, reason = "shown only where a row fails: which one it was")]
fn the_job_does_what_the_row_of_each_http_status_says_when_import_or_mail_is_answered_with_it() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        let lines = Proxies::start().await;
        let worker = env.worker_behind(&lines);
        for (number, (status, class)) in statuses().enumerate() {
            for (twin, which) in [Which::Http("GET", "/users?"), MAIL].into_iter().enumerate() {
                eprintln!("{which:?} answered with {status}");
                let name = approved(env, 2 * number + twin).await;
                lines.forgets();
                // Two searches of the step `recheck_availability` come before that of the import. After a 401 the client calls once more
                // with a fresh token.
                let after = if which == MAIL { 0 } else { 2 };
                let times = if status == 401 { 2 } else { 1 };
                let answer = Plan::answer(which, Answer::HttpStatus(status), Server::IsSpared);
                lines.keycloak.plans(Plan { after, times, ..answer });
                worker.drain_once().await.expect("the store answers");
                let struck = lines.hits().len();
                assert_eq!(struck, usize::try_from(times).expect("one or two"));
                let refused =
                    if matches!(status, 401 | 403) { "keycloak_right_missing" } else { "keycloak_refused" };
                let then = match (which == MAIL, status, class) {
                    // A success other than the promised one proves nothing.
                    (false, _, ErrorClass::Fine) => Then::Again("keycloak_down"),
                    (true, 400 | 404, _) => Then::Operator("mail_refused"),
                    (false, ..) | (true, 401 | 403, _) => {
                        Then::of(class, "keycloak_down", refused, "keycloak_refused")
                    }
                    // The mail may have been sent.
                    (true, ..) => Then::Again("mail_unknown"),
                };
                let so_far = usize::try_from(after).expect("none or two") + struck;
                then.happens(env, &worker, &name, (&lines.keycloak, which, so_far)).await;
            }
        }
    });
}

/// How many mails the rate limits and the jobs count, and the state that is stored for each.
async fn counted(env: &StepEnv) -> String {
    let mails = "SELECT (SELECT count(*) FROM rate_limit WHERE kind LIKE 'mail%') || ' in rate limits, ' || \
        (SELECT sum(mail_attempts) FROM job) || ' in jobs, ' || coalesce((SELECT group_concat(state) FROM mail), 'none') || ' noted'";
    env.text(mails).await
}

#[test]
fn a_mail_that_certainly_was_not_sent_costs_nothing() {
    for (status, code, noted) in [(400, "mail_refused", "refused"), (403, "keycloak_right_missing", "none")] {
        StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
            let lines = Proxies::start().await;
            let worker = env.worker_behind(&lines);
            let name = approved(env, 0).await;
            lines.keycloak.plans(Plan::answer(MAIL, Answer::HttpStatus(status), Server::IsSpared));
            worker.drain_once().await.expect("the store answers");
            assert_eq!(job_of(env, &name).await, ["needs_operator", code, "creating"]);
            assert_eq!(counted(env).await, format!("0 in rate limits, 0 in jobs, {noted} noted"));

            env.is_let_go_on().await;
            assert_eq!(runs_on(env, &worker, &name).await, "done invited");
            let noted = if noted == "none" { "accepted" } else { "refused,accepted" };
            assert_eq!(counted(env).await, format!("4 in rate limits, 1 in jobs, {noted} noted"));
        });
    }
}
