//! The audit chain: a change of any row is found, a truncated tail is found, and erasure keeps the chain intact.

use accolade::domain::audit::{Actor, Entry, Event, FIRST_PREV, Source, chain_hash};
use accolade::domain::ids::PersonId;
use accolade::store::{AuditFault, AuditFilter, AuditVerdict, Head, Order};
use sqlx::{Connection, SqliteConnection};

use harness::StoreEnv;
use harness::store::{GUILD, insists, on_both_databases};

async fn fill(env: &StoreEnv, rows: usize) -> PersonId {
    let person = env.person(1).await;
    for n in 1..rows {
        let mut tx = env.store.begin().await.expect("begins");
        let mut entry = Entry::new(Event::RequestDenied, Source::Chat, Actor::Person(person))
            .about(person)
            .in_guild(GUILD)
            .change("waiting", "denied");
        entry.personal = (n % 3 == 0).then(|| "a typed reason".to_owned());
        tx.audit(entry);
        tx.commit("test.audit").await.expect("commits");
    }
    person
}

async fn head(env: &StoreEnv) -> Head {
    env.store.read().await.expect("reads").audit_head().await.expect("reads")
}

on_both_databases! {
    async fn the_chain_starts_with_its_own_row_and_verifies(env: &StoreEnv) {
        fill(env, 10).await;
        let head = head(env).await;
        assert_eq!(head.seq, 10);
        assert_eq!(env.store.verify_audit(Some(&head)).await.expect("reads"), AuditVerdict::Whole(head));
        let filter = AuditFilter { order: Order::OldestFirst, ..AuditFilter::default() };
        let rows = env.store.read().await.expect("reads").audit_page(&filter, None, 3).await.expect("reads");
        assert_eq!(rows[0].row.event, "chain.started");
        assert_eq!(rows.iter().map(|row| row.row.seq).collect::<Vec<_>>(), [1, 2, 3]);
    }

    async fn a_search_pages_by_key_and_filters(env: &StoreEnv) {
        let person = fill(env, 10).await;
        let filter = AuditFilter { subject: Some(person), guild_id: Some(GUILD), ..AuditFilter::default() };
        let mut view = env.store.read().await.expect("reads");
        let first = view.audit_page(&filter, None, 4).await.expect("reads");
        let second = view.audit_page(&filter, Some(first[3].row.seq), 4).await.expect("reads");
        let seqs: Vec<_> = first.iter().chain(&second).map(|row| row.row.seq).collect();
        assert_eq!(seqs, [10, 9, 8, 7, 6, 5, 4, 3]);
        assert_eq!(first[0].personal.as_deref(), Some("a typed reason"));
        let other = AuditFilter { event: Some(Event::RequestApproved), ..filter };
        assert!(view.audit_page(&other, None, 4).await.expect("reads").is_empty());
    }

    async fn erasing_a_persons_texts_keeps_the_chain_whole(env: &StoreEnv) {
        let person = fill(env, 10).await;
        let head = head(env).await;
        assert_eq!(env.changes("DELETE FROM audit_personal").await, 3);
        assert_eq!(env.store.verify_audit(None).await.expect("reads"), AuditVerdict::Whole(head));
        let filter = AuditFilter { subject: Some(person), ..AuditFilter::default() };
        let rows = env.store.read().await.expect("reads").audit_page(&filter, None, 100).await.expect("reads");
        assert!(rows.iter().all(|row| row.personal.is_none()));
    }

    async fn parallel_commits_make_one_chain(env: &StoreEnv) {
        let person = env.person(1).await;
        let commits = (0..30).map(|_| {
            let store = env.store.clone();
            async move {
                let mut tx = insists(async || store.begin().await).await.expect("begins");
                tx.audit(Entry::new(Event::AdminViewed, Source::Chat, Actor::Person(person)));
                tx.audit(Entry::new(Event::AdminViewed, Source::Chat, Actor::Person(person)));
                tx.commit("test.audit").await.expect("commits");
            }
        });
        futures::future::join_all(commits).await;
        let head = head(env).await;
        assert_eq!(head.seq, 61);
        assert_eq!(env.store.verify_audit(None).await.expect("reads"), AuditVerdict::Whole(head));
    }
}

