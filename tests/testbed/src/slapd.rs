//! OpenLDAP's slapd with the overlays and access rules of `slapd/config.ldif`.
//!
//! Everything read or written here uses the root DN. These are operations of the test, never of the bot.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapResult, Mod, Scope, SearchEntry};

use crate::{
    certs::make_certificates,
    ports::Port,
    process::{Launch, Process},
    waiting::wait_until,
};

const BASE: &str = "dc=example,dc=org";
/// The DN that may change the server's settings. Its password is that of the root DN.
pub const CONFIG_ADMIN: &str = "cn=admin,cn=config";
/// The entry with the settings of the database.
pub const DATABASE: &str = "olcDatabase={1}mdb,cn=config";
const START_LIMIT: Duration = Duration::from_secs(20);
const CALL_LIMIT: Duration = Duration::from_secs(5);

/// Whether the bot may change the members of the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Managed {
    /// The group carries the mark `businessCategory: accolade`.
    Yes,
    /// It does not carry the mark, and the access rules deny the bot.
    No,
}

/// A person whom an administrator entered by hand. Without `mark` the entry is not ours.
#[derive(Clone, Debug, Default)]
pub struct PersonByHand {
    /// The RDN.
    pub uid: String,
    /// Address.
    pub mail: Option<String>,
    /// First name.
    pub given_name: String,
    /// Last name.
    pub family_name: String,
    /// `employeeNumber`.
    pub discord_id: Option<String>,
    /// `description`, such as `accolade:<id>`.
    pub mark: Option<String>,
    /// The initial password.
    pub password: Option<String>,
}

impl PersonByHand {
    /// A foreign entry with the address `<uid>@example.org`.
    pub fn named(uid: &str) -> Self {
        Self {
            uid: uid.to_owned(),
            mail: Some(format!("{uid}@example.org")),
            given_name: uid.to_owned(),
            family_name: "Byhand".to_owned(),
            ..Self::default()
        }
    }
}

/// How a directory differs from the default one.
#[derive(Clone, Copy, Debug)]
pub struct Edits {
    /// Changes `slapd/config.ldif`.
    pub config: fn(&str) -> String,
    /// Changes `slapd/data.ldif`.
    pub data: fn(&str) -> String,
    /// The attribute without an index.
    pub without_index: Option<&'static str>,
    /// What slapd writes to its log (`-d`): `filter` reports searches without an index.
    pub log_level: &'static str,
}

impl Default for Edits {
    fn default() -> Self {
        Self { config: str::to_owned, data: str::to_owned, without_index: None, log_level: "0" }
    }
}

/// An entry as the directory holds it, operational attributes included. Attribute names are as the server writes them.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The DN of the entry.
    pub dn: String,
    /// Every value of every attribute, as text.
    pub attributes: BTreeMap<String, Vec<String>>,
}

impl Entry {
    /// The values of an attribute, ignoring the case of its name; empty if it is absent.
    pub fn values(&self, attribute: &str) -> &[String] {
        self.attributes
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(attribute))
            .map_or(&[], |(_, values)| values.as_slice())
    }

    /// The first value of an attribute.
    pub fn value(&self, attribute: &str) -> Option<&str> {
        self.values(attribute).first().map(String::as_str)
    }
}

/// A directory server with the tree `dc=example,dc=org`.
#[derive(Debug)]
pub struct Slapd {
    /// `ldap://127.0.0.1:PORT`, which offers StartTLS.
    pub ldap_url: String,
    /// `ldaps://127.0.0.1:PORT`.
    pub ldaps_url: String,
    /// The authority that signed the server's certificate (PEM).
    pub ca_file: PathBuf,
    /// The suffix.
    pub base: String,
    /// The entry above all people.
    pub people_dn: String,
    /// The entry above all groups.
    pub groups_dn: String,
    /// The bot's service account.
    pub bot_dn: String,
    /// Its password.
    pub bot_password: String,
    /// The same password in a file, without a line end.
    pub bot_password_file: PathBuf,
    /// Keycloak's service account.
    pub keycloak_dn: String,
    /// Its password.
    pub keycloak_password: String,
    /// The same password in a file, without a line end.
    pub keycloak_password_file: PathBuf,
    /// The root DN, to which no access rule applies.
    pub admin_dn: String,
    /// Its password (also that of `cn=admin,cn=config`).
    pub admin_password: String,
    launch: Launch,
    process: Mutex<Option<Process>>,
    _ports: [Port; 2],
}

