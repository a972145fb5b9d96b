//! Two hundred names from real directories go the whole way, many at a time: request, mail, login, "Not me", cancel.
//!
//! `names.txt` has the names and says of each whether the form takes it. What is taken reads the same in the directory, in Keycloak and
//! in the token of a login. What is refused is refused in the form, with the field and the character.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use discord_sim::{Person, Reply};
use futures::{FutureExt as _, StreamExt as _};
use serde_json::{Value, json};
use testbed::browser::{self, Login, Outcome};
use testbed::config::REDIRECT;
use testbed::wait_until;
use unicode_normalization::UnicodeNormalization as _;

use harness::story::LIMIT;
use harness::{MAIL_CLIENT, REALM, Rules, Story, shared};

/// How many people are on their way at any time.
const AT_ONCE: usize = 8;

/// Every eighth person cancels, asks again under another user name, and gets an account.
const ASKS_TWICE: usize = 8;

/// On a busy machine a call may take longer than the bot waits for it. Then it tries again later.
const TRIED_AGAIN: Duration = Duration::from_mins(3);

/// What a person reads who should try again, and what stands there before the answer.
const BUSY: [&str; 2] = ["The service is busy", "(thinking…)"];

/// One line of the file.
struct Row {
    given: String,
    family: String,
    /// `ok`, or the field and what it refuses.
    expected: String,
}

/// Replaces each `\u{…}` by its character.
fn unescaped(text: &str) -> String {
    let mut parts = text.split("\\u{");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_once('}').expect("an escape ends with a brace");
        let code = u32::from_str_radix(code, 16).expect("an escape is a hexadecimal number");
        whole.push(char::from_u32(code).expect("an escape is a character"));
        whole.push_str(rest);
    }
    whole
}

fn rows() -> Vec<Row> {
    let lines = include_str!("names.txt").lines();
    let rows = lines.filter(|line| line.contains('\t')).map(|line| {
        let fields: Vec<String> = line.split('\t').map(unescaped).collect();
        let [given, family, expected] = fields.try_into().expect("three fields");
        Row { given, family, expected }
    });
    rows.collect()
}

/// What is stored for a typed name: composed, with single spaces.
fn stored(typed: &str) -> String {
    typed.split_whitespace().collect::<Vec<_>>().join(" ").nfc().collect()
}

/// Numbers in letters of which no two look alike, because user names that look alike count as equal.
fn letters(mut number: usize) -> String {
    const LETTERS: &[u8] = b"bfghjkpqstxz";
    let mut text = String::new();
    for _ in 0..3 {
        text.push(char::from(LETTERS[number % LETTERS.len()]));
        number /= LETTERS.len();
    }
    text
}

/// What the reply says about the form's refusal.
fn refusal(expected: &str) -> String {
    let (field, what) = expected.split_once(' ').expect("a field and what it refuses");
    let field = if field == "given" { "Given name" } else { "Family name" };
    match what {
        "hidden" => format!("{field}: an invisible character can't be used"),
        "address" => format!("{field}: it looks like a web or email address"),
        "empty" => format!("{field}: please type it"),
        character => format!("{field}: `{character}` can't be used"),
    }
}

/// A person with a name, and the user name under which they ask.
struct Walk<'a> {
    story: &'a Story,
    row: &'a Row,
    person: Person,
    name: String,
}

