//! The object classes of the directory's schema (RFC 4512 sections 4.1.1 and 4.4): whether an entry with the configured ones can be added.

use std::collections::HashSet;

use ldap3::Scope;

use super::client::{Directory, Search};
use super::connection::Operation;
use super::error::DirectoryError;
use super::filter::Filter;
use super::result_code::{INSUFFICIENT_ACCESS, NO_SUCH_OBJECT};
use crate::domain::dn::Dn;

/// The most classes above another one. A longer chain is a circle.
const MAX_DEPTH: usize = 50;

/// Second names of attributes that the bot writes (RFC 4519, RFC 4524).
const OTHER_NAMES: [&str; 5] = ["userid", "commonName", "surname", "gn", "rfc822Mailbox"];

/// Why an entry with the configured classes can't be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClassProblem {
    /// The schema has no class of this name.
    Unknown {
        /// The configured name.
        class: String,
    },
    /// The class requires attributes that the bot does not write.
    Requires {
        /// The configured name.
        class: String,
        /// The attributes.
        attributes: Vec<String>,
    },
    /// Two structural classes, neither of which is above the other.
    SecondStructural {
        /// One of them.
        class: String,
        /// The other.
        other: String,
    },
}

/// One class of the schema. Names are in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ObjectClass {
    names: Vec<String>,
    above: Vec<String>,
    is_structural: bool,
    /// The required attributes, as the schema spells them.
    must: Vec<String>,
}

impl Directory {
    /// Compares the configured object classes with the schema. `None` if the server does not show its schema.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "class_problems"))]
    pub async fn class_problems(&self) -> Result<Option<Vec<ClassProblem>>, DirectoryError> {
        let Some(schema) = self.read_schema().await? else { return Ok(None) };
        let shared = &self.shared;
        let written = [
            "objectClass",
            shared.profile.username,
            "cn",
            "sn",
            "givenName",
            "mail",
            shared.discord_id.as_str(),
            shared.mark.as_str(),
        ];
        let written = written.into_iter().chain(OTHER_NAMES).collect::<Vec<_>>();
        Ok(Some(problems(&schema, &shared.object_classes, &written)))
    }

    async fn read_schema(&self) -> Result<Option<Vec<ObjectClass>>, DirectoryError> {
        let operation = Operation::new("schema");
        let at = self.read_attribute(operation, &self.shared.people, "subschemaSubentry").await?;
        let Some(place) = at.first().and_then(|text| Dn::parse(text)) else { return Ok(None) };
        let classes = self.read_attribute(operation, &place, "objectClasses").await?;
        let schema: Vec<ObjectClass> = classes.iter().map(|text| read_class(text)).collect();
        Ok((!schema.is_empty()).then_some(schema))
    }

    /// The values of one attribute of an entry. None if the server does not show them.
    async fn read_attribute(
        &self,
        operation: Operation,
        base: &Dn,
        attribute: &str,
    ) -> Result<Vec<String>, DirectoryError> {
        let search = Search {
            base,
            scope: Scope::Base,
            filter: &Filter::anything(),
            attributes: vec![attribute],
            max: 1,
        };
        let rows = match self.search_raw(operation, &search).await {
            Err(DirectoryError::Refused { rc: NO_SUCH_OBJECT | INSUFFICIENT_ACCESS, .. }) => Vec::new(),
            rows => rows?,
        };
        let is_it = |name: &str| name.eq_ignore_ascii_case(attribute);
        let values = rows.into_iter().flat_map(|row| row.attrs).filter(|(name, _)| is_it(name));
        Ok(values.flat_map(|(_, values)| values).collect())
    }
}

fn problems(schema: &[ObjectClass], configured: &[String], written: &[&str]) -> Vec<ClassProblem> {
    let mut found = Vec::new();
    let mut structural: Vec<(&String, &ObjectClass)> = Vec::new();
    for name in configured {
        let Some(class) = class_named(schema, name) else {
            found.push(ClassProblem::Unknown { class: name.clone() });
            continue;
        };
        let is_written = |attribute: &String| written.iter().any(|own| own.eq_ignore_ascii_case(attribute));
        let mut attributes: Vec<String> = Vec::new();
        for needed in with_above(schema, class).iter().flat_map(|class| &class.must) {
            if !is_written(needed) && !attributes.contains(needed) {
                attributes.push(needed.clone());
            }
        }
        if !attributes.is_empty() {
            found.push(ClassProblem::Requires { class: name.clone(), attributes });
        }
        if class.is_structural {
            structural.push((name, class));
        }
    }
    for (at, (name, class)) in structural.iter().enumerate() {
        let is_apart = |other: &ObjectClass| {
            !with_above(schema, class).contains(&other) && !with_above(schema, other).contains(class)
        };
        let others = structural.iter().skip(at + 1).filter(|(_, other)| is_apart(other));
        found.extend(others.map(|(other, _)| ClassProblem::SecondStructural {
            class: (*name).clone(),
            other: (*other).clone(),
        }));
    }
    found
}

fn class_named<'a>(schema: &'a [ObjectClass], name: &str) -> Option<&'a ObjectClass> {
    let name = name.to_ascii_lowercase();
    schema.iter().find(|class| class.names.contains(&name))
}

