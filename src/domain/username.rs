//! User names: the values that `uid` may have in the directory.
//!
//! A name is first prepared by RFC 8265 (`UsernameCaseMapped`: width and case mapping, NFC). Stricter rules of our own follow, because
//! RFC 8265 alone allows filter characters and mixed scripts. Names that look alike have the same [`Skeleton`], and the store gives a
//! skeleton to one person only.

use std::collections::HashSet;
use std::sync::LazyLock;

use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::Profile;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A legal user name in lower-case ASCII: the entry's `uid` and the user name in Keycloak.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Username(String);

/// The visual form of a name: names with the same skeleton look alike (UTS 39).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Skeleton(String);

/// The rule that a user name breaks. If it breaks several, this is the one that helps the person most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IllegalUsername {
    /// Nothing was typed.
    #[error("the user name is empty")]
    Empty,
    /// Shorter than two characters.
    #[error("the user name is too short")]
    TooShort,
    /// Longer than the configuration allows.
    #[error("the user name is too long")]
    TooLong,
    /// A character other than `a-z`, `0-9`, `.`, `_` and `-`.
    #[error("the user name has a character that is not allowed")]
    Character(char),
    /// It does not begin with a letter.
    #[error("the user name does not begin with a letter")]
    Beginning,
    /// It ends with a separator.
    #[error("the user name does not end with a letter or digit")]
    End,
    /// Two dots in a row, which have a meaning in paths and mail systems.
    #[error("the user name has two dots in a row")]
    DoubleDot,
}

/// The longest name in a row of the store, whatever the current configuration allows.
const LONGEST_ROW: usize = 64;

/// The shortest name. A single letter is not useful in a directory that people search.
const SHORTEST: usize = 2;

/// Names of machines, services and offices, which no person gets: the mailboxes of RFC 2142, the usual system accounts, and names that
/// people would trust without checking. `[username] reserved` adds to them.
const RESERVED: &[&str] = &[
    "abuse",
    "accolade",
    "account",
    "accounts",
    "adm",
    "admin",
    "administrator",
    "admins",
    "anonymous",
    "api",
    "backup",
    "billing",
    "bin",
    "bot",
    "cn",
    "daemon",
    "dc",
    "dns",
    "everyone",
    "ftp",
    "games",
    "group",
    "groups",
    "guest",
    "help",
    "helpdesk",
    "here",
    "hostmaster",
    "info",
    "keycloak",
    "krbtgt",
    "ldap",
    "localhost",
    "login",
    "lp",
    "mail",
    "mailer-daemon",
    "manager",
    "marketing",
    "me",
    "mod",
    "moderator",
    "moderators",
    "monitor",
    "mysql",
    "news",
    "no-reply",
    "nobody",
    "noc",
    "nogroup",
    "noreply",
    "null",
    "operator",
    "ou",
    "owner",
    "password",
    "postfix",
    "postgres",
    "postmaster",
    "proxy",
    "realm-admin",
    "replicator",
    "root",
    "sales",
    "security",
    "self",
    "service",
    "services",
    "shutdown",
    "signin",
    "signup",
    "smtp",
    "ssh",
    "sshd",
    "ssl",
    "staff",
    "support",
    "sync",
    "sys",
    "sysadmin",
    "system",
    "team",
    "test",
    "uid",
    "undefined",
    "usenet",
    "user",
    "users",
    "uucp",
    "webmaster",
    "wheel",
    "www",
    "www-data",
];

impl Username {
    /// Checks a typed name against the rules of form, not against reserved or taken names. `max` is the greatest length in characters.
    pub fn parse(typed: &str, max: usize) -> Result<Self, IllegalUsername> {
        let typed = typed.trim();
        if typed.is_empty() {
            return Err(IllegalUsername::Empty);
        }
        // A text that is too long for any name is refused before it is processed.
        if typed.chars().count() > LONGEST_ROW {
            return Err(IllegalUsername::TooLong);
        }
        let illegal = || IllegalUsername::Character(first_illegal(typed));
        let prepared = UsernameCaseMapped::new().enforce(typed.to_owned()).map_err(|_| illegal())?;
        if !prepared.bytes().all(is_name_byte) {
            return Err(illegal());
        }
        validate_form(&prepared, max)?;
        Ok(Self(prepared.into_owned()))
    }

