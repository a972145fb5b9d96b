//! Mail addresses: one recipient, in ASCII, in a form that every mail server reads alike.
//!
//! The rules are stricter than RFC 5321 on purpose. Keycloak passes the address to a mail server that we don't know, so every form that
//! some server reads as a route, a comment, a pipe or a second recipient is refused.

use email_address::{EmailAddress, Options};
use unicode_normalization::char::is_combining_mark;

use super::person_name::is_shown;

/// A legal address. It is compared in lower case; the directory stores it as typed, and Keycloak mails to the lower-case form.
#[derive(Clone)]
pub struct MailAddress(String);

/// The rule that a mail address breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IllegalMailAddress {
    /// Nothing was typed.
    #[error("the mail address is empty")]
    Empty,
    /// Longer than a mail path can be.
    #[error("the mail address is too long")]
    TooLong,
    /// Not exactly one address: no `@`, or several of them.
    #[error("this is not one mail address")]
    NotOneAddress,
    /// A space, a control character or a character that separates several addresses.
    #[error("this is not one mail address: a character separates it")]
    Separator(char),
    /// Nothing stands before the `@`.
    #[error("nothing stands before the @")]
    LocalEmpty,
    /// The part before the `@` is too long.
    #[error("the part before the @ is too long")]
    LocalTooLong,
    /// The part before the `@` has a character that is not accepted.
    #[error("the part before the @ has a character that is not accepted")]
    LocalCharacter(char),
    /// The part before the `@` begins or ends with a dot, or has two in a row.
    #[error("the part before the @ has a dot in a wrong place")]
    LocalDot,
    /// Nothing stands after the `@`.
    #[error("nothing stands after the @")]
    DomainEmpty,
    /// The part after the `@` has a character that no domain has.
    #[error("the part after the @ has a character that no domain has")]
    DomainCharacter(char),
    /// The part after the `@` is longer than a domain can be.
    #[error("the part after the @ is too long")]
    DomainTooLong,
    /// The part after the `@` is not a domain of the internet.
    #[error("the part after the @ is not a domain")]
    Domain,
}

/// The longest address. RFC 5321 section 4.5.3.1.3 allows 256 characters for a path, and two of them are its brackets.
pub const LONGEST: usize = 254;

/// The longest part before the `@` (RFC 5321 section 4.5.3.1.1).
pub const LONGEST_LOCAL: usize = 64;

/// The longest domain, and the longest part of it between two dots (RFC 1035 section 2.3.4).
const LONGEST_DOMAIN: usize = 253;
const LONGEST_LABEL: usize = 63;

/// Characters that RFC 5321 allows before the `@` and some servers read as routes (`%`, `!`), pipes or commands.
const REFUSED_IN_LOCAL: &[char] = &['%', '!', '|', '`', '"', '(', ')', '\\'];

impl MailAddress {
    /// Checks a typed address. An internationalised domain is converted to its ASCII form (IDNA, UTS 46). The part before the `@` must be
    /// ASCII.
    pub fn parse(typed: &str) -> Result<Self, IllegalMailAddress> {
        let typed = typed.trim_matches(' ');
        if typed.is_empty() {
            return Err(IllegalMailAddress::Empty);
        }
        if typed.chars().count() > LONGEST {
            return Err(IllegalMailAddress::TooLong);
        }
        let separates = |c: &char| c.is_control() || c.is_whitespace() || matches!(c, ',' | ';' | '<' | '>');
        if let Some(separator) = typed.chars().find(separates) {
            return Err(IllegalMailAddress::Separator(separator));
        }
        let (local, domain) = typed.split_once('@').ok_or(IllegalMailAddress::NotOneAddress)?;
        if domain.contains('@') {
            return Err(IllegalMailAddress::NotOneAddress);
        }
        check_local(local)?;
        let address = [local, "@", &ascii_domain(domain)?].concat();
        if address.len() > LONGEST {
            return Err(IllegalMailAddress::TooLong);
        }
        let options = Options::default().with_required_tld().without_domain_literal().without_display_text();
        EmailAddress::parse_with_options(&address, options).map_err(|_| IllegalMailAddress::Domain)?;
        Ok(Self(address))
    }

    /// The address as typed, with the domain in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address as people write it: an internationalised domain in its own letters. It reads back as the same address.
    pub fn shown(&self) -> String {
        let Some((local, ascii)) = self.0.rsplit_once('@') else { return self.0.clone() };
        let (domain, decoded) = idna::domain_to_unicode(ascii);
        let shown = [local, "@", &domain].concat();
        let reads_back = decoded.is_ok() && Self::parse(&shown).is_ok_and(|parsed| parsed == *self);
        if reads_back { shown } else { self.0.clone() }
    }

