//! Messages that Discord refuses for now or for good: kept, posted later, or dropped, as the table says.

use std::time::Duration;

use accolade::accounts::{Accounts, Reviewer};
use accolade::clock::Clock as _;
use accolade::domain::audit::Source;
use accolade::domain::ids::{ChannelId, DiscordUserId, GuildId};
use accolade::domain::lang::Lang;
use accolade::domain::notification::Notification;
use accolade::domain::refusal::{Destination, ROWS, RefusalReason, Remedy, judge};
use accolade::domain::request::Request;
use accolade::store::MessageKind;
use discord_sim::{ChannelKind, Effect, Permissions};
use testbed::db_inspector::text_of;

use harness::{Database, MODERATORS, StepEnv};

const POST: &str = "POST /channels/{channel}/messages";
const EDIT: &str = "PATCH /channels/{channel}/messages/{message}";
const OPEN: &str = "POST /users/@me/channels";

/// What waits, with its reason.
async fn waiting(env: &StepEnv) -> Vec<String> {
    let rows =
        env.rows("SELECT kind || ' ' || coalesce(refused, '-') AS what FROM outbox ORDER BY kind, id").await;
    rows.iter().map(|row| text_of(&row["what"])).collect()
}

fn cards(env: &StepEnv) -> Vec<String> {
    env.guild.history("account-requests").into_iter().map(|(_, text)| text).collect()
}

/// How often Discord was asked to post something in a channel of the guild.
fn posts(env: &StepEnv) -> usize {
    env.sim.requests().iter().filter(|request| request.route == POST).count()
}

/// Makes the card of a request due, as a change of the request does.
async fn renews_card(env: &StepEnv, request: &Request, is_new: bool) {
    let mut tx = env.store.begin().await.expect("begins");
    if is_new {
        tx.forget_message(request.id, MessageKind::Card).await.expect("forgets");
    }
    tx.put_card(request.id).await.expect("puts it");
    tx.commit("test.card").await.expect("commits");
}

/// Asserts that the one refused message waits as long as its row says, and lets that time pass.
async fn waits_as_told(env: &StepEnv, kind: &str, wanted: (RefusalReason, Remedy), before: i64) {
    let (refusal, remedy) = wanted;
    let pauses = remedy.pauses().expect("it is kept");
    let sql = format!("SELECT refused, error_code, attempt, next_run FROM outbox WHERE kind = '{kind}'");
    let rows = env.rows(&sql).await;
    assert_eq!(rows.len(), 1, "{kind} {refusal}: {:?}", waiting(env).await);
    assert_eq!(text_of(&rows[0]["refused"]), refusal.code());
    assert_eq!(text_of(&rows[0]["error_code"]), "discord_refused");
    let attempt = rows[0]["attempt"].as_i64().expect("a number");
    let pause = i64::try_from(pauses.after(attempt, 0).as_millis()).expect("some hours");
    let next_run = rows[0]["next_run"].as_i64().expect("a time");
    let latest = env.clock.now().as_millis() + pause * 5 / 4;
    assert!(next_run >= before + pause && next_run <= latest, "{refusal}: {} ms", next_run - before);
    env.clock.push(Duration::from_millis(u64::try_from(pause).expect("positive") * 5 / 4 + 1000));
}

fn reviewer(env: &StepEnv) -> Reviewer {
    Reviewer {
        user_id: DiscordUserId::new(env.guild.member("grace").id().0),
        guild_id: GuildId::new(env.guild.id.0),
        via: Source::Chat,
        cli_login: None,
        interaction_id: None,
        lang: Lang::En,
    }
}

/// Grace runs `/request list`. Returns why Discord refuses messages in the guild.
async fn grace_lists(env: &StepEnv) -> Vec<(ChannelId, RefusalReason)> {
    let accounts: Accounts = env.accounts();
    let grant = accounts.authorize_reader(&reviewer(env)).await.expect("grace is a moderator");
    accounts.recover_cards(&grant).await.expect("the store answers")
}

