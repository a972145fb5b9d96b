//! The messages for admins; each function is called once.

use super::{ADA, AT, Lang, admin};
use crate::domain::account::{AccountState, DirectoryId, KeycloakId};
use crate::domain::eligibility::GroupName;
use crate::domain::link::{Comparison, EntryFacts, Finding, LinkDifference, Lookup, NotChecked, UserFacts};
use crate::domain::listing::{AuditFacts, LinkFacts};
use crate::domain::matching::{ServerAddress, ServerUsername};
use crate::domain::phase::NotEnabled;

fn entry_facts() -> EntryFacts {
    EntryFacts {
        directory_id: DirectoryId::new("6d3f9c52-0000-4000-8000-000000000001").expect("an id"),
        username: ServerUsername::new("ada"),
        address: Some(ServerAddress::new("ada@example.org")),
        discord_id: Some(ADA),
        mark: None,
        is_locked: true,
        password_changed_at: Some(AT),
        groups: GroupName::new("members").map(|group| vec![group]),
    }
}

fn user_facts() -> UserFacts {
    UserFacts {
        keycloak_id: KeycloakId::new("5f0c0a52-0000-4000-8000-000000000001").expect("an id"),
        username: ServerUsername::new("ada"),
        address: None,
        is_enabled: false,
        is_of_our_federation: true,
        directory_id: None,
        groups: Some(Vec::new()),
    }
}

pub(super) fn said(lang: Lang) -> Vec<String> {
    let link = LinkFacts {
        username: "ada",
        state: AccountState::Active,
        discord_id: Some(ADA),
        account_id: "018bcfe5-6800-7000-8000-000000000001".into(),
        request_code: Some("K7M2QX"),
        invited_at: Some(AT),
        activated_at: Some(AT),
    };
    let row = AuditFacts {
        seq: 12,
        at: AT,
        event: "request.denied",
        source: "chat",
        actor: Ok(ADA),
        subject: Some(Err("018bcfe5-6800-7000-8000-000000000002")),
        request_code: Some("K7M2QX"),
        before: Some("waiting"),
        after: Some("denied"),
        reason_code: Some("told"),
    };
    let bare = AuditFacts {
        actor: Err("system"),
        subject: None,
        request_code: None,
        before: None,
        reason_code: None,
        ..row.clone()
    };
    let finding = |difference| Finding { difference, detail: Some("`wiki`".into()) };
    let all = Comparison {
        differences: LinkDifference::ALL.iter().copied().map(finding).collect(),
        not_checked: NotChecked::ALL.to_vec(),
    };
    let clean = Comparison::default();
    let (entry, user) = (Lookup::Found(entry_facts()), Lookup::Found(user_facts()));
    let unread = Lookup::Replaced(EntryFacts {
        groups: None,
        is_locked: false,
        password_changed_at: None,
        ..entry_facts()
    });
    let enabled = Lookup::Replaced(UserFacts { is_enabled: true, ..user_facts() });
    let mut said = vec![
        admin::link_line(lang, &LinkFacts { discord_id: None, ..link.clone() }),
        admin::link_summary(lang, &link, &entry, &user, &clean).plain(),
        admin::link_summary(lang, &link, &unread, &enabled, &clean).plain(),
        admin::link_summary(lang, &link, &Lookup::Gone, &Lookup::Nothing, &clean).plain(),
        admin::link_summary(lang, &link, &Lookup::NotChecked, &Lookup::NotChecked, &clean).plain(),
        admin::audit_line(lang, &row),
        admin::audit_line(lang, &bare),
        admin::exported_audit(lang, "1:00"),
        admin::enabling(lang, "ada"),
        admin::enabling_already(lang, "ada"),
        admin::enabling_again(lang, "ada"),
    ];
    said.extend(NotEnabled::ALL.iter().map(|why| admin::not_enabled(lang, *why)));
    said.extend(admin::comparison(lang, &all));
    said
}

#[test]
fn a_server_that_does_not_answer_never_reads_as_no_difference() {
    for part in NotChecked::ALL {
        let compared = Comparison { differences: Vec::new(), not_checked: vec![*part] };
        let said = admin::comparison(Lang::En, &compared).join(" ");
        assert!(said.starts_with("Not checked: ") && !said.contains("No differences"), "{said}");
    }
}
