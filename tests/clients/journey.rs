//! The mail with the link, as set-up writes it into the realm, and the way from it to the last page.

use std::time::Duration;

use accolade::directory::Directory;
use accolade::domain::account::KeycloakId;
use accolade::keycloak::{Actions, Import, Keycloak, MailOutcome, last_page_status};
use accolade::setup::keycloak::{MailTextsMode, Mode, Report, SetupInput, run};
use reqwest::Method;
use serde_json::{Value, json};
use testbed::{TestServers, browser, wait_until};
use url::Url;

use crate::directory::TestPerson;
use crate::keycloak::MAIL_SERVER;
use crate::servers;

const SOON: Duration = Duration::from_secs(20);

struct Site {
    servers: &'static TestServers,
    input: SetupInput,
}

impl Site {
    async fn of(realm: &str) -> Self {
        let servers = servers::servers().await;
        Self { servers, input: servers::setup_input(servers, realm) }
    }

    async fn sets_up(&self, mode: Mode, mail_texts: MailTextsMode) -> Report {
        let mut args = servers::setup_args(self.servers, mode);
        args.mail_texts = mail_texts;
        run(&args, &self.input, &mut Vec::new()).await.expect("set-up succeeds")
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let path = [&self.input.realm, path].concat();
        self.servers.keycloak.admin_json(method, &path, body.as_ref()).await.expect("an administrator may")
    }

    async fn texts(&self, locale: &str) -> Value {
        self.ask(Method::GET, &["/localization/", locale].concat(), None).await
    }

    async fn import(&self, client: &Keycloak, person: &TestPerson) -> KeycloakId {
        let directory = servers::directory_config(&self.servers.slapd);
        let ours = person.add_to(&Directory::new(&directory).expect("usable settings")).await;
        let import = || async { client.find_import(&person.username, &ours.directory_id).await };
        wait_until("the import", SOON, || async { Ok(matches!(import().await?, Import::Ours(_))) })
            .await
            .expect("it is imported");
        let Ok(Import::Ours(id)) = import().await else { panic!("it was found just now") };
        id
    }
}

#[tokio::test]
async fn the_mail_names_the_community_and_its_last_click_lands_on_a_page() {
    let _alone = MAIL_SERVER.lock().await;
    let mut site = Site::of("mail-journey").await;
    site.input.community_name = Some("Tim's Go & Chess Club".to_owned());
    let console = [site.servers.keycloak.public_url.as_str(), "/realms/mail-journey/account/"].concat();
    site.input.mail_redirect_uri = Url::parse(&console).expect("a URL");
    let report = site.sets_up(Mode::Apply, MailTextsMode::Fill).await;
    let subject = "change text executeActionsSubject (en): (Keycloak's own) -> \"Your account with Tim''s Go & Chess Club: here is your link\"";
    assert!(report.changes.iter().any(|change| change == subject), "{:?}", report.changes);
    assert!(report.hints.iter().any(|hint| hint.contains("every mail of the realm")), "{:?}", report.hints);
    site.servers.keycloak.set_smtp("mail-journey", &site.servers.mail).await.expect("a mail server");
    let config = servers::keycloak_config(&site.input, &report);
    let client = Keycloak::new(&config).expect("usable settings");
    for (person, is_international) in
        [(TestPerson::new("journey-ada", 801), false), (TestPerson::new("journey-eve", 802), true)]
    {
        if is_international {
            let languages = json!({"internationalizationEnabled": true, "supportedLocales": ["de", "en"], "defaultLocale": "en"});
            site.servers.keycloak.set_realm("mail-journey", &languages).await.expect("the realm is changed");
            let second = site.sets_up(Mode::Apply, MailTextsMode::Fill).await;
            assert_eq!(second.changes, Vec::<String>::new());
            assert!(second.hints.iter().any(|hint| hint.contains("language `de`")), "{:?}", second.hints);
        }
        let id = site.import(&client, &person).await;
        let sent = client.send_actions_mail(&id, Actions::FirstPassword, Duration::from_hours(12)).await;
        assert_eq!(sent, MailOutcome::Accepted);
        let mail = site.servers.mail.wait_for_mail_to(person.address.as_str(), SOON).await.expect("a mail");
        assert_eq!(mail.subject, "Your account with Tim's Go & Chess Club: here is your link");
        for part in ["Tim's Go & Chess Club", "It works for 12 hours.", "Please don't pass this email on"] {
            assert!(mail.text.contains(part), "{part}: {}", mail.text);
        }
        assert!(
            mail.html.contains("Go &amp; Chess Club") && mail.html.contains("Open the link</a>"),
            "{}",
            mail.html
        );
        assert!(
            !mail.text.contains("administrator") && !mail.html.contains("administrator"),
            "{}",
            mail.text
        );
        let link = mail.links.iter().find(|link| link.contains("action-token")).expect("a link");
        let last = browser::follow_to_last_page(link, "Correct-horse-7-battery").await.expect("pages answer");
        assert!(last.told.contains("account has been updated"), "{last:?}");
        assert_eq!((last.way_on.as_deref(), last.status), (Some(console.as_str()), Some(200)), "{last:?}");
    }
    assert_eq!(last_page_status(&config).await, Ok(200));
    let mut nowhere = config.clone();
    nowhere.mail_redirect_uri = Url::parse(&console.replace("mail-journey", "no-realm")).expect("a URL");
    assert_eq!(last_page_status(&nowhere).await, Ok(404));
}