impl Slapd {
    /// Makes a new directory in `folder` and starts it.
    pub async fn start_in(servers: &Path, edits: Edits) -> Result<Self> {
        let folder = servers.join("slapd");
        for part in ["cfg", "db", "run"] {
            fs::create_dir_all(folder.join(part)).context("make slapd's folders")?;
        }
        fs::copy("/usr/sbin/slapd", program_in(&folder)).context("copy slapd (package slapd)")?;
        let ca_file = make_certificates(&folder.join("tls"))?;
        let ports = [Port::free()?, Port::free()?];
        let plain = format!("ldap://{}", ports[0].address());
        let secured = format!("ldaps://{}", ports[1].address());
        let launch = Launch::new("slapd", program_in(&folder), &folder).record_in(servers).arguments([
            "-F".to_owned(),
            folder.join("cfg").display().to_string(),
            "-h".to_owned(),
            format!("{plain}/ {secured}/"),
            // `-d` keeps it in the foreground, so that the child's pid is slapd's own.
            "-d".to_owned(),
            edits.log_level.to_owned(),
        ]);
        let bot_password_file = folder.join("bot.password");
        let keycloak_password_file = folder.join("keycloak.password");
        let slapd = Self {
            ldap_url: plain,
            ldaps_url: secured,
            ca_file,
            base: BASE.to_owned(),
            people_dn: format!("ou=people,{BASE}"),
            groups_dn: format!("ou=groups,{BASE}"),
            bot_dn: format!("cn=bot,ou=services,{BASE}"),
            bot_password: write_new_secret(&bot_password_file)?,
            bot_password_file,
            keycloak_dn: format!("cn=keycloak,ou=services,{BASE}"),
            keycloak_password: write_new_secret(&keycloak_password_file)?,
            keycloak_password_file,
            admin_dn: format!("cn=admin,{BASE}"),
            admin_password: write_new_secret(&folder.join("admin.password"))?,
            launch,
            process: Mutex::new(None),
            _ports: ports,
        };
        slapd.load_tree(&folder, edits)?;
        slapd.start().await?;
        Ok(slapd)
    }

    fn load_tree(&self, folder: &Path, edits: Edits) -> Result<()> {
        let complete = |template: &str| -> Result<String> {
            Ok(template
                .replace("@DIR@", &folder.display().to_string())
                .replace("@TLS@", &folder.join("tls").display().to_string())
                .replace("@ADMIN_HASH@", &hash_password(&folder.join("admin.password"))?)
                .replace("@BOT_HASH@", &hash_password(&self.bot_password_file)?)
                .replace("@KEYCLOAK_HASH@", &hash_password(&self.keycloak_password_file)?))
        };
        let files = [
            (
                "0",
                "config.ldif",
                without_index(
                    &(edits.config)(&complete(include_str!("../slapd/config.ldif"))?),
                    edits.without_index,
                ),
            ),
            ("1", "data.ldif", (edits.data)(&complete(include_str!("../slapd/data.ldif"))?)),
        ];
        for (database, name, text) in files {
            let file = folder.join(name);
            fs::write(&file, text).context("write an LDIF file")?;
            add_offline(folder, database, &file)?;
        }
        Ok(())
    }

    /// Replaces all entries of the directory with its initial tree and these entries (LDIF). The server is down meanwhile. Its settings
    /// stay.
    pub async fn replace_entries(&self, ldif: &str) -> Result<()> {
        let folder = self.bot_password_file.parent().context("slapd has no folder")?;
        self.stop();
        for file in fs::read_dir(folder.join("db")).context("list the database")? {
            fs::remove_file(file?.path()).context("remove the database")?;
        }
        let file = folder.join("entries.ldif");
        fs::write(&file, ldif).context("write an LDIF file")?;
        for file in [folder.join("data.ldif"), file] {
            add_offline(folder, "1", &file)?;
        }
        self.start().await
    }

