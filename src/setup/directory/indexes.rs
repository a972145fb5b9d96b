//! The indexes as LDIF that only adds: an index that exists is refused by the server, and nothing is replaced or removed.

use super::names::{LdifError, plain};
use crate::config;
use crate::directory::{AttributeIndex, IndexKind, needed_indexes};

/// The server for which the indexes are printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// OpenLDAP, with the entry of the database's settings.
    OpenLdap {
        /// Such as `olcDatabase={1}mdb,cn=config`.
        database: String,
    },
    /// 389 Directory Server, with the name of the backend.
    Ds389 {
        /// Such as `userRoot`.
        backend: String,
    },
}

/// The indexes that the searches need, for an administrator of the server's settings.
pub fn indexes(directory: &config::Directory, server: &Server) -> Result<String, LdifError> {
    match server {
        Server::OpenLdap { database } => {
            let head = "# The indexes that Accolade's searches need, for an administrator of the server's settings:\n\
                        #   ldapmodify -c -Y EXTERNAL -H ldapi:/// -f FILE\n\
                        # Each value is added alone, because slapd refuses a value if one of its attributes has an index already. \"-c\"\n\
                        # skips those. If such an index lacks a kind, replace its value by one with all kinds. slapd builds a new\n\
                        # index in the background.\n\n";
            Ok([head, &open_ldap(directory, database)?].concat())
        }
        Server::Ds389 { backend } => for_389(directory, backend),
    }
}

/// One change for each attribute, without a comment.
pub(super) fn open_ldap(directory: &config::Directory, database: &str) -> Result<String, LdifError> {
    let mut changes = Vec::new();
    for index in checked(directory)? {
        let value = [&index.attribute, " ", &kinds(&index, IndexKind::open_ldap_name)].concat();
        changes.push(lines(&[
            ["dn: ", database].concat(),
            "changetype: modify".to_owned(),
            "add: olcDbIndex".to_owned(),
            ["olcDbIndex: ", &value].concat(),
        ]));
    }
    Ok(changes.join("\n"))
}

fn for_389(directory: &config::Directory, backend: &str) -> Result<String, LdifError> {
    let backend = plain(backend, "--backend")?;
    let mut parts = vec![
        "# The indexes that Accolade's searches need in 389 Directory Server, for its administrator:\n\
         #   ldapmodify -c -D \"cn=Directory Manager\" -W -H URL -f FILE\n\
         # \"-c\" skips indexes (68) and kinds (20) that exist already. The task at the end builds the indexes while the server runs.\n"
            .to_owned(),
    ];
    let indexes = checked(directory)?;
    for index in &indexes {
        let dn =
            ["dn: cn=", &index.attribute, ",cn=index,cn=", backend, ",cn=ldbm database,cn=plugins,cn=config"]
                .concat();
        let kinds: Vec<String> =
            index.kinds.iter().map(|kind| ["nsIndexType: ", kind.name_in_389()].concat()).collect();
        let mut entry = vec![
            dn.clone(),
            "changetype: add".to_owned(),
            "objectClass: top".to_owned(),
            "objectClass: nsIndex".to_owned(),
            ["cn: ", &index.attribute].concat(),
            "nsSystemIndex: false".to_owned(),
        ];
        entry.extend(kinds.iter().cloned());
        parts.push(lines(&entry));
        // For an index that exists with other kinds.
        for kind in kinds {
            parts.push(lines(&[
                dn.clone(),
                "changetype: modify".to_owned(),
                "add: nsIndexType".to_owned(),
                kind,
            ]));
        }
    }
    let mut task = vec![
        "dn: cn=accolade,cn=index,cn=tasks,cn=config".to_owned(),
        "changetype: add".to_owned(),
        "objectClass: top".to_owned(),
        "objectClass: extensibleObject".to_owned(),
        "cn: accolade".to_owned(),
        ["nsInstance: ", backend].concat(),
    ];
    task.extend(indexes.iter().map(|index| ["nsIndexAttribute: ", &index.attribute].concat()));
    parts.push(lines(&task));
    Ok(parts.join("\n"))
}

/// The indexes, with names that LDIF need not escape.
fn checked(directory: &config::Directory) -> Result<Vec<AttributeIndex>, LdifError> {
    plain(&directory.mark_attribute, "mark_attribute")?;
    plain(&directory.discord_id_attribute, "discord_id_attribute")?;
    Ok(needed_indexes(directory))
}

fn kinds(index: &AttributeIndex, name: impl Fn(IndexKind) -> &'static str) -> String {
    index.kinds.iter().map(|kind| name(*kind)).collect::<Vec<_>>().join(",")
}

fn lines(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}
