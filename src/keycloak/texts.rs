//! The texts of Keycloak's mail with the link: their keys in the realm's localisation, and the languages that a realm uses.
//!
//! The realm's texts win over those of a theme, in every mail of the same kind (`executeActions…`), and reach people at once.

use serde_json::Value;

/// The keys of the mail's subject, its plain text and its HTML. A mail with only one of the bodies shows Keycloak's own text in the
/// other.
pub const MAIL_KEYS: [&str; 3] = ["executeActionsSubject", "executeActionsBody", "executeActionsBodyHtml"];

/// The themes that Keycloak ships for mails.
const SHIPPED_THEMES: [&str; 3] = ["", "base", "keycloak"];

/// The languages of the realm's pages and mails, sorted. A realm without internationalisation speaks English.
pub fn locales(realm: &Value) -> Vec<String> {
    if realm.get("internationalizationEnabled").and_then(Value::as_bool) != Some(true) {
        return vec!["en".to_owned()];
    }
    let supported = realm.get("supportedLocales").and_then(Value::as_array);
    let default = realm.get("defaultLocale");
    let all = supported.into_iter().flatten().chain(default).filter_map(Value::as_str);
    let mut locales: Vec<String> = all.filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    locales.sort();
    locales.dedup();
    if locales.is_empty() { vec!["en".to_owned()] } else { locales }
}

/// The theme of the realm's mails, if somebody chose one that Keycloak doesn't ship. It may have texts of its own.
pub fn own_mail_theme(realm: &Value) -> Option<&str> {
    realm.get("emailTheme").and_then(Value::as_str).filter(|theme| !SHIPPED_THEMES.contains(theme))
}

/// The name of the community in the mail: the configured one, or else the realm's display name, or else the realm's name.
pub fn community_name(configured: Option<&str>, realm: &Value, realm_name: &str) -> String {
    let shown = realm.get("displayName").and_then(Value::as_str).map(plain).filter(|name| !name.is_empty());
    configured.map(str::to_owned).or(shown).unwrap_or_else(|| realm_name.to_owned())
}

/// A display name without markup and without what `MessageFormat` reads.
fn plain(name: &str) -> String {
    let is_plain = |c: &char| !c.is_control() && !matches!(c, '{' | '}' | '<' | '>' | '"');
    name.chars().filter(is_plain).collect::<String>().trim().to_owned()
}

/// Whether somebody set a text of this mail.
pub fn has_any(texts: &Value) -> bool {
    MAIL_KEYS.iter().any(|key| texts.get(key).is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_realm_speaks_the_languages_that_it_supports() {
        assert_eq!(locales(&json!({})), ["en"]);
        assert_eq!(
            locales(&json!({"internationalizationEnabled": false, "supportedLocales": ["de"]})),
            ["en"]
        );
        let both = json!({"internationalizationEnabled": true, "supportedLocales": ["nl", "de"], "defaultLocale": "de"});
        assert_eq!(locales(&both), ["de", "nl"]);
        assert_eq!(locales(&json!({"internationalizationEnabled": true, "supportedLocales": []})), ["en"]);
    }

    #[test]
    fn the_community_has_its_configured_name_or_the_realms() {
        let realm = json!({"displayName": "<b>Our {0} \"people\"</b>"});
        assert_eq!(community_name(Some("Chess Club"), &realm, "members"), "Chess Club");
        assert_eq!(community_name(None, &realm, "members"), "bOur 0 people/b");
        assert_eq!(community_name(None, &json!({"displayName": " "}), "members"), "members");
        assert_eq!(community_name(None, &json!({}), "members"), "members");
    }

    #[test]
    fn only_a_theme_that_somebody_made_counts_as_their_own() {
        assert_eq!(own_mail_theme(&json!({"emailTheme": "club"})), Some("club"));
        for shipped in [json!({}), json!({"emailTheme": ""}), json!({"emailTheme": "keycloak"})] {
            assert_eq!(own_mail_theme(&shipped), None);
        }
    }
}