    /// Restarts it on the same ports with the same data. Does nothing if it runs.
    pub async fn start(&self) -> Result<()> {
        {
            let mut process = self.lock();
            if process.is_some() {
                return Ok(());
            }
            *process = Some(self.launch.start()?);
        }
        wait_until("slapd to answer", START_LIMIT, || async {
            if !self.lock().as_mut().is_some_and(Process::is_running) {
                bail!("slapd ended; see {}", self.launch.log_path().display());
            }
            Ok(self.bind_works(&self.admin_dn, &self.admin_password).await.unwrap_or(false))
        })
        .await
    }

    /// Stops it in an orderly way.
    pub fn stop(&self) {
        if let Some(process) = self.take() {
            process.stop();
        }
    }

    /// Kills it as a power cut would.
    pub fn kill(&self) {
        if let Some(process) = self.take() {
            process.kill();
        }
    }

    /// Freezes it: connections stay open, and it answers nothing.
    pub fn freeze(&self) {
        if let Some(process) = &*self.lock() {
            process.freeze();
        }
    }

    /// Resumes it after a freeze.
    pub fn thaw(&self) {
        if let Some(process) = &*self.lock() {
            process.thaw();
        }
    }

    /// Its process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.lock().as_ref().map(Process::pid)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Process> {
        self.lock().take()
    }

    /// Adds a group that contains only the placeholder.
    pub async fn add_group(&self, name: &str, managed: Managed) -> Result<String> {
        let dn = format!("cn={},{}", ldap3::dn_escape(name), self.groups_dn);
        let placeholder = format!("cn=nobody,ou=services,{BASE}");
        let mut attributes = vec![
            ("objectClass", HashSet::from(["groupOfNames"])),
            ("cn", HashSet::from([name])),
            ("member", HashSet::from([placeholder.as_str()])),
        ];
        match managed {
            Managed::Yes => attributes.push(("businessCategory", HashSet::from(["accolade"]))),
            Managed::No => {}
        }
        self.connect_as_admin().await?.add(&dn, attributes).await?.success().context("add a group")?;
        Ok(dn)
    }

    /// Adds a person as an administrator would, and returns the DN.
    pub async fn add_person_by_hand(&self, person: &PersonByHand) -> Result<String> {
        self.add_person_in(&self.people_dn, person).await
    }

    /// Adds an `organizationalUnit` below another entry, and returns its DN.
    pub async fn add_unit(&self, name: &str, parent: &str) -> Result<String> {
        let dn = format!("ou={},{parent}", ldap3::dn_escape(name));
        let attributes = vec![("objectClass", HashSet::from(["organizationalUnit"]))];
        self.connect_as_admin().await?.add(&dn, attributes).await?.success().context("add a unit")?;
        Ok(dn)
    }

    /// Adds a person below another entry, and returns the DN.
    pub async fn add_person_in(&self, parent: &str, person: &PersonByHand) -> Result<String> {
        let dn = format!("uid={},{parent}", ldap3::dn_escape(&person.uid));
        let full_name = format!("{} {}", person.given_name, person.family_name);
        let mut attributes = vec![
            ("objectClass", HashSet::from(["inetOrgPerson"])),
            ("uid", HashSet::from([person.uid.as_str()])),
            ("cn", HashSet::from([full_name.as_str()])),
            ("sn", HashSet::from([person.family_name.as_str()])),
            ("givenName", HashSet::from([person.given_name.as_str()])),
        ];
        let optional = [
            ("mail", &person.mail),
            ("employeeNumber", &person.discord_id),
            ("description", &person.mark),
            ("userPassword", &person.password),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                attributes.push((name, HashSet::from([value.as_str()])));
            }
        }
        self.connect_as_admin().await?.add(&dn, attributes).await?.success().context("add a person")?;
        Ok(dn)
    }

    /// Replaces the values of an attribute; an empty list removes it.
    pub async fn set_attribute(&self, dn: &str, attribute: &str, values: &[&str]) -> Result<()> {
        let change = Mod::Replace(attribute, values.iter().copied().collect());
        self.connect_as_admin()
            .await?
            .modify(dn, vec![change])
            .await?
            .success()
            .context("change an entry")?;
        Ok(())
    }

    /// Gives a person other names, as an operator does.
    pub async fn set_names(&self, dn: &str, given: &str, family: &str) -> Result<()> {
        let full = [given, " ", family].concat();
        for (attribute, name) in [("givenName", given), ("sn", family), ("cn", full.as_str())] {
            self.set_attribute(dn, attribute, &[name]).await?;
        }
        Ok(())
    }

    /// Replaces the values of a setting of the server, below `cn=config`. Returns the previous values.
    pub async fn set_config(&self, dn: &str, attribute: &str, values: &[&str]) -> Result<Vec<String>> {
        let mut ldap = self.connect_as(CONFIG_ADMIN, &self.admin_password).await?;
        let found = ldap.search(dn, Scope::Base, "(objectClass=*)", vec![attribute]).await?;
        let (rows, _) = found.success().context("read the server's settings")?;
        let row = rows.into_iter().next().map(SearchEntry::construct).map(read_entry);
        let before = row.context("no such settings")?.values(attribute).to_vec();
        // One after the other, because a set has no order but rules do.
        let mut changes = vec![Mod::Replace(attribute, values.iter().take(1).copied().collect())];
        changes.extend(values.iter().skip(1).map(|value| Mod::Add(attribute, HashSet::from([*value]))));
        ldap.modify(dn, changes).await?.success().context("change the server's settings")?;
        Ok(before)
    }

    /// How many comparisons of each attribute slapd could not answer from an index, according to its log. Needs the log level `filter`.
    pub fn unindexed_comparisons(&self) -> Result<BTreeMap<String, usize>> {
        let log = fs::read_to_string(self.launch.log_path()).context("read slapd's log")?;
        // `<= mdb_equality_candidates: (uid) not indexed`
        let attributes = log.lines().filter_map(|line| {
            let (before, _) = line.split_once(") not indexed")?;
            Some(before.rsplit_once("_candidates: (")?.1.to_owned())
        });
        let mut counts = BTreeMap::new();
        for attribute in attributes {
            *counts.entry(attribute).or_default() += 1;
        }
        Ok(counts)
    }

    /// Deletes an entry.
    pub async fn delete(&self, dn: &str) -> Result<()> {
        self.connect_as_admin().await?.delete(dn).await?.success().context("delete an entry")?;
        Ok(())
    }

    /// `uid=<uid>,ou=people,…`.
    pub fn person_dn(&self, uid: &str) -> String {
        format!("uid={},{}", ldap3::dn_escape(uid), self.people_dn)
    }

    /// The entry with its operational attributes, or `None` if it does not exist.
    pub async fn entry(&self, dn: &str) -> Result<Option<Entry>> {
        let found = self.search(dn, Scope::Base, "(objectClass=*)").await?;
        Ok(found.into_iter().next())
    }

    /// All entries below `ou=people`, sorted by DN.
    pub async fn people(&self) -> Result<Vec<Entry>> {
        self.search(&self.people_dn, Scope::OneLevel, "(objectClass=*)").await
    }

    /// All entries below `ou=groups`, sorted by DN.
    pub async fn groups(&self) -> Result<Vec<Entry>> {
        self.search(&self.groups_dn, Scope::OneLevel, "(objectClass=*)").await
    }

    /// The people as LDIF, as evidence. For passwords it shows only that they exist.
    pub async fn ldif_of_people(&self) -> Result<String> {
        let mut text = String::new();
        for entry in self.people().await? {
            writeln!(text, "dn: {}", entry.dn)?;
            for (name, values) in &entry.attributes {
                for value in values {
                    let secret = ["userPassword", "pwdHistory"].contains(&name.as_str());
                    writeln!(text, "{name}: {}", if secret { "(set)" } else { value })?;
                }
            }
            writeln!(text)?;
        }
        Ok(text)
    }

    /// Whether the directory accepts this bind. `false` for wrong credentials and locks, an error for an outage.
    pub async fn bind_works(&self, dn: &str, password: &str) -> Result<bool> {
        let mut ldap = self.connect().await?;
        let LdapResult { rc, .. } = ldap.with_timeout(CALL_LIMIT).simple_bind(dn, password).await?;
        let _ = ldap.unbind().await;
        match rc {
            0 => Ok(true),
            49 | 53 => Ok(false),
            other => bail!("the directory answered a bind with result code {other}"),
        }
    }

    /// A connection bound as `dn`, to test what that account may do.
    pub async fn connect_as(&self, dn: &str, password: &str) -> Result<Ldap> {
        let mut ldap = self.connect().await?;
        ldap.with_timeout(CALL_LIMIT).simple_bind(dn, password).await?.success().context("bind")?;
        Ok(ldap)
    }

    /// An unbound connection.
    pub async fn connect(&self) -> Result<Ldap> {
        let settings = LdapConnSettings::new().set_conn_timeout(CALL_LIMIT);
        let (connection, ldap) = LdapConnAsync::with_settings(settings, &self.ldap_url).await?;
        tokio::spawn(connection.drive());
        Ok(ldap)
    }

    async fn connect_as_admin(&self) -> Result<Ldap> {
        self.connect_as(&self.admin_dn, &self.admin_password).await
    }

    async fn search(&self, base: &str, scope: Scope, filter: &str) -> Result<Vec<Entry>> {
        let mut ldap = self.connect_as_admin().await?;
        let result = ldap.with_timeout(CALL_LIMIT).search(base, scope, filter, vec!["*", "+"]).await?;
        if result.1.rc == 32 {
            return Ok(Vec::new());
        }
        let (rows, _) = result.success().context("search the directory")?;
        let mut entries: Vec<Entry> =
            rows.into_iter().map(|row| read_entry(SearchEntry::construct(row))).collect();
        entries.sort_by(|one, other| one.dn.cmp(&other.dn));
        Ok(entries)
    }
}