#[test]
fn each_refusal_drops_or_keeps_a_message_as_its_row_says() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        let request = env.asks().await;
        env.drains().await;
        for (to, status, code, refusal, remedy) in ROWS {
            let (status, code) = (*status, *code);
            assert_eq!(judge(to[0], status, code), (*refusal, *remedy));
            if to.contains(&Destination::RequestChannel) {
                is_card_kept(env, &request, (status, code)).await;
            }
            if to.contains(&Destination::Person) {
                is_direct_message_kept(env, &request, (status, code)).await;
            }
        }
    });
}

async fn is_card_kept(env: &StepEnv, request: &Request, (status, code): (u16, i64)) {
    let wanted = judge(Destination::RequestChannel, status, code);
    let count = cards(env).len();
    let is_new = wanted.1 != Remedy::PostAnew;
    renews_card(env, request, is_new).await;
    env.sim.fails(if is_new { POST } else { EDIT }, Effect::Refuse { status, code }, 1);
    let before = env.clock.now().as_millis();
    env.drains().await;
    if is_new {
        waits_as_told(env, "card", wanted, before).await;
        // A card that was not forgotten is found by its buttons and edited.
        env.drains().await;
    }
    assert_eq!(waiting(env).await, Vec::<String>::new(), "{status} {code}");
    if matches!(wanted.1, Remedy::AskAdmin(_)) {
        let told = env.admins_read();
        assert!(
            told.iter().any(|notice| notice.contains("Discord refuses messages")),
            "{status} {code}: {told:?}"
        );
    }
    assert!(cards(env).len() >= count, "{status} {code}: the card is there");
}

async fn is_direct_message_kept(env: &StepEnv, request: &Request, (status, code): (u16, i64)) {
    let wanted = judge(Destination::Person, status, code);
    let read = env.ada.read_now().len();
    let mut tx = env.store.begin().await.expect("begins");
    tx.put_notification(request.person_id, Notification::Expired, request.id).await.expect("puts it");
    tx.commit("test.direct").await.expect("commits");
    env.sim.fails(OPEN, Effect::Refuse { status, code }, 1);
    let before = env.clock.now().as_millis();
    env.drains().await;
    let unreachable = env.text("SELECT count(*) FROM person WHERE unreachable_since IS NOT NULL").await;
    if wanted.1 == Remedy::Unreachable {
        assert_eq!(unreachable, "1", "{status} {code}");
        assert!(cards(env).concat().contains("Direct messages to this person are closed"));
        assert_eq!(waiting(env).await, Vec::<String>::new(), "{status} {code}");
        return;
    }
    waits_as_told(env, "direct", wanted, before).await;
    env.drains().await;
    assert_eq!(waiting(env).await, Vec::<String>::new(), "{status} {code}");
    assert_eq!(env.text("SELECT count(*) FROM person WHERE unreachable_since IS NOT NULL").await, "0");
    let told: Vec<String> = env.ada.read_now().into_iter().map(|(_, text)| text).collect();
    assert!(told.iter().any(|text| text.contains("expired")), "{status} {code}: {told:?} after {read}");
}

