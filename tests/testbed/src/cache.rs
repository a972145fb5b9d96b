//! What is made once and then copied: the unpacked and built Keycloak, its database with only the schema and
//! the administrator, and Java's ahead-of-time cache.
//!
//! One file lock guards the whole cache, so two sets of servers never build at once. The lock ends with its process. Incomplete results of
//! a killed run have no `finished.json` and are made again.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::{Duration, Instant, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use crate::{
    java::Java,
    keycloak::{self, Address, VERSION},
    ports::Port,
    process::Launch,
    slapd::write_new_secret,
};

/// Must be raised when the build steps change.
const LAYOUT: u32 = 1;
const BUILD_LIMIT: Duration = Duration::from_mins(10);

/// How long each stage of [`prepare`] took; empty if everything was already cached.
pub(crate) type Stages = Vec<(&'static str, Duration)>;

/// A Keycloak that needs only a copy of its template database to start.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) java: Java,
    folder: PathBuf,
}

impl Prepared {
    /// The code. Every set of servers shares it, and nothing writes to it after the build.
    pub(crate) fn tree(&self) -> PathBuf {
        self.folder.join(format!("keycloak-{VERSION}"))
    }

    pub(crate) fn template(&self) -> PathBuf {
        self.folder.join("template-h2")
    }

    pub(crate) fn aot_cache(&self) -> Option<PathBuf> {
        let file = self.folder.join("keycloak.aot");
        (self.java.has_aot_cache() && file.exists()).then_some(file)
    }

    pub(crate) fn admin_password(&self) -> Result<String> {
        fs::read_to_string(self.folder.join("admin.password")).context("read the administrator's password")
    }

    /// Makes a home for one server: links to the shared code, and a data folder of its own.
    pub(crate) fn make_home(&self, home: &Path) -> Result<()> {
        fs::create_dir_all(home.join("data/h2")).context("make Keycloak's data folder")?;
        for part in ["bin", "conf", "lib", "providers", "themes", "version.txt"] {
            symlink(self.tree().join(part), home.join(part)).context("link Keycloak's code")?;
        }
        Ok(())
    }
}

/// The cache folder of this user.
pub(crate) fn cache_folder() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("ACCOLADE_CACHE") {
        return Ok(folder.into());
    }
    let base = match (std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME")) {
        (Some(cache), _) => PathBuf::from(cache),
        (None, Some(home)) => Path::new(&home).join(".cache"),
        (None, None) => bail!("neither ACCOLADE_CACHE, XDG_CACHE_HOME nor HOME says where the cache is"),
    };
    Ok(base.join("accolade"))
}

/// Makes what is missing. If another process is making it, waits for that process.
pub(crate) async fn prepare() -> Result<(Prepared, Stages)> {
    let cache = cache_folder()?;
    let java = Java::find()?;
    let folder = cache.join(format!("keycloak-{VERSION}-java{}", java.major()));
    fs::create_dir_all(&cache).context("make the cache folder")?;
    let lock = File::create(cache.join("testbed.lock")).context("open the lock of the cache")?;
    let lock =
        tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await?.context("lock the cache")?;

    let prepared = Prepared { java, folder };
    let archive = cache.join(format!("dl/keycloak-quarkus-dist-{VERSION}.tar.gz"));
    let wanted = fingerprint(&archive)?;
    let marker = prepared.folder.join("finished.json");
    if fs::read(&marker).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()) == Some(wanted.clone()) {
        return Ok((prepared, Vec::new()));
    }
    let stages = make(&prepared, &archive).await?;
    let unfinished = prepared.folder.join("finished.json.new");
    fs::write(&unfinished, serde_json::to_vec_pretty(&wanted)?).context("write the finished marker")?;
    fs::rename(unfinished, marker).context("put the finished marker in place")?;
    drop(lock);
    Ok((prepared, stages))
}

fn fingerprint(archive: &Path) -> Result<serde_json::Value> {
    let facts = fs::metadata(archive).with_context(|| {
        format!(
            "the Keycloak distribution is not at {}: `./dev sandbox` and `./dev test` put it there",
            archive.display()
        )
    })?;
    let modified = facts.modified()?.duration_since(UNIX_EPOCH)?.as_secs();
    Ok(json!({"layout": LAYOUT, "size": facts.len(), "modified": modified}))
}

async fn make(prepared: &Prepared, archive: &Path) -> Result<Stages> {
    if prepared.folder.exists() {
        fs::remove_dir_all(&prepared.folder).context("remove a half-made Keycloak")?;
    }
    fs::create_dir_all(&prepared.folder).context("make Keycloak's folder")?;
    let mut stages = Stages::new();
    let mut begun = Instant::now();
    let mut stage_done = |name| {
        let took = begun.elapsed();
        tracing::info!(stage = name, seconds = took.as_secs(), "prepared");
        stages.push((name, took));
        begun = Instant::now();
    };

    let unpack = Launch::new("unpack", "/bin/tar", &prepared.folder).arguments([
        "xzf".to_owned(),
        archive.display().to_string(),
        "-C".to_owned(),
        prepared.folder.display().to_string(),
    ]);
    run(unpack).await?;
    stage_done("unpack");

    let build = Launch::new("build", prepared.java.program(), &prepared.folder)
        .arguments(Java::keycloak_arguments(&prepared.tree(), &prepared.tree()))
        .arguments(["build"])
        .environment("KC_DB", "dev-file")
        .environment("KC_HEALTH_ENABLED", "true");
    run(build).await?;
    stage_done("build");

    make_template(prepared).await?;
    stage_done("template database");
    Ok(stages)
}

async fn run(launch: Launch) -> Result<()> {
    let log = launch.log_path();
    let status = tokio::task::spawn_blocking(move || launch.run(BUILD_LIMIT)).await??;
    if !status.success() {
        bail!("a stage of the preparation failed ({status}); see {}", log.display());
    }
    Ok(())
}

/// Starts Keycloak once on an empty database, and keeps the resulting database with the schema and the first administrator.
async fn make_template(prepared: &Prepared) -> Result<()> {
    let home = prepared.folder.join("template-home");
    prepared.make_home(&home)?;
    let admin_password = write_new_secret(&prepared.folder.join("admin.password"))?;
    let (http, management) = (Port::free()?, Port::free()?);
    let aot = prepared
        .java
        .has_aot_cache()
        .then(|| format!("-XX:AOTCacheOutput={}", prepared.folder.join("keycloak.aot").display()));
    let address = Address { http: http.number(), management: management.number(), public_url: None };
    let launch = keycloak::launch(prepared, &prepared.folder, &home, aot, &address)
        .environment("KC_BOOTSTRAP_ADMIN_USERNAME", keycloak::ADMIN)
        .environment("KC_BOOTSTRAP_ADMIN_PASSWORD", &admin_password);
    let mut process = launch.start()?;
    keycloak::wait_until_ready(&mut process, management.number(), &launch.log_path()).await?;
    // Java writes the ahead-of-time cache during an orderly exit, which takes longer than a normal stop.
    tokio::task::spawn_blocking(move || process.stop_within(Duration::from_mins(2))).await?;
    fs::rename(home.join("data/h2"), prepared.template()).context("keep the template database")?;
    fs::remove_dir_all(home).context("remove the template's home")
}
