//! Who would no longer be seen through the federation: the people that its settings show now, without those that they would show.
//!
//! The directory is asked with the federation's own bind, so the answer is what Keycloak would get. If it can't be asked, that is said.

use std::collections::HashSet;

use crate::config;
use crate::directory::{Directory, DirectoryError, PeopleSeen, SearchDepth};
use crate::domain::dn::Dn;
use crate::keycloak::federation::{Depth, Federation, View};

use super::context::SetupContext;

/// How many people are named.
const NAMED: usize = 10;

/// Who would no longer be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// These, and whether they are all.
    People { names: Vec<String>, is_complete: bool },
    /// It could not be found out, for this reason.
    Unknown(String),
}

impl Lost {
    /// For the report.
    pub(super) fn sentence(&self) -> String {
        match self {
            Self::Unknown(why) => ["who would no longer be seen could not be found out: ", why].concat(),
            Self::People { names, is_complete: true } if names.is_empty() => {
                "nobody who is seen now would be lost".to_owned()
            }
            Self::People { names, is_complete } => {
                let at_least = if *is_complete { "" } else { "at least " };
                let people = if names.len() == 1 { " person" } else { " people" };
                let shown = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
                let more = names.len().saturating_sub(NAMED);
                let more =
                    if more > 0 { [" and ", &more.to_string(), " more"].concat() } else { String::new() };
                let count = names.len().to_string();
                [at_least, &count, people, " would no longer be seen: ", &shown, &more].concat()
            }
        }
    }
}

/// Compares whom the federation shows before and after its changes.
pub(super) async fn between(context: &SetupContext<'_>, before: &Federation, after: &Federation) -> Lost {
    let (Some(old), Some(new)) = (before.view(), after.view()) else {
        return Lost::Unknown("the federation's base or user filter can't be read".to_owned());
    };
    let named_by = before.setting("usernameLDAPAttribute").unwrap_or("uid");
    match find(context, (before, &old), (after, &new), named_by).await {
        Ok((seen, still_seen)) => difference(&seen, &still_seen),
        Err(error) => Lost::Unknown(error.to_string()),
    }
}

async fn find(
    context: &SetupContext<'_>,
    (before, old): (&Federation, &View),
    (after, new): (&Federation, &View),
    named_by: &str,
) -> Result<(PeopleSeen, PeopleSeen), DirectoryError> {
    let here = directory(context, None)?;
    // The old server may be another one.
    let is_elsewhere = !before.hosts().iter().any(|host| after.hosts().contains(host));
    let there = match before.setting("connectionUrl").filter(|_| is_elsewhere) {
        Some(urls) => directory(context, urls.split_whitespace().next())?,
        None => here.clone(),
    };
    let seen = there.people_seen(&old.base, depth(old), &old.filter, named_by).await?;
    let still_seen = here.people_seen(&new.base, depth(new), &new.filter, named_by).await?;
    Ok((seen, still_seen))
}

const fn depth(view: &View) -> SearchDepth {
    match view.depth {
        Depth::OneLevel => SearchDepth::OneLevel,
        Depth::Subtree => SearchDepth::Subtree,
    }
}

/// The directory with the federation's bind: the bot's own server, or the one at this address.
fn directory(context: &SetupContext<'_>, url: Option<&str>) -> Result<Directory, DirectoryError> {
    let invalid = |what: &str| DirectoryError::Settings { what: what.to_owned() };
    let own = context.input.directory.clone();
    let bind_dn = Dn::parse(&context.args.federation_bind_dn)
        .ok_or_else(|| invalid("--federation-bind-dn is no DN"))?;
    let url = match url {
        Some(url) => url.parse().map_err(|_| invalid("connectionUrl is no address"))?,
        None => own.url.clone(),
    };
    Directory::new(&config::Directory {
        url,
        bind_dn,
        bind_password: context.args.federation_bind_password.clone(),
        ..own
    })
}

fn difference(seen: &PeopleSeen, still_seen: &PeopleSeen) -> Lost {
    if !still_seen.is_complete {
        return Lost::Unknown(
            "the directory shows only a part of the people who would still be seen".to_owned(),
        );
    }
    let kept: HashSet<&Dn> = still_seen.people.iter().map(|(dn, _)| dn).collect();
    let mut names: Vec<String> =
        seen.people.iter().filter(|(dn, _)| !kept.contains(dn)).map(|(_, name)| name.clone()).collect();
    names.sort();
    Lost::People { names, is_complete: seen.is_complete }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people(names: &[&str], is_complete: bool) -> PeopleSeen {
        let base = Dn::parse("dc=x").expect("a name");
        let person = |name: &&str| (base.child("uid", name), (*name).to_owned());
        PeopleSeen { people: names.iter().map(person).collect(), is_complete }
    }

    #[test]
    fn who_is_lost_is_counted_and_named_and_what_is_not_known_is_said() {
        let many: Vec<String> = (10..25).map(|number| format!("p{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let said = |before: &[&str], is_complete, after: &[&str]| {
            difference(&people(before, is_complete), &people(after, true)).sentence()
        };
        assert_eq!(said(&["ada"], true, &["ADA", "grace"]), "nobody who is seen now would be lost");
        assert_eq!(said(&["grace", "ada"], true, &["ada"]), "1 person would no longer be seen: grace");
        assert_eq!(said(&["b", "a"], false, &[]), "at least 2 people would no longer be seen: a, b");
        assert!(said(&many, true, &[]).ends_with("p18, p19 and 5 more"), "{}", said(&many, true, &[]));
        let unknown = difference(&people(&["ada"], true), &people(&[], false));
        assert!(unknown.sentence().contains("could not be found out"), "{unknown:?}");
    }
}
