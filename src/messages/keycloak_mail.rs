//! The mail with the link, as `setup keycloak` sets it in the realm.
//!
//! Keycloak reads these texts as patterns of Java's `MessageFormat`: `{0}` is the link, `{3}` what it leads to, `{4}` how long it works.
//! An apostrophe stands doubled.

use super::tr;
use crate::domain::lang::Lang;

/// Subject, plain text and HTML of the mail.
pub fn texts(lang: Lang, community: &str) -> [String; 3] {
    let named = |community: &str| tr!(lang, "keycloak-mail-intro", community = community, actions = "{3}");
    let time = tr!(lang, "keycloak-mail-time", span = "{4}");
    let (secret, ignore) = (tr!(lang, "keycloak-mail-secret"), tr!(lang, "keycloak-mail-ignore"));
    let plain = [&named(community), &time, "{0}", &secret, &ignore];
    let link = ["<a href=\"{0}\">", &tr!(lang, "keycloak-mail-open"), "</a>"].concat();
    let html = [&named(&escaped(community)), &time, &link, &secret, &ignore];
    [
        pattern(&tr!(lang, "keycloak-mail-subject", community = community)),
        pattern(&plain.join("\n\n")),
        pattern(&html.iter().map(|part| ["<p>", part, "</p>"].concat()).collect::<String>()),
    ]
}

/// Whether a text is one of these, for whatever community.
pub fn is_ours(lang: Lang, place: usize, text: &str) -> bool {
    const NAME: &str = "\u{1}";
    let wanted = texts(lang, NAME);
    let Some((before, after)) = wanted.get(place).and_then(|wanted| wanted.split_once(NAME)) else {
        return false;
    };
    text.len() > before.len() + after.len() && text.starts_with(before) && text.ends_with(after)
}

/// The text as a pattern of `MessageFormat`.
fn pattern(text: &str) -> String {
    text.replace('\'', "''")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_name_the_community_once_and_are_known_again_under_another_name() {
        let [subject, plain, html] = texts(Lang::En, "Tim's R&D club");
        assert_eq!(subject, "Your account with Tim''s R&D club: here is your link");
        assert!(plain.contains("Tim''s R&D club") && plain.contains("\n\n{0}\n\n"), "{plain}");
        assert!(html.contains("Tim''s R&amp;D club") && html.contains("<a href=\"{0}\">"), "{html}");
        for (place, text) in texts(Lang::En, "Chess Club").iter().enumerate() {
            assert!(is_ours(Lang::En, place, text), "{text}");
            assert!(text.matches('\'').count() % 2 == 0, "{text}");
            for other in ["", "Someone has just requested …", &["x", text].concat(), &[text, "x"].concat()]
            {
                assert!(!is_ours(Lang::En, place, other), "{other}");
            }
        }
    }
}
