//! Requests in the store: drafts, races for one name or person, competing decisions, erasure, sealing.

use std::sync::Arc;
use std::time::Duration;

use accolade::clock::Clock;
use accolade::domain::error_code::ErrorCode;
use accolade::domain::ids::{DiscordUserId, GuildId, RequestId};
use accolade::domain::request::{FormInput, Request, RequestState, TypedForm};
use accolade::store::{AccountInserted, DraftChanged, RequestMove, RequestMoved, Sent, StoreError};

use harness::StoreEnv;
use harness::store::{GUILD, on_both_databases};

/// Sends all drafts at the same moment, each in its own transaction, and returns the results. Retries while the database is busy.
async fn send_all_at_once(env: &StoreEnv, drafts: Vec<Request>) -> Vec<Sent> {
    let gate = Arc::new(tokio::sync::Barrier::new(drafts.len()));
    let tasks = drafts.into_iter().map(|draft| {
        let (store, send, gate) = (env.store.clone(), env.send_of(&draft), gate.clone());
        async move {
            gate.wait().await;
            loop {
                let Ok(mut tx) = store.begin().await else { continue };
                match tx.send_draft(send.clone()).await {
                    Ok(told) => match tx.commit("test.send").await {
                        Ok(()) => return told,
                        Err(error) => assert!(error.is_passing(), "{error:?}"),
                    },
                    Err(error) => assert!(error.is_passing(), "{error:?}"),
                }
            }
        }
    });
    futures::future::join_all(tasks).await
}