#[tokio::test]
async fn texts_of_somebody_else_stay_until_their_change_is_asked_for() {
    let mut site = Site::of("mail-texts").await;
    let plan = site.sets_up(Mode::Plan, MailTextsMode::Fill).await;
    assert!(
        plan.changes.iter().any(|change| change.contains("executeActionsBodyHtml (en)")),
        "{:?}",
        plan.changes
    );
    // The operator leaves the texts alone.
    site.sets_up(Mode::Apply, MailTextsMode::Keep).await;
    assert_eq!(site.texts("en").await, json!({}));
    // Somebody else wrote a text.
    let theirs = json!({"executeActionsSubject": "Welcome\nto \u{1b}[2J us", "loginTitle": "Ours"});
    site.ask(Method::POST, "/localization/en", Some(theirs.clone())).await;
    let kept = site.sets_up(Mode::Apply, MailTextsMode::Fill).await;
    assert_eq!(kept.changes, Vec::<String>::new());
    assert!(kept.hints.iter().any(|hint| hint.starts_with("somebody else wrote")), "{:?}", kept.hints);
    assert_eq!(site.texts("en").await, theirs);
    // The change is asked for, and shown with the text before it.
    let planned = site.sets_up(Mode::Plan, MailTextsMode::Replace).await;
    assert_eq!(site.texts("en").await, theirs);
    let replaced = site.sets_up(Mode::Apply, MailTextsMode::Replace).await;
    assert_eq!(planned.changes, replaced.changes);
    assert_eq!(
        replaced.changes.first().map(String::as_str),
        Some(
            "change text executeActionsSubject (en): \"Welcome\\nto \\u{1b}[2J us\" -> \"Your account with mail-texts: here is your link\""
        )
    );
    assert_eq!(replaced.changes.len(), 3, "{:?}", replaced.changes);
    assert_eq!(site.texts("en").await["loginTitle"], "Ours", "other texts stay");
    // Accolade's own texts follow the name.
    site.input.community_name = Some("Chess Club".to_owned());
    let renamed = site.sets_up(Mode::Apply, MailTextsMode::Fill).await;
    assert_eq!(
        renamed.changes.first().map(String::as_str),
        Some(
            "change text executeActionsSubject (en): \"Your account with mail-texts: here is your link\" -> \"Your account with Chess Club: here is your link\""
        )
    );
    assert_eq!(site.sets_up(Mode::Apply, MailTextsMode::Fill).await.changes, Vec::<String>::new());
    // A theme may have texts that the realm's would hide.
    site.ask(Method::DELETE, "/localization/en", None).await;
    site.servers.keycloak.set_realm("mail-texts", &json!({"emailTheme": "club"})).await.expect("a theme");
    let themed = site.sets_up(Mode::Apply, MailTextsMode::Fill).await;
    assert_eq!(themed.changes, Vec::<String>::new());
    assert!(themed.hints.iter().any(|hint| hint.contains("theme `club`")), "{:?}", themed.hints);
}

#[tokio::test]
async fn the_service_reads_what_the_form_must_know_of_the_profile() {
    let site = Site::of("form-rules").await;
    let report = site.sets_up(Mode::Apply, MailTextsMode::Fill).await;
    let client = Keycloak::new(&servers::keycloak_config(&site.input, &report)).expect("usable settings");
    assert_eq!(client.profile_rules().given.broken_by(&"x".repeat(300)), None, "nothing is known yet");
    client.read_profile_rules().await.expect("the service's rights are enough");
    let rules = client.profile_rules();
    assert!(rules.given.broken_by(&"x".repeat(300)).is_some(), "Keycloak's default is 255");
    assert!(rules.username.broken_by("ab").is_some(), "Keycloak's default is 3");
    assert_eq!(rules.family.broken_by("O'Hara-Müller"), None);
}
