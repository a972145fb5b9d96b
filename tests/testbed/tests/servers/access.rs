//! The access rules of `slapd/config.ldif`, tested with the accounts that they restrict.
//!
//! Each line states who attempts what, and the result code (RFC 4511 appendix A). 0 is success, 50 insufficient
//! rights, 32 no such object (also: not visible), 19 constraint violation, 49 wrong credentials.

use std::collections::HashSet;

use ldap3::{Ldap, Mod, Scope, SearchEntry, exop::PasswordModify};
use testbed::{Managed, ServerOptions, Slapd, TestServers, slapd::PersonByHand};

const MARK: &str = "accolade:0190a5a0-0000-7000-8000-000000000001";
const LOCKED: &str = "000001010000Z";

/// A directory with `ours` (marked), `theirs` (unmarked), a managed and a foreign group.
async fn start() -> TestServers {
    let servers = TestServers::start(ServerOptions::slapd_alone()).await.expect("slapd starts");
    let slapd = &servers.slapd;
    let ours = PersonByHand { mark: Some(MARK.to_owned()), ..PersonByHand::named("ours") };
    slapd.add_person_by_hand(&ours).await.expect("an entry of ours");
    let theirs =
        PersonByHand { password: Some("their-secret-1".to_owned()), ..PersonByHand::named("theirs") };
    slapd.add_person_by_hand(&theirs).await.expect("a foreign entry");
    slapd.add_group("members", Managed::Yes).await.expect("a managed group");
    slapd.add_group("admins", Managed::No).await.expect("a foreign group");
    servers
}

async fn as_bot(slapd: &Slapd) -> Ldap {
    slapd.connect_as(&slapd.bot_dn, &slapd.bot_password).await.expect("the bot binds")
}

async fn as_keycloak(slapd: &Slapd) -> Ldap {
    slapd.connect_as(&slapd.keycloak_dn, &slapd.keycloak_password).await.expect("Keycloak binds")
}

type Attributes<'a> = Vec<(&'a str, HashSet<&'a str>)>;