impl Walk<'_> {
    /// Repeats an act while the service is busy, as a person does. Returns the reply.
    async fn insists(&self, act: impl AsyncFn() -> Reply) -> Reply {
        let mut reply = Reply::default();
        let answered = wait_until("an answer", LIMIT, async || {
            reply = act().await;
            Ok(!BUSY.iter().any(|told| reply.text.contains(told)))
        });
        answered.await.expect("the service answers in the end");
        reply
    }

    /// Fills in the form. Returns the reply.
    async fn fills_in(&self) -> String {
        let (username, address) = (self.story.username(&self.name), self.story.address(&self.name));
        let fields = [
            ("username", username.as_str()),
            ("address", &address),
            ("given", &self.row.given),
            ("family", &self.row.family),
        ];
        let reply = self.insists(async || {
            let opened = self.person.runs("/account request").await;
            if opened.modal.is_some() { self.person.submits(&fields).await } else { opened }
        });
        reply.await.text
    }

    /// Waits until the account has this state.
    async fn account_is(&self, state: &str) {
        let username = self.story.username(&self.name);
        let sql = format!("SELECT id FROM account WHERE username = '{username}' AND state = '{state}'");
        let made = wait_until(state, TRIED_AGAIN, async || Ok(!self.story.rows(&sql).await.is_empty()));
        made.await.expect("the account gets there");
    }

    /// Asks for the account. Returns the mailed link.
    async fn is_invited(&self) -> String {
        self.story.keeps_secret(&self.story.address(&self.name));
        let shown = self.fills_in().await;
        assert!(shown.contains("[Send]"), "the draft cannot be sent: {shown}");
        let sent = self.insists(async || self.person.presses("Send").await).await.text;
        assert!(sent.contains("our request"), "{sent}");
        self.account_is("invited").await;
        self.person.waits_for("Your request was approved").await;
        let link = self.story.mailed_link(&self.name).await;
        self.is_named_everywhere().await;
        link
    }

    /// The names read the same in the directory and in Keycloak.
    async fn is_named_everywhere(&self) {
        let (given, family) = (stored(&self.row.given), stored(&self.row.family));
        let entry = self.story.entry(&self.name).await.expect("an entry");
        assert_eq!(entry.value("givenName"), Some(given.as_str()));
        assert_eq!(entry.value("sn"), Some(family.as_str()));
        assert_eq!(entry.value("cn"), Some(format!("{given} {family}").as_str()));
        let user = self.user().await.expect("a user");
        assert_eq!((&user["firstName"], &user["lastName"]), (&json!(given), &json!(family)));
        assert_eq!(user["email"], json!(self.story.address(&self.name)));
    }

    /// Keycloak's user.
    async fn user(&self) -> Option<Value> {
        let found = shared().servers.keycloak.user_named(REALM, &self.story.username(&self.name)).await;
        found.expect("Keycloak answers").map(|user| user.all)
    }

    async fn logs_in(&self, password: &str) -> Login {
        let url = &shared().servers.keycloak.public_url;
        let username = self.story.username(&self.name);
        let login = browser::login_by_code(url, REALM, MAIL_CLIENT, REDIRECT, &username, password).await;
        login.expect("Keycloak's pages answer")
    }

    /// Sets a password, logs in, and says that somebody else did. Then nothing works any more.
    async fn uses_it_and_loses_it(&self, link: &str) {
        let password = self.story.sets_password(&self.name, link).await;
        self.account_is("active").await;
        self.person.waits_for("A password was set").await;
        assert!(self.story.bind_works(&self.name, &password).await, "the directory refuses the password");
        let Login::Tokens(tokens) = self.logs_in(&password).await else { panic!("the login was refused") };
        let claim = |name: &str| tokens.id_claims[name].clone();
        let names = [claim("given_name"), claim("family_name")];
        assert_eq!(names, [json!(stored(&self.row.given)), json!(stored(&self.row.family))]);

        let told = self.insists(async || {
            let opened = self.person.presses("Not me").await;
            if opened.modal.is_some() { self.person.submits(&[]).await } else { opened }
        });
        let told = told.await.text;
        assert!(told.contains("being locked"), "{told}");
        self.account_is("disabled").await;
        self.person.waits_for("is locked: the password no longer works").await;
        assert!(!self.story.bind_works(&self.name, &password).await, "the directory takes the password");
        assert!(matches!(self.logs_in(&password).await, Login::Refused(_)), "Keycloak lets somebody in");
        let refresh = tokens.refresh_token.as_deref().expect("a refresh token");
        let url = &shared().servers.keycloak.public_url;
        let renewed = browser::refresh(url, REALM, MAIL_CLIENT, refresh).await;
        assert!(matches!(renewed, Ok(Login::Refused(_))), "the session goes on: {renewed:?}");
        assert_eq!(self.user().await.expect("a user")["enabled"], json!(false));
        assert!(self.story.entry(&self.name).await.is_some(), "the entry is gone");
    }

    /// Cancels. Then entry and user are gone, and the link leads nowhere.
    async fn cancels(&self, link: &str) {
        let told = self.insists(async || self.person.runs("/account cancel").await).await.text;
        assert!(told.contains("has been cancelled"), "{told}");
        let gone = wait_until("the account to be removed", LIMIT, async || {
            Ok(self.story.entry(&self.name).await.is_none() && self.user().await.is_none())
        });
        gone.await.expect("the account is removed");
        let followed = browser::follow_action_link(link, "Another-Password-1").await;
        assert!(matches!(followed, Ok(Outcome::Refused { .. })), "the link works: {followed:?}");
    }
}