    /// The whole address in lower case, as the unique index and the deny list compare it.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// The domain in lower case.
    pub fn domain(&self) -> &str {
        self.0.rsplit('@').next().unwrap_or_default()
    }

    /// `…@domain`, which is all that moderators see of the address. An internationalised domain is followed by its ASCII form, because
    /// its letters may look like others.
    pub fn masked(&self) -> String {
        let shown = self.shown();
        let domain = shown.rsplit('@').next().unwrap_or_default();
        if domain == self.domain() {
            return ["…@", domain].concat();
        }
        ["…@", domain, " (", self.domain(), ")"].concat()
    }
}

/// Checks the part before the `@`, and names what is wrong with it.
fn check_local(local: &str) -> Result<(), IllegalMailAddress> {
    if local.is_empty() {
        return Err(IllegalMailAddress::LocalEmpty);
    }
    let is_accepted = |c: char| {
        c.is_ascii_graphic()
            && !REFUSED_IN_LOCAL.contains(&c)
            && (c == '.' || EmailAddress::is_valid_local_part(c.encode_utf8(&mut [0; 4])))
    };
    if let Some(refused) = local.chars().find(|c| !is_accepted(*c)) {
        return Err(IllegalMailAddress::LocalCharacter(refused));
    }
    if local.len() > LONGEST_LOCAL {
        return Err(IllegalMailAddress::LocalTooLong);
    }
    // What is left to go wrong are the dots.
    if EmailAddress::is_valid_local_part(local) { Ok(()) } else { Err(IllegalMailAddress::LocalDot) }
}

/// The ASCII form of a domain of the internet in lower case, which the deny list uses too.
pub fn ascii_domain(typed: &str) -> Result<String, IllegalMailAddress> {
    if typed.is_empty() {
        return Err(IllegalMailAddress::DomainEmpty);
    }
    let is_of_domains =
        |c: char| c.is_alphanumeric() || is_combining_mark(c) || !c.is_ascii() || matches!(c, '-' | '.');
    if let Some(refused) = typed.chars().find(|c| !is_of_domains(*c) || !is_shown(*c)) {
        return Err(IllegalMailAddress::DomainCharacter(refused));
    }
    let ascii = idna::domain_to_ascii(typed).map_err(|_| IllegalMailAddress::Domain)?;
    if ascii.len() > LONGEST_DOMAIN || ascii.split('.').any(|label| label.len() > LONGEST_LABEL) {
        return Err(IllegalMailAddress::DomainTooLong);
    }
    let ascii = idna::domain_to_ascii_strict(typed).map_err(|_| IllegalMailAddress::Domain)?;
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let is_internet_domain = ascii.split('.').count() >= 2
        && ascii.split('.').all(is_label)
        // A name whose last label has only digits is an IPv4 address.
        && ascii.rsplit('.').next().is_some_and(|last| last.bytes().any(|b| b.is_ascii_lowercase()));
    if is_internet_domain { Ok(ascii) } else { Err(IllegalMailAddress::Domain) }
}