/// A class and those above it, each once.
fn with_above<'a>(schema: &'a [ObjectClass], class: &'a ObjectClass) -> Vec<&'a ObjectClass> {
    let mut found = vec![class];
    let mut at = 0;
    while let Some(next) = found.get(at).copied().filter(|_| at < MAX_DEPTH) {
        for above in next.above.iter().filter_map(|name| class_named(schema, name)) {
            if !found.contains(&above) {
                found.push(above);
            }
        }
        at += 1;
    }
    found
}

/// Reads an `ObjectClassDescription` (RFC 4512 section 4.1.1). What it does not have is empty.
fn read_class(text: &str) -> ObjectClass {
    let words = words(text);
    let lists = |keyword: &str| -> Vec<String> {
        let Some(at) = words.iter().position(|word| word == keyword) else { return Vec::new() };
        let rest = words.iter().skip(at + 1);
        if words.get(at + 1).is_some_and(|word| word == "(") {
            rest.skip(1).take_while(|word| *word != ")").filter(|word| *word != "$").cloned().collect()
        } else {
            rest.take(1).cloned().collect()
        }
    };
    let lower = |names: Vec<String>| names.iter().map(|name| name.to_ascii_lowercase()).collect();
    let kinds: HashSet<&str> = words.iter().map(String::as_str).collect();
    ObjectClass {
        names: lower(lists("NAME")),
        above: lower(lists("SUP")),
        is_structural: !kinds.contains("ABSTRACT") && !kinds.contains("AUXILIARY"),
        must: lists("MUST"),
    }
}

/// The words of a description. A quoted text is one word, and never a keyword unless it is a name.
fn words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, part) in text.split('\'').enumerate() {
        if at % 2 == 1 {
            // A description, such as that of `DESC`, has blanks; a name has none.
            if !part.contains(' ') {
                found.push(part.to_owned());
            }
            continue;
        }
        let spaced = part.replace('(', " ( ").replace(')', " ) ").replace('$', " $ ");
        found.extend(spaced.split_whitespace().map(str::to_owned));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: [&str; 7] = [
        "( 2.5.6.0 NAME 'top' DESC 'top of the (superclass) chain' ABSTRACT MUST objectClass )",
        "( 2.5.6.6 NAME 'person' DESC 'RFC2256: a person' SUP top STRUCTURAL MUST ( sn $ cn ) MAY ( userPassword $ seeAlso ) )",
        "( 2.5.6.7 NAME 'organizationalPerson' SUP person STRUCTURAL MAY ( title ) )",
        "( 2.16.840.1.113730.3.2.2 NAME 'inetOrgPerson' SUP organizationalPerson STRUCTURAL MAY ( mail $ uid ) )",
        "( 1.3.6.1.1.1.2.0 NAME 'posixAccount' SUP top AUXILIARY MUST ( cn $ uid $ uidNumber $ gidNumber $ homeDirectory ) )",
        "( 1.3.6.1.1.1.2.1 NAME ( 'shadowAccount' 'shadow' ) SUP top AUXILIARY MUST uid )",
        "( 0.9.2342.19200300.100.4.5 NAME 'account' SUP top STRUCTURAL MUST userid )",
    ];
    const WRITTEN: [&str; 5] = ["objectClass", "uid", "cn", "sn", "mail"];

    fn problems_of(configured: &[&str]) -> Vec<ClassProblem> {
        let schema: Vec<ObjectClass> = SCHEMA.iter().map(|text| read_class(text)).collect();
        let configured: Vec<String> = configured.iter().map(|name| (*name).to_owned()).collect();
        problems(&schema, &configured, &WRITTEN)
    }

    #[test]
    fn the_usual_classes_and_those_that_ask_for_nothing_more_are_fine() {
        let usual = ["top", "Person", "organizationalPerson", "inetOrgPerson", "SHADOW"];
        assert_eq!(problems_of(&usual), []);
    }

    #[test]
    fn what_a_class_requires_and_nobody_writes_is_named() {
        let found = problems_of(&["inetOrgPerson", "posixAccount", "ghost"]);
        let attributes = ["uidNumber", "gidNumber", "homeDirectory"].map(str::to_owned).to_vec();
        assert_eq!(
            found,
            [
                ClassProblem::Requires { class: "posixAccount".to_owned(), attributes },
                ClassProblem::Unknown { class: "ghost".to_owned() },
            ]
        );
    }

    #[test]
    fn two_structural_classes_must_stand_above_each_other() {
        let found = problems_of(&["person", "inetOrgPerson", "account"]);
        let apart = |class: &str| ClassProblem::SecondStructural {
            class: class.to_owned(),
            other: "account".to_owned(),
        };
        assert!(found.contains(&apart("person")) && found.contains(&apart("inetOrgPerson")), "{found:?}");
    }

    #[test]
    fn a_description_that_breaks_the_grammar_has_nothing_in_it() {
        for text in ["", "(", "( 1 NAME", "( 1 NAME ( 'a' MUST ( b", "'"] {
            let class = read_class(text);
            assert!(class.above.is_empty(), "{text}");
        }
        // Two classes that are above each other end the search.
        let circle: Vec<ObjectClass> = ["( 1 NAME 'a' SUP b MUST c )", "( 2 NAME 'b' SUP a )"]
            .iter()
            .map(|text| read_class(text))
            .collect();
        assert_eq!(problems(&circle, &["a".to_owned()], &["c"]), []);
    }
}