/// Sends one person on the whole way.
async fn walks(story: &Story, number: usize, row: &Row) {
    let name = letters(number);
    let person = story.guild.newcomer(&name).with_role("member").joins();
    let mut walk = Walk { story, row, person, name };
    if row.expected != "ok" {
        let told = walk.fills_in().await;
        assert!(told.contains(&refusal(&row.expected)), "{told}");
        assert!(!told.contains("[Send]"), "it can be sent: {told}");
        story.nothing_is_made_for(&walk.name).await;
        return;
    }
    let link = walk.is_invited().await;
    if !number.is_multiple_of(2) {
        return walk.uses_it_and_loses_it(&link).await;
    }
    walk.cancels(&link).await;
    if number.is_multiple_of(ASKS_TWICE) {
        walk.name.push('y');
        let link = walk.is_invited().await;
        walk.uses_it_and_loses_it(&link).await;
    }
}

#[test]
fn two_hundred_names_go_the_whole_way_or_are_refused_in_the_form() {
    let rules = Rules::automatic().with(|options| {
        options.has_rate_limits = false;
        let many = 100_000;
        options.rate_limits = json!({
            "mails_in_all": many, "mails_per_domain": many, "requests_per_person": 100, "name_checks_per_person": 100,
        });
    });
    Story::plays("manynames", rules, async |story| {
        let rows = rows();
        let taken = rows.iter().filter(|row| row.expected == "ok").count();
        assert!(taken >= 200, "only {taken} names are taken");
        // The first calls of a new Keycloak are slow, so two people go ahead.
        walks(story, 0, &rows[0]).await;
        walks(story, 1, &rows[1]).await;
        let all = rows.iter().enumerate().skip(2).map(async |(number, row)| {
            let walked = AssertUnwindSafe(walks(story, number, row)).catch_unwind().await;
            walked.is_err().then(|| format!("{:?} {:?} ({})", row.given, row.family, letters(number)))
        });
        let failed: Vec<Option<String>> =
            futures::stream::iter(all).buffer_unordered(AT_ONCE).collect().await;
        let failed: Vec<String> = failed.into_iter().flatten().collect();
        assert!(failed.is_empty(), "{} names do not end where they must: {failed:#?}", failed.len());

        story.wait_until_idle().await;
        for number in 0..rows.len() {
            story.person(&letters(number)).sees().await;
        }
        for reader in ["grace", "margaret", "linus"] {
            story.person(reader).sees().await;
        }
        let states = "SELECT DISTINCT state FROM account ORDER BY state";
        assert_eq!(story.rows(states).await, ["closed", "disabled"]);
        assert_eq!(
            story.rows("SELECT kind FROM job WHERE state = 'needs_operator'").await,
            Vec::<String>::new()
        );
    });
}
