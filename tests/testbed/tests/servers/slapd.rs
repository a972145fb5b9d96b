//! The directory as tests use it.

use std::time::Duration;

use testbed::{Managed, ServerOptions, TestServers, slapd::PersonByHand, wait_until};

#[tokio::test]
async fn two_directories_run_side_by_side_and_share_nothing() {
    let (one, other) = tokio::join!(
        TestServers::start(ServerOptions::slapd_alone()),
        TestServers::start(ServerOptions::slapd_alone())
    );
    let (one, other) = (one.expect("the first"), other.expect("the second"));
    assert_ne!(one.slapd.ldap_url, other.slapd.ldap_url);
    let dn = one.slapd.add_person_by_hand(&PersonByHand::named("ada")).await.expect("added");
    assert!(one.slapd.entry(&dn).await.expect("a look").is_some());
    assert!(other.slapd.entry(&dn).await.expect("a look").is_none());
}

#[tokio::test]
async fn a_kept_folder_belongs_to_one_testbed_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = || ServerOptions { folder: Some(folder.path().to_owned()), ..ServerOptions::slapd_alone() };
    let first = TestServers::start(options()).await.expect("the first");
    let pid = first.slapd.pid();
    let refused = TestServers::start(options()).await.expect_err("the second is refused");
    assert!(refused.to_string().contains("another set of servers"), "{refused}");
    assert!(first.slapd.entry(&first.slapd.base).await.expect("an answer").is_some(), "the first runs on");
    first.stop().await;
    let next = TestServers::start(options()).await.expect("the next one may have it");
    assert_ne!(next.slapd.pid(), pid);
}

#[tokio::test]
async fn a_killed_directory_comes_back_on_its_port_with_its_people() {
    let servers = TestServers::start(ServerOptions::slapd_alone()).await.expect("slapd");
    let slapd = &servers.slapd;
    let person = PersonByHand { password: Some("chosen-secret-1".to_owned()), ..PersonByHand::named("ada") };
    let dn = slapd.add_person_by_hand(&person).await.expect("added");
    let group = slapd.add_group("members", Managed::Yes).await.expect("a group");
    slapd.kill();
    assert!(slapd.bind_works(&dn, "chosen-secret-1").await.is_err(), "no server answers");
    slapd.start().await.expect("again");
    assert!(slapd.bind_works(&dn, "chosen-secret-1").await.expect("an answer"));
    assert!(!slapd.bind_works(&dn, "wrong-secret-1").await.expect("an answer"));
    assert!(slapd.entry(&group).await.expect("a look").is_some());
    assert!(slapd.ldif_of_people().await.expect("text").contains("userPassword: (set)"));
}

#[tokio::test]
async fn a_frozen_directory_answers_when_it_thaws() {
    let servers = TestServers::start(ServerOptions::slapd_alone()).await.expect("slapd");
    let slapd = &servers.slapd;
    slapd.freeze();
    let asked = tokio::time::timeout(Duration::from_millis(300), slapd.entry(&slapd.people_dn)).await;
    assert!(asked.is_err(), "no answer while it is frozen");
    slapd.thaw();
    assert!(slapd.entry(&slapd.people_dn).await.expect("an answer").is_some());
}

#[tokio::test]
async fn tls_is_offered_on_both_addresses() {
    let servers = TestServers::start(ServerOptions::slapd_alone()).await.expect("slapd");
    let slapd = &servers.slapd;
    for (url, arguments) in [(&slapd.ldaps_url, &[][..]), (&slapd.ldap_url, &["-ZZ"][..])] {
        let run = tokio::process::Command::new("ldapwhoami")
            .env("LDAPTLS_CACERT", &slapd.ca_file)
            .args(["-x", "-H", url, "-D", &slapd.bot_dn, "-w", &slapd.bot_password])
            .args(arguments)
            .output();
        let output = run.await.expect("ldapwhoami runs");
        assert!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
        let stranger = tokio::process::Command::new("ldapwhoami")
            .env("LDAPTLS_CACERT", "/dev/null")
            .args(["-x", "-H", url])
            .args(arguments)
            .output();
        assert!(
            !stranger.await.expect("ldapwhoami runs").status.success(),
            "{url} is not trusted without the CA"
        );
    }
}

#[tokio::test]
async fn an_orderly_stop_leaves_no_process() {
    let servers = TestServers::start(ServerOptions::slapd_alone()).await.expect("slapd");
    let pid = servers.slapd.pid().expect("it runs");
    servers.stop().await;
    let gone = || async { Ok(!std::path::Path::new(&format!("/proc/{pid}")).exists()) };
    wait_until("slapd to be gone", Duration::from_secs(5), gone).await.expect("gone");
}