on_both_databases! {
    async fn hundreds_who_ask_at_once_are_all_served_and_none_is_told_busy(env: &StoreEnv) {
        let asks = (0..400).map(async |number: u64| {
            env.waiting(1_000 + number, &["ada.", &number.to_string()].concat()).await
        });
        let sent = futures::future::join_all(asks).await;
        assert!(sent.iter().all(|request| request.state == RequestState::Waiting), "{sent:?}");
    }

    async fn a_typed_form_is_its_owners_in_one_guild_and_is_replaced_and_erased(env: &StoreEnv) {
        let (ada, grace, elsewhere) = (DiscordUserId::new(1), DiscordUserId::new(2), GuildId::new(77));
        let typed = |name: &str, draft| TypedForm {
            draft,
            input: FormInput {
                username: name.to_owned(),
                address: "ada@".to_owned(),
                given: "Ada \u{0} \"x\"".to_owned(),
                family: "🎉".repeat(1000),
                answer: None,
            },
        };
        let until = env.clock.now().after(Duration::from_mins(15));
        let keep = async |owner, guild, form: TypedForm| {
            let mut tx = env.store.begin().await.expect("begins");
            tx.keep_typed_form(owner, guild, &form, until).await.expect("keeps");
            tx.commit("test.keep").await.expect("commits");
        };
        let read = async |owner, guild| {
            let mut view = env.store.read().await.expect("reads");
            view.typed_form(owner, guild).await.expect("answers").map(|form| (form.draft, form.input))
        };
        keep(ada, GUILD, typed("first", None)).await;
        assert_eq!(read(ada, GUILD).await, Some((None, typed("first", None).input)));
        assert_eq!((read(grace, GUILD).await, read(ada, elsewhere).await), (None, None));
        let draft = Some(RequestId::new(uuid::Uuid::from_u128(7)));
        keep(ada, GUILD, typed("second", draft)).await;
        keep(grace, GUILD, typed("hers", None)).await;
        assert_eq!(read(ada, GUILD).await, Some((draft, typed("second", None).input)));
        let mut tx = env.store.begin().await.expect("begins");
        tx.drop_typed_form(ada, GUILD).await.expect("drops");
        assert_eq!(tx.erase_typed_forms(env.clock.now()).await.expect("answers"), 0, "none has expired");
        tx.commit("test.drop").await.expect("commits");
        assert_eq!(read(ada, GUILD).await, None);
        env.clock.push(Duration::from_mins(15));
        assert_eq!(read(grace, GUILD).await, None, "it has expired");
        let mut tx = env.store.begin().await.expect("begins");
        assert_eq!(tx.erase_typed_forms(env.clock.now()).await.expect("answers"), 1);
        tx.commit("test.erase").await.expect("commits");
    }

    async fn a_form_delivered_twice_is_one_draft(env: &StoreEnv) {
        let person = env.person(1).await;
        let first = env.draft(person, "ada.lovelace", 7).await;
        let again = env.draft(person, "ada.lovelace", 7).await;
        assert_eq!((first.id, first.nonce, &first.code), (again.id, again.nonce, &again.code));
        assert_eq!(first.code.len(), 6);
    }

    async fn a_new_form_replaces_the_draft_and_erases_the_old_one(env: &StoreEnv) {
        let person = env.person(1).await;
        let first = env.draft(person, "ada.lovelace", 7).await;
        let second = env.draft(person, "ada.byron", 8).await;
        let mut view = env.store.read().await.expect("reads");
        let old = view.request(first.id).await.expect("reads").expect("is there");
        assert_eq!((old.state, old.form), (RequestState::Expired, None));
        let draft = view.draft_of(person).await.expect("reads").expect("is there");
        assert_eq!(draft.id, second.id);
        assert_eq!(draft.form, second.form);
        assert!(matches!(env.send(&first).await, Sent::Expired));
    }

    async fn a_changed_draft_takes_a_new_nonce_and_the_old_one_is_stale(env: &StoreEnv) {
        let person = env.person(1).await;
        let draft = env.draft(person, "ada.lovelace", 7).await;
        let mut tx = env.store.begin().await.expect("begins");
        let form = env.new_draft(person, "ada.byron", 8);
        let changed = tx.change_draft(draft.id, draft.nonce, form.clone()).await.expect("changes");
        tx.commit("test.change").await.expect("commits");
        let DraftChanged::Done(changed) = changed else { panic!("{changed:?}") };
        assert_eq!(changed.username.as_str(), "ada.byron");
        assert!(matches!(env.send(&draft).await, Sent::Stale));
        assert!(matches!(env.send(&changed).await, Sent::Sent(_)));
        assert!(matches!(env.send(&changed).await, Sent::AlreadySent(_)));
    }

    async fn a_draft_past_its_time_is_not_sent_and_its_values_are_gone(env: &StoreEnv) {
        let person = env.person(1).await;
        let draft = env.draft(person, "ada.lovelace", 7).await;
        env.clock.push(Duration::from_secs(901));
        assert!(matches!(env.send(&draft).await, Sent::Expired));
        let mut view = env.store.read().await.expect("reads");
        let ended = view.request(draft.id).await.expect("reads").expect("is there");
        assert_eq!((ended.state, ended.form), (RequestState::Expired, None));
        assert!(view.latest_request_of(person).await.expect("reads").is_none(), "a draft is no request");
    }

    async fn of_fifty_people_who_send_one_name_one_gets_it(env: &StoreEnv) {
        let mut drafts = Vec::new();
        for user in 1..=50 {
            let person = env.person(user).await;
            drafts.push(env.draft(person, "ada.lovelace", user).await);
        }
        let told = send_all_at_once(env, drafts).await;
        let sent = told.iter().filter(|sent| matches!(sent, Sent::Sent(_))).count();
        let taken = told.iter().filter(|sent| matches!(sent, Sent::NameTaken(_))).count();
        assert_eq!((sent, taken), (1, 49), "{told:?}");
    }

    async fn of_fifty_presses_of_one_button_one_sends(env: &StoreEnv) {
        let person = env.person(1).await;
        let draft = env.draft(person, "ada.lovelace", 7).await;
        let told = send_all_at_once(env, vec![draft; 50]).await;
        let sent = told.iter().filter(|sent| matches!(sent, Sent::Sent(_))).count();
        let again = told.iter().filter(|sent| matches!(sent, Sent::AlreadySent(_))).count();
        assert_eq!((sent, again), (1, 49), "{told:?}");
    }

    async fn of_two_deciders_exactly_one_wins(env: &StoreEnv) {
        for race in 1..=1000_u64 {
            let seen = env.waiting(race, &["ada", &letters(race)].concat()).await;
            let decide = |to| {
                let (store, seen) = (env.store.clone(), seen.clone());
                async move {
                    let mut tx = store.begin().await.expect("begins");
                    let moved = tx.move_request(&seen, to, RequestMove::default()).await.expect("answers");
                    tx.commit("test.decide").await.expect("commits");
                    matches!(moved, RequestMoved::Done(_))
                }
            };
            let (approved, denied) =
                tokio::join!(decide(RequestState::Approved), decide(RequestState::Denied));
            assert!(approved ^ denied, "race {race}: approved {approved}, denied {denied}");
        }
    }

    async fn two_people_cannot_both_be_approved_with_one_address(env: &StoreEnv) {
        let person = env.person(1).await;
        let form = env.new_draft(person, "ada.lovelace", 1);
        let mut other = env.new_draft(env.person(2).await, "ada.byron", 2);
        other.form.address = form.form.address.clone();
        let mut seen = Vec::new();
        for draft in [form, other] {
            let mut tx = env.store.begin().await.expect("begins");
            let draft = tx.put_draft(draft).await.expect("a draft");
            tx.commit("test.draft").await.expect("commits");
            let Sent::Sent(request) = env.send(&draft).await else { panic!("not sent") };
            seen.push(request);
        }
        let mut tx = env.store.begin().await.expect("begins");
        let first = tx.move_request(&seen[0], RequestState::Approved, RequestMove::default()).await.expect("moves");
        assert!(matches!(first, RequestMoved::Done(_)));
        let second = tx.move_request(&seen[1], RequestState::Approved, RequestMove::default()).await.expect("moves");
        assert!(matches!(second, RequestMoved::AddressInUse(_)), "{second:?}");
        // The violated index does not abort the transaction, so the second request can be held in it.
        let held = RequestMove { reason_code: Some(ErrorCode::AddressInUse), ..RequestMove::default() };
        assert!(matches!(
            tx.move_request(&seen[1], RequestState::Held, held).await.expect("moves"),
            RequestMoved::Done(_)
        ));
        tx.commit("test.hold").await.expect("commits");
    }

    async fn an_active_account_frees_the_address_and_erases_the_form(env: &StoreEnv) {
        let seen = env.waiting(1, "ada.lovelace").await;
        let mut tx = env.store.begin().await.expect("begins");
        tx.move_request(&seen, RequestState::Approved, RequestMove::default()).await.expect("moves");
        let made = tx.insert_account(seen.person_id, &seen.username).await.expect("inserts");
        let AccountInserted::Made(mut account) = made else { panic!("{made:?}") };
        account.state = accolade::domain::account::AccountState::Active;
        account.activated_at = Some(env.clock.now());
        tx.save_account(&account).await.expect("saves");
        tx.commit("test.active").await.expect("commits");
        let mut view = env.store.read().await.expect("reads");
        assert!(view.request(seen.id).await.expect("reads").expect("is there").form.is_none());
        let address = seen.form.expect("was there").address;
        let other = env.person(2).await;
        assert!(!view.address_in_use(&address, other).await.expect("reads"));
    }

    async fn a_name_that_was_used_is_never_given_to_somebody_else(env: &StoreEnv) {
        let seen = env.waiting(1, "ada.lovelace").await;
        let mut tx = env.store.begin().await.expect("begins");
        tx.move_request(&seen, RequestState::Approved, RequestMove::default()).await.expect("moves");
        let made = tx.insert_account(seen.person_id, &seen.username).await.expect("inserts");
        let AccountInserted::Made(mut account) = made else { panic!("{made:?}") };
        account.activated_at = Some(env.clock.now());
        account.state = accolade::domain::account::AccountState::Closed;
        tx.save_account(&account).await.expect("saves");
        tx.commit("test.closed").await.expect("commits");
        let stranger = env.person(2).await;
        let draft = env.draft(stranger, "ada.lovelace", 9).await;
        assert!(matches!(env.send(&draft).await, Sent::NameTaken(_)));
        let own = env.draft(seen.person_id, "ada.lovelace", 10).await;
        assert!(matches!(env.send(&own).await, Sent::Sent(_)), "the former owner may have it again");
    }

    async fn an_error_in_a_transaction_keeps_it_from_being_committed(env: &StoreEnv) {
        let person = env.person(1).await;
        let mut tx = env.store.begin().await.expect("begins");
        tx.put_draft(env.new_draft(person, "ada.lovelace", 7)).await.expect("a draft");
        // A job for a person who does not exist violates the foreign key.
        let nobody = accolade::domain::ids::PersonId::new(env.store.ids().uuid());
        let job = accolade::store::NewJob {
            person_id: nobody,
            account_id: None,
            request_id: None,
            kind: accolade::domain::job::JobKind::Welcome,
        };
        assert!(tx.enqueue_job(job).await.is_err());
        assert!(matches!(tx.commit("test.poisoned").await, Err(StoreError::Poisoned)));
        let mut view = env.store.read().await.expect("reads");
        assert!(view.draft_of(person).await.expect("reads").is_none(), "half a transaction was kept");
    }

    async fn ended_requests_lose_their_personal_values_after_their_time(env: &StoreEnv) {
        let seen = env.waiting(1, "ada.lovelace").await;
        env.clock.push(Duration::from_hours(360));
        let mut tx = env.store.begin().await.expect("begins");
        let expired = tx.expire_requests(10).await.expect("expires");
        tx.commit("test.expire").await.expect("commits");
        assert_eq!(expired.iter().map(|request| request.id).collect::<Vec<_>>(), [seen.id]);
        assert!(expired[0].form.is_some(), "the form stays for a while");
        env.clock.push(Duration::from_hours(744));
        let mut tx = env.store.begin().await.expect("begins");
        let before = env.clock.now().before(Duration::from_hours(720));
        assert_eq!(tx.erase_ended_requests(before, 10).await.expect("erases"), 1);
        assert_eq!(tx.erase_ended_requests(before, 10).await.expect("erases"), 0);
        tx.commit("test.erase").await.expect("commits");
    }
}

