//! A separate Postgres server for a test. It uses the binaries of Debian, a new folder, and a
//! free loopback port.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running server. It ends when this value is dropped, and when this process is killed.
pub(crate) struct PostgresServer {
    folder: PathBuf,
    port: u16,
    /// Runs the server until its standard input ends.
    guard: Child,
}

/// The number of attempts to connect to a server that is starting.
const START_ATTEMPTS: u32 = 600;

impl PostgresServer {
    /// Starts a server. `.ci/postgres` installs the binaries if they are missing.
    pub(crate) fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("outbox-postgres-{}", fastrand::u64(..)));
        fs::create_dir(&folder).unwrap();
        // If this process runs as root, the server runs as another user, which needs access.
        fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
        let port = free_port();
        let script = r#"
            "$1/initdb" -D data -U outbox --auth=trust -N >log 2>&1 || exit 1
            "$1/postgres" -D data -c listen_addresses=127.0.0.1 -c port="$2" \
                -c unix_socket_directories="$PWD" -c fsync=off -c max_connections=200 \
                >>log 2>&1 </dev/null &
            server=$!
            cat
            kill -QUIT "$server"
            wait "$server""#;
        // Postgres refuses to run as root.
        let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
        let mut command = if is_root {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--", "sh"]);
            command
        } else {
            Command::new("sh")
        };
        let guard = command
            .args(["-c", script, "sh"])
            .arg(binaries())
            .arg(port.to_string())
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut server = Self {
            folder,
            port,
            guard,
        };
        server.wait_until_ready();
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://outbox@127.0.0.1:{}/postgres", self.port)
    }

    fn wait_until_ready(&mut self) {
        let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        for _ in 0..START_ATTEMPTS {
            let ended = self.guard.try_wait().unwrap();
            assert!(ended.is_none(), "Postgres did not start:\n{}", log());
            if log().contains("ready to accept connections") {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("Postgres is not ready:\n{}", log());
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Returns the folder with the binaries of the newest installed version.
fn binaries() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut versions: Vec<u32> = versions
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    versions.sort_unstable();
    let version = versions
        .last()
        .expect("Postgres is not installed: run .ci/postgres");
    Path::new("/usr/lib/postgresql")
        .join(version.to_string())
        .join("bin")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