/// One column of each row in turn is changed in the file and then restored. The tests in `domain::audit` show that the hash covers every
/// byte of every column.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_any_row_is_found_and_named() {
    let env = StoreEnv::on_sqlite().await;
    fill(&env, 300).await;
    let mut raw = SqliteConnection::connect(env.config.url.as_str()).await.expect("connects");
    for seq in 1..=300_i64 {
        let column = seq as usize % COLUMNS.len();
        let (change, back) = COLUMNS[column];
        let touched = sqlx::query(change).bind(seq).execute(&mut raw).await.expect("changes").rows_affected();
        if touched == 0 {
            continue;
        }
        let verdict = env.store.verify_audit(None).await.expect("reads");
        let found = matches!(verdict, AuditVerdict::Broken { seq: bad, .. } if bad == seq || bad == seq + 1);
        assert!(found, "row {seq}, {change}: {verdict:?}");
        sqlx::query(back).bind(seq).execute(&mut raw).await.expect("puts back");
    }
    assert!(matches!(env.store.verify_audit(None).await.expect("reads"), AuditVerdict::Whole(_)));
}

/// A change of one column, and the statement that reverts it.
const COLUMNS: [(&str, &str); 14] = [
    ("UPDATE audit SET at = at + 1 WHERE seq = $1", "UPDATE audit SET at = at - 1 WHERE seq = $1"),
    (
        "UPDATE audit SET event = event || 'x' WHERE seq = $1",
        "UPDATE audit SET event = substr(event, 1, length(event) - 1) WHERE seq = $1",
    ),
    (
        "UPDATE audit SET source = source || 'x' WHERE seq = $1",
        "UPDATE audit SET source = substr(source, 1, length(source) - 1) WHERE seq = $1",
    ),
    (
        "UPDATE audit SET guild_id = guild_id || '1' WHERE seq = $1 AND guild_id IS NOT NULL",
        "UPDATE audit SET guild_id = substr(guild_id, 1, length(guild_id) - 1) WHERE seq = $1",
    ),
    (
        "UPDATE audit SET actor_id = actor_id || 'x' WHERE seq = $1",
        "UPDATE audit SET actor_id = substr(actor_id, 1, length(actor_id) - 1) WHERE seq = $1",
    ),
    ("UPDATE audit SET job_id = '' WHERE seq = $1", "UPDATE audit SET job_id = NULL WHERE seq = $1"),
    (
        "UPDATE audit SET reason_code = '' WHERE seq = $1",
        "UPDATE audit SET reason_code = NULL WHERE seq = $1",
    ),
    (
        "UPDATE audit SET subject_id = subject_id || 'x' WHERE seq = $1 AND subject_id IS NOT NULL",
        "UPDATE audit SET subject_id = substr(subject_id, 1, length(subject_id) - 1) WHERE seq = $1",
    ),
    ("UPDATE audit SET request_id = '' WHERE seq = $1", "UPDATE audit SET request_id = NULL WHERE seq = $1"),
    (
        "UPDATE audit SET before = before || 'x' WHERE seq = $1 AND before IS NOT NULL",
        "UPDATE audit SET before = substr(before, 1, length(before) - 1) WHERE seq = $1",
    ),
    (
        "UPDATE audit SET after = after || 'x' WHERE seq = $1 AND after IS NOT NULL",
        "UPDATE audit SET after = substr(after, 1, length(after) - 1) WHERE seq = $1",
    ),
    (
        "UPDATE audit SET personal_hash = CAST(personal_hash || x'00' AS BLOB) WHERE seq = $1 AND personal_hash IS NOT NULL",
        "UPDATE audit SET personal_hash = substr(personal_hash, 1, 32) WHERE seq = $1",
    ),
    (
        "UPDATE audit SET hash = CAST(hash || x'00' AS BLOB) WHERE seq = $1",
        "UPDATE audit SET hash = substr(hash, 1, 32) WHERE seq = $1",
    ),
    (
        "UPDATE audit SET prev = CAST(prev || x'00' AS BLOB) WHERE seq = $1",
        "UPDATE audit SET prev = substr(prev, 1, 32) WHERE seq = $1",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_tail_of_any_length_is_found_against_a_head_that_was_kept() {
    let env = StoreEnv::on_sqlite().await;
    fill(&env, 10).await;
    let kept = head(&env).await;
    let mut raw = SqliteConnection::connect(env.config.url.as_str()).await.expect("connects");
    for last in (1..10_i64).rev() {
        for cut in [
            "DELETE FROM audit_personal WHERE seq > $1",
            "DELETE FROM audit WHERE seq > $1",
            "UPDATE audit_head SET seq = $1, hash = (SELECT hash FROM audit WHERE seq = $1)",
        ] {
            sqlx::query(cut).bind(last).execute(&mut raw).await.expect("cuts");
        }
        let alone = env.store.verify_audit(None).await.expect("reads");
        assert!(matches!(alone, AuditVerdict::Whole(_)), "only a kept head reveals it: {alone:?}");
        let verdict = env.store.verify_audit(Some(&kept)).await.expect("reads");
        assert_eq!(verdict, AuditVerdict::Broken { seq: last + 1, fault: AuditFault::ExpectedHead });
    }
}

/// Someone with access to the database changes a row and recomputes the chain from there to its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_tail_that_was_written_anew_is_found_against_a_head_that_was_kept() {
    let env = StoreEnv::on_sqlite().await;
    fill(&env, 10).await;
    let kept = head(&env).await;
    let filter = AuditFilter { order: Order::OldestFirst, ..AuditFilter::default() };
    let rows = env.store.read().await.expect("reads").audit_page(&filter, None, 100).await.expect("reads");
    let mut raw = SqliteConnection::connect(env.config.url.as_str()).await.expect("connects");
    let mut prev = FIRST_PREV.to_vec();
    for mut row in rows.into_iter().map(|row| row.row) {
        if row.seq == 6 {
            row.after = Some("approved".to_owned());
        }
        let hash = chain_hash(&prev, &row);
        sqlx::query("UPDATE audit SET after = $2, prev = $3, hash = $4 WHERE seq = $1")
            .bind(row.seq)
            .bind(row.after)
            .bind(prev)
            .bind(hash.clone())
            .execute(&mut raw)
            .await
            .expect("writes");
        prev = hash;
    }
    sqlx::query("UPDATE audit_head SET hash = $1").bind(prev).execute(&mut raw).await.expect("writes");
    assert!(matches!(env.store.verify_audit(None).await.expect("reads"), AuditVerdict::Whole(_)));
    let verdict = env.store.verify_audit(Some(&kept)).await.expect("reads");
    assert!(matches!(verdict, AuditVerdict::Broken { fault: AuditFault::ExpectedHead, .. }), "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_that_was_cut_and_a_head_that_was_changed_are_found_without_a_kept_head() {
    let env = StoreEnv::on_sqlite().await;
    fill(&env, 10).await;
    let mut raw = SqliteConnection::connect(env.config.url.as_str()).await.expect("connects");
    let verdict = async || env.store.verify_audit(None).await.expect("reads");
    sqlx::query("UPDATE audit_head SET hash = x'00'").execute(&mut raw).await.expect("changes");
    assert_eq!(verdict().await, AuditVerdict::Broken { seq: 10, fault: AuditFault::Head });
    sqlx::query("DELETE FROM audit_personal WHERE seq > 7").execute(&mut raw).await.expect("cuts");
    sqlx::query("DELETE FROM audit WHERE seq > 7").execute(&mut raw).await.expect("cuts");
    assert_eq!(verdict().await, AuditVerdict::Broken { seq: 8, fault: AuditFault::Missing });
    sqlx::query("UPDATE audit_personal SET salt = x'00' WHERE seq = 4")
        .execute(&mut raw)
        .await
        .expect("changes");
    assert_eq!(verdict().await, AuditVerdict::Broken { seq: 4, fault: AuditFault::Personal });
    sqlx::query("DELETE FROM audit WHERE seq = 2").execute(&mut raw).await.expect("cuts");
    assert_eq!(verdict().await, AuditVerdict::Broken { seq: 2, fault: AuditFault::Missing });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_is_written_as_its_place_and_hash() {
    let env = StoreEnv::on_sqlite().await;
    fill(&env, 3).await;
    let head = head(&env).await;
    assert_eq!(head.to_string(), ["3:", &hex::encode(&head.hash)].concat());
    assert_eq!(head.hash.len(), 32);
}