/// Writes a number as letters, so that the names are not confusable.
fn letters(number: u64) -> String {
    let digits = [number / 400 % 20, number / 20 % 20, number % 20];
    digits
        .iter()
        .map(|digit| char::from(b"abcdefghjkmnpqrstuvw"[usize::try_from(*digit).expect("a small number")]))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_value_moved_to_another_row_does_not_open() {
    let env = StoreEnv::on_sqlite().await;
    let first = env.waiting(1, "ada.lovelace").await;
    env.waiting(2, "grace.hopper").await;
    let url = env.config.url.as_str();
    let raw = sqlx::SqlitePool::connect(url).await.expect("connects");
    sqlx::query("UPDATE request SET given_enc = (SELECT given_enc FROM request WHERE username = 'grace.hopper') WHERE username = 'ada.lovelace'")
        .execute(&raw)
        .await
        .expect("swaps");
    raw.close().await;
    let mut view = env.store.read().await.expect("reads");
    assert!(matches!(view.request(first.id).await, Err(StoreError::Sealed { table: "request" })));
}

/// Sealed or not, an erased value is no longer in the file once SQLite has written its log into it.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_erased_is_gone_from_the_file_too() {
    let env = StoreEnv::on_sqlite().await;
    let mut sealed: Vec<Vec<u8>> = Vec::new();
    for number in 0..40 {
        let person = env.person(number + 1).await;
        env.draft(person, &["ada", &letters(number)].concat(), number + 1).await;
    }
    let raw = sqlx::SqlitePool::connect(env.config.url.as_str()).await.expect("connects");
    for select in [
        "SELECT given_enc FROM request",
        "SELECT family_enc FROM request",
        "SELECT address_enc FROM request",
        "SELECT answer_enc FROM request",
    ] {
        let rows: Vec<(Vec<u8>,)> = sqlx::query_as(select).fetch_all(&raw).await.expect("reads");
        sealed.extend(rows.into_iter().map(|(value,)| value));
    }
    raw.close().await;
    assert_eq!(sealed.len(), 160);
    env.clock.push(Duration::from_mins(16));
    let mut tx = env.store.begin().await.expect("begins");
    assert_eq!(tx.expire_drafts(100).await.expect("expires"), 40);
    tx.commit("test.expire").await.expect("commits");
    // Closing the last connection writes the log back.
    env.store.close().await;
    let mut looked_into = 0;
    for file in std::fs::read_dir(env.folder.path()).expect("the folder").flatten() {
        let bytes = std::fs::read(file.path()).expect("a file");
        let left =
            sealed.iter().filter(|value| bytes.windows(value.len()).any(|window| window == value.as_slice()));
        assert_eq!(left.count(), 0, "{} still contains an erased value", file.path().display());
        looked_into += 1;
    }
    assert!(looked_into >= 2, "the database and the key file");
}