/// Ubuntu's `AppArmor` profile applies to the path of slapd and allows it to read only the system's own folders; a copy is not restricted.
/// The copy also serves as slapadd, as `slapd -T add`.
fn program_in(folder: &Path) -> PathBuf {
    folder.join("run/slapd")
}

/// Adds the entries of a file to a database while the server is down.
fn add_offline(folder: &Path, database: &str, file: &Path) -> Result<()> {
    let output = Command::new(program_in(folder))
        .args(["-T", "add", "-q", "-n", database, "-F"])
        .arg(folder.join("cfg"))
        .arg("-l")
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .context("load the directory")?;
    if !output.status.success() {
        bail!("slapadd refused {}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// The settings without the index of an attribute.
fn without_index(config: &str, attribute: Option<&str>) -> String {
    let is_kept = |name: &&str| attribute != Some(*name);
    let lines = config.lines().filter_map(|line| {
        let Some((names, kinds)) = line.strip_prefix("olcDbIndex: ").and_then(|value| value.split_once(' '))
        else {
            return Some(line.to_owned());
        };
        let kept: Vec<&str> = names.split(',').filter(is_kept).collect();
        (!kept.is_empty()).then(|| format!("olcDbIndex: {} {kinds}", kept.join(",")))
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

fn read_entry(row: SearchEntry) -> Entry {
    let mut attributes: BTreeMap<String, Vec<String>> = row.attrs.into_iter().collect();
    for (name, values) in row.bin_attrs {
        let texts = values.iter().map(|value| String::from_utf8_lossy(value).into_owned());
        attributes.entry(name).or_default().extend(texts);
    }
    Entry { dn: row.dn, attributes }
}

/// Writes a new random password to `file` for its owner only, and returns it.
pub(crate) fn write_new_secret(file: &Path) -> Result<String> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let secret = hex::encode(rand::random::<[u8; 16]>());
    let mut out = fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(file)
        .context("make a secret's file")?;
    out.write_all(secret.as_bytes()).context("write a secret")?;
    Ok(secret)
}

/// The password in `file` in slapd's own `{SSHA}` form.
fn hash_password(file: &Path) -> Result<String> {
    let output = Command::new("/usr/sbin/slappasswd")
        .args(["-h", "{SSHA}", "-T"])
        .arg(file)
        .output()
        .context("run slappasswd (package slapd)")?;
    if !output.status.success() {
        bail!("slappasswd failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout).context("read a password hash")?.trim().to_owned())
}
