//! Which Java runs Keycloak, and with which arguments.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

/// Keycloak 26 needs at least this.
const OLDEST: u32 = 17;
/// From this version on, a start can record an ahead-of-time cache for the next one.
const FIRST_WITH_AOT_CACHE: u32 = 25;

/// A Java that can run Keycloak.
#[derive(Clone, Debug)]
pub(crate) struct Java {
    home: PathBuf,
    major: u32,
}

impl Java {
    /// `JAVA_HOME` if it is new enough, else the newest below `/usr/lib/jvm`.
    pub(crate) fn find() -> Result<Self> {
        if let Some(home) = std::env::var_os("JAVA_HOME")
            && let Some(java) = Self::at(Path::new(&home))
        {
            return Ok(java);
        }
        let installed = fs::read_dir("/usr/lib/jvm").context("look for Java in /usr/lib/jvm")?;
        let newest =
            installed.filter_map(|entry| Self::at(&entry.ok()?.path())).max_by_key(|java| java.major);
        match newest {
            Some(java) => Ok(java),
            None => bail!("found no Java {OLDEST} or newer (JAVA_HOME, /usr/lib/jvm)"),
        }
    }

    fn at(home: &Path) -> Option<Self> {
        let release = fs::read_to_string(home.join("release")).ok()?;
        let version = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION=\""))?;
        let major = version.split(['.', '"', '-']).next()?.parse().ok()?;
        (major >= OLDEST && home.join("bin/java").exists()).then(|| Self { home: home.to_owned(), major })
    }

    pub(crate) const fn major(&self) -> u32 {
        self.major
    }

    pub(crate) const fn has_aot_cache(&self) -> bool {
        self.major >= FIRST_WITH_AOT_CACHE
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.home.join("bin/java")
    }

    /// The arguments that `kc.sh` of Keycloak 26.7 passes to Java. No shell runs between the testbed and the server, so the pid is the
    /// server's own and the server dies with the testbed. `tree` contains the code, `home` the data.
    pub(crate) fn keycloak_arguments(tree: &Path, home: &Path) -> Vec<String> {
        let mut arguments: Vec<String> = [
            "-Djava.util.concurrent.ForkJoinPool.common.threadFactory=io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
            "-XX:MetaspaceSize=96M",
            "-XX:MaxMetaspaceSize=256m",
            "-Dfile.encoding=UTF-8",
            "-Dsun.stdout.encoding=UTF-8",
            "-Dsun.err.encoding=UTF-8",
            "-Dstdout.encoding=UTF-8",
            "-Dstderr.encoding=UTF-8",
            "-XX:+ExitOnOutOfMemoryError",
            "-Djava.security.egd=file:/dev/urandom",
            "-Xms256m",
            "-Xmx1g",
            // Short runs on few cores: a simple collector and a fast compiler beat the defaults.
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "--add-opens=java.base/java.util=ALL-UNNAMED",
            "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
            "--add-opens=java.base/java.security=ALL-UNNAMED",
            "--add-opens=java.base/java.lang=ALL-UNNAMED",
            "--enable-native-access=ALL-UNNAMED",
            "-Duser.language=en",
            "-Duser.country=US",
            "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
            "-Dpicocli.disable.closures=true",
            "-Dquarkus-log-max-startup-records=10000",
        ]
        .map(str::to_owned)
        .into();
        arguments.push(format!("-Dkc.home.dir={}", home.display()));
        arguments.push(format!("-Djboss.server.config.dir={}", home.join("conf").display()));
        arguments.push("-cp".to_owned());
        arguments.push(tree.join("lib/quarkus-run.jar").display().to_string());
        arguments.push("io.quarkus.bootstrap.runner.QuarkusEntryPoint".to_owned());
        arguments
    }
}
