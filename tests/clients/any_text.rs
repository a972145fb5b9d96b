//! Any text as a name in a filter and in a DN, against a real slapd: exactly the named entry is found and changed.
//!
//! Group names are the least restricted text that reaches the directory: user names have passed `domain::username`.

use std::collections::HashSet;

use accolade::directory::{By, Directory, DirectoryError, OwnedEntry};
use accolade::domain::account::DirectoryId;
use accolade::domain::eligibility::GroupName;
use accolade::domain::job::Outcome;
use ldap3::Ldap;
use proptest::test_runner::{Config, TestRunner};
use testbed::{Managed, TestServers};

use crate::directory::TestPerson;
use crate::servers;

/// Texts that are known to break programs.
const KNOWN_TO_HURT: [&str; 30] = [
    "*",
    "**",
    "(",
    ")",
    "\\",
    "\\\\",
    "\\2a",
    "*)(cn=*",
    "a*",
    "(cn=a)",
    "#a",
    "#61",
    " a",
    "a ",
    " a  b ",
    "a,b",
    "a+b",
    "a+cn=b",
    "a=b",
    "\"a\"",
    "<a>",
    "a;b",
    "a\nb",
    "a\u{202e}b",
    "\u{feff}a",
    "äöü",
    "a\0b",
    "\0",
    "𝕒",
    "a&b|c!d",
];

/// Groups that an insufficiently escaped filter or name would match.
const BESIDE: [&str; 4] = ["members", "a", "b", "placeholder"];

struct TestEnv {
    servers: TestServers,
    client: Directory,
    admin: Ldap,
    ours: OwnedEntry,
}

/// Escapes every byte of a DN value, unlike the product.
fn escaped(text: &str) -> String {
    let digit = |four: u8| char::from_digit(u32::from(four), 16).expect("four bits");
    text.bytes().flat_map(|byte| ['\\', digit(byte >> 4), digit(byte & 15)]).collect()
}

impl TestEnv {
    async fn set() -> Self {
        let servers = servers::own_slapd().await;
        let client = Directory::new(&servers::directory_config(&servers.slapd)).expect("usable settings");
        let ours = TestPerson::new("ada", 1).add_to(&client).await;
        for name in BESIDE {
            servers.slapd.add_group(name, Managed::Yes).await.expect("a group");
        }
        let slapd = &servers.slapd;
        let admin = slapd.connect_as(&slapd.admin_dn, &slapd.admin_password).await.expect("bound");
        Self { servers, client, admin, ours }
    }

    /// Creates the group with this name, finds it, joins and leaves it, and deletes it. Returns `false` if the directory refuses the
    /// name.
    async fn tries(&mut self, text: &str) -> bool {
        let Some(name) = GroupName::new(text) else { return false };
        let group = std::slice::from_ref(&name);
        let dn = ["cn=", &escaped(text), ",", &self.servers.slapd.groups_dn].concat();
        let nobody = "cn=nobody,ou=services,dc=example,dc=org";
        let attributes = vec![
            ("objectClass", HashSet::from(["groupOfNames"])),
            ("cn", HashSet::from([text])),
            ("businessCategory", HashSet::from(["accolade"])),
            ("member", HashSet::from([nobody])),
        ];
        match self.admin.add(&dn, attributes).await.expect("an answer").rc {
            0 => {}
            // The directory treats the name as equal to that of another group.
            68 => return false,
            rc => {
                assert!(matches!(rc, 21 | 34), "{text:?} was refused with {rc}");
                let absent = Err(DirectoryError::Absent { verb: "members" });
                assert_eq!(self.client.members(&name).await, absent, "{text:?}");
                return false;
            }
        }
        assert_eq!(self.client.members(&name).await, Ok(Vec::new()), "{text:?}");
        let joined = self.client.ensure_membership(&self.ours, group, group).await.expect("membership");
        assert_eq!((joined.outcome, joined.added.as_slice()), (Outcome::Applied, group), "{text:?}");
        let entry =
            self.client.find(By::DirectoryId(&self.ours.directory_id)).await.expect("an answer").remove(0);
        assert_eq!(self.client.members(&name).await, Ok(vec![entry.dn.clone()]), "{text:?}");
        assert_eq!(
            self.client.groups_of(&entry).await.as_deref(),
            Ok(group),
            "{text:?}: one group and no other"
        );
        let left = self.client.ensure_membership(&self.ours, &[], group).await.expect("membership");
        assert_eq!(left.removed.as_slice(), group, "{text:?}");
        self.admin.delete(&dn).await.expect("an answer").success().expect("deleted");
        assert!(self.client.members(&name).await.is_err(), "{text:?} is found after its deletion");
        true
    }
}

#[tokio::test]
async fn any_name_of_a_group_is_found_joined_and_left_and_no_other_is_touched() {
    let mut env = TestEnv::set().await;
    let mut taken = 0;
    for text in KNOWN_TO_HURT {
        taken += usize::from(env.tries(text).await);
    }
    assert!(taken >= 20, "the directory took only {taken} of these names");
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let texts = "[ -~]{1,24}|[*()\\\\&|!=,+#<>;\" \\x00]{1,8}|[#* ]{0,2}\\PC{1,12}[* \\\\]{0,2}|.{1,6}";
    let texts = proptest::string::string_regex(texts).expect("a pattern");
    for _ in 0..200 {
        let tree = proptest::strategy::Strategy::new_tree(&texts, &mut runner).expect("a text");
        env.tries(&proptest::strategy::ValueTree::current(&tree)).await;
    }
    let groups = env.servers.slapd.groups().await.expect("the groups");
    assert!(groups.len() >= BESIDE.len());
    for group in groups {
        assert_eq!(group.values("member").len(), 1, "only the placeholder is in {}", group.dn);
    }
}

#[tokio::test]
async fn any_text_as_a_lasting_id_finds_the_entry_of_that_id_or_nobody() {
    let env = TestEnv::set().await;
    let find = async |text: &str| {
        let id = DirectoryId::new(text).expect("not empty");
        env.client.find(By::DirectoryId(&id)).await.map(|found| found.len())
    };
    assert_eq!(find(env.ours.directory_id.as_str()).await, Ok(1));
    for text in KNOWN_TO_HURT {
        assert_eq!(find(text).await, Ok(0), "{text:?}");
        let longer = [env.ours.directory_id.as_str(), text].concat();
        // The server ignores blanks at the end of a value.
        let is_hers = longer.trim_end_matches(' ') == env.ours.directory_id.as_str();
        assert_eq!(find(&longer).await, Ok(usize::from(is_hers)), "{longer:?}");
    }
}
