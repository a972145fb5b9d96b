//! What a new person meets: the texts of the mail with the link, and the page at its end.

use serde_json::Value;

use super::checks::Checks;
use crate::config::Config;
use crate::domain::finding::{Finding, NotChecked};
use crate::domain::lang::Lang;
use crate::keycloak::{Admin, KeycloakError, last_page_status, texts};

/// Checks that the mail has texts for this community in each language that Accolade has texts in. Whose texts these are doesn't matter.
pub(super) async fn check_texts(
    checks: &mut Checks,
    admin: &Admin,
    config: &Config,
    realm: &Value,
) -> Result<(), KeycloakError> {
    if texts::own_mail_theme(realm).is_some() {
        checks.pass(Finding::KeycloakMailTextsMissing);
        return Ok(());
    }
    let mut missing = Vec::new();
    for locale in texts::locales(realm).into_iter().filter(|locale| Lang::known(locale).is_some()) {
        let path = ["admin", "realms", &config.keycloak.realm, "localization", &locale];
        let found = admin.get("texts", &path, &[]).await?.unwrap_or_default();
        if !texts::has_any(&found) {
            missing.push(locale);
        }
    }
    checks.fail_for_each(Finding::KeycloakMailTextsMissing, missing);
    Ok(())
}

/// Opens the page to which the last click leads. If it doesn't answer, it may still answer to people elsewhere.
pub(super) async fn check_last_page(checks: &mut Checks, config: &Config) {
    match last_page_status(&config.keycloak).await {
        Ok(status) if exists(status) => checks.pass(Finding::KeycloakLastPageMissing),
        Ok(status) => {
            let about = [config.keycloak.mail_redirect_uri.as_str(), ": ", &status.to_string()].concat();
            checks.fail(Finding::KeycloakLastPageMissing, about);
        }
        Err(_) => checks.skip(Finding::KeycloakLastPageMissing, NotChecked::Blocked),
    }
}

/// Whether there is a page, even if it wants a login or asks for patience.
const fn exists(status: u16) -> bool {
    status < 400 || matches!(status, 401 | 403 | 405 | 429)
}
