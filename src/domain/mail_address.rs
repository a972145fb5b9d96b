//! Mail addresses: one recipient, in ASCII, in a form that every mail server reads alike.
//!
//! The rules are stricter than RFC 5321 on purpose. Keycloak passes the address to a mail server that we don't know, so every form that
//! some server reads as a route, a comment, a pipe or a second recipient is refused.

use email_address::{EmailAddress, Options};

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
    /// Not exactly one address: no `@`, several of them, a space or a control character.
    #[error("this is not one mail address")]
    NotOneAddress,
    /// The part before the `@` contains something that is not accepted.
    #[error("the part before the @ is not accepted")]
    LocalPart,
    /// The part after the `@` is not a domain of the internet.
    #[error("the part after the @ is not a domain")]
    Domain,
}

/// The longest address. RFC 5321 section 4.5.3.1.3 allows 256 characters for a path, and two of them are its brackets.
const LONGEST: usize = 254;

/// The longest part before the `@` (RFC 5321 section 4.5.3.1.1).
const LONGEST_LOCAL: usize = 64;

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
        let is_one_word =
            !typed.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, ',' | ';' | '<' | '>'));
        let (local, domain) = typed.split_once('@').ok_or(IllegalMailAddress::NotOneAddress)?;
        if !is_one_word || domain.contains('@') {
            return Err(IllegalMailAddress::NotOneAddress);
        }
        let is_local = !local.is_empty()
            && local.len() <= LONGEST_LOCAL
            && local.is_ascii()
            && !local.contains(REFUSED_IN_LOCAL)
            && EmailAddress::is_valid_local_part(local);
        if !is_local {
            return Err(IllegalMailAddress::LocalPart);
        }
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

    /// The whole address in lower case, as the unique index and the deny list compare it.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// The domain in lower case.
    pub fn domain(&self) -> &str {
        self.0.rsplit('@').next().unwrap_or_default()
    }

    /// `…@domain`, which is all that moderators see of the address.
    pub fn masked(&self) -> String {
        ["…@", self.domain()].concat()
    }
}

/// The ASCII form of a domain of the internet in lower case, which the deny list uses too.
pub fn ascii_domain(typed: &str) -> Result<String, IllegalMailAddress> {
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
        use IllegalMailAddress::{Domain, Empty, LocalPart, NotOneAddress, TooLong};
        let long_local = ["x".repeat(65), "@example.org".to_owned()].concat();
        let long = ["ada@", &"x.".repeat(200), "org"].concat();
        for (typed, rule) in [
            ("", Empty),
            ("  ", Empty),
            ("ada", NotOneAddress),
            ("ada@@example.org", NotOneAddress),
            ("ada@example.org@example.com", NotOneAddress),
            ("ada@example.org,grace@example.org", NotOneAddress),
            ("ada@example.org;grace@example.org", NotOneAddress),
            ("ada@example.org grace@example.org", NotOneAddress),
            ("ada@example.org\r\nBcc: grace@example.org", NotOneAddress),
            ("ada@example.org\n", NotOneAddress),
            ("\tada@example.org", NotOneAddress),
            ("Ada <ada@example.org>", NotOneAddress),
            ("<ada@example.org>", NotOneAddress),
            ("ada\u{0}@example.org", NotOneAddress),
            ("\"ada\"@example.org", LocalPart),
            ("\"ada@example.com\"@example.org", NotOneAddress),
            ("@example.org", LocalPart),
            (".ada@example.org", LocalPart),
            ("ada.@example.org", LocalPart),
            ("a..da@example.org", LocalPart),
            ("ada%example.com@example.org", LocalPart),
            ("example.com!ada@example.org", LocalPart),
            ("ada|sh@example.org", LocalPart),
            ("ada(comment)@example.org", LocalPart),
            ("äda@example.org", LocalPart),
            ("a\u{202e}da@example.org", LocalPart),
            (long_local.as_str(), LocalPart),
            ("ada@", Domain),
            ("ada@localhost", Domain),
            ("ada@[127.0.0.1]", Domain),
            ("ada@127.0.0.1", Domain),
            ("ada@example..org", Domain),
            ("ada@.example.org", Domain),
            ("ada@example.org.", Domain),
            ("ada@-example.org", Domain),
            ("ada@exa_mple.org", Domain),
            ("ada@exam\u{200b}ple", Domain),
            ("ada@example.org/x", Domain),
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

    proptest! {
        #[test]
        fn whatever_is_taken_is_one_plain_recipient_and_reads_back(typed in "(\\PC{0,20}|[a-z.+%!\"]{1,10})@(\\PC{0,20}|[a-z.-]{1,12})") {
            if let Ok(address) = MailAddress::parse(&typed) {
                let text = address.as_str();
                prop_assert!(text.is_ascii() && text.len() <= 254);
                prop_assert_eq!(text.matches('@').count(), 1);
                prop_assert!(!text.contains(|c: char| c.is_ascii_control() || " ,;<>\"%!|\\()`".contains(c)));
                prop_assert_eq!(MailAddress::parse(text), Ok(address.clone()));
            }
        }

        #[test]
        fn control_characters_are_never_taken(before in "[a-z]{1,5}", c in "[\r\n\t\u{0}\u{b}\u{85}\u{2028}]", after in "[a-z]{1,5}") {
            prop_assert!(MailAddress::parse(&[&before, &c, &after, "@example.org"].concat()).is_err());
            prop_assert!(MailAddress::parse(&["ada@", &before, &c, &after, ".org"].concat()).is_err());
        }
    }
}
