//! How values of the configuration are written for `accolade config show`: as an operator would write them, with secrets hidden.
//!
//! `SecretString` has no `Serialize`, so a secret without one of these functions doesn't compile. Functions for optional values take an
//! iterator, which a reference to an `Option` is.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use serde::{Serialize, Serializer};

use crate::domain::dn::Dn;
use crate::domain::eligibility::{Approval, GroupName, Policy, Rule};

/// The text that replaces a secret.
const HIDDEN: &str = "***";

pub(super) fn text<S: Serializer>(value: &impl Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

pub(super) fn texts<S: Serializer, T: Display>(values: &[T], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(values.iter().map(ToString::to_string))
}

pub(super) fn optional_text<'a, S: Serializer, T: Display + 'a>(
    value: impl IntoIterator<Item = &'a T>,
    to: S,
) -> Result<S::Ok, S::Error> {
    value.into_iter().next().map(ToString::to_string).serialize(to)
}

pub(super) fn path<S: Serializer>(value: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&value.display())
}

pub(super) fn optional_path<'a, S: Serializer>(
    value: impl IntoIterator<Item = &'a PathBuf>,
    to: S,
) -> Result<S::Ok, S::Error> {
    value.into_iter().next().map(|value| value.display().to_string()).serialize(to)
}

pub(super) fn duration<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&humantime::format_duration(*value))
}

pub(super) fn secret<S: Serializer>(_: &SecretString, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(HIDDEN)
}

pub(super) fn optional_secret<'a, S: Serializer>(
    value: impl IntoIterator<Item = &'a SecretString>,
    to: S,
) -> Result<S::Ok, S::Error> {
    value.into_iter().next().map(|_| HIDDEN).serialize(to)
}

pub(super) fn groups<S: Serializer>(values: &[GroupName], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(values.iter().map(GroupName::as_str))
}

pub(super) fn dn<S: Serializer>(value: &Dn, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(value.as_str())
}

pub(super) fn policy<S: Serializer>(value: &Policy, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(value.rules.iter().map(RuleText::from))
}

/// The serialized form of a rule, because the pure `domain` doesn't use serde.
#[derive(Serialize)]
struct RuleText<'a> {
    name: &'a str,
    all_roles: Vec<String>,
    any_roles: Vec<String>,
    none_roles: Vec<String>,
    #[serde(serialize_with = "duration")]
    min_account_age: Duration,
    #[serde(serialize_with = "duration")]
    min_membership: Duration,
    groups: Vec<&'a str>,
    approval: &'static str,
    ask_reason: bool,
}

impl<'a> From<&'a Rule> for RuleText<'a> {
    fn from(rule: &'a Rule) -> Self {
        let texts = |roles: &[crate::domain::ids::RoleId]| roles.iter().map(ToString::to_string).collect();
        Self {
            name: rule.name.as_str(),
            all_roles: texts(&rule.all_roles),
            any_roles: texts(&rule.any_roles),
            none_roles: texts(&rule.none_roles),
            min_account_age: rule.min_account_age,
            min_membership: rule.min_membership,
            groups: rule.groups.iter().map(GroupName::as_str).collect(),
            approval: match rule.approval {
                Approval::Automatic => "automatic",
                Approval::Moderators => "moderators",
            },
            ask_reason: rule.ask_reason,
        }
    }
}