    /// Reads a name that passed an earlier check, such as one from a row of the store. The rules may have become stricter since, so this
    /// checks only what every version has required.
    pub fn from_row(stored: &str) -> Result<Self, IllegalUsername> {
        if stored.is_empty() {
            return Err(IllegalUsername::Empty);
        }
        if stored.len() > LONGEST_ROW {
            return Err(IllegalUsername::TooLong);
        }
        if !stored.bytes().all(is_name_byte) {
            return Err(IllegalUsername::Character(first_illegal(stored)));
        }
        Ok(Self(stored.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The skeleton of the name.
    pub fn skeleton(&self) -> Skeleton {
        Skeleton::of(&self.0)
    }

    /// Whether the name equals or looks like a built-in reserved name or one of `more` (`[username] reserved`).
    pub fn is_reserved(&self, more: &[String]) -> bool {
        static BUILT_IN: LazyLock<HashSet<Skeleton>> =
            LazyLock::new(|| RESERVED.iter().copied().map(Skeleton::of).collect());
        let mine = self.skeleton();
        BUILT_IN.contains(&mine) || more.iter().any(|name| Skeleton::of(name) == mine)
    }
}

impl std::fmt::Display for Username {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Skeleton {
    /// The skeleton of `text`: that of UTS 39 section 4, in lower case. It also treats `1`, `i` and `l` as equal, `0` and `o`, `m` and
    /// `rn`, and `w` and `vv`, which UTS 39 tells apart because it assumes one font and keeps capitals.
    ///
    /// Single characters are replaced by pairs (`m` becomes `rn`), never pairs by single ones: `vvv` could become `wv` or `vw`.
    pub fn of(text: &str) -> Self {
        let folded: String = text.nfkc().flat_map(char::to_lowercase).collect();
        let mut skeleton = String::with_capacity(folded.len() + 4);
        for c in unicode_security::skeleton(&folded).flat_map(char::to_lowercase) {
            match c {
                '1' | 'i' | '|' => skeleton.push('l'),
                '0' => skeleton.push('o'),
                'm' => skeleton.push_str("rn"),
                'w' => skeleton.push_str("vv"),
                other => skeleton.push(other),
            }
        }
        Self(skeleton)
    }

    /// The text that the unique index of the store compares.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A legal name for the form when it opens, derived from the names that Discord shows, or `None` if none of them has enough legal
/// characters. The same input always gives the same name. The name may be taken: this function does not check it.
pub fn suggest_username(
    discord_name: &str,
    display_name: Option<&str>,
    max: usize,
    reserved: &[String],
) -> Option<Username> {
    [Some(discord_name), display_name]
        .into_iter()
        .flatten()
        .filter_map(|name| legal_part(name, max))
        .find(|name| !name.is_reserved(reserved))
}

/// A shown name without accents, with dots for spaces, and without all other characters that are not allowed.
fn legal_part(shown: &str, max: usize) -> Option<Username> {
    let mut kept = String::new();
    for c in shown.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        let c = if c.is_whitespace() { '.' } else { c };
        let begins = kept.is_empty();
        let doubles = is_separator(c) && kept.ends_with(is_separator);
        let fits = c.is_ascii() && is_name_byte(c as u8) && (!begins || c.is_ascii_lowercase()) && !doubles;
        if fits && kept.len() < max {
            kept.push(c);
        }
    }
    Username::parse(kept.trim_end_matches(is_separator), max).ok()
}

fn validate_form(name: &str, max: usize) -> Result<(), IllegalUsername> {
    if name.len() > max.min(LONGEST_ROW) {
        return Err(IllegalUsername::TooLong);
    }
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(IllegalUsername::Beginning);
    }
    if name.len() < SHORTEST {
        return Err(IllegalUsername::TooShort);
    }
    if name.ends_with(is_separator) {
        return Err(IllegalUsername::End);
    }
    if name.contains("..") {
        return Err(IllegalUsername::DoubleDot);
    }
    Ok(())
}

/// The first character that no user name has, even after preparation.
fn first_illegal(typed: &str) -> char {
    let is_legal = |c: &char| {
        let prepared = UsernameCaseMapped::new().enforce(c.to_string());
        prepared.is_ok_and(|prepared| prepared.bytes().all(is_name_byte))
    };
    typed
        .chars()
        .find(|c| !is_legal(c))
        .or_else(|| typed.chars().next())
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

const fn is_name_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-')
}

const fn is_separator(c: char) -> bool {
    matches!(c, '.' | '_' | '-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(typed: &str) -> Result<String, IllegalUsername> {
        Username::parse(typed, 20).map(|name| name.as_str().to_owned())
    }

    #[test]
    fn a_legal_name_is_taken_in_lower_case() {
        for (typed, taken) in [
            ("ada", "ada"),
            (" Ada ", "ada"),
            ("ADA.Lovelace", "ada.lovelace"),
            ("a1", "a1"),
            ("grace-h_1906", "grace-h_1906"),
            ("Ａdmin", "admin"),
            ("abcdefghijklmnopqrst", "abcdefghijklmnopqrst"),
        ] {
            assert_eq!(parse(typed).as_deref(), Ok(taken), "{typed:?}");
        }
    }

    #[test]
    fn an_illegal_name_says_which_rule_it_breaks() {
        use IllegalUsername::{Beginning, Character, DoubleDot, Empty, End, TooLong, TooShort};
        let long = "x".repeat(4000);
        for (typed, rule) in [
            ("", Empty),
            ("   ", Empty),
            ("a", TooShort),
            ("abcdefghijklmnopqrstu", TooLong),
            (long.as_str(), TooLong),
            ("1ada", Beginning),
            (".ada", Beginning),
            ("-ada", Beginning),
            ("_ada", Beginning),
            ("7", Beginning),
            ("ada.", End),
            ("ada-", End),
            ("a..b", DoubleDot),
            ("ada lovelace", Character(' ')),
            ("ada@example.org", Character('@')),
            ("@ada", Character('@')),
            ("аlice", Character('а')),
            ("alice*)(uid=*", Character('*')),
            ("ａlice*)(uid=*", Character('*')),
            ("ada,ou=x", Character(',')),
            ("ada\u{0}", Character('\0')),
            ("ada\nroot", Character('\n')),
            ("a\u{202e}da", Character('\u{202e}')),
            ("a\u{200b}da", Character('\u{200b}')),
            ("ädä", Character('ä')),
            ("ada/../x", Character('/')),
            ("<b>ada", Character('<')),
            ("ada+x", Character('+')),
            ("ada\\2a", Character('\\')),
            ("ıada", Character('ı')),
            ("ﬁona", Character('ﬁ')),
        ] {
            assert_eq!(parse(typed), Err(rule), "{typed:?}");
        }
    }

    #[test]
    fn names_that_look_alike_share_a_skeleton() {
        for (one, other) in [
            ("rnike", "mike"),
            ("paypa1", "paypal"),
            ("paypai", "paypal"),
            ("g00gle", "google"),
            ("vvendy", "wendy"),
            ("wvv", "vvw"),
            ("admln", "admin"),
            ("adrnin", "admin"),
            ("rnvv0l1", "mwoil"),
            ("modern", "modem"),
        ] {
            assert_eq!(Skeleton::of(one), Skeleton::of(other), "{one} {other}");
        }
        for (one, other) in [("ada", "adah"), ("ada.b", "adab"), ("mike", "nike"), ("anna", "ana")] {
            assert_ne!(Skeleton::of(one), Skeleton::of(other), "{one} {other}");
        }
    }

    /// Replaces the numbers of characters in the table by the characters.
    fn unescaped(text: &str) -> String {
        let mut parts = text.split("\\u{");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |mut read, part| {
            let (number, rest) = part.split_once('}').expect("a closed number");
            let c = u32::from_str_radix(number, 16).ok().and_then(char::from_u32);
            read.push(c.expect("the number of a character"));
            read + rest
        })
    }

    #[test]
    fn each_of_two_hundred_disguises_is_refused_or_is_the_same_name_to_the_store() {
        let lines = include_str!("../../tests/look_alikes.txt").lines();
        let pairs: Vec<(&str, &str)> = lines
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_once(' ').expect("two names"))
            .collect();
        assert_eq!(pairs.len(), 200);
        let mut taken = 0;
        for (owner, written) in pairs {
            let disguise = unescaped(written);
            assert_ne!(disguise, owner);
            if let Ok(name) = Username::parse(&disguise, 20) {
                assert_eq!(name.skeleton(), Skeleton::of(owner), "{written} is unlike {owner}");
                assert_eq!(
                    Username::parse(name.as_str(), 20),
                    Ok(name),
                    "{written} changes when it is read again"
                );
                taken += 1;
            }
        }
        assert!((40..160).contains(&taken), "the table tries the form and the skeleton: {taken}");
    }

    #[test]
    fn reserved_names_are_reserved_in_every_disguise() {
        let more = ["Wiki".to_owned(), "status-page".to_owned()];
        for name in [
            "root",
            "admin",
            "adm1n",
            "adrnin",
            "r00t",
            "postmaster",
            "abuse",
            "www",
            "wiki",
            "vviki",
            "status-page",
        ] {
            let name = Username::parse(name, 20).expect("a legal name");
            assert!(name.is_reserved(&more), "{name}");
        }
        for name in ["ada", "rooty", "wikipedia", "administrata"] {
            let name = Username::parse(name, 20).expect("a legal name");
            assert!(!name.is_reserved(&more), "{name}");
        }
    }

    #[test]
    fn every_built_in_reserved_name_would_otherwise_be_legal() {
        for name in RESERVED {
            assert!(Username::parse(name, 20).is_ok(), "{name} is illegal anyway");
        }
    }

    #[test]
    fn a_row_is_taken_though_the_rules_became_narrower() {
        for stored in ["a", "1ada", "ada..b", &"x".repeat(64)] {
            assert!(Username::from_row(stored).is_ok(), "{stored}");
        }
        for stored in ["", "Ada", "ada lovelace", "ada@x", &"x".repeat(65)] {
            assert!(Username::from_row(stored).is_err(), "{stored}");
        }
    }

    #[test]
    fn the_form_opens_with_a_legal_name_or_none() {
        for (discord, display, suggested) in [
            ("ada", None, Some("ada")),
            ("Ada Lovelace", None, Some("ada.lovelace")),
            ("_.ada._", None, Some("ada")),
            ("Äda Łovelace", None, Some("ada.ovelace")),
            ("1337", Some("Grace Hopper"), Some("grace.hopper")),
            ("樹", Some("木"), None),
            ("", None, None),
            ("root", Some("Ada"), Some("ada")),
            ("a_very_long_name_of_a_person", None, Some("a_very_long_name_of")),
            ("ada....b", None, Some("ada.b")),
        ] {
            let name = suggest_username(discord, display, 20, &[]);
            assert_eq!(name.as_ref().map(Username::as_str), suggested, "{discord:?} {display:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_taken_has_the_one_legal_form_and_reads_back(typed in "\\PC{0,30}", max in 2usize..=64) {
            if let Ok(name) = Username::parse(&typed, max) {
                let text = name.as_str();
                prop_assert!(text.len() >= 2 && text.len() <= max);
                prop_assert!(text.bytes().all(is_name_byte));
                prop_assert!(text.starts_with(|c: char| c.is_ascii_lowercase()) && !text.ends_with(is_separator));
                prop_assert_eq!(Username::parse(text, max), Ok(name.clone()));
                prop_assert_eq!(Username::from_row(text), Ok(name));
            }
        }

        #[test]
        fn a_name_of_the_right_shape_is_always_taken(typed in "[a-zA-Z][a-zA-Z0-9_-]{0,18}[a-zA-Z0-9]") {
            let name = Username::parse(&typed, 20);
            prop_assert_eq!(name.map(|name| name.as_str().to_owned()), Ok(typed.to_lowercase()));
        }

        #[test]
        fn a_skeleton_is_its_own_skeleton(text in "[a-z0-9._-]{0,20}") {
            let once = Skeleton::of(&text);
            prop_assert_eq!(Skeleton::of(once.as_str()), once);
        }

        #[test]
        fn a_disguise_never_changes_the_skeleton(name in "[a-z][a-z0-9]{1,12}") {
            let disguised = name.replace('m', "rn").replace('w', "vv").replace('l', "1").replace('o', "0");
            prop_assert_eq!(Skeleton::of(&disguised), Skeleton::of(&name));
        }

        #[test]
        fn a_suggestion_is_legal_and_always_the_same(name in "\\PC{0,40}", display in "\\PC{0,40}") {
            let suggested = suggest_username(&name, Some(&display), 20, &[]);
            prop_assert_eq!(&suggested, &suggest_username(&name, Some(&display), 20, &[]));
            if let Some(suggested) = suggested {
                prop_assert_eq!(Username::parse(suggested.as_str(), 20), Ok(suggested.clone()));
                prop_assert!(!suggested.is_reserved(&[]));
            }
        }
    }
}