#[test]
fn cards_wait_for_their_channel_with_one_call_for_all_and_come_when_it_opens() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        let (none, view) = (Permissions(0), Permissions::VIEW_CHANNEL);
        env.guild.excepts("account-requests", "Accolade", none, view);
        env.asks().await;
        let grace = env.guild.member("grace");
        env.asks_as(&grace, &["grace", &env.mark].concat()).await;
        let before = posts(env);
        env.drains().await;
        assert_eq!(cards(env), Vec::<String>::new());
        assert_eq!(waiting(env).await, ["card missing_access", "card missing_access"]);
        let told = env.admins_read();
        assert!(told.len() == 1 && told[0].contains("give its role View Channel"), "{told:?}");
        assert_eq!(posts(env) - before, 2, "one for the channel, one for the notice");

        // Nothing is tried before the pause is over, and admins are told once.
        env.drains().await;
        assert_eq!(posts(env) - before, 2);
        env.clock.push(Duration::from_mins(7));
        env.drains().await;
        assert_eq!(env.admins_read().len(), 1);
        assert_eq!(waiting(env).await, ["card missing_access", "card missing_access"]);

        let channel = ChannelId::new(env.guild.channel("account-requests").id.0);
        assert_eq!(grace_lists(env).await, [(channel, RefusalReason::MissingAccess)]);
        env.drains().await;
        assert_eq!(cards(env), Vec::<String>::new());

        env.guild.excepts("account-requests", "Accolade", view, none);
        env.accounts().wake_refused_messages().await.expect("the store answers");
        env.drains().await;
        assert_eq!(cards(env).len(), 2);
        assert_eq!(waiting(env).await, Vec::<String>::new());
        assert_eq!(grace_lists(env).await, []);
        env.drains().await;
    });
}

#[test]
fn a_card_that_someone_deleted_is_posted_anew_when_a_moderator_lists_the_requests() {
    StepEnv::plays(Database::Postgres, MODERATORS, async |env| {
        env.asks().await;
        env.drains().await;
        let card = env.guild.history("account-requests")[0].0;
        // A card that is there stays as it is.
        grace_lists(env).await;
        env.drains().await;
        assert_eq!(env.guild.history("account-requests")[0].0, card);
        env.guild.deletes_message(card);
        grace_lists(env).await;
        env.drains().await;
        let posted = env.guild.history("account-requests");
        assert!(posted.len() == 1 && posted[0].0 != card, "{posted:?}");

        // An earlier version dropped the card of this request.
        let mut tx = env.store.begin().await.expect("begins");
        let request = env.text("SELECT id FROM request").await.parse().expect("an id");
        tx.forget_message(request, MessageKind::Card).await.expect("forgets");
        tx.commit("test.card").await.expect("commits");
        env.guild.deletes_message(posted[0].0);
        grace_lists(env).await;
        env.drains().await;
        assert_eq!(env.guild.history("account-requests").len(), 1);
    });
}

#[test]
fn a_forum_or_a_category_keeps_the_card_until_the_configured_channel_takes_it() {
    for kind in [ChannelKind::FORUM, ChannelKind::CATEGORY] {
        StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
            env.guild.turns("account-requests", kind);
            env.asks().await;
            env.drains().await;
            assert_eq!(waiting(env).await, ["card wrong_channel_type"]);
            assert!(env.admins_read().concat().contains("It is not a text channel"));
            env.guild.turns("account-requests", ChannelKind::TEXT);
            env.worker().wake_refused().await.expect("the store answers");
            env.drains().await;
            assert_eq!((cards(env).len(), waiting(env).await), (1, Vec::new()));
        });
    }
}

#[test]
fn a_direct_message_that_was_opened_too_fast_arrives_with_its_button() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        env.invited().await;
        env.ada.read_now();
        env.sim.fails(OPEN, Effect::Refuse { status: 403, code: 40003 }, 2);
        env.sets_password().await;
        env.worker().look_for_activations().await.expect("the store answers");
        env.drains().await;
        assert_eq!(waiting(env).await, ["direct too_fast"]);
        env.worker().wake_refused().await.expect("the store answers");
        env.drains().await;
        let told: String = env.ada.read_now().into_iter().map(|(_, text)| text).collect();
        assert!(
            !told.contains("A password was set"),
            "an earlier attempt would make Discord refuse for longer"
        );
        for _ in 0..2 {
            env.clock.push(Duration::from_secs(30));
            env.drains().await;
        }
        let told: String = env.ada.read_now().into_iter().map(|(_, text)| text).collect();
        assert!(told.contains("A password was set") && told.contains("[Not me]"), "{told}");
    });
}