/// A valid new person, with the attributes that a case adds or replaces.
fn person<'a>(uid: &'a str, changes: &[(&'a str, &'a [&'a str])]) -> Attributes<'a> {
    let mut attributes: Attributes<'a> = vec![
        ("objectClass", HashSet::from(["inetOrgPerson"])),
        ("uid", HashSet::from([uid])),
        ("cn", HashSet::from(["New Person"])),
        ("sn", HashSet::from(["Person"])),
        ("givenName", HashSet::from(["New"])),
        ("description", HashSet::from([MARK])),
    ];
    for (name, values) in changes {
        attributes.retain(|(other, _)| other != name);
        if !values.is_empty() {
            attributes.push((name, values.iter().copied().collect()));
        }
    }
    attributes
}

async fn code_of_add(ldap: &mut Ldap, dn: &str, attributes: Attributes<'_>) -> u32 {
    ldap.add(dn, attributes).await.expect("the server answers").rc
}

async fn code_of_modify(ldap: &mut Ldap, dn: &str, change: Mod<&str>) -> u32 {
    ldap.modify(dn, vec![change]).await.expect("the server answers").rc
}

fn one(value: &str) -> HashSet<&str> {
    HashSet::from([value])
}

/// The names of the attributes that `ldap` can read at `dn`, or the result code.
async fn visible(ldap: &mut Ldap, dn: &str) -> Result<Vec<String>, u32> {
    let all = vec!["*", "+", "userPassword", "pwdHistory", "pwdChangedTime"];
    let result = ldap.search(dn, Scope::Base, "(objectClass=*)", all).await.expect("the server answers");
    if result.1.rc != 0 {
        return Err(result.1.rc);
    }
    let row = result.0.into_iter().next().map(SearchEntry::construct).ok_or(0_u32)?;
    let mut names: Vec<String> = row.attrs.into_keys().chain(row.bin_attrs.into_keys()).collect();
    names.sort();
    Ok(names)
}

#[tokio::test]
async fn the_bot_does_what_an_account_needs() {
    let servers = start().await;
    let slapd = &servers.slapd;
    let mut bot = as_bot(slapd).await;
    let dn = slapd.person_dn("ada");
    let extra: [(&str, &[&str]); 3] = [
        ("mail", &["ada@example.org"]),
        ("employeeNumber", &["123456789012345678"]),
        ("displayName", &["Ada"]),
    ];
    assert_eq!(code_of_add(&mut bot, &dn, person("ada", &extra)).await, 0, "add a marked person");

    let group = format!("cn=members,{}", slapd.groups_dn);
    assert_eq!(
        code_of_modify(&mut bot, &group, Mod::Add("member", one(&dn))).await,
        0,
        "into a managed group"
    );
    assert_eq!(code_of_modify(&mut bot, &group, Mod::Add("member", one(&dn))).await, 20, "a second time");
    assert_eq!(code_of_modify(&mut bot, &group, Mod::Delete("member", one(&dn))).await, 0, "and out of it");

    for attribute in ["cn", "sn", "givenName", "mail", "displayName", "employeeNumber"] {
        let change = Mod::Replace(attribute, one("123456789012345679"));
        assert_eq!(code_of_modify(&mut bot, &dn, change).await, 0, "write {attribute}");
    }
    let seen = visible(&mut bot, &dn).await.expect("the bot reads its entry");
    for attribute in ["uid", "entryUUID", "createTimestamp", "creatorsName", "modifyTimestamp", "description"]
    {
        assert!(seen.iter().any(|name| name == attribute), "the bot reads {attribute}");
    }
    assert_eq!(bot.delete(&dn).await.expect("an answer").rc, 50, "no delete before the lock");
    assert_eq!(
        code_of_modify(&mut bot, &dn, Mod::Replace("pwdAccountLockedTime", one(LOCKED))).await,
        0,
        "lock"
    );
    assert_eq!(
        bot.delete(&dn).await.expect("an answer").rc,
        0,
        "delete what is ours, locked, without password"
    );
    assert!(slapd.entry(&dn).await.expect("a look").is_none());
}

#[tokio::test]
async fn the_bot_adds_nothing_but_a_marked_plain_person_without_a_password() {
    let servers = start().await;
    let slapd = &servers.slapd;
    let mut bot = as_bot(slapd).await;
    let people = &slapd.people_dn;
    let plain = |uid: &str| slapd.person_dn(uid);
    let classes = |extra: &'static str| -> [(&'static str, Vec<&'static str>); 1] {
        [("objectClass", vec!["inetOrgPerson", extra])]
    };

    let single: [(&str, &[&str], u32); 16] = [
        ("description", &[], 50),
        ("description", &["somebody else's"], 50),
        ("description", &[MARK, "accolade:second and more"], 50),
        ("userPassword", &["smuggled-secret-1"], 50),
        ("employeeType", &["admin"], 50),
        ("title", &["Dr"], 50),
        ("seeAlso", &["cn=bot,ou=services,dc=example,dc=org"], 50),
        ("manager", &["cn=bot,ou=services,dc=example,dc=org"], 50),
        ("pwdReset", &["TRUE"], 50),
        ("pwdPolicySubentry", &["cn=default,ou=policies,dc=example,dc=org"], 50),
        ("pwdAccountLockedTime", &[LOCKED], 50),
        ("labeledURI", &["http://example.org"], 50),
        ("l", &["Here"], 50),
        ("jpegPhoto", &["x"], 50),
        ("memberOf", &["cn=admins,ou=groups,dc=example,dc=org"], 19),
        ("creatorsName", &["cn=admin,dc=example,dc=org"], 19),
    ];
    for (attribute, values, expected) in single {
        let code = code_of_add(&mut bot, &plain("new"), person("new", &[(attribute, values)])).await;
        assert_eq!(code, expected, "add with {attribute} = {values:?}");
    }
    for extra in ["extensibleObject", "uidObject", "pkiUser", "labeledURIObject"] {
        let [(name, values)] = classes(extra);
        let code = code_of_add(&mut bot, &plain("new"), person("new", &[(name, &values)])).await;
        assert_eq!(code, 50, "add with the class {extra}");
    }
    let places = [
        (format!("uid=new,ou=services,{}", slapd.base), 50, "among the services"),
        (format!("uid=new,{}", slapd.groups_dn), 50, "among the groups"),
        (format!("uid=new,uid=ours,{people}"), 50, "below a person"),
        (format!("cn=New Person,{people}"), 50, "under another name attribute"),
        (format!("uid=new+sn=Person,{people}"), 50, "under two name attributes"),
    ];
    for (dn, expected, what) in places {
        assert_eq!(code_of_add(&mut bot, &dn, person("new", &[])).await, expected, "add {what}");
    }
    let smuggled = format!("uid=new+userPassword=secret-12,{people}");
    let with_password: [(&str, &[&str]); 1] = [("userPassword", &["secret-12"])];
    assert_eq!(
        code_of_add(&mut bot, &smuggled, person("new", &with_password)).await,
        50,
        "a password in the name"
    );
    let group = vec![
        ("objectClass", one("groupOfNames")),
        ("cn", one("own")),
        ("member", one("cn=nobody,ou=services,dc=example,dc=org")),
    ];
    assert_eq!(
        code_of_add(&mut bot, &format!("cn=own,{}", slapd.groups_dn), group).await,
        50,
        "make a group"
    );
    assert_eq!(slapd.people().await.expect("a look").len(), 2, "nothing was added");
}

#[tokio::test]
async fn the_bot_changes_only_what_is_ours_and_only_what_it_needs() {
    let servers = start().await;
    let slapd = &servers.slapd;
    let mut bot = as_bot(slapd).await;
    let (ours, theirs) = (slapd.person_dn("ours"), slapd.person_dn("theirs"));
    for attribute in
        ["cn", "sn", "givenName", "mail", "displayName", "employeeNumber", "pwdAccountLockedTime"]
    {
        let value = if attribute == "pwdAccountLockedTime" { LOCKED } else { "x" };
        let code = code_of_modify(&mut bot, &theirs, Mod::Replace(attribute, one(value))).await;
        assert_eq!(code, 50, "write {attribute} of a foreign entry");
    }
    let marking = [
        (&theirs, Mod::Add("description", one(MARK)), "mark a foreign entry"),
        (&ours, Mod::Delete("description", HashSet::new()), "remove the mark"),
        (&ours, Mod::Delete("description", one(MARK)), "remove the mark by its value"),
        (&ours, Mod::Replace("description", one("accolade:2")), "replace the mark"),
        (&ours, Mod::Add("description", one("free text")), "add a second description"),
    ];
    for (dn, change, what) in marking {
        assert_eq!(code_of_modify(&mut bot, dn, change).await, 50, "{what}");
    }
    for attribute in
        ["userPassword", "employeeType", "title", "pwdReset", "pwdPolicySubentry", "authPassword"]
    {
        let value = match attribute {
            "pwdReset" => "TRUE",
            "pwdPolicySubentry" => "cn=default,ou=policies,dc=example,dc=org",
            _ => "another-value-1",
        };
        let code = code_of_modify(&mut bot, &ours, Mod::Add(attribute, one(value))).await;
        assert!(matches!(code, 50 | 17), "add {attribute} to our entry: {code}");
    }
    for (dn, new) in [
        (&ours, "uid=renamed"),
        (&ours, "userPassword=secret-12"),
        (&ours, "employeeType=admin"),
        (&theirs, "uid=x"),
    ] {
        let code = bot.modifydn(dn, new, false, None).await.expect("an answer").rc;
        assert_eq!(code, 50, "rename to {new}");
    }
    let moved = bot.modifydn(&ours, "uid=ours", true, Some(&slapd.groups_dn)).await.expect("an answer").rc;
    assert_eq!(moved, 50, "move out of the people");
    assert_eq!(bot.delete(&theirs).await.expect("an answer").rc, 50, "delete a foreign entry");
    for dn in [Some(ours.as_str()), Some(theirs.as_str()), None] {
        let operation = PasswordModify { user_id: dn, old_pass: None, new_pass: Some("new-secret-12") };
        let code = bot.extended(operation).await.expect("an answer").1.rc;
        assert_eq!(code, 50, "set the password of {dn:?}");
    }
}

/// Documents a limit of these rules. The right that an Add needs for `uid` and the mark also lets the bot add
/// further values to one of our entries. It can't add a name that is taken, and it can't remove one.
#[tokio::test]
async fn the_bot_can_give_our_entry_a_second_free_name_but_not_a_taken_one_and_takes_none_away() {
    let servers = start().await;
    let slapd = &servers.slapd;
    let mut bot = as_bot(slapd).await;
    let ours = slapd.person_dn("ours");
    assert_eq!(code_of_modify(&mut bot, &ours, Mod::Add("uid", one("theirs"))).await, 19, "a taken name");
    assert_eq!(code_of_modify(&mut bot, &ours, Mod::Add("uid", one("second"))).await, 0, "a free name");
    assert_eq!(
        code_of_modify(&mut bot, &ours, Mod::Add("description", one("accolade:2"))).await,
        0,
        "a second mark"
    );
    for (attribute, value) in [("uid", "second"), ("uid", "ours"), ("description", MARK)] {
        assert_eq!(
            code_of_modify(&mut bot, &ours, Mod::Delete(attribute, one(value))).await,
            50,
            "{attribute} off"
        );
    }
}

#[tokio::test]
async fn the_bot_deletes_no_entry_that_has_a_password() {
    let servers = start().await;
    let slapd = &servers.slapd;
    let dn = slapd.person_dn("ours");
    slapd.set_attribute(&dn, "userPassword", &["chosen-secret-1"]).await.expect("a password");
    let mut bot = as_bot(slapd).await;
    assert_eq!(code_of_modify(&mut bot, &dn, Mod::Replace("pwdAccountLockedTime", one(LOCKED))).await, 0);
    assert_eq!(bot.delete(&dn).await.expect("an answer").rc, 50);
    assert!(!slapd.bind_works(&dn, "chosen-secret-1").await.expect("an answer"), "locked");
    assert_eq!(code_of_modify(&mut bot, &dn, Mod::Delete("pwdAccountLockedTime", HashSet::new())).await, 0);
    assert!(slapd.bind_works(&dn, "chosen-secret-1").await.expect("an answer"), "unlocked");
}

#[tokio::test]
async fn the_bot_manages_people_in_marked_groups_only() {
    let servers = start().await;
    let slapd = &servers.slapd;
    let mut bot = as_bot(slapd).await;
    let ours = slapd.person_dn("ours");
    let managed = format!("cn=members,{}", slapd.groups_dn);
    let foreign = format!("cn=admins,{}", slapd.groups_dn);
    let nobody = "cn=nobody,ou=services,dc=example,dc=org";
    let cases = [
        (&foreign, Mod::Add("member", one(&ours)), 50, "into a foreign group"),
        (&foreign, Mod::Add("businessCategory", one("accolade")), 50, "mark a group"),
        (&managed, Mod::Replace("member", one(&ours)), 50, "replace all members"),
        (&managed, Mod::Delete("member", HashSet::new()), 50, "delete all members"),
        (&managed, Mod::Delete("member", one(nobody)), 50, "take the placeholder out"),
        (&managed, Mod::Add("member", one(&slapd.bot_dn)), 50, "add itself"),
        (&managed, Mod::Add("description", one("x")), 50, "describe a group"),
        (
            &managed,
            Mod::Add("member", one("uid=none,ou=people,dc=example,dc=org")),
            19,
            "add who is not there",
        ),
    ];
    for (dn, change, expected, what) in cases {
        assert_eq!(code_of_modify(&mut bot, dn, change).await, expected, "{what}");
    }
    assert_eq!(bot.delete(&managed).await.expect("an answer").rc, 50, "delete a group");
    assert_eq!(
        bot.modifydn(&managed, "cn=other", true, None).await.expect("an answer").rc,
        50,
        "rename a group"
    );
}

#[tokio::test]
async fn the_bot_sees_no_password_no_service_and_no_policy() {
    let servers = start().await;
    let slapd = &servers.slapd;
    let dn = slapd.person_dn("ours");
    for password in ["first-secret-1", "second-secret-2"] {
        slapd.set_attribute(&dn, "userPassword", &[password]).await.expect("a password");
    }
    let held = slapd.entry(&dn).await.expect("a look").expect("an entry");
    assert!(held.value("userPassword").is_some(), "there is a password to hide");
    let mut bot = as_bot(slapd).await;
    let seen = visible(&mut bot, &dn).await.expect("the bot reads its entry");
    assert!(!seen.iter().any(|name| name == "userPassword" || name == "pwdHistory"), "{seen:?}");
    assert!(
        seen.iter().any(|name| name == "pwdChangedTime"),
        "the existence of a password is visible: {seen:?}"
    );
    let result = bot.search(&slapd.people_dn, Scope::OneLevel, "(userPassword=*)", vec!["1.1"]).await;
    assert_eq!(result.expect("an answer").0.len(), 0, "not by a filter either");
    for hidden in
        [&slapd.base, &slapd.bot_dn, &slapd.keycloak_dn, &format!("cn=default,ou=policies,{}", slapd.base)]
    {
        assert_eq!(visible(&mut bot, hidden).await, Err(32), "{hidden}");
    }
}

#[tokio::test]
async fn keycloak_sets_passwords_and_names_and_no_more() {
    let servers = start().await;
    let slapd = &servers.slapd;
    let mut keycloak = as_keycloak(slapd).await;
    let dn = slapd.person_dn("ours");
    let operation = PasswordModify { user_id: Some(&dn), old_pass: None, new_pass: Some("new-secret-12") };
    assert_eq!(keycloak.extended(operation).await.expect("an answer").1.rc, 0, "set a password");
    assert!(slapd.bind_works(&dn, "new-secret-12").await.expect("an answer"));
    for attribute in ["mail", "sn", "givenName", "cn"] {
        assert_eq!(
            code_of_modify(&mut keycloak, &dn, Mod::Replace(attribute, one("x"))).await,
            0,
            "write {attribute}"
        );
    }
    let forbidden = [
        ("uid", "other"),
        ("description", MARK),
        ("employeeNumber", "1"),
        ("displayName", "x"),
        ("pwdAccountLockedTime", LOCKED),
    ];
    for (attribute, value) in forbidden {
        let code = code_of_modify(&mut keycloak, &dn, Mod::Replace(attribute, one(value))).await;
        assert_eq!(code, 50, "write {attribute}");
    }
    let seen = visible(&mut keycloak, &dn).await.expect("Keycloak reads");
    assert!(!seen.iter().any(|name| name == "userPassword" || name == "pwdHistory"), "{seen:?}");
    let group = format!("cn=members,{}", slapd.groups_dn);
    assert_eq!(
        code_of_modify(&mut keycloak, &group, Mod::Add("member", one(&dn))).await,
        50,
        "change a group"
    );
    assert_eq!(keycloak.delete(&dn).await.expect("an answer").rc, 50, "delete");
    assert_eq!(keycloak.modifydn(&dn, "uid=x", true, None).await.expect("an answer").rc, 50, "rename");
    assert_eq!(code_of_add(&mut keycloak, &slapd.person_dn("new"), person("new", &[])).await, 50, "add");
}

#[tokio::test]
async fn nobody_sets_a_password_on_a_locked_entry() {
    let servers = start().await;
    let slapd = &servers.slapd;
    let dn = slapd.person_dn("ours");
    slapd.set_attribute(&dn, "pwdAccountLockedTime", &[LOCKED]).await.expect("locked");
    let mut keycloak = as_keycloak(slapd).await;
    let operation = PasswordModify { user_id: Some(&dn), old_pass: None, new_pass: Some("new-secret-12") };
    assert_eq!(keycloak.extended(operation).await.expect("an answer").1.rc, 50);
    let entry = slapd.entry(&dn).await.expect("a look").expect("an entry");
    assert_eq!(entry.value("pwdAccountLockedTime"), Some(LOCKED), "the lock stays");
    assert_eq!(entry.value("userPassword"), None);
}

#[tokio::test]
async fn a_person_changes_their_own_password_and_sees_nothing() {
    let servers = start().await;
    let slapd = &servers.slapd;
    let dn = slapd.person_dn("theirs");
    let mut person = slapd.connect_as(&dn, "their-secret-1").await.expect("the person binds");
    assert_eq!(visible(&mut person, &dn).await, Err(32), "the own entry");
    assert_eq!(visible(&mut person, &slapd.person_dn("ours")).await, Err(32), "another entry");
    assert_eq!(code_of_modify(&mut person, &dn, Mod::Replace("mail", one("x@example.org"))).await, 50);
    let operation = PasswordModify { user_id: None, old_pass: None, new_pass: Some("new-secret-12") };
    assert_eq!(person.extended(operation).await.expect("an answer").1.rc, 0, "the own password");
    let other = slapd.person_dn("ours");
    let operation = PasswordModify { user_id: Some(&other), old_pass: None, new_pass: Some("new-secret-12") };
    assert_eq!(person.extended(operation).await.expect("an answer").1.rc, 50, "another person's password");
}

#[tokio::test]
async fn anonymous_sees_and_changes_nothing() {
    let servers = start().await;
    let slapd = &servers.slapd;
    let mut anonymous = slapd.connect().await.expect("a connection");
    for dn in [&slapd.base, &slapd.people_dn, &slapd.groups_dn, &slapd.person_dn("ours")] {
        assert_eq!(visible(&mut anonymous, dn).await, Err(32), "{dn}");
    }
    let code = code_of_add(&mut anonymous, &slapd.person_dn("new"), person("new", &[])).await;
    assert!(matches!(code, 8 | 50), "an anonymous add: {code}");
    assert!(visible(&mut anonymous, "").await.is_ok(), "the root entry stays public");
}

#[tokio::test]
async fn names_addresses_and_discord_ids_are_given_once() {
    let servers = start().await;
    let slapd = &servers.slapd;
    let mut bot = as_bot(slapd).await;
    let first: [(&str, &[&str]); 2] =
        [("mail", &["ada@example.org"]), ("employeeNumber", &["123456789012345678"])];
    assert_eq!(code_of_add(&mut bot, &slapd.person_dn("ada"), person("ada", &first)).await, 0);
    assert_eq!(code_of_add(&mut bot, &slapd.person_dn("ada"), person("ada", &[])).await, 68, "the same name");
    let taken: [(&str, &[&str]); 2] =
        [("mail", &["ADA@Example.org"]), ("employeeNumber", &["123456789012345678"])];
    for (attribute, values) in taken {
        let code =
            code_of_add(&mut bot, &slapd.person_dn("bob"), person("bob", &[(attribute, values)])).await;
        assert_eq!(code, 19, "the same {attribute}");
    }
}

#[tokio::test]
async fn of_forty_simultaneous_adds_with_one_address_one_wins() {
    let servers = start().await;
    let slapd = &servers.slapd;
    let mut tries = Vec::new();
    for number in 0..40 {
        let mut bot = as_bot(slapd).await;
        let uid = format!("racer{number}");
        let dn = slapd.person_dn(&uid);
        tries.push(async move {
            let address: [(&str, &[&str]); 1] = [("mail", &["one@example.org"])];
            code_of_add(&mut bot, &dn, person(&uid, &address)).await
        });
    }
    let codes = futures::future::join_all(tries).await;
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == 19).count(), 39, "{codes:?}");
}