impl PartialEq for MailAddress {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for MailAddress {}

impl std::fmt::Debug for MailAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MailAddress(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_taken_with_its_domain_in_ascii_and_lower_case() {
        for (typed, taken) in [
            ("ada@example.org", "ada@example.org"),
            (" Ada.Lovelace@Example.ORG ", "Ada.Lovelace@example.org"),
            ("ada+accounts@example.org", "ada+accounts@example.org"),
            ("o'hara_1-x@a-b.example.co.uk", "o'hara_1-x@a-b.example.co.uk"),
            ("ada@bücher.example", "ada@xn--bcher-kva.example"),
            ("ada@ＥＸＡＭＰＬＥ.org", "ada@example.org"),
        ] {
            assert_eq!(MailAddress::parse(typed).map(|a| a.0), Ok(taken.to_owned()), "{typed:?}");
        }
    }

    #[test]
    fn an_illegal_address_says_which_rule_it_breaks() {
        use IllegalMailAddress::{
            Domain, DomainCharacter, DomainEmpty, DomainTooLong, Empty, LocalCharacter, LocalDot, LocalEmpty,
            LocalTooLong, NotOneAddress, Separator, TooLong,
        };
        let long_local = ["x".repeat(65), "@example.org".to_owned()].concat();
        let long_label = ["ada@", &"x".repeat(64), ".org"].concat();
        let long = ["ada@", &"x.".repeat(200), "org"].concat();
        for (typed, rule) in [
            ("", Empty),
            ("  ", Empty),
            ("ada", NotOneAddress),
            ("ada@@example.org", NotOneAddress),
            ("ada@example.org@example.com", NotOneAddress),
            ("ada@example.org,grace@example.org", Separator(',')),
            ("ada@example.org;grace@example.org", Separator(';')),
            ("ada@example.org grace@example.org", Separator(' ')),
            ("ada@example.org\r\nBcc: grace@example.org", Separator('\r')),
            ("ada@example.org\n", Separator('\n')),
            ("\tada@example.org", Separator('\t')),
            ("Ada <ada@example.org>", Separator(' ')),
            ("<ada@example.org>", Separator('<')),
            ("ada\u{0}@example.org", Separator('\0')),
            ("\"ada\"@example.org", LocalCharacter('"')),
            ("\"ada@example.com\"@example.org", NotOneAddress),
            ("@example.org", LocalEmpty),
            (".ada@example.org", LocalDot),
            ("ada.@example.org", LocalDot),
            ("a..da@example.org", LocalDot),
            ("ada%example.com@example.org", LocalCharacter('%')),
            ("example.com!ada@example.org", LocalCharacter('!')),
            ("ada|sh@example.org", LocalCharacter('|')),
            ("ada(comment)@example.org", LocalCharacter('(')),
            ("äda@example.org", LocalCharacter('ä')),
            ("a\u{202e}da@example.org", LocalCharacter('\u{202e}')),
            (long_local.as_str(), LocalTooLong),
            ("ada@", DomainEmpty),
            ("ada@localhost", Domain),
            ("ada@[127.0.0.1]", DomainCharacter('[')),
            ("ada@127.0.0.1", Domain),
            ("ada@example..org", Domain),
            ("ada@.example.org", Domain),
            ("ada@example.org.", Domain),
            ("ada@-example.org", Domain),
            ("ada@exa_mple.org", DomainCharacter('_')),
            ("ada@exam\u{200b}ple", DomainCharacter('\u{200b}')),
            ("ada@example.org/x", DomainCharacter('/')),
            (long_label.as_str(), DomainTooLong),
            (long.as_str(), TooLong),
        ] {
            assert_eq!(MailAddress::parse(typed), Err(rule), "{typed:?}");
        }
    }

    #[test]
    fn an_address_is_compared_without_case_and_shown_without_its_local_part() {
        let address = MailAddress::parse("Ada@Example.org").expect("a legal address");
        assert_eq!(address.folded(), "ada@example.org");
        assert_eq!(MailAddress::parse("aDA@example.ORG").as_ref(), Ok(&address));
        assert_eq!(address.masked(), "…@example.org");
        assert_eq!(format!("{address:?}"), "MailAddress(…)");
    }

    #[test]
    fn an_internationalised_domain_is_shown_in_its_own_letters_and_stored_in_ascii() {
        for (typed, stored, shown, masked) in [
            (
                "ada@Bücher.example",
                "ada@xn--bcher-kva.example",
                "ada@bücher.example",
                "…@bücher.example (xn--bcher-kva.example)",
            ),
            ("Ada@example.org", "Ada@example.org", "Ada@example.org", "…@example.org"),
        ] {
            let address = MailAddress::parse(typed).expect("a legal address");
            assert_eq!((address.as_str(), address.shown().as_str()), (stored, shown));
            assert_eq!(address.masked(), masked);
            assert_eq!(MailAddress::parse(&address.shown()), Ok(address));
        }
    }

    proptest! {
        #[test]
        fn whatever_is_taken_is_one_plain_recipient_and_reads_back(typed in "(\\PC{0,20}|[a-z.+%!\"]{1,10})@(\\PC{0,20}|[a-z.-]{1,12})") {
            if let Ok(address) = MailAddress::parse(&typed) {
                let text = address.as_str();
                prop_assert!(text.is_ascii() && text.len() <= 254);
                prop_assert_eq!(text.matches('@').count(), 1);
                prop_assert!(!text.contains(|c: char| c.is_ascii_control() || " ,;<>\"%!|\\()`".contains(c)));
                prop_assert_eq!(MailAddress::parse(text), Ok(address.clone()));
                prop_assert_eq!(MailAddress::parse(&address.shown()), Ok(address.clone()));
            }
        }

        #[test]
        fn control_characters_are_never_taken(before in "[a-z]{1,5}", c in "[\r\n\t\u{0}\u{b}\u{85}\u{2028}]", after in "[a-z]{1,5}") {
            prop_assert!(MailAddress::parse(&[&before, &c, &after, "@example.org"].concat()).is_err());
            prop_assert!(MailAddress::parse(&["ada@", &before, &c, &after, ".org"].concat()).is_err());
        }
    }
}
