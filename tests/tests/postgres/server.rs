//! A PostgreSQL server of our own.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use bonafide_postgres::{Address, Postgres};
use tempfile::TempDir;
use tokio_postgres::NoTls;

/// How long it may take to start, on a machine that may be busy.
const START_TIME: Duration = Duration::from_secs(60);

/// A server on loopback, with every statement and its parameters in its log. Dropping it ends it.
pub(crate) struct Server {
    programs: PathBuf,
    /// Whom it runs as, if this process is root.
    user: Option<(u32, u32)>,
    pub(crate) port: u16,
    process: Mutex<Option<Child>>,
    databases: AtomicUsize,
    // Last, so that it is removed when nobody uses it any more.
    directory: TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// A server with these lines added to its configuration.
    pub(crate) fn start_with(configuration: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let user = (id("-u", None) == Some(0)).then(|| {
            let id = |of| id(of, Some("postgres")).unwrap();
            (id("-u"), id("-g"))
        });
        if let Some((user, group)) = user {
            std::os::unix::fs::chown(directory.path(), Some(user), Some(group)).unwrap();
        }
        let server = Self {
            programs: programs(),
            user,
            port: free_port(),
            process: Mutex::new(None),
            databases: AtomicUsize::new(0),
            directory,
        };
        server.initialize(configuration);
        server.run();
        server
    }

    /// The files of the cluster.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn initialize(&self, configuration: &str) {
        let mut initdb = self.program("initdb");
        initdb.arg("-D").arg(self.data());
        initdb.args([
            "-A",
            "trust",
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]);
        succeed(&mut initdb);
        let directory = self.directory.path().display();
        let port = self.port;
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{directory}'\n\
             fsync = off\nmax_connections = 300\nlog_statement = 'all'\nlog_parameter_max_length = -1\n\
             log_parameter_max_length_on_error = -1\nlog_connections = on\nwal_level = replica\n\
             {configuration}\n"
        );
        let path = self.data().join("postgresql.conf");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}\n{settings}")).unwrap();
    }

    /// Starts it, unless it runs, and waits until it takes connections.
    pub(crate) fn run(&self) {
        let mut process = self.process();
        if process.is_some() {
            return;
        }
        let mut child = self.spawn();
        let started = Instant::now();
        loop {
            let mut ready = self.program("pg_isready");
            ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
            if ready.status().unwrap().success() {
                break;
            }
            if let Some(ended) = child.try_wait().unwrap() {
                // One that was killed leaves processes behind, which take a moment to notice.
                let log = self.log();
                let too_early = log.lines().rev().take(5).any(|line| line.contains("still in use"));
                assert!(too_early, "PostgreSQL ended with {ended:?}:\n{log}");
                child = self.spawn();
            }
            assert!(started.elapsed() < START_TIME, "PostgreSQL is not ready:\n{}", self.log());
            sleep(Duration::from_millis(20));
        }
        *process = Some(child);
    }

    /// Stops it at once: open connections are closed, and what was not committed is undone.
    pub(crate) fn stop(&self) {
        let mut process = self.process();
        if let Some(mut child) = process.take() {
            signal(child.id(), "INT");
            child.wait().unwrap();
        }
    }

    /// Kills it: it has no time to write anything down, and the next start has to recover.
    pub(crate) fn kill(&self) {
        if let Some(mut child) = self.process().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn spawn(&self) -> Child {
        let log = File::options().create(true).append(true).open(self.log_path()).unwrap();
        let mut postgres = self.program("postgres");
        postgres.arg("-D").arg(self.data()).stdin(Stdio::null());
        postgres.stdout(log.try_clone().unwrap()).stderr(log);
        postgres.spawn().unwrap()
    }

    fn process(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new database, and its URL.
    pub(crate) async fn database(&self) -> String {
        self.database_with("TEMPLATE template0 ENCODING 'UTF8'").await
    }

    pub(crate) async fn database_with(&self, options: &str) -> String {
        let name = format!("bonafide_{}", self.databases.fetch_add(1, Ordering::SeqCst));
        let sql = format!("CREATE DATABASE {name} {options}");
        self.client("postgres").await.batch_execute(&sql).await.unwrap();
        self.url(&name)
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// What an administrator has: a connection of their own.
    pub(crate) async fn client(&self, database: &str) -> tokio_postgres::Client {
        connect(&self.url(database)).await
    }

    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_path()).unwrap()).into_owned()
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// One of the server's programs, run as it is.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(self.directory.path()).env("LC_ALL", "C");
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    /// A file beside the data that the server may read, and others may not.
    pub(crate) fn put(&self, name: &str, text: &str) {
        let path = self.data().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        if let Some((user, group)) = self.user {
            std::os::unix::fs::chown(&path, Some(user), Some(group)).unwrap();
        }
    }

    /// Makes a copy of this server that follows it.
    pub(crate) fn standby(&self) -> Self {
        let directory = tempfile::tempdir().unwrap();
        if let Some((user, group)) = self.user {
            std::os::unix::fs::chown(directory.path(), Some(user), Some(group)).unwrap();
        }
        let port = free_port();
        let mut copy = self.program("pg_basebackup");
        copy.args(["-h", "127.0.0.1", "-U", "postgres", "-R", "-c", "fast"]);
        copy.args(["-p", &self.port.to_string(), "-D"]).arg(directory.path().join("data"));
        succeed(&mut copy);
        let standby = Self {
            programs: self.programs.clone(),
            user: self.user,
            port,
            process: Mutex::new(None),
            databases: AtomicUsize::new(0),
            directory,
        };
        let path = standby.data().join("postgresql.conf");
        let text = fs::read_to_string(&path).unwrap();
        let directory = standby.directory.path().display();
        let settings = format!("port = {port}\nunix_socket_directories = '{directory}'");
        fs::write(&path, format!("{text}\n{settings}\n")).unwrap();
        standby.run();
        standby
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.process().take() {
            // Nothing of it is needed any more.
            signal(child.id(), "QUIT");
            let _ = child.wait();
        }
    }
}

pub(crate) async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

pub(crate) fn address(url: &str) -> Address {
    url.parse().unwrap()
}

pub(crate) fn postgres(url: &str) -> Postgres {
    Postgres::new(address(url)).unwrap()
}

/// Sends a signal to one process.
pub(crate) fn signal(process: u32, signal: &str) {
    let sent = Command::new("kill").args([&format!("-{signal}"), &process.to_string()]).status();
    assert!(sent.unwrap().success());
}

pub(crate) fn succeed(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {}:\n{said}", output.status);
    output.stdout
}

fn programs() -> PathBuf {
    if let Some(directory) = std::env::var_os("BONAFIDE_POSTGRES_BIN") {
        return directory.into();
    }
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = versions.map(|version| version.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    // A link to one program says where all of them are.
    let real = |directory: PathBuf| {
        let initdb = directory.join("initdb").canonicalize().ok()?;
        Some(initdb.parent()?.to_owned()).filter(|directory| directory.join("postgres").is_file())
    };
    let newest = debian.filter_map(real).max();
    newest.or_else(|| std::env::split_paths(&path).find_map(real)).unwrap_or_else(|| {
        panic!("there is no PostgreSQL server: install Debian's `postgresql`, or set BONAFIDE_POSTGRES_BIN")
    })
}

fn id(of: &str, user: Option<&str>) -> Option<u32> {
    let output = Command::new("id").arg(of).args(user).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
